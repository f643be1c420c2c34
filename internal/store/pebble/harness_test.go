package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// childVariable makes the test binary play another process instead of testing: it
// holds the database in the directory, or fails.
const (
	childVariable = "PEBBLE_TEST_CHILD"
	childFails    = "fails"
)

func TestMain(m *testing.M) {
	switch dir := os.Getenv(childVariable); dir {
	case "":
		os.Exit(m.Run())
	case childFails:
		os.Exit(fail())
	default:
		os.Exit(holdDirectory(dir))
	}
}

// fail updates a database whose log cannot be synced, and then waits for the
// engine to end the process.
func fail() int {
	fs := newHookFS(vfs.NewMem())
	s, err := Open(Config{Dir: "store", FS: fs})
	if err != nil {
		fmt.Println(err)
		return 3
	}
	fs.hook(func(op fileOp, do func() error) error {
		if op.kind == opSync && op.isLog() {
			return errInjected
		}
		return do()
	})
	fmt.Println(s.Update(context.Background(), func(tx store.Tx) error { return putIn(tx, "a", "1") }))
	select {}
}

// holdDirectory opens the database, writes a record, says how that went in one
// line and keeps it open until standard input ends.
func holdDirectory(dir string) int {
	s, err := Open(Config{Dir: dir, Logger: quiet()})
	if err == nil {
		err = s.Update(context.Background(), func(tx store.Tx) error { return putIn(tx, "child", "was here") })
	}
	fmt.Println(err)
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err != nil {
		return 1
	}
	return 0
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// open opens a store that is closed with the test.
func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// putIn writes a record that is its own owner.
func putIn(tx store.Tx, key, value string) error {
	if _, err := tx.Get([]byte(key)); err != nil {
		return err
	}
	tx.Put([]byte(key), []byte(value))
	return nil
}

// put writes pairs of keys and values in one update.
func put(t testing.TB, s store.Store, pairs ...string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := putIn(tx, pairs[i], pairs[i+1]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func deleteRange(t testing.TB, s store.Store, r store.Range) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		tx.DeleteRange(r)
		_, err := tx.Get([]byte("owner"))
		return err
	})
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func get(t testing.TB, s store.Store, key string) store.Record {
	t.Helper()
	var records []store.Record
	err := s.View(t.Context(), func(v store.View) (err error) {
		records, err = v.Get([]byte(key))
		return err
	})
	if err != nil {
		t.Fatalf("View: %v", err)
	}
	return records[0]
}

// wantValue requires a record with the value; "" is no record.
func wantValue(t testing.TB, s store.Store, key, want string) {
	t.Helper()
	if got := get(t, s, key); string(got.Value) != want || got.Exists() != (want != "") {
		t.Errorf("%q is %q (revision %d), want %q", key, got.Value, got.Revision, want)
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func span(start, end string) store.Range {
	return store.Range{Start: []byte(start), End: []byte(end)}
}
