package resource

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/audit/audittest"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

const (
	testTenant  = "aaaaaaaa-0000-4000-8000-000000000001"
	otherTenant = "aaaaaaaa-0000-4000-8000-000000000002"
	testSub     = "bbbbbbbb-0000-4000-8000-000000000001"
	otherSub    = "bbbbbbbb-0000-4000-8000-000000000002"
	ownerOID    = "cccccccc-0000-4000-8000-000000000001"
	partOID     = "cccccccc-0000-4000-8000-000000000002"
	nobodyOID   = "cccccccc-0000-4000-8000-000000000003"

	roleReader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	latest     = "2026-02-01"
)

var testStart = time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// world is a service over a store in memory.
type world struct {
	t     testing.TB
	store store.Store
	ring  *seal.Keyring
	cat   *catalog.Catalog
	log   *audit.Log
	sink  *audittest.Sink
	clock *testClock
	svc   *Service

	mu        sync.Mutex
	compacted []store.Range // guarded by mu
}

type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s, err := pebble.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	root, err := seal.EphemeralRoot()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, sink: &audittest.Sink{}, clock: &testClock{now: testStart}}
	if w.ring, err = seal.Open(t.Context(), s, root); err != nil {
		t.Fatal(err)
	}
	w.cat = catalog.New(catalog.Config{Store: s, Keyring: w.ring})
	w.log = audit.New(audit.Config{Store: s, Sealer: w.ring.System(), Sink: w.sink, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	w.svc = w.node(s)
	must(t, w.svc.Bootstrap(t.Context(), Bootstrap{
		TenantID: testTenant, TenantDomain: "test.example", SubscriptionID: testSub, SubscriptionName: "Test",
		OwnerObjectID: ownerOID, OwnerRoles: []string{access.RoleOwner},
	}))
	w.group("Team")
	return w
}

// node returns another process's service over a store.
func (w *world) node(s store.Store) *Service {
	return New(Config{
		Store: s, Catalog: catalog.New(catalog.Config{Store: s, Keyring: w.ring}), Keyring: w.ring, Audit: w.log,
		Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler),
		Compact: func(_ context.Context, r store.Range) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.compacted = append(w.compacted, r)
			return nil
		},
	})
}

func (w *world) ctx() context.Context { return w.t.Context() }

func (w *world) group(name string) {
	w.t.Helper()
	must(w.t, w.svc.EnsureGroup(w.ctx(), testSub, name, "eastus", nil))
}

// spec is a vault that policies guard, as a client of today would put it.
func spec(change ...func(*VaultSpec)) VaultSpec {
	no := false
	s := VaultSpec{
		Location: "East US", TenantID: testTenant, SKUFamily: "A", SKUName: "standard", RBAC: &no,
		Policies: []access.Policy{{TenantID: testTenant, ObjectID: ownerOID, Permissions: access.Permissions{Secrets: []string{"all", "purge"}}}},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func (w *world) vault(group, name string, change ...func(*VaultSpec)) *catalog.Vault {
	w.t.Helper()
	v, _, err := w.svc.PutVault(w.ctx(), owner(), testSub, group, name, spec(change...))
	must(w.t, err)
	return v
}

func caller(oid string) Call {
	return Call{
		Caller:     access.Caller{TenantID: testTenant, ObjectID: oid, AppID: "app-" + oid, Issuer: "https://sts.windows.net/" + testTenant + "/"},
		Origin:     audit.Origin{RequestID: "r1"},
		APIVersion: latest,
	}
}

func owner() Call { return caller(ownerOID) }

// content writes a record into a vault, as the data plane would.
func (w *world) content(v *catalog.Vault, name string) {
	w.t.Helper()
	key := tuple.Append(tuple.Append(catalog.VaultKey(v.ID), "live"), name)
	must(w.t, w.store.Update(w.ctx(), func(tx store.Tx) error {
		tx.Put(key, []byte("sealed"))
		return nil
	}))
}

// contents returns the number of records below a vault's document.
func (w *world) contents(v *catalog.Vault) (n int) {
	w.t.Helper()
	must(w.t, w.store.View(w.ctx(), func(view store.View) error {
		batch, err := view.Scan(tuple.Prefix(catalog.VaultKey(v.ID)), 100)
		n = len(batch)
		return err
	}))
	return n
}

// visible reports whether the data plane finds the vault.
func (w *world) visible(name string) bool {
	w.t.Helper()
	err := w.cat.View(w.ctx(), name, nil, func(store.View, catalog.Scope, []store.Record) error { return nil })
	if err != nil && fault.KindOf(err) != fault.NotFound {
		w.t.Fatal(err)
	}
	return err == nil
}

// dump returns every record but those that wait for the audit log.
func (w *world) dump() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	waiting := string(tuple.Key("audit"))
	must(w.t, w.store.View(w.ctx(), func(v store.View) error {
		return scanAll(v, tuple.Prefix(nil), func(e store.Entry) error {
			if !strings.HasPrefix(string(e.Key), waiting) {
				all[string(e.Key)] = string(e.Value)
			}
			return nil
		})
	}))
	return all
}

// below returns the number of records below a key.
func (w *world) below(parts ...string) (n int) {
	w.t.Helper()
	for key := range w.dump() {
		if strings.HasPrefix(key, string(tuple.Key(parts...))) {
			n++
		}
	}
	return n
}

// unchanged checks that fn has changed no record.
func (w *world) unchanged(fn func()) {
	w.t.Helper()
	before := w.dump()
	fn()
	if !maps.Equal(before, w.dump()) {
		w.t.Error("records have changed")
	}
}

// audited exports what waits and returns the records since the last call.
func (w *world) audited() []audit.Record {
	w.t.Helper()
	must(w.t, w.log.Export(w.ctx()))
	return w.sink.Take()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks the kind and the code of a refusal and a part of its message.
func refused(t testing.TB, err error, kind fault.Kind, code, message string) {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != kind || f.Code != code || !strings.Contains(f.Message, message) {
		t.Errorf("got error %v, want %s %s with %q", err, kind, code, message)
	}
}

func ptr[T any](v T) *T { return &v }
