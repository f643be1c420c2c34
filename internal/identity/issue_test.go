package identity

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"
)

// The claims and the header of a token are those of Entra ID's version 1.0 for
// an application with a client secret, and no others.
func TestTokenClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token, err := w.ask()
	must(t, err)
	head, claims := parts(t, string(token.Access.Reveal()))

	kid := thumbprint(&ownKey().PublicKey)
	if !maps.Equal(head, map[string]any{"typ": "JWT", "alg": "RS256", "kid": kid, "x5t": kid}) {
		t.Errorf("header %v", head)
	}
	id, _ := claims["uti"].(string)
	if !guidV4.MatchString(id) {
		t.Errorf("uti %q", id)
	}
	want := map[string]any{
		"aud": vaultResource, "iss": "https://sts.windows.net/" + tenantA + "/", "idp": "https://sts.windows.net/" + tenantA + "/",
		"iat": float64(now0.Unix() - 300), "nbf": float64(now0.Unix() - 300), "exp": float64(now0.Unix() + 3600),
		"appid": clientID, "appidacr": "1", "idtyp": "app", "oid": objectID, "sub": objectID, "tid": tenantA, "uti": id, "ver": "1.0",
	}
	if !maps.Equal(claims, want) {
		t.Errorf("claims\n %v\nwant\n %v", claims, want)
	}
	if token.ClientID != clientID || token.Resource != vaultResource || token.Lifetime != time.Hour-time.Second ||
		!token.NotBefore.Equal(now0.Add(-5*time.Minute)) || !token.Expires.Equal(now0.Add(time.Hour)) {
		t.Errorf("token %+v", token)
	}
	second, err := w.ask()
	must(t, err)
	if _, again := parts(t, string(second.Access.Reveal())); again["uti"] == id {
		t.Error("two tokens have one uti")
	}
}

// The clock's fractions do not show, and never make a token live longer.
func TestTokenTimesAreWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.now = now0.Add(900 * time.Millisecond)
	token, err := w.ask()
	must(t, err)
	if !token.Expires.Equal(now0.Add(time.Hour)) || w.now.Add(token.Lifetime).After(token.Expires) {
		t.Errorf("expires at %v, and in %v from %v", token.Expires, token.Lifetime, w.now)
	}
}

func TestTokenAudience(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, resource := range []string{
		vaultResource, vaultResource + "/", "HTTPS://Vault.Azure.Net", vaultAppID, strings.ToUpper(vaultAppID), "https://vault.localhost:8443",
		managementResource, "https://management.azure.com", "https://management.core.windows.net/", "https://management.core.windows.net",
		"https://graph.microsoft.com", "https://graph.microsoft.com/", "https://graph.windows.net/",
		"00000003-0000-0000-c000-000000000000", "00000002-0000-0000-c000-000000000000",
	} {
		token, err := w.ask(func(r *ClientCredentials) { r.Resource = resource })
		if err != nil {
			t.Errorf("%s: %v", resource, err)
			continue
		}
		if _, claims := parts(t, string(token.Access.Reveal())); claims["aud"] != resource || token.Resource != resource {
			t.Errorf("%s: a token for %v, said to be for %s", resource, claims["aud"], token.Resource)
		}
	}
	for _, resource := range []string{
		"https://storage.azure.com", "https://vault.azure.net//", "http://vault.azure.net", "https://vault.azure.net.", "https://vault.azure.net:443",
		"https://dev.vault.azure.net", "https://vault.azure.net/.default", "https://vault.localhost", "https://vault.localhost:8444", " " + vaultResource, "/",
		strings.Repeat("r", 200), "https://vault.azure.net\r\n",
	} {
		_, err := w.ask(func(r *ClientCredentials) { r.Resource = resource })
		shown := resource[:min(len(resource), 128)]
		wantRefusal(t, err, 500011, InvalidResource, "The resource principal named "+strings.NewReplacer("\r", "?", "\n", "?").Replace(shown)+
			" was not found in the tenant named "+tenantA+". This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.")
	}
}

func TestClientCredentialsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("c", 129)
	for _, tc := range []struct {
		name          string
		change        func(*ClientCredentials)
		number        int
		oauth, answer string
	}{
		{"no client id", func(r *ClientCredentials) { r.ClientID = "" }, 900144, InvalidRequest, "The request body must contain the following parameter: 'client_id'."},
		{"no resource", func(r *ClientCredentials) { r.Resource = "" }, 900144, InvalidRequest, "The request body must contain the following parameter: 'resource' or 'scope'."},
		{"an unknown client", func(r *ClientCredentials) { r.ClientID = "nobody" }, 700016, UnauthorizedClient, text(noClientText, "nobody")},
		{"a long client id", func(r *ClientCredentials) { r.ClientID = long }, 700016, UnauthorizedClient, text(noClientText, long[:128])},
		{"a malformed tenant", func(r *ClientCredentials) { r.Tenant = "nodots" }, 900023, InvalidRequest, text(malformedText, "nodots")},
		{"an unknown tenant", func(r *ClientCredentials) { r.Tenant = "c.example.com" }, 90002, InvalidTenant, text(notFoundText, "c.example.com")},
		// Its secret being right must make no difference.
		{"another tenant", func(r *ClientCredentials) { r.Tenant = domainB }, 700016, UnauthorizedClient,
			strings.Replace(text(noClientText, clientID), tenantA, tenantB, 1)},
		{"another tenant and a wrong secret", func(r *ClientCredentials) { r.Tenant, r.Secret = domainB, GivenSecret("wrong") }, 700016, UnauthorizedClient,
			strings.Replace(text(noClientText, clientID), tenantA, tenantB, 1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := w.ask(tc.change)
			wantRefusal(t, err, tc.number, tc.oauth, tc.answer)
		})
	}
	for _, tenant := range []string{tenantA, strings.ToUpper(tenantA), domainA, "common", "organizations", ""} {
		token, err := w.ask(func(r *ClientCredentials) { r.Tenant = tenant })
		if err != nil {
			t.Errorf("at %q: %v", tenant, err)
			continue
		}
		if _, claims := parts(t, string(token.Access.Reveal())); claims["tid"] != tenantA {
			t.Errorf("at %q: a token of %v", tenant, claims["tid"])
		}
	}
}

func TestIssueTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token, err := w.svc.IssueTo(t.Context(), origin, strings.ToUpper(clientID), managementResource)
	must(t, err)
	caller, err := w.svc.Verify(t.Context(), PlaneManagement, string(token.Access.Reveal()))
	must(t, err)
	if caller.ObjectID != objectID || caller.TenantID != tenantA {
		t.Errorf("caller %+v", caller)
	}
	_, err = w.svc.IssueTo(t.Context(), origin, "nobody", managementResource)
	wantRefusal(t, err, 700016, UnauthorizedClient, strings.Replace(text(noClientText, "nobody"), tenantA, "", 1))
	_, err = w.svc.IssueTo(t.Context(), origin, clientID, "https://storage.azure.com")
	if err == nil || !strings.HasPrefix(err.Error(), "AADSTS500011: The resource principal named https://storage.azure.com was not found") {
		t.Errorf("error %v", err)
	}
}

// A token is what RFC 7515 and RFC 8017 say it is: the standard library verifies
// it, with the key as it is and with the key as it is published.
func TestTokenSignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.bearer(vaultResource)
	input, encoded, _ := cutLast(token)
	signature, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	must(t, err)
	sum := sha256.Sum256([]byte(input))
	if err := rsa.VerifyPKCS1v15(&ownKey().PublicKey, crypto.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}

	set, err := w.svc.PublicKeys(t.Context())
	must(t, err)
	var published struct {
		Keys []map[string]any `json:"keys"`
	}
	must(t, json.Unmarshal(encodeJSON(set), &published))
	if len(published.Keys) != 1 {
		t.Fatalf("%d keys", len(published.Keys))
	}
	k := published.Keys[0]
	number := func(name string) *big.Int {
		text, _ := k[name].(string)
		b, err := base64.RawURLEncoding.Strict().DecodeString(text)
		must(t, err)
		return new(big.Int).SetBytes(b)
	}
	public := &rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}
	if head, _ := parts(t, token); k["kid"] != head["kid"] {
		t.Errorf("the key %v is published, the token names %v", k["kid"], head["kid"])
	}
	delete(k, "n")
	delete(k, "e")
	if !maps.Equal(k, map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": thumbprint(&ownKey().PublicKey)}) {
		t.Errorf("published %v", k)
	}
}

// cutLast separates the signature of a token from what it signs.
func cutLast(token string) (input, signature string, found bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return token, "", false
	}
	return token[:i], token[i+1:], true
}
