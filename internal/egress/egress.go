// Package egress is the one client for requests that the server makes on a
// user's word: to an address that somebody with a permission has written down,
// and that may lead anywhere.
//
// It guarantees that such a request goes to a public address over HTTPS, or to
// a target that the configuration lists; that the address is checked after the
// name was resolved, for the very connection that is made; that no redirect is
// followed and no proxy is used; and that time, size and number are bounded. It
// knows nothing of what it fetches.
package egress

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Limits of every request.
const (
	// MaxBody bounds an answer, in bytes.
	MaxBody = 64 << 10
	// Timeout bounds a request, unless the configuration says otherwise, from the
	// resolution of its name to the last byte of its answer.
	Timeout = 5 * time.Second

	maxURL     = 2 << 10
	maxHeader  = 16 << 10
	maxFlights = 32 // requests at once
)

// ErrRefused is wrapped by the error for a URL or an address that requests may
// not go to.
var ErrRefused = errors.New("egress: the target is not allowed")

// Config is what a Client works with. The zero value allows public addresses
// and trusts the system's roots.
type Config struct {
	// Allow lists the targets that need not be public.
	Allow []Target
	// Roots returns the authorities of TLS certificates. It is called once, for the
	// first request, because reading them takes a while. Nil means the system's.
	Roots func() *x509.CertPool
	// Timeout bounds each request. Zero means the constant of that name.
	Timeout time.Duration
}

// Client makes the requests. It is safe for concurrent use.
type Client struct {
	allow   []Target
	http    func() *http.Client
	slots   chan struct{} // as many as requests may run
	timeout time.Duration

	mu      sync.Mutex // guards flights
	flights map[string]*flight
}

// flight is one request for all who ask for its URL while it is on its way.
type flight struct {
	done chan struct{} // closed when the others are set
	body []byte
	err  error
}

// New returns a client.
func New(cfg Config) *Client {
	c := &Client{
		allow: slices.Clone(cfg.Allow), slots: make(chan struct{}, maxFlights), timeout: cmp.Or(cfg.Timeout, Timeout), flights: map[string]*flight{},
	}
	c.http = sync.OnceValue(func() *http.Client { return c.newHTTP(cfg.Roots) })
	return c
}

func (c *Client) newHTTP(roots func() *x509.CertPool) *http.Client {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != nil {
		trust.RootCAs = roots()
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            c.dial,
			TLSClientConfig:        trust,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true, // so that the bound is one of what is read
			DisableKeepAlives:      true, // so that every request has its address checked
		},
	}
}

// Get returns the body of the answer to a GET of the URL, which is one of status
// 200. Whoever asks for a URL that is being fetched gets what that fetch brings.
// The caller owns the slice.
func (c *Client) Get(ctx context.Context, address string) ([]byte, error) {
	if err := c.check(address); err != nil {
		return nil, err
	}
	c.mu.Lock()
	f, flying := c.flights[address]
	if !flying {
		f = &flight{done: make(chan struct{})}
		c.flights[address] = f
		// It is not one caller's alone, and has its own time limit.
		go c.fly(context.WithoutCancel(ctx), address, f)
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		return slices.Clone(f.body), f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Client) fly(ctx context.Context, address string, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	f.body, f.err = c.fetch(ctx, address)
	c.mu.Lock()
	delete(c.flights, address)
	c.mu.Unlock()
	close(f.done)
}

func (c *Client) fetch(ctx context.Context, address string) ([]byte, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("egress: too many requests at once: %w", ctx.Err())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("egress: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "OpenKeyVault")
	resp, err := c.http().Do(req)
	if err != nil {
		return nil, fmt.Errorf("egress: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("egress: %s answers with status %d", address, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("egress: reading %s: %w", address, err)
	}
	if len(body) > MaxBody {
		return nil, fmt.Errorf("egress: the answer of %s is over %d bytes long", address, MaxBody)
	}
	return body, nil
}

// check refuses what is no plain URL of HTTPS, and ports that are not listed.
func (c *Client) check(address string) error {
	if len(address) > maxURL {
		return fmt.Errorf("%w: a URL of over %d bytes", ErrRefused, maxURL)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%w: not a plain URL of https", ErrRefused)
	}
	if port := u.Port(); port != "" && port != "443" && !c.lists(u.Host) {
		return fmt.Errorf("%w: port %s of %s is not listed", ErrRefused, port, u.Hostname())
	}
	return nil
}

// lists reports whether the configuration has the target, given as HOST:PORT.
func (c *Client) lists(hostport string) bool {
	t, err := ParseTarget(hostport)
	return err == nil && slices.Contains(c.allow, t)
}

// dial connects to a name's addresses that may be connected to. The dialer asks
// for each of them, resolved, right before it connects: what the name resolves to
// at another time does not matter.
func (c *Client) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	listed := c.lists(hostport)
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %q", ErrRefused, address)
		}
		if !public(to.Addr()) && !(listed && listable(hostport, to.Addr())) {
			return fmt.Errorf("%w: %s leads to %s, which is not a public address", ErrRefused, hostport, to.Addr())
		}
		return nil
	}}
	return d.DialContext(ctx, network, hostport)
}
