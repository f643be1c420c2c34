package storetest

import (
	"errors"
	"runtime"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var atomicityTests = []test{
	{"ErrorWritesNothing", testErrorWritesNothing},
	{"PanicWritesNothing", testPanicWritesNothing},
	{"EndedGoroutineWritesNothing", testGoexitWritesNothing},
	{"PanicInAViewIsHarmless", testViewPanic},
	{"ErrorOfAViewIsReturned", testViewError},
}

// writeAll writes one record of each kind over those of wantUntouched.
func writeAll(tx store.Tx) error {
	if err := put(tx, "put", "changed"); err != nil {
		return err
	}
	tx.Put([]byte("new"), []byte("written"))
	tx.Delete([]byte("deleted"))
	tx.DeleteRange(span("range", "rangf"))
	return nil
}

func putUntouched(t *testing.T, s store.Store) {
	t.Helper()
	mustPut(t, s, "deleted", "1", "put", "2", "range 1", "3", "range 2", "4")
}

// wantUntouched requires that an update with writeAll has written nothing, and
// that the next one is written whole.
func wantUntouched(t *testing.T, s store.Store) {
	t.Helper()
	wantStore(t, s, "deleted", "1", "put", "2", "range 1", "3", "range 2", "4")
	mustUpdate(t, s, writeAll)
	wantStore(t, s, "new", "written", "put", "changed")
}

func testErrorWritesNothing(t *testing.T, s store.Store) {
	putUntouched(t, s)
	errOwn := errors.New("own")
	err := s.Update(t.Context(), func(tx store.Tx) error {
		if err := writeAll(tx); err != nil {
			return err
		}
		return errOwn
	})
	if err != errOwn {
		t.Errorf("error %v, want the function's own, as it is", err)
	}
	wantUntouched(t, s)
}

func testPanicWritesNothing(t *testing.T, s store.Store) {
	putUntouched(t, s)
	func() {
		defer func() {
			if v := recover(); v != "own" {
				t.Errorf("recovered %v, want the function's own panic", v)
			}
		}()
		err := s.Update(t.Context(), func(tx store.Tx) error {
			if err := writeAll(tx); err != nil {
				return err
			}
			panic("own")
		})
		t.Errorf("Update returned %v", err)
	}()
	wantUntouched(t, s)
}

// A test that calls t.Fatal in its function ends the goroutine like this.
func testGoexitWritesNothing(t *testing.T, s store.Store) {
	putUntouched(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := s.Update(t.Context(), func(tx store.Tx) error {
			if err := writeAll(tx); err != nil {
				return err
			}
			runtime.Goexit()
			return nil
		})
		t.Errorf("Update returned %v", err)
	}()
	<-done
	wantUntouched(t, s)
}

func testViewPanic(t *testing.T, s store.Store) {
	putUntouched(t, s)
	func() {
		defer func() {
			if v := recover(); v != "own" {
				t.Errorf("recovered %v, want the function's own panic", v)
			}
		}()
		err := s.View(t.Context(), func(v store.View) error { panic("own") })
		t.Errorf("View returned %v", err)
	}()
	wantUntouched(t, s)
}

func testViewError(t *testing.T, s store.Store) {
	errOwn := errors.New("own")
	if err := s.View(t.Context(), func(store.View) error { return errOwn }); err != errOwn {
		t.Errorf("error %v, want the function's own, as it is", err)
	}
	if err := s.View(t.Context(), func(store.View) error { return nil }); err != nil {
		t.Errorf("error %v, want none", err)
	}
}
