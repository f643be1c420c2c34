package catalog_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

const (
	tenant    = "11111111-1111-4111-8111-111111111111"
	principal = "22222222-2222-4222-8222-222222222222"
	id1       = "0123456789abcdef0123456789abcdef"
	id2       = "fedcba9876543210fedcba9876543210"

	roleSecretsUser = "4633458b-17de-408a-b874-0445c86b69e6"
)

var caller = access.Caller{TenantID: tenant, ObjectID: principal}

// world is a store and two nodes over it, each with its own catalog.
type world struct {
	t     *testing.T
	store *spyStore
	ring  *seal.Keyring
	cat   *catalog.Catalog
	other *catalog.Catalog
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := pebble.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &world{t: t, store: &spyStore{Store: s}, ring: newKeyring(t, s)}
	w.cat = catalog.New(catalog.Config{Store: w.store, Keyring: w.ring})
	w.other = catalog.New(catalog.Config{Store: w.store, Keyring: w.ring})
	return w
}

func newKeyring(t testing.TB, s store.Store) *seal.Keyring {
	t.Helper()
	root, err := seal.EphemeralRoot()
	if err != nil {
		t.Fatal(err)
	}
	k, err := seal.Open(t.Context(), s, root)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// vault returns a vault that is not stored yet.
func (w *world) vault(id, name string) *catalog.Vault {
	w.t.Helper()
	wrapped, err := w.ring.NewVaultKey(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return &catalog.Vault{ID: id, Name: name, TenantID: tenant, SubscriptionID: "sub", ResourceGroup: "Team",
		Location: "eastus", SoftDelete: true, RetentionDays: 90, WrappedKey: wrapped}
}

func (w *world) update(fn func(tx store.Tx)) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(tx store.Tx) error {
		fn(tx)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// put returns a function that takes the results of an Encode and puts them.
func (w *world) put(tx store.Tx) func(key, sealed []byte, err error) {
	return func(key, sealed []byte, err error) {
		w.t.Helper()
		if err != nil {
			w.t.Error(err)
			return
		}
		tx.Put(key, sealed)
	}
}

// save stores a vault's document and its name.
func (w *world) save(v *catalog.Vault) {
	w.t.Helper()
	w.update(func(tx store.Tx) {
		w.put(tx)(w.cat.EncodeVault(v))
		w.put(tx)(w.cat.EncodeName(v.Name, v.ID))
	})
}

func contentKey(id, name string) []byte { return tuple.Append(catalog.VaultKey(id), name) }

// content stores records inside a vault; each holds its own name and vault.
func (w *world) content(id string, names ...string) {
	w.t.Helper()
	w.update(func(tx store.Tx) {
		for _, name := range names {
			tx.Put(contentKey(id, name), []byte(id+"/"+name))
		}
	})
}

func contents(names ...string) func(string) [][]byte {
	return func(id string) [][]byte {
		var keys [][]byte
		for _, name := range names {
			keys = append(keys, contentKey(id, name))
		}
		return keys
	}
}

// assign grants the principal a role at a scope.
func (w *world) assign(id, scope string) {
	w.t.Helper()
	w.update(func(tx store.Tx) {
		w.put(tx)(w.cat.EncodeAssignment(catalog.RoleAssignment{Assignment: access.Assignment{ID: id, Scope: scope, RoleID: roleSecretsUser, PrincipalID: principal}}))
		w.put(tx)(w.cat.EncodeEpoch())
	})
}

func (w *world) unassign(id string) {
	w.t.Helper()
	w.update(func(tx store.Tx) {
		tx.Delete(catalog.RoleKey(id))
		w.put(tx)(w.cat.EncodeEpoch())
	})
}

// view returns what View finds, and how many times it read.
func (w *world) view(c *catalog.Catalog, name string, names ...string) (sc catalog.Scope, values []string, gets int) {
	w.t.Helper()
	w.store.reset()
	err := c.View(w.t.Context(), name, contents(names...), func(_ store.View, got catalog.Scope, recs []store.Record) error {
		sc, values = got, texts(recs)
		return nil
	})
	if err != nil {
		w.t.Fatalf("View(%q): %v", name, err)
	}
	gets = w.store.count().gets
	if found, err := c.Find(w.t.Context(), name); err != nil || found != sc.Vault {
		w.t.Errorf("Find(%q) = %p, %v; View has %p", name, found, err, sc.Vault)
	}
	return sc, values, gets
}

// written is view in an update.
func (w *world) written(c *catalog.Catalog, name string, names ...string) (sc catalog.Scope, values []string, gets int) {
	w.t.Helper()
	w.store.reset()
	err := c.Update(w.t.Context(), name, contents(names...), func(_ store.Tx, got catalog.Scope, recs []store.Record) error {
		sc, values = got, texts(recs)
		return nil
	})
	if err != nil {
		w.t.Fatalf("Update(%q): %v", name, err)
	}
	return sc, values, w.store.count().gets
}

func texts(recs []store.Record) []string {
	values := make([]string, len(recs))
	for i, r := range recs {
		values[i] = string(r.Value)
	}
	return values
}

// checkNoVault checks that neither Find nor View nor Update of any node finds the
// name.
func (w *world) checkNoVault(name string) {
	w.t.Helper()
	for i, c := range []*catalog.Catalog{w.cat, w.other} {
		_, found := c.Find(w.t.Context(), name)
		viewed := c.View(w.t.Context(), name, nil, func(store.View, catalog.Scope, []store.Record) error {
			w.t.Errorf("node %d: View calls its function", i)
			return nil
		})
		updated := c.Update(w.t.Context(), name, nil, func(store.Tx, catalog.Scope, []store.Record) error {
			w.t.Errorf("node %d: Update calls its function", i)
			return nil
		})
		for _, err := range []error{found, viewed, updated} {
			f, ok := fault.As(err)
			want := fmt.Sprintf("There is no key vault named '%s' here.", name)
			if !ok || f.Kind != fault.NotFound || f.Code != "VaultNotFound" || len(f.Message) < len(want) || f.Message[:len(want)] != want {
				w.t.Errorf("node %d: %v, want VaultNotFound", i, err)
			}
		}
	}
}

func mayGet(sc catalog.Scope) bool {
	return access.Data(caller, *sc.Access, sc.Roles, access.SecretGet, "secrets/name") == nil
}

func at(day int) time.Time { return time.Date(2030, 1, day, 3, 4, 5, 0, time.UTC) }

func ptr[T any](v T) *T { return &v }

// spyStore counts reads, and may let another process work before each update.
type spyStore struct {
	store.Store
	before func()

	mu    sync.Mutex
	reads reads // guarded by mu
}

type reads struct{ gets, scans int }

func (s *spyStore) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = reads{}
}

func (s *spyStore) count() reads {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

func (s *spyStore) add(gets, scans int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads.gets += gets
	s.reads.scans += scans
}

func (s *spyStore) View(ctx context.Context, fn func(store.View) error) error {
	return s.Store.View(ctx, func(v store.View) error { return fn(spyView{v, s}) })
}

func (s *spyStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if s.before != nil {
		s.before()
	}
	return s.Store.Update(ctx, func(tx store.Tx) error { return fn(spyTx{tx, s}) })
}

type spyView struct {
	store.View
	s *spyStore
}

func (v spyView) Get(keys ...[]byte) ([]store.Record, error) {
	v.s.add(1, 0)
	return v.View.Get(keys...)
}

func (v spyView) Scan(r store.Range, limit int) ([]store.Entry, error) {
	v.s.add(0, 1)
	return v.View.Scan(r, limit)
}

type spyTx struct {
	store.Tx
	s *spyStore
}

func (tx spyTx) Get(keys ...[]byte) ([]store.Record, error) {
	tx.s.add(1, 0)
	return tx.Tx.Get(keys...)
}
