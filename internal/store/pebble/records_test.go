package pebble

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// A view is compared with what the store held when it began, while updates and
// other views, nested in it, go on: what one of them has read or written must
// not show up in another.
func TestViewsOfEveryAge(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		s, err := OpenMemory()
		if err != nil {
			t.Fatal(err)
		}
		w := &ages{t: t, store: s, random: rand.New(rand.NewPCG(seed, 1)), now: map[string]string{}}
		w.view(0)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if w.compared == 0 {
			t.Error("nothing was compared")
		}
	}
}

// ages is a run of TestViewsOfEveryAge.
type ages struct {
	t        *testing.T
	store    *Store
	random   *rand.Rand
	now      map[string]string
	writes   int
	compared int
	seen     [][]store.Stamp // in any view
}

func (w *ages) key() string { return fmt.Sprintf("key %d", w.random.IntN(8)) }

// view works inside a new view, with others inside it up to some depth.
func (w *ages) view(depth int) {
	then := maps.Clone(w.now)
	err := w.store.View(w.t.Context(), func(v store.View) error {
		stamps := w.stamps(v)
		for range 20 {
			switch n := w.random.IntN(10); {
			case n < 3:
				w.compare(v, then)
			case n < 5:
				w.unchanged(v, stamps)
			case n < 9:
				w.update()
			case depth < 4:
				w.view(depth + 1)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

func (w *ages) compare(g interface {
	Get(...[]byte) ([]store.Record, error)
}, want map[string]string) {
	a, b := w.key(), w.key()
	recs, err := g.Get([]byte(a), []byte(b))
	if err != nil {
		w.t.Error(err)
		return
	}
	for i, key := range []string{a, b} {
		if string(recs[i].Value) != want[key] {
			w.t.Errorf("%s is %q, want %q", key, recs[i].Value, want[key])
		}
		clear(recs[i].Value) // it is the caller's
	}
	w.compared++
}

// stamps returns those of all keys in a view.
func (w *ages) stamps(v store.View) []store.Stamp {
	stamps := make([]store.Stamp, 8)
	keys := make([][]byte, len(stamps))
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key %d", i)
	}
	recs, err := v.Get(keys...)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, r := range recs {
		stamps[i] = store.Stamp{Key: keys[i], Revision: r.Revision}
	}
	w.seen = append(w.seen, stamps)
	return stamps
}

// unchanged asks a view about its own stamps, and about one of those of any age.
func (w *ages) unchanged(v store.View, own []store.Stamp) {
	i := w.random.IntN(len(own))
	other := w.seen[w.random.IntN(len(w.seen))][i]
	for _, stamps := range [][]store.Stamp{own, {other}, {own[0], other}} {
		want := len(stamps) > 2 || other.Revision == own[i].Revision
		if got, err := v.Unchanged(stamps...); err != nil || got != want {
			w.t.Errorf("Unchanged(%v) = %v, %v, want %v", stamps, got, err, want)
		}
	}
	w.compared++
}

func (w *ages) update() {
	err := w.store.Update(w.t.Context(), func(tx store.Tx) error {
		w.compare(tx, w.now)
		for range w.random.IntN(3) {
			a, b := w.key(), w.key()
			switch w.random.IntN(5) {
			case 0:
				tx.Delete([]byte(a))
				delete(w.now, a)
			case 1:
				tx.DeleteRange(store.Range{Start: []byte(a), End: []byte(b)})
				maps.DeleteFunc(w.now, func(key, _ string) bool { return a <= key && key < b })
			default:
				w.writes++
				value := fmt.Sprint("value ", w.writes)
				tx.Put([]byte(a), []byte(value))
				w.now[a] = value
			}
			w.compare(tx, w.now)
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

// A view that began before a write reads the record after it: it must not pass
// for the new one.
func TestAnOlderViewLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		write func(store.Tx)
		want  string
	}{
		{"put", func(tx store.Tx) { tx.Put([]byte("a"), []byte("new")) }, "new"},
		{"delete", func(tx store.Tx) { tx.Delete([]byte("a")) }, ""},
		{"delete of a range", func(tx store.Tx) { tx.DeleteRange(store.Range{Start: []byte("a"), End: []byte("b")}) }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, Config{Dir: "store", FS: vfs.NewMem()})
			put(t, s, "a", "old")
			err := s.View(t.Context(), func(older store.View) error {
				if err := s.Update(t.Context(), func(tx store.Tx) error { tc.write(tx); return nil }); err != nil {
					return err
				}
				wantA(t, older, "old")
				return s.View(t.Context(), func(newer store.View) error {
					wantA(t, newer, tc.want)
					wantA(t, older, "old")
					wantA(t, newer, tc.want)
					return nil
				})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func wantA(t *testing.T, v store.View, want string) {
	t.Helper()
	recs, err := v.Get([]byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	if string(recs[0].Value) != want || recs[0].Exists() != (want != "") {
		t.Errorf("the record is %q, want %q", recs[0].Value, want)
	}
}

func TestRecordCacheKeepsItsBound(t *testing.T) {
	t.Parallel()
	var c recordCache
	value := bytes.Repeat([]byte("v"), maxCachedValue)
	total := func() (n int) {
		for key, e := range c.m {
			n += e.cost(key)
		}
		return n
	}
	for i := range 2 * maxCachedBytes / maxCachedValue {
		c.keep(0, fmt.Append(nil, i), store.Record{Value: value[:maxCachedValue-i%100], Revision: 1})
		if i%97 == 0 && (c.bytes > maxCachedBytes || c.bytes != total()) {
			t.Fatalf("%d bytes by its own account, %d in fact, at most %d", c.bytes, total(), maxCachedBytes)
		}
	}
	if c.bytes < maxCachedBytes/2 {
		t.Errorf("only %d bytes are kept", c.bytes)
	}
	before := len(c.m)
	c.keep(0, []byte("large"), store.Record{Value: make([]byte, maxCachedValue+1), Revision: 1})
	c.keep(1, []byte("of another state"), store.Record{Revision: 1})
	if len(c.m) != before {
		t.Error("a record was kept that is too large, or not of the present state")
	}
	var ranges []keyRange
	for i := range maxSweptRanges + 1 {
		ranges = append(ranges, keyRange{fmt.Sprint(i), fmt.Sprint(i)})
	}
	c.advance(1, &group{ranges: ranges[:maxSweptRanges]})
	if len(c.m) != before || c.bytes != total() {
		t.Error("empty ranges have removed something")
	}
	c.advance(2, &group{ranges: ranges})
	if len(c.m) != 0 || c.bytes != 0 {
		t.Errorf("%d entries of %d bytes are left after many ranges", len(c.m), c.bytes)
	}
}
