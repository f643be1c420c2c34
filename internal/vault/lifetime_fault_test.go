package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// A key that cannot be rotated is told of, has its expiry announced nonetheless,
// is not tried all the time, and keeps no other from being rotated.
func TestLifetimeActionsThatFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v", premium)
	for i := range 3 {
		name := fmt.Sprintf("hsm%d", i)
		must(w.svc.CreateKey(w.ctx(), call("v"), name, CreateKey{Spec: newECKey.Spec, HSM: true, Attributes: Attributes{Expires: ptr(testStart + 45*day)}}))(t)
		w.setPolicy("v", name, "", rotateAfter("P30D"))
	}
	w.key("v", "k")
	w.setPolicy("v", "k", "", rotateAfter("P40D"))
	standard := v.Clone()
	standard.Premium = false
	w.putVault(standard)
	w.clock.add(40 * day)
	w.audited()

	wall := time.Now()
	w.svc.retries.now = func() time.Time { return wall }
	run := func(what string, failures int, want ...string) {
		t.Helper()
		err := w.svc.RunLifetimeActions(w.ctx())
		if n := strings.Count(fmt.Sprint(err), "Hardware key operation not allowed on standard vault"); n != failures || (err == nil) != (failures == 0) {
			t.Errorf("%s: %d failures, want %d: %v", what, n, failures, err)
		}
		var got []string
		for _, r := range w.audited() {
			got = append(got, r.Operation+" "+strings.Split(r.Object, "/")[1])
		}
		slices.Sort(got)
		checkDone(t, what, got, want...)
	}
	run("the first time", 3, nearExpiry+" hsm0", nearExpiry+" hsm1", nearExpiry+" hsm2", rotated+" k")
	run("at once", 0)
	wall = wall.Add(firstRetry/2 - 1)
	run("before the first wait", 0)
	wall = wall.Add(firstRetry/2 + 1)
	run("after the first wait", 3)
	wall = wall.Add(firstRetry - 1)
	run("before the second wait", 0)
	wall = wall.Add(firstRetry + 1)
	run("after the second wait", 3)
	for range 20 {
		wall = wall.Add(lastRetry)
		run("much later", 3)
	}
	w.clock.add(5 * day)
	wall = wall.Add(lastRetry)
	run("expired", 3, expired+" hsm0", expired+" hsm1", expired+" hsm2")
	w.putVault(v)
	run("premium again, before the wait", 0)
	wall = wall.Add(lastRetry)
	run("premium again", 0, rotated+" hsm0", rotated+" hsm1", rotated+" hsm2")
	if len(w.svc.retries.failed) != 0 {
		t.Errorf("remembered are %v", w.svc.retries.failed)
	}
}

// A run that only fails ends, and the next one gets to the others.
func TestLifetimeActionsGiveUpARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = maxFailures + 10
	w.dueKeys(t, many)
	full, tries := errors.New("disk full"), 0
	node := w.node(&brokenStore{w.store, func() error {
		if tries++; tries <= maxFailures {
			return full
		}
		return nil
	}})
	if err := node.RunLifetimeActions(w.ctx()); strings.Count(fmt.Sprint(err), full.Error()) != maxFailures {
		t.Errorf("%v", err)
	}
	if err := node.RunLifetimeActions(w.ctx()); err != nil {
		t.Error(err)
	}
	if n := len(w.audited()); n != 10 {
		t.Errorf("%d were rotated, want 10", n)
	}
}

// What cannot be read is told of, and the rest is done.
func TestLifetimeActionsSkip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dueKeys(t, 3)
	unreadable := w.vault("unreadable")
	w.key("unreadable", "k")
	w.setPolicy("unreadable", "k", "", rotateAfter("P30D"))
	w.clock.add(30 * day)
	document := w.dump()[string(catalog.VaultKey(unreadable.ID))]
	w.updateRaw(catalog.VaultKey(unreadable.ID), []byte("no document"))
	malformed := tuple.Append(tuple.AppendUint(lifetimeRoot[:len(lifetimeRoot):len(lifetimeRoot)], 1), "too short")
	w.updateRaw(malformed, []byte{1})
	w.audited()
	err := w.svc.RunLifetimeActions(w.ctx())
	if !errors.Is(err, errRecord) || !strings.Contains(err.Error(), "the document of the vault cannot be read") {
		t.Errorf("%v", err)
	}
	w.updateRaw(catalog.VaultKey(unreadable.ID), []byte(document))
	w.update(func(tx store.Tx) { tx.Delete(malformed) })
	if n := len(w.audited()); n != 3 {
		t.Errorf("%d were rotated, want 3", n)
	}
	if err := w.node(w.store).RunLifetimeActions(w.ctx()); err != nil {
		t.Error(err)
	}
	if n := len(w.audited()); n != 1 {
		t.Errorf("%d were rotated, want 1", n)
	}
}

// Nothing is done that cannot be audited.
func TestLifetimeActionsAreAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dueKeys(t, 1)
	w.sink.Break()
	if _, err := w.svc.GetKey(w.ctx(), call("v"), "kept", ""); err == nil {
		t.Error("a broken sink was not noticed")
	}
	before := w.dump()
	unavailable.check(t, w.svc.RunLifetimeActions(w.ctx()))
	if diff := sameRecords(before, w.dump()); diff != nil {
		t.Error(diff)
	}
	w.recoverSink()
	if done := w.done(t); len(done) != 1 {
		t.Errorf("done was %q", done)
	}
}

// A disk that is full stops a run at the first key: the others would be made in
// vain.
func TestLifetimeActionsWithoutRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dueKeys(t, 5)
	tries := 0
	err := w.node(&brokenStore{w.store, func() error {
		tries++
		return fault.New(fault.Unavailable, "ServiceUnavailable", "no room")
	}}).RunLifetimeActions(w.ctx())
	if fault.KindOf(err) != fault.Unavailable || tries != 1 {
		t.Errorf("%d tries, %v", tries, err)
	}
	if err := w.svc.RunLifetimeActions(w.ctx()); err != nil {
		t.Error(err)
	}
	w.checkRotatedOnce(t, 5)
}

// A run that is interrupted has done whole things; the next one does the rest,
// after a restart too.
func TestLifetimeActionsInterrupted(t *testing.T) {
	t.Parallel()
	const many = 12
	for name, committed := range map[string]bool{"between two keys": false, "during a commit": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.dueKeys(t, many)
			ctx, cancel := context.WithCancel(w.ctx())
			defer cancel()
			if err := w.node(&cancellingStore{w.store, 5, committed, cancel}).RunLifetimeActions(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			w.check()
			w.reopen()
			if err := w.svc.RunLifetimeActions(w.ctx()); err != nil {
				t.Error(err)
			}
			w.checkRotatedOnce(t, many)
		})
	}
}

// A record that is found due before its head is has the head say when it is due:
// so it is when another release reckons otherwise.
func TestLifetimeActionsReckonAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	w.key("v", "k")
	w.setPolicy("v", "k", "", rotateAfter("P30D"))
	sc := catalog.Scope{Vault: v, Sealer: must(w.ring.Vault(v.ID, v.WrappedKey))(t)}
	at := keyKind.key(v.ID, live, "k")
	head := must(open(sc, at, stored(w.dump()[string(at)]), decodeHead))(t)
	forged := writes{deletes: [][]byte{keyKind.lifetime(*head.Lifetime.Due, v.ID, "k")}}
	head.Lifetime.Due = ptr(testStart + 1)
	// And one that the head does not know of at all.
	for _, due := range []int64{testStart + 1, testStart + 2} {
		if err := forged.put(sc, keyKind.lifetime(due, v.ID, "k"), encodeBody(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if err := forged.putRecord(sc, at, head); err != nil {
		t.Fatal(err)
	}
	w.update(func(tx store.Tx) { forged.apply(tx) })
	w.clock.add(2)
	checkDone(t, "before its time", w.done(t))
	w.check()
	w.clock.add(30*day - 2)
	if done := w.done(t); len(done) != 1 {
		t.Errorf("at its time: %q", done)
	}
}

func TestRetriesAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(testStart, 0)
	r := newRetries()
	r.now = func() time.Time { return now }
	failure := errors.New("failed")
	for i := range maxRetries + 10 {
		r.note(fmt.Sprint(i), failure)
	}
	if len(r.failed) != maxRetries || !r.waiting("0") || r.waiting(fmt.Sprint(maxRetries)) {
		t.Errorf("%d are remembered", len(r.failed))
	}
	r.note("0", nil)
	if r.waiting("0") || len(r.failed) != maxRetries-1 {
		t.Errorf("%d are remembered after one has been done", len(r.failed))
	}
	r.note("0", failure)
	now = now.Add(2 * lastRetry)
	if r.note("another", failure); len(r.failed) != 1 || !r.waiting("another") {
		t.Errorf("%d are remembered for ever", len(r.failed))
	}
}
