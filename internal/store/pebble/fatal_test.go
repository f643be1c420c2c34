package pebble

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var errInjected = errors.New("injected fault")

// failing is a store on a file system that stops to work.
type failing struct {
	*Store
	mem    *vfs.MemFS
	fs     *hookFS
	fatal  atomic.Int64 // calls of OnFatal
	cause  chan error
	broken atomic.Bool // whether the fault has shown
}

func openFailing(t *testing.T) *failing {
	t.Helper()
	f := &failing{mem: vfs.NewCrashableMem(), cause: make(chan error, 10)}
	f.fs = newHookFS(f.mem)
	f.Store = open(t, Config{Dir: "store", FS: f.fs, tune: smallMemtables, OnFatal: func(err error) {
		f.fatal.Add(1)
		f.cause <- err
	}})
	return f
}

// failOn makes every operation that matches fail from now on. Nothing waits for
// a flush then, which would be tried again and again and hold up what is to fail.
func (f *failing) failOn(t *testing.T, match func(fileOp) bool) {
	t.Helper()
	if err := f.db.Flush(); err != nil {
		t.Fatal(err)
	}
	f.fs.hook(func(op fileOp, do func() error) error {
		if match(op) {
			f.broken.Store(true)
			return errInjected
		}
		return do()
	})
}

// fatalFaults are what the engine cannot go on after.
var fatalFaults = map[string]func(fileOp) bool{
	"sync of the log":       func(op fileOp) bool { return op.kind == opSync && op.isLog() },
	"write to the log":      func(op fileOp) bool { return op.kind == opWrite && op.isLog() },
	"new segment of log":    func(op fileOp) bool { return op.kind == opCreate && op.isLog() },
	"sync of the manifest":  func(op fileOp) bool { return op.kind == opSync && op.isManifest() },
	"write to the manifest": func(op fileOp) bool { return op.kind == opWrite && op.isManifest() },
	"any sync":              func(op fileOp) bool { return op.kind == opSync },
	"any write":             func(op fileOp) bool { return op.kind == opWrite },
}

func TestFatalFault(t *testing.T) {
	t.Parallel()
	for name, match := range fatalFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFailing(t)
			acked := newLedger()
			f.work(t, acked, func(i int) bool { return i == 20 })
			if f.fatal.Load() != 0 {
				t.Fatal("OnFatal before the fault")
			}
			ended := f.duringView(t, func() {
				f.failOn(t, match)
				f.work(t, acked, func(int) bool { return false })
			})
			wantErr(t, "the View under way", ended, nil)
			if !f.broken.Load() {
				t.Fatal("the fault has not shown: the test proves nothing")
			}
			f.wantFailed(t)
			f.wantReopened(t, acked)
		})
	}
}

// ledger is what was acknowledged: of each key the last value, and the one that
// was tried after it.
type ledger struct {
	mu          sync.Mutex
	last, tried map[string]string // guarded by mu
}

func newLedger() *ledger { return &ledger{last: map[string]string{}, tried: map[string]string{}} }

func (l *ledger) try(key, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried[key] = value
}

func (l *ledger) ack(key, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[key] = value
}

// work runs four writers until each is told to stop or its update fails, which
// must be with store.ErrClosed.
func (f *failing) work(t *testing.T, acked *ledger, enough func(i int) bool) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; !enough(i); i++ {
				key := fmt.Sprintf("key %d of %d", i%3, w)
				value := fmt.Sprintf("%d %s", i, strings.Repeat(".", 1000))
				acked.try(key, value)
				if err := f.Update(t.Context(), func(tx store.Tx) error { return putIn(tx, key, value) }); err != nil {
					wantErr(t, "an update under way", err, store.ErrClosed)
					return
				}
				acked.ack(key, value)
			}
		})
	}
	wg.Wait()
}

// duringView calls fn while a view of what is published now is open.
func (f *failing) duringView(t *testing.T, fn func()) error {
	return f.View(t.Context(), func(v store.View) error {
		records, err := v.Get([]byte("key 0 of 0"))
		if err != nil {
			return err
		}
		fn()
		if len(records[0].Value) == 0 {
			t.Error("the view shows nothing")
		}
		return nil
	})
}

// wantFailed requires the failed state: reported once, with its cause, and every
// call refused.
func (f *failing) wantFailed(t *testing.T) {
	t.Helper()
	cause := <-f.cause
	if !strings.Contains(cause.Error(), errInjected.Error()) {
		t.Errorf("OnFatal got %v", cause)
	}
	for range 2 {
		err := f.Update(t.Context(), func(store.Tx) error { t.Error("a function ran"); return nil })
		wantErr(t, "a later Update", err, store.ErrClosed)
		if err == nil || !strings.Contains(err.Error(), errInjected.Error()) {
			t.Errorf("a later Update does not say why: %v", err)
		}
		err = f.View(t.Context(), func(store.View) error { t.Error("a function ran"); return nil })
		wantErr(t, "a later View", err, store.ErrClosed)
		wantErr(t, "a later Compact", f.Compact(t.Context(), span("a", "b")), store.ErrClosed)
		wantErr(t, "Close", f.Close(), store.ErrClosed)
	}
	if n := f.fatal.Load(); n != 1 {
		t.Errorf("OnFatal was called %d times", n)
	}
}

// wantReopened requires that nothing acknowledged is lost, whether what was not
// synced reached the disk or not.
func (f *failing) wantReopened(t *testing.T, acked *ledger) {
	t.Helper()
	for _, percent := range []int{0, 100} {
		s := open(t, Config{Dir: "store", FS: f.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: seeded(1)})})
		for key, want := range acked.last {
			got := string(get(t, s, key).Value)
			if got != want && got != acked.tried[key] {
				t.Errorf("%d %% unsynced: %q is %.10q, want the acknowledged %.10q or the later %.10q", percent, key, got, want, acked.tried[key])
			}
		}
		put(t, s, "after", "1")
		mustClose(t, s)
	}
}

// Whatever fails while a database is created is Open's error: nobody else needs
// to hear of it, and the next attempt finds everything in order. (An existing one
// is flushed in the background while it is opened, and some faults of that end
// the process.)
func TestFaultWhileCreating(t *testing.T) {
	t.Parallel()
	failed := 0
	for n := 0; ; n++ {
		ops, err := createWithFault(t, n)
		if err != nil {
			failed++
		}
		if ops <= n {
			break
		}
	}
	if failed < 20 {
		t.Errorf("only %d faults have made Open fail: the test proves nothing", failed)
	}
}

// createWithFault creates a database while the nth operation fails, and then
// again. It returns the number of operations and the error of the first Open.
func createWithFault(t *testing.T, n int) (ops int, err error) {
	t.Helper()
	fs := newHookFS(vfs.NewMem())
	cfg := Config{Dir: "some/where", FS: fs, Logger: quiet(), OnFatal: func(err error) {
		t.Errorf("OnFatal after the fault of operation %d: %v", n, err)
	}}
	var done atomic.Int64
	fs.hook(func(op fileOp, do func() error) error {
		if done.Add(1) == int64(n)+1 {
			return errInjected
		}
		return do()
	})
	s, err := Open(cfg)
	fs.hook(nil)
	if err == nil {
		mustClose(t, s)
	} else if !strings.Contains(err.Error(), errInjected.Error()) || errors.Is(err, store.ErrLocked) {
		t.Errorf("Open after the fault of operation %d: %v", n, err)
	}
	s, againErr := Open(cfg)
	if againErr != nil {
		t.Fatalf("Open once more after the fault of operation %d: %v", n, againErr)
	}
	put(t, s, "after", "1")
	mustClose(t, s)
	return int(done.Load()), err
}

func TestUpdatesWaitingForTheirTurnFail(t *testing.T) {
	t.Parallel()
	f := openFailing(t)
	inside, proceed := make(chan struct{}), make(chan struct{})
	f.fs.hook(func(op fileOp, do func() error) error {
		if op.kind != opSync || !op.isLog() {
			return do()
		}
		close(inside)
		<-proceed
		return errInjected
	})
	results := make(chan error, 9)
	update := func(ctx context.Context, i int) {
		results <- f.Update(ctx, func(tx store.Tx) error { return putIn(tx, fmt.Sprint("key ", i), "1") })
	}
	go update(t.Context(), 0)
	<-inside
	for i := range 8 {
		go update(t.Context(), i+1)
	}
	close(proceed)
	for range 9 {
		wantErr(t, "Update", <-results, store.ErrClosed)
	}
	f.wantFailed(t)
}

// Pebble panics where it finds its log broken already. What it was about to
// commit may be half done, so the engine cannot go on.
func TestPanicOfACommitIsFatal(t *testing.T) {
	t.Parallel()
	f := openFailing(t)
	batch := f.db.NewIndexedBatch()
	if err := batch.Set(recordKey(nil, []byte("a")), []byte("12345678value"), nil); err != nil {
		t.Fatal(err)
	}
	if err := batch.Commit(crdb.Sync); err != nil {
		t.Fatal(err)
	}
	g := &group{batch: batch, back: make(chan struct{}, 1), done: make(chan struct{})}
	if f.commit(g) { // a batch that is committed already
		t.Error("the engine goes on")
	}
	select {
	case <-g.done:
		t.Error("the group is released")
	default:
	}
	wantErr(t, "Update", f.Update(t.Context(), func(store.Tx) error { return nil }), store.ErrClosed)
	if n := f.fatal.Load(); n != 1 {
		t.Errorf("OnFatal was called %d times", n)
	}
}

// Pebble does not come back from the flush that Compact waits for.
func TestFatalFaultInCompact(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"write to the log", "new segment of log", "sync of the manifest", "write to the manifest"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFailing(t)
			put(t, f, "a", "1")
			f.failOn(t, fatalFaults[name])
			wantErr(t, "Compact", f.Compact(t.Context(), span("a", "b")), store.ErrClosed)
			f.wantFailed(t)
		})
	}
}

// A table file that cannot be written is not needed yet: its records are in the
// log. Updates wait when too many of them are, and go on when the disk does.
func TestFaultOfATableIsNotFatal(t *testing.T) {
	t.Parallel()
	f := &failing{mem: vfs.NewCrashableMem(), cause: make(chan error, 10)}
	f.fs = newHookFS(f.mem)
	stalled := make(chan struct{})
	f.Store = open(t, Config{Dir: "store", FS: f.fs, OnFatal: func(err error) { f.cause <- err }, tune: func(o *crdb.Options) {
		smallMemtables(o)
		report := o.EventListener.WriteStallBegin
		o.EventListener.WriteStallBegin = func(info crdb.WriteStallBeginInfo) {
			report(info)
			if f.broken.CompareAndSwap(false, true) {
				close(stalled)
			}
		}
	}})
	f.fs.hook(func(op fileOp, do func() error) error {
		if op.kind == opWrite && strings.HasSuffix(op.name, ".sst") {
			return errInjected
		}
		return do()
	})
	acked := newLedger()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.work(t, acked, func(i int) bool { return i == 50 })
	}()
	<-stalled
	wantValue(t, f, "absent", "") // reading goes on
	f.fs.hook(nil)
	<-done
	if len(f.cause) != 0 {
		t.Errorf("OnFatal: %v", <-f.cause)
	}
	mustClose(t, f.Store)
	s := open(t, Config{Dir: "store", FS: f.mem})
	for key, want := range acked.last {
		wantValue(t, s, key, want)
	}
}
