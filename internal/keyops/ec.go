package keyops

import (
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	koblitz "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// A signature is r and s, each as long as the curve's order, RFC 7518 section
// 3.4. The orders of these curves are as long as their fields.

func orderSize(public *ecdsa.PublicKey) int { return (public.Params().N.BitLen() + 7) / 8 }

func signNIST(private *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, private, digest)
	if err != nil {
		return nil, fmt.Errorf("signing on %s: %w", private.Params().Name, err)
	}
	size := orderSize(&private.PublicKey)
	signature := make([]byte, 2*size)
	r.FillBytes(signature[:size])
	s.FillBytes(signature[size:])
	return signature, nil
}

func verifyNIST(public *ecdsa.PublicKey, digest, signature []byte) bool {
	size := orderSize(public)
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	return ecdsa.Verify(public, digest, r, s)
}

const koblitzSize = 32

// koblitzKey is a key on P-256K. public is kept because computing it takes as
// long as signing.
type koblitzKey struct {
	*secp256k1.PrivateKey
	public *secp256k1.PublicKey
}

func newKoblitzKey(private *secp256k1.PrivateKey) *Key {
	return newKey(&koblitzKey{private, private.PubKey()})
}

// sign returns, of the two signatures that differ in the sign of s, the one whose
// s is lower, as those who use this curve expect. verify takes both, because
// Azure makes both.
//
// The library's own Sign takes the nonce of RFC 6979, the same one whenever the
// digest is the same, and its arithmetic takes a time that depends on the nonce:
// asking again and again would average the noise away. So the nonce is hedged
// with random bytes, RFC 6979 section 3.6, and blinded where it is inverted. What
// remains for whoever measures is how many bytes of it are zero, once and with
// all the noise.
func (k *koblitzKey) sign(digest []byte) []byte {
	scalar := k.Key.Bytes()
	defer clear(scalar[:])
	for {
		var extra [32]byte
		_, _ = rand.Read(extra[:]) // never fails
		nonce := secp256k1.NonceRFC6979(scalar[:], digest, extra[:], nil, 0)
		if signature, ok := k.signWith(nonce, digest); ok {
			return signature
		}
	}
}

// signWith is SEC 1 section 4.1.3 from the nonce on, which it changes. It reports
// false for the one nonce in 2^255 that will not do.
func (k *koblitzKey) signWith(nonce *secp256k1.ModNScalar, digest []byte) ([]byte, bool) {
	var point secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(nonce, &point)
	point.ToAffine()
	var r, e, s secp256k1.ModNScalar
	r.SetBytes(point.X.Bytes()) // modulo the order
	e.SetByteSlice(digest)
	blind := randomScalar()
	inverse := nonce.Mul(blind).InverseNonConst().Mul(blind)
	s.Mul2(&k.Key, &r).Add(&e).Mul(inverse)
	if r.IsZero() || s.IsZero() {
		return nil, false
	}
	if s.IsOverHalfOrder() {
		s.Negate()
	}
	signature := make([]byte, 2*koblitzSize)
	r.PutBytesUnchecked(signature[:koblitzSize])
	s.PutBytesUnchecked(signature[koblitzSize:])
	return signature, true
}

func randomScalar() *secp256k1.ModNScalar {
	for {
		var b [koblitzSize]byte
		_, _ = rand.Read(b[:]) // never fails
		scalar := new(secp256k1.ModNScalar)
		if !scalar.SetByteSlice(b[:]) && !scalar.IsZero() {
			return scalar
		}
	}
}

func (k *koblitzKey) verify(digest, signature []byte) bool {
	if len(signature) != 2*koblitzSize {
		return false
	}
	var r, s secp256k1.ModNScalar
	// A number at or above the order is another one in disguise.
	if r.SetByteSlice(signature[:koblitzSize]) || s.SetByteSlice(signature[koblitzSize:]) || r.IsZero() || s.IsZero() {
		return false
	}
	return koblitz.NewSignature(&r, &s).Verify(digest, k.public)
}
