package keyops

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
	"io"
	"log/slog"
	"math/big"
)

// PrivateJWK is a private key as somebody else has it, RFC 7518 section 6. All
// numbers are big-endian. Those of an RSA key may have leading zeros; X, Y and D
// of an EC key have the fixed length of the curve's field.
//
// It shows nothing of itself when it is formatted or logged.
type PrivateJWK struct {
	Type  Type
	Curve Curve
	// RSA, all required; D also of EC.
	N, E, D, P, Q, DP, DQ, QI []byte
	// EC.
	X, Y []byte
	// K is the whole of an oct key.
	K []byte
	// AKP: the algorithm, the public key, and the seed of the private one.
	Algorithm Algorithm
	Pub, Priv []byte
}

const hiddenKey = "[private key]"

// String returns a placeholder.
func (k PrivateJWK) String() string { return hiddenKey }

// Format writes a placeholder, whatever the verb.
func (k PrivateJWK) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hiddenKey) }

// LogValue returns a placeholder.
func (k PrivateJWK) LogValue() slog.Value { return slog.StringValue(hiddenKey) }

// maxExponent bounds the public exponent of an imported RSA key: larger ones,
// which crypto/rsa refuses, make public operations as slow as private ones.
const maxExponent = 1<<31 - 1

// Import returns the key, if all of its numbers are there and agree with one
// another. Otherwise it returns a *fault.Error of kind Invalid that names the
// member at fault and shows no number.
func Import(k PrivateJWK) (*Key, error) {
	switch k.Type {
	case TypeRSA:
		return importRSA(k)
	case TypeEC:
		return importEC(k)
	case TypeOct:
		return importOct(k)
	case TypeAKP:
		return importAKP(k)
	case "":
		return nil, malformed("It is missing its member kty.")
	}
	return nil, UnsupportedType(string(k.Type))
}

// malformed is Azure's refusal of a key that lacks something. Its reason follows.
func malformed(reason string, args ...any) error {
	return invalid("The property \"key\" must be a valid JsonWebKey object. "+reason, args...)
}

// inconsistent is Azure's refusal of a key whose numbers do not make one. Its
// reason follows.
func inconsistent(of Type, reason string, args ...any) error {
	return invalid(string(of)+" key is not valid - cannot instantiate crypto service. "+reason, args...)
}

// member is a member of a key that is to be read as a number.
type member struct {
	name  string
	bytes []byte
	value *big.Int
}

// readNumbers wants every member, none longer than a number of the most bits that
// a key may have.
func readNumbers(numbers []member) error {
	for i := range numbers {
		n := &numbers[i]
		trimmed := bytes.TrimLeft(n.bytes, "\x00")
		switch {
		case len(n.bytes) == 0:
			return malformed("The RSA key is missing its member %s.", n.name)
		case len(n.bytes) > 2*maxRSABits/8 || len(trimmed) > maxRSABits/8 || len(trimmed) == 0:
			return malformed("The member %s of the RSA key is not a number of the size of its modulus.", n.name)
		}
		n.value = new(big.Int).SetBytes(trimmed)
	}
	return nil
}

const maxRSABits = 4096

func importRSA(k PrivateJWK) (*Key, error) {
	m := []member{
		{"n", k.N, nil}, {"e", k.E, nil}, {"d", k.D, nil}, {"p", k.P, nil},
		{"q", k.Q, nil}, {"dp", k.DP, nil}, {"dq", k.DQ, nil}, {"qi", k.QI, nil},
	}
	if err := readNumbers(m); err != nil {
		return nil, err
	}
	n, e, d, p, q, dp, dq, qi := m[0].value, m[1].value, m[2].value, m[3].value, m[4].value, m[5].value, m[6].value, m[7].value
	if err := (Spec{Type: TypeRSA, Bits: n.BitLen()}).Validate(); err != nil {
		return nil, err
	}
	if !validExponent(e) {
		return nil, inconsistent(TypeRSA, "The member e of the RSA key is not an odd number from 3 to %d.", maxExponent)
	}
	if new(big.Int).Mul(p, q).Cmp(n) != 0 {
		return nil, inconsistent(TypeRSA, "The members p and q of the RSA key are not the factors of n.")
	}
	one := big.NewInt(1)
	pMinus1, qMinus1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	for _, relation := range []struct {
		name        string
		have        *big.Int
		of, modulus *big.Int
	}{{"dp", dp, d, pMinus1}, {"dq", dq, d, qMinus1}} {
		if new(big.Int).Mod(relation.of, relation.modulus).Cmp(relation.have) != 0 {
			return nil, inconsistent(TypeRSA, "The member %s of the RSA key does not agree with d.", relation.name)
		}
	}
	if inverse := new(big.Int).ModInverse(q, p); inverse == nil || inverse.Cmp(qi) != 0 {
		return nil, inconsistent(TypeRSA, "The member qi of the RSA key is not the inverse of q.")
	}
	if !oneModulo(d, e, pMinus1) || !oneModulo(d, e, qMinus1) {
		return nil, inconsistent(TypeRSA, "The members d and e of the RSA key are not inverses of one another.")
	}
	for _, factor := range []member{m[3], m[4]} {
		if !factor.value.ProbablyPrime(primeRounds) {
			return nil, inconsistent(TypeRSA, "The member %s of the RSA key is not a prime.", factor.name)
		}
	}
	private := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e.Int64())}, D: d, Primes: []*big.Int{p, q}}
	// Validate also wants p and q far apart and d not small.
	if err := private.Validate(); err != nil {
		return nil, inconsistent(TypeRSA, "The numbers of the RSA key do not agree with one another.")
	}
	private.Precompute()
	return newKey(private), nil
}

// primeRounds is few because nobody gains by a composite factor in a key of
// their own: the test is for accidents. It comes on top of Baillie-PSW.
const primeRounds = 4

func oneModulo(a, b, modulus *big.Int) bool {
	product := new(big.Int).Mul(a, b)
	return modulus.Sign() > 0 && product.Mod(product, modulus).Cmp(big.NewInt(1)) == 0
}

func validExponent(e *big.Int) bool {
	return e.IsInt64() && e.Int64() >= 3 && e.Int64() <= maxExponent && e.Bit(0) == 1
}

func importEC(k PrivateJWK) (*Key, error) {
	bits, known := curveBits[k.Curve]
	if !known {
		return nil, malformed("The curve of the EC key is not supported. Supported curves are P-256, P-384, P-521 and P-256K.")
	}
	width := (bits + 7) / 8
	for _, m := range []struct {
		name  string
		bytes []byte
	}{{"x", k.X}, {"y", k.Y}, {"d", k.D}} {
		if len(m.bytes) == 0 {
			return nil, malformed("The EC key is missing its member %s.", m.name)
		}
		if len(m.bytes) != width {
			return nil, malformed("The member %s of the EC key has %d bytes. On the curve %s it has %d, with leading zeros.", m.name, len(m.bytes), k.Curve, width)
		}
	}
	key, err := scalarKey(k.Curve, k.D)
	if err != nil {
		return nil, err
	}
	if public := key.Public(); !bytes.Equal(public.X, k.X) || !bytes.Equal(public.Y, k.Y) {
		return nil, inconsistent(TypeEC, "The members x and y of the EC key are not the point of d.")
	}
	return key, nil
}

// scalarKey returns the key of a scalar of the curve's length.
func scalarKey(c Curve, d []byte) (*Key, error) {
	if c == CurveP256K {
		key, err := parseKoblitz(d)
		if err != nil {
			return nil, inconsistent(TypeEC, "The member d of the EC key is not a scalar of the curve %s.", c)
		}
		return key, nil
	}
	private, err := ecdsa.ParseRawPrivateKey(nistCurve(c), d)
	if err != nil {
		return nil, inconsistent(TypeEC, "The member d of the EC key is not a scalar of the curve %s.", c)
	}
	return newKey(private), nil
}
