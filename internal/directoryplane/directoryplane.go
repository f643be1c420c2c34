// Package directoryplane is the directory's HTTP: the part of Microsoft Graph 1.0
// with which tools manage applications and find out who is who
// (https://learn.microsoft.com/graph/api/resources/application).
//
// It guarantees that nothing of a body is read before the caller is known, that
// every answer carries a request id, that every refusal is Graph's JSON envelope,
// and that neither tokens nor secrets nor paths are logged. It knows no permission
// and no store: those are the domain's, package identity's.
package directoryplane

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

// Config is what the plane works with. All fields are required.
type Config struct {
	// Directory is the domain. Every operation authorises and audits itself.
	Directory *identity.Directory
	// Verify turns a bearer token into a caller. A *fault.Error of kind
	// Unauthenticated is answered with status 401; any other error is internal.
	Verify func(ctx context.Context, bearer string) (access.Caller, error)
	Logger *slog.Logger
}

// Plane is the handler of all directory hosts. It needs the request's httpx.Site
// in the context.
type Plane struct {
	Config
	router  *httpx.Router
	handler *httpx.Plane
}

// maxBody bounds a body: a thousand ids are the largest.
const maxBody = 128 << 10

// New returns the plane.
func New(cfg Config) *Plane {
	p := &Plane{Config: cfg}
	p.router = httpx.NewRouter(p.routes())
	p.handler = &httpx.Plane{
		Name: "directory", Prepare: writeCommonHeaders, Serve: p.serve, Refuse: refuse, IsRefusal: httpx.IsRefusal, Logger: cfg.Logger,
	}
	return p
}

func (p *Plane) routes() []httpx.Route {
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	return []httpx.Route{
		{Method: get, Pattern: "/v1.0/applications", Name: "ApplicationList", Handle: p.listApplications},
		{Method: post, Pattern: "/v1.0/applications", Name: "ApplicationCreate", MaxBody: maxBody, Handle: p.createApplication},
		{Method: get, Pattern: "/v1.0/applications/{id}", Name: "ApplicationGet", Handle: p.getApplication},
		{Method: del, Pattern: "/v1.0/applications/{id}", Name: "ApplicationDelete", Handle: p.deleteApplication},
		{Method: post, Pattern: "/v1.0/applications/{id}/addPassword", Name: "ApplicationSecretAdd", MaxBody: maxBody, Handle: p.addPassword},
		{Method: post, Pattern: "/v1.0/applications/{id}/removePassword", Name: "ApplicationSecretRemove", MaxBody: maxBody, Handle: p.removePassword},
		{Method: get, Pattern: "/v1.0/servicePrincipals", Name: "ServicePrincipalList", Handle: p.listPrincipals},
		{Method: post, Pattern: "/v1.0/servicePrincipals", Name: "ServicePrincipalCreate", MaxBody: maxBody, Handle: p.createPrincipal},
		{Method: get, Pattern: "/v1.0/servicePrincipals/{id}", Name: "ServicePrincipalGet", Handle: p.getPrincipal},
		{Method: del, Pattern: "/v1.0/servicePrincipals/{id}", Name: "ServicePrincipalDelete", Handle: p.deletePrincipal},
		{Method: post, Pattern: "/v1.0/directoryObjects/getByIds", Name: "DirectoryObjectsGet", MaxBody: maxBody, Handle: p.getByIDs},
		{Method: get, Pattern: "/v1.0/me", Name: "Me", Handle: p.refuseMe},
		{Method: get, Pattern: "/v1.0/organization", Name: "OrganizationList", Handle: p.listOrganization},
	}
}

// ServeHTTP answers one request and logs it.
func (p *Plane) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// serve does the steps that every operation has in common, in their fixed order,
// and returns why the request is refused.
func (p *Plane) serve(x *httpx.Exchange) error {
	path, clientID := alternateKey(x.URL.EscapedPath())
	route, params, allow, found := p.router.Match(x.Method, path)
	x.Route, x.Params = route, params
	if err := p.authenticate(x); err != nil {
		return err
	}
	if !found {
		return noRoute(x, allow)
	}
	if clientID != "" {
		x.Params = x.Params.With(clientIDParam, clientID)
	}
	if err := checkContentType(x); err != nil {
		return err
	}
	return route.Handle(x)
}

// call returns what the domain must know of the request.
func call(x *httpx.Exchange) identity.Call {
	c := identity.Call{Caller: x.Caller}
	c.Origin.RequestID = x.RequestID
	c.Origin.ClientRequestID = clientRequestID(x.Request)
	c.Origin.Address = httpx.ClientAddress(x.Request)
	c.Origin.UserAgent = httpx.ClientAgent(x.Request)
	c.Origin.APIVersion = "v1.0"
	return c
}

// writeCommonHeaders sets what every answer carries. No cache may keep any: some
// hold a secret.
func writeCommonHeaders(x *httpx.Exchange) {
	h := x.ResponseWriter.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("OData-Version", "4.0")
	h.Set("Request-Id", x.RequestID)
	h.Set("X-Ms-Request-Id", x.RequestID)
	if id := clientRequestID(x.Request); id != "" {
		h.Set("Client-Request-Id", id)
	}
}

// clientRequestID returns the caller's own id of the request.
func clientRequestID(r *http.Request) string { return httpx.CallersID(r, "Client-Request-Id") }
