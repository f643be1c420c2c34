package dataplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/internal/release"
	"github.com/openkeyvault/openkeyvault/internal/release/releasetest"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

const (
	testTenant  = "11111111-1111-4111-8111-111111111111"
	otherTenant = "11111111-1111-4111-8111-222222222222"
	ownerID     = "22222222-2222-4222-8222-222222222222"
	testSub     = "55555555-5555-4555-8555-555555555555"
	testStart   = int64(1_800_000_000)
	latest      = api.VersionLatest
	host        = "unit.vault.azure.net"
)

var testHosts = httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow()}

// world is the plane over the real domain over a store in memory, behind a TLS
// server that looks hosts up as the real one does.
type world struct {
	t     testing.TB
	store store.Store
	ring  *seal.Keyring
	cat   *catalog.Catalog
	svc   *vault.Service
	log   *logtest.Buffer
	audit *logtest.Buffer
	now   atomic.Int64 // of the domain clock
	plane http.Handler
	// authority attests whatever a test wants, and certificate is the vault's.
	authority   *releasetest.Authority
	certificate *tls.Certificate
	handler     http.Handler // the plane, once the host is looked up
	client      *http.Client // reaches the server under every name, follows nothing
}

// newWorld returns a world with a premium vault called unit, in which the owner
// may do everything.
func newWorld(t testing.TB, change ...func(*world, *Config)) *world {
	t.Helper()
	s, err := pebble.OpenMemory()
	must(t, err)
	t.Cleanup(func() { s.Close() })
	root, err := seal.EphemeralRoot()
	must(t, err)
	w := &world{t: t, store: s, log: &logtest.Buffer{}, audit: &logtest.Buffer{}}
	w.now.Store(testStart)
	w.ring, err = seal.Open(t.Context(), s, root)
	must(t, err)
	logger := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.cat = catalog.New(catalog.Config{Store: s, Keyring: w.ring})
	backups, err := seal.OpenBackupKeys(t.Context(), s, w.ring)
	must(t, err)
	w.authority = releasetest.New("https://attest.example.com")
	w.certificate = testCertificate(t)
	w.svc = vault.New(vault.Config{
		Store: s, Catalog: w.cat, Backups: backups, Now: func() time.Time { return time.Unix(w.now.Load(), 0) }, Logger: logger,
		Audit:       audit.New(audit.Config{Store: s, Sealer: w.ring.System(), Sink: sink{w.audit}, Now: time.Now, Logger: logger}),
		Attestation: release.NewVerifier(release.VerifierConfig{Fetch: w.authority.Fetch, Now: time.Now, Logger: logger}),
	})
	cfg := Config{Vaults: w.svc, Verify: verify, Certificate: w.certificateOf, Logger: logger}
	for _, c := range change {
		c(w, &cfg)
	}
	w.plane = New(cfg)
	w.handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		site, ok := testHosts.Lookup(r.Host)
		if !ok {
			t.Errorf("no row for host %q", r.Host)
			return
		}
		w.plane.ServeHTTP(rw, r.WithContext(httpx.WithSite(r.Context(), site)))
	})
	w.serve(false)
	w.vault("unit")
	return w
}

// serve starts the TLS server and the client, for HTTP/1.1 or HTTP/2.
func (w *world) serve(http2 bool) {
	server := httptest.NewUnstartedServer(w.handler)
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	w.t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com"
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	transport.ExpectContinueTimeout = time.Minute
	w.t.Cleanup(transport.CloseIdleConnections)
	w.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// sink is a log that an audit log writes its lines to.
type sink struct{ *logtest.Buffer }

func (s sink) Write(line []byte) error {
	_, err := s.Buffer.Write(append(bytes.Clone(line), '\n'))
	return err
}

func (s sink) Sync() error { return nil }

// verify knows the callers of the tests by their tokens.
func verify(_ context.Context, bearer string) (access.Caller, error) {
	caller := func(tenant, oid string) access.Caller {
		return access.Caller{TenantID: tenant, ObjectID: oid, AppID: "app-of-" + bearer, Issuer: "https://sts.windows.net/" + tenant + "/"}
	}
	switch bearer {
	case "owner":
		return caller(testTenant, ownerID), nil
	case "nobody":
		return caller(testTenant, "22222222-2222-4222-8222-333333333333"), nil
	case "foreign":
		return caller(otherTenant, ownerID), nil
	case "expired":
		return access.Caller{}, fault.New(fault.Unauthenticated, api.CodeUnauthorized, "Error validating token: IDX10223: Lifetime validation failed.")
	case "unavailable":
		return access.Caller{}, fault.New(fault.Unavailable, api.CodeServiceUnavailable, "The signing keys are not there yet.")
	case "broken":
		return access.Caller{}, errors.New("the keys cannot be read")
	}
	return access.Caller{}, fault.New(fault.Unauthenticated, api.CodeUnauthorized, "Error validating token: IDX10501: Signature validation failed.")
}

// vault makes a vault called name as change wants it.
func (w *world) vault(name string, change ...func(*catalog.Vault)) {
	w.t.Helper()
	id := strings.Repeat("0", 32-len(name)) + name
	wrapped, err := w.ring.NewVaultKey(id)
	must(w.t, err)
	v := &catalog.Vault{
		ID: id, Name: name, TenantID: testTenant, SubscriptionID: testSub, ResourceGroup: "Team", Location: "eastus", Premium: true,
		SoftDelete: true, RetentionDays: 90, WrappedKey: wrapped,
		Policies: []access.Policy{{TenantID: testTenant, ObjectID: ownerID, Permissions: access.Permissions{
			Keys: []string{"all", "purge"}, Secrets: []string{"all", "purge"},
		}}},
	}
	for _, c := range change {
		c(v)
	}
	docKey, doc, err := w.cat.EncodeVault(v)
	must(w.t, err)
	nameKey, record, err := w.cat.EncodeName(v.Name, v.ID)
	must(w.t, err)
	must(w.t, w.store.Update(w.t.Context(), func(tx store.Tx) error {
		tx.Put(docKey, doc)
		tx.Put(nameKey, record)
		return nil
	}))
}

func standard(v *catalog.Vault) { v.Premium = false }

func protected(v *catalog.Vault) { v.PurgeProtection, v.RetentionDays = true, 7 }

func withoutSoftDelete(v *catalog.Vault) { v.SoftDelete = false }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// request is one to the plane. Its zero members mean the owner, the vault unit,
// the latest version and no body.
type request struct {
	method, path string // path as sent, with more of the query if it has a "?"
	version      string // "none" sends no api-version
	as           string // "none" sends no token
	host         string
	body         string
	header       map[string]string
}

// answer is what came back.
type answer struct {
	t      testing.TB
	about  string
	status int
	header http.Header
	body   string
}

// do sends a request to the server.
func (w *world) do(r request) answer {
	w.t.Helper()
	return w.send(r.complete())
}

// direct sends a request to the plane without a connection: when it returns, the
// plane has written its log.
func (w *world) direct(r request) answer {
	w.t.Helper()
	r = r.complete()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r.http(w.t))
	return answer{w.t, r.method + " " + r.path, rec.Code, rec.Header(), rec.Body.String()}
}

// complete returns r with what its zero members mean.
func (r request) complete() request {
	if r.host == "" {
		r.host = host
	}
	if r.version == "" {
		r.version = latest
	}
	if r.version != "none" {
		separator := "?"
		if strings.Contains(r.path, "?") {
			separator = "&"
		}
		r.path += separator + "api-version=" + r.version
	}
	if r.as == "" {
		r.as = "owner"
	}
	return r
}

func (r request) http(t testing.TB) *http.Request {
	t.Helper()
	target, err := url.Parse("https://" + r.host + r.path)
	must(t, err)
	req := &http.Request{Method: r.method, URL: target, Host: r.host, Header: http.Header{}, RemoteAddr: "192.0.2.1:1234", Body: http.NoBody}
	if r.body != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(r.body)), int64(len(r.body))
	}
	if r.as != "none" {
		req.Header.Set("Authorization", "Bearer "+r.as)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	return req.WithContext(t.Context())
}

// send sends exactly what the request says.
func (w *world) send(r request) answer {
	w.t.Helper()
	res, err := w.client.Do(r.http(w.t))
	if err != nil {
		w.t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	return answer{w.t, r.method + " " + r.path, res.StatusCode, res.Header, string(body)}
}

// call sends a request of the owner at the latest version.
func (w *world) call(method, path, body string) answer {
	w.t.Helper()
	return w.do(request{method: method, path: path, body: body})
}

// is checks the status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.about, a.status, status, a.body)
	}
	return a
}

// text checks the status 200 and the whole body, to the letter. In want, every
// odd argument stands for the one after it.
func (a answer) text(want string, replace ...string) answer {
	a.t.Helper()
	a.is(200)
	if want = strings.NewReplacer(replace...).Replace(want); a.body != want {
		a.t.Errorf("%s:\n got %s\nwant %s", a.about, a.body, want)
	}
	return a
}

// refused is a refusal as a test names it.
type refused struct {
	status               int
	code, inner, message string
}

// refused checks a refusal, its whole body included.
func (a answer) refused(want refused) {
	a.t.Helper()
	if got := a.refusal(); got != want {
		a.t.Errorf("%s: refused\n with %+v\n want %+v", a.about, got, want)
	}
}

// refusal returns the refusal that the answer is. It wants the envelope to be
// Azure's and to have nothing else.
func (a answer) refusal() refused {
	a.t.Helper()
	var envelope api.ErrorResponse
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&envelope); err != nil || envelope.Error.Code == "" || envelope.Error.Message == "" {
		a.t.Fatalf("%s: status %d, no envelope: %q, %v", a.about, a.status, a.body, err)
	}
	if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		a.t.Errorf("%s: Content-Type %q", a.about, got)
	}
	got := refused{status: a.status, code: envelope.Error.Code, message: envelope.Error.Message}
	if envelope.Error.InnerError != nil {
		got.inner = envelope.Error.InnerError.Code
	}
	return got
}

// bad is the commonest refusal.
func bad(message string) refused { return refused{400, "BadParameter", "", message} }

// badType is Azure's answer to a type of key that a vault does not have.
func badType(kty string) refused {
	return refused{400, "BadParameter", "KeyTypeNotSupported", "Invalid kty value: " + kty}
}

// badSize is Azure's answer to a size that keys of a type do not have.
func badSize(message string) refused {
	return refused{400, "BadParameter", "KeySizeNotSupported", message}
}

// invalidProperty is Azure's answer to a value that it does not like.
var invalidProperty = bad("Property  has invalid value\r\n")

func notFound(noun, capital, path string) refused {
	return refused{404, capital + "NotFound", "", "A " + noun + " with (name/id) " + path + " was not found in this key vault. If you recently deleted this " + noun +
		" you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"}
}

var versionInID = regexp.MustCompile(`"k?id":"https://[^"]+/([0-9a-f]{32})"`)

// version returns the version id that the answer names.
func (a answer) version() string {
	a.t.Helper()
	found := versionInID.FindStringSubmatch(a.body)
	if found == nil {
		a.t.Fatalf("%s: no id with a version of 32 hex digits: %d %s", a.about, a.status, a.body)
	}
	return found[1]
}

// decode decodes the body.
func (a answer) decode(v any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		a.t.Fatalf("%s: %v in %s", a.about, err, a.body)
	}
}

// set stores a secret.
func (w *world) set(name, value string) answer {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"value": value})
	must(w.t, err)
	return w.call("PUT", "/secrets/"+name, string(body)).is(200)
}

// create makes a small key.
func (w *world) create(name string) answer {
	w.t.Helper()
	return w.call("POST", "/keys/"+name+"/create", `{"kty":"EC"}`).is(200)
}

// logger returns another logger to the world's log.
func (w *world) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(w.log, nil)) }

// lines returns the lines of the log.
func (w *world) lines() (all []map[string]any) {
	w.t.Helper()
	for line := range strings.Lines(w.log.String()) {
		var members map[string]any
		must(w.t, json.Unmarshal([]byte(line), &members))
		all = append(all, members)
	}
	return all
}

func (w *world) lastLine() map[string]any {
	w.t.Helper()
	lines := w.lines()
	if len(lines) == 0 {
		w.t.Fatal("the log is empty")
	}
	return lines[len(lines)-1]
}
