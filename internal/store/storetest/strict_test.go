package storetest_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/storetest"
)

// reports is a test that collects what would fail it.
type reports struct {
	testing.TB
	mu   sync.Mutex
	list []string // guarded by mu
}

func (r *reports) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, fmt.Sprintf(format, args...))
}

func (r *reports) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

// The suite itself keeps the contract, the tests of bounds apart, and sees no
// difference between an engine and the same behind Strict.
func TestStrictIsTransparent(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		r := &reports{TB: t}
		t.Cleanup(func() {
			for _, report := range r.take() {
				if !strings.Contains(t.Name(), "/Bounds/") || !strings.Contains(report, "exceeds the bounds") {
					t.Error(report)
				}
			}
		})
		return storetest.Strict(r, newEngine(""))
	})
}

// get makes the update's function one that has read its owner.
func get(tx store.Tx) error {
	_, err := tx.Get([]byte("owner"))
	return err
}

func TestStrictReports(t *testing.T) {
	t.Parallel()
	runs := 0
	again := func() bool { runs++; return runs%2 == 0 }
	errOwn := errors.New("own")
	update := func(fn func(tx store.Tx) error) func(*testing.T, store.Store) {
		return func(t *testing.T, s store.Store) { s.Update(t.Context(), fn) }
	}
	view := func(fn func(v store.View) error) func(*testing.T, store.Store) {
		return func(t *testing.T, s store.Store) { s.View(t.Context(), fn) }
	}
	for _, tc := range []struct {
		name string
		do   func(*testing.T, store.Store)
		want string // empty if nothing is wrong
	}{
		{"reads and writes", update(func(tx store.Tx) error {
			tx.Put([]byte("a"), []byte("1"))
			return get(tx)
		}), ""},
		{"no writes", update(func(store.Tx) error { return nil }), ""},
		{"other values", update(func(tx store.Tx) error {
			tx.Put([]byte("a"), fmt.Append(nil, again()))
			return get(tx)
		}), ""},
		{"another order", update(func(tx store.Tx) error {
			first, second := []byte("a"), []byte("b")
			if again() {
				first, second = second, first
			}
			tx.Put(first, nil)
			tx.Put(second, nil)
			return get(tx)
		}), ""},
		{"fails alike", update(func(tx store.Tx) error {
			tx.Put(fmt.Append(nil, again()), nil)
			return errors.Join(get(tx), errOwn)
		}), ""},

		{"Put without a read", update(func(tx store.Tx) error {
			tx.Put([]byte("a"), nil)
			return nil
		}), `writes without having read any record: Put("a")`},
		{"Delete without a read", update(func(tx store.Tx) error {
			tx.Delete([]byte("a"))
			return nil
		}), `writes without having read any record: Delete("a")`},
		{"DeleteRange without a read", update(func(tx store.Tx) error {
			tx.DeleteRange(store.Range{Start: []byte("a"), End: []byte("b")})
			return nil
		}), `writes without having read any record: DeleteRange("a", "b")`},
		{"Get of nothing", update(func(tx store.Tx) error {
			tx.Put([]byte("a"), nil)
			_, err := tx.Get()
			return err
		}), `writes without having read any record: Put("a")`},

		{"another key", update(func(tx store.Tx) error {
			tx.Put(fmt.Append(nil, again()), nil)
			return get(tx)
		}), `has a function with an effect: it writes Put("false"), and on its second run Put("true")`},
		{"another kind", update(func(tx store.Tx) error {
			if again() {
				tx.Delete([]byte("a"))
			} else {
				tx.Put([]byte("a"), nil)
			}
			return get(tx)
		}), `it writes Put("a"), and on its second run Delete("a")`},
		{"another end of a range", update(func(tx store.Tx) error {
			tx.DeleteRange(store.Range{Start: []byte("a"), End: fmt.Append(nil, again())})
			return get(tx)
		}), `it writes DeleteRange("a", "false"), and on its second run DeleteRange("a", "true")`},
		{"one write less", update(func(tx store.Tx) error {
			if !again() {
				tx.Put([]byte("a"), nil)
			}
			return get(tx)
		}), `it writes Put("a"), and on its second run nothing more`},
		{"one write more", update(func(tx store.Tx) error {
			tx.Put([]byte("a"), nil)
			if again() {
				tx.Put([]byte("b"), nil)
			}
			return get(tx)
		}), `it writes nothing more, and on its second run Put("b")`},
		{"fails the second time", update(func(store.Tx) error {
			if again() {
				return errOwn
			}
			return nil
		}), `it returns the error <nil>, and on its second run own`},
		{"fails the first time", update(func(store.Tx) error {
			if !again() {
				return errOwn
			}
			return nil
		}), `it returns the error own, and on its second run <nil>`},

		{"long key", update(func(tx store.Tx) error {
			tx.Put(make([]byte, store.MaxKey+1), nil)
			return get(tx)
		}), "exceeds the bounds: a key of 2049 bytes"},
		{"empty key", update(func(tx store.Tx) error {
			tx.Delete(nil)
			return get(tx)
		}), "exceeds the bounds: a key of 0 bytes"},
		{"long value", update(func(tx store.Tx) error {
			tx.Put([]byte("a"), make([]byte, store.MaxValue+1))
			return get(tx)
		}), "exceeds the bounds: a value of 524289 bytes"},
		{"many writes", update(func(tx store.Tx) error {
			for range store.MaxUpdateWrites + 1 {
				tx.Delete([]byte("a"))
			}
			return get(tx)
		}), "exceeds the bounds: 101 writes"},
		{"many bytes", update(func(tx store.Tx) error {
			tx.Put([]byte("a"), make([]byte, store.MaxValue))
			tx.Put([]byte("b"), make([]byte, store.MaxValue))
			return get(tx)
		}), "exceeds the bounds: 1048578 bytes"},
		{"long key read", view(func(v store.View) error {
			v.Get(make([]byte, store.MaxKey+1))
			return nil
		}), "exceeds the bounds: a key of 2049 bytes"},
		{"long scan", view(func(v store.View) error {
			v.Scan(store.Range{}, store.MaxScan+1)
			return nil
		}), "exceeds the bounds: a Scan of 1001 entries"},
		{"scan of nothing", view(func(v store.View) error {
			v.Scan(store.Range{}, 0)
			return nil
		}), "exceeds the bounds: a Scan of 0 entries"},

		{"View used late", lateView(func(v store.View) { v.Get([]byte("a")) }), "is used after its function returned"},
		{"View asked late", lateView(func(v store.View) { v.Unchanged(store.Stamp{Key: []byte("a")}) }), "is used after its function returned"},
		{"View scanned late", lateView(func(v store.View) { v.Scan(store.Range{}, 1) }), "is used after its function returned"},
		{"Tx used late", lateTx(func(tx store.Tx) { get(tx) }), "is used after its function returned"},
		{"Put late", lateTx(func(tx store.Tx) { tx.Put([]byte("a"), nil) }), "is used after its function returned"},
		{"Delete late", lateTx(func(tx store.Tx) { tx.Delete([]byte("a")) }), "is used after its function returned"},
		{"DeleteRange late", lateTx(func(tx store.Tx) { tx.DeleteRange(store.Range{}) }), "is used after its function returned"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &reports{TB: t}
			tc.do(t, storetest.Strict(r, newEngine("")))
			got := r.take()
			if tc.want == "" {
				if len(got) != 0 {
					t.Errorf("reports %q", got)
				}
				return
			}
			if len(got) == 0 || !strings.Contains(got[0], tc.want) {
				t.Errorf("reports %q, want %q", got, tc.want)
			}
			for _, report := range got {
				if !strings.Contains(report, "of strict_test.go:") {
					t.Errorf("%q does not name the caller", report)
				}
			}
		})
	}
}

func lateView(use func(store.View)) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) {
		var kept store.View
		s.View(t.Context(), func(v store.View) error { kept = v; return nil })
		use(kept)
	}
}

func lateTx(use func(store.Tx)) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) {
		var kept store.Tx
		s.Update(t.Context(), func(tx store.Tx) error { kept = tx; return nil })
		use(kept)
	}
}

// Two goroutines that are inside one View at the same time are reported; the
// engine below makes them meet.
func TestStrictReportsSharedViews(t *testing.T) {
	t.Parallel()
	r := &reports{TB: t}
	inside, proceed := make(chan struct{}), make(chan struct{})
	s := storetest.Strict(r, &meeting{engine: newEngine(""), inside: inside, proceed: proceed})
	err := s.View(t.Context(), func(v store.View) error {
		done := make(chan struct{})
		go func() {
			defer close(done)
			v.Get([]byte("first"))
		}()
		<-inside
		v.Get([]byte("second"))
		close(proceed)
		<-done
		return nil
	})
	if got := r.take(); err != nil || len(got) != 1 || !strings.Contains(got[0], "is used by two goroutines at once") {
		t.Errorf("error %v, reports %q", err, got)
	}
}

// The store below sees the reads of one run only, so that a test may count them.
func TestStrictReadsOnce(t *testing.T) {
	t.Parallel()
	counted := &counting{engine: newEngine("")}
	s := storetest.Strict(t, counted)
	err := s.Update(t.Context(), func(tx store.Tx) error {
		if _, err := tx.Get([]byte("a"), []byte("b")); err != nil {
			return err
		}
		_, err := tx.Get([]byte("b"), []byte("c"))
		return err
	})
	if got, want := fmt.Sprintf("%q", counted.gets), `[["a" "b"] ["c"]]`; err != nil || got != want {
		t.Errorf("reads %s, want %s; error %v", got, want, err)
	}
}

// The writes of the first run are thrown away, and each run sees its own.
func TestStrictKeepsTheSecondRun(t *testing.T) {
	t.Parallel()
	s := storetest.Strict(t, newEngine(""))
	runs := 0
	err := s.Update(t.Context(), func(tx store.Tx) error {
		runs++
		before, err := tx.Get([]byte("a"))
		if err != nil {
			return err
		}
		if before[0].Exists() {
			t.Errorf("run %d begins with %q", runs, before[0].Value)
		}
		want := fmt.Sprint("run ", runs)
		tx.Put([]byte("a"), []byte(want))
		if after, err := tx.Get([]byte("a")); err != nil || string(after[0].Value) != want {
			t.Errorf("run %d sees %q, error %v", runs, after[0].Value, err)
		}
		return nil
	})
	if err != nil || runs != 2 {
		t.Errorf("%d runs, error %v", runs, err)
	}
	err = s.View(t.Context(), func(v store.View) error {
		records, err := v.Get([]byte("a"))
		if err == nil && string(records[0].Value) != "run 2" {
			t.Errorf("the record is %q", records[0].Value)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
