// Package keyops is what can be done with keys: making and importing them,
// showing their public part, keeping their private part, and using them.
//
// It guarantees that a Key is whole and consistent, whether it was generated or
// parsed, and that nothing but MarshalPrivate and, encrypted, ReleaseTo lets its
// private numbers out. It knows no vaults, no permissions, no HTTP and no store.
package keyops

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Type is a kind of key, as the kty member of a JSON Web Key names it, RFC 7518
// section 6.1.
type Type string

// Types of keys.
const (
	TypeRSA Type = "RSA"
	TypeEC  Type = "EC"
	TypeOct Type = "oct"
	TypeAKP Type = "AKP" // a key pair of ML-DSA
)

// Curve is an elliptic curve, as Azure's crv member names it. P-256K is what
// RFC 8812 calls secp256k1.
type Curve string

// Curves.
const (
	CurveP256  Curve = "P-256"
	CurveP384  Curve = "P-384"
	CurveP521  Curve = "P-521"
	CurveP256K Curve = "P-256K"
)

// defaultExponent is F4, the exponent of every RSA key that is made.
const defaultExponent = 65537

// Spec says what key to make. Bits is for RSA, where 0 means 2048, and for oct,
// where it means 256; PublicExponent is for RSA, where 0 means 65537; Curve is for
// EC, where "" means P-256; Algorithm is for AKP, which has no default.
type Spec struct {
	Type           Type
	Bits           int
	Curve          Curve
	PublicExponent int
	Algorithm      Algorithm
}

// Validate returns nil if Generate can make such a key, or a *fault.Error of
// kind Invalid that says what would be accepted.
func (s Spec) Validate() error {
	_, err := s.normalised()
	return err
}

// normalised returns s with its defaults filled in.
func (s Spec) normalised() (Spec, error) {
	normalise, known := normalisers[s.Type]
	if !known {
		return s, UnsupportedType(string(s.Type))
	}
	for _, m := range []struct {
		name  string
		given bool
		of    Type
	}{{"crv", s.Curve != "", TypeEC}, {"public_exponent", s.PublicExponent != 0, TypeRSA}, {"alg", s.Algorithm != "", TypeAKP}} {
		if m.given && s.Type != m.of {
			return s, invalid("The parameter %s is only for keys of type %s.", m.name, m.of)
		}
	}
	err := normalise(&s)
	return s, err
}

var normalisers = map[Type]func(*Spec) error{
	TypeRSA: (*Spec).normaliseRSA, TypeEC: (*Spec).normaliseEC, TypeOct: (*Spec).normaliseOct, TypeAKP: (*Spec).normaliseAKP,
}

func (s *Spec) normaliseRSA() error {
	s.Bits = cmp.Or(s.Bits, 2048)
	s.PublicExponent = cmp.Or(s.PublicExponent, defaultExponent)
	if !slices.Contains([]int{2048, 3072, 4096}, s.Bits) {
		return unsupportedSize(s.Bits, "2048, 3072, 4096")
	}
	if s.PublicExponent != defaultExponent {
		return invalid("The public exponent %d is not supported. Leave it out, or use %d.", s.PublicExponent, defaultExponent)
	}
	return nil
}

func (s *Spec) normaliseEC() error {
	s.Curve = cmp.Or(s.Curve, CurveP256)
	bits, known := curveBits[s.Curve]
	if !known {
		return invalid("The curve is not supported. Supported curves are P-256, P-384, P-521 and P-256K.")
	}
	// Azure takes a size that agrees with the curve.
	if s.Bits != 0 && s.Bits != bits {
		if !slices.Contains([]int{256, 384, 521}, s.Bits) {
			return unsupportedSize(s.Bits, "256, 384, 521")
		}
		return invalid("The key size %d does not agree with the curve %s.", s.Bits, s.Curve)
	}
	return nil
}

func (s *Spec) normaliseOct() error {
	s.Bits = cmp.Or(s.Bits, defaultOctBits)
	return checkOctBits(s.Bits)
}

func (s *Spec) normaliseAKP() error {
	if _, known := parametersOf(s.Algorithm); !known {
		return unknownAKP()
	}
	if s.Bits != 0 {
		return invalid("The parameter key_size is not for keys of type AKP: their algorithm decides.")
	}
	return nil
}

// curveBits is the size of each curve's field.
var curveBits = map[Curve]int{CurveP256: 256, CurveP384: 384, CurveP521: 521, CurveP256K: 256}

// PublicJWK is the public part of a key. N and E are big-endian without leading
// zeros; X and Y have the fixed length of the curve's field, RFC 7518 section
// 6.2.1.2. A key of type oct has no public part but its type and, outside of what
// JSON shows, its size.
type PublicJWK struct {
	Type      Type      `json:"kty"`
	Algorithm Algorithm `json:"alg,omitempty"` // of AKP, and of no other type
	Curve     Curve     `json:"crv,omitempty"`
	N         []byte    `json:"n,omitempty"`
	E         []byte    `json:"e,omitempty"`
	X         []byte    `json:"x,omitempty"`
	Y         []byte    `json:"y,omitempty"`
	Pub       []byte    `json:"pub,omitempty"`
	Bits      int       `json:"-"` // of oct
}

// Equal reports whether both are the same public key.
func (k PublicJWK) Equal(other PublicJWK) bool {
	return k.Type == other.Type && k.Algorithm == other.Algorithm && k.Curve == other.Curve &&
		bytes.Equal(k.N, other.N) && bytes.Equal(k.E, other.E) &&
		bytes.Equal(k.X, other.X) && bytes.Equal(k.Y, other.Y) && bytes.Equal(k.Pub, other.Pub)
}

// Operations of key_ops. import and export are permissions to import and to
// release; no type has them by default.
var (
	rsaOps = []string{"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}
	ecOps  = []string{"sign", "verify"}
	octOps = []string{"encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify"}
	allOps = []string{"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey", "import", "export"}
)

// DefaultOps returns what a key of the type may be used for when its creator
// does not say: everything that it can do. The caller owns the slice.
func DefaultOps(t Type) []string {
	switch t {
	case TypeRSA:
		return slices.Clone(rsaOps)
	case TypeOct:
		return slices.Clone(octOps)
	}
	return slices.Clone(ecOps)
}

// ValidOps returns nil if a key of the type may have ops as its key_ops, or a
// *fault.Error of kind Invalid. The words' case matters. As in Azure a word may
// be one that the type cannot do: using the key that way is refused then.
func ValidOps(_ Type, ops []string) error {
	for i, op := range ops {
		if !slices.Contains(allOps, op) {
			return invalid("The key_ops member has an invalid value. Valid values are encrypt, decrypt, sign, verify, wrapKey, unwrapKey, import and export.")
		}
		if slices.Contains(ops[:i], op) {
			return invalid("The key_ops member has the value %s twice.", op)
		}
	}
	return nil
}

// UnsupportedType is Azure's refusal of a kty that it does not have, or that the
// place for the key does not.
func UnsupportedType(kty string) *fault.Error {
	if kty == "" {
		return fault.New(fault.Invalid, "BadParameter", "Property 'kty' is required.\r\n")
	}
	const maxEcho = 64
	return fault.New(fault.Invalid, "BadParameter", "Invalid kty value: %.*s", maxEcho, kty).WithInner("KeyTypeNotSupported")
}

// unsupportedSize is Azure's refusal of a size that no key of the type has.
func unsupportedSize(bits int, sizes string) error {
	return fault.New(fault.Invalid, "BadParameter", "Unsupported key size (%d). Supported sizes are [%s]", bits, sizes).WithInner("KeySizeNotSupported")
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "BadParameter", format, args...)
}
