// Package externalmu verifies signatures of ML-DSA, FIPS 204, when there is only
// μ, the digest that stands for the public key, the context and the message. The
// library that signs can sign μ, and cannot verify it.
//
// It guarantees the answers of FIPS 204 algorithm 8. It knows no private keys:
// nothing here is secret, so that its time may depend on all it sees.
package externalmu

import (
	"bytes"
	"crypto/sha3"
)

// Size is the length of μ in bytes.
const Size = 64

// parameters are a set of FIPS 204 section 4, table 1.
type parameters struct {
	k, l   int // the rows and columns of the matrix A
	tau    int // coefficients of ±1 in the challenge
	gamma1 int32
	gamma2 int32
	beta   int32
	omega  int // the most hints
	digest int // bytes of the commitment's digest, λ/4
	zBits  int // bits of a coefficient of z
	w1Bits int // bits of a coefficient of w1
}

// sets are the parameter sets by the size of their public keys.
var sets = map[int]*parameters{
	1312: {4, 4, 39, 1 << 17, (q - 1) / 88, 78, 80, 32, 18, 6},
	1952: {6, 5, 49, 1 << 19, (q - 1) / 32, 196, 55, 48, 20, 4},
	2592: {8, 7, 60, 1 << 19, (q - 1) / 32, 120, 75, 64, 20, 4},
}

func (p *parameters) signatureSize() int { return p.digest + p.l*n*p.zBits/8 + p.omega + p.k }

// Verify reports whether signature is one of μ under the public key, whose size
// says which parameter set it has. It is false for anything malformed.
func Verify(public, mu, signature []byte) bool {
	p := sets[len(public)]
	if p == nil || len(mu) != Size || len(signature) != p.signatureSize() {
		return false
	}
	commitment, rest := signature[:p.digest], signature[p.digest:]
	zSize := n * p.zBits / 8
	z := make([]poly, p.l)
	for i := range z {
		if !z[i].unpackZ(rest[i*zSize:(i+1)*zSize], p) {
			return false
		}
	}
	hints, ok := unpackHints(rest[p.l*zSize:], p)
	if !ok {
		return false
	}
	for i := range z {
		z[i].ntt()
	}
	c := sampleInBall(commitment, p)
	c.ntt()
	rho, t1 := public[:32], public[32:]
	h := sha3.NewSHAKE256()
	h.Write(mu)
	for r := range p.k {
		w := approximate(rho, r, z, &c, t1[r*n*10/8:(r+1)*n*10/8])
		w.useHints(&hints[r], p)
		h.Write(w.pack(p.w1Bits))
	}
	again := make([]byte, p.digest)
	_, _ = h.Read(again) // never fails: a sponge has no end
	return bytes.Equal(again, commitment)
}

// approximate returns a row of Az - ct1·2^d, from z and c as the transform has
// them.
func approximate(rho []byte, r int, z []poly, c *poly, t1 []byte) *poly {
	var t poly
	t.unpackT1(t1)
	t.ntt()
	w := new(poly)
	for s := range z {
		a := sampleNTT(rho, byte(s), byte(r))
		for i := range w {
			w[i] = add(w[i], mul(a[i], z[s][i]))
		}
	}
	for i := range w {
		w[i] = sub(w[i], mul(c[i], t[i]))
	}
	w.inverseNTT()
	return w
}

// unpackHints is FIPS 204 algorithm 21, which lets no two encodings of the same
// hints pass.
func unpackHints(b []byte, p *parameters) ([][n]bool, bool) {
	hints := make([][n]bool, p.k)
	index := 0
	for i := range hints {
		end := int(b[p.omega+i])
		if end < index || end > p.omega {
			return nil, false
		}
		for first := index; index < end; index++ {
			if index > first && b[index-1] >= b[index] {
				return nil, false
			}
			hints[i][b[index]] = true
		}
	}
	for _, rest := range b[index:p.omega] {
		if rest != 0 {
			return nil, false
		}
	}
	return hints, true
}

// sampleNTT is FIPS 204 algorithm 30.
func sampleNTT(rho []byte, s, r byte) (a poly) {
	h := sha3.NewSHAKE128()
	h.Write(rho)
	h.Write([]byte{s, r})
	var buf [168]byte // a block of SHAKE128, which is a multiple of 3
	for i := 0; i < n; {
		_, _ = h.Read(buf[:])
		for at := 0; at < len(buf) && i < n; at += 3 {
			if v := uint32(buf[at]) | uint32(buf[at+1])<<8 | uint32(buf[at+2]&0x7f)<<16; v < q {
				a[i] = v
				i++
			}
		}
	}
	return a
}

// sampleInBall is FIPS 204 algorithm 29.
func sampleInBall(seed []byte, p *parameters) (c poly) {
	h := sha3.NewSHAKE256()
	h.Write(seed)
	var signs [8]byte
	_, _ = h.Read(signs[:])
	for i := n - p.tau; i < n; i++ {
		var j [1]byte
		for {
			if _, _ = h.Read(j[:]); int(j[0]) <= i {
				break
			}
		}
		c[i] = c[j[0]]
		c[j[0]] = 1
		if at := i + p.tau - n; signs[at/8]>>(at%8)&1 == 1 {
			c[j[0]] = q - 1
		}
	}
	return c
}
