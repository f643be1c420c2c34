package devproxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// backend answers with what it was asked.
func backend(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen-Host", r.Host)
		w.Header().Set("X-Seen-Forwarded", r.Header.Get("X-Forwarded-For"))
		w.Header().Set("X-Seen-Credential", r.Header.Get("Proxy-Authorization"))
		w.Header().Set("X-Seen-Encoding", r.Header.Get("Accept-Encoding"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.RequestURI)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestForward(t *testing.T) {
	b := backend(t)
	p := start(t, Config{})
	tr := &http.Transport{Proxy: http.ProxyURL(p.URL(p.addr)), DisableCompression: true}
	resp, body, err := get(t, tr, b.URL+"/a%2Fb?x=1;y=%zz", http.Header{"X-Forwarded-For": {"192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusTeapot || body != "/a%2Fb?x=1;y=%zz" {
		t.Errorf("status %d, %q", resp.StatusCode, body)
	}
	for name, want := range map[string]string{
		"X-Seen-Host": strings.TrimPrefix(b.URL, "http://"), "X-Seen-Forwarded": "192.0.2.1",
		"X-Seen-Credential": "", "X-Seen-Encoding": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestForwardThroughTheUsersProxy(t *testing.T) {
	seen := make(chan *http.Request, 1)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		_, _ = io.WriteString(w, "from there")
	}))
	t.Cleanup(up.Close)
	u, err := url.Parse(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("me", upstreamPassword)
	p := start(t, Config{Upstream: through(u)}, func(p *Proxy) { p.resolver = resolver(nil) })
	tr := &http.Transport{Proxy: http.ProxyURL(p.URL(p.addr))}
	resp, body, err := get(t, tr, "http://inside.corp.example/x?y", nil)
	if err != nil || resp.StatusCode != http.StatusOK || body != "from there" {
		t.Fatalf("%v, %q, %v", resp, body, err)
	}
	r := <-seen
	if r.RequestURI != "http://inside.corp.example/x?y" || r.Header.Get("Proxy-Authorization") != basicValue("me", upstreamPassword) {
		t.Errorf("the user's proxy saw %s with %q", r.RequestURI, r.Header.Get("Proxy-Authorization"))
	}
}

func TestForwardRefusals(t *testing.T) {
	b := backend(t)
	closed := listen(t)
	_ = closed.Close()
	credential := "Proxy-Authorization: " + basicValue(user, testCredential) + "\r\n"
	for _, tc := range []struct {
		name, uri, header string
		offline           bool
		status            int
		text              string
	}{
		{"our name", "http://dev.vault.azure.net/secrets", "", false, 403, "https://dev.vault.azure.net"},
		{"our name on another port", "http://dev.vault.azure.net:8080/secrets", credential, false, 403, "HTTPS only"},
		{"no credential", b.URL + "/", "", false, 407, "credential"},
		{"a wrong credential", b.URL + "/", "Proxy-Authorization: " + basicValue(user, "x") + "\r\n", false, 407, "credential"},
		{"offline", "http://192.0.2.1/", credential, true, 403, "--offline"},
		{"metadata", "http://169.254.169.254/metadata/identity/oauth2/token", credential, false, 403, "metadata"},
		{"nobody there", "http://" + closed.Addr().String() + "/", credential, false, 502, "cannot reach " + closed.Addr().String()},
		{"https", "https://example.com/", credential, false, 400, "CONNECT"},
		{"another scheme", "ftp://example.com/", credential, false, 400, "CONNECT"},
		{"a request to a server", "/", credential, false, 400, "not a server"},
		{"a host that is none", "http://a_@b..c/", credential, false, 400, "neither a name nor an address"},
		{"a port that is none", "http://example.com:0/", credential, false, 400, "port"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := start(t, Config{Offline: tc.offline})
			a := ask(t, p.addr, http.MethodGet, "GET "+tc.uri+" HTTP/1.1\r\nHost: x\r\n"+tc.header+"\r\n")
			if a.StatusCode != tc.status || !strings.Contains(a.text, tc.text) {
				t.Errorf("status %d, want %d: %q, want %q", a.StatusCode, tc.status, a.text, tc.text)
			}
			if got := a.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
				t.Errorf("Content-Type: %s", got)
			}
		})
	}
	t.Run("metadata through the user's proxy", func(t *testing.T) {
		u, _ := url.Parse(b.URL)
		p := start(t, Config{Upstream: through(u)})
		a := ask(t, p.addr, http.MethodGet, "GET http://[::ffff:169.254.169.254]/ HTTP/1.1\r\nHost: x\r\n"+credential+"\r\n")
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.text, "metadata") {
			t.Errorf("status %d: %s", a.StatusCode, a.text)
		}
	})
}
