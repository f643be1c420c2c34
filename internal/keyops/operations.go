package keyops

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"log/slog"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// maxInput bounds each member of an Input, in bytes.
const maxInput = 64 << 10

// Input is what an operation works on. IV, AAD and Tag are for symmetric keys;
// an algorithm that has no use for one refuses it, because it would not protect
// what the caller thinks that it does. An empty one counts as absent.
//
// It shows nothing of itself when it is formatted or logged.
type Input struct{ Value, IV, AAD, Tag []byte }

// Output is what an operation made: Value always, the others where the caller
// needs them to undo it. The caller owns the slices.
//
// It shows nothing of itself when it is formatted or logged.
type Output struct{ Value, IV, AAD, Tag []byte }

const hiddenValue = "[value]"

// String returns a placeholder.
func (Input) String() string { return hiddenValue }

// Format writes a placeholder, whatever the verb.
func (Input) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hiddenValue) }

// LogValue returns a placeholder.
func (Input) LogValue() slog.Value { return slog.StringValue(hiddenValue) }

// String returns a placeholder.
func (Output) String() string { return hiddenValue }

// Format writes a placeholder, whatever the verb.
func (Output) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hiddenValue) }

// LogValue returns a placeholder.
func (Output) LogValue() slog.Value { return slog.StringValue(hiddenValue) }

// Encrypt returns the ciphertext of a value, and what Decrypt needs beside it.
// The error for an algorithm or a length that will not do is a *fault.Error of
// kind Invalid, as it is for all operations.
func (k *Key) Encrypt(alg Algorithm, in Input) (Output, error) { return k.cipher(alg, encrypt, in) }

// Decrypt returns the value that was encrypted. Whatever does not decrypt gets
// the same error.
//
// With RSA1_5 and the CBC algorithms that alone tells a caller, who may send
// ciphertexts as they like, what the padding was, and with patience what the
// value is. Nothing done here can change that: they are for old ciphertexts.
func (k *Key) Decrypt(alg Algorithm, in Input) (Output, error) { return k.cipher(alg, decrypt, in) }

// Wrap is Encrypt for a key. Of symmetric keys it has its own algorithms.
func (k *Key) Wrap(alg Algorithm, in Input) (Output, error) { return k.cipher(alg, wrapKey, in) }

// Unwrap undoes Wrap, as Decrypt undoes Encrypt.
func (k *Key) Unwrap(alg Algorithm, in Input) (Output, error) { return k.cipher(alg, unwrapKey, in) }

func (k *Key) cipher(alg Algorithm, op operation, in Input) (Output, error) {
	a, err := k.find(alg, op)
	if err != nil {
		return Output{}, err
	}
	if err := in.check(a, op); err != nil {
		return Output{}, err
	}
	closing := op == encrypt || op == wrapKey
	switch private := k.private().(type) {
	case *rsa.PrivateKey:
		if closing {
			return a.encryptRSA(&private.PublicKey, in.Value)
		}
		return a.decryptRSA(private, in.Value)
	case symmetricKey:
		if closing {
			return private.encrypt(a, in)
		}
		return private.decrypt(a, in)
	}
	panic(fmt.Sprintf("keyops: %s has no cipher of EC keys", a.name))
}

// check bounds what there is, and refuses what the algorithm has no use for.
func (in Input) check(a algorithm, op operation) error {
	for _, m := range []struct {
		name  string
		bytes []byte
		used  bool
	}{
		{"value", in.Value, true},
		{"iv", in.IV, a.scheme == cbc || a.scheme == cbcPadded || a.scheme == gcm && op == decrypt},
		{"aad", in.AAD, a.scheme == gcm},
		{"tag", in.Tag, a.scheme == gcm && op == decrypt},
	} {
		if len(m.bytes) != 0 && !m.used {
			return invalid("The parameter %s is not for %s with %s.", m.name, op, a.name)
		}
		if len(m.bytes) > maxInput {
			return invalid("Invalid length of '%s': %d bytes. At most %d bytes are supported.", m.name, len(m.bytes), maxInput)
		}
	}
	return nil
}

// Sign returns the signature of a digest that the caller has made. It must have
// the length of the algorithm's digests; RSNULL takes what fits into the
// padding. An algorithm for another curve is a *CurveMismatchError.
func (k *Key) Sign(alg Algorithm, digest []byte) ([]byte, error) {
	a, err := k.findForDigest(alg, sign, digest)
	if err != nil {
		return nil, err
	}
	switch private := k.private().(type) {
	case *rsa.PrivateKey:
		return a.signRSA(private, digest)
	case *ecdsa.PrivateKey:
		return signNIST(private, digest)
	case *secp256k1.PrivateKey:
		return signKoblitz(private, digest), nil
	case symmetricKey:
		return private.mac(a, digest), nil
	default:
		panic(fmt.Sprintf("keyops: a key of type %T", private))
	}
}

// Verify reports whether the signature is one of the digest. The errors are
// those of Sign; a signature of whatever other shape is false.
func (k *Key) Verify(alg Algorithm, digest, signature []byte) (bool, error) {
	a, err := k.findForDigest(alg, verify, digest)
	if err != nil {
		return false, err
	}
	switch private := k.private().(type) {
	case *rsa.PrivateKey:
		return a.verifyRSA(&private.PublicKey, digest, signature), nil
	case *ecdsa.PrivateKey:
		return verifyNIST(&private.PublicKey, digest, signature), nil
	case *secp256k1.PrivateKey:
		return verifyKoblitz(private.PubKey(), digest, signature), nil
	case symmetricKey:
		return private.verifyMAC(a, digest, signature), nil
	default:
		panic(fmt.Sprintf("keyops: a key of type %T", private))
	}
}

func (k *Key) findForDigest(alg Algorithm, op operation, digest []byte) (algorithm, error) {
	a, err := k.find(alg, op)
	if err != nil {
		return a, err
	}
	if a.hash == 0 {
		most := k.private().(*rsa.PrivateKey).Size() - pkcs1Overhead
		if len(digest) == 0 || len(digest) > most {
			return a, invalid("Invalid length of 'value': %d bytes. %s with this key requires 1 to %d bytes, encoded with base64url.", len(digest), a.name, most)
		}
		return a, nil
	}
	if len(digest) != a.hash.Size() {
		return a, a.wrongLength("value", len(digest), a.hash.Size())
	}
	return a, nil
}

// maxRandom is Azure's bound on the bytes of one request.
const maxRandom = 128

// Random returns n random bytes, 1 to 128.
func Random(n int) ([]byte, error) {
	if n < 1 || n > maxRandom {
		return nil, invalid("GetRandomBytesRequest: count cannot be greater than %d or less than 1", maxRandom)
	}
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b, nil
}
