package release

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openkeyvault/openkeyvault/internal/cache"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

const (
	// MaxToken bounds an attestation token, in bytes.
	MaxToken = 64 << 10
	// clockLeeway is how far an authority's clock may be off.
	clockLeeway = time.Minute
)

// algorithms are those by which tokens may be signed: no secret is shared with an
// authority, so that what is signed with one is never believed.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
}

// Statement is what an authority has attested of an environment, verified.
type Statement struct {
	// Issuer is the authority, as the token names it.
	Issuer string
	// Recipient is a public key whose private half only the environment has, and
	// RecipientID its id.
	Recipient   *rsa.PublicKey
	RecipientID string

	claims object
}

// VerifierConfig is what a Verifier works with. All fields are required.
type VerifierConfig struct {
	// Fetch returns what is at a URL that a user has written down. It bounds the
	// time and the size, and refuses where it may not go.
	Fetch func(ctx context.Context, url string) ([]byte, error)
	// Now is the wall clock.
	Now    func() time.Time
	Logger *slog.Logger
}

// Verifier verifies attestation tokens. It is safe for concurrent use.
type Verifier struct {
	cfg         VerifierConfig
	authorities *cache.Map[string, authorityKeys] // by issuer
}

// NewVerifier returns a verifier that knows no authority yet.
func NewVerifier(cfg VerifierConfig) *Verifier {
	return &Verifier{cfg: cfg, authorities: cache.New[string, authorityKeys](maxAuthorities)}
}

// Verify returns what a token attests, if its issuer is one that the policy trusts
// and everything else about it is right. The error is a *fault.Error of kind
// Forbidden that says what is wrong with the token, and nothing about the way to
// the authority. No request is made for an issuer that the policy does not trust.
func (v *Verifier) Verify(ctx context.Context, token string, policy *Policy) (*Statement, error) {
	if len(token) > MaxToken {
		return nil, unverified("It has over " + strconv.Itoa(MaxToken) + " bytes.")
	}
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, unverified("It is not a JSON Web Token with a signature of RSA or ECDSA.")
	}
	id := jws.Signatures[0].Header.KeyID
	unproved, err := decodeObject(jws.UnsafePayloadWithoutVerification())
	if err != nil || id == "" || unproved.text("iss") == "" {
		return nil, unverified("It needs a kid in its header, and claims with an iss.")
	}
	issuer := unproved.text("iss")
	if !policy.Trusts(issuer) {
		return nil, NotPermitted()
	}
	key, err := v.key(ctx, issuer, id)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, unverified("Its signature is not one of its issuer's.")
	}
	return v.statement(payload)
}

// statement reads claims whose signature is good.
func (v *Verifier) statement(payload []byte) (*Statement, error) {
	claims, err := decodeObject(payload)
	if err != nil {
		return nil, unverified("Its claims are not readable.")
	}
	expires, ok := seconds(claims["exp"])
	if !ok {
		return nil, unverified("It needs an exp, the time at which it expires.")
	}
	now := v.cfg.Now()
	if !now.Before(expires.Add(clockLeeway)) {
		return nil, unverified("It has expired.")
	}
	if from, there := claims["nbf"]; there {
		if starts, ok := seconds(from); !ok || now.Add(clockLeeway).Before(starts) {
			return nil, unverified("It is not valid yet.")
		}
	}
	s := &Statement{Issuer: claims.text("iss"), claims: claims}
	if s.Recipient, s.RecipientID, ok = recipient(claims); !ok {
		return nil, unverified("It needs an RSA key of 2048 bits or more for encryption, with a kid, in its claim x-ms-runtime.keys.")
	}
	return s, nil
}

// seconds reads a NumericDate of RFC 7519.
func seconds(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	const most = 1 << 40 // far beyond any date, and within what time can add to
	if err != nil || f < 0 || f > most {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// recipient returns the first key of the environment that is for encryption.
func recipient(claims object) (*rsa.PublicKey, string, bool) {
	found, _ := claims.find("x-ms-runtime.keys")
	keys, _ := found.(list)
	for _, k := range keys {
		jwk, ok := k.(object)
		if !ok || !forEncryption(jwk) || jwk.text("kid") == "" {
			continue
		}
		key, err := publicKey(jwk)
		if public, ok := key.(*rsa.PublicKey); ok && err == nil {
			return public, jwk.text("kid"), true
		}
	}
	return nil, "", false
}

func unverified(why string) *fault.Error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Target environment attestation statement cannot be verified. %s", why).WithInner("AccessDenied")
}

// NotPermitted is the refusal of what was attested and does not meet the policy.
func NotPermitted() *fault.Error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Target environment attestation does not meet key release policy requirements.").WithInner("AccessDenied")
}
