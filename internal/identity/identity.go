// Package identity is the token service: tenants, applications and their
// credentials, the tokens that it issues, and the tokens that it believes; and the
// directory, which is how callers manage applications.
//
// It guarantees that no claim of a token is read before its signature has been
// checked, that a token is believed only for an audience of the fixed set of the
// plane that asks, and that client secrets are stored as salted hashes. What it
// issues to an application says who the application is, never what it may do.
// The operations of Directory authorise and audit themselves; those of Service have
// no caller, and those that issue tokens audit themselves. It knows no HTTP and no vaults.
//
// Tokens are JSON Web Tokens (RFC 7519) in compact serialisation, signed with
// RS256 and with the claims of version 1.0 of Entra ID's access tokens
// (https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference),
// because Resource Manager and Key Vault are resources of that version.
package identity

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/cache"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Plane is who asks for a token to be verified. Each has audiences of its own:
// a token for one is of no use at another.
type Plane int

// The planes that take tokens.
const (
	PlaneVault Plane = iota + 1
	PlaneManagement
	PlaneDirectory
	PlaneHSM
)

// Config is what a Service works with. Store, Sealer, Issuer, Now and Logger are
// required, and Audit is by a service that issues tokens.
type Config struct {
	Store store.Store
	// Sealer seals the records of this package.
	Sealer *seal.Sealer
	// Audit has a record of every token that is issued or refused to an application.
	Audit *audit.Log
	// Issuer is the iss of the tokens, with {tenant} for the tenant's id.
	Issuer string
	// Now is the wall clock.
	Now func() time.Time
	// Audiences are what tokens for a plane may have as aud: URIs, which compare
	// without case and without one trailing slash, and application ids.
	Audiences map[Plane][]string
	// OnAdopt, if not nil, lets an application that is not registered register
	// itself with the secret that it first shows. It is called before that, to
	// grant the application what it may do, and may be called again.
	OnAdopt func(context.Context, Application) error
	// AliasTenants takes every unknown tenant for the first one.
	AliasTenants bool
	// KeyLife is how long a key signs before the next one does, and KeyNotice how
	// long that one is published before, because others keep what was published
	// for a while. Zero means 90 days, and an hour.
	KeyLife, KeyNotice time.Duration
	Logger             *slog.Logger
}

// Service issues and verifies tokens. It is safe for concurrent use, and for use
// by several processes over one store.
type Service struct {
	cfg       Config
	audiences map[Plane]map[string]bool
	resources map[string]bool // all that a token can be for
	signing   signing
	names     *tokenNamer
	verified  *cache.Map[tokenName, *verifiedToken]
	hashing   chan struct{} // holds one element for each hash being computed
	refused   refusals
	indexed   atomic.Bool // no application lacks the records that find it
}

// cachedTokens bounds the verified tokens kept in memory, each under a kilobyte.
const cachedTokens = 4096

// New returns a service of what the store holds. It verifies nothing before
// Start.
func New(cfg Config) *Service {
	if cfg.KeyLife == 0 {
		cfg.KeyLife = keyLife
	}
	if cfg.KeyNotice == 0 {
		cfg.KeyNotice = keyNotice
	}
	s := &Service{
		cfg:       cfg,
		audiences: map[Plane]map[string]bool{},
		resources: map[string]bool{},
		names:     newTokenNamer(),
		verified:  cache.New[tokenName, *verifiedToken](cachedTokens),
		hashing:   make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	s.signing.ready = make(chan struct{})
	for plane, audiences := range cfg.Audiences {
		s.audiences[plane] = map[string]bool{}
		for _, a := range audiences {
			s.audiences[plane][foldAudience(a)] = true
			s.resources[foldAudience(a)] = true
		}
	}
	for _, r := range directoryResources {
		s.resources[foldAudience(r)] = true
	}
	return s
}

// directoryResources are the APIs of the directory. Where no plane takes tokens
// for them, clients still ask for one to read from it who they are.
var directoryResources = []string{
	"https://graph.microsoft.com", "https://graph.windows.net",
	"00000003-0000-0000-c000-000000000000", "00000002-0000-0000-c000-000000000000",
}

func foldAudience(a string) string { return strings.ToLower(strings.TrimSuffix(a, "/")) }

// Issuer returns the iss of the tokens of a tenant.
func (s *Service) Issuer(tenantID string) string {
	return strings.ReplaceAll(s.cfg.Issuer, "{tenant}", tenantID)
}

// caller returns what a token vouches for.
func (c *claims) caller() access.Caller {
	return access.Caller{TenantID: c.Tenant, ObjectID: c.Object, AppID: c.App, Issuer: c.Issuer}
}
