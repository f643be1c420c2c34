package keyops

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// jwkText is a JSON Web Key in its own encoding.
type jwkText struct {
	Kty, Crv, N, E, D, P, Q, DP, DQ, QI, X, Y, K string
}

func parseJWK(t testing.TB, text string) PrivateJWK {
	t.Helper()
	var j jwkText
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatal(err)
	}
	return PrivateJWK{
		Type: Type(j.Kty), Curve: Curve(j.Crv), N: b64(t, j.N), E: b64(t, j.E), D: b64(t, j.D), P: b64(t, j.P), Q: b64(t, j.Q),
		DP: b64(t, j.DP), DQ: b64(t, j.DQ), QI: b64(t, j.QI), X: b64(t, j.X), Y: b64(t, j.Y), K: b64(t, j.K),
	}
}

func b64(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return nil
	}
	return b
}

func readJWK(t testing.TB, name string) PrivateJWK {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "jwk", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return parseJWK(t, string(text))
}

func importedJWK(t testing.TB, name string) *Key {
	t.Helper()
	key, err := Import(readJWK(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestImportPublished takes in keys that OpenSSL's library has made, and those
// that the standards print.
func TestImportPublished(t *testing.T) {
	for _, name := range []string{"rfc7515-a2", "rfc7516-a1", "rfc7516-a2", "rfc7517-a2-rsa", "rfc7517-a2-ec", "rfc7515-a3", "rfc7515-a4", "rsa-2048-e3", "rsa-2048-e17"} {
		t.Run(name, func(t *testing.T) {
			given := readJWK(t, name)
			key, err := Import(given)
			if err != nil {
				t.Fatal(err)
			}
			want := PublicJWK{Type: given.Type, Curve: given.Curve, N: given.N, E: given.E, X: given.X, Y: given.Y}
			if !key.Public().Equal(want) {
				t.Errorf("public part %x, want %x", key.Public(), want)
			}
			stored, err := key.MarshalPrivate()
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParsePrivate(stored.Reveal())
			if err != nil || !bytes.Equal(again.jwk(t).D, given.D) || !again.Public().Equal(want) {
				t.Errorf("stored and opened it is another key: %v", err)
			}
		})
	}
}

// TestGoldenImported opens a stored key of an exponent that is never made here.
func TestGoldenImported(t *testing.T) {
	const name = "RSA-2048-e3"
	if *createGolden {
		writeGolden(t, name, importedJWK(t, "rsa-2048-e3"))
	}
	g := readGolden(t, name, Spec{Type: TypeRSA})
	k, err := ParsePrivate(g.Stored)
	if err != nil {
		t.Fatal(err)
	}
	if !k.Public().Equal(g.Public) || string(g.Public.E) != "\x03" {
		t.Errorf("public part %x, want %x with the exponent 3", k.Public(), g.Public)
	}
	checkPair(t, k, g.Public)
}

// TestImportNamesTheMember: who imports a wrong key is told where to look.
func TestImportNamesTheMember(t *testing.T) {
	rsaKey, ecKey := readJWK(t, "rfc7517-a2-rsa"), readJWK(t, "rfc7517-a2-ec")
	off := func(b []byte) []byte { c := bytes.Clone(b); c[len(c)-1] ^= 2; return c }
	tests := []struct {
		name   string
		key    PrivateJWK
		change func(*PrivateJWK)
		want   string
	}{
		{"no n", rsaKey, func(k *PrivateJWK) { k.N = nil }, "missing its member n."},
		{"no qi", rsaKey, func(k *PrivateJWK) { k.QI = nil }, "missing its member qi."},
		{"d of zeros", rsaKey, func(k *PrivateJWK) { k.D = make([]byte, 256) }, "The member d of the RSA key"},
		{"another p", rsaKey, func(k *PrivateJWK) { k.P = off(k.P) }, "The members p and q"},
		{"another dp", rsaKey, func(k *PrivateJWK) { k.DP = off(k.DP) }, "The member dp"},
		{"another dq", rsaKey, func(k *PrivateJWK) { k.DQ = off(k.DQ) }, "The member dq"},
		{"dp and dq swapped", rsaKey, func(k *PrivateJWK) { k.DP, k.DQ = k.DQ, k.DP }, "The member dp"},
		{"another qi", rsaKey, func(k *PrivateJWK) { k.QI = off(k.QI) }, "The member qi"},
		{"another e", rsaKey, func(k *PrivateJWK) { k.E = []byte{3} }, "The members d and e"},
		{"an even modulus", rsaKey, func(k *PrivateJWK) { k.N = bytes.Clone(k.N); k.N[len(k.N)-1] &^= 1 }, "The members p and q"},
		{"no d", ecKey, func(k *PrivateJWK) { k.D = nil }, "missing its member d."},
		{"a short x", ecKey, func(k *PrivateJWK) { k.X = k.X[1:] }, "The member x of the EC key has 31 bytes. On the curve P-256 it has 32"},
		{"a point off the curve", ecKey, func(k *PrivateJWK) { k.Y = off(k.Y) }, "The members x and y"},
		{"the order as scalar", ecKey, func(k *PrivateJWK) {
			k.D = number("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").Bytes()
		}, "The member d of the EC key is not a scalar"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := tt.key
			tt.change(&k)
			refused(t, tt.name, k)
			_, err := Import(k)
			if f, ok := fault.As(err); !ok || !strings.Contains(f.Message, tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestImportRefusesEitherComposite: the standard library finds a composite p,
// because it inverts q by Fermat's theorem, and once took any q.
func TestImportRefusesEitherComposite(t *testing.T) {
	k := compositeRSA(t)
	p, q := new(big.Int).SetBytes(k.P), new(big.Int).SetBytes(k.Q)
	for name, k := range map[string]PrivateJWK{"p": rsaOf(p, q, 65537), "q": rsaOf(q, p, 65537)} {
		refused(t, name, k)
		if _, err := Import(k); err == nil || !strings.Contains(err.Error(), "The member "+name+" of the RSA key is not a prime.") {
			t.Errorf("a composite %s: %v", name, err)
		}
	}
}
