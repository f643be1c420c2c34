package tokenplane

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/url"
	"strings"
	"testing"
)

func TestInstanceDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	azure := `["login.microsoftonline.com","login.windows.net","login.microsoft.com","sts.windows.net"]`
	metadata := func(first, aliases string) string {
		return `"metadata":[{"preferred_network":"` + first + `","preferred_cache":"` + first + `","aliases":` + aliases + `}]`
	}
	for _, tc := range []struct{ name, host, asked, version, endpoint, rest string }{
		{"Azure's own", login, "https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/authorize", "1.1",
			"https://login.microsoftonline.com/" + tenantID + "/v2.0/.well-known/openid-configuration", metadata("login.microsoftonline.com", azure)},
		{"an older name", login, "https://login.windows.net/common/oauth2/authorize", "1.1",
			"https://login.windows.net/common/v2.0/.well-known/openid-configuration", metadata("login.microsoftonline.com", azure)},
		{"version 1.0", login, "https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/authorize", "1.0",
			"https://login.microsoftonline.com/" + tenantID + "/v2.0/.well-known/openid-configuration", ""},
		{"no version", login, "https://login.microsoftonline.com/common/", "",
			"https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration", metadata("login.microsoftonline.com", azure)},
		{"upper case", login, "HTTPS://LOGIN.MICROSOFTONLINE.COM/Common/", "1.1",
			"https://login.microsoftonline.com/Common/v2.0/.well-known/openid-configuration", metadata("login.microsoftonline.com", azure)},
		// Every official client asks at Microsoft's name, about any authority.
		{"localhost with a port", login, "https://localhost:8443/" + tenantID + "/oauth2/v2.0/authorize", "1.1",
			"https://localhost:8443/" + tenantID + "/v2.0/.well-known/openid-configuration", metadata("localhost:8443", `["localhost:8443"]`)},
		{"an address with a port", login, "https://127.0.0.1:8443/" + tenantID + "/oauth2/v2.0/authorize", "1.1",
			"https://127.0.0.1:8443/" + tenantID + "/v2.0/.well-known/openid-configuration", metadata("localhost:8443", `["localhost:8443","127.0.0.1:8443"]`)},
		{"an address of version 6", login, "https://[::1]:8443/" + tenantID + "/x", "1.1",
			"https://[::1]:8443/" + tenantID + "/v2.0/.well-known/openid-configuration", metadata("localhost:8443", `["localhost:8443","[::1]:8443"]`)},
		{"port 443", login, "https://localhost:443/" + tenantID + "/x", "1.1",
			"https://localhost/" + tenantID + "/v2.0/.well-known/openid-configuration", metadata("localhost", `["localhost"]`)},
		{"asked at localhost", "localhost:8443", "https://localhost:8443/" + domain + "/oauth2/v2.0/authorize", "1.1",
			"https://localhost:8443/" + domain + "/v2.0/.well-known/openid-configuration", metadata("localhost:8443", `["localhost:8443"]`)},
		{"ADFS", login, "https://localhost:8443/adfs/oauth2/authorize", "1.1",
			"https://localhost:8443/adfs/.well-known/openid-configuration", metadata("localhost:8443", `["localhost:8443"]`)},
		// Who the tenant is, the next document says.
		{"an unknown tenant", login, "https://login.microsoftonline.com/fabrikam.example/x", "1.0",
			"https://login.microsoftonline.com/fabrikam.example/v2.0/.well-known/openid-configuration", ""},
		{"a tenant with odd characters", login, "https://login.microsoftonline.com/a%2Fb\"c/x", "1.0",
			"https://login.microsoftonline.com/a/v2.0/.well-known/openid-configuration", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			query := url.Values{"authorization_endpoint": {tc.asked}}
			version := "1.1"
			if tc.version != "" {
				query.Set("api-version", tc.version)
				version = tc.version
			}
			a := w.get(tc.host, "/common/discovery/instance?"+query.Encode()).is(200)
			a.t = t
			want := `{"tenant_discovery_endpoint":` + quote(tc.endpoint) + `,"api-version":"` + version + `"`
			if tc.rest != "" {
				want += "," + tc.rest
			}
			a.json(want + "}")
		})
	}
	for _, asked := range []string{
		"https://login.evil.example/" + tenantID + "/oauth2/v2.0/authorize",
		"https://login.microsoftonline.com.evil.example/" + tenantID + "/",
		"https://login.microsoftonline.com@evil.example/" + tenantID + "/",
		"http://login.microsoftonline.com/" + tenantID + "/",
		"https://dev.vault.azure.net/" + tenantID + "/",
		"https://management.azure.com/" + tenantID + "/",
		"https://login.microsoftonline.com", "https://login.microsoftonline.com/", "https://localhost:0/" + tenantID + "/", "https://localhost:99999/common/",
		"//login.microsoftonline.com/common", "login.microsoftonline.com/common", "https://%zz/", "",
	} {
		path := "/common/discovery/instance?api-version=1.1&authorization_endpoint=" + url.QueryEscape(asked)
		w.get(login, path).refused(400, "invalid_instance", "50049", "Unknown or invalid instance.")
	}
	w.get(login, "/common/discovery/instance").refused(400, "invalid_instance", "50049", "Unknown or invalid instance.")
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// configurationBody is the document of an authority.
func configurationBody(issuer, base, oauth, keys string) string {
	return `{"issuer":"` + issuer + `","authorization_endpoint":"` + base + oauth + `/authorize","token_endpoint":"` + base + oauth + `/token",
		"device_authorization_endpoint":"` + base + oauth + `/devicecode","jwks_uri":"` + base + keys + `",
		"response_types_supported":["token"],"subject_types_supported":["pairwise"],"id_token_signing_alg_values_supported":["RS256"],
		"token_endpoint_auth_methods_supported":["client_secret_post","client_secret_basic"],"grant_types_supported":["client_credentials"]}`
}

func TestOpenIDConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const v2keys, v1keys = "/discovery/v2.0/keys", "/discovery/keys"
	upper := strings.ToUpper(tenantID)
	for _, tc := range []struct{ name, host, path, want string }{
		{"v2", login, "/" + tenantID + "/v2.0/.well-known/openid-configuration",
			configurationBody("https://"+login+"/"+tenantID+"/v2.0", "https://"+login+"/"+tenantID, "/oauth2/v2.0", v2keys)},
		{"v2 as Go asks", login, "/" + tenantID + "/v2.0/.well-known/openid-configuration?",
			configurationBody("https://"+login+"/"+tenantID+"/v2.0", "https://"+login+"/"+tenantID, "/oauth2/v2.0", v2keys)},
		// The host and the port of the issuer are the authority's, or the
		// clients for Go and JavaScript refuse it.
		{"v2 with a port", "localhost:8443", "/" + tenantID + "/v2.0/.well-known/openid-configuration",
			configurationBody("https://localhost:8443/"+tenantID+"/v2.0", "https://localhost:8443/"+tenantID, "/oauth2/v2.0", v2keys)},
		{"v2 by an address", "[::1]:8443", "/" + tenantID + "/v2.0/.well-known/openid-configuration",
			configurationBody("https://[::1]:8443/"+tenantID+"/v2.0", "https://[::1]:8443/"+tenantID, "/oauth2/v2.0", v2keys)},
		{"v2 under an older name", "login.windows.net", "/" + tenantID + "/v2.0/.well-known/openid-configuration",
			configurationBody("https://login.windows.net/"+tenantID+"/v2.0", "https://login.windows.net/"+tenantID, "/oauth2/v2.0", v2keys)},
		{"v2 of common", login, "/common/v2.0/.well-known/openid-configuration",
			configurationBody("https://"+login+"/common/v2.0", "https://"+login+"/common", "/oauth2/v2.0", v2keys)},
		{"v2 of a domain", login, "/" + strings.ToUpper(domain) + "/v2.0/.well-known/openid-configuration",
			configurationBody("https://"+login+"/"+tenantID+"/v2.0", "https://"+login+"/"+tenantID, "/oauth2/v2.0", v2keys)},
		{"v2 in upper case", login, "/" + upper + "/v2.0/.well-known/openid-configuration",
			configurationBody("https://"+login+"/"+upper+"/v2.0", "https://"+login+"/"+upper, "/oauth2/v2.0", v2keys)},
		// The issuer of v1 is for those who verify tokens: it is what is in
		// them, however the client wrote the tenant.
		{"v1", login, "/" + tenantID + "/.well-known/openid-configuration",
			configurationBody("https://sts.windows.net/"+tenantID+"/", "https://"+login+"/"+tenantID, "/oauth2", v1keys)},
		{"v1 of common", "localhost:8443", "/common/.well-known/openid-configuration",
			configurationBody("https://sts.windows.net/"+tenantID+"/", "https://localhost:8443/common", "/oauth2", v1keys)},
		{"v1 in upper case", login, "/" + upper + "/.well-known/openid-configuration",
			configurationBody("https://sts.windows.net/"+tenantID+"/", "https://"+login+"/"+upper, "/oauth2", v1keys)},
		{"v1 of a domain", login, "/" + domain + "/.well-known/openid-configuration",
			configurationBody("https://sts.windows.net/"+tenantID+"/", "https://"+login+"/"+tenantID, "/oauth2", v1keys)},
		{"ADFS", "localhost:8443", "/adfs/.well-known/openid-configuration",
			configurationBody("https://localhost:8443/adfs", "https://localhost:8443/adfs", "/oauth2", v1keys)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := w.get(tc.host, tc.path).is(200)
			a.t = t
			a.json(tc.want)
		})
	}
	for _, version := range []string{"", "/v2.0"} {
		w.get(login, "/fabrikam.example"+version+"/.well-known/openid-configuration").refused(400, "invalid_tenant", "90002", say(noTenant, "fabrikam.example"))
		w.get(login, "/fabrikam"+version+"/.well-known/openid-configuration").refused(400, "invalid_request", "900023", say(badTenant, "fabrikam"))
	}
}

// What the OpenID document names leads on: its token endpoint issues a token
// that the keys at its jwks_uri verify.
func TestDiscoveredEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/" + tenantID + "/.well-known/openid-configuration", "/" + domain + "/v2.0/.well-known/openid-configuration", "/adfs/.well-known/openid-configuration"} {
		document := w.get("localhost:8443", path).is(200).members()
		at := func(name string) string {
			u, err := url.Parse(document[name].(string))
			must(t, err)
			if u.Scheme != "https" || u.Host != "localhost:8443" {
				t.Errorf("%s: %s is %s", path, name, u)
			}
			return u.Path
		}
		token, _ := w.do(request{host: "localhost:8443", path: at("token_endpoint"), form: own("resource", vault, "scope", vault+"/.default")}).is(200).members()["access_token"].(string)
		var set jwks
		must(t, json.Unmarshal([]byte(w.get("localhost:8443", at("jwks_uri")).is(200).body), &set))
		set.verify(t, token)
		w.get("localhost:8443", at("authorization_endpoint")).is(501)
		w.do(request{host: "localhost:8443", path: at("device_authorization_endpoint")}).is(501)
	}
	w.get(login, "/fabrikam.example/discovery/v2.0/keys").refused(400, "invalid_tenant", "90002", say(noTenant, "fabrikam.example"))
	w.get(login, "/common/discovery/keys").is(200)
}

type jwks struct {
	Keys []struct{ Kid, Kty, Use, Alg, N, E string }
}

// verify checks a token as a verifier that knows only the published keys.
func (set jwks) verify(t *testing.T, token string) {
	t.Helper()
	segments := strings.Split(token, ".")
	if len(segments) != 3 || len(set.Keys) != 1 {
		t.Fatalf("a token of %d segments, %d keys", len(segments), len(set.Keys))
	}
	decode := func(s string) []byte {
		b, err := base64.RawURLEncoding.Strict().DecodeString(s)
		must(t, err)
		return b
	}
	var header struct{ Kid, Alg string }
	must(t, json.Unmarshal(decode(segments[0]), &header))
	k := set.Keys[0]
	if k.Kid != header.Kid || k.Kty != "RSA" || k.Use != "sig" || k.Alg != "RS256" || header.Alg != "RS256" {
		t.Errorf("key %+v, header %+v", k, header)
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(decode(k.N)), E: int(new(big.Int).SetBytes(decode(k.E)).Int64())}
	sum := sha256.Sum256([]byte(segments[0] + "." + segments[1]))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], decode(segments[2])); err != nil {
		t.Error(err)
	}
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	segments := strings.Split(token, ".")
	if len(segments) != 3 {
		t.Fatalf("a token of %d segments", len(segments))
	}
	raw, err := base64.RawURLEncoding.DecodeString(segments[1])
	must(t, err)
	var claims map[string]any
	must(t, json.Unmarshal(raw, &claims))
	return claims
}

func TestServes(t *testing.T) {
	t.Parallel()
	p := newWorld(t).plane
	for path, want := range map[string]bool{
		"/common/discovery/instance": true, "/COMMON/x": true, "/organizations/oauth2/token": true, "/adfs": true, "/Adfs/oauth2/token": true,
		"/" + tenantID + "/oauth2/token": true, "/" + strings.ToUpper(tenantID): true, "/contoso.example/v2.0/.well-known/openid-configuration": true, "/a.b": true,
		"/": false, "": false, "//common": false, "/subscriptions": false, "/subscriptions/" + tenantID: false, "/tenants": false,
		"/providers/Microsoft.KeyVault/operations": false, "/metadata/endpoints": false, "/commonx": false, "/oauth2/token": false, "/" + tenantID + "0/oauth2": false,
	} {
		if got := p.Serves(path); got != want {
			t.Errorf("Serves(%q) is %v", path, got)
		}
	}
}
