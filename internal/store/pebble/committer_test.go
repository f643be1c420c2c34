package pebble

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// held is a store whose syncs of the log begin only one by one, as the test
// allows. It lives in a bubble, so that the test knows when everything that
// could go on has gone on.
type held struct {
	*Store
	t     *testing.T
	fs    *hookFS
	syncs atomic.Int64  // syncs of the log that have begun since
	one   chan struct{} // lets one sync go on
}

// hold runs fn on a held store in a bubble.
func hold(t *testing.T, fn func(t *testing.T, h *held)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fs := newHookFS(vfs.NewMem())
		h := &held{t: t, fs: fs, Store: open(t, Config{Dir: "store", FS: fs}), one: make(chan struct{})}
		h.fs.hook(h.holdSync)
		// Runs before the store is closed, also when the test has failed.
		t.Cleanup(func() {
			h.fs.hook(nil)
			close(h.one)
		})
		fn(t, h)
		h.fs.hook(nil)
		synctest.Wait()
		mustClose(t, h.Store)
	})
}

func (h *held) holdSync(op fileOp, do func() error) error {
	if op.kind == opSync && op.isLog() {
		h.syncs.Add(1)
		<-h.one
	}
	return do()
}

// growMemtable makes room for more than the groups of a test, so that none of
// them begins a new segment of the log, which takes a sync of its own.
func (h *held) growMemtable() {
	h.t.Helper()
	h.fs.hook(nil)
	for range 4 * memtableBytes / store.MaxValue {
		put(h.t, h, "filler", string(make([]byte, store.MaxValue)))
	}
	if err := h.db.Flush(); err != nil {
		h.t.Fatal(err)
	}
	synctest.Wait()
	h.fs.hook(h.holdSync)
}

// begin starts an update and returns when it waits: for its turn, or for the
// sync.
func (h *held) begin(ctx context.Context, fn func(store.Tx) error) *pending {
	p := &pending{}
	go func() {
		p.err = h.Update(ctx, fn)
		p.returned.Store(true)
	}()
	synctest.Wait()
	return p
}

func (h *held) beginPut(key, value string) *pending {
	return h.begin(h.t.Context(), func(tx store.Tx) error { return putIn(tx, key, value) })
}

// release lets one sync end.
func (h *held) release() {
	h.t.Helper()
	select {
	case h.one <- struct{}{}:
	default:
		h.t.Fatal("no sync of the log is under way")
	}
	synctest.Wait()
}

// wantSyncs requires that n syncs of the log have begun.
func (h *held) wantSyncs(n int64) {
	h.t.Helper()
	if got := h.syncs.Load(); got != n {
		h.t.Fatalf("%d syncs of the log have begun, want %d", got, n)
	}
}

// pending is an update that has begun. err may be read once it has returned.
type pending struct {
	returned atomic.Bool
	err      error
}

func (p *pending) wantWaiting(t *testing.T, what string) {
	t.Helper()
	if p.returned.Load() {
		t.Errorf("%s has returned: %v", what, p.err)
	}
}

func (p *pending) wantReturned(t *testing.T, what string, want error) {
	t.Helper()
	if !p.returned.Load() {
		t.Fatalf("%s has not returned", what)
	}
	wantErr(t, what, p.err, want)
}

func TestReadersSeeOnlyWhatIsDurable(t *testing.T) {
	t.Parallel()
	hold(t, func(t *testing.T, h *held) {
		p := h.beginPut("first", "1")
		h.release()
		p.wantReturned(t, "the first update", nil)

		p = h.begin(t.Context(), func(tx store.Tx) error {
			tx.DeleteRange(span("first", "first\x00"))
			return putIn(tx, "second", "2")
		})
		// This is what the committer is for: Pebble shows the write already.
		if r, err := getRecord(h.db, recordKey(nil, []byte("second"))); err != nil || string(r.Value) != "2" {
			t.Fatalf("Pebble shows %q, error %v: the test proves nothing", r.Value, err)
		}
		p.wantWaiting(t, "an update whose sync has not ended")
		wantValue(t, h, "first", "1")
		wantValue(t, h, "second", "")
		h.wantSyncs(2)

		h.release()
		p.wantReturned(t, "an update whose sync has ended", nil)
		wantValue(t, h, "first", "")
		wantValue(t, h, "second", "2")
	})
}

func TestUpdatesShareASync(t *testing.T) {
	t.Parallel()
	hold(t, func(t *testing.T, h *held) {
		all := []*pending{h.beginPut("key 0", "0")}
		const waiting = 63
		for i := range waiting {
			all = append(all, h.beginPut(fmt.Sprint("key ", i+1), fmt.Sprint(i+1)))
		}
		h.wantSyncs(1)
		h.release()
		h.wantSyncs(2)
		all[0].wantReturned(t, "the first update", nil)
		for _, p := range all[1:] {
			p.wantWaiting(t, "an update of the second group")
		}
		h.release()
		h.wantSyncs(2)
		for i, p := range all {
			p.wantReturned(t, "an update", nil)
			wantValue(t, h, fmt.Sprint("key ", i), fmt.Sprint(i))
		}
	})
}

// A group is bounded in updates and in bytes; what does not fit makes the next.
func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		updates int
		bytes   int
		syncs   int64
	}{
		{"updates", 2*maxGroupTurns + 1, 1, 3},
		{"bytes", 17, maxGroupBytes / 8, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			hold(t, func(t *testing.T, h *held) {
				h.growMemtable()
				first := h.beginPut("first", "1")
				var all []*pending
				value := string(make([]byte, tc.bytes))
				for i := range tc.updates {
					all = append(all, h.beginPut(fmt.Sprintf("key %06d", i), value))
				}
				h.release()
				first.wantReturned(t, "the first update", nil)
				for range tc.syncs {
					all[len(all)-1].wantWaiting(t, "the last update")
					h.release()
				}
				h.wantSyncs(1 + tc.syncs)
				for _, p := range all {
					p.wantReturned(t, "an update", nil)
				}
			})
		})
	}
}

// Updates of one group are one after the other as any others are, although
// nothing of the first is in the database yet when the second runs.
func TestUpdatesOfAGroupSeeEachOther(t *testing.T) {
	t.Parallel()
	hold(t, func(t *testing.T, h *held) {
		first := h.begin(t.Context(), func(tx store.Tx) error {
			tx.Put([]byte("old"), []byte("1"))
			return putIn(tx, "old too", "2")
		})
		var revisions []store.Revision
		wantIn := func(tx store.Tx, key, want string) error {
			records, err := tx.Get([]byte(key))
			if err != nil {
				return err
			}
			if string(records[0].Value) != want || records[0].Exists() != (want != "") {
				t.Errorf("%q is %q (revision %d), want %q", key, records[0].Value, records[0].Revision, want)
			}
			revisions = append(revisions, records[0].Revision)
			return nil
		}
		steps := []func(tx store.Tx) error{
			func(tx store.Tx) error { return errors.Join(wantIn(tx, "old", "1"), putIn(tx, "new", "3")) },
			func(tx store.Tx) error { return errors.Join(wantIn(tx, "new", "3"), putIn(tx, "new", "4")) },
			func(tx store.Tx) error {
				tx.DeleteRange(span("new", "old\x00"))
				return wantIn(tx, "old too", "2")
			},
			func(tx store.Tx) error {
				return errors.Join(wantIn(tx, "new", ""), wantIn(tx, "old", ""), putIn(tx, "old", "5"))
			},
			func(tx store.Tx) error {
				tx.Delete([]byte("old too"))
				return wantIn(tx, "old", "5")
			},
			func(tx store.Tx) error { return errors.Join(wantIn(tx, "old too", ""), wantIn(tx, "old", "5")) },
		}
		var all []*pending
		for _, step := range steps {
			all = append(all, h.begin(t.Context(), step))
		}
		h.release()
		h.release()
		h.wantSyncs(2)
		first.wantReturned(t, "the first update", nil)
		for _, p := range all {
			p.wantReturned(t, "an update of the group", nil)
		}
		wantValue(t, h, "new", "")
		wantValue(t, h, "old", "5")
		wantValue(t, h, "old too", "")
		if old, again := revisions[0], get(t, h, "old").Revision; old == again || revisions[len(revisions)-1] != again {
			t.Errorf("revision %d, in the group %v", again, revisions)
		}
	})
}

// What an update learns of the group's earlier writes is not durable when it
// gives up, and its caller may answer with it.
func TestFailedUpdateWaitsForWhatItRead(t *testing.T) {
	t.Parallel()
	errExists := errors.New("exists")
	create := func(tx store.Tx) error {
		records, err := tx.Get([]byte("a"))
		if err == nil && records[0].Exists() {
			err = errExists
		}
		tx.Put([]byte("a"), []byte("1"))
		return err
	}
	onlyRead := func(tx store.Tx) error {
		_, err := tx.Get([]byte("a"))
		return err
	}
	hold(t, func(t *testing.T, h *held) {
		first := h.beginPut("first", "1")
		early := h.begin(t.Context(), onlyRead)
		creator := h.begin(t.Context(), create)
		loser := h.begin(t.Context(), create)
		reader := h.begin(t.Context(), onlyRead)
		h.release()
		first.wantReturned(t, "the first update", nil)
		// It had its turn before anything was written.
		early.wantReturned(t, "an update that read what is durable", nil)
		creator.wantWaiting(t, "the update that wrote")
		loser.wantWaiting(t, "the update that failed because of it")
		reader.wantWaiting(t, "the update that only read it")
		h.release()
		creator.wantReturned(t, "the update that wrote", nil)
		loser.wantReturned(t, "the update that failed because of it", errExists)
		reader.wantReturned(t, "the update that only read it", nil)
	})
}

func TestUpdatesThatWriteNothingNeedNoSync(t *testing.T) {
	t.Parallel()
	hold(t, func(t *testing.T, h *held) {
		errOwn := errors.New("own")
		p := h.begin(t.Context(), func(tx store.Tx) error { return errors.Join(putIn(tx, "a", "1"), errOwn) })
		p.wantReturned(t, "an update that fails", errOwn)
		p = h.begin(t.Context(), func(tx store.Tx) error { _, err := tx.Get([]byte("a")); return err })
		p.wantReturned(t, "an update that reads", nil)
		h.wantSyncs(0)
	})
}

func TestPanicLeavesItsGroupAlone(t *testing.T) {
	t.Parallel()
	hold(t, func(t *testing.T, h *held) {
		first := h.beginPut("first", "1")
		before := h.beginPut("before", "2")
		recovered := make(chan any, 1)
		go func() {
			defer func() { recovered <- recover() }()
			err := h.Update(t.Context(), func(tx store.Tx) error {
				tx.Put([]byte("before"), []byte("changed"))
				panic("own")
			})
			t.Errorf("Update returned %v", err)
		}()
		synctest.Wait()
		after := h.beginPut("after", "3")
		h.release()
		if v := <-recovered; v != "own" {
			t.Errorf("recovered %v", v)
		}
		h.release()
		h.wantSyncs(2)
		for _, p := range []*pending{first, before, after} {
			p.wantReturned(t, "an update of the group", nil)
		}
		wantValue(t, h, "before", "2")
		wantValue(t, h, "after", "3")
	})
}

func TestContextOfAWaitingUpdate(t *testing.T) {
	t.Parallel()
	hold(t, func(t *testing.T, h *held) {
		inFlightCtx, cancelInFlight := context.WithCancel(t.Context())
		inFlight := h.begin(inFlightCtx, func(tx store.Tx) error { return putIn(tx, "in flight", "1") })
		waitingCtx, cancelWaiting := context.WithCancel(t.Context())
		waiting := h.begin(waitingCtx, func(tx store.Tx) error {
			t.Error("the function ran")
			return nil
		})
		other := h.beginPut("other", "2")

		cancelInFlight()
		cancelWaiting()
		synctest.Wait()
		waiting.wantReturned(t, "an update that waits for its turn", context.Canceled)
		inFlight.wantWaiting(t, "an update whose commit has begun")
		h.release()
		inFlight.wantReturned(t, "an update whose commit has begun", nil)
		h.release()
		other.wantReturned(t, "another update", nil)
		wantValue(t, h, "in flight", "1")
	})
}

// A view's context is asked before each read, so that a request that is over
// does not go on reading.
func TestContextOfAView(t *testing.T) {
	t.Parallel()
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	err = s.View(ctx, func(v store.View) error {
		cancel()
		_, err := v.Get([]byte("a"))
		wantErr(t, "Get", err, context.Canceled)
		_, err = v.Scan(span("a", "b"), 1)
		wantErr(t, "Scan", err, context.Canceled)
		return nil
	})
	wantErr(t, "View", err, nil)
}

func TestCloseWaitsForTheCommit(t *testing.T) {
	t.Parallel()
	hold(t, func(t *testing.T, h *held) {
		inFlight := h.beginPut("in flight", "1")
		waiting := h.beginPut("waiting", "2")
		var closed atomic.Bool
		done := make(chan error, 1)
		go func() {
			err := h.Close()
			closed.Store(true)
			done <- err
		}()
		synctest.Wait()
		waiting.wantReturned(t, "an update that waits for its turn", store.ErrClosed)
		inFlight.wantWaiting(t, "an update whose commit has begun")
		if closed.Load() {
			t.Error("Close has returned before the commit")
		}
		h.release()
		inFlight.wantReturned(t, "an update whose commit has begun", nil)
		// Pebble syncs its log once more when it is closed.
		for !closed.Load() {
			h.release()
		}
		wantErr(t, "Close", <-done, nil)
	})
}

func TestCloseWaitsForAView(t *testing.T) {
	t.Parallel()
	hold(t, func(t *testing.T, h *held) {
		reading, goOn := make(chan struct{}), make(chan struct{})
		viewed, closed := make(chan error, 1), make(chan error, 1)
		go func() {
			viewed <- h.View(t.Context(), func(v store.View) error {
				close(reading)
				<-goOn
				_, err := v.Get([]byte("a"))
				return err
			})
		}()
		<-reading
		go func() { closed <- h.Close() }()
		synctest.Wait()
		if len(closed) != 0 {
			t.Error("Close has returned while a view runs")
		}
		err := h.View(t.Context(), func(store.View) error { return nil })
		wantErr(t, "another View", err, store.ErrClosed)
		close(goOn)
		wantErr(t, "the View", <-viewed, nil)
		synctest.Wait()
		for len(closed) == 0 {
			h.release()
		}
		wantErr(t, "Close", <-closed, nil)
	})
}

func TestUseAfterItsFunction(t *testing.T) {
	t.Parallel()
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var view store.View
	var tx store.Tx
	if err := s.View(t.Context(), func(v store.View) error { view = v; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(x store.Tx) error { tx = x; return nil }); err != nil {
		t.Fatal(err)
	}
	_, err = view.Get([]byte("a"))
	wantErr(t, "Get of a View", err, errEnded)
	_, err = view.Scan(span("a", "b"), 1)
	wantErr(t, "Scan of a View", err, errEnded)
	_, err = tx.Get([]byte("a"))
	wantErr(t, "Get of a Tx", err, errEnded)
	for name, write := range map[string]func(){
		"Put":         func() { tx.Put([]byte("a"), nil) },
		"Delete":      func() { tx.Delete([]byte("a")) },
		"DeleteRange": func() { tx.DeleteRange(span("a", "b")) },
	} {
		func() {
			defer func() {
				if v := recover(); v != errEnded {
					t.Errorf("%s: recovered %v, want %v", name, v, errEnded)
				}
			}()
			write()
		}()
	}
}
