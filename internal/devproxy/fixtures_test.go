package devproxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/openkeyvault/openkeyvault/internal/devca"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/internal/loopback"
)

const testCredential = "s3cret-credential"

// patience bounds what a test waits for that does not come. A busy machine may take
// long for what does come.
const patience = 2 * time.Minute

// testProxy is a proxy that is served on loopback until the test ends, and that
// shows no credential in its log.
type testProxy struct {
	*Proxy
	addr net.Addr
	log  *logtest.Buffer
}

func start(t *testing.T, cfg Config, adjust ...func(*Proxy)) *testProxy {
	t.Helper()
	logged := &logtest.Buffer{}
	cfg.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Credential = testCredential
	if cfg.Ours == nil {
		cfg.Ours = Names(httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow()}, 8443)
	}
	p := New(cfg)
	p.lookupTimeout = patience
	for _, a := range adjust {
		a(p)
	}
	ln := listen(t)
	served := make(chan error, 1)
	go func() { served <- p.Serve(ln) }()
	t.Cleanup(func() {
		if err := p.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close = %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
		for _, secret := range []string{testCredential, upstreamPassword} {
			if strings.Contains(logged.String(), secret) {
				t.Errorf("the log shows %s:\n%s", secret, logged)
			}
		}
	})
	return &testProxy{p, ln.Addr(), logged}
}

// listen returns a listener at an address where nobody else listens once it is
// closed.
func listen(t *testing.T) net.Listener {
	t.Helper()
	return listenOn(t, loopback.Host())
}

func listenOn(t *testing.T, host string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// dialRaw returns a connection to addr that fails rather than hangs.
func dialRaw(t *testing.T, addr net.Addr) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// answer is what a proxy says to a request.
type answer struct {
	*http.Response
	text string
	conn *net.TCPConn
	r    *bufio.Reader // the rest of the connection
}

// ask sends a request as it stands and reads the answer.
func ask(t *testing.T, addr net.Addr, method, request string) answer {
	t.Helper()
	conn := dialRaw(t, addr)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	a := answer{Response: resp, conn: conn, r: r}
	if method != http.MethodConnect || resp.StatusCode != http.StatusOK {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.text = string(b)
	}
	return a
}

// connect sends a CONNECT request, with the credential unless header says
// otherwise.
func connect(t *testing.T, addr net.Addr, target string, header ...string) answer {
	t.Helper()
	if header == nil {
		header = []string{"Proxy-Authorization: " + basicValue(user, testCredential)}
	}
	return ask(t, addr, http.MethodConnect, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n"+strings.Join(header, "\r\n")+"\r\n\r\n")
}

func basicValue(name, password string) string {
	r := &http.Request{Header: make(http.Header)}
	r.SetBasicAuth(name, password)
	return r.Header.Get("Authorization")
}

// echo serves connections that get back, after they have ended their own half,
// what they have sent.
func echo(t *testing.T) net.Listener {
	t.Helper()
	return echoOn(t, loopback.Host())
}

func echoOn(t *testing.T, host string) net.Listener {
	t.Helper()
	ln := listenOn(t, host)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				b, err := io.ReadAll(conn)
				if err == nil {
					_, _ = conn.Write(append([]byte("echo:"), b...))
				}
			}()
		}
	}()
	return ln
}

// assertEcho uses a tunnel to echo, by halves.
func assertEcho(t *testing.T, a answer) {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("CONNECT: status %d: %s", a.StatusCode, a.text)
	}
	if _, err := io.WriteString(a.conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := a.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(a.r)
	if err != nil || string(got) != "echo:hello" {
		t.Errorf("the tunnel gave %q, %v", got, err)
	}
}

// vault serves TLS on the proxy's connections with certificates of a development
// authority, and returns what clients trust.
func vault(t *testing.T, p *Proxy) *x509.CertPool {
	t.Helper()
	hosts := httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow()}
	ca, err := devca.New(hosts.Suffixes())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Proto+" "+r.Host+" "+r.TLS.ServerName+" "+r.Header.Get("Proxy-Authorization"))
		}),
		TLSConfig:         &tls.Config{GetCertificate: ca.GetCertificate},
		ReadHeaderTimeout: patience,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(p.Connections(), "", "") }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-served
	})
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	return roots
}

// get requests a URL through a proxy.
func get(t *testing.T, transport *http.Transport, rawURL string, header http.Header) (*http.Response, string, error) {
	t.Helper()
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func through(u *url.URL) func(*url.URL) (*url.URL, error) {
	return func(*url.URL) (*url.URL, error) { return u, nil }
}

// resolver answers names from a table, and every other with no such name.
func resolver(addresses map[string][4]byte) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			for answerDNS(far, addresses) == nil {
			}
		}()
		return near, nil
	}}
}

// answerDNS answers one question in the framing of RFC 7766.
func answerDNS(conn net.Conn, addresses map[string][4]byte) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, b); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		return err
	}
	m.Response, m.Additionals = true, nil
	q := m.Questions[0]
	addr, known := addresses[strings.TrimSuffix(q.Name.String(), ".")]
	switch {
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: addr},
		}}
	}
	b, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}
