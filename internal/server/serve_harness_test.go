package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/config"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/internal/loopback"
	"github.com/openkeyvault/openkeyvault/internal/seal"
)

// The names of every installation of these tests. DNS does not know them: the
// clients find the listener whatever they ask for.
const (
	siteDomain     = "vault.okv.test"
	siteLogin      = "login.okv.test"
	siteManagement = "management.okv.test"
)

var siteNames = []string{"*." + siteDomain, siteLogin, siteManagement}

// signer is a certificate authority that signs anything.
type signer struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newSigner(t testing.TB) *signer {
	t.Helper()
	a := &signer{t: t, key: newECKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pair is a certificate and its key, in PEM.
type pair struct{ cert, key []byte }

func (a *signer) sign(serial int64, names []string, from, to time.Time) pair {
	a.t.Helper()
	key := newECKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: names, NotBefore: from, NotAfter: to, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
	}
}

// good signs for an hour and the names of the site.
func (a *signer) good(serial int64) pair {
	return a.sign(serial, siteNames, time.Now().Add(-time.Minute), time.Now().Add(time.Hour))
}

// put replaces a file as renewers do, so that nobody reads half of it.
func put(t testing.TB, path string, content []byte) {
	t.Helper()
	beside := path + ".new"
	if err := os.WriteFile(beside, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, path); err != nil {
		t.Fatal(err)
	}
}

// site is an installation in a directory of its own, with its configuration.
type site struct {
	t    *testing.T
	dir  string
	cfg  *config.Config
	ca   *signer
	made *Installation

	after func(time.Duration) <-chan time.Time
}

// newSite returns an installation that Install has made. The changes are lines
// of TOML, before the first table.
func newSite(t *testing.T, changes ...string) *site {
	t.Helper()
	s := emptySite(t, changes...)
	if err := s.install(nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func emptySite(t *testing.T, changes ...string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), ca: newSigner(t)}
	text := strings.Join(changes, "\n") + `
domain = "` + siteDomain + `"
listen = "` + loopback.Host() + `:0"
public_url = "https://` + siteLogin + `"
data_dir = "data"
` + map[bool]string{true: "", false: `root_key = "file:root.key"`}[strings.Contains(strings.Join(changes, "\n"), "root_key")] + `
[tls]
certificate = "tls.crt"
key = "tls.key"
[health]
listen = "127.0.0.1:0"
`
	path := s.path("okv.toml")
	put(t, path, []byte(text))
	var err error
	if s.cfg, err = config.Load(path); err != nil {
		t.Fatal(err)
	}
	s.serveWith(s.ca.good(1))
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) serveWith(p pair) {
	put(s.t, s.cfg.Certificate, p.cert)
	put(s.t, s.cfg.Key, p.key)
}

// install calls Install with a recovery file, after the change.
func (s *site) install(change func(*InstallConfig)) error {
	cfg := InstallConfig{
		Data:         DataConfig{Dir: s.cfg.DataDir, Root: s.cfg.RootKey},
		TenantDomain: siteDomain, RecoveryFile: s.path("recovery.key"), Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	return Install(s.t.Context(), cfg, func(in *Installation) error {
		s.made = in
		return nil
	})
}

// recoveryKey reads the recovery file.
func (s *site) recoveryKey() seal.Root {
	s.t.Helper()
	f, err := os.Open(s.path("recovery.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	root, err := seal.ReadRecoveryKey(f)
	if err != nil {
		s.t.Fatal(err)
	}
	return root
}

// run is a Run of a site.
type run struct {
	*site
	log             *logtest.Buffer
	address, health string
	client          *http.Client
	cancel          context.CancelFunc
	reload          chan struct{}
	ended           chan error
}

// serving sees the line of log that says where the server is.
type serving struct {
	slog.Handler
	seen chan map[string]string
}

func (h serving) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "serving" {
		attrs := map[string]string{}
		r.Attrs(func(a slog.Attr) bool {
			attrs[a.Key] = a.Value.String()
			return true
		})
		h.seen <- attrs
	}
	return h.Handler.Handle(ctx, r)
}

// start runs the server until the test ends or stop is called.
func (s *site) start() *run {
	s.t.Helper()
	r, err := s.tryStart()
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *site) tryStart() (*run, error) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{site: s, log: &logtest.Buffer{}, cancel: cancel, reload: make(chan struct{}), ended: make(chan error, 1)}
	seen := make(chan map[string]string, 1)
	cfg := RunConfig{Config: s.cfg, Reload: r.reload, after: s.after, Logger: slog.New(serving{slog.NewTextHandler(r.log, nil), seen})}
	go func() { r.ended <- Run(ctx, cfg) }()
	select {
	case attrs := <-seen:
		r.address, r.health = attrs["address"], attrs["health"]
	case err := <-r.ended:
		cancel()
		return nil, err
	case <-time.After(patience):
		s.t.Fatalf("the server does not start:\n%s", r.log)
	}
	r.client = r.newClient()
	s.t.Cleanup(func() { r.stop() })
	return r, nil
}

// stop ends the run, once.
func (r *run) stop() {
	r.t.Helper()
	if r.ended == nil {
		return
	}
	r.client.CloseIdleConnections()
	r.cancel()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		r.t.Errorf("Run does not end:\n%s", r.log)
	}
	r.ended = nil
}

// newClient returns a client with connections of its own, of HTTP/1.1: what
// becomes of each connection is easier to say.
func (r *run) newClient() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(r.ca.cert)
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, r.address)
		},
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func (r *run) send(client *http.Client, req *http.Request) (answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{r.t, "", resp.Proto, resp.StatusCode, resp.Header, string(body)}, err
}

// do sends a request as the owner.
func (r *run) do(method, url, body string) answer {
	r.t.Helper()
	resource := "https://" + siteDomain
	if strings.Contains(url, siteManagement) {
		resource = "https://" + siteManagement
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.tokenFor(resource))
	a, err := r.send(r.client, req)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *run) tokenFor(resource string) string {
	r.t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {r.made.Owner.ClientID},
		"client_secret": {string(r.made.Secret.Reveal())}, "scope": {resource + "/.default"},
	}
	resp, err := r.client.PostForm("https://"+siteLogin+"/"+r.made.TenantID+"/oauth2/v2.0/token", form)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Access == "" {
		r.t.Fatalf("no token: status %d, %v", resp.StatusCode, err)
	}
	return body.Access
}

// createVault makes the vault "first".
func (r *run) createVault() {
	r.t.Helper()
	group := "https://" + siteManagement + "/subscriptions/" + r.made.SubscriptionID + "/resourceGroups/first"
	r.do(http.MethodPut, group+"?api-version="+coreAPI, `{"location":"eastus"}`).is(http.StatusCreated)
	r.do(http.MethodPut, group+"/providers/Microsoft.KeyVault/vaults/first?api-version="+keyVaultAPI, fmt.Sprintf(
		`{"location":"eastus","properties":{"tenantId":%q,"sku":{"family":"A","name":"standard"},"enableRbacAuthorization":true}}`, r.made.TenantID)).is(http.StatusOK)
}

func secretURL(name string) string {
	return "https://first." + siteDomain + "/secrets/" + name + "?api-version=" + vaultAPI
}

func (r *run) setSecret(name, value string) answer {
	r.t.Helper()
	return r.do(http.MethodPut, secretURL(name), fmt.Sprintf(`{"value":%q}`, value))
}

// wantSecret reads a secret that must be there.
func (r *run) wantSecret(name, value string) {
	r.t.Helper()
	if a := r.do(http.MethodGet, secretURL(name+"/"), "").is(http.StatusOK); !strings.Contains(a.body, fmt.Sprintf(`"value":%q`, value)) {
		r.t.Errorf("the secret %s is %s, want %q", name, a.body, value)
	}
}

// probe asks the health listener.
func (r *run) probe(path string) (status int, text string) {
	r.t.Helper()
	resp, err := http.Get("http://" + r.health + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// awaitReady waits until the server is ready. On a slow disk it may not be so for
// a moment: the probe has a time limit.
func (r *run) awaitReady() {
	r.t.Helper()
	waitFor(r.t, "readiness", func() bool {
		status, text := r.probe("/readyz")
		return status == http.StatusOK && text == "ok\n"
	})
}
