package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// ErrNoRoot is wrapped by the error of Open when none of the roots that it was
// given opens the keyring.
var ErrNoRoot = errors.New("no root key given opens the keyring")

// errChanged means that another process wrote the keyring record meanwhile.
var errChanged = errors.New("the keyring record has changed")

// maxAttempts bounds how often a change of the keyring starts again because
// another process was faster.
const maxAttempts = 10

// Keyring holds the installation's keys: it seals what belongs to no vault, and
// wraps each vault's own key. It is safe for concurrent use.
type Keyring struct {
	// changing serialises changes by this process. Reads never take it.
	changing sync.Mutex
	state    atomic.Pointer[state]
}

// state is one immutable state of the keyring.
type state struct {
	header header
	// outer has the one key that every root wraps and that seals the ring.
	outer *ring
	ring  *ring
}

func recordKey() []byte { return tuple.Key("keyring") }

// Open reads the keyring of a store, or creates it when the store is empty, so
// it comes before anything else is written. Existing keyrings are opened with
// the first root that can; a new one is wrapped by all of them. The error wraps
// ErrNoRoot when none of them opens it. A store that has records and no keyring
// is refused: a new keyring would hide that the old one is lost.
func Open(ctx context.Context, s store.Store, roots ...Root) (*Keyring, error) {
	if len(roots) == 0 {
		return nil, errors.New("opening the keyring: no root key is given")
	}
	for range maxAttempts {
		record, err := read(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("reading the keyring: %w", err)
		}
		if record != nil {
			return open(record, roots)
		}
		k, err := create(ctx, s, roots)
		if !errors.Is(err, errChanged) {
			return k, err
		}
	}
	return nil, fmt.Errorf("opening the keyring: %w", errChanged)
}

// read returns the keyring record, nil when the store is empty.
func read(ctx context.Context, s store.Store) ([]byte, error) {
	var record []byte
	err := s.View(ctx, func(v store.View) error {
		got, err := v.Get(recordKey())
		if err != nil {
			return err
		}
		if got[0].Exists() {
			record = got[0].Value
			return nil
		}
		entries, err := v.Scan(store.Range{Start: []byte{0}, End: []byte{0xff}}, 1)
		if err == nil && len(entries) > 0 {
			return errors.New("the store has records and no keyring: restore the database from a backup")
		}
		return err
	})
	return record, err
}

func open(record []byte, roots []Root) (*Keyring, error) {
	e, err := decodeEnvelope(record)
	if err != nil {
		return nil, fmt.Errorf("decoding the keyring: %w", err)
	}
	outer, err := e.header.unwrap(roots)
	if err != nil {
		return nil, fmt.Errorf("opening the keyring: %w", err)
	}
	r, err := e.open(outer)
	if err != nil {
		return nil, fmt.Errorf("opening the keyring: %w", err)
	}
	return newKeyring(&state{header: e.header, outer: outer, ring: r}), nil
}

func newKeyring(s *state) *Keyring {
	k := &Keyring{}
	k.state.Store(s)
	return k
}

func create(ctx context.Context, s store.Store, roots []Root) (*Keyring, error) {
	r, err := singleRing(newKey())
	if err != nil {
		return nil, fmt.Errorf("creating the keyring: %w", err)
	}
	first, record, err := wrapAnew(newKeyringID(), r, roots)
	if err != nil {
		return nil, fmt.Errorf("creating the keyring: %w", err)
	}
	if err := replace(ctx, s, nil, record); err != nil {
		return nil, fmt.Errorf("writing the keyring: %w", err)
	}
	return newKeyring(first), nil
}

// replace writes record if the present one is still old (nil for none), else it
// returns errChanged.
func replace(ctx context.Context, s store.Store, old, record []byte) error {
	return s.Update(ctx, func(tx store.Tx) error {
		got, err := tx.Get(recordKey())
		if err != nil {
			return err
		}
		if got[0].Exists() != (old != nil) || !bytes.Equal(got[0].Value, old) {
			return errChanged
		}
		tx.Put(recordKey(), record)
		return nil
	})
}

// System returns the sealer of the records outside vaults. It follows rotations
// of the keyring.
func (k *Keyring) System() *Sealer {
	return &Sealer{ring: k.ring}
}

func (k *Keyring) ring() *ring { return k.state.Load().ring }

// Roots returns the URIs of the roots that can open the keyring.
func (k *Keyring) Roots() []string { return k.state.Load().header.uris() }

// NewVaultKey returns a new data key for a vault, wrapped: it opens for the same
// vault id alone. It is stored with the vault and needs no secrecy.
func (k *Keyring) NewVaultKey(vaultID string) (wrapped []byte, err error) {
	r, err := singleRing(newKey())
	if err != nil {
		return nil, fmt.Errorf("making a vault key: %w", err)
	}
	return k.wrapVaultKey(vaultID, r)
}

// RotateVaultKey returns the vault's wrapped key with a new generation, wrapped
// under the keyring's newest: sealers made from it seal with the new key and
// open what any earlier one has sealed. The caller stores it in place of wrapped.
func (k *Keyring) RotateVaultKey(vaultID string, wrapped []byte) ([]byte, error) {
	r, err := k.unwrapVaultKey(vaultID, wrapped)
	if err != nil {
		return nil, err
	}
	if r, err = r.rotated(); err != nil {
		return nil, fmt.Errorf("rotating a vault key: %w", err)
	}
	return k.wrapVaultKey(vaultID, r)
}

// Vault returns the sealer of a vault from its wrapped key. The error is ErrOpen
// when the key is another vault's or another installation's, or was changed. The
// sealer may be kept for as long as the wrapped key is unchanged in the store.
func (k *Keyring) Vault(vaultID string, wrapped []byte) (*Sealer, error) {
	r, err := k.unwrapVaultKey(vaultID, wrapped)
	if err != nil {
		return nil, err
	}
	return &Sealer{ring: func() *ring { return r }}, nil
}

func (k *Keyring) wrapVaultKey(vaultID string, r *ring) ([]byte, error) {
	if vaultID == "" {
		return nil, errors.New("wrapping a vault key: the vault has no id")
	}
	plaintext := r.encode()
	defer clear(plaintext)
	wrapped, err := k.ring().seal(forVaultKey, []byte(vaultID), plaintext)
	if err != nil {
		return nil, fmt.Errorf("wrapping a vault key: %w", err)
	}
	return wrapped, nil
}

func (k *Keyring) unwrapVaultKey(vaultID string, wrapped []byte) (*ring, error) {
	plaintext, err := k.ring().open(forVaultKey, []byte(vaultID), wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	return decodeRing(plaintext)
}
