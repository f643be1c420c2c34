package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var contextTests = []test{
	{"EndedBeforeUpdate", testEndedBeforeUpdate},
	{"EndedBeforeView", testEndedBeforeView},
	{"EndedInUpdate", testEndedInUpdate},
	{"EndedAfterUpdate", testEndedAfterUpdate},
}

// ended returns contexts that have ended, by the error of each.
func ended(t *testing.T) map[error]context.Context {
	t.Helper()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	cancel()
	return map[error]context.Context{context.Canceled: canceled, context.DeadlineExceeded: expired}
}

func testEndedBeforeUpdate(t *testing.T, s store.Store) {
	for want, ctx := range ended(t) {
		err := s.Update(ctx, func(tx store.Tx) error { return put(tx, "a", "1") })
		wantErr(t, "Update", err, want)
	}
	wantStore(t, s)
}

func testEndedBeforeView(t *testing.T, s store.Store) {
	for want, ctx := range ended(t) {
		err := s.View(ctx, func(v store.View) error { _, err := v.Get([]byte("a")); return err })
		wantErr(t, "View", err, want)
	}
}

// The commit has not begun while the function runs.
func testEndedInUpdate(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx store.Tx) error {
		err := put(tx, "a", "1")
		cancel()
		return err
	})
	wantErr(t, "Update", err, context.Canceled)
	wantStore(t, s)
	mustPut(t, s, "b", "2")
	wantStore(t, s, "b", "2")
}

func testEndedAfterUpdate(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	err := update(ctx, s, func(tx store.Tx) error { return put(tx, "a", "1") })
	cancel()
	wantErr(t, "Update", err, nil)
	wantStore(t, s, "a", "1")
}
