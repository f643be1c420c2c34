package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/openkeyvault/openkeyvault/api"
)

// The curve that crypto/x509 does not know, RFC 5480 and SEC 2.
var (
	oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSECP256K1   = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

// parsePEM returns the first private key of a file: PKCS #8, also encrypted,
// PKCS #1, or SEC 1. No error repeats any of it.
func parsePEM(text []byte, password string) (*api.JSONWebKey, error) {
	var others []string
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		switch block.Type {
		case "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			return parseBlock(block, password)
		case "OPENSSH PRIVATE KEY":
			return nil, errors.New("the key has the form of OpenSSH; ssh-keygen -p -m PEM -f FILE changes that of a copy")
		}
		others = append(others, block.Type)
	}
	if len(others) > 0 {
		return nil, fmt.Errorf("there is no private key, only %s", strings.ToLower(strings.Join(others, ", ")))
	}
	return nil, errors.New("there is no private key in PEM form; openssl pkey -in FILE -inform DER writes one that is in DER")
}

func parseBlock(block *pem.Block, password string) (*api.JSONWebKey, error) {
	der := block.Bytes
	_, oldCipher := block.Headers["DEK-Info"]
	switch encrypted := oldCipher || block.Type == "ENCRYPTED PRIVATE KEY"; {
	case encrypted && password == "":
		return nil, errors.New("the key is encrypted: give --pem-password, or pipe what openssl pkey -in FILE prints to --pem-file -")
	case !encrypted && password != "":
		return nil, errors.New("the key is not encrypted: leave --pem-password out")
	case oldCipher:
		var err error
		//lint:ignore SA1019 such files exist, and reading one makes it no worse
		if der, err = x509.DecryptPEMBlock(block, []byte(password)); err != nil {
			return nil, errWrongPassword
		}
	case encrypted:
		var err error
		if der, err = decryptPKCS8(der, password); err != nil {
			return nil, err
		}
	}
	return parseDER(block.Type, der)
}

func parseDER(form string, der []byte) (*api.JSONWebKey, error) {
	var private any
	var err error
	switch form {
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(der)
	case "EC PRIVATE KEY":
		if scalar, ok := koblitzSEC1(der, nil); ok {
			return koblitzJWK(scalar)
		}
		private, err = x509.ParseECPrivateKey(der)
	default:
		if scalar, ok := koblitzPKCS8(der); ok {
			return koblitzJWK(scalar)
		}
		if key, ok, err := akpPKCS8(der); ok {
			return key, err
		}
		private, err = x509.ParsePKCS8PrivateKey(der)
	}
	if err != nil {
		return nil, fmt.Errorf("the block %q is not what it says: %w", form, err)
	}
	switch private := private.(type) {
	case *rsa.PrivateKey:
		return rsaJWK(private)
	case *ecdsa.PrivateKey:
		return ecJWK(private)
	case ed25519.PrivateKey:
		return nil, errors.New("it is an Ed25519 key, and vaults have keys of RSA, EC and ML-DSA")
	}
	return nil, errors.New("it is none of RSA, EC or ML-DSA")
}

func rsaJWK(private *rsa.PrivateKey) (*api.JSONWebKey, error) {
	if len(private.Primes) != 2 {
		return nil, errors.New("it is an RSA key of more than two primes, which vaults do not have")
	}
	private.Precompute()
	return &api.JSONWebKey{
		Kty: api.KeyTypeRSA, N: private.N.Bytes(), E: exponent(private.E), D: private.D.Bytes(),
		P: private.Primes[0].Bytes(), Q: private.Primes[1].Bytes(),
		DP: private.Precomputed.Dp.Bytes(), DQ: private.Precomputed.Dq.Bytes(), QI: private.Precomputed.Qinv.Bytes(),
	}, nil
}

func exponent(e int) []byte {
	var b []byte
	for ; e > 0; e >>= 8 {
		b = append([]byte{byte(e)}, b...)
	}
	return b
}

func ecJWK(private *ecdsa.PrivateKey) (*api.JSONWebKey, error) {
	d, err := private.Bytes()
	if err != nil {
		return nil, err
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	half := len(point) / 2
	return &api.JSONWebKey{
		Kty: api.KeyTypeEC, Crv: api.Curve(private.Params().Name), D: d, X: point[1 : 1+half], Y: point[1+half:],
	}, nil
}

// sec1Key is the ECPrivateKey of SEC 1 appendix C.4.
type sec1Key struct {
	Version int
	Scalar  []byte
	Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

// koblitzSEC1 returns the private scalar if the key is on secp256k1. In PKCS #8
// the curve is beside the key, not in it.
func koblitzSEC1(der []byte, curve asn1.ObjectIdentifier) ([]byte, bool) {
	var key sec1Key
	if unmarshalWhole(der, &key) != nil || key.Version != 1 {
		return nil, false
	}
	if len(key.Curve) > 0 {
		curve = key.Curve
	}
	return key.Scalar, curve.Equal(oidSECP256K1)
}

func koblitzPKCS8(der []byte) ([]byte, bool) {
	var key privateKeyInfo
	if unmarshalWhole(der, &key) != nil || !key.Algorithm.Algorithm.Equal(oidECPublicKey) {
		return nil, false
	}
	var curve asn1.ObjectIdentifier
	if unmarshalWhole(key.Algorithm.Parameters.FullBytes, &curve) != nil {
		return nil, false
	}
	return koblitzSEC1(key.Key, curve)
}

func koblitzJWK(scalar []byte) (*api.JSONWebKey, error) {
	var d secp256k1.ModNScalar
	if len(scalar) != 32 || d.SetByteSlice(scalar) || d.IsZero() {
		return nil, errors.New("the key on the curve secp256k1 is none")
	}
	point := secp256k1.NewPrivateKey(&d).PubKey().SerializeUncompressed()
	return &api.JSONWebKey{Kty: api.KeyTypeEC, Crv: api.CurveP256K, D: scalar, X: point[1:33], Y: point[33:]}, nil
}

// parseJWK returns the private key of a file in the form of RFC 7517.
func parseJWK(text []byte) (*api.JSONWebKey, error) {
	key := new(api.JSONWebKey)
	if err := json.Unmarshal(text, key); err != nil {
		// The decoder's own error shows a part of the key.
		return nil, errors.New("it is not a JSON Web Key")
	}
	switch {
	case key.Kty == "":
		return nil, errors.New("it is not a JSON Web Key: it has no kty; of a set of keys, give one")
	case len(key.D) == 0 && len(key.K) == 0 && len(key.Priv) == 0 && len(key.KeyHSM) == 0:
		return nil, errors.New("it has only the public part of the key")
	}
	key.KID = ""
	if key.Kty != api.KeyTypeAKP && key.Kty != api.KeyTypeAKPHSM {
		key.Alg = "" // elsewhere, what the key is meant for
	}
	return key, nil
}
