package pebble

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// searchable is a store whose table files can be searched for values.
type searchable struct {
	*Store
	t       *testing.T
	fs      vfs.FS
	deleted chan struct{} // has an element when a table file was deleted since
}

func openSearchable(t *testing.T, tune func(*crdb.Options)) *searchable {
	t.Helper()
	s := &searchable{t: t, fs: vfs.NewMem(), deleted: make(chan struct{}, 1)}
	s.Store = open(t, Config{Dir: "store", FS: s.fs, DisableCompression: true, tune: func(o *crdb.Options) {
		o.EventListener.TableDeleted = func(crdb.TableDeleteInfo) {
			select {
			case s.deleted <- struct{}{}:
			default:
			}
		}
		if tune != nil {
			tune(o)
		}
	}})
	return s
}

// inTables reports whether the text is in any table file, or other file that
// holds values, of the database.
func (s *searchable) inTables(text string) bool {
	s.t.Helper()
	names, err := s.fs.List("store")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			continue
		}
		f, err := s.fs.Open(s.fs.PathJoin("store", name))
		if err != nil {
			continue // it has just been deleted
		}
		content, err := io.ReadAll(f)
		if err != nil {
			s.t.Fatal(err)
		}
		f.Close()
		if strings.Contains(string(content), text) {
			return true
		}
	}
	return false
}

// wantGone requires that the text is in no table file. Files that are not in use
// any more are deleted in the background.
func (s *searchable) wantGone(what, text string) {
	s.t.Helper()
	for s.inTables(text) {
		select {
		case <-s.deleted:
		case <-time.After(2 * time.Minute):
			s.t.Fatalf("%s is still in a table file", what)
		}
	}
}

// flush moves everything to table files.
func (s *searchable) flush() {
	s.t.Helper()
	if err := s.db.Flush(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *searchable) compact(r store.Range) {
	s.t.Helper()
	if err := s.Compact(s.t.Context(), r); err != nil {
		s.t.Fatalf("Compact: %v", err)
	}
}

const (
	doomed   = "this value must not stay on the disk"
	survivor = "this value must stay on the disk"
)

func TestCompactRemovesDeletedValues(t *testing.T) {
	t.Parallel()
	vault := span("v/1/", "v/10")
	deletes := map[string]func(s *searchable){
		"range": func(s *searchable) { deleteRange(s.t, s, vault) },
		"key": func(s *searchable) {
			deleteRange(s.t, s, span("v/1/a", "v/1/a\x00"))
		},
		"replaced": func(s *searchable) { put(s.t, s, "v/1/a", "another value") },
	}
	// Where the value is when it is deleted.
	places := map[string]func(s *searchable){
		"memory":            func(*searchable) {},
		"the upper level":   func(s *searchable) { s.flush() },
		"the lowest level":  func(s *searchable) { s.flush(); s.compact(vault) },
		"a flush in common": func(s *searchable) { put(s.t, s, "v/1/b", "1"); s.flush(); put(s.t, s, "v/1/b", "2") },
	}
	for place, prepare := range places {
		for kind, remove := range deletes {
			t.Run(kind+" in "+place, func(t *testing.T) {
				t.Parallel()
				s := openSearchable(t, nil)
				put(t, s, "v/0/a", survivor, "v/1/a", doomed, "v/2/a", survivor)
				prepare(s)
				if place != "memory" && !s.inTables(doomed) {
					t.Fatal("the value is in no table file before it is deleted: the test proves nothing")
				}
				remove(s)
				s.flush()
				if place == "the lowest level" && !s.inTables(doomed) {
					t.Fatal("the value is gone without Compact: the test proves nothing")
				}
				s.compact(vault)
				s.wantGone("the value", doomed)
				if !s.inTables(survivor) {
					t.Error("a value beside the range is gone")
				}
				wantValue(t, s, "v/0/a", survivor)
				wantValue(t, s, "v/2/a", survivor)
			})
		}
	}
}

// Whatever the history of writes was, only what is live is left.
func TestCompactOfManyTables(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := openSearchable(t, smallMemtables)
	live := map[string]string{}
	dead := map[string]bool{}
	kill := func(key string) {
		if value, ok := live[key]; ok {
			dead[value] = true
			delete(live, key)
		}
	}
	for i := range 300 {
		key := fmt.Sprintf("key %02d", rng.IntN(40))
		switch rng.IntN(8) {
		case 0:
			end := key + "~"
			deleteRange(t, s, span(key, end))
			kill(key)
		default:
			kill(key)
			live[key] = fmt.Sprintf("<value %d>%s", i, strings.Repeat(".", rng.IntN(2000)))
			put(t, s, key, live[key])
		}
	}
	s.compact(span("", "\xff"))
	for value := range dead {
		marker, _, _ := strings.Cut(value, ">")
		s.wantGone(marker, marker+">")
	}
	for key, value := range live {
		wantValue(t, s, key, value)
		if !s.inTables(value) {
			t.Errorf("the value of %q is in no table file: the search proves nothing", key)
		}
	}
}

// A view that began before the delete still shows the value, so Compact has to
// wait for it or it would leave the bytes where they are.
func TestCompactWaitsForOlderViews(t *testing.T) {
	t.Parallel()
	s := openSearchable(t, nil)
	put(t, s, "a", doomed)
	s.flush()
	compacted := make(chan error, 1)
	err := s.View(t.Context(), func(v store.View) error {
		deleteRange(t, s, span("a", "b"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := s.Compact(ctx, span("a", "b"))
		wantErr(t, "Compact that waits for a view", err, context.DeadlineExceeded)

		go func() { compacted <- s.Compact(t.Context(), span("a", "b")) }()
		records, err := v.Get([]byte("a"))
		if err == nil && string(records[0].Value) != doomed {
			t.Errorf("the view shows %q", records[0].Value)
		}
		return err
	})
	wantErr(t, "View", err, nil)
	wantErr(t, "Compact", <-compacted, nil)
	s.wantGone("the value", doomed)
}

// While a view needs a deleted value, any compaction takes value and deletion to
// the last level together, where Pebble finds nothing worth compacting.
func TestCompactOfWhatAViewHadKept(t *testing.T) {
	t.Parallel()
	s := openSearchable(t, nil)
	for i := range 100 {
		put(t, s, fmt.Sprintf("key %03d", i), strings.Repeat("live", 250))
	}
	put(t, s, "key 050", doomed)
	s.flush()
	err := s.View(t.Context(), func(v store.View) error {
		deleteRange(t, s, span("key 050", "key 051"))
		return s.db.Compact(t.Context(), recordKey(nil, []byte("key")), recordKey(nil, []byte("key 1")), false)
	})
	wantErr(t, "View", err, nil)
	if !s.inTables(doomed) {
		t.Fatal("the value is gone without Compact: the test proves nothing")
	}
	s.compact(span("key 050", "key 051"))
	s.wantGone("the value", doomed)
	wantValue(t, s, "key 049", strings.Repeat("live", 250))
}

// A view of the newest state does not hold up Compact.
func TestCompactBesideViews(t *testing.T) {
	t.Parallel()
	s := openSearchable(t, nil)
	put(t, s, "a", doomed)
	s.flush()
	deleteRange(t, s, span("a", "b"))
	err := s.View(t.Context(), func(v store.View) error {
		if err := s.Compact(t.Context(), span("a", "b")); err != nil {
			return err
		}
		s.wantGone("the value", doomed)
		_, err := v.Get([]byte("a"))
		return err
	})
	wantErr(t, "View", err, nil)
}

func TestCompactOfNothing(t *testing.T) {
	t.Parallel()
	s := openSearchable(t, nil)
	for _, r := range []store.Range{span("a", "b"), {}, span("b", "a"), span("a", "a")} {
		s.compact(r)
	}
	put(t, s, "a", "1")
	s.compact(span("b", "c"))
	wantValue(t, s, "a", "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, "Compact", s.Compact(ctx, span("a", "b")), context.Canceled)
	mustClose(t, s.Store)
	wantErr(t, "Compact after Close", s.Compact(t.Context(), span("a", "b")), store.ErrClosed)
}
