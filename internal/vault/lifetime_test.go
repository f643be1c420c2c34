package vault

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// Names of what the service does by itself, in the audit log.
const (
	rotated    = "KeyRotateIfDue"
	nearExpiry = "KeyNearExpiryEventGridNotification"
	expired    = "KeyExpiredEventGridNotification"
)

// done runs what is due until nothing is, and returns what the audit log has of
// it: operations and objects.
func (w *world) done(t *testing.T) []string {
	t.Helper()
	w.audited()
	for range 3 {
		if err := w.svc.RunLifetimeActions(w.ctx()); err != nil {
			t.Error(err)
		}
	}
	var all []string
	for _, r := range w.audited() {
		all = append(all, r.Operation+" "+r.Object)
	}
	return all
}

func checkDone(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: done was %q, want %q", what, got, want)
	}
}

// current returns the current version of a key.
func (w *world) current(t *testing.T, name string) *Key {
	t.Helper()
	return must(w.svc.GetKey(w.ctx(), call("v"), name, ""))(t)
}

func (w *world) expires(t *testing.T, name string, at int64) {
	t.Helper()
	must(w.svc.UpdateKey(w.ctx(), call("v"), name, "", UpdateKey{Attributes: Attributes{Expires: &at}}))(t)
}

func (w *world) enable(t *testing.T, name string, enabled bool) {
	t.Helper()
	must(w.svc.UpdateKey(w.ctx(), call("v"), name, "", UpdateKey{Attributes: Attributes{Enabled: &enabled}}))(t)
}

// Each thing is done at its second, once, in the order of time, and starts anew
// for the version that follows.
func TestLifetimeActions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	w.key("v", "Name")
	w.setPolicy("v", "name", "P60D", rotateAfter("P50D"), notifyBefore("P20D"))
	checkDone(t, "a version that never expires", w.done(t))
	for period := range 3 {
		version := must(w.svc.RotateKey(w.ctx(), call("v"), "name"))(t)
		if period > 0 {
			version = w.current(t, "name")
		}
		w.clock.add(40*day - 1)
		checkDone(t, "a second before the notice", w.done(t))
		w.clock.add(1)
		checkDone(t, "the notice", w.done(t), nearExpiry+" keys/Name/"+version.Version)
		w.clock.add(10*day - 1)
		checkDone(t, "a second before the rotation", w.done(t))
		now := w.clock.add(1)
		w.audited()
		if err := w.svc.RunLifetimeActions(w.ctx()); err != nil {
			t.Error(err)
		}
		records := w.audited()
		next := w.current(t, "name")
		if next.Version == version.Version || next.Created != now || next.Expires == nil || *next.Expires != now+60*day {
			t.Errorf("after %+v comes %+v", version, next)
		}
		if len(records) != 1 || !reflect.DeepEqual(records[0], audit.Record{ID: records[0].ID, Time: records[0].Time,
			Operation: rotated, Resource: v.ResourceID(), Object: "keys/Name/" + next.Version}) {
			t.Errorf("audited as %+v", records)
		}
		if old := must(w.svc.GetKey(w.ctx(), call("v"), "name", version.Version))(t); !reflect.DeepEqual(old, version) {
			t.Errorf("the old version was %+v and is %+v", version, old)
		}
		w.reopen()
	}
}

// A jump over any number of periods is one rotation: what would have been done
// about versions that were never made is not made up for.
func TestLifetimeActionsAfterAJump(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	w.key("v", "k")
	w.setPolicy("v", "k", "P60D", rotateAfter("P28D"))
	must(w.svc.RotateKey(w.ctx(), call("v"), "k"))(t)
	now := w.clock.add(1000 * day)
	done := w.done(t)
	k := w.current(t, "k")
	checkDone(t, "the jump", done, rotated+" keys/k/"+k.Version)
	if n := w.below("v", v.ID, ver, "keys", "k"); n != 3 || k.Created != now || *k.Expires != now+60*day {
		t.Errorf("%d versions, the last %+v", n, k)
	}
	// Back in time nothing is due, and forth again nothing is done twice.
	w.clock.add(-2000 * day)
	checkDone(t, "back", w.done(t))
	w.clock.add(2000 * day)
	checkDone(t, "forth", w.done(t))
	w.clock.add(28 * day)
	if done := w.done(t); len(done) != 1 {
		t.Errorf("a period later: %q", done)
	}
	w.clock.add(-testStart - 3000*day)
	checkDone(t, "before 1970", w.done(t))
}

// What is due follows from the policy, the current version and its exp, and
// changes with each of them.
func TestLifetimeActionsFollowChanges(t *testing.T) {
	t.Parallel()
	type step func(*testing.T, *world)
	policy := func(expiry string, actions ...LifetimeAction) step {
		return func(_ *testing.T, w *world) { w.setPolicy("v", "k", expiry, actions...) }
	}
	wait := func(days int64) step { return func(_ *testing.T, w *world) { w.clock.add(days * day) } }
	exp := func(days int64) step {
		return func(t *testing.T, w *world) { w.expires(t, "k", testStart+days*day) }
	}
	enabled := func(on bool) step { return func(t *testing.T, w *world) { w.enable(t, "k", on) } }
	create := func(_ *testing.T, w *world) { w.key("v", "k") }
	remove := func(t *testing.T, w *world) { must(w.svc.DeleteKey(w.ctx(), call("v"), "k"))(t) }
	restore := func(t *testing.T, w *world) { must(w.svc.RecoverKey(w.ctx(), call("v"), "k"))(t) }
	rotate := func(t *testing.T, w *world) { must(w.svc.RotateKey(w.ctx(), call("v"), "k"))(t) }
	runs := func(t *testing.T, w *world) { w.done(t) }
	for name, tt := range map[string]struct {
		steps []step
		want  []string
	}{
		"no exp, no policy":                            {[]step{wait(1000)}, nil},
		"an exp without a policy":                      {[]step{exp(90), wait(60)}, []string{nearExpiry}},
		"a day before":                                 {[]step{exp(90), wait(59)}, nil},
		"expired":                                      {[]step{exp(90), wait(90)}, []string{expired}},
		"an exp that is put off":                       {[]step{exp(90), exp(120), wait(60)}, nil},
		"an exp that comes sooner":                     {[]step{exp(90), exp(60), wait(30)}, []string{nearExpiry}},
		"an exp in the past":                           {[]step{exp(-1)}, []string{expired}},
		"a policy set after the trigger":               {[]step{wait(100), policy("", rotateAfter("P30D"))}, []string{rotated}},
		"a policy whose trigger is put off":            {[]step{policy("", rotateAfter("P30D")), policy("", rotateAfter("P40D")), wait(30)}, nil},
		"a policy that is reset":                       {[]step{policy("", rotateAfter("P30D")), policy(""), wait(1000)}, nil},
		"calendar months":                              {[]step{policy("", rotateAfter("P1M")), wait(31)}, []string{rotated}},
		"calendar months, a day before":                {[]step{policy("", rotateAfter("P1M")), wait(30)}, nil},
		"before an exp that is not there":              {[]step{policy("P90D", rotateBefore("P30D")), wait(1000)}, nil},
		"before an exp":                                {[]step{policy("P90D", rotateBefore("P40D"), notifyBefore("P30D")), exp(90), wait(50)}, []string{rotated}},
		"before an exp, a day before":                  {[]step{policy("P90D", rotateBefore("P40D"), notifyBefore("P50D")), exp(90), wait(49)}, []string{nearExpiry}},
		"both at once":                                 {[]step{policy("P90D", rotateBefore("P40D"), notifyBefore("P40D")), exp(90), wait(50)}, []string{rotated}},
		"made anew in time":                            {[]step{policy("", rotateAfter("P30D")), wait(20), create, wait(20)}, nil},
		"rotated in time":                              {[]step{policy("", rotateAfter("P30D")), wait(20), rotate, wait(20)}, nil},
		"disabled":                                     {[]step{policy("", rotateAfter("P30D")), exp(90), enabled(false), wait(1000)}, nil},
		"enabled again":                                {[]step{policy("", rotateAfter("P30D")), enabled(false), wait(1000), enabled(true)}, []string{rotated}},
		"deleted":                                      {[]step{policy("", rotateAfter("P30D")), exp(60), remove, wait(80)}, nil},
		"recovered":                                    {[]step{policy("", rotateAfter("P30D")), exp(60), remove, wait(80), restore}, []string{rotated}},
		"recovered in time":                            {[]step{policy("", rotateAfter("P30D")), remove, wait(20), restore}, nil},
		"a short life is announced at once":            {[]step{policy("P28D"), rotate}, []string{nearExpiry}},
		"every version is announced, and once":         {[]step{policy("P28D", rotateAfter("P20D")), rotate, runs, wait(20)}, []string{rotated, nearExpiry}},
		"announced once though touched":                {[]step{exp(90), wait(60), runs, enabled(false), enabled(true), remove, restore}, nil},
		"announced anew for another exp":               {[]step{exp(90), wait(60), runs, exp(91), wait(1)}, []string{nearExpiry}},
		"announced anew for a version of the same exp": {[]step{exp(90), wait(60), runs, create, exp(90)}, []string{nearExpiry}},
		"announced anew, expired":                      {[]step{exp(90), wait(90), runs, exp(91), wait(1)}, []string{expired}},
		"expired, and then back to another date":       {[]step{exp(90), wait(90), runs, exp(400)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vault("v")
			w.key("v", "k")
			for _, do := range tt.steps {
				do(t, w)
			}
			var got []string
			for _, record := range w.done(t) {
				operation, _, _ := strings.Cut(record, " ")
				got = append(got, operation)
			}
			checkDone(t, name, got, tt.want...)
			checkDone(t, "again", w.done(t))
		})
	}
}

// One vault's keys wait while it is deleted, and go with it when it is purged.
func TestLifetimeActionsOfADeletedVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	w.key("v", "k")
	w.setPolicy("v", "k", "", rotateAfter("P30D"))
	deleted := v.Clone()
	deleted.Deleted = &catalog.Deletion{At: w.clock.Now(), PurgeAt: w.clock.Now().Add(90 * 24 * time.Hour)}
	w.putVault(deleted)
	w.clock.add(80 * day)
	checkDone(t, "deleted", w.done(t))
	w.putVault(v)
	checkDone(t, "recovered", w.done(t), rotated+" keys/k/"+w.current(t, "k").Version)

	w.clock.add(30*day - 1)
	w.update(func(tx store.Tx) {
		tx.DeleteRange(tuple.Prefix(catalog.VaultKey(v.ID)))
		tx.Delete(catalog.VaultKey(v.ID))
		tx.Delete(catalog.NameKey("v"))
	})
	checkDone(t, "purged", w.done(t))
	if n := w.below("lifetime"); n != 1 {
		t.Errorf("%d lifetime records before their time", n)
	}
	w.clock.add(1)
	checkDone(t, "purged, at its time", w.done(t))
	if n := w.below("lifetime"); n != 0 {
		t.Errorf("%d lifetime records are left", n)
	}
}

// A name that means another vault by now has nothing done in it for the first.
func TestLifetimeActionsOfAReplacedVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.vault("v")
	w.key("v", "k")
	w.setPolicy("v", "k", "", rotateAfter("P30D"))
	w.clock.add(30 * day)
	fresh := w.vault("x", func(v *catalog.Vault) { v.Name = "v" })
	w.key("v", "k")
	checkDone(t, "another vault", w.done(t))
	if n := w.below("v", fresh.ID, ver, "keys", "k") + w.below("v", old.ID, ver, "keys", "k"); n != 2 {
		t.Errorf("%d versions", n)
	}
}

// dueKeys leaves so many keys that are due to be rotated, and one that is not.
func (w *world) dueKeys(t *testing.T, n int) {
	t.Helper()
	w.vault("v")
	for i := range n {
		name := fmt.Sprintf("k%03d", i)
		w.key("v", name)
		w.setPolicy("v", name, "", rotateAfter("P30D"))
	}
	w.key("v", "kept")
	w.clock.add(30 * day)
	w.audited()
}

// checkRotatedOnce checks that every key of dueKeys was rotated once.
func (w *world) checkRotatedOnce(t *testing.T, n int) {
	t.Helper()
	var names []string
	for _, r := range w.audited() {
		if r.Operation != rotated {
			t.Errorf("audited as %+v", r)
		}
		names = append(names, strings.Split(r.Object, "/")[1])
	}
	slices.Sort(names)
	if len(names) != n || len(slices.Compact(names)) != n {
		t.Errorf("rotated %d: %q", len(names), names)
	}
	for i := range n {
		if page := must(w.svc.ListKeyVersions(w.ctx(), call("v"), fmt.Sprintf("k%03d", i), onePage))(t); len(page.Items) != 2 {
			t.Errorf("k%03d has %d versions", i, len(page.Items))
		}
	}
	checkDone(t, "again", w.done(t))
}

func TestLifetimeActionsOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = 2*dueBatch + 30
	w.dueKeys(t, many)
	if err := w.svc.RunLifetimeActions(w.ctx()); err != nil {
		t.Error(err)
	}
	w.checkRotatedOnce(t, many)
}

// Several nodes at once rotate every key once.
func TestLifetimeActionsConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = dueBatch + 20
	w.dueKeys(t, many)
	var wg sync.WaitGroup
	for i := range 6 {
		s := w.svc
		if i%2 == 1 {
			s = w.node(w.store)
		}
		wg.Go(func() {
			if err := s.RunLifetimeActions(w.ctx()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.checkRotatedOnce(t, many)
}

// Between finding what is due and doing it, somebody else may have done it, or
// have changed the key so that it is no longer due.
func TestLifetimeActionsComeTooLate(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]func(*testing.T, *world){
		"rotated when due": func(t *testing.T, w *world) {
			if err := w.other.RunLifetimeActions(w.ctx()); err != nil {
				t.Error(err)
			}
		},
		"rotated by somebody": func(t *testing.T, w *world) { must(w.other.RotateKey(w.ctx(), call("v"), "k000"))(t) },
		"disabled": func(t *testing.T, w *world) {
			must(w.other.UpdateKey(w.ctx(), call("v"), "k000", "", UpdateKey{Attributes: Attributes{Enabled: ptr(false)}}))(t)
		},
		"reset": func(t *testing.T, w *world) {
			must(w.other.SetRotationPolicy(w.ctx(), call("v"), "k000", SetRotationPolicy{}))(t)
		},
		"deleted": func(t *testing.T, w *world) { must(w.other.DeleteKey(w.ctx(), call("v"), "k000"))(t) },
		"deleted and recovered": func(t *testing.T, w *world) {
			must(w.other.DeleteKey(w.ctx(), call("v"), "k000"))(t)
			must(w.other.RecoverKey(w.ctx(), call("v"), "k000"))(t)
			must(w.other.RotateKey(w.ctx(), call("v"), "k000"))(t)
		},
		"the vault deleted": func(t *testing.T, w *world) {
			var deleted *catalog.Vault
			err := w.cat.View(w.ctx(), "v", nil, func(_ store.View, sc catalog.Scope, _ []store.Record) error {
				deleted = sc.Vault.Clone()
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			deleted.Deleted = &catalog.Deletion{At: w.clock.Now(), PurgeAt: w.clock.Now().Add(time.Hour)}
			w.putVault(deleted)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range []string{"before the update", "within it"} {
				w := newWorld(t)
				w.dueKeys(t, 1)
				var s store.Store = &hookStore{Store: w.store, before: func() { between(t, w) }}
				if kind == "within it" {
					s = &contractStore{Store: w.store, t: t, between: func() { between(t, w) }}
				}
				if err := w.node(s).RunLifetimeActions(w.ctx()); err != nil {
					t.Error(err)
				}
				for _, r := range w.audited() {
					if r.Operation == rotated && name != "rotated when due" {
						t.Errorf("%s: %+v", kind, r)
					}
				}
				checkDone(t, kind, w.done(t))
			}
		})
	}
}
