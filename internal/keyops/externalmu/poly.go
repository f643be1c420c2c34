package externalmu

import "math/bits"

const (
	n = 256
	q = 8380417 // 2^23 - 2^13 + 1
	d = 13      // bits that t1 has lost
)

// poly is a polynomial of degree below n, coefficients 0 to q-1, or its
// number-theoretic transform.
type poly [n]uint32

func add(a, b uint32) uint32 { return (a + b) % q }
func sub(a, b uint32) uint32 { return (a + q - b) % q }
func mul(a, b uint32) uint32 { return uint32(uint64(a) * uint64(b) % q) }

// zetas are the powers of the root of unity 1753 in the order of FIPS 204
// appendix B.
var zetas = func() (z [n]uint32) {
	power := uint32(1)
	for i := range n {
		z[bits.Reverse8(uint8(i))] = power
		power = mul(power, 1753)
	}
	return z
}()

// ntt is FIPS 204 algorithm 41.
func (p *poly) ntt() {
	m := 0
	for length := n / 2; length >= 1; length /= 2 {
		for start := 0; start < n; start += 2 * length {
			m++
			for j := start; j < start+length; j++ {
				t := mul(zetas[m], p[j+length])
				p[j+length] = sub(p[j], t)
				p[j] = add(p[j], t)
			}
		}
	}
}

// inverseNTT is FIPS 204 algorithm 42.
func (p *poly) inverseNTT() {
	m := n
	for length := 1; length < n; length *= 2 {
		for start := 0; start < n; start += 2 * length {
			m--
			for j := start; j < start+length; j++ {
				t := p[j]
				p[j] = add(t, p[j+length])
				p[j+length] = mul(zetas[m], sub(p[j+length], t))
			}
		}
	}
	for j := range p {
		p[j] = mul(p[j], 8347681) // 1/256
	}
}

// bit strings have their first bit in the lowest of the first byte.
func bitsAt(b []byte, at, width int) (v uint32) {
	for i := range width {
		v |= uint32(b[(at+i)/8]>>((at+i)%8)&1) << i
	}
	return v
}

// unpackT1 reads coefficients of 10 bits, and makes up for what t1 has lost.
func (p *poly) unpackT1(b []byte) {
	for i := range p {
		p[i] = bitsAt(b, 10*i, 10) << d
	}
}

// unpackZ reads coefficients of z, and reports whether all are small enough.
func (p *poly) unpackZ(b []byte, set *parameters) bool {
	for i := range p {
		z := set.gamma1 - int32(bitsAt(b, set.zBits*i, set.zBits))
		if bound := set.gamma1 - set.beta; z >= bound || z <= -bound {
			return false
		}
		p[i] = uint32((z + q) % q)
	}
	return true
}

// pack writes coefficients of the width.
func (p *poly) pack(width int) []byte {
	b := make([]byte, n*width/8)
	for i, v := range p {
		for j := range width {
			at := width*i + j
			b[at/8] |= byte(v>>j&1) << (at % 8)
		}
	}
	return b
}

// useHints is FIPS 204 algorithm 40 of each coefficient.
func (p *poly) useHints(hints *[n]bool, set *parameters) {
	m := (q - 1) / (2 * set.gamma2)
	for i := range p {
		high, low := decompose(int32(p[i]), set.gamma2)
		switch {
		case hints[i] && low > 0:
			high = (high + 1) % m
		case hints[i]:
			high = (high + m - 1) % m
		}
		p[i] = uint32(high)
	}
}

// decompose is FIPS 204 algorithm 36.
func decompose(r, gamma2 int32) (high, low int32) {
	low = r % (2 * gamma2)
	if low > gamma2 {
		low -= 2 * gamma2
	}
	if r-low == q-1 {
		return 0, low - 1
	}
	return (r - low) / (2 * gamma2), low
}
