package tokenplane

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/internal/secret"
)

const identityHeader = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// endpoint is a managed identity's, on a listener of its own.
type endpoint struct {
	t      *testing.T
	server *httptest.Server
	log    *logtest.Buffer
}

func newEndpoint(t *testing.T, change func(*ManagedIdentityConfig)) *endpoint {
	t.Helper()
	e := &endpoint{t: t, log: &logtest.Buffer{}}
	cfg := ManagedIdentityConfig{
		Identity: shared(), Header: secret.New([]byte(identityHeader)), ClientID: clientID, ObjectID: objectID,
		Logger: slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	change(&cfg)
	e.server = httptest.NewServer(NewManagedIdentity(cfg))
	t.Cleanup(e.server.Close)
	return e
}

// ask sends a right request of App Service with the changes made.
func (e *endpoint) ask(query string, changes ...func(*http.Request)) (status int, members map[string]any) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodGet, e.server.URL+ManagedIdentityPath+"?"+query, nil)
	must(e.t, err)
	req.Header.Set("X-IDENTITY-HEADER", identityHeader)
	for _, change := range changes {
		change(req)
	}
	resp, err := e.server.Client().Do(req)
	must(e.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(e.t, err)
	if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Content-Type-Options") != "nosniff" ||
		resp.Header.Get("Content-Type") != "application/json; charset=utf-8" || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		e.t.Errorf("headers %v", resp.Header)
	}
	if err := json.Unmarshal(body, &members); err != nil {
		e.t.Fatalf("body %q: %v", body, err)
	}
	return resp.StatusCode, members
}

// refused checks a refusal in full.
func (e *endpoint) refused(name string, wantStatus int, wantMessage string, query string, changes ...func(*http.Request)) {
	e.t.Helper()
	status, members := e.ask(query, changes...)
	if status != wantStatus || !maps.Equal(members, map[string]any{"statusCode": float64(wantStatus), "message": wantMessage}) {
		e.t.Errorf("%s: status %d, %v\nwant %d, %s", name, status, members, wantStatus, wantMessage)
	}
}

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func remove(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func old(value string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del("X-IDENTITY-HEADER")
		r.Header.Set("secret", value)
	}
}

const appService = "api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net"

func TestManagedIdentity(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(*ManagedIdentityConfig) {})
	for _, tc := range []struct {
		name, query string
		change      func(*http.Request)
		aud         string
		client      bool
	}{
		{"App Service", appService, set("A", "b"), vault, true},
		{"App Service as Python asks", "api-version=2019-08-01&resource=https://vault.azure.net", set("A", "b"), vault, true},
		{"App Service for Resource Manager", "resource=https%3A%2F%2Fmanagement.azure.com%2F&api-version=2019-08-01", set("A", "b"), arm, true},
		{"by client id", appService + "&client_id=" + strings.ToUpper(clientID), set("A", "b"), vault, true},
		{"by object id", appService + "&object_id=" + objectID, set("A", "b"), vault, true},
		{"by principal id", appService + "&principal_id=" + objectID, set("A", "b"), vault, true},
		{"with empty ids", appService + "&client_id=&mi_res_id=", set("A", "b"), vault, true},
		{"2017", "api-version=2017-09-01&resource=https%3A%2F%2Fvault.azure.net", old(identityHeader), vault, false},
		{"2017 as Go asks", "api-version=2017-09-01&clientid=&resource=https%3A%2F%2Fvault.azure.net", old(identityHeader), vault, false},
		{"2017 by client id", "api-version=2017-09-01&clientid=" + clientID + "&resource=https%3A%2F%2Fvault.azure.net", old(identityHeader), vault, false},
		{"2017 as JavaScript asks", "api-version=2017-09-01&resource=" + vault, func(r *http.Request) { old(identityHeader)(r); r.Header.Set("Metadata", "true") }, vault, false},
		{"under localhost", appService, host("localhost:41000"), vault, true},
		{"under localhost in upper case", appService, host("LOCALHOST"), vault, true},
		{"under 127.0.0.2", appService, host("127.0.0.2:1"), vault, true},
		{"under the address of version 6", appService, host("[::1]:41000"), vault, true},
		{"under the address of version 6 alone", appService, host("[::1]"), vault, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, got := e.ask(tc.query, tc.change)
			token, _ := got["access_token"].(string)
			want := map[string]any{"access_token": token, "expires_on": "1893557045", "resource": tc.aud, "token_type": "Bearer"}
			if tc.client {
				want["client_id"] = clientID
			}
			if status != http.StatusOK || !maps.Equal(got, want) {
				t.Fatalf("status %d, %v\nwant %v", status, got, want)
			}
			checkToken(t, token, tc.aud)
		})
	}
}

// The endpoint gives tokens to whoever can reach it and knows the header. What
// browsers and proxies can be made to send must not be enough, even with it.
func TestManagedIdentityGuard(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(*ManagedIdentityConfig) {})
	const notLoopback, notDirect = "The endpoint answers under a loopback address only.", "The endpoint does not answer browsers and proxies."
	for _, name := range []string{
		"evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1.nip.io:41000", "localhost.", "localhost.:80",
		"169.254.169.254", "10.0.0.1", "0.0.0.0", "[::]", "[fe80::1]:80", "2130706433", "0x7f.1", "127.1", "dev.vault.azure.net", "vault.localhost", "127.0.0.1:80:80",
	} {
		e.refused("host "+name, http.StatusForbidden, notLoopback, appService, host(name))
	}
	for name, value := range map[string]string{
		"Origin": "https://evil.example", "origin": "null", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "sec-fetch-dest": "document",
		"X-Forwarded-For": "127.0.0.1", "x-forwarded-for": "",
	} {
		e.refused(name, http.StatusForbidden, notDirect, appService, set(name, value))
	}
}

func TestManagedIdentityRefused(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(*ManagedIdentityConfig) {})
	const (
		noHeader = "The header X-Identity-Header is missing or wrong."
		noOld    = "The header Secret is missing or wrong."
		version  = "The api-version must be 2019-08-01 or 2017-09-01."
		noPath   = "The endpoint is GET /msi/token."
		noID     = "No managed identity of that id is here. Leave the id out, or name client_id " + clientID + "."
	)
	e.refused("no header", 401, noHeader, appService, remove("X-IDENTITY-HEADER"))
	e.refused("empty header", 401, noHeader, appService, set("X-IDENTITY-HEADER", ""))
	e.refused("wrong header", 401, noHeader, appService, set("X-IDENTITY-HEADER", identityHeader[:63]+"0"))
	e.refused("a part of the header", 401, noHeader, appService, set("X-IDENTITY-HEADER", identityHeader[:63]))
	e.refused("more than the header", 401, noHeader, appService, set("X-IDENTITY-HEADER", identityHeader+"0"))
	e.refused("the other form's header", 401, noHeader, appService, old(identityHeader))
	e.refused("2017 without header", 401, noOld, "api-version=2017-09-01&resource="+vault, remove("X-IDENTITY-HEADER"))
	e.refused("2017 with App Service's header", 401, noOld, "api-version=2017-09-01&resource="+vault)
	e.refused("2017 with a wrong header", 401, noOld, "api-version=2017-09-01&resource="+vault, old("wrong"))
	e.refused("no version", 400, version, "resource="+vault)
	e.refused("IMDS version", 400, version, "api-version=2018-02-01&resource="+vault, set("Metadata", "true"))
	e.refused("no resource", 400, "The parameter resource is missing.", "api-version=2019-08-01")
	e.refused("POST", 404, noPath, appService, func(r *http.Request) { r.Method = http.MethodPost })
	e.refused("OPTIONS", 404, noPath, appService, func(r *http.Request) { r.Method = http.MethodOptions })
	for _, path := range []string{"/", "/msi", "/msi/token/", "/MSI/token", "/msi/token/x", "/metadata/identity/oauth2/token", "//msi/token"} {
		e.refused("path "+path, 404, noPath, appService, func(r *http.Request) { r.URL.Path = path })
	}
	for name, value := range map[string]string{
		"client_id": "other", "clientid": "other", "object_id": clientID, "principal_id": "other", "mi_res_id": "/subscriptions/x", "msi_res_id": "/subscriptions/x", "Client_ID": "other",
	} {
		e.refused(name, 400, noID, appService+"&"+url.Values{name: {value}}.Encode())
	}
	e.refused("unknown resource", 400, "AADSTS500011: "+say(noTarget, "https://storage.azure.com"), "api-version=2019-08-01&resource=https://storage.azure.com")

	none := newEndpoint(t, func(c *ManagedIdentityConfig) { c.Header = secret.Bytes{} })
	none.refused("an endpoint without a header", 401, noHeader, appService, set("X-IDENTITY-HEADER", ""))
	nobody := newEndpoint(t, func(c *ManagedIdentityConfig) { c.ClientID = "nobody" })
	nobody.refused("an identity that is not registered", 400, "AADSTS700016: "+strings.Replace(say(noClient, "nobody"), tenantID, "", 1), appService)
}

func TestManagedIdentityLog(t *testing.T) {
	t.Parallel()
	var failed error
	svc, err := newIdentity(audit.Discard{}, func(c *identity.Config) { c.Store = brokenStore{c.Store, &failed} })
	must(t, err)
	e := newEndpoint(t, func(c *ManagedIdentityConfig) { c.Identity = svc })
	if status, members := e.ask(appService); status != 200 {
		t.Errorf("status %d, %v", status, members)
	}
	e.ask(appService, set("X-IDENTITY-HEADER", "wrong"))
	if log := e.log.String(); log != "" {
		t.Errorf("log %s", log)
	}
	failed = errors.New("the disk is gone")
	e.refused("a failure", 500, "An internal error occurred; the log of the service has its cause.", appService)
	if log := e.log.String(); !strings.Contains(log, "the disk is gone") || strings.Contains(log, identityHeader) {
		t.Errorf("log %s", log)
	}
}
