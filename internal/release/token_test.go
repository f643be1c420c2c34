package release

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	a := newAttester(t)
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: a.now}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &rsaKey().PublicKey, rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	p384, p521 := ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521())
	a.keys = append(a.keys, "not a key", map[string]any{"kid": "unknown", "kty": "oct", "k": "AA"},
		jwkOf(t, &p384.PublicKey, map[string]any{"kid": "p384"}), jwkOf(t, &p521.PublicKey, map[string]any{"kid": "p521"}),
		jwkOf(t, &rsaKey().PublicKey, map[string]any{"kid": "rsa", "use": "sig"}),
		// As Azure's attestation service publishes its keys.
		map[string]any{"kid": "x5c", "kty": "RSA", "alg": "RS256", "x5c": []string{base64.StdEncoding.EncodeToString(der)}})
	for _, tt := range []struct {
		alg jose.SignatureAlgorithm
		key crypto.Signer
		kid string
	}{
		{jose.ES256, a.signing, "one"}, {jose.ES384, p384, "p384"}, {jose.ES512, p521, "p521"},
		{jose.RS256, rsaKey(), "rsa"}, {jose.RS384, rsaKey(), "rsa"}, {jose.RS512, rsaKey(), "rsa"},
		{jose.PS256, rsaKey(), "rsa"}, {jose.PS384, rsaKey(), "rsa"}, {jose.PS512, rsaKey(), "rsa"}, {jose.RS256, rsaKey(), "x5c"},
	} {
		for _, issuer := range []string{testIssuer, testIssuer + "/"} {
			payload, err := json.Marshal(a.claims(map[string]any{"iss": issuer}))
			if err != nil {
				t.Fatal(err)
			}
			s, err := a.verify(a.sign(tt.alg, tt.key, tt.kid, payload))
			if err != nil {
				t.Errorf("%s by %s: %v", tt.alg, tt.kid, err)
				continue
			}
			if s.Issuer != issuer || s.RecipientID != "TpmEphemeralEncryptionKey" || !s.Recipient.Equal(&rsaKey().PublicKey) || s.claims["sdk-test"] != true {
				t.Errorf("%s by %s: %+v", tt.alg, tt.kid, s)
			}
			for condition, want := range map[string]bool{`{"claim":"sdk-test","equals":"true"}`: true, `{"claim":"sdk-test","equals":"false"}`: false} {
				if got := parsePolicy(t, policyOf(condition)).Permits(s); got != want {
					t.Errorf("%s permits: %v", condition, got)
				}
			}
		}
	}
	if got := strings.Join(a.asked, " "); got != "/.well-known/openid-configuration /certs" {
		t.Errorf("asked for %s", got)
	}
}

func TestVerifyRefusesSignatures(t *testing.T) {
	t.Parallel()
	a := newAttester(t)
	a.keys = append(a.keys, jwkOf(t, &rsaKey().PublicKey, map[string]any{"kid": "rsa"}),
		jwkOf(t, &rsaKey().PublicKey, map[string]any{"kid": "enc", "use": "enc"}))
	payload, err := json.Marshal(a.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	good := a.token(nil)
	parts := strings.Split(good, ".")
	other, err := json.Marshal(a.claims(map[string]any{"sdk-test": "forged"}))
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&a.signing.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	// A signature that is good but for its length, which is padded.
	wide := b64([]byte(`{"alg":"ES512","kid":"one"}`)) + "." + parts[1]
	digest := sha512.Sum512([]byte(wide))
	r, sum, err := ecdsa.Sign(rand.Reader, a.signing, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	wide += "." + b64(append(r.FillBytes(make([]byte, 66)), sum.FillBytes(make([]byte, 66))...))
	const unsigned, foreign = "not a JSON Web Token with a signature of RSA or ECDSA", "not one of its issuer's"
	for name, tt := range map[string]struct{ token, why string }{
		"nothing":                       {"", unsigned},
		"two parts":                     {parts[0] + "." + parts[1], unsigned},
		"none":                          {b64([]byte(`{"alg":"none","kid":"one"}`)) + "." + b64(payload) + ".", unsigned},
		"no signature":                  {parts[0] + "." + parts[1] + ".", foreign},
		"HMAC with the public key":      {a.sign(jose.HS256, public, "one", payload), unsigned},
		"a key of its own":              {a.sign(jose.ES256, ecKey(t, elliptic.P256()), "one", payload), foreign},
		"another payload":               {parts[0] + "." + b64(other) + "." + parts[2], foreign},
		"another header":                {b64([]byte(`{"alg":"ES256","kid":"one","x":1}`)) + "." + parts[1] + "." + parts[2], foreign},
		"a critical header":             {b64([]byte(`{"alg":"ES256","kid":"one","crit":["x"],"x":1}`)) + "." + parts[1] + "." + parts[2], foreign},
		"RSA by the id of EC":           {a.sign(jose.RS256, rsaKey(), "one", payload), foreign},
		"EC by the id of RSA":           {a.sign(jose.ES256, a.signing, "rsa", payload), foreign},
		"an algorithm of another curve": {wide, foreign},
		"a key for encryption":          {a.sign(jose.RS256, rsaKey(), "enc", payload), "does not publish the key"},
		"an unknown key":                {a.sign(jose.ES256, a.signing, "two", payload), "does not publish the key"},
		"no kid":                        {a.sign(jose.ES256, a.signing, "", payload), "needs a kid"},
		"a payload that is not JSON":    {a.sign(jose.ES256, a.signing, "one", []byte("x")), "claims with an iss"},
		"a claim that is there twice":   {a.sign(jose.ES256, a.signing, "one", []byte(`{"iss":"`+testIssuer+`","iss":"`+testIssuer+`"}`)), "claims with an iss"},
		"a token of over 64 kilobytes":  {good + strings.Repeat("A", MaxToken), "has over 65536 bytes"},
	} {
		a.refused(name, tt.token, tt.why)
	}
	if _, err := a.verify(good); err != nil {
		t.Error(err)
	}
}

func TestVerifyRefusesClaims(t *testing.T) {
	t.Parallel()
	a := newAttester(t)
	now := a.now.Unix()
	small := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2046, 1), E: 65537}
	runtime := func(changes map[string]any) map[string]any {
		return map[string]any{"x-ms-runtime": map[string]any{"keys": []any{jwkOf(t, &rsaKey().PublicKey, changes)}}}
	}
	const dateless, expired, early, keyless = "needs an exp", "has expired", "not valid yet", "needs an RSA key of 2048 bits"
	for name, tt := range map[string]struct {
		changes map[string]any
		why     string
	}{
		"no issuer":                {map[string]any{"iss": nil}, "claims with an iss"},
		"no end":                   {map[string]any{"exp": nil}, dateless},
		"an end that is a text":    {map[string]any{"exp": fmt.Sprint(now + 60)}, dateless},
		"an end before all time":   {map[string]any{"exp": -1}, dateless},
		"an end beyond all time":   {map[string]any{"exp": 1e300}, dateless},
		"expired":                  {map[string]any{"exp": now - 60}, expired},
		"not yet":                  {map[string]any{"nbf": now + 61}, early},
		"a beginning that is text": {map[string]any{"nbf": "now"}, early},

		"no runtime":                    {map[string]any{"x-ms-runtime": nil}, keyless},
		"a runtime that is a text":      {map[string]any{"x-ms-runtime": "x"}, keyless},
		"no keys":                       {map[string]any{"x-ms-runtime": map[string]any{}}, keyless},
		"keys that are none":            {map[string]any{"x-ms-runtime": map[string]any{"keys": []any{1, "x", nil}}}, keyless},
		"a key in the isolation claims": {map[string]any{"x-ms-runtime": nil, "x-ms-isolation-tee": runtime(map[string]any{"kid": "k", "use": "enc"})}, keyless},
		"a key for nothing":             {runtime(map[string]any{"kid": "k"}), keyless},
		"a key to sign with":            {runtime(map[string]any{"kid": "k", "use": "sig", "key_ops": []string{"verify"}}), keyless},
		"a key without id":              {runtime(map[string]any{"use": "enc"}), keyless},
		"a small key":                   {map[string]any{"x-ms-runtime": map[string]any{"keys": []any{jwkOf(t, small, map[string]any{"kid": "k", "use": "enc"})}}}, keyless},
		"an exponent of 1":              {runtime(map[string]any{"kid": "k", "use": "enc", "e": "AQ"}), keyless},
		"a long exponent":               {runtime(map[string]any{"kid": "k", "use": "enc", "e": "AQAAAAE"}), keyless},
		"a key of EC":                   {map[string]any{"x-ms-runtime": map[string]any{"keys": []any{jwkOf(t, &a.signing.PublicKey, map[string]any{"kid": "k", "use": "enc"})}}}, keyless},
	} {
		a.refused(name, a.token(tt.changes), tt.why)
	}
	// Within the leeway, and with each of the ways to say what a key is for.
	for name, changes := range map[string]map[string]any{
		"expired a moment ago": {"exp": now - 59}, "valid in a moment": {"nbf": now + 60}, "a fraction": {"exp": float64(now) + 0.5}, "no beginning": {"nbf": nil},
		"use": runtime(map[string]any{"kid": "k", "use": "enc"}), "key_use": runtime(map[string]any{"kid": "k", "key_use": "enc"}),
		"key_ops": runtime(map[string]any{"kid": "k", "key_ops": []string{"wrapKey", "Encrypt"}}),
	} {
		if _, err := a.verify(a.token(changes)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The first suitable key is the one, whatever else there is.
func TestRecipient(t *testing.T) {
	t.Parallel()
	a := newAttester(t)
	keys := []any{
		jwkOf(t, &a.signing.PublicKey, map[string]any{"kid": "ec", "use": "enc"}),
		jwkOf(t, &rsaKey().PublicKey, map[string]any{"kid": "HCLAkPub", "use": "sig"}),
		jwkOf(t, &rsaKey().PublicKey, map[string]any{"kid": "first", "use": "enc"}),
		jwkOf(t, &rsaKey().PublicKey, map[string]any{"kid": "second", "use": "enc"}),
	}
	s, err := a.verify(a.token(map[string]any{"x-ms-runtime": map[string]any{"keys": keys}}))
	if err != nil || s.RecipientID != "first" {
		t.Errorf("%+v, %v", s, err)
	}
}

// An issuer that the policy does not name is not asked for anything.
func TestUntrustedIssuer(t *testing.T) {
	t.Parallel()
	a := newAttester(t)
	for _, issuer := range []string{"https://169.254.169.254", "https://attest.example.com.evil.example", "http://attest.example.com", "attest.example.com"} {
		_, err := a.verify(a.token(map[string]any{"iss": issuer}))
		if f, ok := fault.As(err); !ok || f.Kind != fault.Forbidden || f.Inner != "AccessDenied" || f.Message != "Target environment attestation does not meet key release policy requirements." {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	if len(a.asked) != 0 {
		t.Errorf("asked for %v", a.asked)
	}
}

func TestAuthorityMetadata(t *testing.T) {
	t.Parallel()
	const unreachable = "cannot be fetched at the moment"
	for name, tt := range map[string]struct {
		issuer, keys any
		log          string
	}{
		"no jwks_uri":           {testIssuer, nil, "no jwks_uri on the authority's own host"},
		"another host":          {testIssuer, "https://keys.example.com/certs", "no jwks_uri on the authority's own host"},
		"a host that it begins": {testIssuer, testIssuer + ".evil.example/certs", "no jwks_uri on the authority's own host"},
		"another port":          {testIssuer, testIssuer + ":8443/certs", "no jwks_uri on the authority's own host"},
		"http":                  {testIssuer, "http://attest.example.com/certs", "no jwks_uri on the authority's own host"},
		"a path":                {testIssuer, "/certs", "no jwks_uri on the authority's own host"},
		"not a URL":             {testIssuer, "https://[", "no jwks_uri on the authority's own host"},
		"another issuer":        {"https://other.example.com", testIssuer + "/certs", "another issuer's"},
		"an issuer of no text":  {1, testIssuer + "/certs", "another issuer's"},
	} {
		a := newAttester(t)
		a.metadata = map[string]any{"issuer": tt.issuer, "jwks_uri": tt.keys}
		a.refused(name, a.token(nil), unreachable)
		if len(a.asked) != 1 || !strings.Contains(a.log.String(), tt.log) {
			t.Errorf("%s: asked for %v, logged %s", name, a.asked, a.log.String())
		}
	}
	for name, metadata := range map[string]map[string]any{
		"without an issuer": {"jwks_uri": testIssuer + "/keys?x=1"}, "with a slash": {"issuer": testIssuer + "/", "jwks_uri": "https://ATTEST.example.com:443/certs"},
	} {
		a := newAttester(t)
		a.metadata = metadata
		if _, err := a.verify(a.token(nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, keys := range map[string][]any{
		"an id twice":   {jwkOf(t, &rsaKey().PublicKey, map[string]any{"kid": "one"}), jwkOf(t, &rsaKey().PublicKey, map[string]any{"kid": "one"})},
		"too many keys": make([]any, maxKeys+1),
	} {
		a := newAttester(t)
		a.keys = keys
		a.refused(name, a.token(nil), unreachable)
	}
}

// When an authority is asked, and for how long what it says is believed.
func TestAuthorityCache(t *testing.T) {
	t.Parallel()
	a := newAttester(t)
	asked := func(want int) {
		t.Helper()
		if len(a.asked) != want {
			t.Fatalf("asked %d times, want %d", len(a.asked), want)
		}
	}
	works := func() {
		t.Helper()
		if _, err := a.verify(a.token(nil)); err != nil {
			t.Fatal(err)
		}
	}
	unknown := func(why string) {
		t.Helper()
		a.refused("an unknown key", a.sign(jose.ES256, a.signing, "two", []byte(a.payload())), why)
	}
	const missing, unreachable = "does not publish the key", "cannot be fetched at the moment"

	works()
	asked(2)
	for range 3 {
		works()
		unknown(missing) // not again within the minute
	}
	asked(2)
	a.now = a.now.Add(refetchAfter)
	for range 3 {
		unknown(missing)
	}
	asked(4)
	works()
	asked(4)

	// A failure leaves the keys that are known, and is not repeated at once.
	a.fail = errors.New("the secret address 10.1.2.3")
	a.now = a.now.Add(refetchAfter)
	for range 3 {
		unknown(missing)
		works()
	}
	asked(5)
	a.now = a.now.Add(retryAfter)
	unknown(missing)
	asked(6)
	// But not for ever: what is withdrawn ends within the hour.
	a.now = a.now.Add(keysLife)
	a.refused("keys that are old", a.token(nil), unreachable)
	a.refused("keys that are old", a.token(nil), unreachable)
	asked(7)
	if !strings.Contains(a.log.String(), "10.1.2.3") {
		t.Errorf("the log does not say why: %s", a.log.String())
	}
	a.fail = nil
	a.refused("right after a failure", a.token(nil), unreachable)
	a.now = a.now.Add(retryAfter)
	works()
	asked(9)

	// A key that an authority no longer publishes.
	a.keys = []any{jwkOf(t, &rsaKey().PublicKey, map[string]any{"kid": "three"})}
	a.now = a.now.Add(keysLife)
	a.refused("a withdrawn key", a.token(nil), missing)
	asked(11)
}

func (a *attester) payload() string {
	a.t.Helper()
	payload, err := json.Marshal(a.claims(nil))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(payload)
}

// A caller who goes leaves no failure behind.
func TestCallerGoes(t *testing.T) {
	t.Parallel()
	a := newAttester(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.fail = context.Canceled
	policy := parsePolicy(t, policyOf(`{"claim":"sdk-test","equals":"true"}`))
	if _, err := a.verifier.Verify(ctx, a.token(nil), policy); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	a.fail = nil
	if _, err := a.verify(a.token(nil)); err != nil {
		t.Error(err)
	}
}

// Whatever an authority publishes, its keys are read without a panic.
func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kid":"a","kty":"RSA","n":"` + b64(rsaKey().N.Bytes()) + `","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kid":"a","kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`))
	f.Add([]byte(`{"keys":[{"kid":"a","kty":"RSA","x5c":["MIIB"]},{"kid":1},[]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeys(text)
		if err != nil && keys != nil {
			t.Fatal("keys with an error")
		}
		for id, key := range keys {
			if _, err := checkKey(key); err != nil || id == "" {
				t.Fatalf("%q: %v", id, err)
			}
		}
	})
}

// Whatever somebody sends as a token is refused or believed, and never anything
// but that.
func FuzzToken(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2F0dGVzdC5leGFtcGxlLmNvbSJ9.AAAA")
	f.Add("a.b.c")
	policy, err := ParsePolicy([]byte(policyOf(`{"claim":"a","exists":true}`)))
	if err != nil {
		f.Fatal(err)
	}
	v := NewVerifier(VerifierConfig{
		Fetch: func(_ context.Context, url string) ([]byte, error) {
			if !strings.HasPrefix(url, testIssuer+"/") {
				return nil, fmt.Errorf("a request to %s", url)
			}
			return nil, errors.New("down")
		},
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	f.Fuzz(func(t *testing.T, token string) {
		s, err := v.Verify(t.Context(), token, policy)
		if s != nil || fault.KindOf(err) != fault.Forbidden {
			t.Fatalf("%+v, %v", s, err)
		}
	})
}
