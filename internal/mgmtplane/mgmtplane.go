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
	"log/slog"
	"net/http"
	"strings"

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
	return &httpx.Plane{
		Name: "management plane", Prepare: writeCommonHeaders, Serve: p.serve, Refuse: p.refuse, IsRefusal: httpx.IsRefusal, Logger: cfg.Logger,
	}
}

// serve does the steps that every operation has in common, in their fixed
// order, and returns why the request is refused.
func (p *plane) serve(x *httpx.Exchange) error {
	// Clients put a scope, which begins with a slash, behind another one.
	route, params, allow, found := p.router.Match(x.Method, "/"+strings.TrimLeft(x.URL.EscapedPath(), "/"))
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

// call returns what the domain must know of the request.
func call(x *httpx.Exchange) resource.Call {
	c := resource.Call{Caller: x.Caller, APIVersion: x.APIVersion}
	c.Origin.RequestID = x.RequestID
	c.Origin.ClientRequestID = clientRequestID(x.Request)
	c.Origin.Address = httpx.ClientAddress(x.Request)
	c.Origin.UserAgent = httpx.ClientAgent(x.Request)
	c.Origin.APIVersion = x.APIVersion
	return c
}
