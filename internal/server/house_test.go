package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/devca"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/internal/loopback"
)

// patience bounds what a test waits for that does not come. A busy machine may take
// long for what does come.
const patience = 2 * time.Minute

const (
	managementHost = "management.azure.com"
	login          = "login.microsoftonline.com"
	vaultAPI       = "2025-07-01"
	coreAPI        = "2022-09-01"
	keyVaultAPI    = "2023-07-01"
	subscription   = "/subscriptions/" + testSubscription
	provider       = "/providers/Microsoft.KeyVault"
)

// A random secret is hashed faster than one that somebody chose.
var (
	ownerSecret = identity.NewSecret()
	houseSecret = string(ownerSecret.Reveal())
)

// house is a server that is reached over HTTPS, with clients that find every
// host name at its listener, as the proxy of `okv dev` or a DNS of one's own has
// it.
type house struct {
	t    *testing.T
	srv  *Server
	cfg  Config
	ca   *devca.Authority
	log  *logtest.Buffer
	addr string
	port int

	client *http.Client // h2
	tokens map[string]string
	served chan error
}

// newHouse returns a server with what openTest makes. It is shut down when the
// test ends, at the latest.
func newHouse(t *testing.T, changes ...func(*Config)) *house {
	t.Helper()
	h := emptyHouse(t, changes...)
	populate(t, h.srv, ownerSecret)
	return h
}

func emptyHouse(t *testing.T, changes ...func(*Config)) *house {
	t.Helper()
	hosts := httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow()}
	ca, err := devca.New(hosts.Suffixes())
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, ca: ca, log: &logtest.Buffer{}}
	h.cfg = Config{
		Hosts: hosts, Issuer: "https://sts.windows.net/{tenant}/", Certificate: ca.GetCertificate,
		Logger: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, change := range changes {
		change(&h.cfg)
	}
	h.client = h.newClient(true)
	h.open()
	t.Cleanup(h.shutdown)
	return h
}

// open starts the server at an address of its own, where nobody else answers once it
// is gone.
func (h *house) open() {
	h.t.Helper()
	ln, err := net.Listen("tcp", loopback.Host()+":0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.addr, h.port = ln.Addr().String(), ln.Addr().(*net.TCPAddr).Port
	cfg := h.cfg
	cfg.Ports = append(cfg.Ports, h.port)
	srv, err := Open(h.t.Context(), cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	h.client.CloseIdleConnections() // those to an earlier server, whatever became of them
	h.srv, h.served, h.tokens = srv, make(chan error, 1), map[string]string{}
	go func(served chan<- error) { served <- srv.Serve(ln) }(h.served)
}

// shutdown stops the server, unless it is stopped already.
func (h *house) shutdown() {
	if h.srv == nil {
		return
	}
	// A connection of h2 that its client keeps holds the end up for a second.
	h.client.CloseIdleConnections()
	// The test's own context has ended when this runs at its end.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.srv.Shutdown(ctx); err != nil {
		h.t.Errorf("Shutdown: %v", err)
	}
	if err := <-h.served; err != nil {
		h.t.Errorf("Serve: %v", err)
	}
	h.srv = nil
}

// roots trust the house's authority alone.
func (h *house) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(h.ca.Certificate())
	return pool
}

func (h *house) newClient(h2 bool) *http.Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, h.addr)
		},
		TLSClientConfig:       &tls.Config{RootCAs: h.roots()},
		ForceAttemptHTTP2:     h2,
		ExpectContinueTimeout: patience,
	}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       patience,
	}
}

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string // for messages, or empty
	proto  string
	status int
	header http.Header
	body   string
}

// do sends a request. The body is JSON unless it is empty; the token may be.
func (h *house) do(method, url, token, body string, changes ...func(*http.Request)) answer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, change := range changes {
		change(req)
	}
	return h.send(h.client, req)
}

func (h *house) send(client *http.Client, req *http.Request) answer {
	h.t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{h.t, "", resp.Proto, resp.StatusCode, resp.Header, string(body)}
}

// is checks the status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// refused checks the envelope of the data and the management plane.
func (a answer) refused(status int, code, inner, message string) {
	a.t.Helper()
	var body struct {
		Error struct {
			Code, Message string
			InnerError    struct{ Code string }
		}
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		a.t.Errorf("%s: status %d, body %q: %v", a.what, a.status, a.body, err)
	}
	if e := body.Error; a.status != status || e.Code != code || e.InnerError.Code != inner || e.Message != message {
		a.t.Errorf("%s: status %d, %s (%s): %s\nwant %d, %s (%s): %s", a.what, a.status, e.Code, e.InnerError.Code, e.Message, status, code, inner, message)
	}
	if a.header.Get("X-Ms-Request-Id") == "" {
		a.t.Errorf("headers %v", a.header)
	}
}

// token asks the token service for a token, once for each client and resource.
func (h *house) token(client, secret, resource string) string {
	h.t.Helper()
	if t := h.tokens[client+resource]; t != "" {
		return t
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}, "scope": {resource + "/.default"}}
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, "https://"+login+"/"+testTenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var body struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(h.send(h.client, req).is(http.StatusOK).body), &body); err != nil {
		h.t.Fatal(err)
	}
	h.tokens[client+resource] = body.Access
	return body.Access
}

const (
	vaultResource      = "https://vault.azure.net"
	managementResource = "https://management.azure.com"
)

// data sends a request to a vault as the owner, or as another token has it.
func (h *house) data(method, vault, path, body string, token ...string) answer {
	h.t.Helper()
	return h.do(method, dataURL(vault, path), append(token, h.token(testClient, houseSecret, vaultResource))[0], body)
}

func dataURL(vault, path string) string {
	return "https://" + vault + ".vault.azure.net" + path + query(path) + "api-version=" + vaultAPI
}

// manage is data for the management plane. The version is that of the provider
// that the path is about.
func (h *house) manage(method, path, body string, token ...string) answer {
	h.t.Helper()
	return h.do(method, managementURL(path), append(token, h.token(testClient, houseSecret, managementResource))[0], body)
}

func managementURL(path string) string {
	version := coreAPI
	switch {
	case strings.Contains(path, authorization+"/"):
		version = authorizationAPI
	case strings.Contains(path, provider+"/"):
		version = keyVaultAPI
	}
	return "https://" + managementHost + path + query(path) + "api-version=" + version
}

func query(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

// eventually calls reached until it reports true.
func (h *house) eventually(what string, reached func() bool) {
	h.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !reached() {
		select {
		case <-again.C:
		case <-deadline.C:
			h.t.Fatalf("%s did not happen", what)
		}
	}
}

func (h *house) at(host string) string { return "https://" + host + ":" + strconv.Itoa(h.port) }
