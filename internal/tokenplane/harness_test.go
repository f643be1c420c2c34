package tokenplane

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
)

const (
	tenantID = "aaaaaaaa-0000-4000-8000-00000000000a"
	domain   = "contoso.example"
	clientID = "cccccccc-0000-4000-8000-000000000001"
	objectID = "dddddddd-0000-4000-8000-000000000001"
	// The secret of this client has the characters that a form or a header could
	// spoil. Somebody chose it, so that each try takes long.
	oddClient = "cccccccc-0000-4000-8000-000000000002"
	oddSecret = "s3cret~with: +%&=/\"\u00e9"

	login = "login.microsoftonline.com"
	vault = "https://vault.azure.net"
	arm   = "https://management.azure.com/"

	requestID = "01234567-89ab-4cde-8f01-23456789abcd"
)

var (
	ownSecret    = identity.NewSecret() // of clientID
	clientSecret = string(ownSecret.Reveal())
)

var now0 = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// shared is the one token service of all tests: its key takes long to make. No
// test changes what is in it.
var shared = sync.OnceValue(func() *identity.Service {
	s, err := newIdentity(audit.Discard{}, func(*identity.Config) {})
	if err != nil {
		panic(err)
	}
	return s
})

func newIdentity(records audit.Sink, change func(*identity.Config)) (*identity.Service, error) {
	ctx := context.Background()
	s, err := pebble.OpenMemory()
	if err != nil {
		return nil, err
	}
	root, err := seal.EphemeralRoot()
	if err != nil {
		return nil, err
	}
	ring, err := seal.Open(ctx, s, root)
	if err != nil {
		return nil, err
	}
	logger := slog.New(slog.DiscardHandler)
	cfg := identity.Config{
		Audit: audit.New(audit.Config{Store: s, Sealer: ring.System(), Sink: records, Now: time.Now, Logger: logger}),
		Store: s, Sealer: ring.System(), Issuer: "https://sts.windows.net/{tenant}/",
		Now: func() time.Time { return now0 },
		Audiences: map[identity.Plane][]string{
			identity.PlaneVault: {vault, "https://vault.localhost:8443"}, identity.PlaneManagement: {arm, "https://localhost:8443"},
		},
		Logger: logger,
	}
	change(&cfg)
	svc := identity.New(cfg)
	if err := svc.Start(ctx); err != nil {
		return nil, err
	}
	if err := svc.EnsureTenant(ctx, identity.Tenant{ID: tenantID, Domain: domain, Name: "Contoso"}); err != nil {
		return nil, err
	}
	app := identity.Application{ClientID: clientID, ObjectID: objectID, TenantID: tenantID, Name: "app"}
	if err := svc.EnsureApplication(ctx, app, ownSecret); err != nil {
		return nil, err
	}
	app.ClientID = oddClient
	return svc, svc.EnsureApplication(ctx, app, identity.GivenSecret(oddSecret))
}

// world is the plane behind a TLS server.
type world struct {
	t      testing.TB
	plane  *Plane
	server *httptest.Server
	log    *logtest.Buffer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return worldOf(t, shared())
}

func worldOf(t testing.TB, svc *identity.Service) *world {
	t.Helper()
	hosts := httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow()}
	w := &world{t: t, log: &logtest.Buffer{}}
	w.plane = New(Config{Identity: svc, Hosts: hosts, Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	w.server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		site, ok := hosts.Lookup(r.Host)
		if !ok {
			t.Errorf("no row for host %q", r.Host)
			return
		}
		w.plane.ServeHTTP(rw, r.WithContext(httpx.WithSite(r.Context(), site)))
	}))
	t.Cleanup(w.server.Close)
	return w
}

// request is one to the plane. Its zero members mean POST, the Azure host, a
// form, and no more headers.
type request struct {
	method, host, path string
	form               url.Values
	body               io.Reader // instead of the form
	kind               string    // the content type; "none" for none
	basic              []string  // user and password
	header             map[string]string
}

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

func (w *world) do(r request) answer {
	w.t.Helper()
	if r.method == "" {
		r.method = http.MethodPost
	}
	if r.kind == "" {
		r.kind = "application/x-www-form-urlencoded"
	}
	if r.body == nil {
		r.body = strings.NewReader(r.form.Encode())
	}
	req, err := http.NewRequestWithContext(w.t.Context(), r.method, w.server.URL+r.path, r.body)
	must(w.t, err)
	req.Host = login
	if r.host != "" {
		req.Host = r.host
	}
	if r.kind != "none" {
		req.Header.Set("Content-Type", r.kind)
	}
	if r.basic != nil {
		req.SetBasicAuth(r.basic[0], r.basic[1])
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := w.server.Client().Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return answer{w.t, resp.StatusCode, resp.Header, string(body)}
}

func (w *world) get(host, path string) answer {
	w.t.Helper()
	return w.do(request{method: http.MethodGet, host: host, path: path, kind: "none"})
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// is checks the status and what every answer carries.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store, no-cache", "Pragma": "no-cache", "Expires": "-1", "X-Content-Type-Options": "nosniff",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains", "Content-Type": "application/json; charset=utf-8",
	} {
		if got := a.header.Get(name); got != want {
			a.t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	if id := a.header.Get("X-Ms-Request-Id"); !guid.MatchString(id) {
		a.t.Errorf("x-ms-request-id %q", id)
	}
	return a
}

// members returns the body, in which numbers stay json.Number.
func (a answer) members() map[string]any {
	a.t.Helper()
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(a.body))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		a.t.Fatalf("body %q: %v", a.body, err)
	}
	return m
}

// json checks the whole body, up to the order of members.
func (a answer) json(want string) {
	a.t.Helper()
	var wanted map[string]any
	d := json.NewDecoder(strings.NewReader(want))
	d.UseNumber()
	must(a.t, d.Decode(&wanted))
	g, err := json.Marshal(a.members())
	must(a.t, err)
	w, err := json.Marshal(wanted)
	must(a.t, err)
	if string(g) != string(w) {
		a.t.Errorf("body\n %s\nwant\n %s", g, w)
	}
}

var stamp = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$`)

// refused checks a refusal in full. The message is the first line of the
// description, after the code.
func (a answer) refused(status int, oauth, code, message string) {
	a.t.Helper()
	a.is(status)
	m := a.members()
	trace := a.header.Get("X-Ms-Request-Id")
	correlation := a.header.Get("Client-Request-Id")
	if correlation == "" {
		correlation = trace
	}
	at, _ := m["timestamp"].(string)
	if !stamp.MatchString(at) {
		a.t.Errorf("timestamp %q", at)
	}
	uri, _ := m["error_uri"].(string)
	if !strings.HasPrefix(uri, "https://") || !strings.HasSuffix(uri, "/error?code="+code) {
		a.t.Errorf("error_uri %q", uri)
	}
	want := map[string]any{
		"error": oauth, "error_uri": uri, "timestamp": at, "trace_id": trace, "correlation_id": correlation,
		"error_description": "AADSTS" + code + ": " + message + "\r\nTrace ID: " + trace + "\r\nCorrelation ID: " + correlation + "\r\nTimestamp: " + at,
	}
	codes, _ := m["error_codes"].([]any)
	if len(codes) != 1 || codes[0] != json.Number(code) {
		a.t.Errorf("error_codes %v, want the number %s", m["error_codes"], code)
	}
	delete(m, "error_codes")
	if !maps.Equal(m, want) {
		a.t.Errorf("refused with\n %q\nwant\n %q", m, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// brokenStore is a store that has failed.
type brokenStore struct {
	store.Store
	failed *error
}

func (s brokenStore) View(ctx context.Context, fn func(store.View) error) error {
	if *s.failed != nil {
		return *s.failed
	}
	return s.Store.View(ctx, fn)
}
