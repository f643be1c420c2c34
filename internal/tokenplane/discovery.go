package tokenplane

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

// instanceAnswer tells a client which hosts are one token service.
type instanceAnswer struct {
	TenantDiscoveryEndpoint string             `json:"tenant_discovery_endpoint"`
	APIVersion              string             `json:"api-version"`
	Metadata                []instanceMetadata `json:"metadata,omitempty"`
}

type instanceMetadata struct {
	PreferredNetwork string   `json:"preferred_network"`
	PreferredCache   string   `json:"preferred_cache"`
	Aliases          []string `json:"aliases"`
}

// discoverInstance answers whether the host of an authority is one of ours. The
// official clients ask it at Microsoft's name about every authority.
func (p *Plane) discoverInstance(x *httpx.Exchange) error {
	asked, _ := x.QueryValue("authorization_endpoint")
	authority, err := url.Parse(asked)
	if err != nil || authority.Scheme != "https" {
		return unknownInstance()
	}
	site, ok := p.Hosts.Lookup(authority.Host)
	tenant, _, _ := strings.Cut(strings.TrimPrefix(authority.Path, "/"), "/")
	if !ok || !site.Login || tenant == "" {
		return unknownInstance()
	}
	version, _ := x.QueryValue("api-version")
	if version != "1.0" {
		version = "1.1"
	}
	base := site.LoginURL() + "/" + url.PathEscape(tenant)
	answer := instanceAnswer{TenantDiscoveryEndpoint: base + "/v2.0/.well-known/openid-configuration", APIVersion: version}
	if strings.EqualFold(tenant, "adfs") {
		answer.TenantDiscoveryEndpoint = base + "/.well-known/openid-configuration"
	}
	if version == "1.1" {
		aliases := site.LoginAliases()
		answer.Metadata = []instanceMetadata{{aliases[0], aliases[0], aliases}}
	}
	return x.Reply(http.StatusOK, answer)
}

func unknownInstance() error {
	return invalid(50049, identity.InvalidInstance, "Unknown or invalid instance.")
}

// openIDConfiguration is the metadata of OpenID Connect Discovery 1.0.
type openIDConfiguration struct {
	Issuer                      string   `json:"issuer"`
	AuthorizationEndpoint       string   `json:"authorization_endpoint"`
	TokenEndpoint               string   `json:"token_endpoint"`
	DeviceAuthorizationEndpoint string   `json:"device_authorization_endpoint"`
	JWKSURI                     string   `json:"jwks_uri"`
	ResponseTypes               []string `json:"response_types_supported"`
	SubjectTypes                []string `json:"subject_types_supported"`
	IDTokenAlgorithms           []string `json:"id_token_signing_alg_values_supported"`
	TokenAuthMethods            []string `json:"token_endpoint_auth_methods_supported"`
	GrantTypes                  []string `json:"grant_types_supported"`
}

// configuration answers with the endpoints of the form. They keep the tenant as
// the client has written it, because clients compare.
func (p *Plane) configuration(f form) func(*httpx.Exchange) error {
	return func(x *httpx.Exchange) error {
		segment, oauth, keys := x.Params["tenant"], "/oauth2", "/discovery/keys"
		var tenant identity.Tenant
		if f == formADFS {
			segment = "adfs"
		} else {
			var err error
			if tenant, err = p.Identity.FindTenant(x.Context(), segment); err != nil {
				return err
			}
			if strings.EqualFold(segment, tenant.Domain) {
				segment = tenant.ID
			}
		}
		if f == formV2 {
			oauth, keys = "/oauth2/v2.0", "/discovery/v2.0/keys"
		}
		base := x.Site.LoginURL() + "/" + url.PathEscape(segment)
		issuer := base // clients want their authority's host in it
		switch f {
		case formV1: // for those who verify: what the tokens say
			issuer = p.Identity.Issuer(tenant.ID)
		case formV2:
			issuer = base + "/v2.0"
		}
		return x.Reply(http.StatusOK, openIDConfiguration{
			Issuer: issuer, JWKSURI: base + keys,
			AuthorizationEndpoint: base + oauth + "/authorize", TokenEndpoint: base + oauth + "/token",
			DeviceAuthorizationEndpoint: base + oauth + "/devicecode",
			ResponseTypes:               []string{"token"}, SubjectTypes: []string{"pairwise"}, IDTokenAlgorithms: []string{"RS256"},
			TokenAuthMethods: []string{"client_secret_post", "client_secret_basic"}, GrantTypes: []string{"client_credentials"},
		})
	}
}

// signingKeys answers with the keys that verify tokens, which are the same for
// every tenant.
func (p *Plane) signingKeys(x *httpx.Exchange) error {
	if segment := x.Params["tenant"]; segment != "" {
		if _, err := p.Identity.FindTenant(x.Context(), segment); err != nil {
			return err
		}
	}
	keys, err := p.Identity.PublicKeys(x.Context())
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, keys)
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
