package devproxy

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const upstreamPassword = "upstream-passw0rd"

// upstream is the user's own proxy: it tunnels to one place, whatever is asked
// for, and tells what was.
type upstream struct {
	to    string
	asked chan string
}

func (u upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, password, ok := basic(r.Header.Get("Proxy-Authorization"))
	if !ok || name != "me" || password != upstreamPassword {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	u.asked <- r.RequestURI
	far, err := net.Dial("tcp", u.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	_, _ = io.WriteString(near, "HTTP/1.1 200 Fine\r\nVia: 1.1 me\r\n\r\n")
	splice(near, far)
}

// splice copies both ways, by halves.
func splice(near, far net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, near)
		_ = closeWrite(far)
	}()
	_, _ = io.Copy(near, far)
	_ = closeWrite(near)
	<-done
}

func (u upstream) url(scheme string, addr net.Addr, password string) *url.URL {
	return &url.URL{Scheme: scheme, Host: addr.String(), User: url.UserPassword("me", password)}
}

func TestThroughTheUsersProxy(t *testing.T) {
	up := upstream{to: echo(t).Addr().String(), asked: make(chan string, 1)}
	plain := httptest.NewServer(up)
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(up)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	trust := func(p *Proxy) {
		p.upstreamTLS = &tls.Config{RootCAs: secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
		p.resolver = resolver(nil)
	}
	socks := socksServer(t, up)
	for _, tc := range []struct {
		name string
		url  *url.URL
	}{
		{"http", up.url("http", plain.Listener.Addr(), upstreamPassword)},
		{"https", up.url("https", secure.Listener.Addr(), upstreamPassword)},
		{"socks5", up.url("socks5", socks.Addr(), upstreamPassword)},
		{"socks5h", up.url("socks5h", socks.Addr(), upstreamPassword)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := start(t, Config{Upstream: through(tc.url)}, trust)
			// A name that only the other proxy can resolve.
			assertEcho(t, connect(t, p.addr, "Inside.Corp.example:443"))
			if got := <-up.asked; got != "inside.corp.example:443" {
				t.Errorf("the user's proxy was asked for %q", got)
			}
		})
		t.Run(tc.name+" with a wrong password", func(t *testing.T) {
			wrong := *tc.url
			wrong.User = url.UserPassword("me", upstreamPassword+"x")
			p := start(t, Config{Upstream: through(&wrong)}, trust)
			a := connect(t, p.addr, "inside.corp.example:443")
			if a.StatusCode != http.StatusBadGateway || !strings.Contains(a.text, "the user's own proxy") || strings.Contains(a.text, upstreamPassword) {
				t.Errorf("status %d: %s", a.StatusCode, a.text)
			}
		})
	}
	t.Run("https that is not trusted", func(t *testing.T) {
		p := start(t, Config{Upstream: through(up.url("https", secure.Listener.Addr(), upstreamPassword))}, func(p *Proxy) { p.resolver = resolver(nil) })
		if a := connect(t, p.addr, "inside.corp.example:443"); a.StatusCode != http.StatusBadGateway {
			t.Errorf("status %d: %s", a.StatusCode, a.text)
		}
	})
}

func TestUsersProxyRefusals(t *testing.T) {
	babble := listen(t)
	go func() {
		for {
			conn, err := babble.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "220 mail.example ESMTP\r\n\r\n")
			_ = conn.Close()
		}
	}()
	names := resolver(map[string][4]byte{"rebound.example": {169, 254, 169, 254}})
	for _, tc := range []struct {
		name, url, target string
		status            int
		text              string
	}{
		{"no proxy at all", "http://" + babble.Addr().String(), "a.example:443", 502, "no answer that can be understood"},
		{"an unknown scheme", "ftp://me:" + upstreamPassword + "@127.0.0.1:1", "a.example:443", 502, `scheme "ftp"`},
		{"metadata by address", "http://127.0.0.1:1", "169.254.169.254:80", 403, "metadata"},
		{"metadata by name", "http://127.0.0.1:1", "rebound.example:80", 403, "metadata"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u, err := url.Parse(tc.url)
			if err != nil {
				t.Fatal(err)
			}
			p := start(t, Config{Upstream: through(u)}, func(p *Proxy) { p.resolver = names })
			a := connect(t, p.addr, tc.target)
			if a.StatusCode != tc.status || !strings.Contains(a.text, tc.text) || strings.Contains(a.text, upstreamPassword) {
				t.Errorf("status %d, want %d: %s", a.StatusCode, tc.status, a.text)
			}
		})
	}
	t.Run("a configuration that is not usable", func(t *testing.T) {
		p := start(t, Config{Upstream: func(*url.URL) (*url.URL, error) {
			return nil, &url.Error{Op: "parse", URL: "http://me:" + upstreamPassword + "@%", Err: io.EOF}
		}})
		a := connect(t, p.addr, "a.example:443")
		if a.StatusCode != http.StatusBadGateway || strings.Contains(a.text, upstreamPassword) {
			t.Errorf("status %d: %s", a.StatusCode, a.text)
		}
	})
}

// socksServer is a SOCKS 5 proxy (RFC 1928, RFC 1929) that behaves as up.
func socksServer(t *testing.T, up upstream) net.Listener {
	ln := listen(t)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serveSOCKS(conn, up)
			}()
		}
	}()
	return ln
}

func serveSOCKS(conn net.Conn, up upstream) {
	r := bufio.NewReader(conn)
	take := func(n byte) []byte {
		b := make([]byte, n)
		_, _ = io.ReadFull(r, b)
		return b
	}
	counted := func() []byte { return take(take(1)[0]) }
	take(1) // version
	counted()
	_, _ = conn.Write([]byte{5, 2})
	take(1) // version of the negotiation
	name, password := string(counted()), string(counted())
	if name != "me" || password != upstreamPassword {
		_, _ = conn.Write([]byte{1, 1})
		return
	}
	_, _ = conn.Write([]byte{1, 0})
	take(4) // version, CONNECT, reserved, kind of address: a name
	host := string(counted())
	port := binary.BigEndian.Uint16(take(2))
	up.asked <- target{host, port}.String()
	far, err := net.Dial("tcp", up.to)
	if err != nil {
		return
	}
	defer far.Close()
	_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	splice(conn, far)
}

func TestEnviron(t *testing.T) {
	for _, tc := range []struct {
		name    string
		environ []string
		url     string
		want    string
	}{
		{"none", []string{"A=b"}, "https://example.com:443", ""},
		{"https", []string{"HTTPS_PROXY=http://p:1"}, "https://example.com:443", "http://p:1"},
		{"lower case", []string{"https_proxy=p:1"}, "https://example.com:443", "http://p:1"},
		{"empty is unset", []string{"HTTPS_PROXY=", "https_proxy=http://p:1"}, "https://example.com:443", "http://p:1"},
		{"http is not for https", []string{"HTTP_PROXY=http://p:1"}, "https://example.com:443", ""},
		{"http", []string{"http_proxy=http://u:pw@p:1"}, "http://example.com:80", "http://u:pw@p:1"},
		{"all", []string{"ALL_PROXY=socks5://p:1"}, "https://example.com:443", "socks5://p:1"},
		{"all comes last", []string{"all_proxy=socks5://p:1", "HTTPS_PROXY=http://q:1"}, "https://example.com:443", "http://q:1"},
		{"not for some", []string{"HTTPS_PROXY=http://p:1", "NO_PROXY=.example.com,azure.net"}, "https://a.example.com:443", ""},
		{"for others", []string{"HTTPS_PROXY=http://p:1", "NO_PROXY=.example.com"}, "https://example.org:443", "http://p:1"},
		{"loopback", []string{"HTTPS_PROXY=http://p:1"}, "https://127.0.0.1:5001", ""},
		{"localhost", []string{"HTTPS_PROXY=http://p:1"}, "https://localhost:5001", ""},
	} {
		u, err := url.Parse(tc.url)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Environ(tc.environ)(u)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		text := ""
		if got != nil {
			text = got.String()
		}
		if text != tc.want {
			t.Errorf("%s: proxy %q, want %q", tc.name, text, tc.want)
		}
	}
}
