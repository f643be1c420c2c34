package seal

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
)

func newStore(t testing.TB) store.Store {
	t.Helper()
	s, err := pebble.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newRoot(t testing.TB) Root {
	t.Helper()
	r, err := EphemeralRoot()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newFileRoot(t testing.TB, name string) Root {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := CreateRootFile(path); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRoot(FileURI(path))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func openKeyring(t testing.TB, s store.Store, roots ...Root) *Keyring {
	t.Helper()
	k, err := Open(t.Context(), s, roots...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newVault(t testing.TB, k *Keyring, id string) (*Sealer, []byte) {
	t.Helper()
	wrapped, err := k.NewVaultKey(id)
	if err != nil {
		t.Fatal(err)
	}
	return vaultSealer(t, k, id, wrapped), wrapped
}

func vaultSealer(t testing.TB, k *Keyring, id string, wrapped []byte) *Sealer {
	t.Helper()
	s, err := k.Vault(id, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSeal(t testing.TB, s *Sealer, key, plaintext string) []byte {
	t.Helper()
	sealed, err := s.Seal([]byte(key), []byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// checkOpens checks that s opens sealed at key as want.
func checkOpens(t testing.TB, s *Sealer, key string, sealed []byte, want string) {
	t.Helper()
	got, err := s.Open([]byte(key), sealed)
	if err != nil || string(got) != want {
		t.Errorf("Open = %q, %v, want %q", got, err, want)
	}
}

func checkErrOpen(t testing.TB, s *Sealer, key string, sealed []byte) {
	t.Helper()
	got, err := s.Open([]byte(key), sealed)
	if err != ErrOpen || got != nil {
		t.Errorf("Open = %q, %v, want nothing and ErrOpen itself", got, err)
	}
}

// keyringRecord returns the record of the keyring in a store.
func keyringRecord(t testing.TB, s store.Store) []byte {
	t.Helper()
	record, err := read(t.Context(), s)
	if err != nil || record == nil {
		t.Fatalf("the keyring record: %x, %v", record, err)
	}
	return record
}

func put(t testing.TB, s store.Store, key, value []byte) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		tx.Put(key, value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// hookedStore runs a function before each update, which stands for another
// process, or a fault when it returns an error.
type hookedStore struct {
	store.Store
	before func() error
}

func (s hookedStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.before(); err != nil {
		return err
	}
	return s.Store.Update(ctx, fn)
}

var errDisk = errors.New("the disk is gone")
