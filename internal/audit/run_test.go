package audit_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// TestRecovery: Run tries a failed sink once a second, and new operations are
// refused until it works.
func TestRecovery(t *testing.T) {
	for name, fail := range map[string]func(w *world){
		"a write fails":           func(w *world) { checkUnavailable(w.t, w.log.Write(context.Background(), record("SecretGet"))) },
		"an export cannot write":  func(w *world) { w.mutate("KeyCreate") },
		"an export cannot sync":   func(w *world) { w.sink.set(0, true); w.mutate("KeyCreate") },
		"an export fails halfway": func(w *world) { w.sink.set(2, true); w.mutate("KeyCreate", "KeyDelete") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.sink.set(1, true)
				ctx, cancel := context.WithCancel(t.Context())
				running := make(chan struct{})
				go func() {
					defer close(running)
					w.log.Run(ctx)
				}()
				fail(w)
				for range 5 {
					<-time.After(900 * time.Millisecond) // of the bubble's clock
					synctest.Wait()
					checkUnavailable(t, w.log.Ready())
				}
				w.sink.set(0, false)
				<-time.After(1100 * time.Millisecond)
				synctest.Wait()
				if err := w.log.Ready(); err != nil {
					t.Errorf("a second after the sink was mended: %v", err)
				}
				if err := w.log.Write(ctx, record("SecretGet")); err != nil {
					t.Error(err)
				}
				if n := strings.Count(w.logs.String(), "audit sink works again"); n != 1 {
					t.Errorf("the recovery is logged %d times: %s", n, w.logs)
				}
				if n := strings.Count(w.logs.String(), "audit sink failed"); n != 1 {
					t.Errorf("the failure is logged %d times: %s", n, w.logs)
				}
				cancel()
				<-running
				if n := len(w.waiting()); n != 0 {
					t.Errorf("%d records still wait", n)
				}
			})
		})
	}
}

// TestRunExportsSoon: a mutation's record leaves the store without anybody
// asking, soon after its commit.
func TestRunExportsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.sink.wrote = make(chan struct{}, 100)
		ctx, cancel := context.WithCancel(t.Context())
		running := make(chan struct{})
		go func() {
			defer close(running)
			w.log.Run(ctx)
		}()
		start := time.Now()
		w.mutate("KeyCreate", "KeyDelete")
		<-w.sink.wrote
		<-w.sink.wrote
		if waited := time.Since(start); waited > 100*time.Millisecond {
			t.Errorf("exported after %v", waited)
		}

		// The wake-up comes before the commit, which may take longer than Run
		// waits: then the ticker finds the record.
		entry := w.prepare("KeyUpdate")
		err := w.store.Update(ctx, func(tx store.Tx) error {
			w.log.Append(tx, entry)
			<-time.After(300 * time.Millisecond) // a slow disk
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		<-w.sink.wrote
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("exported after %v", waited)
		}

		// What was committed when Run is told to end is exported before it returns.
		synctest.Wait()
		w.mutate("KeyPurge")
		cancel()
		<-running
		if got, want := operations(w.sink.take(t)), "KeyCreate KeyDelete KeyUpdate KeyPurge"; got != want {
			t.Errorf("exported %s, want %s", got, want)
		}
	})
}

// TestRunEnds with a sink that fails for ever, and with a store that is closed.
func TestRunEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		breaks func(*world)
		logged bool
	}{
		"failing sink":  {func(w *world) { w.sink.set(1, true) }, true},
		"failing store": {func(w *world) { w.store.set(errDiskFull) }, true},
		"closed store":  {func(w *world) { w.store.Close() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mutate("KeyCreate")
			tt.breaks(w)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			w.log.Run(ctx)
			if logged := strings.Contains(w.logs.String(), "exporting audit records"); logged != tt.logged {
				t.Errorf("logged %q", w.logs)
			}
		})
	}
}
