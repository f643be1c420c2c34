package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// planeOf names the plane that an answer is from, by what only it writes.
func planeOf(a answer) string {
	switch {
	case a.header.Get("X-Ms-Keyvault-Network-Info") != "":
		return "vault"
	case a.header.Get("Cache-Control") == "no-store, no-cache":
		return "token"
	case a.header.Get("X-Ms-Correlation-Request-Id") != "":
		return "management"
	}
	return "none"
}

func TestDispatch(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token := "/" + testTenant + "/oauth2/token"
	for _, tc := range []struct {
		url    string
		plane  string
		status int
	}{
		{"https://unit.vault.azure.net/secrets/x", "vault", 401},
		{"https://UNIT.vault.azure.net:443/secrets/x", "vault", 401},
		{"https://unit.vault.localhost:8443/secrets/x", "vault", 401},
		{"https://unit.vault.localhost:8443" + token, "vault", 401},
		{"https://unit.vault.localhost:8443/subscriptions", "vault", 401},
		{"https://nobody.vault.azure.net/secrets/x", "vault", 404},

		{"https://" + login + token, "token", 405},
		{"https://sts.windows.net" + token, "token", 405},
		{"https://" + login + "/subscriptions", "token", 404},
		{"https://" + login + "/common/discovery/keys", "token", 200},

		{"https://" + managementHost + "/subscriptions", "management", 401},
		{"https://management.core.windows.net/subscriptions", "management", 401},
		{"https://" + managementHost + token, "management", 401},
		{"https://" + managementHost + "/common/discovery/keys", "management", 401},
		{"https://" + managementHost + "/metadata/endpoints?api-version=2022-09-01", "management", 200},

		{"https://localhost:8443" + token, "token", 405},
		{"https://localhost:8443/common/discovery/keys", "token", 200},
		{"https://localhost:8443/adfs/discovery/keys", "token", 200},
		{"https://localhost:8443/unit.onmicrosoft.com/discovery/keys", "token", 200},
		{"https://localhost:8443/subscriptions", "management", 401},
		{"https://localhost:8443/", "management", 401},
		{"https://localhost:8443/metadata/endpoints?api-version=2022-09-01", "management", 200},
		{"https://127.0.0.1:8443/common/discovery/keys", "token", 200},
		{"https://127.0.0.1:8443/subscriptions", "management", 401},
		{"https://[::1]:8443/adfs/discovery/keys", "token", 200},
		{"https://[::1]:8443/tenants", "management", 401},

		{"https://unit.managedhsm.azure.net/keys", "vault", 404},
		{"https://unit.managedhsm.localhost:8443" + token, "vault", 404},
	} {
		a := h.do(http.MethodGet, tc.url, "", "")
		if got := planeOf(a); got != tc.plane || a.status != tc.status {
			t.Errorf("%s: %s plane, status %d, want %s and %d: %s", tc.url, got, a.status, tc.plane, tc.status, a.body)
		}
	}
	if a := h.do(http.MethodGet, "https://unit.managedhsm.azure.net/keys", "", ""); !strings.Contains(a.body, "There is no managed HSM named 'unit' here.") {
		t.Errorf("an HSM of a vault's name: %s", a.body)
	}
}

// A host that the table does not have gets nothing, whatever else the request
// says of where it should go.
func TestMisdirected(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, host := range []string{
		"evil.example", "vault.azure.net", "a.b.vault.azure.net", "unit.vault.azure.net.evil.example", "10.0.0.1", "169.254.169.254",
		"localhost.evil.example", "azure.net", "[fe80::1]:8443", "unit_.vault.azure.net", "unit.vault.azure.net:0",
	} {
		a := h.do(http.MethodGet, "https://unit.vault.azure.net/secrets/x", "", "", func(r *http.Request) {
			r.Host = host
			r.Header.Set("X-Forwarded-Host", "unit.vault.azure.net")
			r.Header.Set("Forwarded", "host=unit.vault.azure.net")
		})
		a.refused(http.StatusMisdirectedRequest, "MisdirectedRequest", "",
			"This service does not answer for the host of the request. Use a host name of its host table, or add its domain to the configuration.")
		if planeOf(a) != "none" {
			t.Errorf("%s: answered by the %s plane", host, planeOf(a))
		}
	}
}

// Addresses are rendered from the Host header alone, with its port.
func TestRenderedAddresses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for url, want := range map[string]string{
		"https://unit.vault.azure.net":         `Bearer authorization="https://login.microsoftonline.com/` + testTenant + `", resource="https://vault.azure.net"`,
		"https://unit.vault.azure.net:9443":    `Bearer authorization="https://login.microsoftonline.com:9443/` + testTenant + `", resource="https://vault.azure.net:9443"`,
		"https://unit.vault.localhost:8443":    `Bearer authorization="https://localhost:8443/` + testTenant + `", resource="https://vault.localhost:8443"`,
		"https://UNIT.Vault.LocalHost.:8443/x": `Bearer authorization="https://localhost:8443/` + testTenant + `", resource="https://vault.localhost:8443"`,
	} {
		a := h.do(http.MethodGet, url+"/secrets/x?api-version="+vaultAPI, "", "", func(r *http.Request) {
			r.Header.Set("X-Forwarded-Host", "evil.example")
			r.Header.Set("X-Forwarded-Proto", "http")
			r.Header.Set("X-Forwarded-Port", "1")
			r.Header.Set("Forwarded", "host=evil.example;proto=http")
		}).is(http.StatusUnauthorized)
		if got := a.header.Get("WWW-Authenticate"); got != want {
			t.Errorf("%s:\n %s\nwant\n %s", url, got, want)
		}
	}
	// A value set under one name is there under every other, with their own
	// addresses.
	h.data(http.MethodPut, testVault, "/secrets/moved", `{"value":"v"}`).is(200)
	token := h.token(testClient, houseSecret, vaultResource)
	for _, host := range []string{"unit.vault.azure.net", "unit.vault.localhost:8443"} {
		var secret struct{ ID, Value string }
		a := h.do(http.MethodGet, "https://"+host+"/secrets/moved/?api-version="+vaultAPI, token, "").is(200)
		if err := json.Unmarshal([]byte(a.body), &secret); err != nil || secret.Value != "v" || !strings.HasPrefix(secret.ID, "https://"+host+"/secrets/moved/") {
			t.Errorf("%s: %s", host, a.body)
		}
	}
}

// A token for one plane is refused by the other, over the wire too.
func TestTokenOfTheOtherPlane(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	forVault, forManagement := h.token(testClient, houseSecret, vaultResource), h.token(testClient, houseSecret, managementResource)
	a := h.do(http.MethodGet, dataURL(testVault, "/secrets"), forManagement, "")
	want := "AKV10022: Invalid audience. Expected https://vault.azure.net or cfa8b339-82a2-471a-a3c9-0fc0be7a4093 or " +
		strings.ReplaceAll("https://vault.azure.net:PORT or https://vault.localhost or https://vault.localhost:PORT, found: https://management.azure.com.", "PORT", fmt.Sprint(h.port))
	if a.status != 401 || !strings.Contains(a.body, want) || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	a = h.do(http.MethodGet, managementURL("/subscriptions"), forVault, "")
	if a.status != 401 || !strings.Contains(a.body, "InvalidAuthenticationTokenAudience") || !strings.Contains(a.body, "wrong audience or resource 'https://vault.azure.net'") {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	for _, audience := range []string{fmt.Sprintf("https://vault.localhost:%d", h.port), "cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "https://vault.azure.net/"} {
		h.do(http.MethodGet, dataURL(testVault, "/secrets"), h.token(testClient, houseSecret, audience), "").is(200)
	}
	for _, audience := range []string{"https://management.core.windows.net/", h.at("localhost"), h.at("127.0.0.1"), h.at("[::1]"), "797f4846-ba00-4fd7-ba43-dac1f8f63013"} {
		h.do(http.MethodGet, managementURL("/subscriptions"), h.token(testClient, houseSecret, audience), "").is(200)
	}
}

func TestProtocols(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, h2 := range []bool{true, false} {
		client := h.newClient(h2)
		want := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[h2]
		for _, url := range []string{"https://unit.vault.azure.net/secrets", "https://" + login + "/common/discovery/keys", h.at("localhost") + "/subscriptions"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			a := h.send(client, req)
			if a.proto != want || planeOf(a) == "none" {
				t.Errorf("%s: %s, status %d", url, a.proto, a.status)
			}
		}
	}
	for version, ok := range map[uint16]bool{tls.VersionTLS13: true, tls.VersionTLS12: true, tls.VersionTLS11: false} {
		d := tls.Dialer{Config: &tls.Config{RootCAs: h.roots(), ServerName: "unit.vault.azure.net", MinVersion: tls.VersionTLS10, MaxVersion: version}}
		conn, err := d.DialContext(t.Context(), "tcp", h.addr)
		if (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			conn.Close()
		}
	}
	// A name that is not ours gets no certificate, and a client without TLS no
	// answer of ours.
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: "evil.example"}}
	if conn, err := d.DialContext(t.Context(), "tcp", h.addr); err == nil {
		conn.Close()
		t.Error("a certificate for evil.example")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.addr+"/secrets", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := h.send(&http.Client{}, req); a.status != 400 || planeOf(a) != "none" {
		t.Errorf("without TLS: status %d, %s", a.status, a.body)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if s := h.srv.http; s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 {
		t.Errorf("a connection without a limit: %+v", s)
	}
	for _, h2 := range []bool{true, false} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://unit.vault.azure.net/secrets", nil)
		if err != nil {
			t.Fatal(err)
		}
		client := h.newClient(h2)
		h.send(client, req).is(401)
		req.Header.Set("X-Large", strings.Repeat("x", 80<<10))
		resp, err := client.Do(req)
		// A client that takes long to send all of it finds the connection closed.
		for range 20 {
			if h2 || err == nil {
				break
			}
			resp, err = client.Do(req)
		}
		if err == nil {
			resp.Body.Close()
		}
		// Of h2, the client knows the limit, and does not even try.
		if h2 && (err == nil || !strings.Contains(err.Error(), "advertised limit")) || !h2 && (err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge) {
			t.Errorf("h2 %v: %v, %v", h2, resp, err)
		}
	}
	// Bodies end where the operation's limit is, also those that do not say how
	// long they are.
	token := h.token(testClient, houseSecret, vaultResource)
	body := `{"value":"` + strings.Repeat("x", 600<<10) + `"}`
	h.do(http.MethodPut, dataURL(testVault, "/secrets/large"), token, body).
		refused(http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "", "The body of the request is larger than this operation accepts.")
	h.do(http.MethodPut, dataURL(testVault, "/secrets/large"), token, body, func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), -1
	}).is(http.StatusRequestEntityTooLarge)
	h.data(http.MethodGet, testVault, "/secrets/large/", "").is(404)
}

// The log names operations and callers, and neither values nor tokens nor paths.
func TestLogHoldsNoSecret(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.data(http.MethodPut, testVault, "/secrets/name-of-a-secret", `{"value":"value-of-a-secret"}`).is(200)
	h.data(http.MethodGet, testVault, "/secrets/name-of-a-secret/", "").is(200)
	h.manage(http.MethodGet, subscription+"/resourceGroups/unit", "").is(200)
	tokens := []string{h.token(testClient, houseSecret, vaultResource), h.token(testClient, houseSecret, managementResource)}
	h.do(http.MethodGet, dataURL(testVault, "/secrets"), tokens[1], "").is(401)
	h.shutdown()
	log := h.log.String()
	for _, hidden := range append(tokens, houseSecret, "value-of-a-secret", "/secrets/", "/resourceGroups/") {
		if strings.Contains(log, hidden) {
			t.Errorf("the log shows %q:\n%s", hidden, log)
		}
	}
	for _, shown := range []string{"operation=SecretSet", "operation=SecretGet", "operation=ResourceGroupGet", "operation=TokenV2", "caller=" + testOwner, "status=401"} {
		if !strings.Contains(log, shown) {
			t.Errorf("the log lacks %q:\n%s", shown, log)
		}
	}
}

// The hook that makes vaults is asked for a vault that is missing, once it is
// named, and its refusal is the answer.
func TestMissingVaultHook(t *testing.T) {
	t.Parallel()
	var asked []string
	h := newHouse(t, func(c *Config) {
		c.OnMissingVault = func(_ context.Context, name string) error {
			asked = append(asked, name)
			return context.Canceled
		}
	})
	h.do(http.MethodGet, dataURL("Missing", "/secrets"), "", "").is(503)
	h.do(http.MethodGet, dataURL(testVault, "/secrets"), "", "").is(401)
	if len(asked) != 1 || asked[0] != "missing" {
		t.Errorf("asked for %q", asked)
	}
}
