// Package devproxy is the loopback proxy through which a program reaches a
// development vault under Azure's names.
//
// It guarantees that connections to the names of the vault go to the vault and
// nowhere else, that only who has the credential can go anywhere else through
// it, and that nobody reaches link-local or metadata addresses through it. It
// serves clients on loopback only. It decrypts nothing and knows no vaults: it
// hands connections over as they come.
package devproxy

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"
)

// Limits of the proxy. Tunnels may be quiet for long, as those of databases and
// web sockets are.
const (
	maxHeader         = 32 << 10
	maxTunnels        = 1024
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	dialTimeout       = 30 * time.Second
	tunnelIdle        = 30 * time.Minute
)

// user is the name that goes with the credential. It is no secret.
const user = "okv"

// Config says what the proxy does. Ours and Logger are required.
type Config struct {
	// Ours reports whether a host and port, in lower case and always with both,
	// are the vault's. Names makes such a function.
	Ours func(hostport string) bool
	// Credential is the password that connections elsewhere need. Empty means a
	// random one, which URL shows.
	Credential string
	// Upstream returns the proxy through which a URL is reached, or nil for
	// none, as http.Transport.Proxy does. A nil function means none at all.
	Upstream func(*url.URL) (*url.URL, error)
	// Offline refuses every connection elsewhere but to this machine, which
	// clients also reach past the proxy.
	Offline bool
	// Logger gets what is refused and what fails, at debug level, with host and
	// port at most.
	Logger *slog.Logger
}

// Proxy is the proxy. Its methods are safe for concurrent use.
type Proxy struct {
	cfg         Config
	credential  [sha256.Size]byte // of user and password
	http        *http.Server
	ours        *handover
	direct      *net.Dialer
	toUpstream  *net.Dialer
	forwarders  forwarders
	resolver    *net.Resolver
	upstreamTLS *tls.Config // of the user's own proxy, without its name
	tunnelIdle  time.Duration
	// lookupTimeout bounds the look at the addresses of a name that the user's own
	// proxy will resolve.
	lookupTimeout time.Duration

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	tunnels chan struct{} // holds one element for each open connection elsewhere

	// mu guards closed, and running against being added to once closed is set.
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// New returns a proxy that Serve makes reachable. The caller closes it with
// Close.
func New(cfg Config) *Proxy {
	if cfg.Credential == "" {
		cfg.Credential = rand.Text()
	}
	if cfg.Upstream == nil {
		cfg.Upstream = func(*url.URL) (*url.URL, error) { return nil, nil }
	}
	p := &Proxy{
		cfg:           cfg,
		credential:    sha256.Sum256([]byte(user + ":" + cfg.Credential)),
		ours:          newHandover(),
		direct:        &net.Dialer{Timeout: dialTimeout, ControlContext: refuseForbidden},
		toUpstream:    &net.Dialer{Timeout: dialTimeout},
		resolver:      net.DefaultResolver,
		upstreamTLS:   &tls.Config{MinVersion: tls.VersionTLS12},
		tunnelIdle:    tunnelIdle,
		lookupTimeout: lookupTimeout,
		tunnels:       make(chan struct{}, maxTunnels),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.forwarders = p.newForwarders()
	p.http = &http.Server{
		Handler:           http.HandlerFunc(p.serveHTTP),
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		BaseContext:       func(net.Listener) context.Context { return p.ctx },
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	return p
}

// Serve accepts connections from ln until Close, and then returns nil. Those
// from other machines are closed at once.
func (p *Proxy) Serve(ln net.Listener) error {
	err := p.http.Serve(loopbackListener{ln, p.cfg.Logger})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Connections returns the listener from which the vault's TLS server accepts
// the connections to the vault's names. They begin with the client's first TLS
// record, and are the server's to close. Closing the listener makes the proxy
// refuse further ones; Close closes it as well.
func (p *Proxy) Connections() net.Listener { return p.ours }

// URL returns the URL of the proxy at an address that Serve accepts from, with
// the credential.
func (p *Proxy) URL(addr net.Addr) *url.URL {
	return &url.URL{Scheme: "http", User: url.UserPassword(user, p.cfg.Credential), Host: addr.String()}
}

// Close stops listening, cuts every tunnel and waits until nothing of the proxy
// runs any more. Connections that the vault's server has accepted are not its
// concern.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	err := errors.Join(p.http.Close(), p.ours.Close())
	p.running.Wait()
	p.forwarders.close()
	return err
}

// enter counts a request as running until it leaves. It reports false once the
// proxy is closed.
func (p *Proxy) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.running.Add(1)
	return true
}

func (p *Proxy) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.enter() {
		refuse(w, http.StatusServiceUnavailable, "The proxy is closing.")
		return
	}
	defer p.running.Done()
	if r.Method == http.MethodConnect {
		p.connect(w, r)
		return
	}
	p.forward(w, r)
}

// admit decides whether a client may go to a host that is not the vault's, and
// answers the request if not.
func (p *Proxy) admit(w http.ResponseWriter, r *http.Request, t target) bool {
	if p.cfg.Offline && !t.local() {
		refuse(w, http.StatusForbidden, fmt.Sprintf("okv dev was started with --offline: %s is not one of the vault's names, and connections elsewhere are refused.", t))
		return false
	}
	if !p.authorized(r) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="okv dev", charset="UTF-8"`)
		refuse(w, http.StatusProxyAuthRequired, fmt.Sprintf("%s is not one of the vault's names: connections elsewhere need the credential of the proxy URL that okv dev gives its child.", t))
		return false
	}
	return true
}

// authorized reports whether the request shows the credential. Digests are
// compared, so that not even its length shows in the time taken.
func (p *Proxy) authorized(r *http.Request) bool {
	name, password, ok := basic(r.Header.Get("Proxy-Authorization"))
	shown := sha256.Sum256([]byte(name + ":" + password))
	return subtle.ConstantTimeCompare(shown[:], p.credential[:]) == 1 && ok
}

// basic decodes the value of a Basic header.
func basic(header string) (name, password string, ok bool) {
	// The standard library decodes it for the Authorization header.
	return (&http.Request{Header: http.Header{"Authorization": {header}}}).BasicAuth()
}

// refuse answers with a sentence for people.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The connection is the only one to tell of a failure to write to it.
	_, _ = fmt.Fprintln(w, text)
}

// loopbackListener accepts from loopback clients only.
type loopbackListener struct {
	net.Listener
	logger *slog.Logger
}

func (l loopbackListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		if err == nil && peer.Addr().Unmap().IsLoopback() {
			return conn, nil
		}
		l.logger.Debug("the proxy refused a client on another machine", "peer", conn.RemoteAddr())
		_ = conn.Close()
	}
}
