package devproxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// forwarders send plain HTTP requests on: one directly, one through the user's
// own proxy. They are two because only the former checks the addresses that it
// connects to; the latter connects to what the user has configured.
type forwarders struct {
	direct, through *httputil.ReverseProxy
}

// upstreamKey is the context key of the *url.URL of the user's own proxy.
type upstreamKey struct{}

func (p *Proxy) newForwarders() forwarders {
	direct := &http.Transport{DialContext: p.direct.DialContext}
	through := &http.Transport{
		DialContext:     p.toUpstream.DialContext,
		TLSClientConfig: p.upstreamTLS.Clone(),
		Proxy: func(r *http.Request) (*url.URL, error) {
			u, _ := r.Context().Value(upstreamKey{}).(*url.URL)
			return u, nil
		},
	}
	return forwarders{p.newForwarder(direct), p.newForwarder(through)}
}

func (p *Proxy) newForwarder(t *http.Transport) *httputil.ReverseProxy {
	t.TLSHandshakeTimeout = dialTimeout
	t.IdleConnTimeout = idleTimeout
	t.MaxIdleConns = 100
	t.MaxResponseHeaderBytes = 1 << 20
	t.DisableCompression = true // what the client did not ask for it does not get
	return &httputil.ReverseProxy{
		Transport:     t,
		Rewrite:       rewrite,
		FlushInterval: -1, // answers may be streams of events
		ErrorLog:      slog.NewLogLogger(p.cfg.Logger.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			p.refuseDial(w, targetOf(r.Context()), err)
		},
	}
}

// rewrite sends the request as it came: what ReverseProxy takes away for the
// safety of servers behind it, the client of a forward proxy meant.
func rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, ok := r.In.Header[name]; ok {
			r.Out.Header[name] = values
		}
	}
}

func (f forwarders) close() {
	for _, rp := range []*httputil.ReverseProxy{f.direct, f.through} {
		if t, ok := rp.Transport.(*http.Transport); ok {
			t.CloseIdleConnections()
		}
	}
}

// targetKey is the context key of the target of a plain HTTP request.
type targetKey struct{}

func targetOf(ctx context.Context) target {
	t, _ := ctx.Value(targetKey{}).(target)
	return t
}

// forward answers a request that is not CONNECT: RFC 9112, section 3.2.2.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	if !r.URL.IsAbs() || r.URL.Host == "" {
		refuse(w, http.StatusBadRequest, "This is the proxy of okv dev, not a server: set it as the proxy of a client.")
		return
	}
	if r.URL.Scheme != "http" {
		refuse(w, http.StatusBadRequest, "The proxy takes CONNECT for HTTPS, and requests for http URLs.")
		return
	}
	port := r.URL.Port()
	if port == "" {
		port = "80"
	}
	t, err := makeTarget(r.URL.Hostname(), port)
	if err != nil {
		refuse(w, http.StatusBadRequest, "The proxy does not understand the request: "+err.Error()+".")
		return
	}
	if p.cfg.Ours(t.String()) {
		refuse(w, http.StatusForbidden, fmt.Sprintf("The vault speaks HTTPS only: use https://%s.", t.host))
		return
	}
	if !p.admit(w, r, t) {
		return
	}
	leave, ok := p.takePlace(w)
	if !ok {
		return
	}
	defer leave()
	p.send(w, r, t)
}

// send forwards an admitted request.
func (p *Proxy) send(w http.ResponseWriter, r *http.Request, t target) {
	ctx := context.WithValue(r.Context(), targetKey{}, t)
	upstream, err := p.cfg.Upstream(&url.URL{Scheme: "http", Host: t.String()})
	if err != nil {
		refuse(w, http.StatusBadGateway, "The user's own proxy is not usable.")
		return
	}
	if upstream == nil {
		p.forwarders.direct.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	if err := p.checkNames(ctx, t); err != nil {
		p.refuseDial(w, t, err)
		return
	}
	ctx = context.WithValue(ctx, upstreamKey{}, upstream)
	p.forwarders.through.ServeHTTP(w, r.WithContext(ctx))
}
