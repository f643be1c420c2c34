package keyops

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// private returns all numbers of a key, as an importer would have them.
func (k *Key) jwk(t testing.TB) PrivateJWK {
	t.Helper()
	p := k.Public()
	out := PrivateJWK{Type: p.Type, Curve: p.Curve, N: p.N, E: p.E, X: p.X, Y: p.Y}
	switch private := k.private().(type) {
	case *rsa.PrivateKey:
		private.Precompute()
		out.D, out.P, out.Q = private.D.Bytes(), private.Primes[0].Bytes(), private.Primes[1].Bytes()
		out.DP, out.DQ, out.QI = private.Precomputed.Dp.Bytes(), private.Precomputed.Dq.Bytes(), private.Precomputed.Qinv.Bytes()
	case *ecdsa.PrivateKey:
		var err error
		if out.D, err = private.Bytes(); err != nil {
			t.Fatal(err)
		}
	case *koblitzKey:
		d := private.Key.Bytes()
		out.D = d[:]
	}
	return out
}

func generated(t testing.TB, spec Spec) *Key {
	t.Helper()
	key, err := Generate(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var importable = []Spec{
	{Type: TypeRSA, Bits: 2048}, {Type: TypeEC, Curve: CurveP256}, {Type: TypeEC, Curve: CurveP384},
	{Type: TypeEC, Curve: CurveP521}, {Type: TypeEC, Curve: CurveP256K},
}

// TestImport takes keys of every kind in, and out again by what is stored.
func TestImport(t *testing.T) {
	for _, spec := range importable {
		t.Run(string(spec.Type)+string(spec.Curve), func(t *testing.T) {
			key := generated(t, spec)
			imported, err := Import(key.jwk(t))
			if err != nil {
				t.Fatal(err)
			}
			stored, err := imported.MarshalPrivate()
			if err != nil {
				t.Fatal(err)
			}
			want, err := key.MarshalPrivate()
			if err != nil || !bytes.Equal(stored.Reveal(), want.Reveal()) {
				t.Errorf("another key came in: %v", err)
			}
			again, err := ParsePrivate(stored.Reveal())
			if err != nil || !again.Public().Equal(key.Public()) {
				t.Errorf("it does not open again: %v", err)
			}
		})
	}
}

// TestImportLeadingZeros tolerates them in RSA numbers, and only there.
func TestImportLeadingZeros(t *testing.T) {
	jwk := generated(t, importable[0]).jwk(t)
	for _, m := range jwk.members() {
		*m.bytes = append([]byte{0, 0}, *m.bytes...)
	}
	if _, err := Import(jwk); err != nil {
		t.Error(err)
	}
}

type jwkMember struct {
	name  string
	bytes *[]byte
}

// members are those that the type must have.
func (k *PrivateJWK) members() []jwkMember {
	if k.Type == TypeRSA {
		return []jwkMember{{"n", &k.N}, {"e", &k.E}, {"d", &k.D}, {"p", &k.P}, {"q", &k.Q}, {"dp", &k.DP}, {"dq", &k.DQ}, {"qi", &k.QI}}
	}
	return []jwkMember{{"x", &k.X}, {"y", &k.Y}, {"d", &k.D}}
}

// TestImportRefuses spoils every member in every way. The refusal names the type
// and shows no number.
func TestImportRefuses(t *testing.T) {
	spoil := map[string]func([]byte) []byte{
		"missing": func([]byte) []byte { return nil },
		"zero":    func(b []byte) []byte { return make([]byte, len(b)) },
		"one off": func(b []byte) []byte { c := slices.Clone(b); c[len(c)-1] ^= 1; return c },
		"two off": func(b []byte) []byte { c := slices.Clone(b); c[len(c)-1] ^= 2; return c },
		"longer":  func(b []byte) []byte { return append(slices.Clone(b), 1) },
		"shorter": func(b []byte) []byte { return b[:len(b)-1] },
		"huge":    func([]byte) []byte { return bytes.Repeat([]byte{0xff}, 100_000) },
		"ones":    func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) },
	}
	for _, spec := range importable {
		whole := generated(t, spec).jwk(t)
		for i, m := range whole.members() {
			for what, change := range spoil {
				k := whole
				*k.members()[i].bytes = change(*m.bytes)
				refused(t, fmt.Sprintf("%s%s, %s %s", spec.Type, spec.Curve, m.name, what), k)
			}
		}
	}
	ec := generated(t, importable[1]).jwk(t)
	for name, k := range map[string]PrivateJWK{
		"no type": {}, "a symmetric key": {Type: "oct", D: []byte{1}}, "an unknown type": {Type: "OKP"},
		"another curve":           {Type: TypeEC, Curve: CurveP256K, X: ec.X, Y: ec.Y, D: ec.D},
		"no curve":                {Type: TypeEC, X: ec.X, Y: ec.Y, D: ec.D},
		"the point of another":    {Type: TypeEC, Curve: CurveP256, X: ec.X, Y: ec.Y, D: generated(t, importable[1]).jwk(t).D},
		"coordinates swapped":     {Type: TypeEC, Curve: CurveP256, X: ec.Y, Y: ec.X, D: ec.D},
		"a padded scalar of EC":   {Type: TypeEC, Curve: CurveP256, X: ec.X, Y: ec.Y, D: append([]byte{0}, ec.D...)},
		"an EC key called RSA":    {Type: TypeRSA, X: ec.X, Y: ec.Y, D: ec.D},
		"primes swapped":          swapPrimes(generated(t, importable[0]).jwk(t)),
		"a small modulus":         smallRSA(t),
		"a composite prime":       compositeRSA(t),
		"another modulus":         anotherModulus(t),
		"an even exponent":        withExponent(generated(t, importable[0]).jwk(t), 65536),
		"an exponent of 1":        withExponent(generated(t, importable[0]).jwk(t), 1),
		"an exponent beyond 2^31": withExponent(generated(t, importable[0]).jwk(t), 1<<31+1),
	} {
		refused(t, name, k)
	}
}

func refused(t *testing.T, name string, k PrivateJWK) {
	t.Helper()
	key, err := Import(k)
	f, ok := fault.As(err)
	if key != nil || !ok || f.Kind != fault.Invalid || f.Code != "BadParameter" || f.Message == "" {
		t.Errorf("%s: imported %v, error %v", name, key != nil, err)
		return
	}
	for _, m := range k.members() {
		if n := new(big.Int).SetBytes(*m.bytes); n.BitLen() > 32 && strings.Contains(f.Message, n.String()) {
			t.Errorf("%s: the refusal shows %s", name, m.name)
		}
	}
}

func swapPrimes(k PrivateJWK) PrivateJWK {
	k.P, k.Q = k.Q, k.P
	return k
}

func withExponent(k PrivateJWK, e int64) PrivateJWK {
	k.E = big.NewInt(e).Bytes()
	return k
}

func smallRSA(t *testing.T) PrivateJWK {
	t.Helper()
	p, q := prime(t, 512), prime(t, 512)
	return rsaOf(p, q, 65537)
}

// compositeRSA has numbers that agree but for p being no prime.
func compositeRSA(t *testing.T) PrivateJWK {
	t.Helper()
	for {
		p := new(big.Int).Mul(prime(t, 512), prime(t, 512))
		q := prime(t, 1024)
		if k := rsaOf(p, q, 65537); new(big.Int).SetBytes(k.N).BitLen() == 2048 {
			return k
		}
	}
}

func anotherModulus(t *testing.T) PrivateJWK {
	t.Helper()
	k := generated(t, importable[0]).jwk(t)
	k.N = generated(t, importable[0]).jwk(t).N
	return k
}

func prime(t *testing.T, bits int) *big.Int {
	t.Helper()
	p, err := rand.Prime(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rsaOf computes the numbers of a key as if p and q were primes.
func rsaOf(p, q *big.Int, e int64) PrivateJWK {
	one := big.NewInt(1)
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	exponent := big.NewInt(e)
	d := new(big.Int).ModInverse(exponent, new(big.Int).Mul(p1, q1))
	if d == nil {
		d = one
	}
	qi := new(big.Int).ModInverse(q, p)
	if qi == nil {
		qi = one
	}
	return PrivateJWK{
		Type: TypeRSA, N: new(big.Int).Mul(p, q).Bytes(), E: exponent.Bytes(), D: d.Bytes(), P: p.Bytes(), Q: q.Bytes(),
		DP: new(big.Int).Mod(d, p1).Bytes(), DQ: new(big.Int).Mod(d, q1).Bytes(), QI: qi.Bytes(),
	}
}

// TestImportOtherExponents takes keys in that are never made here, and stores
// them so that they open again.
func TestImportOtherExponents(t *testing.T) {
	for _, e := range []int64{3, 17, 65539} {
		for {
			p, q := prime(t, 1024), prime(t, 1024)
			k := rsaOf(p, q, e)
			d := new(big.Int).SetBytes(k.D)
			if d.Cmp(big.NewInt(1)) == 0 || new(big.Int).SetBytes(k.N).BitLen() != 2048 {
				continue // e has no inverse
			}
			key, err := Import(k)
			if err != nil {
				t.Fatalf("e = %d: %v", e, err)
			}
			stored, err := key.MarshalPrivate()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ParsePrivate(stored.Reveal()); err != nil || !again.Public().Equal(key.Public()) {
				t.Errorf("e = %d does not open again: %v", e, err)
			}
			break
		}
	}
}

func TestPrivateJWKShowsNothing(t *testing.T) {
	k := generated(t, importable[1]).jwk(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, k); got != hiddenKey {
			t.Errorf("%s shows %s", verb, got)
		}
		if got := fmt.Sprintf(verb, &k); got != hiddenKey {
			t.Errorf("%s of a pointer shows %s", verb, got)
		}
	}
}

func FuzzImport(f *testing.F) {
	for _, spec := range importable {
		text, err := json.Marshal(generated(f, spec).jwk(f))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, k := range []PrivateJWK{{Type: TypeOct, K: make([]byte, 32)}, akpJWK(MLDSA44, 1), akpJWK(MLDSA87, 2)} {
		text, err := json.Marshal(k)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var k PrivateJWK
		if json.Unmarshal(text, &k) != nil {
			return
		}
		key, err := Import(k)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("not a refusal: %v", err)
			}
			return
		}
		stored, err := key.MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePrivate(stored.Reveal()); err != nil {
			t.Errorf("an imported key does not open again: %v", err)
		}
	})
}
