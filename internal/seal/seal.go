// Package seal encrypts what the store keeps: a root key wraps the keyring, the
// keyring wraps one data key per vault, and a vault's key seals its records.
//
// It guarantees that a sealed record opens only under the key of its vault, at
// the record key that it was sealed for, in the format that it was sealed in,
// and unchanged: a record cannot be read, altered, moved to another name or
// vault, or passed off as another format. It does not hide how long a value is,
// nor the record keys, and it cannot notice that a record was replaced by an
// older state of the same record, or that the whole database was.
//
// The cipher is XAES-256-GCM (https://c2sp.org/XAES-256-GCM): its 192-bit nonce
// is random for each message, so that one key seals any number of records
// without coordination between processes.
//
// # Formats
//
// All integers are big-endian. A sealed message is
//
//	format      1 byte, 1
//	generation  4 bytes, which key of the ring
//	nonce       24 bytes
//	ciphertext  as long as the plaintext
//	tag         16 bytes
//
// with the associated data "okv-seal", purpose (1 byte), format, generation and
// name. The name is the record key, the vault's id or the keyring's header, by
// purpose. A ring, which is the plaintext of a vault's key and of the keyring, is
//
//	format      1 byte, 1
//	count       2 bytes
//	count times: generation (4 bytes, ascending, from 1), key (32 bytes)
//
// The keyring record is
//
//	format      1 byte, 1
//	id          16 random bytes
//	wraps       1 byte, then for each: URI and wrapped key, both with a 2-byte length
//	ring        a sealed message
//
// The wrapped key of each wrap is the same random key, which seals the ring.
// That is what lets the keyring be rotated by a process that does not hold every
// root, such as the recovery key that lies in a safe.
//
// A format that was ever released stays readable: testdata holds examples that
// must open for ever. The package knows no vaults, objects or HTTP, only record
// keys and the store.
package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrOpen is returned when a sealed message does not open. It does not say why:
// a wrong key, a changed byte, another record's message, an unknown format and a
// cut-off message are all the same to whoever might be trying them.
var ErrOpen = errors.New("seal: the message does not open")

// Overhead is by how many bytes a sealed message is longer than its plaintext.
const Overhead = headerSize + nonceSize + tagSize

const (
	format1    = 1
	headerSize = 1 + 4
	nonceSize  = 24
	tagSize    = 16
	keySize    = 32
)

// purpose separates the uses of one key: a message sealed for one does not open
// for another.
type purpose byte

const (
	forRecord   purpose = 1
	forVaultKey purpose = 2
	forKeyring  purpose = 3
)

// Sealer seals and opens records under one vault's key, or the system's. It is
// safe for concurrent use.
type Sealer struct {
	// ring returns the keys to use now. A function, not a pointer, so that no
	// formatting verb walks from a Sealer to its keys.
	ring func() *ring
}

// Seal encrypts plaintext for the record of the given key, under the newest
// generation. The key must not be empty. The result is Overhead bytes longer than
// plaintext and shares no memory with it.
func (s *Sealer) Seal(recordKey, plaintext []byte) ([]byte, error) {
	if len(recordKey) == 0 {
		return nil, errors.New("seal: a record needs a key")
	}
	return s.ring().seal(forRecord, recordKey, plaintext)
}

// Open decrypts what Seal returned for the same record key, under whichever
// generation sealed it. Every failure is ErrOpen. The plaintext belongs to the
// caller.
func (s *Sealer) Open(recordKey, sealed []byte) ([]byte, error) {
	if len(recordKey) == 0 {
		return nil, ErrOpen
	}
	return s.ring().open(forRecord, recordKey, sealed)
}

// seal encrypts under the newest generation.
func (r *ring) seal(p purpose, name, plaintext []byte) ([]byte, error) {
	newest := r.generations[len(r.generations)-1]
	body, err := newest.cipher.seal(plaintext, associatedData(p, format1, newest.id, name))
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	sealed := make([]byte, headerSize, headerSize+len(body))
	sealed[0] = format1
	binary.BigEndian.PutUint32(sealed[1:], newest.id)
	return append(sealed, body...), nil
}

// open decrypts what seal made, else returns ErrOpen.
func (r *ring) open(p purpose, name, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != format1 {
		return nil, ErrOpen
	}
	id := binary.BigEndian.Uint32(sealed[1:])
	g, found := r.find(id)
	if !found {
		return nil, ErrOpen
	}
	plaintext, err := g.cipher.open(sealed[headerSize:], associatedData(p, format1, id, name))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// associatedData is unambiguous because all but the name has a fixed length.
func associatedData(p purpose, format byte, generation uint32, name []byte) []byte {
	const label = "okv-seal"
	ad := make([]byte, 0, len(label)+6+len(name))
	ad = append(ad, label...)
	ad = append(ad, byte(p), format)
	ad = binary.BigEndian.AppendUint32(ad, generation)
	return append(ad, name...)
}
