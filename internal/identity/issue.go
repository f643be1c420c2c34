package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// lifetime is how long a token is good for, and backdate by how much it is
// dated back, for verifiers whose clock is slow.
const (
	lifetime = time.Hour
	backdate = 5 * time.Minute
)

// ClientCredentials is a request for a token by the grant of RFC 6749, section
// 4.4.
type ClientCredentials struct {
	// Tenant is the path segment that names the tenant. Empty means the
	// application's own, as at an ADFS endpoint.
	Tenant string
	// ClientID and Secret are what the application says of itself.
	ClientID string
	Secret   Secret
	// Resource is what the token is for: its aud, as it stands.
	Resource string
}

// Token is an access token that was issued.
type Token struct {
	Access             secret.Bytes // the compact serialisation
	Resource           string
	ClientID           string
	NotBefore, Expires time.Time
	// Lifetime is how long the token is good for from now.
	Lifetime time.Duration
}

// ClientCredentials issues a token to an application that shows its secret. Its
// error is an *Error when the request is refused, and one of IsUnavailable while
// nothing can be audited.
func (s *Service) ClientCredentials(ctx context.Context, origin audit.Origin, req ClientCredentials) (Token, error) {
	in := &signIn{name: servicePrincipalSignIn, origin: origin, resource: req.Resource}
	return s.signIn(ctx, in, func() (err error) {
		if err := req.check(); err != nil {
			return err
		}
		var tenant Tenant
		if req.Tenant != "" {
			if tenant, err = s.FindTenant(ctx, req.Tenant); err != nil {
				return err
			}
		}
		if in.app, err = s.applicant(ctx, tenant, req); err != nil {
			return err
		}
		return s.checkSecret(ctx, in.app, req)
	})
}

// signIn issues a token to the application that authenticate finds, and audits.
func (s *Service) signIn(ctx context.Context, in *signIn, authenticate func() error) (t Token, err error) {
	if err := s.cfg.Audit.Ready(); err != nil {
		return Token{}, err
	}
	if err = authenticate(); err == nil {
		t, err = s.issue(ctx, in.app.Application, in.resource)
	}
	if err := s.conclude(ctx, in, err); err != nil {
		return Token{}, err
	}
	return t, nil
}

func (req *ClientCredentials) check() error {
	switch {
	case req.ClientID == "":
		return refuse(900144, InvalidRequest, "The request body must contain the following parameter: 'client_id'.")
	case len(req.ClientID) > maxEcho:
		return clientNotFound(req.ClientID, req.Tenant)
	case req.Secret.Len() == 0:
		return noSecret()
	case req.Secret.Len() > maxSecretLength:
		return wrongSecret(req.ClientID)
	case req.Resource == "":
		return refuse(900144, InvalidRequest, "The request body must contain the following parameter: 'resource' or 'scope'.")
	}
	return nil
}

// applicant returns the application that the request says it comes from. The zero
// tenant stands for the application's own.
func (s *Service) applicant(ctx context.Context, tenant Tenant, req ClientCredentials) (*applicationRecord, error) {
	app, err := s.application(ctx, req.ClientID)
	if err != nil {
		return nil, err
	}
	if app == nil && s.cfg.OnAdopt != nil && adoptable(req.ClientID) {
		if tenant.ID == "" {
			if tenant, err = s.FindTenant(ctx, "common"); err != nil {
				return nil, err
			}
		}
		if app, err = s.adopt(ctx, tenant, req.ClientID, req.Secret); err != nil {
			return nil, err
		}
	}
	if app == nil || tenant.ID != "" && !strings.EqualFold(app.TenantID, tenant.ID) {
		return nil, clientNotFound(req.ClientID, tenant.ID)
	}
	return app, nil
}

// adoptable reports whether a client id may become part of records and logs.
func adoptable(clientID string) bool {
	for _, c := range []byte(clientID) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return clientID != ""
}

// IssueTo issues a token to a registered application without asking for a
// credential: for managed identities, which the host vouches for. Its error is an
// *Error when the application or the resource does not exist, and one of
// IsUnavailable while nothing can be audited.
func (s *Service) IssueTo(ctx context.Context, origin audit.Origin, clientID, resource string) (Token, error) {
	in := &signIn{name: managedIdentitySignIn, origin: origin, resource: resource}
	return s.signIn(ctx, in, func() (err error) {
		if in.app, err = s.application(ctx, clientID); err == nil && in.app == nil {
			err = clientNotFound(clientID, "")
		}
		return err
	})
}

// claims are those of Entra ID's access tokens of version 1.0 for applications.
type claims struct {
	Audience   string `json:"aud"`
	Issuer     string `json:"iss"`
	IssuedAt   int64  `json:"iat"`
	NotBefore  int64  `json:"nbf"`
	Expires    int64  `json:"exp"`
	App        string `json:"appid"`
	AppAuth    string `json:"appidacr"` // "1": by a client secret
	Provider   string `json:"idp"`
	Kind       string `json:"idtyp"`
	Object     string `json:"oid"`
	Subject    string `json:"sub"`
	Tenant     string `json:"tid"`
	Identifier string `json:"uti"`
	Version    string `json:"ver"`
}

func (s *Service) issue(ctx context.Context, app Application, resource string) (Token, error) {
	if !s.resources[foldAudience(resource)] {
		return Token{}, resourceNotFound(resource, app.TenantID)
	}
	if app.ObjectID == "" {
		return Token{}, noPrincipal(app.ClientID, app.TenantID)
	}
	keys, err := s.currentKeys(ctx)
	if err != nil {
		return Token{}, err
	}
	now := s.cfg.Now()
	issuer := s.Issuer(app.TenantID)
	c := claims{
		Audience: resource, Issuer: issuer, Provider: issuer,
		IssuedAt: now.Add(-backdate).Unix(), NotBefore: now.Add(-backdate).Unix(), Expires: now.Add(lifetime).Unix(),
		App: app.ClientID, AppAuth: "1", Kind: "app",
		Object: app.ObjectID, Subject: app.ObjectID, Tenant: app.TenantID, Identifier: newGUID(), Version: "1.0",
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return Token{}, fmt.Errorf("encoding a token: %w", err)
	}
	signed, err := keys.signer(now).signer.Sign(payload)
	if err != nil {
		return Token{}, fmt.Errorf("signing a token: %w", err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return Token{}, fmt.Errorf("encoding a token: %w", err)
	}
	return Token{
		Access: secret.New([]byte(text)), Resource: resource, ClientID: app.ClientID,
		NotBefore: time.Unix(c.NotBefore, 0), Expires: time.Unix(c.Expires, 0), Lifetime: lifetime - time.Second,
	}, nil
}
