package devproxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"
)

// lookupTimeout is short: networks that have a proxy of their own may resolve no
// outside names. Then the name goes to that proxy unseen.
const lookupTimeout = time.Second

// maxUpstreamHeader bounds what is read of the answer of the user's own proxy,
// in bytes.
const maxUpstreamHeader = 64 << 10

// Environ returns the Upstream of an environment in the form of os.Environ:
// HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in either case, as Go and
// curl understand them. Loopback addresses are never reached through a proxy.
func Environ(environ []string) func(*url.URL) (*url.URL, error) {
	values := make(map[string]string)
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && value != "" {
			values[name] = value
		}
	}
	first := func(names ...string) string {
		for _, n := range names {
			if values[n] != "" {
				return values[n]
			}
		}
		return ""
	}
	config := httpproxy.Config{
		HTTPSProxy: first("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"),
		HTTPProxy:  first("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"),
		NoProxy:    first("NO_PROXY", "no_proxy"),
	}
	return config.ProxyFunc()
}

// checkNames refuses a target that the user's own proxy would resolve to a
// forbidden address: that proxy may run on this machine.
func (p *Proxy) checkNames(ctx context.Context, t target) error {
	var addrs []netip.Addr
	if addr, err := netip.ParseAddr(t.host); err == nil {
		addrs = []netip.Addr{addr}
	} else {
		ctx, cancel := context.WithTimeout(ctx, p.lookupTimeout)
		defer cancel()
		// A name that we cannot resolve is the other proxy's to resolve.
		addrs, _ = p.resolver.LookupNetIP(ctx, "ip", t.host)
	}
	for _, addr := range addrs {
		if forbidden(addr) {
			return fmt.Errorf("%w: %s", errForbidden, addr)
		}
	}
	return nil
}

// dialThrough connects to a target through the user's own proxy. No error shows
// that proxy's URL, which may hold a password.
func (p *Proxy) dialThrough(ctx context.Context, upstream *url.URL, t target) (net.Conn, error) {
	connect := p.connectThrough
	switch upstream.Scheme {
	case "socks5", "socks5h":
		connect = connectSOCKS
	case "http", "https":
	default:
		return nil, fmt.Errorf("the user's own proxy has the scheme %q, not http, https or socks5", upstream.Scheme)
	}
	conn, err := p.toUpstream.DialContext(ctx, "tcp", upstreamAddress(upstream))
	if err != nil {
		return nil, fmt.Errorf("reaching the user's own proxy: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(expired) })
	tunneled, err := connect(ctx, conn, upstream, t)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return tunneled, nil
}

func upstreamAddress(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	case u.Scheme == "http":
		port = "80"
	default:
		port = "1080"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// connectThrough asks the proxy at the other end of conn for a tunnel.
func (p *Proxy) connectThrough(ctx context.Context, conn net.Conn, upstream *url.URL, t target) (net.Conn, error) {
	if upstream.Scheme == "https" {
		config := p.upstreamTLS.Clone()
		config.ServerName = upstream.Hostname()
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("the user's own proxy: %w", err)
		}
		conn = secure
	}
	request := "CONNECT " + t.String() + " HTTP/1.1\r\nHost: " + t.String() + "\r\n"
	if u := upstream.User; u != nil {
		password, _ := u.Password()
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return nil, fmt.Errorf("asking the user's own proxy: %w", err)
	}
	r := bufio.NewReader(&io.LimitedReader{R: conn, N: maxUpstreamHeader})
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, errors.New("the user's own proxy gave no answer that can be understood")
	}
	if answer.StatusCode/100 != 2 {
		return nil, fmt.Errorf("the user's own proxy answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	return withBuffered(conn, r), nil
}

// connectSOCKS does the same with a SOCKS 5 proxy (RFC 1928), which resolves the
// name.
func connectSOCKS(ctx context.Context, conn net.Conn, upstream *url.URL, t target) (net.Conn, error) {
	var auth *proxy.Auth
	if u := upstream.User; u != nil {
		password, _ := u.Password()
		auth = &proxy.Auth{User: u.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", upstreamAddress(upstream), auth, nil)
	if err != nil {
		return nil, fmt.Errorf("the user's own proxy: %w", err)
	}
	// The connection that its Dial returns cannot be closed by halves.
	dialer, ok := d.(interface {
		DialWithConn(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
	})
	if !ok {
		return nil, errors.New("the SOCKS client takes no connection")
	}
	if _, err := dialer.DialWithConn(ctx, conn, "tcp", t.String()); err != nil {
		return nil, fmt.Errorf("the user's own proxy: %w", err)
	}
	return conn, nil
}
