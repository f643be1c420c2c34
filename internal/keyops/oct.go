package keyops

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/subtle"
	"slices"
)

// symmetricKey is the whole of an oct key. Those of 16, 24 and 32 bytes are AES
// keys; every one makes MACs.
type symmetricKey struct {
	octets []byte
	// block and aead are nil if this is not an AES key. aead puts the nonce before
	// and the tag behind the ciphertext.
	block cipher.Block
	aead  cipher.AEAD
}

// newSymmetricKey takes the octets over.
func newSymmetricKey(octets []byte) *Key {
	k := &symmetricKey{octets: octets}
	if slices.Contains(octBits, 8*len(octets)) {
		var err error
		if k.block, err = aes.NewCipher(octets); err != nil {
			panic("keyops: " + err.Error())
		}
		if k.aead, err = cipher.NewGCMWithRandomNonce(k.block); err != nil {
			panic("keyops: " + err.Error())
		}
	}
	return newKey(k)
}

const (
	// minOctets is the least that an imported key may have: fewer can be guessed.
	minOctets = 16
	maxOctets = 64

	nonceSize = 12 // SP 800-38D section 8.2.2
	tagSize   = 16
)

var octBits = []int{128, 192, 256}

const defaultOctBits = 256

func checkOctBits(bits int) error {
	if !slices.Contains(octBits, bits) {
		return invalid("The key size %d is not supported for oct keys. Supported sizes are 128, 192 and 256.", bits)
	}
	return nil
}

// GenerateOct makes a symmetric key of 128, 192 or 256 bits; 0 means 256.
func GenerateOct(bits int) (*Key, error) {
	bits = cmp.Or(bits, defaultOctBits)
	if err := checkOctBits(bits); err != nil {
		return nil, err
	}
	octets := make([]byte, bits/8)
	_, _ = rand.Read(octets) // never fails
	return newSymmetricKey(octets), nil
}

func importOct(k PrivateJWK) (*Key, error) {
	switch {
	case len(k.K) == 0:
		return nil, malformed("The oct key is missing its member k.")
	case len(k.K) > maxOctets:
		return nil, invalid("JSON Web Key: k property of oct key is too large, maximum size is %d", maxOctets)
	case len(k.K) < minOctets:
		return nil, invalid("The member k of the oct key has %d bytes. At least %d are required.", len(k.K), minOctets)
	}
	return newSymmetricKey(slices.Clone(k.K)), nil
}

// suits reports whether the algorithm takes keys of this size.
func (k *symmetricKey) suits(a algorithm) error {
	bits := 8 * len(k.octets)
	if a.scheme == mac || a.bits == bits || a.bits == 0 && slices.Contains(octBits, bits) {
		return nil
	}
	want := "128, 192 or 256"
	switch a.bits {
	case 128:
		want = "128"
	case 192:
		want = "192"
	case 256:
		want = "256"
	}
	return invalid("Key and algorithm are incompatible. The key has %d bits, and algorithm '%s' can only be used with keys of %s bits.", bits, a.name, want)
}

func (k *symmetricKey) encrypt(a algorithm, in Input) (Output, error) {
	switch a.scheme {
	case gcm:
		return k.seal(in), nil
	case cbc, cbcPadded:
		return k.encryptCBC(a, in)
	case keyWrap:
		if len(in.Value) < 2*semiblock || len(in.Value)%semiblock != 0 {
			return Output{}, invalid("Invalid length of 'value': %d bytes. %s requires a multiple of %d bytes, at least %d.", len(in.Value), a.name, semiblock, 2*semiblock)
		}
		return Output{Value: wrapBlocks(k.block, wrapIV, in.Value)}, nil
	default:
		if len(in.Value) == 0 {
			return Output{}, invalid("Invalid length of 'value': 0 bytes. %s requires at least 1.", a.name)
		}
		return Output{Value: wrapPadded(k.block, in.Value)}, nil
	}
}

func (k *symmetricKey) decrypt(a algorithm, in Input) (Output, error) {
	var value []byte
	ok := false
	switch a.scheme {
	case gcm:
		if err := cmpLengths(a, in); err != nil {
			return Output{}, err
		}
		value, ok = k.open(in)
	case cbc, cbcPadded:
		if len(in.IV) != aes.BlockSize {
			return Output{}, a.wrongLength("iv", len(in.IV), aes.BlockSize)
		}
		value, ok = k.decryptCBC(a, in)
	case keyWrap:
		value, ok = unwrapBlocks(k.block, wrapIV, in.Value)
	default:
		value, ok = unwrapPadded(k.block, in.Value)
	}
	if !ok {
		return Output{}, undecryptable()
	}
	return Output{Value: value}, nil
}

// seal takes a new random nonce for every value. With one key that is safe for
// 2^32 values, SP 800-38D section 8.3.
func (k *symmetricKey) seal(in Input) Output {
	sealed := k.aead.Seal(nil, nil, in.Value, in.AAD)
	end := len(sealed) - tagSize
	return Output{
		IV: slices.Clip(sealed[:nonceSize]), Value: slices.Clip(sealed[nonceSize:end]), Tag: sealed[end:],
		AAD: slices.Clone(in.AAD),
	}
}

func (k *symmetricKey) open(in Input) ([]byte, bool) {
	sealed := slices.Concat(in.IV, in.Value, in.Tag)
	value, err := k.aead.Open(sealed[:0], nil, sealed, in.AAD)
	return value, err == nil
}

func cmpLengths(a algorithm, in Input) error {
	if len(in.IV) != nonceSize {
		return a.wrongLength("iv", len(in.IV), nonceSize)
	}
	if len(in.Tag) != tagSize {
		return a.wrongLength("tag", len(in.Tag), tagSize)
	}
	return nil
}

func (k *symmetricKey) encryptCBC(a algorithm, in Input) (Output, error) {
	if len(in.IV) != aes.BlockSize {
		return Output{}, a.wrongLength("iv", len(in.IV), aes.BlockSize)
	}
	padded := slices.Clone(in.Value)
	if a.scheme == cbcPadded {
		n := aes.BlockSize - len(padded)%aes.BlockSize
		for range n {
			padded = append(padded, byte(n))
		}
	}
	if len(padded) == 0 || len(padded)%aes.BlockSize != 0 {
		return Output{}, invalid("Invalid length of 'value': %d bytes. %s requires a multiple of %d bytes.", len(padded), a.name, aes.BlockSize)
	}
	cipher.NewCBCEncrypter(k.block, in.IV).CryptBlocks(padded, padded)
	return Output{Value: padded, IV: slices.Clone(in.IV)}, nil
}

func (k *symmetricKey) decryptCBC(a algorithm, in Input) ([]byte, bool) {
	if len(in.Value) == 0 || len(in.Value)%aes.BlockSize != 0 {
		return nil, false
	}
	value := make([]byte, len(in.Value))
	cipher.NewCBCDecrypter(k.block, in.IV).CryptBlocks(value, in.Value)
	if a.scheme == cbc {
		return value, true
	}
	n, ok := padding(value)
	if !ok {
		return nil, false
	}
	return value[:len(value)-n], true
}

// padding returns the length of the padding of RFC 5652 section 6.3. Its time
// does not depend on what the last block is.
func padding(value []byte) (int, bool) {
	last := value[len(value)-aes.BlockSize:]
	n := int(last[aes.BlockSize-1])
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, aes.BlockSize)
	for i, b := range last {
		inside := subtle.ConstantTimeLessOrEq(aes.BlockSize-n, i)
		good &= subtle.ConstantTimeSelect(inside, subtle.ConstantTimeByteEq(b, byte(n)), 1)
	}
	return n, good == 1
}

func (k *symmetricKey) mac(a algorithm, digest []byte) []byte {
	h := hmac.New(a.hash.New, k.octets)
	h.Write(digest)
	return h.Sum(nil)
}

func (k *symmetricKey) verifyMAC(a algorithm, digest, signature []byte) bool {
	return hmac.Equal(k.mac(a, digest), signature)
}
