package keyops

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// The stored form of a private key is a format byte, a byte for its encoding,
// and the encoded key. Stored keys must open for ever: a format or encoding, once
// released, keeps its meaning.
const (
	format1 = 1

	encodingPKCS8   = 1 // RFC 5958, DER: RSA and the NIST curves
	encodingKoblitz = 2 // the scalar of a P-256K key, 32 bytes, big-endian
	encodingOct     = 3 // the octets of a symmetric key, 16 to 64
	encodingMLDSA   = 4 // 44, 65 or 87, and the seed of such a key of ML-DSA, 32 bytes
)

// ErrKey is wrapped by every error of ParsePrivate. It does not say what the
// bytes were.
var ErrKey = errors.New("keyops: not a private key")

// MarshalPrivate returns the stored form of k, for ParsePrivate.
func (k *Key) MarshalPrivate() (secret.Bytes, error) {
	switch private := k.private().(type) {
	case *koblitzKey:
		scalar := private.Key.Bytes()
		defer clear(scalar[:])
		return secret.New(append([]byte{format1, encodingKoblitz}, scalar[:]...)), nil
	case *symmetricKey:
		return secret.New(append([]byte{format1, encodingOct}, private.octets...)), nil
	case *akpKey:
		seed := private.private.Bytes()
		defer clear(seed)
		return secret.New(append([]byte{format1, encodingMLDSA, mldsaSet[private.algorithm()]}, seed...)), nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.private())
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("keyops: encoding a private key: %w", err)
	}
	defer clear(der)
	return secret.New(append([]byte{format1, encodingPKCS8}, der...)), nil
}

// ParsePrivate returns the key whose stored form is b. It accepts what
// MarshalPrivate returns, refuses bytes that follow it, and checks that the
// numbers of the key agree with one another. b is not kept.
func ParsePrivate(b []byte) (*Key, error) {
	if len(b) < 2 || b[0] != format1 {
		return nil, fmt.Errorf("%w: unknown format", ErrKey)
	}
	switch b[1] {
	case encodingPKCS8:
		return parsePKCS8(b[2:])
	case encodingKoblitz:
		return parseKoblitz(b[2:])
	case encodingOct:
		return parseOct(b[2:])
	case encodingMLDSA:
		return parseMLDSA(b[2:])
	}
	return nil, fmt.Errorf("%w: unknown encoding", ErrKey)
}

func parsePKCS8(der []byte) (*Key, error) {
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		// The parser's own words may quote the key.
		return nil, fmt.Errorf("%w: malformed PKCS #8", ErrKey)
	}
	inner, err := innerKey(der)
	if err != nil {
		return nil, err
	}
	switch private := private.(type) {
	case *rsa.PrivateKey:
		bits := private.N.BitLen()
		if (Spec{Type: TypeRSA, Bits: bits}).Validate() != nil || !validExponent(big.NewInt(int64(private.E))) || len(private.Primes) != 2 {
			return nil, fmt.Errorf("%w: an RSA key that is never made", ErrKey)
		}
		return newKey(private), nil
	case *ecdsa.PrivateKey:
		if _, known := curveBits[Curve(private.Params().Name)]; !known {
			return nil, fmt.Errorf("%w: an unknown curve", ErrKey)
		}
		if err := checkPoint(inner, private); err != nil {
			return nil, err
		}
		return newKey(private), nil
	}
	return nil, fmt.Errorf("%w: an unknown kind of key", ErrKey)
}

// innerKey returns the algorithm's own encoding from within PKCS #8. It is here
// for what the standard parser passes over: bytes behind the end.
func innerKey(der []byte) ([]byte, error) {
	var outer struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	rest, err := asn1.Unmarshal(der, &outer)
	if err != nil || len(rest) != 0 {
		return nil, fmt.Errorf("%w: malformed PKCS #8", ErrKey)
	}
	return outer.Key, nil
}

// checkPoint checks the point that RFC 5915 stores beside the scalar, which the
// standard parser ignores: it computes its own.
func checkPoint(inner []byte, private *ecdsa.PrivateKey) error {
	var stored struct {
		Version int
		Scalar  []byte
		Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		Point   asn1.BitString        `asn1:"optional,explicit,tag:1"`
	}
	rest, err := asn1.Unmarshal(inner, &stored)
	if err != nil || len(rest) != 0 {
		return fmt.Errorf("%w: malformed PKCS #8", ErrKey)
	}
	defer clear(stored.Scalar)
	if !bytes.Equal(stored.Point.RightAlign(), mustPoint(private)) {
		return fmt.Errorf("%w: the point is not the scalar's", ErrKey)
	}
	return nil
}

func parseKoblitz(b []byte) (*Key, error) {
	var scalar secp256k1.ModNScalar
	if len(b) != 32 || scalar.SetByteSlice(b) || scalar.IsZero() {
		return nil, fmt.Errorf("%w: not a scalar of P-256K", ErrKey)
	}
	return newKoblitzKey(secp256k1.NewPrivateKey(&scalar)), nil
}

func parseOct(b []byte) (*Key, error) {
	if len(b) < minOctets || len(b) > maxOctets {
		return nil, fmt.Errorf("%w: not the octets of a symmetric key", ErrKey)
	}
	return newSymmetricKey(bytes.Clone(b)), nil
}

// mldsaSet says which parameter set a stored seed is for.
var mldsaSet = map[Algorithm]byte{MLDSA44: 44, MLDSA65: 65, MLDSA87: 87}

func parseMLDSA(b []byte) (*Key, error) {
	for alg, set := range mldsaSet {
		if len(b) > 0 && b[0] == set {
			return seedKey(alg, b[1:])
		}
	}
	return nil, fmt.Errorf("%w: not a seed of ML-DSA", ErrKey)
}
