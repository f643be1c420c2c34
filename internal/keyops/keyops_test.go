package keyops_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
)

func TestValidate(t *testing.T) {
	const sizes = "Supported sizes are [2048, 3072, 4096]"
	tests := []struct {
		name string
		spec keyops.Spec
		want string // part of the message; empty when it is valid
	}{
		{"RSA by default", keyops.Spec{Type: keyops.TypeRSA}, ""},
		{"RSA 2048", keyops.Spec{Type: keyops.TypeRSA, Bits: 2048}, ""},
		{"RSA 3072", keyops.Spec{Type: keyops.TypeRSA, Bits: 3072}, ""},
		{"RSA 4096", keyops.Spec{Type: keyops.TypeRSA, Bits: 4096}, ""},
		{"RSA with the usual exponent", keyops.Spec{Type: keyops.TypeRSA, PublicExponent: 65537}, ""},
		{"RSA 1024", keyops.Spec{Type: keyops.TypeRSA, Bits: 1024}, "Unsupported key size (1024). " + sizes},
		{"RSA 2049", keyops.Spec{Type: keyops.TypeRSA, Bits: 2049}, sizes},
		{"RSA 8192", keyops.Spec{Type: keyops.TypeRSA, Bits: 8192}, sizes},
		{"RSA of negative size", keyops.Spec{Type: keyops.TypeRSA, Bits: -2048}, sizes},
		{"RSA with exponent 3", keyops.Spec{Type: keyops.TypeRSA, PublicExponent: 3}, "The public exponent 3 is not supported."},
		{"RSA with a negative exponent", keyops.Spec{Type: keyops.TypeRSA, PublicExponent: -1}, "The public exponent -1 is not supported."},
		{"RSA with a curve", keyops.Spec{Type: keyops.TypeRSA, Curve: keyops.CurveP256}, "only for keys of type EC"},
		{"EC by default", keyops.Spec{Type: keyops.TypeEC}, ""},
		{"P-256", keyops.Spec{Type: keyops.TypeEC, Curve: "P-256"}, ""},
		{"P-384 with its size", keyops.Spec{Type: keyops.TypeEC, Curve: "P-384", Bits: 384}, ""},
		{"P-521 with its size", keyops.Spec{Type: keyops.TypeEC, Curve: "P-521", Bits: 521}, ""},
		{"P-256K with its size", keyops.Spec{Type: keyops.TypeEC, Curve: "P-256K", Bits: 256}, ""},
		{"the default curve with another's size", keyops.Spec{Type: keyops.TypeEC, Bits: 384}, "The key size 384 does not agree with the curve P-256."},
		{"P-521 with size 512", keyops.Spec{Type: keyops.TypeEC, Curve: "P-521", Bits: 512}, "Unsupported key size (512). Supported sizes are [256, 384, 521]"},
		{"P-224", keyops.Spec{Type: keyops.TypeEC, Curve: "P-224"}, "The curve is not supported."},
		{"a curve in the wrong case", keyops.Spec{Type: keyops.TypeEC, Curve: "p-256"}, "The curve is not supported."},
		{"the older name of P-256K", keyops.Spec{Type: keyops.TypeEC, Curve: "SECP256K1"}, "The curve is not supported."},
		{"EC with an exponent", keyops.Spec{Type: keyops.TypeEC, PublicExponent: 65537}, "only for keys of type RSA"},
		{"no type", keyops.Spec{}, "Property 'kty' is required.\r\n"},
		{"a type with its HSM suffix", keyops.Spec{Type: "RSA-HSM"}, "Invalid kty value: RSA-HSM"},
		{"a type in the wrong case", keyops.Spec{Type: "rsa"}, "Invalid kty value: rsa"},
		{"a symmetric key by default", keyops.Spec{Type: keyops.TypeOct}, ""},
		{"a symmetric key of 128 bits", keyops.Spec{Type: keyops.TypeOct, Bits: 128}, ""},
		{"a symmetric key of 512 bits", keyops.Spec{Type: keyops.TypeOct, Bits: 512}, "The key size 512 is not supported for oct keys. Supported sizes are 128, 192 and 256."},
		{"a symmetric key with a curve", keyops.Spec{Type: keyops.TypeOct, Curve: "P-256"}, "The parameter crv is only for keys of type EC."},
		{"AKP", keyops.Spec{Type: keyops.TypeAKP, Algorithm: keyops.MLDSA87}, ""},
		{"AKP without its algorithm", keyops.Spec{Type: keyops.TypeAKP}, "The algorithm of the AKP key is not supported. Supported algorithms are ML-DSA-44, ML-DSA-65 and ML-DSA-87."},
		{"AKP of another algorithm", keyops.Spec{Type: keyops.TypeAKP, Algorithm: keyops.RS256}, "The algorithm of the AKP key is not supported."},
		{"AKP with a size", keyops.Spec{Type: keyops.TypeAKP, Algorithm: keyops.MLDSA44, Bits: 44}, "The parameter key_size is not for keys of type AKP"},
		{"EC with an algorithm", keyops.Spec{Type: keyops.TypeEC, Algorithm: keyops.ES256}, "The parameter alg is only for keys of type AKP."},
		{"an unknown type", keyops.Spec{Type: keyops.Type(strings.Repeat("x", 1000))}, "Invalid kty value: " + strings.Repeat("x", 64)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkRefusal(t, tt.spec.Validate(), tt.want)
			if tt.want == "" {
				return
			}
			key, err := keyops.Generate(t.Context(), tt.spec)
			checkRefusal(t, err, tt.want)
			if key != nil {
				t.Error("Generate returned a key with its error")
			}
		})
	}
}

// checkRefusal checks for a BadParameter that says want, or for nil if want is
// empty.
func checkRefusal(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	f, ok := fault.As(err)
	if !ok {
		t.Fatalf("error %v, want a fault", err)
	}
	if f.Kind != fault.Invalid || f.Code != "BadParameter" || !strings.Contains(f.Message, want) {
		t.Errorf("%v %s %q, want invalid BadParameter with %q", f.Kind, f.Code, f.Message, want)
	}
}

func TestDefaultOps(t *testing.T) {
	for typ, want := range map[keyops.Type][]string{
		keyops.TypeRSA: {"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"},
		keyops.TypeEC:  {"sign", "verify"},
		keyops.TypeAKP: {"sign", "verify"},
	} {
		got := keyops.DefaultOps(typ)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", typ, got, want)
		}
		if err := keyops.ValidOps(typ, got); err != nil {
			t.Errorf("%s: the defaults are refused: %v", typ, err)
		}
		got[0] = "changed"
		if again := keyops.DefaultOps(typ); !slices.Equal(again, want) {
			t.Errorf("%s: after a caller changed its slice the defaults are %q", typ, again)
		}
	}
}

func TestValidOps(t *testing.T) {
	tests := []struct {
		name string
		typ  keyops.Type
		ops  []string
		want string
	}{
		{"none", keyops.TypeRSA, nil, ""},
		{"an empty list", keyops.TypeEC, []string{}, ""},
		{"all", keyops.TypeRSA, []string{"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey", "import", "export"}, ""},
		{"in another order", keyops.TypeRSA, []string{"verify", "sign"}, ""},
		{"what the type cannot do", keyops.TypeEC, []string{"encrypt"}, ""},
		{"an unknown word", keyops.TypeRSA, []string{"sign", "derive"}, "invalid value"},
		{"the path segment's case", keyops.TypeRSA, []string{"wrapkey"}, "invalid value"},
		{"an empty word", keyops.TypeEC, []string{""}, "invalid value"},
		{"a word of permissions", keyops.TypeEC, []string{"get"}, "invalid value"},
		{"twice", keyops.TypeEC, []string{"sign", "verify", "sign"}, "the value sign twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkRefusal(t, keyops.ValidOps(tt.typ, tt.ops), tt.want)
		})
	}
}

func TestPublicJWKEqual(t *testing.T) {
	point := func() keyops.PublicJWK {
		return keyops.PublicJWK{Type: keyops.TypeEC, Curve: keyops.CurveP256, X: []byte{0, 1}, Y: []byte{2}}
	}
	modulus := func() keyops.PublicJWK {
		return keyops.PublicJWK{Type: keyops.TypeRSA, N: []byte{5, 7}, E: []byte{1, 0, 1}}
	}
	lattice := func() keyops.PublicJWK {
		return keyops.PublicJWK{Type: keyops.TypeAKP, Algorithm: keyops.MLDSA44, Pub: []byte{1}}
	}
	tests := []struct {
		name   string
		of     func() keyops.PublicJWK
		change func(*keyops.PublicJWK)
		want   bool
	}{
		{"the same point", point, func(*keyops.PublicJWK) {}, true},
		{"the same modulus", modulus, func(*keyops.PublicJWK) {}, true},
		{"type", point, func(k *keyops.PublicJWK) { k.Type = keyops.TypeRSA }, false},
		{"curve", point, func(k *keyops.PublicJWK) { k.Curve = keyops.CurveP256K }, false},
		{"x", point, func(k *keyops.PublicJWK) { k.X[1]++ }, false},
		{"y", point, func(k *keyops.PublicJWK) { k.Y[0]++ }, false},
		{"width", point, func(k *keyops.PublicJWK) { k.X = k.X[1:] }, false},
		{"alg", lattice, func(k *keyops.PublicJWK) { k.Algorithm = keyops.MLDSA65 }, false},
		{"pub", lattice, func(k *keyops.PublicJWK) { k.Pub[0]++ }, false},
		{"n", modulus, func(k *keyops.PublicJWK) { k.N[0]++ }, false},
		{"e", modulus, func(k *keyops.PublicJWK) { k.E[0]++ }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := tt.of(), tt.of()
			tt.change(&b)
			if a.Equal(b) != tt.want || b.Equal(a) != tt.want {
				t.Errorf("Equal = %v and %v, want %v", a.Equal(b), b.Equal(a), tt.want)
			}
		})
	}
}

func TestPublicJWKShowsWhatItHas(t *testing.T) {
	for want, key := range map[string]keyops.PublicJWK{
		`{"kty":"RSA","n":"BQc=","e":"AQAB"}`:               {Type: keyops.TypeRSA, N: []byte{5, 7}, E: []byte{1, 0, 1}},
		`{"kty":"oct"}`:                                     {Type: keyops.TypeOct},
		`{"kty":"AKP","alg":"ML-DSA-44","pub":"AQ=="}`:      {Type: keyops.TypeAKP, Algorithm: keyops.MLDSA44, Pub: []byte{1}},
		`{"kty":"EC","crv":"P-256K","x":"AAE=","y":"Ag=="}`: {Type: keyops.TypeEC, Curve: keyops.CurveP256K, X: []byte{0, 1}, Y: []byte{2}},
	} {
		got, err := json.Marshal(key)
		if err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}
