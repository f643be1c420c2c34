package seal

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// A backup blob is
//
//	magic      1 byte, the length of the text; "OpenKeyVaultBackup"
//	format     1 byte, 1
//	key        16 bytes, which backup key
//	origin     three texts, each with a 1-byte length: kind, tenant, subscription
//	nonce, ciphertext, tag
//
// with the associated data "okv-backup" and everything before the nonce. Azure's
// blobs begin with a magic of the same form; clients look at neither.
//
// The backup keys are a record of the store, sealed as one of the system's:
//
//	format     1 byte, 1
//	count      2 bytes
//	count times: key id (16 bytes), key (32 bytes), oldest first
//
// They are never retired: a blob opens as long as its installation lives, however
// often the keyring is rotated. The last one seals.
const (
	backupMagic = "OpenKeyVaultBackup"
	backupIDs   = 16

	backupEntrySize = backupIDs + keySize
	maxBackupKeys   = 1024
)

// Origin says what a backup blob is of. It is in clear in the blob, and cannot be
// changed. Each text has at most 255 bytes.
type Origin struct {
	Kind, TenantID, SubscriptionID string
}

// BackupKeys seal the backups of objects. They are safe for concurrent use.
type BackupKeys struct {
	keys []backupKey
}

type backupKey struct {
	id     [backupIDs]byte
	cipher cipher
}

func backupKeysKey() []byte { return tuple.Key("backupkeys") }

// OpenBackupKeys reads the backup keys of a store, and makes the first one if there
// is none.
func OpenBackupKeys(ctx context.Context, s store.Store, k *Keyring) (*BackupKeys, error) {
	sealed, err := firstBackupKey(k)
	if err != nil {
		return nil, fmt.Errorf("making a backup key: %w", err)
	}
	record := sealed
	err = s.Update(ctx, func(tx store.Tx) error {
		got, err := tx.Get(backupKeysKey())
		if err != nil {
			return err
		}
		if got[0].Exists() {
			record = got[0].Value
			return nil
		}
		record = sealed
		tx.Put(backupKeysKey(), sealed)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the backup keys: %w", err)
	}
	plain, err := k.System().Open(backupKeysKey(), record)
	if err != nil {
		return nil, fmt.Errorf("opening the backup keys: %w", err)
	}
	defer clear(plain)
	return decodeBackupKeys(plain)
}

// firstBackupKey returns the sealed record of one new key.
func firstBackupKey(k *Keyring) ([]byte, error) {
	plain := make([]byte, 3+backupEntrySize)
	defer clear(plain)
	plain[0], plain[2] = format1, 1
	rand.Read(plain[3:])
	return k.System().Seal(backupKeysKey(), plain)
}

var errBackupKeys = errors.New("seal: malformed record of backup keys")

func decodeBackupKeys(b []byte) (*BackupKeys, error) {
	if len(b) < 3 || b[0] != format1 {
		return nil, errBackupKeys
	}
	count := int(b[1])<<8 | int(b[2])
	b = b[3:]
	if count < 1 || count > maxBackupKeys || len(b) != count*backupEntrySize {
		return nil, errBackupKeys
	}
	keys := &BackupKeys{}
	for ; len(b) > 0; b = b[backupEntrySize:] {
		c, err := newCipher(b[backupIDs:backupEntrySize])
		if err != nil {
			return nil, err
		}
		keys.keys = append(keys.keys, backupKey{[backupIDs]byte(b), c})
	}
	return keys, nil
}

// Seal returns the blob of a backup.
func (k *BackupKeys) Seal(o Origin, plaintext []byte) ([]byte, error) {
	newest := k.keys[len(k.keys)-1]
	header := append([]byte{byte(len(backupMagic))}, backupMagic...)
	header = append(header, format1)
	header = append(header, newest.id[:]...)
	for _, text := range []string{o.Kind, o.TenantID, o.SubscriptionID} {
		if len(text) > 255 {
			return nil, errors.New("sealing a backup: a text of its origin is too long")
		}
		header = append(append(header, byte(len(text))), text...)
	}
	body, err := newest.cipher.seal(plaintext, backupData(header))
	if err != nil {
		return nil, fmt.Errorf("sealing a backup: %w", err)
	}
	return append(header, body...), nil
}

// Open returns what Seal was given. Every failure is ErrOpen: a blob of another
// installation, one that was changed or cut off, and what is no blob at all.
func (k *BackupKeys) Open(blob []byte) (Origin, []byte, error) {
	rest, found := bytes.CutPrefix(blob, append([]byte{byte(len(backupMagic))}, backupMagic...))
	if !found || len(rest) < 1+backupIDs || rest[0] != format1 {
		return Origin{}, nil, ErrOpen
	}
	id := [backupIDs]byte(rest[1:])
	rest = rest[1+backupIDs:]
	var o Origin
	for _, text := range []*string{&o.Kind, &o.TenantID, &o.SubscriptionID} {
		if len(rest) < 1 || len(rest) < 1+int(rest[0]) {
			return Origin{}, nil, ErrOpen
		}
		*text, rest = string(rest[1:1+int(rest[0])]), rest[1+int(rest[0]):]
	}
	header := blob[:len(blob)-len(rest)]
	for _, key := range k.keys {
		if key.id != id || len(rest) < nonceSize+tagSize {
			continue
		}
		plaintext, err := key.cipher.open(rest, backupData(header))
		if err != nil {
			return Origin{}, nil, ErrOpen
		}
		return o, plaintext, nil
	}
	return Origin{}, nil, ErrOpen
}

func backupData(header []byte) []byte {
	const label = "okv-backup"
	return append(append(make([]byte, 0, len(label)+len(header)), label...), header...)
}
