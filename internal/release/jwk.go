package release

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
)

// Sizes of RSA keys that are believed, in bits.
const (
	minRSA = 2048
	maxRSA = 8192
)

var errKey = errors.New("it is not a key that is supported")

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

// publicKey returns the key of a JSON Web Key: that of its first certificate if it
// has one (Azure's attestation service publishes nothing else), or that of its
// numbers. Whether the certificate is good is not asked: the authority's own host
// has shown it.
func publicKey(jwk object) (crypto.PublicKey, error) {
	if chain, ok := jwk["x5c"].(list); ok && len(chain) > 0 {
		text, _ := chain[0].(string)
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, errKey
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, errKey
		}
		return checkKey(cert.PublicKey)
	}
	switch jwk.text("kty") {
	case "RSA":
		n, e := jwk.bytes("n"), jwk.bytes("e")
		if len(e) == 0 || len(e) > 4 {
			return nil, errKey
		}
		return checkKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())})
	case "EC":
		curve, ok := curves[jwk.text("crv")]
		if !ok {
			return nil, errKey
		}
		key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, jwk.bytes("x"), jwk.bytes("y")))
		if err != nil {
			return nil, errKey
		}
		return key, nil
	}
	return nil, errKey
}

func checkKey(key crypto.PublicKey) (crypto.PublicKey, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= minRSA && bits <= maxRSA && key.E > 2 && key.E&1 == 1 {
			return key, nil
		}
	case *ecdsa.PublicKey:
		if curves[key.Params().Name] != nil {
			return key, nil
		}
	}
	return nil, errKey
}

// bytes returns a member that is base64url, padded or not.
func (o object) bytes(name string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(o.text(name), "="))
	if err != nil {
		return nil
	}
	return b
}

// forEncryption reports whether a key says of itself that it may encrypt. The
// standard's word is use, Azure's manual has key_use.
func forEncryption(jwk object) bool {
	if jwk.text("use") == "enc" || jwk.text("key_use") == "enc" {
		return true
	}
	ops, _ := jwk["key_ops"].(list)
	return slices.ContainsFunc(ops, func(op any) bool {
		word, _ := op.(string)
		return strings.EqualFold(word, "encrypt")
	})
}
