// Package mgmtplane is the management plane's HTTP: it finds the operation of a
// request, finds out who asks, decodes, calls the domain and encodes, as Azure
// Resource Manager and the Key Vault resource provider do on the wire.
//
// It guarantees that nothing of a body is read before the caller is known, that
// every answer carries a request id, that every refusal is Resource Manager's
// JSON envelope, and that neither tokens nor paths are logged. It knows no
// permission and no store: those are the domain's.
package mgmtplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

// Config is what the plane works with. All fields are required.
type Config struct {
	// Resources is the domain. Every operation authorises and audits itself.
	Resources *resource.Service
	// Verify turns a bearer token into a caller. A *fault.Error of kind
	// Unauthenticated is answered with status 401: as it is if its code is one of
	// Resource Manager's, else in Resource Manager's words. Any other error is
	// internal.
	Verify func(ctx context.Context, bearer string) (access.Caller, error)
	// Hosts is the host table that the sites of the requests come from.
	Hosts  httpx.Hosts
	Logger *slog.Logger
}

type plane struct {
	Config
	router *httpx.Router
	// families are the api-versions of each operation, by its name.
	families map[string]*family
}

// New returns the handler of all management hosts. It needs the request's
// httpx.Site in the context.
func New(cfg Config) http.Handler {
	p := &plane{Config: cfg, families: map[string]*family{}}
	var routes []httpx.Route
	for _, op := range p.operations() {
		p.families[op.Name] = op.family
		routes = append(routes, op.Route)
	}
	p.router = httpx.NewRouter(routes)
	return p
}

// ServeHTTP answers one request and logs it.
func (p *plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	x := &httpx.Exchange{
		ResponseWriter: w, Request: r,
		Site: httpx.SiteFrom(r.Context()), RequestID: httpx.NewRequestID(),
	}
	writeCommonHeaders(x)
	err := p.serve(x)
	code := ""
	if err != nil && x.Status == 0 {
		code = p.refuse(x, err)
	}
	p.log(x, started, code, err)
}

// serve does the steps that every operation has in common, in their fixed
// order, and returns why the request is refused.
func (p *plane) serve(x *httpx.Exchange) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = recovered(v)
		}
	}()
	route, params, allow, found := p.router.Match(x.Method, x.URL.EscapedPath())
	x.Route, x.Params = route, params
	if !found || p.families[route.Name] != metadataVersions {
		if err := p.authenticate(x); err != nil {
			return err
		}
	}
	if !found {
		if err := checkVersionGiven(x); err != nil {
			return err
		}
		return noRoute(x, allow)
	}
	if err := checkVersion(x, p.families[route.Name]); err != nil {
		return err
	}
	if err := checkContentType(x); err != nil {
		return err
	}
	return route.Handle(x)
}

// recovered turns a panic into an internal error, except the one that asks the
// server to drop the connection.
func recovered(v any) error {
	if v == http.ErrAbortHandler {
		panic(v)
	}
	return fmt.Errorf("panic: %v\n%s", v, debug.Stack())
}

// call returns what the domain must know of the request.
func call(x *httpx.Exchange) resource.Call {
	c := resource.Call{Caller: x.Caller, APIVersion: x.APIVersion}
	c.Origin.RequestID = x.RequestID
	c.Origin.ClientRequestID = clientRequestID(x.Request)
	c.Origin.Address = httpx.ClientAddress(x.Request)
	c.Origin.UserAgent = clip(x.UserAgent(), 256)
	c.Origin.APIVersion = x.APIVersion
	return c
}

// log writes the one line of a request. It names the operation, never the path,
// which is the caller's text.
func (p *plane) log(x *httpx.Exchange, started time.Time, code string, err error) {
	level, ctx := slog.LevelInfo, x.Context()
	cause := ""
	if x.Status >= http.StatusInternalServerError && !isRefusal(err) {
		level, cause = slog.LevelError, err.Error()
		if errors.Is(err, context.Canceled) {
			level = slog.LevelInfo
		}
	}
	if !p.Logger.Enabled(ctx, level) {
		return
	}
	operation := "none"
	if x.Route != nil {
		operation = x.Route.Name
	}
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs,
		slog.String("operation", operation),
		slog.Int("status", x.Status),
		slog.Duration("took", time.Since(started)),
		slog.String("request_id", x.RequestID))
	if code != "" {
		attrs = append(attrs, slog.String("code", code))
	}
	if x.Caller.ObjectID != "" {
		attrs = append(attrs, slog.String("caller", x.Caller.ObjectID))
	}
	if cause != "" {
		attrs = append(attrs, slog.String("error", cause))
	}
	p.Logger.LogAttrs(ctx, level, "management plane request", attrs...)
}
