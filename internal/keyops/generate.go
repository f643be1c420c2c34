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

// Key is a private key. Exactly one of its fields is set. It is immutable and
// safe for concurrent use.
type Key struct {
	rsa     *rsa.PrivateKey
	ecdsa   *ecdsa.PrivateKey
	koblitz *secp256k1.PrivateKey
}

// rsaSlots bounds how many RSA keys are made at once, so that making keys, which
// takes up to seconds of a core, leaves cores for everything else.
var rsaSlots = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))

// Generate makes a key. Making an RSA key takes from tens of milliseconds to
// seconds and may first wait its turn; if ctx ends meanwhile, Generate returns
// ctx.Err(). The error for a Spec that is not valid is that of Validate.
func Generate(ctx context.Context, spec Spec) (*Key, error) {
	spec, err := spec.normalised()
	if err != nil {
		return nil, err
	}
	if spec.Type == TypeRSA {
		return generateRSA(ctx, spec.Bits)
	}
	if spec.Curve == CurveP256K {
		key, err := secp256k1.GeneratePrivateKey()
		if err != nil {
			return nil, fmt.Errorf("generating a %s key: %w", spec.Curve, err)
		}
		return &Key{koblitz: key}, nil
	}
	key, err := ecdsa.GenerateKey(nistCurve(spec.Curve), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating a %s key: %w", spec.Curve, err)
	}
	return &Key{ecdsa: key}, nil
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
	return &Key{rsa: key}, nil
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

// Public returns the public part of k.
func (k *Key) Public() PublicJWK {
	switch {
	case k.rsa != nil:
		return PublicJWK{Type: TypeRSA, N: k.rsa.N.Bytes(), E: big.NewInt(int64(k.rsa.E)).Bytes()}
	case k.ecdsa != nil:
		point, err := k.ecdsa.PublicKey.Bytes()
		if err != nil {
			panic("keyops: a key whose point is not on its curve: " + err.Error())
		}
		return pointJWK(Curve(k.ecdsa.Curve.Params().Name), point)
	default:
		return pointJWK(CurveP256K, k.koblitz.PubKey().SerializeUncompressed())
	}
}

// pointJWK splits an uncompressed point, SEC 1 section 2.3.3.
func pointJWK(c Curve, point []byte) PublicJWK {
	width := (len(point) - 1) / 2
	return PublicJWK{Type: TypeEC, Curve: c, X: point[1 : 1+width], Y: point[1+width:]}
}
