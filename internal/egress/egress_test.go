package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is the time limit of requests that are to succeed, or to fail for another
// reason, however busy the machine is.
const patience = 2 * time.Minute

// serve returns a TLS server on loopback, the roots that trust it, and its
// HOST:PORT.
func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, func() *x509.CertPool, Target) {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	srv.Config.ErrorLog = nil
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	target, err := ParseTarget(strings.TrimPrefix(srv.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	return srv, func() *x509.CertPool { return roots }, target
}

func TestGet(t *testing.T) {
	t.Parallel()
	srv, roots, target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Header.Get("User-Agent") != "OpenKeyVault" || r.Header.Get("Accept-Encoding") != "" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s with %v", r.Method, r.Header)
		}
		fmt.Fprintf(w, "path %s", r.URL.Path)
	})
	c := New(Config{Allow: []Target{target}, Roots: roots, Timeout: patience})
	for range 2 {
		body, err := c.Get(t.Context(), srv.URL+"/a/b")
		if err != nil || string(body) != "path /a/b" {
			t.Errorf("%q, %v", body, err)
		}
	}
}

// What is not listed is not connected to, by whichever name it is called.
func TestRefusesAddresses(t *testing.T) {
	t.Parallel()
	_, roots, target := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") })
	unlisted := New(Config{Roots: roots})
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]"} {
		for _, address := range []string{"https://" + host + "/", fmt.Sprintf("https://%s:%d/", host, target.port)} {
			if _, err := unlisted.Get(t.Context(), address); !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	for _, host := range []string{"10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]", "[fe80::1]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]"} {
		if _, err := unlisted.Get(t.Context(), "https://"+host+"/latest/meta-data"); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestRefusesURLs(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	for _, address := range []string{
		"", "attest.example.com", "http://attest.example.com/", "ftp://attest.example.com/", "file:///etc/passwd", "https:", "https://", "https:///x",
		"https:attest.example.com", "https://user@attest.example.com/", "https://user:pass@attest.example.com/", "https://attest.example.com/#x",
		"https://attest.example.com:22/", "https://attest.example.com:8443/", "https://attest.example.com:x/", "https://[::1/", "https://a\x7f.example/",
		"https://attest.example.com/" + strings.Repeat("a", maxURL),
	} {
		if body, err := c.Get(t.Context(), address); !errors.Is(err, ErrRefused) || body != nil {
			t.Errorf("%.60q: %q, %v", address, body, err)
		}
	}
}

// Answers that are no answer: each is an error, and not one that says that the
// target is refused.
func TestAnswers(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	srv, roots, target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/limit":
			fmt.Fprint(w, strings.Repeat("x", MaxBody))
		case "/over":
			fmt.Fprint(w, strings.Repeat("x", MaxBody+1))
		case "/missing":
			http.Error(w, "no", http.StatusNotFound)
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/headers":
			w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
		case "/cut":
			w.Header().Set("Content-Length", "10")
			fmt.Fprint(w, "short")
		case "/elsewhere":
			elsewhere.Add(1)
		}
	})
	c := New(Config{Allow: []Target{target}, Roots: roots, Timeout: patience})
	if body, err := c.Get(t.Context(), srv.URL+"/limit"); err != nil || len(body) != MaxBody {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	for path, want := range map[string]string{
		"/over": "is over 65536 bytes long", "/missing": "status 404", "/empty": "status 204", "/redirect": "status 302", "/headers": "exceeded", "/cut": "unexpected EOF",
	} {
		body, err := c.Get(t.Context(), srv.URL+path)
		if err == nil || body != nil || errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d bytes, %v, want %s", path, len(body), err, want)
		}
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestTrustsRootsOnly(t *testing.T) {
	t.Parallel()
	srv, roots, target := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") })
	for name, c := range map[string]*Client{
		"no roots":     New(Config{Allow: []Target{target}, Roots: x509.NewCertPool, Timeout: patience}),
		"system roots": New(Config{Allow: []Target{target}, Timeout: patience}),
	} {
		if _, err := c.Get(t.Context(), srv.URL); !errors.As(err, new(x509.UnknownAuthorityError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The certificate is not good for this name.
	named, err := ParseTarget(fmt.Sprintf("localhost:%d", target.port))
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{Allow: []Target{named}, Roots: roots, Timeout: patience})
	if _, err := c.Get(t.Context(), "https://"+named.String()); !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("another name: %v", err)
	}
}

// Callers of one URL share one request, and each gets bytes of its own.
func TestSingleFlight(t *testing.T) {
	t.Parallel()
	srv, roots, target := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") })
	c := New(Config{Allow: []Target{target}, Roots: roots, Timeout: patience})
	f := &flight{done: make(chan struct{})}
	c.flights[srv.URL] = f
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			body, err := c.Get(t.Context(), srv.URL)
			if err != nil || string(body) != "once" {
				t.Errorf("%q, %v", body, err)
			}
			clear(body)
		})
	}
	f.body = []byte("once")
	close(f.done)
	wg.Wait()
}

// A request outlives the caller who began it and gives up: others may have
// joined.
func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	srv, roots, target := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		fmt.Fprint(w, "once")
	})
	c := New(Config{Allow: []Target{target}, Roots: roots, Timeout: patience})
	ctx, giveUp := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := c.Get(ctx, srv.URL)
		left <- err
	}()
	<-entered
	c.mu.Lock()
	f := c.flights[srv.URL]
	c.mu.Unlock()
	giveUp()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller who gave up: %v", err)
	}
	close(release)
	<-f.done
	if string(f.body) != "once" || f.err != nil {
		t.Errorf("%q, %v", f.body, f.err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.flights) != 0 {
		t.Error("the request is still on its way")
	}
}

// A server that never ends its answer is left after the time limit.
func TestTimeout(t *testing.T) {
	t.Parallel()
	// Not when the client goes: it may still read the end of the answer then.
	end := make(chan struct{})
	srv, roots, target := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-end
	})
	t.Cleanup(func() { close(end) })
	c := New(Config{Allow: []Target{target}, Roots: roots, Timeout: 200 * time.Millisecond})
	if body, err := c.Get(t.Context(), srv.URL); !errors.Is(err, context.DeadlineExceeded) || body != nil {
		t.Errorf("%q, %v", body, err)
	}
}
