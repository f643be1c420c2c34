package keyops

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var createGolden = flag.Bool("create-golden", false, "make the golden files that are missing; present ones are never changed")

// golden is a stored private key and the public part that it must open to.
type golden struct {
	Stored []byte
	Public PublicJWK
}

// TestGolden opens keys that were stored before. A file here is never changed
// or removed: somebody's database holds such bytes.
func TestGolden(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			g := readGolden(t, kind.name, kind.spec)
			k, err := ParsePrivate(g.Stored)
			if err != nil {
				t.Fatal(err)
			}
			if !k.Public().Equal(g.Public) {
				t.Errorf("public part %+v, want %+v", k.Public(), g.Public)
			}
			checkNumbers(t, g.Public, kind.spec, kind.size)
			checkPair(t, k, g.Public)
		})
	}
}

func goldenPath(name string) string { return filepath.Join("testdata", "format1", name+".json") }

func readGolden(t testing.TB, name string, spec Spec) golden {
	t.Helper()
	if *createGolden {
		makeGolden(t, name, spec)
	}
	text, err := os.ReadFile(goldenPath(name))
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func makeGolden(t testing.TB, name string, spec Spec) {
	t.Helper()
	k, err := Generate(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	writeGolden(t, name, k)
}

func writeGolden(t testing.TB, name string, k *Key) {
	t.Helper()
	stored, err := k.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(golden{stored.Reveal(), k.Public()}, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(goldenPath(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestKnownPoints: the scalar 1 is the curve's base point, and the order less 1
// is its reflection, so the standards give the answers (FIPS 186-5, SEC 2).
func TestKnownPoints(t *testing.T) {
	p256k := &elliptic.CurveParams{
		P:  number("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"),
		N:  number("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"),
		Gx: number("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
		Gy: number("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"),
	}
	curves := []struct {
		name   Curve
		params *elliptic.CurveParams
		oid    asn1.ObjectIdentifier
	}{
		{CurveP256, elliptic.P256().Params(), asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}},
		{CurveP384, elliptic.P384().Params(), asn1.ObjectIdentifier{1, 3, 132, 0, 34}},
		{CurveP521, elliptic.P521().Params(), asn1.ObjectIdentifier{1, 3, 132, 0, 35}},
		{CurveP256K, p256k, nil},
	}
	for _, c := range curves {
		width := (c.params.P.BitLen() + 7) / 8
		x, y := c.params.Gx.FillBytes(make([]byte, width)), c.params.Gy.FillBytes(make([]byte, width))
		negated := new(big.Int).Sub(c.params.P, c.params.Gy).FillBytes(make([]byte, width))
		for _, tt := range []struct {
			name   string
			scalar *big.Int
			y      []byte
		}{
			{"the scalar 1", big.NewInt(1), y},
			{"the order less 1", new(big.Int).Sub(c.params.N, big.NewInt(1)), negated},
		} {
			t.Run(string(c.name)+"/"+tt.name, func(t *testing.T) {
				scalar := tt.scalar.FillBytes(make([]byte, width))
				stored := append([]byte{1, 2}, scalar...)
				if c.oid != nil {
					stored = append([]byte{1, 1}, pkcs8EC(t, c.oid, scalar, slices.Concat([]byte{4}, x, tt.y))...)
				}
				k, err := ParsePrivate(stored)
				if err != nil {
					t.Fatal(err)
				}
				want := PublicJWK{Type: TypeEC, Curve: c.name, X: x, Y: tt.y}
				if !k.Public().Equal(want) {
					t.Errorf("public part %x, want %x", k.Public(), want)
				}
				again, err := k.MarshalPrivate()
				if err != nil || !bytes.Equal(again.Reveal(), stored) {
					t.Errorf("stored anew as %x, %v, want %x", again.Reveal(), err, stored)
				}
			})
		}
	}
}

func number(hexadecimal string) *big.Int {
	n, ok := new(big.Int).SetString(hexadecimal, 16)
	if !ok {
		panic("not a number: " + hexadecimal)
	}
	return n
}

// pkcs8EC is RFC 5958 around RFC 5915, written here a second time so that the
// stored form does not rest on one encoder's word.
func pkcs8EC(t testing.TB, curve asn1.ObjectIdentifier, scalar, point []byte) []byte {
	t.Helper()
	inner, err := asn1.Marshal(struct {
		Version int
		Scalar  []byte
		Point   asn1.BitString `asn1:"explicit,tag:1"`
	}{1, scalar, asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		Version   int
		Algorithm []asn1.ObjectIdentifier
		Key       []byte
	}{0, []asn1.ObjectIdentifier{{1, 2, 840, 10045, 2, 1}, curve}, inner})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestOpenSSL opens keys that OpenSSL has made (openssl genpkey), with the public
// part that it printed for them.
func TestOpenSSL(t *testing.T) {
	for _, tt := range []struct {
		file string
		typ  Type
	}{
		{"rsa-2048", TypeRSA}, {"p-256", TypeEC}, {"p-384", TypeEC}, {"p-521", TypeEC},
	} {
		t.Run(tt.file, func(t *testing.T) {
			der := readPEM(t, filepath.Join("testdata", "openssl", tt.file+".pem"))
			public, err := x509.ParsePKIXPublicKey(readPEM(t, filepath.Join("testdata", "openssl", tt.file+".pub.pem")))
			if err != nil {
				t.Fatal(err)
			}
			k, err := ParsePrivate(append([]byte{1, 1}, der...))
			if err != nil {
				t.Fatal(err)
			}
			got := k.Public()
			switch public := public.(type) {
			case *rsa.PublicKey:
				if !bytes.Equal(got.N, public.N.Bytes()) || got.Type != tt.typ {
					t.Errorf("%s with n = %x, want %x", got.Type, got.N, public.N)
				}
			case *ecdsa.PublicKey:
				point, err := public.Bytes()
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(slices.Concat([]byte{4}, got.X, got.Y), point) || got.Type != tt.typ {
					t.Errorf("%s with the point %x %x, want %x", got.Type, got.X, got.Y, point)
				}
			}
			checkPair(t, k, got)
		})
	}
}

func readPEM(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	if block == nil || len(rest) != 0 {
		t.Fatalf("%s is not one PEM block", path)
	}
	return block.Bytes
}

func TestParsePrivateRefuses(t *testing.T) {
	stored := func(name string) []byte { return readGolden(t, name, Spec{}).Stored }
	p256, koblitz, rsa2048 := stored("P-256"), stored("P-256K"), stored("RSA-2048")
	changed := func(b []byte, at int) []byte {
		if at < 0 {
			at += len(b)
		}
		c := bytes.Clone(b)
		c[at] ^= 1
		return c
	}
	order, _ := hex.DecodeString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	scalar1 := append(make([]byte, 31), 1)
	tests := map[string][]byte{
		"nothing":                           nil,
		"a format alone":                    {1},
		"format 0":                          changed(p256, 0),
		"format 2":                          append([]byte{2}, p256[1:]...),
		"encoding 0":                        append([]byte{1, 0}, p256[2:]...),
		"encoding 3":                        append([]byte{1, 3}, p256[2:]...),
		"the other encoding":                append([]byte{1, 2}, p256[2:]...),
		"an empty PKCS #8":                  {1, 1},
		"a cut-off key":                     p256[:len(p256)-1],
		"bytes behind an RSA key":           append(bytes.Clone(rsa2048), 0),
		"bytes behind an EC key":            append(bytes.Clone(p256), 0),
		"bytes behind an EC key's own part": behindInner(t, p256),
		"another point than the scalar's":   changed(p256, -1),
		"another scalar":                    changed(p256, 2+36),
		"no point":                          append([]byte{1, 1}, pkcs8EC(t, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, scalar1, nil)...),
		"a wrong RSA number":                changed(rsa2048, -1),
		"a scalar of 31 bytes":              koblitz[:len(koblitz)-1],
		"a scalar of 33 bytes":              append(bytes.Clone(koblitz), 0),
		"the scalar 0":                      append([]byte{1, 2}, make([]byte, 32)...),
		"the order as scalar":               append([]byte{1, 2}, order...),
		"a scalar above the order":          append([]byte{1, 2}, bytes.Repeat([]byte{0xff}, 32)...),
		"a curve that is never made":        pkcs8(t, must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))),
		"an RSA key of a size never made":   pkcs8(t, must(rsa.GenerateKey(rand.Reader, 1032))),
		"a key of another kind":             pkcs8(t, must(x509.ParsePKCS8PrivateKey(ed25519DER()))),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			k, err := ParsePrivate(b)
			if !errors.Is(err, ErrKey) || k != nil {
				t.Errorf("key %v, error %v, want ErrKey", k != nil, err)
			}
		})
	}
}

// behindInner adds a byte to the EC key inside a stored PKCS #8.
func behindInner(t *testing.T, stored []byte) []byte {
	t.Helper()
	var outer struct {
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
	}
	if _, err := asn1.Unmarshal(stored[2:], &outer); err != nil {
		t.Fatal(err)
	}
	outer.Key = append(outer.Key, 0)
	der, err := asn1.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{1, 1}, der...)
}

func pkcs8(t *testing.T, private any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{1, 1}, der...)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// ed25519DER is the example of RFC 8410 section 10.3.
func ed25519DER() []byte {
	return must(hex.DecodeString("302e020100300506032b657004220420d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842"))
}

// TestErrorsDoNotQuote: the standard parser names what it found; the error of a
// key that does not parse must not.
func TestErrorsDoNotQuote(t *testing.T) {
	for _, kind := range kinds {
		b := readGolden(t, kind.name, kind.spec).Stored
		for _, cut := range []int{3, len(b) / 2, len(b) - 1} {
			_, err := ParsePrivate(b[:cut])
			if err == nil {
				t.Fatalf("%s cut to %d bytes parses", kind.name, cut)
			}
			if text := err.Error(); len(text) > 80 || !errors.Is(err, ErrKey) {
				t.Errorf("%s cut to %d bytes: %q", kind.name, cut, text)
			}
		}
	}
}

func FuzzParsePrivate(f *testing.F) {
	for _, kind := range kinds {
		f.Add(readGolden(f, kind.name, kind.spec).Stored)
	}
	for _, name := range []string{"oct-256", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"} {
		f.Add(readGolden(f, name, Spec{Type: TypeEC}).Stored)
	}
	f.Add([]byte{})
	f.Add([]byte{1, 1, 0x30, 0})
	f.Add(append([]byte{1, 2}, make([]byte, 32)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		given := bytes.Clone(b)
		k, err := ParsePrivate(given)
		if !bytes.Equal(b, given) {
			t.Fatal("the argument was changed")
		}
		if err != nil {
			if !errors.Is(err, ErrKey) || k != nil {
				t.Fatalf("key %v with error %v", k != nil, err)
			}
			return
		}
		p := k.Public()
		clear(given) // is not kept
		stored, err := k.MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePrivate(stored.Reveal())
		if err != nil || !again.Public().Equal(p) {
			t.Fatalf("stored anew it is another key: %v", err)
		}
		if b[1] != encodingPKCS8 && !bytes.Equal(stored.Reveal(), b) {
			t.Fatal("two stored forms of one key")
		}
		if _, ok := again.private().(*koblitzKey); ok != (p.Curve == CurveP256K) {
			t.Fatalf("a key of type %T on curve %s", again.private(), p.Curve)
		}
	})
}
