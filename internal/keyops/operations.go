package keyops

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"log/slog"
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
		return a.decryptRSA(private, k.native, in.Value)
	case *symmetricKey:
		if closing {
			return private.encrypt(a, in)
		}
		return private.decrypt(a, in)
	}
	panic("keyops: a key of no cipher with " + string(a.name))
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

// Message is what is signed. With most algorithms that is a digest, which the
// caller has made.
type Message struct {
	// Value is the digest, of the length that the algorithm's digests have; RSNULL
	// takes what fits into the padding, and ML-DSA the message itself.
	Value []byte
	// Context is for ML-DSA: what the signature is for, at most 255 bytes.
	Context []byte
	// ExternalMu is for ML-DSA, in place of Value and Context: the 64 bytes that
	// FIPS 204 section 6.2 computes from both and the public key.
	ExternalMu []byte
}

// Sign is SignMessage of a value alone.
func (k *Key) Sign(alg Algorithm, value []byte) ([]byte, error) {
	return k.SignMessage(alg, Message{Value: value})
}

// SignMessage returns the signature of m. An algorithm for another curve is a
// *CurveMismatchError. The algorithm of an AKP key may be left out.
func (k *Key) SignMessage(alg Algorithm, m Message) ([]byte, error) {
	a, err := k.findFor(alg, sign, m)
	if err != nil {
		return nil, err
	}
	switch private := k.private().(type) {
	case *rsa.PrivateKey:
		return a.signRSA(private, k.native, m.Value)
	case *ecdsa.PrivateKey:
		return signNIST(private, m.Value)
	case *koblitzKey:
		return private.sign(m.Value), nil
	case *symmetricKey:
		return private.mac(a, m.Value), nil
	case *akpKey:
		return private.sign(m)
	default:
		panic(fmt.Sprintf("keyops: a key of type %T", private))
	}
}

// Verify is VerifyMessage of a value alone.
func (k *Key) Verify(alg Algorithm, value, signature []byte) (bool, error) {
	return k.VerifyMessage(alg, Message{Value: value}, signature)
}

// VerifyMessage reports whether the signature is one of m. The errors are those
// of SignMessage; a signature of whatever other shape is false.
func (k *Key) VerifyMessage(alg Algorithm, m Message, signature []byte) (bool, error) {
	a, err := k.findFor(alg, verify, m)
	if err != nil {
		return false, err
	}
	switch private := k.private().(type) {
	case *rsa.PrivateKey:
		return a.verifyRSA(&private.PublicKey, m.Value, signature), nil
	case *ecdsa.PrivateKey:
		return verifyNIST(&private.PublicKey, m.Value, signature), nil
	case *koblitzKey:
		return private.verify(m.Value, signature), nil
	case *symmetricKey:
		return private.verifyMAC(a, m.Value, signature), nil
	case *akpKey:
		return private.verify(m, signature), nil
	default:
		panic(fmt.Sprintf("keyops: a key of type %T", private))
	}
}

// findFor is find for signatures of m.
func (k *Key) findFor(alg Algorithm, op operation, m Message) (algorithm, error) {
	a, err := k.find(alg, op)
	if err != nil {
		return a, err
	}
	if a.scheme == mldsaPure {
		return a, m.checkMLDSA()
	}
	if len(m.Context) != 0 || len(m.ExternalMu) != 0 {
		return a, invalid("The parameters context and external_mu are not for %s with %s.", op, a.name)
	}
	member := "value"
	if op == verify {
		member = "digest" // value is the signature
	}
	if a.hash == 0 {
		most := k.private().(*rsa.PrivateKey).Size() - pkcs1Overhead
		if len(m.Value) == 0 || len(m.Value) > most {
			return a, invalid("Invalid length of '%s': %d bytes. %s with this key requires 1 to %d bytes, encoded with base64url.", member, len(m.Value), a.name, most)
		}
		return a, nil
	}
	if len(m.Value) != a.hash.Size() {
		return a, a.wrongLength(member, len(m.Value), a.hash.Size())
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
