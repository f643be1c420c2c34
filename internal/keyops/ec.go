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

// signKoblitz makes the signature of RFC 6979, of whose two values for s it
// returns the lower, as those who use this curve expect. verifyKoblitz takes
// both, because Azure makes both.
func signKoblitz(private *secp256k1.PrivateKey, digest []byte) []byte {
	signature := koblitz.Sign(private, digest)
	r, s := signature.R(), signature.S()
	raw := make([]byte, 2*koblitzSize)
	r.PutBytesUnchecked(raw[:koblitzSize])
	s.PutBytesUnchecked(raw[koblitzSize:])
	return raw
}

func verifyKoblitz(public *secp256k1.PublicKey, digest, signature []byte) bool {
	if len(signature) != 2*koblitzSize {
		return false
	}
	var r, s secp256k1.ModNScalar
	// A number at or above the order is another one in disguise.
	if r.SetByteSlice(signature[:koblitzSize]) || s.SetByteSlice(signature[koblitzSize:]) || r.IsZero() || s.IsZero() {
		return false
	}
	return koblitz.NewSignature(&r, &s).Verify(digest, public)
}
