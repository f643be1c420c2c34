package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var revisionTests = []test{
	{"ChangedByEveryPut", testRevisionPerPut},
	{"NotReusedAfterDelete", testRevisionAfterDelete},
	{"NotReusedAfterDeleteRange", testRevisionAfterDeleteRange},
	{"UnequalAcrossRecords", testRevisionAcrossRecords},
	{"KeptByWhatDoesNotPut", testRevisionKept},
	{"Unchanged", testUnchanged},
}

// revisions collects every revision seen and the state it stood for.
type revisions map[store.Revision]string

// note fails the test when a revision stands for two states.
func (seen revisions) note(t *testing.T, rev store.Revision, state string) {
	t.Helper()
	if rev == 0 {
		t.Errorf("%s has revision zero", state)
	}
	if other, ok := seen[rev]; ok && other != state {
		t.Errorf("revision %d is %s and was %s", rev, state, other)
	}
	seen[rev] = state
}

func testRevisionPerPut(t *testing.T, s store.Store) {
	seen := revisions{}
	for i := range 20 {
		// The value is the same each time: a Put is a new state all the same.
		mustPut(t, s, "a", "1")
		seen.note(t, revision(t, s, "a"), fmt.Sprintf("state %d of a", i))
	}
	mustUpdate(t, s, func(tx store.Tx) error {
		if err := put(tx, "a", "2"); err != nil {
			return err
		}
		return put(tx, "a", "3")
	})
	seen.note(t, revision(t, s, "a"), "a after two Puts in one update")
}

func testRevisionAfterDelete(t *testing.T, s store.Store) {
	seen := revisions{}
	for i := range 10 {
		mustPut(t, s, "a", "1")
		seen.note(t, revision(t, s, "a"), fmt.Sprintf("incarnation %d of a", i))
		mustDelete(t, s, "a")
	}
	mustPut(t, s, "a", "1")
	seen.note(t, revision(t, s, "a"), "a before it is replaced in one update")
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := tx.Get([]byte("a")); err != nil {
			return err
		}
		tx.Delete([]byte("a"))
		tx.Put([]byte("a"), []byte("1"))
		return nil
	})
	seen.note(t, revision(t, s, "a"), "a after it was replaced in one update")
}

func testRevisionAfterDeleteRange(t *testing.T, s store.Store) {
	seen := revisions{}
	for i := range 10 {
		mustPut(t, s, "a", "1", "b", "2")
		seen.note(t, revision(t, s, "a"), fmt.Sprintf("incarnation %d of a", i))
		seen.note(t, revision(t, s, "b"), fmt.Sprintf("incarnation %d of b", i))
		mustDeleteRange(t, s, "a", "c")
	}
}

func testRevisionAcrossRecords(t *testing.T, s store.Store) {
	seen := revisions{}
	for round := range 3 {
		var pairs []string
		for i := range 40 {
			pairs = append(pairs, fmt.Sprintf("key %02d", i), "the same value")
		}
		mustPut(t, s, pairs...)
		for _, e := range mustScan(t, s, everything, store.MaxScan) {
			seen.note(t, e.Revision, fmt.Sprintf("round %d of %s", round, e.Key))
		}
	}
	if len(seen) != 120 {
		t.Errorf("%d revisions for 120 states", len(seen))
	}
}

func testRevisionKept(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1")
	want := revision(t, s, "a")
	errAborted := errors.New("aborted")
	for _, tc := range []struct {
		name string
		do   func()
	}{
		{"a view", func() { mustGet(t, s, "a") }},
		{"an update that only reads", func() {
			mustUpdate(t, s, func(tx store.Tx) error { _, err := tx.Get([]byte("a")); return err })
		}},
		{"a Put of another record", func() { mustPut(t, s, "b", "2") }},
		{"a Delete of another record", func() { mustDelete(t, s, "b") }},
		{"a DeleteRange beside it", func() { mustDeleteRange(t, s, "a\x00", "c") }},
		{"an update that is given up", func() {
			err := s.Update(t.Context(), func(tx store.Tx) error { return errors.Join(put(tx, "a", "3"), errAborted) })
			wantErr(t, "Update", err, errAborted)
		}},
	} {
		tc.do()
		wantRecord(t, "after "+tc.name, mustGet(t, s, "a")[0], "1", want)
	}
}

// testUnchanged asks in views of two ages: in the older one nothing ever changes.
func testUnchanged(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "c", "3")
	stamp := func(key string) store.Stamp { return store.Stamp{Key: []byte(key), Revision: revision(t, s, key)} }
	a, b, c, none := stamp("a"), stamp("b"), stamp("c"), store.Stamp{Key: []byte("none")}
	ask := func(v store.View, age string, want bool, stamps ...store.Stamp) {
		t.Helper()
		if got, err := v.Unchanged(stamps...); err != nil || got != want {
			t.Errorf("%s, Unchanged(%v) = %v, %v, want %v", age, stamps, got, err, want)
		}
	}
	all := []store.Stamp{a, b, c, none}
	err := s.View(t.Context(), func(older store.View) error {
		ask(older, "before", true, all...)
		ask(older, "before", true)
		ask(older, "before", false, a, store.Stamp{Key: b.Key, Revision: a.Revision})
		ask(older, "before", false, store.Stamp{Key: none.Key, Revision: a.Revision})
		ask(older, "before", false, store.Stamp{Key: a.Key})
		mustPut(t, s, "b", "2")
		mustDelete(t, s, "c")
		mustPut(t, s, "none", "4")
		return s.View(t.Context(), func(newer store.View) error {
			ask(newer, "after", true, a)
			for _, changed := range []store.Stamp{b, c, none} {
				ask(newer, "after", false, changed)
				ask(newer, "after", false, a, changed)
			}
			ask(newer, "after", true, a, stamp("b"), store.Stamp{Key: c.Key}, stamp("none"))
			ask(older, "the older view after", true, all...)
			return nil
		})
	})
	wantErr(t, "View", err, nil)
}
