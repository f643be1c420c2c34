package tokenplane

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

// fields returns a form of pairs.
func fields(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// own are the fields of a right request, and further ones.
func own(pairs ...string) url.Values {
	return fields(append([]string{"grant_type", "client_credentials", "client_id", clientID, "client_secret", clientSecret}, pairs...)...)
}

// with returns a right request with one field changed, or left out when the
// value is empty.
func with(name, value string) url.Values {
	v := own("scope", vault+"/.default", "resource", vault)
	v.Del(name)
	if value != "" {
		v.Set(name, value)
	}
	return v
}

func without(name string) url.Values { return with(name, "") }

// numbers and strings are the two forms of an answer.
const (
	numbers = "numbers"
	texts   = "texts"
)

func TestToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v1, v2 := "/"+tenantID+"/oauth2/token", "/"+tenantID+"/oauth2/v2.0/token"
	for _, tc := range []struct {
		name string
		request
		kind string
		aud  string
	}{
		{"v1", request{path: v1, form: own("resource", vault)}, texts, vault},
		{"v1 for Resource Manager", request{path: v1, form: own("resource", arm)}, texts, arm},
		{"v1 by domain", request{path: "/" + domain + "/oauth2/token", form: own("resource", vault)}, texts, vault},
		{"v1 in other case", request{path: "/" + strings.ToUpper(tenantID) + "/OAuth2/Token", form: own("resource", vault)}, texts, vault},
		{"v1 ignores a scope", request{path: v1, form: own("resource", vault, "scope", "openid")}, texts, vault},
		{"v1 for the directory", request{path: v1, form: own("resource", "https://graph.windows.net/")}, texts, "https://graph.windows.net/"},
		{"v1 under an older name", request{path: v1, host: "login.windows.net", form: own("resource", vault)}, texts, vault},
		{"v1 with Basic credentials", request{path: v1, basic: []string{clientID, clientSecret},
			form: fields("grant_type", "client_credentials", "response_type", "client_credentials", "resource", vault)}, texts, vault},
		{"v1 with an odd secret", request{path: v1, form: fields("grant_type", "client_credentials", "client_id", oddClient, "client_secret", oddSecret, "resource", vault)}, texts, vault},
		{"v1 with an odd secret as Basic credentials", request{path: v1, basic: []string{oddClient, oddSecret},
			form: fields("grant_type", "client_credentials", "resource", vault)}, texts, vault},
		{"v1 with Basic credentials and the client id", request{path: v1, basic: []string{clientID, clientSecret},
			form: fields("grant_type", "client_credentials", "client_id", strings.ToUpper(clientID), "resource", vault)}, texts, vault},
		{"v1 with Basic credentials besides", request{path: v1, basic: []string{"other", "other"}, form: own("resource", vault)}, texts, vault},

		{"v2", request{path: v2, form: own("scope", vault+"/.default")}, numbers, vault},
		{"v2 at common", request{path: "/common/oauth2/v2.0/token", form: own("scope", vault+"/.default")}, numbers, vault},
		{"v2 at organizations", request{path: "/organizations/oauth2/v2.0/token", form: own("scope", vault+"/.default")}, numbers, vault},
		{"v2 as MSAL for Go asks", request{path: v2, form: own("scope", vault+"/.default openid offline_access profile", "client_info", "1",
			"claims", `{"access_token":{"xms_cc":{"values":["CP1"]}}}`)}, numbers, vault},
		{"v2 as MSAL for JavaScript asks", request{path: v2 + "?client-request-id=" + requestID, kind: "application/x-www-form-urlencoded;charset=utf-8",
			form: own("scope", "openid profile email offline_access  "+vault+"/.default", "x-client-SKU", "msal.js.node", "x-ms-lib-capability", "retry-after, h429", "client-request-id", requestID)}, numbers, vault},
		{"v2 with a double slash", request{path: v2, form: own("scope", arm+"/.default")}, numbers, arm},
		{"v2 with one scope twice", request{path: v2, form: own("scope", vault+"/.default "+vault+"/.default")}, numbers, vault},
		{"v2 ignores a resource", request{path: v2, form: own("scope", vault+"/.default", "resource", arm)}, numbers, vault},
		{"v2 by an address with a port", request{path: v2, host: "127.0.0.1:8443", form: own("scope", "https://vault.localhost:8443/.default")}, numbers, "https://vault.localhost:8443"},
		{"v2 with Basic credentials", request{path: v2, basic: []string{clientID, clientSecret},
			form: fields("grant_type", "client_credentials", "scope", vault+"/.default")}, numbers, vault},
		{"v2 with repeated fields", request{path: v2, form: own("client_id", clientID, "grant_type", "client_credentials", "scope", vault+"/.default")}, numbers, vault},
		{"a trailing slash", request{path: v2 + "/", form: own("scope", vault+"/.default")}, numbers, vault},

		{"ADFS with a scope", request{path: "/adfs/oauth2/token", form: own("scope", vault+"/.default openid")}, numbers, vault},
		{"ADFS with a resource", request{path: "/adfs/oauth2/token", form: own("resource", vault)}, texts, vault},
		{"ADFS with both", request{path: "/adfs/oauth2/token", form: own("resource", arm, "scope", vault+"/.default")}, numbers, vault},
		{"ADFS with a tenant", request{path: "/adfs/" + tenantID + "/oauth2/token", form: own("resource", vault)}, texts, vault},
		{"ADFS with a domain and a scope", request{path: "/adfs/" + domain + "/oauth2/token", form: own("scope", arm+"/.default")}, numbers, arm},
		{"ADFS with Basic credentials", request{path: "/adfs/oauth2/token", basic: []string{clientID, clientSecret},
			form: fields("grant_type", "client_credentials", "resource", vault)}, texts, vault},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := w.do(tc.request).is(http.StatusOK).members()
			access, _ := got["access_token"].(string)
			want := map[string]any{"token_type": "Bearer", "access_token": access}
			if tc.kind == numbers {
				want["expires_in"], want["ext_expires_in"] = json.Number("3599"), json.Number("3599")
			} else {
				want["expires_in"], want["ext_expires_in"] = "3599", "3599"
				want["not_before"], want["expires_on"] = "1893553145", "1893557045" // now0 - 5 min, + 1 h
				want["resource"] = tc.aud
			}
			if !maps.Equal(got, want) {
				t.Errorf("answer\n %v\nwant\n %v", got, want)
			}
			checkToken(t, access, tc.aud)
		})
	}
}

// checkToken checks that the token is the application's, for the audience and
// nothing else.
func checkToken(t *testing.T, token, aud string) {
	t.Helper()
	if got := claimsOf(t, token)["aud"]; got != aud {
		t.Errorf("the token is for %v", got)
	}
	plane := identity.PlaneManagement
	if strings.Contains(aud, "vault") {
		plane = identity.PlaneVault
	} else if strings.Contains(aud, "graph") {
		return
	}
	caller, err := shared().Verify(t.Context(), plane, token)
	if err != nil || caller.ObjectID != objectID || caller.AppID != clientID && caller.AppID != oddClient || caller.TenantID != tenantID {
		t.Errorf("the token is of %+v, %v", caller, err)
	}
}

const (
	noField   = "The request body must contain the following parameter: '%'."
	noGrant   = "The app requested an unsupported grant type. This token service knows 'client_credentials' only."
	noForm    = "The request body must contain the following parameter: 'grant_type', in the format application/x-www-form-urlencoded."
	badScope  = "The provided value for scope % is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
	twice     = "The request is not properly formatted. The parameter '%' is duplicated."
	wrongText = "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%'."
	noClient  = "Application with identifier '%' was not found in the directory '" + tenantID + "'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
	noTarget  = "The resource principal named % was not found in the tenant named " + tenantID + ". This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant."
	noTenant  = "Tenant '%' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
	badTenant = "Specified tenant identifier '%' is neither a valid DNS name, nor a valid external domain."
	noSecret  = "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
	noPath    = "The token service has no endpoint of this path."
	noPeople  = "People cannot sign in here: this token service knows applications only. Use a client secret or a managed identity."
)

func say(format, value string) string { return strings.Replace(format, "%", value, 1) }

func TestTokenRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v1, v2, adfs := "/"+tenantID+"/oauth2/token", "/"+tenantID+"/oauth2/v2.0/token", "/adfs/oauth2/token"
	grant := func(name string) url.Values { return with("grant_type", name) }
	for _, tc := range []struct {
		name string
		request
		status                int
		oauth, code, sentence string
	}{
		{"wrong secret", request{path: v2, form: with("client_secret", "wrong")}, 401, "invalid_client", "7000215", say(wrongText, clientID)},
		{"wrong secret at v1", request{path: v1, form: with("client_secret", "wrong")}, 401, "invalid_client", "7000215", say(wrongText, clientID)},
		{"wrong secret at ADFS", request{path: adfs, form: with("client_secret", "wrong")}, 401, "invalid_client", "7000215", say(wrongText, clientID)},
		{"wrong Basic password", request{path: v1, basic: []string{clientID, "wrong"}, form: fields("grant_type", "client_credentials", "resource", vault)}, 401, "invalid_client", "7000215", say(wrongText, clientID)},
		{"the body before the header", request{path: v1, basic: []string{clientID, clientSecret}, form: with("client_secret", "wrong")}, 401, "invalid_client", "7000215", say(wrongText, clientID)},
		{"no secret", request{path: v2, form: without("client_secret")}, 401, "invalid_client", "7000216", noSecret},
		{"an empty Basic password", request{path: v1, basic: []string{clientID, ""}, form: without("client_secret")}, 401, "invalid_client", "7000216", noSecret},
		{"a bearer token instead", request{path: v1, form: without("client_secret"), header: map[string]string{"Authorization": "Bearer x"}}, 401, "invalid_client", "7000216", noSecret},
		{"an assertion", request{path: v2, form: own("scope", vault+"/.default", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "a.b.c")},
			401, "invalid_client", "7000216", "Client assertions are not built in this token service. Use a client secret or a managed identity."},
		{"unknown client", request{path: v2, form: with("client_id", "nobody")}, 400, "unauthorized_client", "700016", say(noClient, "nobody")},
		{"unknown Basic client", request{path: v1, basic: []string{"nobody", clientSecret}, form: fields("grant_type", "client_credentials", "resource", vault)}, 400, "unauthorized_client", "700016", say(noClient, "nobody")},
		{"unknown client at ADFS", request{path: adfs, form: with("client_id", "nobody")}, 400, "unauthorized_client", "700016", strings.Replace(say(noClient, "nobody"), tenantID, "", 1)},
		{"no client", request{path: v2, form: without("client_id")}, 400, "invalid_request", "900144", say(noField, "client_id")},
		{"two client ids", request{path: v1, basic: []string{"other", clientSecret}, form: without("client_secret")}, 400, "invalid_request", "90023", "The Authorization header and the body name different clients."},
		{"client_id twice", request{path: v2, form: own("client_id", "other", "scope", vault+"/.default")}, 400, "invalid_request", "9000411", say(twice, "client_id")},
		{"client_secret twice", request{path: v2, form: own("client_secret", "other", "scope", vault+"/.default")}, 400, "invalid_request", "9000411", say(twice, "client_secret")},
		{"scope twice", request{path: v2, form: own("scope", vault+"/.default", "scope", arm+".default")}, 400, "invalid_request", "9000411", say(twice, "scope")},
		{"resource twice", request{path: v1, form: own("resource", vault, "resource", arm)}, 400, "invalid_request", "9000411", say(twice, "resource")},
		{"grant_type twice", request{path: v1, form: own("resource", vault, "grant_type", "password")}, 400, "invalid_request", "9000411", say(twice, "grant_type")},

		{"no grant", request{path: v2, form: without("grant_type")}, 400, "invalid_request", "900144", say(noField, "grant_type")},
		{"empty body", request{path: v2, form: fields()}, 400, "invalid_request", "900144", say(noField, "grant_type")},
		{"password grant", request{path: v2, form: grant("password")}, 400, "unsupported_grant_type", "70003", noGrant},
		{"authorization code", request{path: v1, form: grant("authorization_code")}, 400, "unsupported_grant_type", "70003", noGrant},
		{"refresh token", request{path: v2, form: grant("refresh_token")}, 400, "unsupported_grant_type", "70003", noGrant},
		{"device code", request{path: v2, form: grant("urn:ietf:params:oauth:grant-type:device_code")}, 400, "unsupported_grant_type", "70003", noGrant},
		{"on behalf of", request{path: v2, form: grant("urn:ietf:params:oauth:grant-type:jwt-bearer")}, 400, "unsupported_grant_type", "70003", noGrant},
		{"grant in other case", request{path: v2, form: grant("Client_Credentials")}, 400, "unsupported_grant_type", "70003", noGrant},

		{"no scope", request{path: v2, form: without("scope")}, 400, "invalid_request", "900144", say(noField, "scope")},
		{"an empty scope", request{path: v2, form: with("scope", "  ")}, 400, "invalid_request", "900144", say(noField, "scope")},
		{"a scope of OpenID alone", request{path: v2, form: with("scope", "openid profile")}, 400, "invalid_request", "900144", say(noField, "scope")},
		{"a scope without .default", request{path: v2, form: with("scope", vault+"/user_impersonation")}, 400, "invalid_scope", "1002012", say(badScope, vault+"/user_impersonation")},
		{"a scope of nothing", request{path: v2, form: with("scope", "/.default")}, 400, "invalid_scope", "1002012", say(badScope, "/.default")},
		{"a scope in other case", request{path: v2, form: with("scope", vault+"/.Default")}, 400, "invalid_scope", "1002012", say(badScope, vault+"/.Default")},
		{"a long scope", request{path: v2, form: with("scope", strings.Repeat("x", 300))}, 400, "invalid_scope", "1002012", say(badScope, strings.Repeat("x", 128))},
		{"two scopes", request{path: v2, form: with("scope", vault+"/.default "+arm+".default")}, 400, "invalid_scope", "70011",
			"The provided value for the input parameter 'scope' isn't valid. The scope " + vault + "/.default " + arm + ".default isn't valid: it names more than one resource."},
		{"no resource", request{path: v1, form: without("resource")}, 400, "invalid_request", "900144", "The request body must contain the following parameter: 'resource' or 'scope'."},
		{"an unknown scope", request{path: v2, form: with("scope", "https://storage.azure.com/.default")}, 400, "invalid_resource", "500011", say(noTarget, "https://storage.azure.com")},
		{"an unknown resource", request{path: v1, form: with("resource", "https://storage.azure.com/")}, 400, "invalid_resource", "500011", say(noTarget, "https://storage.azure.com/")},
		{"a resource with .default", request{path: v1, form: with("resource", vault+"/.default")}, 400, "invalid_resource", "500011", say(noTarget, vault+"/.default")},

		{"unknown tenant", request{path: "/fabrikam.example/oauth2/v2.0/token", form: with("a", "")}, 400, "invalid_tenant", "90002", say(noTenant, "fabrikam.example")},
		{"unknown tenant id", request{path: "/" + objectID + "/oauth2/token", form: with("a", "")}, 400, "invalid_tenant", "90002", say(noTenant, objectID)},
		{"malformed tenant", request{path: "/fabrikam/oauth2/token", form: with("a", "")}, 400, "invalid_request", "900023", say(badTenant, "fabrikam")},
		{"escaped tenant", request{path: "/a%2Fb/oauth2/token", form: with("a", "")}, 400, "invalid_request", "900023", say(badTenant, "a/b")},
		{"ADFS as a tenant", request{path: "/adfs/oauth2/v2.0/token", form: with("a", "")}, 400, "invalid_request", "900023", say(badTenant, "adfs")},
		{"unknown tenant at ADFS", request{path: "/adfs/fabrikam.example/oauth2/token", form: with("a", "")}, 400, "invalid_tenant", "90002", say(noTenant, "fabrikam.example")},

		{"JSON", request{path: v2, kind: "application/json", body: strings.NewReader(`{"grant_type":"client_credentials"}`)}, 400, "invalid_request", "900144", noForm},
		{"no content type", request{path: v2, kind: "none", form: with("a", "")}, 400, "invalid_request", "900144", noForm},
		{"a broken content type", request{path: v2, kind: ";", form: with("a", "")}, 400, "invalid_request", "900144", noForm},
		{"a body of parts", request{path: v2, kind: "multipart/form-data; boundary=x", body: strings.NewReader("--x--")}, 400, "invalid_request", "900144", noForm},
		{"a broken escape", request{path: v2, body: strings.NewReader("grant_type=%zz")}, 400, "invalid_request", "90023", "The request body is not a form."},
		{"a semicolon", request{path: v2, body: strings.NewReader("grant_type=client_credentials;client_id=x")}, 400, "invalid_request", "90023", "The request body is not a form."},
		{"a body that is too large", request{path: v2, body: strings.NewReader("x=" + strings.Repeat("x", maxForm))}, 413, "invalid_request", "90023", "The request body is larger than the token service accepts."},
		{"a chunked body that is too large", request{path: v1, body: io.MultiReader(strings.NewReader("x="), strings.NewReader(strings.Repeat("x", maxForm)))}, 413, "invalid_request", "90023", "The request body is larger than the token service accepts."},

		{"authorize", request{method: "GET", path: "/" + tenantID + "/oauth2/v2.0/authorize?response_type=code"}, 501, "unsupported_grant_type", "70003", noPeople},
		{"authorize at v1", request{method: "GET", path: "/common/oauth2/authorize"}, 501, "unsupported_grant_type", "70003", noPeople},
		{"authorize at ADFS", request{method: "GET", path: "/adfs/oauth2/authorize"}, 501, "unsupported_grant_type", "70003", noPeople},
		{"device code endpoint", request{path: "/" + tenantID + "/oauth2/v2.0/devicecode", form: fields("client_id", "x")}, 501, "unsupported_grant_type", "70003", noPeople},
		{"device code endpoint at v1", request{path: "/" + tenantID + "/oauth2/devicecode"}, 501, "unsupported_grant_type", "70003", noPeople},
		{"device code endpoint at ADFS", request{path: "/adfs/oauth2/devicecode"}, 501, "unsupported_grant_type", "70003", noPeople},

		{"root", request{method: "GET", path: "/"}, 404, "invalid_request", "90023", noPath},
		{"no such path", request{path: "/" + tenantID + "/oauth2/v3.0/token", form: with("a", "")}, 404, "invalid_request", "90023", noPath},
		{"no tenant", request{path: "/oauth2/token", form: with("a", "")}, 404, "invalid_request", "90023", noPath},
		{"an empty tenant", request{path: "//oauth2/token", form: with("a", "")}, 404, "invalid_request", "90023", noPath},
		{"a user's realm", request{method: "GET", path: "/common/userrealm/a@b.example?api-version=1.0"}, 404, "invalid_request", "90023", noPath},
		{"a dot segment", request{path: "/x/../" + tenantID + "/oauth2/token", form: with("a", "")}, 404, "invalid_request", "90023", noPath},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := w.do(tc.request)
			a.t = t
			a.refused(tc.status, tc.oauth, tc.code, tc.sentence)
			if strings.Contains(a.body, clientSecret) {
				t.Errorf("the answer repeats the secret: %s", a.body)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct{ method, path, allow string }{
		{"GET", "/" + tenantID + "/oauth2/token", "POST"},
		{"PUT", "/" + tenantID + "/oauth2/v2.0/token", "POST"},
		{"DELETE", "/adfs/oauth2/token", "POST"},
		{"OPTIONS", "/adfs/" + tenantID + "/oauth2/token", "POST"},
		{"POST", "/" + tenantID + "/v2.0/.well-known/openid-configuration", "GET"},
		{"POST", "/common/discovery/instance", "GET"},
		{"POST", "/" + tenantID + "/discovery/keys", "GET"},
	} {
		a := w.do(request{method: tc.method, path: tc.path, form: with("a", "")})
		a.refused(http.StatusMethodNotAllowed, "invalid_request", "900561", "The endpoint only accepts "+tc.allow+" requests.")
		if got := a.header.Get("Allow"); got != tc.allow {
			t.Errorf("%s %s: Allow %q", tc.method, tc.path, got)
		}
	}
}

// A client's own id of the request comes back, if it is one that can stand in a
// header and a log.
func TestClientRequestID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/" + tenantID + "/oauth2/token"
	ok := w.do(request{path: path, form: own("resource", vault), header: map[string]string{"client-request-id": requestID}}).is(200)
	if got := ok.header.Get("Client-Request-Id"); got != requestID {
		t.Errorf("client-request-id %q", got)
	}
	refused := w.do(request{path: path, form: without("client_secret"), header: map[string]string{"client-request-id": requestID}})
	refused.refused(401, "invalid_client", "7000216", noSecret)
	if got := refused.members()["correlation_id"]; got != requestID {
		t.Errorf("correlation_id %v", got)
	}
	for _, id := range []string{"x", requestID + "0", "<script>", strings.Repeat("0", 36)} {
		a := w.do(request{path: path, form: without("client_secret"), header: map[string]string{"client-request-id": id}})
		a.refused(401, "invalid_client", "7000216", noSecret)
		if _, echoed := a.header["Client-Request-Id"]; echoed || strings.Contains(a.body, "<script>") {
			t.Errorf("%q is echoed", id)
		}
	}
}

// error_uri is an address under which the client already knows the service.
func TestErrorURI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for host, want := range map[string]string{
		login: "https://login.microsoftonline.com/error?code=90023", "sts.windows.net": "https://sts.windows.net/error?code=90023",
		"localhost:8443": "https://localhost:8443/error?code=90023", "[::1]:8443": "https://[::1]:8443/error?code=90023", "login.windows.net:443": "https://login.windows.net/error?code=90023",
	} {
		if got := w.get(host, "/").members()["error_uri"]; got != want {
			t.Errorf("%s: error_uri %v", host, got)
		}
	}
}

// The log tells operations, statuses and codes, and nothing that is secret or
// the caller's own text.
func TestLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/" + tenantID + "/oauth2/v2.0/token"
	token, _ := w.do(request{path: path, form: own("scope", vault+"/.default")}).is(200).members()["access_token"].(string)
	w.do(request{path: path, form: with("client_secret", "wr0ng-secret")}).is(401)
	w.do(request{path: "/" + tenantID + "/oauth2/token", basic: []string{clientID, clientSecret}, form: without("client_secret")}).is(200)
	w.do(request{path: "/text-of-the-caller/oauth2/token", form: own("resource", vault)}).is(400)
	w.do(request{path: path, form: fields("grant_type", "client_credentials", "client_id", oddClient, "client_secret", oddSecret, "scope", vault+"/.default")}).is(200)
	w.do(request{method: "GET", path: "/nowhere"}).is(404)
	w.do(request{method: "GET", path: "/" + tenantID + "/oauth2/authorize"}).is(501)
	log := w.log.String()
	for _, hidden := range []string{clientSecret, "s3cret", "wr0ng-secret", token, token[len(token)-40:], "text-of-the-caller", "nowhere", "/oauth2/"} {
		if strings.Contains(log, hidden) {
			t.Errorf("the log shows %q:\n%s", hidden, log)
		}
	}
	for _, shown := range []string{"operation=TokenV2", "status=200", "status=401", "code=AADSTS7000215", "operation=Token ", "code=AADSTS900023", "status=404", "request_id="} {
		if !strings.Contains(log, shown) {
			t.Errorf("the log lacks %q:\n%s", shown, log)
		}
	}
	if lines := strings.Count(log, "\n"); lines != 7 || strings.Contains(log, "level=ERROR") {
		t.Errorf("%d lines:\n%s", lines, log)
	}
}

// What is not a refusal stays in the log, under the id that the client has.
func TestInternalError(t *testing.T) {
	t.Parallel()
	var failed error
	svc, err := newIdentity(audit.Discard{}, func(c *identity.Config) { c.Store = brokenStore{c.Store, &failed} })
	must(t, err)
	w := worldOf(t, svc)
	path := "/" + tenantID + "/oauth2/token"
	w.do(request{path: path, form: own("resource", vault)}).is(200)
	failed = errors.New("the disk is gone")
	a := w.do(request{path: path, form: own("resource", vault)})
	id := a.header.Get("X-Ms-Request-Id")
	a.refused(http.StatusInternalServerError, "server_error", "90033", "An internal error occurred. The service's log has its cause under the request id "+id+".")
	if strings.Contains(a.body, "disk") {
		t.Errorf("the answer shows the cause: %s", a.body)
	}
	if log := w.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "the disk is gone") || !strings.Contains(log, "request_id="+id) {
		t.Errorf("log %s", log)
	}
}

// FuzzToken checks that no body makes the service fail, and that whatever is no
// token is a refusal that clients can take apart.
func FuzzToken(f *testing.F) {
	hosts := httpx.Hosts{httpx.AzureRow()}
	plane := newWorld(f).plane
	site, _ := hosts.Lookup(login)
	for _, form := range []url.Values{
		own("resource", vault), own("scope", vault+"/.default openid"), with("client_secret", "wrong"), with("grant_type", "password"),
		with("scope", "\x00 \xff/.default"), with("client_assertion", "a.b.c"), own("client_id", "x"), fields("grant_type", "client_credentials"),
	} {
		f.Add(form.Encode(), "application/x-www-form-urlencoded", "")
	}
	f.Add("grant_type=client_credentials&resource="+vault, "application/x-www-form-urlencoded; charset=utf-8", "Basic YTpi")
	f.Add("%", "text/plain", "Basic !")
	f.Add("a;b", "application/x-www-form-urlencoded", "Bearer x")
	f.Fuzz(func(t *testing.T, body, kind, authorization string) {
		for _, path := range []string{"/common/oauth2/token", "/common/oauth2/v2.0/token", "/adfs/oauth2/token"} {
			req := httptest.NewRequest(http.MethodPost, "https://"+login+path, strings.NewReader(body))
			req.Header.Set("Content-Type", kind)
			req.Header.Set("Authorization", authorization)
			rec := httptest.NewRecorder()
			plane.ServeHTTP(rec, req.WithContext(httpx.WithSite(t.Context(), site)))
			var answer struct {
				Access      string `json:"access_token"`
				Error       string `json:"error"`
				Description string `json:"error_description"`
				Codes       []int  `json:"error_codes"`
				Trace       string `json:"trace_id"`
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
				t.Fatalf("%s: body %q: %v", path, rec.Body, err)
			}
			if rec.Code == http.StatusOK {
				if answer.Access == "" || !strings.Contains(body+authorization, "Basic") && !strings.Contains(body, "client_secret") {
					t.Fatalf("a token for %q", body)
				}
				continue
			}
			if rec.Code < 400 || rec.Code > 499 || answer.Error == "" || len(answer.Codes) != 1 || answer.Access != "" ||
				!strings.HasPrefix(answer.Description, "AADSTS") || answer.Trace != rec.Header().Get("X-Ms-Request-Id") || len(answer.Description) > 2000 {
				t.Fatalf("%s: status %d, %s", path, rec.Code, rec.Body)
			}
		}
	})
}
