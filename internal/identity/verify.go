package identity

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openkeyvault/openkeyvault/internal/access"
)

// maxToken bounds a bearer token: ours have about one kilobyte.
const maxToken = 16 << 10

// verifiedToken is what stays of a token whose signature and issuer were found
// right. It is never changed. Its times and its audience are looked at on each use.
type verifiedToken struct {
	key                string // the id of the one that signed it
	caller             access.Caller
	audience           string
	folded             string // the audience, as it is looked for
	notBefore, expires time.Time
}

// Verify returns who sends a bearer token to the plane. The token must be signed
// by a key of this service, have its issuer, an audience of the plane, and be
// within its time. A token that is not believed gives a *fault.Error of kind
// Unauthenticated in the plane's own words.
func (s *Service) Verify(ctx context.Context, plane Plane, bearer string) (access.Caller, error) {
	if len(bearer) > maxToken {
		return access.Caller{}, malformed(plane)
	}
	name := s.names.nameOf(bearer)
	token, known := s.verified.Get(name)
	if known && s.signing.keys.Load().find(token.key) == nil {
		s.verified.Delete(name) // with its key
		known = false
	}
	if !known {
		var err error
		if token, err = s.verifyNew(ctx, plane, bearer); err != nil {
			return access.Caller{}, err
		}
	}
	now := s.cfg.Now()
	if now.Before(token.notBefore) || !now.Before(token.expires) || !s.audiences[plane][token.folded] {
		return access.Caller{}, s.unsuitable(plane, name, token, now)
	}
	if !known {
		s.verified.Put(name, token)
	}
	return token.caller, nil
}

// unsuitable says why a token of ours is not good for the plane at this time.
func (s *Service) unsuitable(plane Plane, name tokenName, token *verifiedToken, now time.Time) error {
	switch {
	case !now.Before(token.expires):
		s.verified.Delete(name)
		return expired(plane, token.expires, now)
	case now.Before(token.notBefore):
		return notYetValid(plane, token.notBefore, now)
	}
	return wrongAudience(plane, s.cfg.Audiences[plane], token.audience)
}

// verifyNew verifies the signature and the issuer of a token.
func (s *Service) verifyNew(ctx context.Context, plane Plane, bearer string) (*verifiedToken, error) {
	key, c, err := s.verifySignature(ctx, plane, bearer)
	if err != nil {
		return nil, err
	}
	if want := s.Issuer(c.Tenant); c.Issuer != want || c.Tenant == "" || c.Object == "" {
		return nil, wrongIssuer(plane, want, c.Issuer)
	}
	return &verifiedToken{key, c.caller(), c.Audience, foldAudience(c.Audience), time.Unix(c.NotBefore, 0), time.Unix(c.Expires, 0)}, nil
}

// verifySignature returns the claims of a token that one of our keys has signed,
// and the id of the key.
func (s *Service) verifySignature(ctx context.Context, plane Plane, bearer string) (keyID string, c *claims, err error) {
	// Only the compact form, only RS256: what else the library can do is not
	// asked of it.
	jws, err := jose.ParseSignedCompact(bearer, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		if unsigned(bearer) {
			return "", nil, badSignature(plane)
		}
		return "", nil, malformed(plane)
	}
	key, err := s.keyByID(ctx, jws.Signatures[0].Protected.KeyID)
	if err != nil {
		return "", nil, err
	}
	if key == nil {
		return "", nil, badSignature(plane)
	}
	payload, err := jws.Verify(&key.private.PublicKey)
	if err != nil {
		return "", nil, badSignature(plane)
	}
	c = new(claims)
	if err := json.Unmarshal(payload, c); err != nil {
		return "", nil, malformed(plane)
	}
	return key.id, c, nil
}

// unsigned reports whether the text has the form of a token, which then has
// another algorithm than ours or none.
func unsigned(bearer string) bool { return strings.Count(bearer, ".") == 2 }
