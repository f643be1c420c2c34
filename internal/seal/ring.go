package seal

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/xaesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"

	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// maxGenerations bounds a ring, at one rotation a day for over ten years. A full
// ring is below 160 KiB and fits a record of the store.
const maxGenerations = 4096

// ring is a list of keys, oldest first: the last one seals, all of them open. It
// is immutable and never empty.
type ring struct {
	generations []generation
}

type generation struct {
	id     uint32
	key    secret.Bytes
	cipher cipher
}

// cipher is an AEAD. It holds functions, not the AEAD itself, because fmt would
// walk from that to the key schedule.
type cipher struct {
	seal, open func(text, associated []byte) ([]byte, error)
}

// newCipher returns XAES-256-GCM under a key, which it copies. Its seal puts the
// random nonce before the ciphertext.
func newCipher(key []byte) (cipher, error) {
	params, err := xaesgcm.NewParameters(xaesgcm.VariantNoPrefix, 12)
	if err != nil {
		return cipher{}, fmt.Errorf("choosing XAES-256-GCM: %w", err)
	}
	k, err := xaesgcm.NewKey(secretdata.NewBytesFromData(key, insecuresecretdataaccess.Token{}), 0, params)
	if err != nil {
		return cipher{}, fmt.Errorf("making an XAES-256-GCM key: %w", err)
	}
	manager := keyset.NewManager()
	id, err := manager.AddKey(k)
	if err != nil {
		return cipher{}, fmt.Errorf("adding the key to a keyset: %w", err)
	}
	if err := manager.SetPrimary(id); err != nil {
		return cipher{}, fmt.Errorf("choosing the primary key: %w", err)
	}
	handle, err := manager.Handle()
	if err != nil {
		return cipher{}, fmt.Errorf("closing the keyset: %w", err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return cipher{}, fmt.Errorf("making the AEAD: %w", err)
	}
	return cipher{seal: primitive.Encrypt, open: primitive.Decrypt}, nil
}

// newKey returns a random key.
func newKey() []byte {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: the process ends instead
	return key
}

// newGeneration takes over key.
func newGeneration(id uint32, key []byte) (generation, error) {
	c, err := newCipher(key)
	if err != nil {
		return generation{}, err
	}
	return generation{id: id, key: secret.New(key), cipher: c}, nil
}

// singleRing returns a ring of one generation with the key, which it takes over.
func singleRing(key []byte) (*ring, error) {
	g, err := newGeneration(1, key)
	if err != nil {
		return nil, err
	}
	return &ring{[]generation{g}}, nil
}

// rotated returns r with a new random generation, which seals from now on.
func (r *ring) rotated() (*ring, error) {
	newest := r.generations[len(r.generations)-1]
	if len(r.generations) >= maxGenerations || newest.id == math.MaxUint32 {
		return nil, fmt.Errorf("a ring of keys cannot have more than %d generations", maxGenerations)
	}
	g, err := newGeneration(newest.id+1, newKey())
	if err != nil {
		return nil, err
	}
	return &ring{append(slices.Clone(r.generations), g)}, nil
}

func (r *ring) find(id uint32) (generation, bool) {
	i, found := slices.BinarySearchFunc(r.generations, id, func(g generation, id uint32) int {
		return cmp.Compare(g.id, id)
	})
	if !found {
		return generation{}, false
	}
	return r.generations[i], true
}

const ringEntrySize = 4 + keySize

// encode returns the ring's bytes, keys and all: the caller seals and clears them.
func (r *ring) encode() []byte {
	b := make([]byte, 0, 3+len(r.generations)*ringEntrySize)
	b = append(b, format1)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.generations)))
	for _, g := range r.generations {
		b = binary.BigEndian.AppendUint32(b, g.id)
		b = append(b, g.key.Reveal()...)
	}
	return b
}

var errRing = errors.New("seal: malformed ring of keys")

// decodeRing is the inverse of encode and accepts nothing else. It copies what
// it keeps.
func decodeRing(b []byte) (*ring, error) {
	if len(b) < 3 || b[0] != format1 {
		return nil, errRing
	}
	count := int(binary.BigEndian.Uint16(b[1:]))
	b = b[3:]
	if count < 1 || count > maxGenerations || len(b) != count*ringEntrySize {
		return nil, errRing
	}
	r := &ring{make([]generation, 0, count)}
	last := uint32(0)
	for ; len(b) > 0; b = b[ringEntrySize:] {
		id := binary.BigEndian.Uint32(b)
		if id <= last {
			return nil, errRing
		}
		last = id
		g, err := newGeneration(id, slices.Clone(b[4:ringEntrySize]))
		if err != nil {
			return nil, err
		}
		r.generations = append(r.generations, g)
	}
	return r, nil
}
