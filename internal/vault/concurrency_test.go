package vault

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/audit/audittest"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// As many versions as there were calls, each with its own value, one of them
// current, and the ordering of their times kept: however many set one name at
// once.
func TestConcurrentSets(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		const callers, each = 16, 6
		values := make([]map[string]string, callers)
		var wg sync.WaitGroup
		for i := range callers {
			values[i] = map[string]string{}
			c := w.collections([]*Service{w.svc, w.other}[i%2])[slices.Index([]*kind{secretKind, keyKind}, c.kind)]
			wg.Go(func() {
				for range each {
					// Both cases, and a clock that two processes do not agree on.
					w.clock.add(int64(i%5) - 2)
					made, err := c.set(call("v"), []string{"Name", "name"}[i%2])
					if err != nil {
						t.Error(err)
						return
					}
					if values[i][made.Version], err = c.value(call("v"), "name", made.Version); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		all := map[string]string{}
		for _, v := range values {
			maps.Copy(all, v)
		}
		listed := w.walk(MaxPage, func(p PageRequest) (Page[Object], error) { return c.versions(call("v"), "name", p) })
		if len(all) != callers*each || len(listed) != callers*each {
			t.Errorf("%d versions were made and %d are there, want %d", len(all), len(listed), callers*each)
		}
		distinct := map[string]bool{}
		name := listed[0].Name
		for _, o := range listed {
			value := must(c.value(call("v"), "name", o.Version))(t)
			if value != all[o.Version] || distinct[value] || o.Name != name {
				t.Errorf("%s/%s holds %q, made as %q, seen before: %t", o.Name, o.Version, value, all[o.Version], distinct[value])
			}
			distinct[value] = true
		}
		current := must(c.get(call("v"), "name", ""))(t)
		if _, ok := all[current.Version]; !ok {
			t.Errorf("the current version is %+v, which nobody made", current)
		}
		for _, o := range listed {
			if o.Created > current.Created {
				t.Errorf("version %s was made at %d, the current one at %d", o.Version, o.Created, current.Created)
			}
		}
	})
}

// Updates of different members by many callers are all kept: none works on what
// another has replaced meanwhile.
func TestConcurrentUpdatesAreKept(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		old := must(c.set(call("v"), "n"))(t)
		must(c.set(call("v"), "n"))(t)
		settings := []setting{
			{Tags: map[string]string{"k": "v"}},
			{Attributes: Attributes{NotBefore: ptr(int64(5))}},
			{Attributes: Attributes{Expires: ptr(int64(6))}},
		}
		var wg sync.WaitGroup
		for i := range 12 {
			c := w.collections([]*Service{w.svc, w.other}[i%2])[slices.Index([]*kind{secretKind, keyKind}, c.kind)]
			wg.Go(func() {
				for _, version := range []string{"", old.Version} {
					if _, err := c.update(call("v"), "n", version, settings[i%3]); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for _, version := range []string{"", old.Version} {
			got := must(c.get(call("v"), "n", version))(t)
			if got.Tags["k"] != "v" || got.NotBefore == nil || *got.NotBefore != 5 || got.Expires == nil || *got.Expires != 6 {
				t.Errorf("version %q is %+v", version, got)
			}
		}
	})
}

// Of many who delete, recover or purge one object, each time exactly one does it.
func TestOnlyOneWins(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		race := func(what string, run func(collection) error) {
			t.Helper()
			var won atomic.Int64
			var wg sync.WaitGroup
			for i := range 8 {
				c := w.collections([]*Service{w.svc, w.other}[i%2])[slices.Index([]*kind{secretKind, keyKind}, c.kind)]
				wg.Go(func() {
					if err := run(c); err == nil {
						won.Add(1)
					} else if fault.KindOf(err) != fault.NotFound {
						t.Errorf("%s: %v", what, err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("%d of 8 could %s", won.Load(), what)
			}
		}
		for range 10 {
			must(c.set(call("v"), "n"))(t)
			race("delete", func(c collection) error { _, err := c.delete(call("v"), "n"); return err })
			race("recover", func(c collection) error { _, err := c.recover(call("v"), "n"); return err })
			race("delete", func(c collection) error { _, err := c.delete(call("v"), "n"); return err })
			race("purge", func(c collection) error { return c.purge(call("v"), "n") })
		}
	})
}

// A backup of many versions is restored in several updates, while others want the
// name, too, and what is due is purged: the store is whole at every moment, one
// restoration at most gets through, and no version is lost or shown before all
// are there.
func TestRestorationAmongOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	blob := w.large("n")
	for range 12 {
		var restored, set atomic.Int64
		running := make(chan struct{})
		var wg sync.WaitGroup
		for _, s := range []*Service{w.svc, w.other, w.svc} {
			wg.Go(func() {
				if _, err := s.RestoreSecret(w.ctx(), call("v"), blob); err == nil {
					restored.Add(1)
				} else if fault.KindOf(err) != fault.Conflict {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if _, err := s.SetSecret(w.ctx(), call("v"), "n", newSecret("x")); err == nil {
					set.Add(1)
				} else if fault.KindOf(err) != fault.Conflict {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if n, err := w.other.PurgeDue(w.ctx()); n != 0 || err != nil {
				t.Errorf("purged %d, %v", n, err)
			}
		})
		go func() { wg.Wait(); close(running) }()
		for done := false; !done; {
			select {
			case <-running:
				done = true
			default:
			}
			w.check()
			n := len(w.walk(MaxPage, func(p PageRequest) (Page[Object], error) { return w.secrets(w.other).versions(call("v"), "n", p) }))
			if want := int(100*restored.Load() + set.Load()); n > 6 && n < 100 || done && n != want {
				t.Errorf("%d versions, %d restored, %d set", n, restored.Load(), set.Load())
			}
		}
		if restored.Load() > 1 || w.below("due") != 0 {
			t.Errorf("restored %d times, %d due", restored.Load(), w.below("due"))
		}
		w.purgeAny("v", secretKind, "n")
	}
}

// acknowledged is a version whose maker was told that it is there.
type acknowledged struct{ collection, name, version, value string }

// Power may fail at any moment: what is then on the disk is whole, and holds
// every change that was acknowledged and its record for the audit log.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	made := make(chan acknowledged)
	ctx, stop := context.WithCancel(w.ctx())
	var wg sync.WaitGroup
	defer func() { stop(); wg.Wait() }()
	for _, c := range slices.Concat(w.collections(w.svc), w.collections(w.other)) {
		wg.Go(func() { comeAndGo(ctx, t, c, made) })
	}
	var known []acknowledged
	for range 8 {
		for range 20 {
			known = append(known, <-made)
		}
		after := &world{t: t, fs: w.fs.CrashClone(vfs.CrashCloneCfg{}), root: w.root, sink: &audittest.Sink{}, clock: w.clock}
		after.start()
		checkAfterCut(t, after, known)
		after.store.Close()
	}
}

// comeAndGo makes versions until ctx ends, and deletes, recovers and purges the
// object n0 beside.
func comeAndGo(ctx context.Context, t *testing.T, c collection, made chan<- acknowledged) {
	for n := 0; ; n++ {
		name := fmt.Sprintf("n%d", n%7)
		o, err := c.set(call("v"), name)
		if err == nil {
			// The version may be gone again before it is read.
			if value, err := c.value(call("v"), name, o.Version); err == nil {
				select {
				case made <- acknowledged{c.collection, name, o.Version, value}:
				case <-ctx.Done():
					return
				}
			}
		} else if fault.KindOf(err) != fault.Conflict {
			t.Error(err)
		}
		switch n % 7 {
		case 1:
			_, err = c.delete(call("v"), "n0")
		case 3:
			_, err = c.recover(call("v"), "n0")
		case 5:
			_, _ = c.delete(call("v"), "n0")
			err = c.purge(call("v"), "n0")
		}
		if k := fault.KindOf(err); err != nil && k != fault.NotFound && k != fault.Conflict {
			t.Error(err)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// checkAfterCut checks what is left after a power cut. What is known of n0 may be
// gone again.
func checkAfterCut(t *testing.T, w *world, known []acknowledged) {
	t.Helper()
	w.check()
	audited := map[string]bool{}
	for _, r := range w.audited() {
		audited[r.Object] = true
	}
	for _, k := range known {
		if path := k.collection + "/" + k.name + "/" + k.version; !audited[path] {
			t.Errorf("%s is not in the audit log", path)
		}
		for _, c := range w.collections(w.svc) {
			if c.collection != k.collection || k.name == "n0" {
				continue
			}
			if got, err := c.value(call("v"), k.name, k.version); err != nil || got != k.value {
				t.Errorf("%s/%s holds %q, %v, want %q", k.name, k.version, got, err, k.value)
			}
		}
	}
}
