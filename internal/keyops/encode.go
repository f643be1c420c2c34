package keyops

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

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
)

// ErrKey is wrapped by every error of ParsePrivate. It does not say what the
// bytes were.
var ErrKey = errors.New("keyops: not a private key")

// MarshalPrivate returns the stored form of k, for ParsePrivate.
func (k *Key) MarshalPrivate() (secret.Bytes, error) {
	if k.koblitz != nil {
		scalar := k.koblitz.Key.Bytes()
		defer clear(scalar[:])
		return secret.New(append([]byte{format1, encodingKoblitz}, scalar[:]...)), nil
	}
	var private any = k.rsa
	if k.ecdsa != nil {
		private = k.ecdsa
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("keyops: encoding a private key: %w", err)
	}
	defer clear(der)
	return secret.New(append([]byte{format1, encodingPKCS8}, der...)), nil
}

// ParsePrivate returns the key whose stored form is b. It accepts what
// MarshalPrivate returns and checks that the numbers of the key agree with one
// another. b is not kept.
func ParsePrivate(b []byte) (*Key, error) {
	if len(b) < 2 || b[0] != format1 {
		return nil, fmt.Errorf("%w: unknown format", ErrKey)
	}
	switch b[1] {
	case encodingPKCS8:
		return parsePKCS8(b[2:])
	case encodingKoblitz:
		return parseKoblitz(b[2:])
	}
	return nil, fmt.Errorf("%w: unknown encoding", ErrKey)
}

func parsePKCS8(der []byte) (*Key, error) {
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		// The parser's own words may quote the key.
		return nil, fmt.Errorf("%w: malformed PKCS #8", ErrKey)
	}
	switch private := private.(type) {
	case *rsa.PrivateKey:
		bits := private.N.BitLen()
		if (Spec{Type: TypeRSA, Bits: bits, PublicExponent: private.E}).Validate() != nil || len(private.Primes) != 2 {
			return nil, fmt.Errorf("%w: an RSA key that is never made", ErrKey)
		}
		return &Key{rsa: private}, nil
	case *ecdsa.PrivateKey:
		if _, known := curveBits[Curve(private.Curve.Params().Name)]; !known {
			return nil, fmt.Errorf("%w: an unknown curve", ErrKey)
		}
		return &Key{ecdsa: private}, nil
	}
	return nil, fmt.Errorf("%w: an unknown kind of key", ErrKey)
}

func parseKoblitz(b []byte) (*Key, error) {
	var scalar secp256k1.ModNScalar
	if len(b) != 32 || scalar.SetByteSlice(b) || scalar.IsZero() {
		return nil, fmt.Errorf("%w: not a scalar of P-256K", ErrKey)
	}
	return &Key{koblitz: secp256k1.NewPrivateKey(&scalar)}, nil
}
