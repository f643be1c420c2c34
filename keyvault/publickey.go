package keyvault

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
)

// maxModulus bounds, in bytes, the RSA keys that PublicKey takes. No vault makes
// any of more than 4096 bits.
const maxModulus = 16384 / 8

// PublicKey returns the public part of a key as the packages crypto/x509 and
// crypto/tls have it: an *rsa.PublicKey or an *ecdsa.PublicKey. It returns an
// error for the types of key that have none there, the curve P-256K among them,
// and for what is no key of its type.
func PublicKey(key *api.JSONWebKey) (crypto.PublicKey, error) {
	public, err := publicKey(key)
	if err != nil {
		return nil, fmt.Errorf("keyvault: %w", err)
	}
	return public, nil
}

func publicKey(key *api.JSONWebKey) (crypto.PublicKey, error) {
	if key == nil {
		return nil, errors.New("there is no key")
	}
	switch api.KeyType(strings.TrimSuffix(string(key.Kty), "-HSM")) {
	case api.KeyTypeRSA:
		return rsaPublicKey(key)
	case api.KeyTypeEC:
		return ecPublicKey(key)
	case api.KeyTypeOct:
		return nil, errors.New("a symmetric key has no public part")
	}
	return nil, fmt.Errorf("the package crypto/x509 has no keys of the type %q", key.Kty)
}

func rsaPublicKey(key *api.JSONWebKey) (*rsa.PublicKey, error) {
	n, e := new(big.Int).SetBytes(key.N), new(big.Int).SetBytes(key.E)
	switch {
	case len(key.N) > maxModulus || n.BitLen() < 512 || n.Bit(0) == 0:
		return nil, errors.New("the member n is not the modulus of an RSA key")
	case len(key.E) > 8 || e.Cmp(big.NewInt(3)) < 0 || e.Cmp(big.NewInt(math.MaxInt32)) > 0 || e.Bit(0) == 0:
		return nil, errors.New("the member e is not the exponent of an RSA key")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func ecPublicKey(key *api.JSONWebKey) (*ecdsa.PublicKey, error) {
	var curve elliptic.Curve
	switch key.Crv {
	case api.CurveP256:
		curve = elliptic.P256()
	case api.CurveP384:
		curve = elliptic.P384()
	case api.CurveP521:
		curve = elliptic.P521()
	case api.CurveP256K, api.CurveSECP256K1:
		return nil, errors.New("the package crypto/x509 does not know the curve secp256k1; Client.Sign and Client.Verify do")
	default:
		return nil, fmt.Errorf("the package crypto/x509 does not know the curve %q", key.Crv)
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(key.X) == 0 || len(key.X) > size || len(key.Y) == 0 || len(key.Y) > size {
		return nil, errors.New("the members x and y are not coordinates on the curve " + string(key.Crv))
	}
	// The uncompressed point of SEC 1 section 2.3.3. Some services leave the
	// leading zeros of coordinates out.
	point := make([]byte, 1+2*size)
	point[0] = 4
	copy(point[1+size-len(key.X):], key.X)
	copy(point[1+2*size-len(key.Y):], key.Y)
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, errors.New("the members x and y are not a point on the curve " + string(key.Crv))
	}
	return public, nil
}
