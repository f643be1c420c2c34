package devproxy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// A client that knows the proxy without its credential reaches the vault under
// its names, with certificates that hold under the constraints.
func TestOurNamesOverTLS(t *testing.T) {
	p := start(t, Config{})
	roots := vault(t, p.Proxy)
	proxyURL := &url.URL{Scheme: "http", Host: p.addr.String()}
	var h2, h1 http.Protocols
	h2.SetHTTP2(true)
	h1.SetHTTP1(true)
	for _, tc := range []struct {
		url, host, name string
		protocols       *http.Protocols
		proto           string
	}{
		{"https://dev.vault.azure.net/secrets", "dev.vault.azure.net", "dev.vault.azure.net", &h2, "HTTP/2.0"},
		{"https://dev.vault.azure.net/secrets", "dev.vault.azure.net", "dev.vault.azure.net", &h1, "HTTP/1.1"},
		{"https://login.microsoftonline.com/t/oauth2", "login.microsoftonline.com", "login.microsoftonline.com", &h2, "HTTP/2.0"},
		{"https://dev.vault.localhost:8443/", "dev.vault.localhost:8443", "dev.vault.localhost", &h1, "HTTP/1.1"},
		{"https://localhost:8443/", "localhost:8443", "localhost", &h1, "HTTP/1.1"},
		{"https://127.0.0.1:8443/", "127.0.0.1:8443", "", &h1, "HTTP/1.1"},
	} {
		t.Run(tc.proto+" "+tc.url, func(t *testing.T) {
			tr := &http.Transport{
				Proxy: http.ProxyURL(proxyURL), Protocols: tc.protocols,
				TLSClientConfig: &tls.Config{RootCAs: roots},
			}
			resp, body, err := get(t, tr, tc.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := tc.proto + " " + tc.host + " " + tc.name + " "; resp.StatusCode != 200 || resp.Proto != tc.proto || body != want {
				t.Errorf("status %d, %s, %q, want %q", resp.StatusCode, resp.Proto, body, want)
			}
		})
	}
	t.Run("a client that does not trust the authority", func(t *testing.T) {
		tr := &http.Transport{Proxy: http.ProxyURL(proxyURL), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13}}
		_, _, err := get(t, tr, "https://dev.vault.azure.net/", nil)
		if invalid := (*tls.CertificateVerificationError)(nil); !errors.As(err, &invalid) {
			t.Errorf("error %v, want a certificate that does not verify", err)
		}
	})
}

// What a client sends without waiting for the answer must not be lost.
func TestOurNamesGetEarlyBytes(t *testing.T) {
	p := start(t, Config{})
	accepted := make(chan string, 1)
	go func() {
		defer close(accepted)
		conn, err := p.Connections().Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, len("early, late"))
		if _, err := io.ReadFull(conn, b); err == nil {
			accepted <- string(b)
		}
		_, _ = io.WriteString(conn, "reply")
	}()
	conn := dialRaw(t, p.addr)
	if _, err := io.WriteString(conn, "CONNECT Dev.Vault.Azure.Net.:443 HTTP/1.1\r\nHost: x\r\n\r\nearly, "); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("CONNECT = %v, %v", resp, err)
	}
	if _, err := io.WriteString(conn, "late"); err != nil {
		t.Fatal(err)
	}
	if got := <-accepted; got != "early, late" {
		t.Errorf("the vault read %q", got)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "reply" {
		t.Errorf("the client read %q, %v", b, err)
	}
}

func TestOurNamesWhenTheVaultIsGone(t *testing.T) {
	p := start(t, Config{})
	if err := p.Connections().Close(); err != nil {
		t.Fatal(err)
	}
	a := connect(t, p.addr, "dev.vault.azure.net:443")
	if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.text, "shutting down") {
		t.Errorf("status %d: %s", a.StatusCode, a.text)
	}
}

func TestElsewhereNeedsTheCredential(t *testing.T) {
	p := start(t, Config{})
	to := echo(t).Addr().String()
	for _, tc := range []struct {
		name   string
		header []string
	}{
		{"none", []string{"X: y"}},
		{"empty", []string{"Proxy-Authorization:"}},
		{"wrong password", []string{"Proxy-Authorization: " + basicValue(user, "wrong")}},
		{"wrong user", []string{"Proxy-Authorization: " + basicValue("okw", testCredential)}},
		{"no password", []string{"Proxy-Authorization: " + basicValue(user, "")}},
		{"the colon elsewhere", []string{"Proxy-Authorization: " + basicValue(user+":"+testCredential, "")}},
		{"another scheme", []string{"Proxy-Authorization: Bearer " + testCredential}},
		{"not base64", []string{"Proxy-Authorization: Basic " + testCredential}},
		{"the origin's header", []string{"Authorization: " + basicValue(user, testCredential)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := connect(t, p.addr, to, tc.header...)
			if a.StatusCode != http.StatusProxyAuthRequired {
				t.Fatalf("status %d: %s", a.StatusCode, a.text)
			}
			if got := a.Header.Get("Proxy-Authenticate"); got != `Basic realm="okv dev", charset="UTF-8"` {
				t.Errorf("Proxy-Authenticate: %s", got)
			}
			if !strings.Contains(a.text, to) || strings.Contains(a.text, testCredential) {
				t.Errorf("text %q", a.text)
			}
		})
	}
	t.Run("right", func(t *testing.T) { assertEcho(t, connect(t, p.addr, to)) })
	t.Run("from the URL", func(t *testing.T) {
		u := p.URL(p.addr)
		password, _ := u.User.Password()
		assertEcho(t, connect(t, p.addr, to, "Proxy-Authorization: "+basicValue(u.User.Username(), password)))
	})
}

func TestRandomCredentials(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	cfg := Config{Ours: func(string) bool { return false }, Logger: slog.New(slog.DiscardHandler)}
	first, second := New(cfg).URL(addr), New(cfg).URL(addr)
	password, _ := first.User.Password()
	if len(password) < 26 || first.String() == second.String() {
		t.Errorf("URLs %s and %s", first, second)
	}
}

func TestElsewhereRefusals(t *testing.T) {
	closed := listen(t)
	_ = closed.Close()
	names := resolver(map[string][4]byte{"rebound.example": {169, 254, 169, 254}})
	fakeNames := func(p *Proxy) { p.direct.Resolver, p.resolver = names, names }
	for _, tc := range []struct {
		name, target string
		offline      bool
		status       int
		text         string
	}{
		{"offline", "example.com:443", true, 403, "okv dev was started with --offline: example.com:443 is not one of the vault's names"},
		{"offline, an address", "192.0.2.1:443", true, 403, "--offline"},
		{"metadata", "169.254.169.254:80", false, 403, "metadata"},
		{"link-local", "169.254.1.1:443", false, 403, "link-local"},
		{"IPv6 link-local", "[fe80::1]:443", false, 403, "link-local"},
		{"mapped", "[::ffff:169.254.169.254]:80", false, 403, "metadata"},
		{"NAT64", "[64:ff9b::a9fe:a9fe]:80", false, 403, "metadata"},
		{"AWS over IPv6", "[fd00:ec2::254]:80", false, 403, "metadata"},
		{"Azure's WireServer", "168.63.129.16:80", false, 403, "metadata"},
		{"unspecified", "0.0.0.0:443", false, 403, "no address of a host"},
		{"after resolution", "rebound.example:80", false, 403, "metadata"},
		{"an address in another notation", "0xa9fea9fe:80", false, 502, "cannot reach"},
		{"no such name", "missing.example:443", false, 502, "cannot reach missing.example:443"},
		{"nobody listens", closed.Addr().String(), false, 502, "cannot reach"},
		{"no port", "example.com", false, 400, "host:port"},
		{"port zero", "example.com:0", false, 400, "port"},
		{"a path", "example.com:443/x", false, 400, ""},
		{"user information", "a@example.com:443", false, 400, ""},
		{"a zone", "[fe80::1%25eth0]:443", false, 400, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := start(t, Config{Offline: tc.offline}, fakeNames)
			a := connect(t, p.addr, tc.target)
			if a.StatusCode != tc.status || !strings.Contains(a.text, tc.text) {
				t.Errorf("status %d, want %d: %s, want %q", a.StatusCode, tc.status, a.text, tc.text)
			}
		})
	}
}

func TestOffline(t *testing.T) {
	p := start(t, Config{Offline: true})
	roots := vault(t, p.Proxy)
	tr := &http.Transport{Proxy: http.ProxyURL(p.URL(p.addr)), TLSClientConfig: &tls.Config{RootCAs: roots}}
	if resp, _, err := get(t, tr, "https://dev.vault.azure.net/", nil); err != nil || resp.StatusCode != 200 {
		t.Errorf("the vault is not reached: %v, %v", resp, err)
	}
	_, port, _ := net.SplitHostPort(echoOn(t, "127.0.0.1").Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost"} {
		assertEcho(t, connect(t, p.addr, host+":"+port))
	}
}

func TestTunnelsAreBounded(t *testing.T) {
	p := start(t, Config{}, func(p *Proxy) { p.tunnels = make(chan struct{}, 1) })
	to := echo(t).Addr().String()
	first := connect(t, p.addr, to)
	if first.StatusCode != http.StatusOK {
		t.Fatal(first.text)
	}
	second := connect(t, p.addr, to)
	if second.StatusCode != http.StatusServiceUnavailable || !strings.Contains(second.text, "too many") {
		t.Errorf("status %d: %s", second.StatusCode, second.text)
	}
	assertEcho(t, first)
	// The place is free once the tunnel has ended on both sides.
	p.tunnels <- struct{}{}
	<-p.tunnels
	assertEcho(t, connect(t, p.addr, to))
}

func TestIdleTunnelsEnd(t *testing.T) {
	p := start(t, Config{}, func(p *Proxy) { p.tunnelIdle = 20 * time.Millisecond })
	a := connect(t, p.addr, echo(t).Addr().String())
	if a.StatusCode != http.StatusOK {
		t.Fatal(a.text)
	}
	if b, err := io.ReadAll(a.r); len(b) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the tunnel gave %q, %v, want its end", b, err)
	}
}

// scriptConn is a connection whose reads do what a script says.
type scriptConn struct {
	net.Conn
	reads []func([]byte) (int, error)
	wrote strings.Builder
}

func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }
func (c *scriptConn) Write(b []byte) (int, error)      { return c.wrote.Write(b) }
func (c *scriptConn) Read(b []byte) (int, error) {
	next := c.reads[0]
	c.reads = c.reads[1:]
	return next(b)
}

// A download keeps the tunnel open although its client says nothing.
func TestOneDirectionKeepsTheOtherOpen(t *testing.T) {
	a := &activity{idle: time.Hour}
	a.moved()
	src, dst := &scriptConn{}, &scriptConn{}
	src.reads = []func([]byte) (int, error){
		func([]byte) (int, error) {
			a.last.Add(int64(time.Second)) // the other direction moved
			return 0, os.ErrDeadlineExceeded
		},
		func(b []byte) (int, error) { return copy(b, "x"), nil },
		func([]byte) (int, error) { return 0, io.EOF },
	}
	if err := a.copyHalf(t.Context(), dst, src); err != nil || dst.wrote.String() != "x" {
		t.Errorf("copyHalf = %v, wrote %q", err, dst.wrote.String())
	}
	quiet := &scriptConn{reads: []func([]byte) (int, error){
		func([]byte) (int, error) { return 0, os.ErrDeadlineExceeded },
	}}
	if err := a.copyHalf(t.Context(), dst, quiet); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("copyHalf of a quiet tunnel = %v", err)
	}
}

func TestCloseCutsEverything(t *testing.T) {
	p := start(t, Config{})
	tunneled := connect(t, p.addr, echo(t).Addr().String())
	if tunneled.StatusCode != http.StatusOK {
		t.Fatal(tunneled.text)
	}
	waiting := dialRaw(t, p.addr) // for a server that never accepts
	if _, err := io.WriteString(waiting, "CONNECT dev.vault.azure.net:443 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(waiting)
	if resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect}); err != nil || resp.StatusCode != 200 {
		t.Fatalf("CONNECT = %v, %v", resp, err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	for name, conn := range map[string]io.Reader{"tunnel": tunneled.r, "handover": r} {
		if b, err := io.ReadAll(conn); len(b) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s gave %q, %v, want its end", name, b, err)
		}
	}
	if _, err := p.Connections().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v", err)
	}
	if conn, err := net.Dial("tcp", p.addr.String()); err == nil {
		_ = conn.Close()
		t.Error("the proxy still listens")
	}
	if err := p.Close(); err != nil {
		t.Errorf("a second Close = %v", err)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	p := start(t, Config{})
	a := ask(t, p.addr, http.MethodConnect, "CONNECT dev.vault.azure.net:443 HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 2*maxHeader)+"\r\n\r\n")
	if a.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", a.StatusCode)
	}
}

// remoteConn is a connection from an address.
type remoteConn struct {
	net.Conn
	remote net.Addr
	closed bool
}

func (c *remoteConn) RemoteAddr() net.Addr { return c.remote }
func (c *remoteConn) Close() error         { c.closed = true; return nil }

// listOf accepts connections from a list.
type listOf struct {
	net.Listener
	conns []net.Conn
}

func (l *listOf) Accept() (net.Conn, error) {
	if len(l.conns) == 0 {
		return nil, net.ErrClosed
	}
	next := l.conns[0]
	l.conns = l.conns[1:]
	return next, nil
}

func TestOnlyLoopbackClients(t *testing.T) {
	for _, tc := range []struct {
		ip string
		ok bool
	}{
		{"127.0.0.1", true}, {"127.8.8.8", true}, {"::1", true}, {"::ffff:127.0.0.1", true},
		{"10.0.0.1", false}, {"192.0.2.1", false}, {"fe80::1", false}, {"::ffff:10.0.0.1", false}, {"0.0.0.0", false},
	} {
		conn := &remoteConn{remote: &net.TCPAddr{IP: net.ParseIP(tc.ip), Port: 9}}
		l := loopbackListener{&listOf{conns: []net.Conn{conn}}, slog.New(slog.DiscardHandler)}
		got, err := l.Accept()
		if accepted := got == net.Conn(conn) && err == nil; accepted != tc.ok || conn.closed == tc.ok {
			t.Errorf("%s: Accept = %v, %v; closed %t", tc.ip, got, err, conn.closed)
		}
	}
}
