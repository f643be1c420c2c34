package vault

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/audit/audittest"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/release"
	"github.com/openkeyvault/openkeyvault/internal/release/releasetest"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

const (
	testTenant = "11111111-1111-1111-1111-111111111111"
	testOID    = "22222222-2222-2222-2222-222222222222"
	testApp    = "44444444-4444-4444-4444-444444444444"
	testSub    = "55555555-5555-5555-5555-555555555555"
	testStart  = int64(1_800_000_000)
	day        = int64(secondsPerDay)
)

var testCaller = access.Caller{
	TenantID: testTenant, ObjectID: testOID, AppID: testApp, Issuer: "https://sts.windows.net/" + testTenant + "/",
}

// everything is all permissions of an access policy.
var everything = access.Permissions{Keys: []string{"all", "purge"}, Secrets: []string{"all", "purge"}}

// world is a service over a real catalog, keyring and engine in memory. When the
// test ends, everything that it has left in the store is checked.
type world struct {
	t     testing.TB
	fs    *vfs.MemFS
	root  seal.Root
	store store.Store
	ring  *seal.Keyring
	cat   *catalog.Catalog
	log   *audit.Log
	sink  *audittest.Sink
	svc   *Service
	other *Service // another process over the same store
	clock *testClock

	authority *releasetest.Authority

	serial atomic.Int64 // of values
}

// testClock is the domain clock.
type testClock struct {
	mu  sync.Mutex
	now int64
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Unix(c.now, 0)
}

func (c *testClock) add(seconds int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += seconds
	return c.now
}

func newWorld(t testing.TB) *world {
	t.Helper()
	root, err := seal.EphemeralRoot()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, fs: vfs.NewCrashableMem(), root: root, sink: &audittest.Sink{}, clock: &testClock{now: testStart}}
	w.authority = releasetest.New("https://attest.example.com")
	w.start()
	t.Cleanup(func() {
		w.check()
		w.store.Close()
	})
	return w
}

// start opens the database and everything above it, with nothing cached.
func (w *world) start() {
	w.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	s, err := pebble.Open(pebble.Config{Dir: "db", FS: w.fs, Logger: quiet})
	if err != nil {
		w.t.Fatal(err)
	}
	w.store = s
	if w.ring, err = seal.Open(w.t.Context(), s, w.root); err != nil {
		w.t.Fatal(err)
	}
	w.cat = catalog.New(catalog.Config{Store: s, Keyring: w.ring})
	w.log = audit.New(audit.Config{Store: s, Sealer: w.ring.System(), Sink: w.sink, Now: time.Now, Logger: quiet})
	w.svc = w.node(&contractStore{Store: s, t: w.t})
	w.other = w.node(s)
}

// node returns another process's service over a store.
func (w *world) node(s store.Store) *Service {
	backups, err := seal.OpenBackupKeys(w.t.Context(), w.store, w.ring)
	if err != nil {
		w.t.Fatal(err)
	}
	return New(Config{
		Store: s, Catalog: catalog.New(catalog.Config{Store: s, Keyring: w.ring}), Backups: backups,
		Audit: w.log, Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler),
		Attestation: release.NewVerifier(release.VerifierConfig{Fetch: w.authority.Fetch, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}),
	})
}

func (w *world) reopen() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.start()
}

// vault makes or replaces a vault called name, which the test caller may do
// everything with, as change wants it.
func (w *world) vault(name string, change ...func(*catalog.Vault)) *catalog.Vault {
	w.t.Helper()
	id := strings.Repeat("0", 32-len(name)) + name
	wrapped, err := w.ring.NewVaultKey(id)
	if err != nil {
		w.t.Fatal(err)
	}
	v := &catalog.Vault{
		ID: id, Name: name, TenantID: testTenant, SubscriptionID: testSub, ResourceGroup: "Team", Location: "eastus",
		SoftDelete: true, RetentionDays: 90, WrappedKey: wrapped,
		Policies: []access.Policy{{TenantID: testTenant, ObjectID: testOID, Permissions: everything}},
	}
	for _, c := range change {
		c(v)
	}
	w.putVault(v)
	return v
}

func (w *world) putVault(v *catalog.Vault) {
	w.t.Helper()
	docKey, doc, err := w.cat.EncodeVault(v)
	if err != nil {
		w.t.Fatal(err)
	}
	nameKey, name, err := w.cat.EncodeName(v.Name, v.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	w.update(func(tx store.Tx) {
		tx.Put(docKey, doc)
		tx.Put(nameKey, name)
	})
}

func (w *world) update(fn func(store.Tx)) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), func(tx store.Tx) error { fn(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) updateRaw(key, value []byte) {
	w.t.Helper()
	w.update(func(tx store.Tx) { tx.Put(key, value) })
}

// assign replaces all role assignments with these.
func (w *world) assign(assignments ...access.Assignment) {
	w.t.Helper()
	w.update(func(tx store.Tx) {
		tx.DeleteRange(tuple.Prefix(tuple.Key("role")))
		for _, a := range assignments {
			key, sealed, err := w.cat.EncodeAssignment(catalog.RoleAssignment{Assignment: a})
			if err != nil {
				w.t.Fatal(err)
			}
			tx.Put(key, sealed)
		}
		key, sealed, err := w.cat.EncodeEpoch()
		if err != nil {
			w.t.Fatal(err)
		}
		tx.Put(key, sealed)
	})
}

// dump returns every record of one moment but those that wait for the audit log.
func (w *world) dump() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	waiting := string(tuple.Key("audit"))
	err := w.store.View(context.WithoutCancel(w.ctx()), func(v store.View) error {
		r := tuple.Prefix(nil)
		for {
			page, err := v.Scan(r, store.MaxScan)
			if err != nil {
				return err
			}
			for _, e := range page {
				if !strings.HasPrefix(string(e.Key), waiting) {
					all[string(e.Key)] = string(e.Value)
				}
			}
			if len(page) < store.MaxScan {
				return nil
			}
			r.Start = tuple.After(page[len(page)-1].Key)
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// below returns the number of records below a key.
func (w *world) below(parts ...string) int {
	w.t.Helper()
	n, above := 0, string(tuple.Key(parts...))
	for key := range w.dump() {
		if strings.HasPrefix(key, above) && key != above {
			n++
		}
	}
	return n
}

// audited exports what waits and returns the records since the last call.
func (w *world) audited() []audit.Record {
	w.t.Helper()
	if err := w.log.Export(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return w.sink.Take()
}

func call(vault string) Call {
	return Call{Caller: testCaller, Origin: audit.Origin{RequestID: "r1", Address: "192.0.2.1"}, Vault: vault}
}

func (w *world) set(vault, name, value string) *Secret {
	w.t.Helper()
	got, err := w.svc.SetSecret(w.ctx(), call(vault), name, SetSecret{Value: secret.New([]byte(value))})
	if err != nil {
		w.t.Fatalf("SetSecret(%s): %v", name, err)
	}
	return got
}

func (w *world) ctx() context.Context { return w.t.Context() }

// refused is an error as a test names it: kind, code, inner code and message.
type refused struct {
	kind    fault.Kind
	code    string
	inner   string
	message string
}

func (r refused) check(t testing.TB, err error) {
	t.Helper()
	f, ok := fault.As(err)
	if !ok {
		t.Errorf("got error %v, want %s %s", err, r.code, r.inner)
		return
	}
	if got := (refused{f.Kind, f.Code, f.Inner, f.Message}); got != r {
		t.Errorf("refused\n with %+v\n want %+v", got, r)
	}
}

// must returns what a call has returned, once the test is given: must(f())(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func sameRecords(a, b map[string]string) error {
	if maps.Equal(a, b) {
		return nil
	}
	var diff []string
	for key := range a {
		if a[key] != b[key] {
			diff = append(diff, fmt.Sprintf("%q", key))
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			diff = append(diff, fmt.Sprintf("new %q", key))
		}
	}
	slices.Sort(diff)
	return fmt.Errorf("records differ: %s", strings.Join(diff, ", "))
}

func ptr[T any](v T) *T { return &v }
