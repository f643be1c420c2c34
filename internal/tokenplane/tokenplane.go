// Package tokenplane is the token service's HTTP: token endpoints in the forms of
// the generations of clients (v1, v2 and ADFS), what clients discover before they
// use them, the keys that verify tokens, and the endpoints of managed identities.
//
// It guarantees that every refusal has the JSON body that the clients of Entra ID
// take apart, that bodies are bounded, and that neither secrets nor tokens nor
// paths are logged. Who is whom is package identity's concern; it knows no vaults
// and no permissions.
//
// The endpoints, with {tenant} a GUID, a domain, "common" or "organizations":
//
//	GET  /common/discovery/instance
//	GET  /{tenant}/.well-known/openid-configuration, also below /{tenant}/v2.0 and /adfs
//	GET  /{tenant}/discovery/keys, /{tenant}/discovery/v2.0/keys, /adfs/discovery/keys
//	POST /{tenant}/oauth2/token, /{tenant}/oauth2/v2.0/token
//	POST /adfs/oauth2/token, /adfs/{tenant}/oauth2/token
package tokenplane

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

// Config is what the plane works with. All fields are required.
type Config struct {
	Identity *identity.Service
	// Hosts is the host table that the sites of the requests come from.
	Hosts  httpx.Hosts
	Logger *slog.Logger
}

// Plane is the handler of all login hosts. It needs the request's httpx.Site in
// the context.
type Plane struct {
	Config
	router  *httpx.Router
	handler *httpx.Plane
}

// maxForm bounds the body of a token request. A client assertion with a chain of
// certificates is the largest that clients send.
const maxForm = 64 << 10

// New returns the plane.
func New(cfg Config) *Plane {
	p := &Plane{Config: cfg}
	p.router = httpx.NewRouter(p.routes())
	p.handler = &httpx.Plane{
		Name: "token service", Prepare: writeCommonHeaders, Serve: p.serve, Refuse: refuse, IsRefusal: isRefusal, Logger: cfg.Logger,
	}
	return p
}

func (p *Plane) routes() []httpx.Route {
	const get, post = http.MethodGet, http.MethodPost
	return []httpx.Route{
		{Method: get, Pattern: "/common/discovery/instance", Name: "InstanceDiscovery", Handle: p.discoverInstance},
		{Method: get, Pattern: "/{tenant}/.well-known/openid-configuration", Name: "OpenIDConfiguration", Handle: p.configuration(formV1)},
		{Method: get, Pattern: "/{tenant}/v2.0/.well-known/openid-configuration", Name: "OpenIDConfigurationV2", Handle: p.configuration(formV2)},
		{Method: get, Pattern: "/adfs/.well-known/openid-configuration", Name: "OpenIDConfigurationADFS", Handle: p.configuration(formADFS)},
		{Method: get, Pattern: "/{tenant}/discovery/keys", Name: "SigningKeys", Handle: p.signingKeys},
		{Method: get, Pattern: "/{tenant}/discovery/v2.0/keys", Name: "SigningKeysV2", Handle: p.signingKeys},
		{Method: get, Pattern: "/adfs/discovery/keys", Name: "SigningKeysADFS", Handle: p.signingKeys},

		{Method: post, Pattern: "/{tenant}/oauth2/token", Name: "Token", MaxBody: maxForm, Handle: p.token(formV1)},
		{Method: post, Pattern: "/{tenant}/oauth2/v2.0/token", Name: "TokenV2", MaxBody: maxForm, Handle: p.token(formV2)},
		{Method: post, Pattern: "/adfs/oauth2/token", Name: "TokenADFS", MaxBody: maxForm, Handle: p.token(formADFS)},
		{Method: post, Pattern: "/adfs/{tenant}/oauth2/token", Name: "TokenADFSTenant", MaxBody: maxForm, Handle: p.token(formADFS)},

		{Method: get, Pattern: "/{tenant}/oauth2/authorize", Name: "Authorize", Handle: refuseInteractive},
		{Method: get, Pattern: "/{tenant}/oauth2/v2.0/authorize", Name: "AuthorizeV2", Handle: refuseInteractive},
		{Method: get, Pattern: "/adfs/oauth2/authorize", Name: "AuthorizeADFS", Handle: refuseInteractive},
		{Method: post, Pattern: "/{tenant}/oauth2/devicecode", Name: "DeviceCode", Handle: refuseInteractive},
		{Method: post, Pattern: "/{tenant}/oauth2/v2.0/devicecode", Name: "DeviceCodeV2", Handle: refuseInteractive},
		{Method: post, Pattern: "/adfs/oauth2/devicecode", Name: "DeviceCodeADFS", Handle: refuseInteractive},
	}
}

// form is a generation of endpoints.
type form int

const (
	formV1   form = iota // resource in, numbers as strings out
	formV2               // scope in, numbers out
	formADFS             // either: the request says which
)

// Serves reports whether a path, as sent, is the token service's on a host that
// it shares with the management plane: whether it begins with what can only be a
// tenant. No path of the management plane begins with a GUID, a name with a dot
// or one of these words.
func (p *Plane) Serves(escapedPath string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(escapedPath, "/"), "/")
	switch strings.ToLower(first) {
	case "common", "organizations", "adfs":
		return true
	}
	return strings.Contains(first, ".") || identity.IsGUID(first)
}

// ServeHTTP answers one request and logs it.
func (p *Plane) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Plane) serve(x *httpx.Exchange) error {
	route, params, allow, found := p.router.Match(x.Method, x.URL.EscapedPath())
	x.Route, x.Params = route, params
	if !found {
		return noRoute(x, allow)
	}
	return route.Handle(x)
}

// writeCommonHeaders sets what every answer carries. Nothing here may be kept by
// a cache.
func writeCommonHeaders(x *httpx.Exchange) {
	h := x.ResponseWriter.Header()
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Ms-Request-Id", x.RequestID)
	if id := x.Request.Header.Get("Client-Request-Id"); identity.IsGUID(id) {
		h.Set("Client-Request-Id", id)
	}
}
