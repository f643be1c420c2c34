package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

var errDiskFull = errors.New("no space left on /var/log/okv")

// sink keeps lines in memory and fails when told to.
type sink struct {
	mu        sync.Mutex
	lines     []string // guarded by mu
	failWrite int      // writes from this one on fail, counted from 1; 0 for none; guarded by mu
	failSync  bool     // guarded by mu
	syncs     int      // guarded by mu

	wrote chan struct{} // when not nil, takes a token for each line
}

func (s *sink) Write(line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failWrite > 0 {
		if s.failWrite--; s.failWrite == 0 {
			s.failWrite = 1
			return errDiskFull
		}
	}
	s.lines = append(s.lines, string(line))
	if s.wrote != nil {
		s.wrote <- struct{}{}
	}
	return nil
}

func (s *sink) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs++
	if s.failSync {
		return errDiskFull
	}
	return nil
}

// set lets writes fail from the n-th on (0: none) and syncs fail or not.
func (s *sink) set(failWrite int, failSync bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failWrite, s.failSync = failWrite, failSync
}

// take returns the records written since the last call.
func (s *sink) take(t testing.TB) []audit.Record {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	records := make([]audit.Record, len(s.lines))
	for i, line := range s.lines {
		if err := json.Unmarshal([]byte(line), &records[i]); err != nil || strings.ContainsAny(line, "\r\n") {
			t.Errorf("not one line of JSON: %q, %v", line, err)
		}
	}
	s.lines = nil
	return records
}

func operations(records []audit.Record) string {
	words := make([]string, len(records))
	for i, r := range records {
		words[i] = r.Operation
	}
	return strings.Join(words, " ")
}

type world struct {
	t     testing.TB
	store *faultyStore
	ring  *seal.Keyring
	sink  *sink
	logs  *logtest.Buffer
	now   func() time.Time
	log   *audit.Log
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s, err := pebble.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return newWorldOver(t, s)
}

func newWorldOver(t testing.TB, s store.Store) *world {
	t.Helper()
	root, err := seal.EphemeralRoot()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: &faultyStore{Store: s}, sink: &sink{}, logs: &logtest.Buffer{}, now: time.Now}
	if w.ring, err = seal.Open(t.Context(), s, root); err != nil {
		t.Fatal(err)
	}
	w.restart()
	return w
}

// restart makes a new log over the same store, as a new process does.
func (w *world) restart() {
	w.log = audit.New(audit.Config{
		Store: w.store, Sealer: w.ring.System(), Sink: w.sink, Now: func() time.Time { return w.now() },
		Logger: slog.New(slog.NewTextHandler(w.logs, nil)),
	})
}

func record(operation string) *audit.Record {
	return &audit.Record{
		Operation: operation, Resource: "/subscriptions/s/vaults/v", Object: "secrets/name",
		Caller: access.Caller{TenantID: "tenant", ObjectID: "object", AppID: "app", Issuer: "https://issuer/"},
	}
}

// mutate commits the records of the operations, each in its own transaction,
// prepared in the order given.
func (w *world) mutate(operations ...string) {
	w.t.Helper()
	for _, op := range operations {
		entry := w.prepare(op)
		if err := w.commit(entry, nil); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) prepare(operation string) audit.Entry {
	w.t.Helper()
	entry, err := w.log.Prepare(record(operation))
	if err != nil {
		w.t.Fatal(err)
	}
	return entry
}

func (w *world) commit(e audit.Entry, result error) error {
	return w.store.Update(context.Background(), func(tx store.Tx) error {
		w.log.Append(tx, e)
		return result
	})
}

// export exports and returns what the sink got.
func (w *world) export() []audit.Record {
	w.t.Helper()
	if err := w.log.Export(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return w.sink.take(w.t)
}

// waiting returns the records that wait in the store, sealed.
func (w *world) waiting() []store.Entry {
	w.t.Helper()
	var entries []store.Entry
	err := w.store.View(context.Background(), func(v store.View) (err error) {
		entries, err = v.Scan(tuple.Prefix(tuple.Key("audit")), store.MaxScan)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return entries
}

func checkUnavailable(t testing.TB, err error) {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Unavailable || f.Code != "ServiceUnavailable" || !strings.HasPrefix(f.Message, "The audit log cannot be written") {
		t.Errorf("%v, want ServiceUnavailable", err)
	}
	if err != nil && strings.Contains(err.Error(), errDiskFull.Error()) {
		t.Errorf("%q tells the caller about the server's disk", err)
	}
}

// faultyStore fails updates when told to.
type faultyStore struct {
	store.Store
	mu   sync.Mutex
	fail error // guarded by mu
}

func (s *faultyStore) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *faultyStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	s.mu.Lock()
	err := s.fail
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, fn)
}
