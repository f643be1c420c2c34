package release

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwkOf returns the public half of a key as a JSON Web Key, with changes.
func jwkOf(t *testing.T, key any, changes map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	jwk := map[string]any{}
	if err := json.Unmarshal(text, &jwk); err != nil {
		t.Fatal(err)
	}
	maps.Copy(jwk, changes)
	return jwk
}

// attester is an attestation authority, its clock and what is known of it.
type attester struct {
	t        *testing.T
	now      time.Time
	metadata map[string]any
	keys     []any
	fail     error
	asked    []string
	log      bytes.Buffer
	signing  *ecdsa.PrivateKey
	verifier *Verifier
}

func newAttester(t *testing.T) *attester {
	t.Helper()
	a := &attester{t: t, now: time.Unix(1_700_000_000, 0), signing: ecKey(t, elliptic.P256())}
	a.metadata = map[string]any{"issuer": testIssuer, "jwks_uri": testIssuer + "/certs"}
	a.keys = []any{jwkOf(t, &a.signing.PublicKey, map[string]any{"kid": "one"})}
	a.verifier = NewVerifier(VerifierConfig{
		Fetch: a.fetch, Now: func() time.Time { return a.now }, Logger: slog.New(slog.NewTextHandler(&a.log, nil)),
	})
	return a
}

func (a *attester) fetch(_ context.Context, url string) ([]byte, error) {
	a.asked = append(a.asked, strings.TrimPrefix(url, testIssuer))
	if a.fail != nil {
		return nil, a.fail
	}
	if strings.HasSuffix(url, "/.well-known/openid-configuration") {
		return json.Marshal(a.metadata)
	}
	return json.Marshal(map[string]any{"keys": a.keys})
}

// claims are those of a good token, with changes; nil takes one away.
func (a *attester) claims(changes map[string]any) map[string]any {
	recipient := jwkOf(a.t, &rsaKey().PublicKey, map[string]any{"kid": "TpmEphemeralEncryptionKey", "key_ops": []string{"encrypt"}})
	claims := map[string]any{
		"iss": testIssuer, "exp": a.now.Unix() + 3600, "nbf": a.now.Unix(), "iat": a.now.Unix(), "sdk-test": true,
		"x-ms-runtime": map[string]any{"keys": []any{recipient}},
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (a *attester) sign(alg jose.SignatureAlgorithm, key any, kid string, payload []byte) string {
	a.t.Helper()
	var signing any = key
	if kid != "" {
		signing = jose.JSONWebKey{Key: key, KeyID: kid}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: signing}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		a.t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		a.t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		a.t.Fatal(err)
	}
	return token
}

func (a *attester) token(changes map[string]any) string {
	a.t.Helper()
	payload, err := json.Marshal(a.claims(changes))
	if err != nil {
		a.t.Fatal(err)
	}
	return a.sign(jose.ES256, a.signing, "one", payload)
}

func (a *attester) verify(token string) (*Statement, error) {
	a.t.Helper()
	return a.verifier.Verify(a.t.Context(), token, parsePolicy(a.t, policyOf(`{"claim":"sdk-test","equals":"true"}`)))
}

// refused wants the refusal of a token with the reason.
func (a *attester) refused(what, token, why string) {
	a.t.Helper()
	s, err := a.verify(token)
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Forbidden || f.Code != "Forbidden" || f.Inner != "AccessDenied" || s != nil ||
		!strings.HasPrefix(f.Message, "Target environment attestation statement cannot be verified. ") || !strings.Contains(f.Message, why) {
		a.t.Errorf("%s: %v, want %s", what, err, why)
	}
}
