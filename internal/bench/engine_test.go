package bench

import (
	"bytes"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// A set writes four records, and the recorder has seen what they are made of.
func TestWritesOfSet(t *testing.T) {
	t.Parallel()
	writes, err := writesOfSet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, w := range writes {
		elements, err := tuple.Decode(w.Key)
		if err != nil {
			t.Fatal(err)
		}
		kind := elements[0].String
		if kind == "v" {
			kind = elements[2].String
		}
		kinds[kind]++
		named, fresh := w.NameAt >= 0, w.IDAt >= 0
		if named != (kind != "audit") || fresh != (kind != "live") || w.Size < len(secretValue) && kind == "body" {
			t.Errorf("%s: %+v", kind, w)
		}
		if fresh && string(w.Key[w.IDAt:w.IDAt+idLength]) != elements[len(elements)-1].String {
			t.Errorf("%s: the id is not where it is said to be", kind)
		}
	}
	if len(writes) != 4 || kinds["live"] != 1 || kinds["ver"] != 1 || kinds["body"] != 1 || kinds["audit"] != 1 {
		t.Errorf("the records are %v", kinds)
	}
}

// The engine commits as many records of the same sizes as were recorded: heads
// are written over, all else is new.
func TestEngine(t *testing.T) {
	t.Parallel()
	writes, err := writesOfSet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	spec := &engineSpec{Dir: t.TempDir() + "/engine", Writers: 3, Writes: writes, Names: 2}
	const commits = 30
	for range 2 { // the second time the directory exists
		e, err := newEngine(spec)
		if err != nil {
			t.Fatal(err)
		}
		w, err := e.run(t.Context(), task{Requests: commits})
		if err != nil || w.Done < commits || w.P50 <= 0 {
			t.Errorf("done are %+v, %v", w, err)
		}
		if err := e.close(); err != nil {
			t.Fatal(err)
		}
	}
	entries := entriesOf(t, spec.Dir)
	perCommit := 0
	for _, w := range writes {
		n := 0
		for _, e := range entries {
			if len(e.Key) == len(w.Key) && len(e.Value) == w.Size && bytes.HasPrefix(e.Key, w.Key[:max(0, w.NameAt)]) {
				n++
			}
		}
		if w.IDAt < 0 && n != spec.Names {
			t.Errorf("there are %d heads", n)
		}
		if w.IDAt >= 0 {
			perCommit++
			if n < 2*commits {
				t.Errorf("of %q there are %d", w.Key, n)
			}
		}
	}
	if perCommit != 3 {
		t.Errorf("%d records are new with each commit", perCommit)
	}
}

func entriesOf(t *testing.T, dir string) (entries []store.Entry) {
	t.Helper()
	db, err := pebble.Open(pebble.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(t.Context(), func(v store.View) error {
		entries, err = v.Scan(tuple.Prefix(nil), store.MaxScan)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
