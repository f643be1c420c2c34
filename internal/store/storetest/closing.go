package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var closeTests = []test{
	{"RefusesAfterwards", testClosed},
	{"MayBeCalledAgain", testCloseAgain},
	{"WaitsForAnUpdate", testCloseWaits},
	{"AmongUpdatesAndViews", testCloseAmongOthers},
}

func testClosed(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1")
	wantErr(t, "Close", s.Close(), nil)
	ran := false
	err := s.View(t.Context(), func(store.View) error { ran = true; return nil })
	wantErr(t, "View", err, store.ErrClosed)
	err = s.Update(t.Context(), func(store.Tx) error { ran = true; return nil })
	wantErr(t, "Update", err, store.ErrClosed)
	if ran {
		t.Error("a function ran after Close")
	}
}

func testCloseAgain(t *testing.T, s store.Store) {
	together(3, func(int) { wantErr(t, "Close", s.Close(), nil) })
	wantErr(t, "Close once more", s.Close(), nil)
}

func testCloseWaits(t *testing.T, s store.Store) {
	running, closed := make(chan struct{}), make(chan error, 1)
	go func() {
		<-running
		closed <- s.Close()
	}()
	started := false
	err := s.Update(t.Context(), func(tx store.Tx) error {
		if !started {
			started = true
			close(running)
		}
		select {
		case err := <-closed:
			closed <- err
			t.Error("Close has returned while an update runs")
		case <-time.After(grace):
		}
		return put(tx, "a", "1")
	})
	wantErr(t, "the running update", err, nil)
	if !started {
		t.Fatal("the function did not run")
	}
	wantErr(t, "Close", <-closed, nil)
}

// An update that is under way when the store is closed is written or refused,
// never left waiting, and so is a view.
func testCloseAmongOthers(t *testing.T, s store.Store) {
	const workers = 8
	busy := make(chan struct{}, workers)
	closed := make(chan error, 1)
	go func() {
		for range workers {
			<-busy
		}
		closed <- s.Close()
	}()
	together(workers, func(i int) {
		key := fmt.Sprintf("key %d", i)
		for n := 0; ; n++ {
			err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, key, "1") })
			if err == nil {
				err = s.View(t.Context(), func(v store.View) error { _, err := v.Get([]byte(key)); return err })
			}
			if n == 0 {
				busy <- struct{}{}
			}
			if errors.Is(err, store.ErrClosed) {
				return
			}
			if err != nil && !errors.Is(err, store.ErrConflict) {
				t.Errorf("error %v, want none or %v", err, store.ErrClosed)
				return
			}
		}
	})
	wantErr(t, "Close", <-closed, nil)
}
