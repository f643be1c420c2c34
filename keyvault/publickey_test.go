package keyvault

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
)

// rfc7517EC is the elliptic-curve key of RFC 7517 appendix A.1.
const rfc7517EC = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`

func parseJWK(t *testing.T, text string) *api.JSONWebKey {
	t.Helper()
	k := new(api.JSONWebKey)
	if err := json.Unmarshal([]byte(text), k); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPublicKey(t *testing.T) {
	t.Parallel()
	k := parseJWK(t, rfc7517EC)
	public, err := PublicKey(k)
	if err != nil {
		t.Fatal(err)
	}
	ec := public.(*ecdsa.PublicKey)
	point, err := ec.Bytes()
	if err != nil || ec.Curve != elliptic.P256() || string(point[1:]) != string(k.X)+string(k.Y) {
		t.Errorf("the point is %x, %v", point, err)
	}
	n := testRSA().N
	public, err = PublicKey(&api.JSONWebKey{Kty: api.KeyTypeRSAHSM, N: append([]byte{0}, n.Bytes()...), E: []byte{0, 1, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if got := public.(*rsa.PublicKey); got.N.Cmp(n) != 0 || got.E != 65537 {
		t.Errorf("the RSA key is %v", got)
	}
}

// TestPublicKeyShortCoordinates takes coordinates whose leading zeros were left
// out, as one in 128 keys has them.
func TestPublicKeyShortCoordinates(t *testing.T) {
	t.Parallel()
	curve := elliptic.P384()
	for {
		key := newECDSA(t, curve)
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		x, y := new(big.Int).SetBytes(point[1:49]).Bytes(), new(big.Int).SetBytes(point[49:]).Bytes()
		if len(x) == 48 && len(y) == 48 {
			continue
		}
		public, err := PublicKey(&api.JSONWebKey{Kty: api.KeyTypeEC, Crv: api.CurveP384, X: x, Y: y})
		if err != nil || !key.PublicKey.Equal(public) {
			t.Errorf("coordinates of %d and %d bytes: %v, %v", len(x), len(y), public, err)
		}
		return
	}
}

func TestPublicKeyRefuses(t *testing.T) {
	t.Parallel()
	good := parseJWK(t, rfc7517EC)
	modulus := testRSA().N.Bytes()
	for _, tt := range []struct {
		name string
		key  *api.JSONWebKey
		want string
	}{
		{"nil", nil, "there is no key"},
		{"no type", &api.JSONWebKey{}, `type ""`},
		{"AKP", &api.JSONWebKey{Kty: api.KeyTypeAKP}, `type "AKP"`},
		{"oct", &api.JSONWebKey{Kty: api.KeyTypeOct, K: []byte{1}}, "no public part"},
		{"no curve", &api.JSONWebKey{Kty: api.KeyTypeEC, X: good.X, Y: good.Y}, `curve ""`},
		{"P-256K", &api.JSONWebKey{Kty: api.KeyTypeEC, Crv: api.CurveP256K}, "secp256k1"},
		{"SECP256K1", &api.JSONWebKey{Kty: api.KeyTypeECHSM, Crv: api.CurveSECP256K1}, "secp256k1"},
		{"no y", &api.JSONWebKey{Kty: api.KeyTypeEC, Crv: api.CurveP256, X: good.X}, "not coordinates on the curve P-256"},
		{"long x", &api.JSONWebKey{Kty: api.KeyTypeEC, Crv: api.CurveP256, X: make([]byte, 33), Y: good.Y}, "not coordinates"},
		{"beside the curve", &api.JSONWebKey{Kty: api.KeyTypeEC, Crv: api.CurveP256, X: good.Y, Y: good.X}, "not a point on the curve P-256"},
		{"infinity", &api.JSONWebKey{Kty: api.KeyTypeEC, Crv: api.CurveP256, X: make([]byte, 32), Y: make([]byte, 32)}, "not a point"},
		{"no modulus", &api.JSONWebKey{Kty: api.KeyTypeRSA, E: []byte{3}}, "member n"},
		{"even modulus", &api.JSONWebKey{Kty: api.KeyTypeRSA, N: append(modulus[:255:255], 2), E: []byte{3}}, "member n"},
		{"long modulus", &api.JSONWebKey{Kty: api.KeyTypeRSA, N: make([]byte, 2049), E: []byte{3}}, "member n"},
		{"no exponent", &api.JSONWebKey{Kty: api.KeyTypeRSA, N: modulus}, "member e"},
		{"exponent 1", &api.JSONWebKey{Kty: api.KeyTypeRSA, N: modulus, E: []byte{1}}, "member e"},
		{"even exponent", &api.JSONWebKey{Kty: api.KeyTypeRSA, N: modulus, E: []byte{4}}, "member e"},
		{"large exponent", &api.JSONWebKey{Kty: api.KeyTypeRSA, N: modulus, E: []byte{0x80, 0, 0, 1}}, "member e"},
		{"long exponent", &api.JSONWebKey{Kty: api.KeyTypeRSA, N: modulus, E: make([]byte, 9)}, "member e"},
	} {
		if public, err := PublicKey(tt.key); err == nil || public != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v, want %q", tt.name, public, err, tt.want)
		}
	}
}

// FuzzPublicKey checks that a key that is taken is one that x509 takes, too.
func FuzzPublicKey(f *testing.F) {
	f.Add([]byte(rfc7517EC))
	f.Add([]byte(`{"kty":"RSA","n":"AQAB","e":"AQAB"}`))
	f.Add([]byte(`{"kty":"EC-HSM","crv":"P-521","x":"AA","y":"AA"}`))
	f.Add([]byte(`{"kty":"EC","crv":"P-256K"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k := new(api.JSONWebKey)
		if json.Unmarshal(text, k) != nil {
			return
		}
		public, err := PublicKey(k)
		if err != nil {
			return
		}
		if _, err := x509.MarshalPKIXPublicKey(public); err != nil {
			t.Errorf("x509 refuses %s: %v", k, err)
		}
	})
}
