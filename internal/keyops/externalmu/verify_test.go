package externalmu

import (
	"bytes"
	"crypto/sha3"
	"fmt"
	"math/rand/v2"
	"testing"

	"filippo.io/mldsa"
	"filippo.io/mldsa/mldsacrypto"
)

var parameterSets = []mldsa.Parameters{mldsa.MLDSA44(), mldsa.MLDSA65(), mldsa.MLDSA87()}

// keyOf is the key of a seed of one repeated byte.
func keyOf(t testing.TB, set mldsa.Parameters, b byte) *mldsa.PrivateKey {
	t.Helper()
	key, err := mldsa.NewPrivateKey(set, bytes.Repeat([]byte{b}, mldsa.PrivateKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func muOf(public, message []byte) []byte {
	tr, mu := make([]byte, 64), make([]byte, Size)
	h := sha3.NewSHAKE256()
	h.Write(public)
	_, _ = h.Read(tr)
	h = sha3.NewSHAKE256()
	h.Write(tr)
	h.Write([]byte{0, 0}) // pure, no context
	h.Write(message)
	_, _ = h.Read(mu)
	return mu
}

// agree asks the library about the message and us about its μ.
func agree(t *testing.T, name string, public *mldsa.PublicKey, message, signature []byte) bool {
	t.Helper()
	want := mldsa.Verify(public, message, signature, nil) == nil
	if got := Verify(public.Bytes(), muOf(public.Bytes(), message), signature); got != want {
		t.Errorf("%s: %v, and the library says %v", name, got, want)
	}
	return want
}

// TestAgreesWithTheLibrary compares signatures of both kinds, and thousands that
// something is wrong with, in each of a signature's three parts.
func TestAgreesWithTheLibrary(t *testing.T) {
	for _, set := range parameterSets {
		t.Run(set.String(), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, 2))
			key := keyOf(t, set, 1)
			public, message := key.PublicKey(), []byte("a message")
			other := keyOf(t, set, 2).PublicKey()
			p := sets[len(public.Bytes())]
			for range 5 {
				direct, err := key.Sign(nil, message, nil)
				if err != nil {
					t.Fatal(err)
				}
				byMu, err := key.Sign(nil, muOf(public.Bytes(), message), mldsacrypto.MLDSAMu)
				if err != nil {
					t.Fatal(err)
				}
				for name, signature := range map[string][]byte{"direct": direct, "by μ": byMu} {
					if !agree(t, name, public, message, signature) {
						t.Errorf("%s: the library's own signature is wrong", name)
					}
					agree(t, name+", another message", public, message[1:], signature)
					agree(t, name+", another key", other, message, signature)
				}
			}
			good, err := key.SignDeterministic(message, nil)
			if err != nil {
				t.Fatal(err)
			}
			hints := p.signatureSize() - p.omega - p.k
			for i := range 300 {
				bad := bytes.Clone(good)
				at := random.IntN(len(bad))
				switch i % 3 {
				case 0: // the hints are small
					at = hints + random.IntN(p.omega+p.k)
				case 1:
					at = random.IntN(p.digest)
				}
				bad[at] ^= 1 << random.IntN(8)
				if agree(t, fmt.Sprint("a bit of byte ", at), public, message, bad) {
					t.Errorf("a changed byte %d passes", at)
				}
			}
		})
	}
}

// TestMalformed has encodings of hints and of z that FIPS 204 rules out, one by
// one: they could stand for the same signature.
func TestMalformed(t *testing.T) {
	for _, set := range parameterSets {
		key := keyOf(t, set, 3)
		public, message := key.PublicKey(), []byte("m")
		p := sets[len(public.Bytes())]
		good, err := key.SignDeterministic(message, nil)
		if err != nil {
			t.Fatal(err)
		}
		hints := p.signatureSize() - p.omega - p.k
		counts := hints + p.omega
		if good[counts] < 2 || int(good[counts+p.k-1]) >= p.omega {
			t.Fatalf("%s: the hints %v cannot be spoilt", set, good[hints:])
		}
		for name, spoil := range map[string]func(b []byte){
			"two hints swapped": func(b []byte) { b[hints], b[hints+1] = b[hints+1], b[hints] },
			"a hint twice":      func(b []byte) { b[hints+1] = b[hints] },
			"a hint written twice": func(b []byte) {
				copy(b[hints+1:counts], b[hints:])
				for i := range p.k {
					b[counts+i]++
				}
			},
			"a hint behind the last":   func(b []byte) { b[counts-1] = 1 },
			"more hints than there is": func(b []byte) { b[counts+p.k-1] = byte(p.omega + 1) },
			"counts that fall":         func(b []byte) { b[counts+1] = b[counts] - 1 },
			"a hint too few":           func(b []byte) { b[counts+p.k-1]-- },
			"z too large":              func(b []byte) { clear(b[p.digest : p.digest+n*p.zBits/8]) },
			"z too small":              func(b []byte) { copy(b[p.digest:], bytes.Repeat([]byte{0xff}, n*p.zBits/8)) },
			"no commitment":            func(b []byte) { clear(b[:p.digest]) },
			"zeros":                    func(b []byte) { clear(b) },
		} {
			bad := bytes.Clone(good)
			spoil(bad)
			if agree(t, set.String()+", "+name, public, message, bad) {
				t.Errorf("%s: %s passes", set, name)
			}
		}
		mu := muOf(public.Bytes(), message)
		for name, args := range map[string][3][]byte{
			"nothing":             {},
			"a long signature":    {public.Bytes(), mu, append(bytes.Clone(good), 0)},
			"a short signature":   {public.Bytes(), mu, good[:len(good)-1]},
			"a long μ":            {public.Bytes(), append(bytes.Clone(mu), 0), good},
			"a short μ":           {public.Bytes(), mu[:63], good},
			"a short public key":  {public.Bytes()[1:], mu, good},
			"another set's key":   {keyOf(t, parameterSets[(int(set.String()[7]-'4')/2+1)%3], 3).PublicKey().Bytes(), mu, good},
			"a changed matrix":    {flip(public.Bytes(), 0), mu, good},
			"a changed key":       {flip(public.Bytes(), len(public.Bytes())-1), mu, good},
			"nothing but the key": {public.Bytes(), nil, nil},
		} {
			if Verify(args[0], args[1], args[2]) {
				t.Errorf("%s: %s passes", set, name)
			}
		}
		if !Verify(public.Bytes(), mu, good) {
			t.Errorf("%s: the signature itself does not pass", set)
		}
	}
}

func flip(b []byte, at int) []byte {
	c := bytes.Clone(b)
	c[at] ^= 1
	return c
}

// TestTransform: the zetas are those that FIPS 204 appendix B prints, and the
// transform turns products of polynomials into products of coefficients.
func TestTransform(t *testing.T) {
	for i, want := range map[int]uint32{1: 4808194, 2: 3765607, 3: 3761513, 4: 5178923, 5: 5496691, 6: 5234739} {
		if zetas[i] != want {
			t.Errorf("zeta %d is %d, want %d", i, zetas[i], want)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	var a, b, product poly
	for i := range a {
		a[i], b[i] = random.Uint32N(q), random.Uint32N(q)
	}
	for i := range a {
		for j := range b {
			if v := mul(a[i], b[j]); i+j < n {
				product[i+j] = add(product[i+j], v)
			} else {
				product[i+j-n] = sub(product[i+j-n], v) // x^256 = -1
			}
		}
	}
	a.ntt()
	b.ntt()
	for i := range a {
		a[i] = mul(a[i], b[i])
	}
	a.inverseNTT()
	if a != product {
		t.Error("the product of the transforms is not the transform of the product")
	}
}

// TestDecompose checks FIPS 204 section 7.4 around every border, and everywhere
// that high and low make up the whole.
func TestDecompose(t *testing.T) {
	for _, gamma2 := range []int32{(q - 1) / 88, (q - 1) / 32} {
		m := (q - 1) / (2 * gamma2)
		check := func(r int32) {
			high, low := decompose(r, gamma2)
			whole := (int64(high)*2*int64(gamma2) + int64(low) + q) % q
			if whole != int64(r) || high < 0 || high >= m || low > gamma2 || low < -gamma2 {
				t.Fatalf("%d is %d and %d", r, high, low)
			}
		}
		for border := int32(0); border < q; border += gamma2 {
			for r := max(0, border-3); r <= min(q-1, border+3); r++ {
				check(r)
			}
		}
		for r := int32(0); r < q; r += 997 {
			check(r)
		}
	}
}

// TestUseHints has the cases of FIPS 204 algorithm 40: a hint moves up where the
// low part is above zero, else down, around the circle.
func TestUseHints(t *testing.T) {
	for size, set := range sets {
		m, step := uint32((q-1)/(2*set.gamma2)), uint32(2*set.gamma2)
		for _, tt := range []struct {
			name            string
			r               uint32
			without, hinted uint32
		}{
			{"low is 1", 3*step + 1, 3, 4}, {"low is 0", 3 * step, 3, 2}, {"low is -1", 3*step - 1, 3, 2},
			{"zero", 0, 0, m - 1}, {"one", 1, 0, 1}, {"the highest, above", (m-1)*step + 1, m - 1, 0}, {"the highest, below", (m-1)*step - 1, m - 1, m - 2},
			{"-1", q - 1, 0, m - 1}, {"the lowest that is zero", q - 1 - step/2 + 1, 0, m - 1},
		} {
			var p poly
			var hints [n]bool
			p[0], p[n-1], hints[n-1] = tt.r, tt.r, true
			p.useHints(&hints, set)
			if p[0] != tt.without || p[n-1] != tt.hinted {
				t.Errorf("%d bytes, %s: %d, and %d with the hint, want %d and %d", size, tt.name, p[0], p[n-1], tt.without, tt.hinted)
			}
		}
	}
}

// TestRowsWithoutHints: the counts of such rows could be written in other ways,
// of which only one is a signature's.
func TestRowsWithoutHints(t *testing.T) {
	key := keyOf(t, mldsa.MLDSA87(), 4)
	public := key.PublicKey()
	p := sets[len(public.Bytes())]
	counts := p.signatureSize() - p.k
	for i := range 5000 {
		message := fmt.Append(nil, i)
		signature, err := key.SignDeterministic(message, nil)
		if err != nil {
			t.Fatal(err)
		}
		for row := 1; row < p.k-1; row++ {
			if at := counts + row; signature[at] == signature[at-1] && signature[at] > 0 {
				bad := bytes.Clone(signature)
				bad[at]--
				if !agree(t, "as it was", public, message, signature) || agree(t, "a count that falls", public, message, bad) {
					t.Error("another encoding of the same hints passes")
				}
				return
			}
		}
	}
	t.Fatal("no signature with a row without hints")
}

// FuzzVerify: we say what the library says.
func FuzzVerify(f *testing.F) {
	for i, set := range parameterSets {
		key := keyOf(f, set, 1)
		signature, err := key.SignDeterministic([]byte("m"), nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), key.PublicKey().Bytes(), []byte("m"), signature)
		f.Add(uint8(i), key.PublicKey().Bytes(), []byte(""), signature[:10])
	}
	f.Fuzz(func(t *testing.T, set uint8, public, message, signature []byte) {
		key, err := mldsa.NewPublicKey(parameterSets[int(set)%len(parameterSets)], public)
		if err != nil {
			return
		}
		agree(t, "fuzzed", key, message, signature)
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, set := range parameterSets {
		key := keyOf(b, set, 1)
		public := key.PublicKey()
		mu := muOf(public.Bytes(), nil)
		signature, err := key.Sign(nil, mu, mldsacrypto.MLDSAMu)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(set.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !Verify(public.Bytes(), mu, signature) {
					b.Fatal("does not verify")
				}
			}
		})
		b.Run(set.String()+" of a message, by the library", func(b *testing.B) {
			direct, err := key.Sign(nil, nil, nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if mldsa.Verify(public, nil, direct, nil) != nil {
					b.Fatal("does not verify")
				}
			}
		})
	}
}
