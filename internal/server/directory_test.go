package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
)

const (
	directoryHost     = "https://graph.microsoft.com"
	directoryResource = "https://graph.microsoft.com"
)

// graph sends a request to the directory, as the owner or as another token has it.
func (h *house) graph(method, path, body string, token ...string) answer {
	h.t.Helper()
	return h.do(method, directoryHost+"/v1.0"+path, append(token, h.token(testClient, houseSecret, directoryResource))[0], body)
}

// newDirectoryHouse is a house whose owner owns the directory, too.
func newDirectoryHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	if err := h.srv.Resources().AssignRole(t.Context(), access.Assignment{Scope: "/", RoleID: access.RoleOwner, PrincipalID: testOwner}); err != nil {
		t.Fatal(err)
	}
	return h
}

// into decodes the body.
func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		a.t.Fatalf("%s: %v", a.body, err)
	}
}

// refusedByGraph checks the envelope of the directory.
func (a answer) refusedByGraph(status int, code, message string) {
	a.t.Helper()
	var body struct {
		Error struct {
			Code, Message string
			InnerError    map[string]string
		}
	}
	a.into(&body)
	if e := body.Error; a.status != status || e.Code != code || e.Message != message {
		a.t.Errorf("status %d, %s: %s\nwant %d, %s: %s", a.status, e.Code, e.Message, status, code, message)
	}
	inner := body.Error.InnerError
	if _, err := time.Parse("2006-01-02T15:04:05", inner["date"]); err != nil || len(inner) != 3 || inner["request-id"] == "" ||
		inner["request-id"] != a.header.Get("Request-Id") || inner["client-request-id"] == "" || a.header.Get("X-Ms-Request-Id") == "" {
		a.t.Errorf("inner error %v, headers %v", inner, a.header)
	}
}

type graphPage struct {
	Context string `json:"@odata.context"`
	Next    string `json:"@odata.nextLink"`
	Value   []struct {
		Type                   string `json:"@odata.type"`
		ID, AppID, DisplayName string
	}
}

func (h *house) graphList(path string, token ...string) graphPage {
	h.t.Helper()
	var page graphPage
	h.graph(http.MethodGet, path, "", token...).is(200).into(&page)
	return page
}

func filterQuery(text string) string { return "?$filter=" + url.QueryEscape(text) }

// A tool's way through the directory, with what Graph answers at each step.
func TestDirectory(t *testing.T) {
	t.Parallel()
	h := newDirectoryHouse(t)
	var app struct {
		Context                string `json:"@odata.context"`
		ID, AppID, DisplayName string
		CreatedDateTime        time.Time
		PasswordCredentials    []map[string]any
		IdentifierURIs         []string
	}
	a := h.graph(http.MethodPost, "/applications", `{"displayName":"billing","signInAudience":"AzureADMyOrg","web":{}}`).is(201)
	a.into(&app)
	if app.Context != directoryHost+"/v1.0/$metadata#applications/$entity" || app.ID == app.AppID || app.DisplayName != "billing" || app.PasswordCredentials == nil || app.IdentifierURIs == nil ||
		app.CreatedDateTime.IsZero() || a.header.Get("Cache-Control") != "no-store" || a.header.Get("OData-Version") != "4.0" {
		t.Errorf("%s\n%v", a.body, a.header)
	}
	byKey := "/applications(appId='" + app.AppID + "')"

	// Its service principal is made apart, once.
	if found := h.graphList("/servicePrincipals" + filterQuery("appId eq '"+app.AppID+"'")); len(found.Value) != 0 {
		t.Errorf("%+v", found)
	}
	h.graph(http.MethodGet, "/servicePrincipals(appId='"+app.AppID+"')", "").refusedByGraph(404, "Request_ResourceNotFound",
		"Resource '"+app.AppID+"' does not exist or one of its queried reference-property objects are not present.")
	var principal struct {
		ID, AppID, ServicePrincipalType, AppOwnerOrganizationID string
		ServicePrincipalNames                                   []string
	}
	h.graph(http.MethodPost, "/servicePrincipals", `{"appId":"`+app.AppID+`"}`).is(201).into(&principal)
	if principal.AppID != app.AppID || principal.ID == app.ID || principal.ServicePrincipalType != "Application" ||
		principal.AppOwnerOrganizationID != testTenant || fmt.Sprint(principal.ServicePrincipalNames) != "["+app.AppID+"]" {
		t.Errorf("%+v", principal)
	}
	h.graph(http.MethodPost, "/servicePrincipals", `{"appId":"`+app.AppID+`"}`).refusedByGraph(409, "Request_MultipleObjectsWithSameKeyValue",
		"The service principal cannot be created, updated, or restored because the service principal name "+app.AppID+" is already in use.")
	h.graph(http.MethodPost, "/servicePrincipals", `{"appId":"nobody"}`).refusedByGraph(400, "Request_BadRequest",
		"The appId 'nobody' of the service principal does not reference a valid application object.")

	// A secret is shown once.
	var secret struct {
		KeyID, SecretText, DisplayName string
		StartDateTime, EndDateTime     time.Time
	}
	h.graph(http.MethodPost, "/applications/"+app.ID+"/addPassword", `{"passwordCredential":{"displayName":"ci"}}`).is(200).into(&secret)
	if secret.SecretText == "" || secret.DisplayName != "ci" || !secret.EndDateTime.Equal(secret.StartDateTime.AddDate(2, 0, 0)) {
		t.Errorf("%+v", secret)
	}
	a = h.graph(http.MethodGet, byKey, "").is(200)
	if a.into(&app); strings.Contains(a.body, secret.SecretText) || len(app.PasswordCredentials) != 1 || app.PasswordCredentials[0]["keyId"] != secret.KeyID ||
		app.PasswordCredentials[0]["secretText"] != nil {
		t.Error(a.body)
	}
	if token := h.token(app.AppID, secret.SecretText, vaultResource); token == "" {
		t.Error("no token")
	}

	for _, tc := range []struct {
		path string
		want []string
	}{
		{"/servicePrincipals" + filterQuery("servicePrincipalNames/any(c:c eq '"+app.AppID+"')"), []string{principal.ID}},
		{"/servicePrincipals" + filterQuery("displayName eq 'billing'"), []string{principal.ID}},
		{"/applications" + filterQuery("startswith(displayName,'bill')"), []string{app.ID}},
		{"/applications" + filterQuery("identifierUris/any(s:s eq '"+app.AppID+"')"), nil},
		{"/applications" + filterQuery("appId eq '"+strings.ToUpper(app.AppID)+"'"), []string{app.ID}},
	} {
		page := h.graphList(tc.path)
		var got []string
		for _, v := range page.Value {
			got = append(got, v.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(tc.want) || page.Value == nil || !strings.Contains(page.Context, "/v1.0/$metadata#") {
			t.Errorf("%s: %v, want %v", tc.path, got, tc.want)
		}
	}
	if page := h.graphList("/applications?$top=1"); len(page.Value) != 1 || page.Next == "" {
		t.Errorf("%+v", page)
	} else {
		second := h.graphList(strings.TrimPrefix(page.Next, directoryHost+"/v1.0"))
		if len(second.Value) != 1 || second.Next != "" || second.Value[0].ID == page.Value[0].ID {
			t.Errorf("%+v after %+v", second, page)
		}
	}

	ids := fmt.Sprintf(`"%s","%s","%s","%s"`, principal.ID, strings.ToUpper(principal.ID), app.ID, testSubscription)
	var objects graphPage
	h.graph(http.MethodPost, "/directoryObjects/getByIds", `{"ids":[`+ids+`],"types":["user","servicePrincipal"]}`).is(200).into(&objects)
	if len(objects.Value) != 1 || objects.Value[0].ID != principal.ID || objects.Value[0].Type != "#microsoft.graph.servicePrincipal" {
		t.Errorf("%+v", objects)
	}
	h.graph(http.MethodPost, "/directoryObjects/getByIds", `{"ids":[`+ids+`]}`).is(200).into(&objects)
	if len(objects.Value) != 2 {
		t.Errorf("%+v", objects)
	}
	h.graph(http.MethodGet, "/me", "").refusedByGraph(400, "Request_BadRequest", "/me request is only valid with delegated authentication flow.")
	var organization struct {
		Value []struct {
			ID              string
			VerifiedDomains []struct{ Name string }
		}
	}
	h.graph(http.MethodGet, "/organization", "").is(200).into(&organization)
	if o := organization.Value; len(o) != 1 || o[0].ID != testTenant || len(o[0].VerifiedDomains) != 1 || o[0].VerifiedDomains[0].Name != "unit.onmicrosoft.com" {
		t.Errorf("%+v", o)
	}

	// Who signs in as the application reads itself alone.
	own := h.token(app.AppID, secret.SecretText, directoryResource)
	h.graph(http.MethodGet, "/servicePrincipals/"+principal.ID, "", own).is(200)
	for _, denied := range []answer{
		h.graph(http.MethodGet, "/servicePrincipals/"+testOwner, "", own), h.graph(http.MethodGet, "/applications", "", own),
		h.graph(http.MethodPost, byKey+"/addPassword", "{}", own), h.graph(http.MethodDelete, byKey, "", own),
	} {
		denied.refusedByGraph(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
	}

	if a := h.graph(http.MethodPost, byKey+"/removePassword", `{"keyId":"`+secret.KeyID+`"}`).is(204); a.body != "" {
		t.Error(a.body)
	}
	h.graph(http.MethodDelete, "/servicePrincipals/"+principal.ID, "").is(204)
	h.graph(http.MethodDelete, "/applications/"+app.ID, "").is(204)
	h.graph(http.MethodGet, byKey, "").refusedByGraph(404, "Request_ResourceNotFound",
		"Resource '"+app.AppID+"' does not exist or one of its queried reference-property objects are not present.")
	if strings.Contains(h.log.String(), secret.SecretText) || !strings.Contains(h.log.String(), "operation=ApplicationSecretAdd") {
		t.Error("the log holds a secret, or not the operation")
	}
}

// What is wrong with a request, whoever sends it.
func TestDirectoryRefuses(t *testing.T) {
	t.Parallel()
	h := newDirectoryHouse(t)
	a := h.do(http.MethodGet, directoryHost+"/v1.0/me", "", "")
	a.refusedByGraph(401, "InvalidAuthenticationToken", "Access token is empty.")
	if want := `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`; a.header.Get("WWW-Authenticate") != want {
		t.Errorf("challenge %s", a.header.Get("WWW-Authenticate"))
	}
	h.graph(http.MethodGet, "/me", "", "x").refusedByGraph(401, "InvalidAuthenticationToken", "Access token validation failure.")
	h.graph(http.MethodGet, "/me", "", h.token(testClient, houseSecret, vaultResource)).
		refusedByGraph(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
	h.do(http.MethodGet, managementURL("/subscriptions"), h.token(testClient, houseSecret, directoryResource), "").is(401)

	for _, tc := range []struct {
		method, path, body, code string
		status                   int
	}{
		{"GET", "/users", "", "Request_BadRequest", 404},
		{"GET", "/applications(id='x')", "", "Request_BadRequest", 404},
		{"PUT", "/applications", "{}", "Request_BadRequest", 405},
		{"GET", "/applications?$top=0", "", "Request_BadRequest", 400},
		{"GET", "/applications?$top=1000", "", "Request_BadRequest", 400},
		{"GET", "/applications?$skiptoken=%21", "", "Request_BadRequest", 400},
		{"GET", "/applications" + filterQuery("id eq 'x'"), "", "Request_UnsupportedQuery", 400},
		{"POST", "/applications", "", "Request_BadRequest", 400},
		{"POST", "/applications", "[]", "Request_BadRequest", 400},
		{"POST", "/applications", "{}", "Request_BadRequest", 400},
		{"POST", "/applications", `{"displayName":"` + strings.Repeat("x", 200<<10) + `"}`, "Request_BadRequest", 413},
		{"POST", "/directoryObjects/getByIds", `{"ids":[]}`, "Request_BadRequest", 400},
		{"GET", "/applications/nobody", "", "Request_ResourceNotFound", 404},
	} {
		a := h.graph(tc.method, tc.path, tc.body)
		var body struct {
			Error struct{ Code, Message string }
		}
		if a.into(&body); a.status != tc.status || body.Error.Code != tc.code || body.Error.Message == "" {
			t.Errorf("%s %s: status %d, %.300s", tc.method, tc.path, a.status, a.body)
		}
	}
	h.do(http.MethodPost, directoryHost+"/v1.0/applications", h.token(testClient, houseSecret, directoryResource), "x", func(r *http.Request) {
		r.Header.Set("Content-Type", "text/plain")
	}).is(415)
}

// Where the directory has no host of its own, the management plane's has it, with
// the same tokens.
func TestDirectoryBesideManagement(t *testing.T) {
	t.Parallel()
	h := newDirectoryHouse(t)
	base := fmt.Sprintf("https://localhost:%d", h.port)
	token := h.token(testClient, houseSecret, base)
	var page graphPage
	h.do(http.MethodGet, base+"/v1.0/applications?$top=1", token, "").is(200).into(&page)
	if len(page.Value) != 1 || page.Context != base+"/v1.0/$metadata#applications" {
		t.Errorf("%+v", page)
	}
	h.do(http.MethodGet, base+"/subscriptions?api-version="+coreAPI, token, "").is(200)
	h.do(http.MethodGet, "https://"+managementHost+"/v1.0/applications", "", "").is(401).refused(401, "AuthenticationFailed", "",
		"Authentication failed. The 'Authorization' header is missing.")
	h.do(http.MethodGet, base+"/v1.0/discovery/keys", "", "").refusedByGraph(401, "InvalidAuthenticationToken", "Access token is empty.")

	// At the end of the server, too, it is not the token service that answers.
	h.srv.Drain()
	h.do(http.MethodGet, base+"/v1.0/me", token, "").refused(503, "ServiceUnavailable", "", drainingMessage)
}
