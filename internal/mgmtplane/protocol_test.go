package mgmtplane

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

func TestAuthentication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, header := range map[string]string{"none": "", "another scheme": "Basic x", "no token": "Bearer "} {
		a := w.do(request{method: "GET", path: sub, version: core, as: "none", header: map[string]string{"Authorization": header}})
		a.refused(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
		want := `Bearer authorization_uri="https://login.microsoftonline.com/` + testTenant + `", error="invalid_token", error_description="The authentication failed because of missing 'Authorization' header."`
		if got := a.header.Get("WWW-Authenticate"); got != want {
			t.Errorf("%s: challenge %s", name, got)
		}
		if a.header.Get("X-Ms-Failure-Cause") != "gateway" {
			t.Errorf("%s: headers %v", name, a.header)
		}
	}
	a := w.do(request{method: "GET", path: sub, version: core, as: "forged"})
	a.refused(401, "InvalidAuthenticationToken", "The access token is invalid.")
	if strings.Contains(a.body, "AKV") {
		t.Errorf("the other plane's words: %s", a.body)
	}
	w.do(request{method: "GET", path: sub, version: core, as: "expired"}).refused(401, "ExpiredAuthenticationToken", "expiry")
	// A verifier that fails has said nothing about the token.
	a = w.do(request{method: "GET", path: sub, version: core, as: "broken"})
	a.refused(500, "InternalServerError", "request id")
	if strings.Contains(a.body, "keys") || !strings.Contains(w.log.String(), "the keys cannot be read") {
		t.Errorf("body %s, log %s", a.body, w.log)
	}
	// Where there is no subscription to name a tenant, any will do.
	for _, path := range []string{"/subscriptions", "/nothing/here", "/subscriptions/x"} {
		a = w.do(request{method: "GET", path: path, version: core, as: "none", host: "localhost:8443"})
		a.refused(401, "AuthenticationFailed", "")
		if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer authorization_uri="https://localhost:8443/common", `) {
			t.Errorf("%s: challenge %s", path, got)
		}
	}
	a = w.do(request{method: "GET", path: sub, version: core, as: "foreign"})
	a.refused(401, "InvalidAuthenticationTokenTenant", "https://sts.windows.net/"+otherTenant+"/")
	if !strings.Contains(a.header.Get("WWW-Authenticate"), testTenant) {
		t.Errorf("challenge %v", a.header)
	}
	if strings.Contains(w.log.String(), "forged") {
		t.Error("a token is in the log")
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("alpha")
	for _, path := range []string{sub, alpha, "/nothing/here", "/metadata/endpoints", team + "?api-version="} {
		w.call("GET", path, "", "").refused(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	}
	for _, path := range []string{sub, "/subscriptions", team, sub + "/providers", "/metadata/endpoints"} {
		w.call("GET", path, "1999-01-01", "").refused(400, "InvalidApiVersionParameter", "The api-version '1999-01-01' is invalid. The supported versions are '")
	}
	w.call("GET", alpha, core, "").refused(400, "NoRegisteredProviderFound",
		"No registered resource provider found for location '' and API version '2022-09-01' for type 'vaults'. The supported api-versions are '2015-06-01, 2016-10-01,")
	w.call("GET", sub+kv+"/locations/East%20US/deletedVaults/x", "2022-09-02", "").refused(400, "NoRegisteredProviderFound",
		"location 'eastus' and API version '2022-09-02' for type 'deletedVaults'")
	// Names of parameters may be encoded and compare without case, and so do
	// versions and the words of the path.
	w.call("GET", strings.ToUpper(alpha)+"?api%2Dversion=2021-04-01-PREVIEW", "", "").is(200)
	w.call("GET", strings.ReplaceAll(alpha, "resourceGroups", "resourcegroups")+"?API-VERSION="+latest, "", "").is(200)
	w.call("GET", alpha+"/?api-version="+latest, "", "").is(200)
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(request{method: "GET", path: sub, version: core, header: map[string]string{
		"x-ms-client-request-id": "mine", "x-ms-correlation-request-id": "ours", "x-ms-return-client-request-id": "true",
	}}).is(200)
	if a.header.Get("X-Ms-Client-Request-Id") != "mine" || a.header.Get("X-Ms-Correlation-Request-Id") != "ours" ||
		a.header.Get("Content-Type") != "application/json; charset=utf-8" || a.header.Get("Pragma") != "no-cache" || a.header.Get("Expires") != "-1" {
		t.Errorf("headers %v", a.header)
	}
	a = w.do(request{method: "GET", path: sub, version: core, header: map[string]string{
		"x-ms-client-request-id": "not an id", "x-ms-correlation-request-id": strings.Repeat("x", 129),
	}}).is(200)
	if a.header.Get("X-Ms-Client-Request-Id") != "" || a.header.Get("X-Ms-Correlation-Request-Id") != a.header.Get("X-Ms-Request-Id") {
		t.Errorf("headers %v", a.header)
	}
}

func TestNoRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.call("GET", "/nothing/here", core, "").refused(404, "NotFound", "no operation of this management plane")
	a := w.call("POST", alpha, latest, "")
	a.refused(405, "MethodNotAllowed", "does not support http method 'POST'")
	if got := a.header.Get("Allow"); got != "DELETE, GET, PATCH, PUT" {
		t.Errorf("Allow: %s", got)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("alpha")
	w.unchanged(func() {
		for _, path := range []string{alpha, team, alpha + "/accessPolicies/add"} {
			version := latest
			if path == team {
				version = core
			}
			for _, body := range []string{"", "x", "[]", `{"location":1,"properties":1}`, `{"a":"` + "\xff" + `"}`, `{"location":"eastus"} x`} {
				w.call("PUT", path, version, body).refused(400, "InvalidRequestContent", "The request content was invalid and could not be deserialized: '")
			}
			w.do(request{method: "PUT", path: path, version: version, body: "{}", header: map[string]string{"Content-Type": "text/plain"}}).
				refused(415, "UnsupportedMediaType", "application/json")
		}
		w.call("PUT", alpha, latest, `{"location":"`+strings.Repeat("x", maxVaultBody)+`"}`).refused(413, "RequestContentTooLarge", "larger")
	})
	// What is read-only, and what is not known, is ignored.
	w.do(request{method: "PUT", path: alpha, version: latest, header: map[string]string{"Content-Type": "application/json; charset=utf-8"},
		body: strings.Replace(plainVault, `"properties":{`, `"id":"/x","type":"y","systemData":{"createdBy":"z"},"extra":1,"properties":{"vaultUri":"https://x/","provisioningState":"Failed","more":[],`, 1)}).is(200)
}

func TestUnbuilt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("alpha")
	for _, op := range unbuilt {
		path := op.pattern
		for name, value := range map[string]string{"{subscription}": testSub, "{group}": "team", "{vault}": "alpha", "{location}": "eastus"} {
			path = strings.ReplaceAll(path, name, value)
		}
		w.do(request{method: op.method, path: path, version: "2099-01-01", as: "none"}).is(401)
		a := w.call(op.method, path, "2099-01-01", "{}")
		if op.method == "HEAD" {
			a.is(501)
			continue
		}
		a.refused(501, "NotImplemented", "The operation "+op.name+" ("+op.method)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	get := func(version, host string) answer {
		return w.do(request{method: "GET", path: "/metadata/endpoints", version: version, as: "none", host: host}).is(200)
	}
	get("2015-01-01", "").json(`{"galleryEndpoint":"https://management.azure.com","graphEndpoint":"https://graph.windows.net/","portalEndpoint":"https://management.azure.com",
		"authentication":{"loginEndpoint":"https://login.microsoftonline.com","audiences":["https://management.azure.com","https://management.core.windows.net/"]}}`)
	get("2015-01-01", "localhost:8443").json(`{"galleryEndpoint":"https://localhost:8443","graphEndpoint":"https://graph.windows.net/","portalEndpoint":"https://localhost:8443",
		"authentication":{"loginEndpoint":"https://localhost:8443/adfs","audiences":["https://localhost:8443","https://management.core.windows.net/"]}}`)
	one := `{"name":%q,"portal":%[2]q,"authentication":{"loginEndpoint":%[3]q,"audiences":[%[2]q,"https://management.core.windows.net/"],"tenant":"common","identityProvider":"AAD"},
		"resourceManager":%[2]q,"graph":"https://graph.windows.net/","graphAudience":"https://graph.windows.net/","microsoftGraphResourceId":%[6]q,"gallery":%[2]q,
		"suffixes":{"keyVaultDns":%[4]q,"mhsmDns":%[5]q}}`
	local := fmt.Sprintf(one, "OpenKeyVault", "https://localhost:8443", "https://localhost:8443", "vault.localhost:8443", "managedhsm.localhost:8443", "https://localhost:8443")
	get("2019-05-01", "localhost:8443").json("[" + local + "]")
	get("2022-09-01", "localhost:8443").json(local)
	get("2022-09-01", "").json(fmt.Sprintf(one, "AzureCloud", "https://management.azure.com", "https://login.microsoftonline.com", "vault.azure.net", "managedhsm.azure.net", "https://graph.microsoft.com/"))
}

func TestPanicIsAnInternalError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := New(Config{Resources: nil, Verify: verify, Logger: testLogger(w)})
	rec, req := recorder("GET", sub+"?api-version="+core)
	site, _ := httpx.Hosts{httpx.AzureRow()}.Lookup(azure)
	p.ServeHTTP(rec, req.WithContext(httpx.WithSite(req.Context(), site)))
	answer{t, rec.Code, rec.Header(), rec.Body.String()}.refused(500, "InternalServerError", rec.Header().Get("X-Ms-Request-Id"))
	if !strings.Contains(w.log.String(), "panic") || strings.Contains(rec.Body.String(), "panic") {
		t.Errorf("log %q, body %q", w.log, rec.Body)
	}
}

func TestLogNamesOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.call("GET", alpha, latest, "")
	line := w.log.String()
	for _, want := range []string{"operation=VaultGet", "status=404", "code=ResourceNotFound", "caller=" + principals["owner"], "request_id="} {
		if !strings.Contains(line, want) {
			t.Errorf("log %q lacks %q", line, want)
		}
	}
	if strings.Contains(line, "alpha") {
		t.Errorf("the caller's path is in the log: %q", line)
	}
}

// TestLongNames sends names that would not fit into a key of the store.
func TestLongNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("x", 5000)
	group := sub + "/resourceGroups/" + long
	w.call("GET", group, core, "").refused(404, "ResourceGroupNotFound", "")
	w.call("HEAD", group, core, "").is(404)
	w.call("PUT", group, core, `{"location":"eastus"}`).refused(400, "InvalidResourceGroup", "5000 characters")
	w.call("PATCH", group, core, `{}`).refused(404, "ResourceGroupNotFound", "")
	w.call("DELETE", group, core, "").refused(404, "ResourceGroupNotFound", "")
	w.call("GET", group+kv+"/vaults", latest, "").refused(404, "ResourceGroupNotFound", "")
	w.call("GET", team+kv+"/vaults/"+long, latest, "").refused(404, "ResourceNotFound", "")
	w.call("DELETE", team+kv+"/vaults/"+long, latest, "").is(204)
	w.call("PUT", team+kv+"/vaults/"+long, latest, plainVault).refused(400, "VaultNameNotValid", "")
	w.call("GET", sub+kv+"/locations/"+long+"/deletedVaults/"+long, latest, "").refused(404, "DeletedVaultNotFound", "")
	w.call("GET", sub+kv+"/locations/x/operationResults/"+long, latest, "").refused(404, "NotFound", "")
	w.call("POST", sub+kv+"/checkNameAvailability", latest, `{"name":"`+long+`"}`).is(200)
	w.call("GET", sub+"/providers/"+long, core, "").refused(404, "InvalidResourceNamespace", "")
	for _, filter := range []string{"name", "resourceGroup", "tagName"} {
		w.call("GET", sub+"/resources?$filter="+filter+"+eq+'"+long[:2000]+"'", core, "").is(200).json(`{"value":[]}`)
	}
	w.do(request{method: "GET", path: "/subscriptions/" + long, version: core, as: "none"}).is(401)
	w.call("GET", "/subscriptions/"+long, core, "").refused(400, "InvalidSubscriptionId", "")
}
