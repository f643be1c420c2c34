package keyops

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"runtime"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// Key is a private or symmetric key. It is immutable and safe for concurrent use.
type Key struct {
	// private returns an *rsa.PrivateKey, *ecdsa.PrivateKey, *koblitzKey,
	// *symmetricKey or *akpKey, each with all that can be computed before it is
	// used. It is a function because package fmt prints the fields of whatever
	// holds a Key, and follows a pointer for some verbs, but of a function it
	// knows no more than an address.
	private func() any
	native  native // of an RSA key
}

func newKey(private any) *Key {
	k := &Key{private: func() any { return private }}
	if r, ok := private.(*rsa.PrivateKey); ok && r.D != nil {
		k.native = newNative(r)
	}
	return k
}

// rsaSlots bounds how many RSA keys are made at once, so that making keys, which
// takes up to seconds of a core, leaves cores for everything else.
var rsaSlots = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))

// Generate makes a key. Making an RSA key takes from tens of milliseconds to
// seconds and first waits its turn; if ctx ends before that, Generate returns
// ctx.Err(). Work that has begun is finished. The error for a Spec that is not
// valid is that of Validate.
func Generate(ctx context.Context, spec Spec) (*Key, error) {
	spec, err := spec.normalised()
	if err != nil {
		return nil, err
	}
	switch spec.Type {
	case TypeRSA:
		return generateRSA(ctx, spec.Bits)
	case TypeOct:
		return GenerateOct(spec.Bits)
	case TypeAKP:
		return GenerateAKP(spec.Algorithm)
	}
	return generateEC(spec)
}

func generateEC(spec Spec) (*Key, error) {
	if spec.Curve == CurveP256K {
		key, err := secp256k1.GeneratePrivateKey()
		if err != nil {
			return nil, fmt.Errorf("generating a %s key: %w", spec.Curve, err)
		}
		return newKoblitzKey(key), nil
	}
	key, err := ecdsa.GenerateKey(nistCurve(spec.Curve), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating a %s key: %w", spec.Curve, err)
	}
	return newKey(key), nil
}

func generateRSA(ctx context.Context, bits int) (*Key, error) {
	select {
	case rsaSlots <- struct{}{}:
		defer func() { <-rsaSlots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("generating an RSA key of %d bits: %w", bits, err)
	}
	return newKey(key), nil
}

// nistCurve returns the curve of the name, or nil.
func nistCurve(c Curve) elliptic.Curve {
	switch c {
	case CurveP256:
		return elliptic.P256()
	case CurveP384:
		return elliptic.P384()
	case CurveP521:
		return elliptic.P521()
	}
	return nil
}

// Public returns the public part of k. The caller owns its slices.
func (k *Key) Public() PublicJWK {
	switch private := k.private().(type) {
	case *rsa.PrivateKey:
		return PublicJWK{Type: TypeRSA, N: private.N.Bytes(), E: big.NewInt(int64(private.E)).Bytes()}
	case *ecdsa.PrivateKey:
		return pointJWK(Curve(private.Params().Name), mustPoint(private))
	case *koblitzKey:
		return pointJWK(CurveP256K, private.public.SerializeUncompressed())
	case *symmetricKey:
		return PublicJWK{Type: TypeOct, Bits: 8 * len(private.octets)}
	case *akpKey:
		return PublicJWK{Type: TypeAKP, Algorithm: private.algorithm(), Pub: private.public.Bytes()}
	default:
		panic(fmt.Sprintf("keyops: a key of type %T", private))
	}
}

// Bits returns the size of the key as key_size counts it: that of the modulus, of
// the curve's field or of the octets. For a key of type AKP it is 0.
func (k *Key) Bits() int {
	switch private := k.private().(type) {
	case *rsa.PrivateKey:
		return private.N.BitLen()
	case *symmetricKey:
		return 8 * len(private.octets)
	}
	_, curve := k.kind()
	return curveBits[curve]
}

// kind returns what decides which algorithms a key has: its type, and the curve
// of an EC key. It is Public without the numbers, some of which take long.
func (k *Key) kind() (Type, Curve) {
	switch private := k.private().(type) {
	case *rsa.PrivateKey:
		return TypeRSA, ""
	case *ecdsa.PrivateKey:
		return TypeEC, Curve(private.Params().Name)
	case *koblitzKey:
		return TypeEC, CurveP256K
	case *symmetricKey:
		return TypeOct, ""
	case *akpKey:
		return TypeAKP, ""
	default:
		panic(fmt.Sprintf("keyops: a key of type %T", private))
	}
}

// mustPoint returns the public point, uncompressed. A Key is made with a point
// on its curve.
func mustPoint(private *ecdsa.PrivateKey) []byte {
	point, err := private.PublicKey.Bytes()
	if err != nil {
		panic("keyops: a key whose point is not on its curve: " + err.Error())
	}
	return point
}

// pointJWK splits an uncompressed point, SEC 1 section 2.3.3.
func pointJWK(c Curve, point []byte) PublicJWK {
	width := (len(point) - 1) / 2
	return PublicJWK{Type: TypeEC, Curve: c, X: point[1 : 1+width], Y: point[1+width:]}
}
