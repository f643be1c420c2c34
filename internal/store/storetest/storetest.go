// Package storetest proves both sides of the contract of package store: Run that
// an engine keeps it, Strict that the layers above an engine do.
//
// The suite knows no engine. It asks for nothing that package store does not
// promise, so that an engine that runs updates one after the other and one that
// runs them together and tries again pass alike. What it cannot see from inside
// one process, durability, each engine proves in its own tests.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// test is one requirement, proven on an empty store of its own.
type test struct {
	name string
	run  func(*testing.T, store.Store)
}

var suites = []struct {
	name  string
	tests []test
}{
	{"Reads", readTests},
	{"Writes", writeTests},
	{"Revisions", revisionTests},
	{"Bounds", boundTests},
	{"Atomicity", atomicityTests},
	{"Isolation", isolationTests},
	{"Contexts", contextTests},
	{"Memory", memoryTests},
	{"Close", closeTests},
	{"Model", modelTests},
}

// Run runs the suite. open returns a new, empty store each time it is called,
// from several goroutines at once; Run closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			for _, tc := range suite.tests {
				t.Run(tc.name, func(t *testing.T) {
					t.Parallel()
					s := open(t)
					t.Cleanup(func() {
						if err := s.Close(); err != nil {
							t.Errorf("Close: %v", err)
						}
					})
					tc.run(t, s)
				})
			}
		})
	}
}

// grace is how long a test lets something happen that must not happen. It is
// never waited for in a store that does what is right to do at once, and a slow
// machine can only make the test see less. The tests of the suite itself make it
// longer.
var grace = 20 * time.Millisecond

// contest bounds the time for which update runs again what lost its races, and for
// which beside waits for what a disk with much else to do takes long to sync.
const contest = 5 * time.Minute

// update is s.Update for a store that may be contended: it goes on where the
// engine has given up with store.ErrConflict.
func update(ctx context.Context, s store.Store, fn func(store.Tx) error) error {
	for deadline := time.Now().Add(contest); ; {
		err := s.Update(ctx, fn)
		if !errors.Is(err, store.ErrConflict) || time.Now().After(deadline) {
			return err
		}
	}
}

// mustUpdate fails the test when the update does.
func mustUpdate(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := update(t.Context(), s, fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// put writes a record that is its own owner.
func put(tx store.Tx, key, value string) error {
	if _, err := tx.Get([]byte(key)); err != nil {
		return err
	}
	tx.Put([]byte(key), []byte(value))
	return nil
}

// mustPut writes pairs of keys and values in one update.
func mustPut(t *testing.T, s store.Store, pairs ...string) {
	t.Helper()
	mustUpdate(t, s, func(tx store.Tx) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := put(tx, pairs[i], pairs[i+1]); err != nil {
				return err
			}
		}
		return nil
	})
}

func mustDelete(t *testing.T, s store.Store, key string) {
	t.Helper()
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := tx.Get([]byte(key)); err != nil {
			return err
		}
		tx.Delete([]byte(key))
		return nil
	})
}

func mustDeleteRange(t *testing.T, s store.Store, start, end string) {
	t.Helper()
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := tx.Get([]byte("owner")); err != nil {
			return err
		}
		tx.DeleteRange(span(start, end))
		return nil
	})
}

func span(start, end string) store.Range {
	return store.Range{Start: []byte(start), End: []byte(end)}
}

func byteKeys(keys ...string) [][]byte {
	all := make([][]byte, len(keys))
	for i, key := range keys {
		all[i] = []byte(key)
	}
	return all
}

// mustGet reads the keys in a view of their own.
func mustGet(t *testing.T, s store.Store, keys ...string) []store.Record {
	t.Helper()
	var records []store.Record
	err := s.View(t.Context(), func(v store.View) (err error) {
		records, err = v.Get(byteKeys(keys...)...)
		return err
	})
	if err != nil {
		t.Fatalf("Get(%q): %v", keys, err)
	}
	if len(records) != len(keys) {
		t.Fatalf("Get of %d keys gave %d records", len(keys), len(records))
	}
	return records
}

// revision returns the revision of one record.
func revision(t *testing.T, s store.Store, key string) store.Revision {
	t.Helper()
	return mustGet(t, s, key)[0].Revision
}

// mustScan scans the range in a view of its own.
func mustScan(t *testing.T, s store.Store, r store.Range, limit int) []store.Entry {
	t.Helper()
	var entries []store.Entry
	err := s.View(t.Context(), func(v store.View) (err error) {
		entries, err = v.Scan(r, limit)
		return err
	})
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	return entries
}

// everything is a range above whose end no test has a key.
var everything = store.Range{End: []byte("\xff\xff\xff")}

// wantStore compares all records with pairs of keys and values in key order.
func wantStore(t *testing.T, s store.Store, pairs ...string) {
	t.Helper()
	wantEntries(t, mustScan(t, s, everything, store.MaxScan), pairs...)
}

// wantEntries compares entries with pairs of keys and values.
func wantEntries(t *testing.T, entries []store.Entry, pairs ...string) {
	t.Helper()
	var got []string
	for _, e := range entries {
		if !e.Exists() {
			t.Errorf("the entry of %q has no revision", e.Key)
		}
		got = append(got, string(e.Key), string(e.Value))
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", pairs) {
		t.Errorf("entries %.500q, want %.500q", got, pairs)
	}
}

// wantRecord compares one record with a value and a revision.
func wantRecord(t *testing.T, what string, got store.Record, value string, rev store.Revision) {
	t.Helper()
	if string(got.Value) != value || got.Revision != rev {
		t.Errorf("%s: value %.100q and revision %d, want %.100q and %d", what, got.Value, got.Revision, value, rev)
	}
}

// wantAbsent requires the zero record.
func wantAbsent(t *testing.T, what string, got store.Record) {
	t.Helper()
	if got.Value != nil || got.Revision != 0 || got.Exists() {
		t.Errorf("%s: value %.100q and revision %d, want the zero record", what, got.Value, got.Revision)
	}
}

// wantErr requires an error that wraps want, or none.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}
