package vault

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// checkPurged calls PurgeDue and wants it to purge so many, with one record each
// in the audit log and nothing else there.
func checkPurged(t *testing.T, w *world, want int) []audit.Record {
	t.Helper()
	w.audited()
	if n, err := w.svc.PurgeDue(w.ctx()); n != want || err != nil {
		t.Errorf("purged %d, %v; want %d", n, err, want)
	}
	records := w.audited()
	if len(records) != want {
		t.Errorf("%d records in the audit log, want %d", len(records), want)
	}
	return records
}

func TestPurgeDueAtTheDate(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		v := w.vault("v", retention(7))
		must(c.set(call("v"), "Name"))(t)
		must(c.set(call("v"), "name"))(t)
		gone := must(c.delete(call("v"), "name"))(t)
		w.clock.add(7*day - 1)
		checkPurged(t, w, 0)
		if got := must(c.getDeleted(call("v"), "name"))(t); !reflect.DeepEqual(got, gone) {
			t.Errorf("a second before its date: %+v, want %+v", got, gone)
		}
		if now := w.clock.add(1); now != gone.Deleted.PurgeAt {
			t.Fatalf("it is %d, and the date %d", now, gone.Deleted.PurgeAt)
		}
		records := checkPurged(t, w, 1)
		want := audit.Record{ID: records[0].ID, Time: records[0].Time, Operation: c.capital + "Purge",
			Resource: v.ResourceID(), Object: c.collection + "/name"}
		if !reflect.DeepEqual(records[0], want) {
			t.Errorf("audited as %+v, want %+v", records[0], want)
		}
		if n := w.below("v", v.ID) + w.below("due"); n != 0 {
			t.Errorf("%d records are left", n)
		}
		checkPurged(t, w, 0)
		checkNotDeleted(t, w, c, "v", "name")
		if again := must(c.set(call("v"), "NAME"))(t); again.Name != "NAME" {
			t.Errorf("made anew: %+v", again)
		}
		w.clock.add(1000 * day)
		checkPurged(t, w, 0)
	})
}

// However the clock is shifted, an object is purged at the date that it was
// deleted with, and a jump over many dates is one run.
func TestPurgeDueAfterAJump(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("short", retention(7))
	w.vault("long", retention(90))
	for _, c := range w.collections(w.svc) {
		for _, vault := range []string{"short", "long"} {
			for i := range 3 {
				name := fmt.Sprintf("n%d", i)
				must(c.set(call(vault), name))(t)
				must(c.delete(call(vault), name))(t)
				w.clock.add(day)
			}
		}
	}
	// At days 0 to 11: secrets of short, then of long, then keys likewise.
	w.clock.add(-12 * day)
	checkPurged(t, w, 0)
	w.clock.add(7 * day)
	checkPurged(t, w, 1)
	w.clock.add(2 * day)
	checkPurged(t, w, 2)
	w.clock.add(day)
	checkPurged(t, w, 0)
	w.clock.add(1000 * day)
	checkPurged(t, w, 9)
	if n := w.below("due"); n != 0 {
		t.Errorf("%d due records are left", n)
	}
}

// The date is the object's own: what was recovered, or purged and made anew under
// the same name, is not purged at the date of what it was.
func TestPurgeDueForgets(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v", retention(7))
		for _, name := range []string{"recovered", "anew", "twice", "anew-twice"} {
			must(c.set(call("v"), name))(t)
			must(c.delete(call("v"), name))(t)
		}
		w.clock.add(day)
		for _, name := range []string{"recovered", "twice"} {
			must(c.recover(call("v"), name))(t)
		}
		for _, name := range []string{"anew", "anew-twice"} {
			if err := c.purge(call("v"), name); err != nil {
				t.Fatal(err)
			}
			must(c.set(call("v"), name))(t)
		}
		for _, name := range []string{"twice", "anew-twice"} {
			must(c.delete(call("v"), name))(t)
		}
		w.clock.add(6 * day)
		checkPurged(t, w, 0)
		w.clock.add(day)
		checkPurged(t, w, 2)
		w.clock.add(1000 * day)
		checkPurged(t, w, 0)
		all := w.walk(MaxPage, func(p PageRequest) (Page[Object], error) { return c.list(call("v"), p) })
		if got := names(all); !slices.Equal(got, []string{"anew", "recovered"}) {
			t.Errorf("left are %v", got)
		}
	})
}

// Purge protection protects until the date and no longer; a deleted vault's
// contents keep their dates.
func TestPurgeDueInEveryVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	protected := w.vault("protected", retention(7), withPurgeProtection)
	lost := w.vault("lost", retention(7))
	for _, c := range w.collections(w.svc) {
		for _, vault := range []string{"protected", "lost"} {
			must(c.set(call(vault), "n"))(t)
			must(c.delete(call(vault), "n"))(t)
		}
	}
	deleted := lost.Clone()
	deleted.Deleted = &catalog.Deletion{At: w.clock.Now(), PurgeAt: w.clock.Now().Add(90 * 24 * time.Hour)}
	w.putVault(deleted)
	w.clock.add(7 * day)
	for _, r := range checkPurged(t, w, 4) {
		if r.Resource != protected.ResourceID() && r.Resource != lost.ResourceID() || r.Caller.ObjectID != "" {
			t.Errorf("audited as %+v", r)
		}
	}
	if n := w.below("v", protected.ID) + w.below("v", lost.ID) + w.below("due"); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// The due record of an object that went with its vault is only cleared away:
// there is nothing to purge, nor to audit.
func TestPurgeDueOfAPurgedVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v", retention(7))
	kept := w.vault("kept", retention(7))
	for _, c := range w.collections(w.svc) {
		for _, vault := range []string{"v", "kept"} {
			must(c.set(call(vault), "n"))(t)
			must(c.delete(call(vault), "n"))(t)
		}
	}
	w.update(func(tx store.Tx) {
		tx.DeleteRange(tuple.Prefix(catalog.VaultKey(v.ID)))
		tx.Delete(catalog.VaultKey(v.ID))
		tx.Delete(catalog.NameKey("v"))
	})
	w.clock.add(7*day - 1)
	checkPurged(t, w, 0)
	if n := w.below("due"); n != 4 {
		t.Errorf("%d due records before the date", n)
	}
	w.clock.add(1)
	for _, r := range checkPurged(t, w, 2) {
		if r.Resource != kept.ResourceID() {
			t.Errorf("audited as %+v", r)
		}
	}
	if n := w.below("due"); n != 0 {
		t.Errorf("%d due records are left", n)
	}
}

// A vault whose erasure has begun has lost its document and not yet its contents:
// these are its own to erase, and only the due record goes.
func TestPurgeDueOfAVaultBeingErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.deleteMany(t, 2)
	w.update(func(tx store.Tx) {
		tx.Delete(catalog.VaultKey(v.ID))
		tx.Delete(catalog.NameKey("v"))
	})
	contents := w.below("v", v.ID)
	checkPurged(t, w, 0)
	if left := w.below("due"); left != 0 || w.below("v", v.ID) != contents {
		t.Errorf("%d due records are left, %d of %d others", left, w.below("v", v.ID), contents)
	}
	w.update(func(tx store.Tx) { tx.DeleteRange(tuple.Prefix(catalog.VaultKey(v.ID))) })
}

// deleteMany leaves so many deleted objects, half of each kind, and a live one,
// with all that are deleted due.
func (w *world) deleteMany(t *testing.T, n int) *catalog.Vault {
	t.Helper()
	v := w.vault("v", retention(7))
	collections := w.collections(w.svc)
	for i := range n {
		c, name := collections[i%2], fmt.Sprintf("n%03d", i)
		must(c.set(call("v"), name))(t)
		must(c.delete(call("v"), name))(t)
	}
	must(collections[0].set(call("v"), "living"))(t)
	w.clock.add(7 * day)
	w.audited()
	return v
}

// checkPurgedOnce checks that the audit log has every object of deleteMany once,
// and that nothing is left but the live one.
func checkPurgedOnce(t *testing.T, w *world, n int) {
	t.Helper()
	seen := map[string]int{}
	for _, r := range w.audited() {
		seen[r.Object]++
	}
	for object, times := range seen {
		if times != 1 {
			t.Errorf("%s was purged %d times", object, times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d objects were purged, want %d", len(seen), n)
	}
	if left := w.below("due"); left != 0 {
		t.Errorf("%d due records are left", left)
	}
	for _, c := range w.collections(w.svc) {
		if page := must(c.listDeleted(call("v"), onePage))(t); len(page.Items) != 0 {
			t.Errorf("%d deleted %s are left", len(page.Items), c.collection)
		}
	}
	must(w.svc.GetSecret(w.ctx(), call("v"), "living", ""))(t)
}

func TestPurgeDueOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = 2*dueBatch + 30
	w.deleteMany(t, many)
	if n, err := w.svc.PurgeDue(w.ctx()); n != many || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	checkPurgedOnce(t, w, many)
}

func TestPurgeDueConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = dueBatch + 20
	w.deleteMany(t, many)
	var wg sync.WaitGroup
	purged := make([]int, 6)
	for i := range purged {
		s := w.svc
		if i%2 == 1 {
			s = w.node(w.store)
		}
		wg.Go(func() {
			var err error
			if purged[i], err = s.PurgeDue(w.ctx()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range purged {
		sum += n
	}
	if sum != many {
		t.Errorf("purged %v, together %d, want %d", purged, sum, many)
	}
	checkPurgedOnce(t, w, many)
}

// Recover and PurgeDue both want a deleted object: one of them gets it, whole.
func TestPurgeDueAgainstRecover(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		const many = 40
		w.vault("v", retention(7))
		for i := range many {
			name := fmt.Sprintf("n%03d", i)
			must(c.set(call("v"), name))(t)
			must(c.delete(call("v"), name))(t)
		}
		w.clock.add(7 * day)
		var wg sync.WaitGroup
		var purged, recovered int
		wg.Go(func() {
			var err error
			if purged, err = w.svc.PurgeDue(w.ctx()); err != nil {
				t.Error(err)
			}
		})
		for i := range many {
			// From the end, so that the two meet.
			name := fmt.Sprintf("n%03d", many-1-i)
			if _, err := c.recover(call("v"), name); err == nil {
				recovered++
			} else {
				c.wantDeletedNotFound(name).check(t, err)
			}
		}
		wg.Wait()
		living := w.walk(MaxPage, func(p PageRequest) (Page[Object], error) { return c.list(call("v"), p) })
		if purged+recovered != many || len(living) != recovered || w.below("due") != 0 {
			t.Errorf("%d purged, %d recovered, %d live, %d due", purged, recovered, len(living), w.below("due"))
		}
	})
}

// A clock before 1970 has nothing come due, not everything.
func TestPurgeDueBefore1970(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deleteMany(t, 2)
	w.clock.add(-testStart - 100*day)
	if n, err := w.svc.PurgeDue(w.ctx()); n != 0 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	if left := w.below("due"); left != 2 {
		t.Errorf("%d are left", left)
	}
}

// PurgeDue asks nobody for permission: it is the service's own work.
func TestPurgeDueNeedsNoPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.deleteMany(t, 2).Clone()
	v.Policies = nil
	w.putVault(v)
	if n, err := w.svc.PurgeDue(w.ctx()); n != 2 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	if left := w.below("due") + w.below("v", v.ID, dead); left != 0 {
		t.Errorf("%d records are left", left)
	}
}
