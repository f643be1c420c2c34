package devproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// answerTimeout bounds the write of the answer that begins a tunnel.
const answerTimeout = 10 * time.Second

const established = "HTTP/1.1 200 Connection established\r\n\r\n"

// connect answers a CONNECT request.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	t, err := parseTarget(r.RequestURI)
	if err != nil {
		refuse(w, http.StatusBadRequest, "The proxy does not understand the request: "+err.Error()+".")
		return
	}
	if p.cfg.Ours(t.String()) {
		p.connectOurs(w)
		return
	}
	if p.admit(w, r, t) {
		p.connectElsewhere(w, r, t)
	}
}

// connectOurs hands the connection to the vault's server. Who asks is the
// vault's to find out.
func (p *Proxy) connectOurs(w http.ResponseWriter) {
	if p.ours.isClosed() {
		refuse(w, http.StatusServiceUnavailable, "The vault is shutting down.")
		return
	}
	conn, err := p.accept(w)
	if err != nil {
		p.cfg.Logger.Debug("answering a CONNECT request", "error", err)
		return
	}
	if !p.ours.give(conn) {
		_ = conn.Close()
	}
}

// connectElsewhere opens a tunnel, and keeps it until either side ends it.
func (p *Proxy) connectElsewhere(w http.ResponseWriter, r *http.Request, t target) {
	leave, ok := p.takePlace(w)
	if !ok {
		return
	}
	defer leave()
	far, err := p.dial(r.Context(), t)
	if err != nil {
		p.refuseDial(w, t, err)
		return
	}
	defer far.Close()
	near, err := p.accept(w)
	if err != nil {
		p.cfg.Logger.Debug("answering a CONNECT request", "target", t, "error", err)
		return
	}
	defer near.Close()
	tunnel(p.ctx, near, far, p.tunnelIdle)
}

// takePlace takes one of the places for open connections elsewhere, or answers
// that there is none.
func (p *Proxy) takePlace(w http.ResponseWriter) (leave func(), ok bool) {
	select {
	case p.tunnels <- struct{}{}:
		return func() { <-p.tunnels }, true
	default:
		refuse(w, http.StatusServiceUnavailable, "The proxy has too many open connections.")
		return nil, false
	}
}

// refuseDial says why a host is not reached.
func (p *Proxy) refuseDial(w http.ResponseWriter, t target, err error) {
	p.cfg.Logger.Debug("the proxy cannot reach a host", "target", t, "error", err)
	var network net.Error
	switch {
	case errors.Is(err, errForbidden):
		refuse(w, http.StatusForbidden, fmt.Sprintf("The proxy does not connect to %s: %v.", t, errForbidden))
	case errors.As(err, &network) && network.Timeout():
		refuse(w, http.StatusGatewayTimeout, fmt.Sprintf("The proxy cannot reach %s in time.", t))
	default:
		refuse(w, http.StatusBadGateway, fmt.Sprintf("The proxy cannot reach %s: %v.", t, err))
	}
}

// accept takes the connection out of the HTTP server's hands and tells the
// client that it is connected. The caller closes it.
func (p *Proxy) accept(w http.ResponseWriter) (net.Conn, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if _, err := io.WriteString(conn, established); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return withBuffered(conn, buffered.Reader), nil
}

// dial connects to a target, through the user's proxy if there is one.
func (p *Proxy) dial(ctx context.Context, t target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	upstream, err := p.cfg.Upstream(&url.URL{Scheme: "https", Host: t.String()})
	if err != nil {
		// The error may quote the proxy's URL with its password.
		return nil, errors.New("the user's own proxy is not usable")
	}
	if upstream == nil {
		return p.direct.DialContext(ctx, "tcp", t.String())
	}
	if err := p.checkNames(ctx, t); err != nil {
		return nil, err
	}
	return p.dialThrough(ctx, upstream, t)
}
