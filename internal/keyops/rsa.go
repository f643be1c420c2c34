package keyops

import (
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // of RSA-OAEP
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"
)

// pkcs1Overhead is the least that the padding of PKCS #1 v1.5 takes of the
// modulus, RFC 8017 section 7.2.1.
const pkcs1Overhead = 11

// room is the length of the longest value that the scheme encrypts.
func (a algorithm) room(public *rsa.PublicKey) int {
	if a.scheme == oaep {
		return public.Size() - 2*a.hash.Size() - 2
	}
	return public.Size() - pkcs1Overhead
}

func (a algorithm) encryptRSA(public *rsa.PublicKey, value []byte) (Output, error) {
	if most := a.room(public); len(value) > most {
		return Output{}, invalid("Invalid length of 'value': %d bytes. %s with this key takes at most %d bytes, encoded with base64url.", len(value), a.name, most)
	}
	var ciphertext []byte
	var err error
	if a.scheme == oaep {
		ciphertext, err = rsa.EncryptOAEP(a.hash.New(), rand.Reader, public, value, nil)
	} else {
		//lint:ignore SA1019 RSA1_5 is part of the protocol
		ciphertext, err = rsa.EncryptPKCS1v15(rand.Reader, public, value)
	}
	if err != nil {
		return Output{}, fmt.Errorf("encrypting with %s: %w", a.name, err)
	}
	return Output{Value: ciphertext}, nil
}

func (a algorithm) decryptRSA(private *rsa.PrivateKey, n native, ciphertext []byte) (Output, error) {
	if len(ciphertext) != private.Size() {
		return Output{}, undecryptable()
	}
	value, done, err := n.decrypt(a, ciphertext)
	switch {
	case done:
	case a.scheme == oaep:
		value, err = rsa.DecryptOAEP(a.hash.New(), nil, private, ciphertext, nil)
	default:
		//lint:ignore SA1019 RSA1_5 is part of the protocol
		value, err = rsa.DecryptPKCS1v15(nil, private, ciphertext)
	}
	if err != nil {
		return Output{}, undecryptable()
	}
	return Output{Value: value}, nil
}

func pssOptions() *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash} // RFC 7518 section 3.5
}

func (a algorithm) signRSA(private *rsa.PrivateKey, n native, digest []byte) ([]byte, error) {
	signature, done, err := n.sign(a, digest)
	switch {
	case done:
	case a.scheme == pss:
		signature, err = rsa.SignPSS(rand.Reader, private, a.hash, digest, pssOptions())
	default:
		signature, err = rsa.SignPKCS1v15(nil, private, a.hash, digest)
	}
	if err != nil {
		return nil, fmt.Errorf("signing with %s: %w", a.name, err)
	}
	return signature, nil
}

func (a algorithm) verifyRSA(public *rsa.PublicKey, digest, signature []byte) bool {
	if len(signature) != public.Size() {
		return false
	}
	if a.scheme == pss {
		return rsa.VerifyPSS(public, a.hash, digest, signature, pssOptions()) == nil
	}
	return rsa.VerifyPKCS1v15(public, a.hash, digest, signature) == nil
}
