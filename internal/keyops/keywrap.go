package keyops

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// semiblock is the unit of RFC 3394.
const semiblock = 8

// wrapIV is the check value of RFC 3394 section 2.2.3.1.
var wrapIV = [semiblock]byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}

// padIV begins the check value of RFC 5649 section 3; the value's length follows.
var padIV = [4]byte{0xa6, 0x59, 0x59, 0xa6}

// wrapBlocks is RFC 3394 section 2.2.1. value has two or more semiblocks.
func wrapBlocks(block cipher.Block, iv [semiblock]byte, value []byte) []byte {
	out := make([]byte, semiblock+len(value))
	copy(out[semiblock:], value)
	var b [aes.BlockSize]byte
	copy(b[:semiblock], iv[:])
	step := uint64(0)
	for range 6 {
		for r := semiblock; r < len(out); r += semiblock {
			step++
			copy(b[semiblock:], out[r:r+semiblock])
			block.Encrypt(b[:], b[:])
			copy(out[r:], b[semiblock:])
			binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^step)
		}
	}
	copy(out, b[:semiblock])
	return out
}

// unwrap is RFC 3394 section 2.2.2 without its comparison: it returns the check
// value too. wrapped has three or more semiblocks.
func unwrap(block cipher.Block, wrapped []byte) (check [semiblock]byte, value []byte) {
	value = make([]byte, len(wrapped)-semiblock)
	copy(value, wrapped[semiblock:])
	var b [aes.BlockSize]byte
	copy(b[:semiblock], wrapped)
	step := uint64(6 * len(value) / semiblock)
	for range 6 {
		for r := len(value) - semiblock; r >= 0; r -= semiblock {
			binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^step)
			copy(b[semiblock:], value[r:r+semiblock])
			block.Decrypt(b[:], b[:])
			copy(value[r:], b[semiblock:])
			step--
		}
	}
	copy(check[:], b[:])
	return check, value
}

func unwrapBlocks(block cipher.Block, iv [semiblock]byte, wrapped []byte) ([]byte, bool) {
	if len(wrapped) < 3*semiblock || len(wrapped)%semiblock != 0 {
		return nil, false
	}
	check, value := unwrap(block, wrapped)
	if subtle.ConstantTimeCompare(check[:], iv[:]) != 1 {
		clear(value)
		return nil, false
	}
	return value, true
}

// wrapPadded is RFC 5649 section 4.1. value has 1 to maxInput bytes.
func wrapPadded(block cipher.Block, value []byte) []byte {
	var iv [semiblock]byte
	copy(iv[:], padIV[:])
	binary.BigEndian.PutUint32(iv[4:], uint32(len(value)))
	padded := make([]byte, (len(value)+semiblock-1)/semiblock*semiblock)
	copy(padded, value)
	if len(padded) > semiblock {
		return wrapBlocks(block, iv, padded)
	}
	out := append(iv[:], padded...)
	block.Encrypt(out, out)
	return out
}

// unwrapPadded is RFC 5649 section 4.2. Its three checks end together.
func unwrapPadded(block cipher.Block, wrapped []byte) ([]byte, bool) {
	if len(wrapped) < 2*semiblock || len(wrapped)%semiblock != 0 {
		return nil, false
	}
	var check [semiblock]byte
	var value []byte
	if len(wrapped) == 2*semiblock {
		both := make([]byte, aes.BlockSize)
		block.Decrypt(both, wrapped)
		copy(check[:], both)
		value = both[semiblock:]
	} else {
		check, value = unwrap(block, wrapped)
	}
	length := int(int32(binary.BigEndian.Uint32(check[4:])) & 0x7fffffff)
	good := subtle.ConstantTimeCompare(check[:4], padIV[:]) & subtle.ConstantTimeByteEq(check[4]>>7, 0)
	good &= subtle.ConstantTimeLessOrEq(len(value)-semiblock+1, length) & subtle.ConstantTimeLessOrEq(length, len(value))
	pad := 0
	for i := len(value) - semiblock; i < len(value); i++ {
		pad |= int(value[i]) & -subtle.ConstantTimeLessOrEq(length, i)
	}
	good &= subtle.ConstantTimeEq(int32(pad), 0)
	if good != 1 {
		clear(value)
		return nil, false
	}
	return value[:length], true
}
