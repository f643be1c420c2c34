package pebble

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// The crash test cuts the power before and after every sync of a run: what was
// not synced is gone, all there, or a matter of chance. Behind each cut it opens
// what is left and compares it with what was known.
const (
	crashWriters     = 4
	crashReaders     = 2
	crashGenerations = 3
	crashSyncs       = 30 // of one generation behind Open, in the least
)

func TestCrash(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := newCrash(seed, crashSyncs)
	mem := vfs.NewCrashableMem()
	for generation := range crashGenerations {
		c.generation, c.offered = generation, 0
		c.run(t, mem)
		if t.Failed() {
			return
		}
		// The next generation goes on behind a cut by chance, with what was known
		// then, and its first syncs are those of the recovery.
		c.known = c.survivor.known
		mem = c.survivor.disk
	}
	for _, v := range c.violations {
		t.Error(v)
	}
	if c.cuts < crashGenerations*2*crashSyncs {
		t.Errorf("only %d cuts: the test proves little", c.cuts)
	}
	for _, kind := range []string{"log", "sst", "MANIFEST", "store", stampName} {
		if c.kinds[kind] == 0 {
			t.Errorf("no cut at a sync of %s: %v", kind, c.kinds)
		}
	}
}

// The crash test fails an engine that does not sync.
func TestCrashNoticesMissingSyncs(t *testing.T) {
	t.Parallel()
	c := newCrash(1, 20)
	c.tune = func(cfg *Config) { cfg.writeOptions = crdb.NoSync }
	c.run(t, vfs.NewCrashableMem())
	wantViolation(t, c, "lost")
}

// The crash test fails an engine that syncs but shows what is not synced yet.
func TestCrashNoticesEarlyViews(t *testing.T) {
	t.Parallel()
	c := newCrash(1, 20)
	c.view = func(ctx context.Context, s *Store, fn func(store.View) error) error {
		p := newSnapshot(s.db, 0)
		defer p.Close()
		return fn(&view{ctx: ctx, store: new(Store), snapshot: p})
	}
	c.run(t, vfs.NewCrashableMem())
	wantViolation(t, c, "lost")
}

func wantViolation(t *testing.T, c *crash, text string) {
	t.Helper()
	for _, v := range c.violations {
		if strings.Contains(v, text) {
			return
		}
	}
	t.Errorf("%d cuts, and no violation says %q: %q", c.cuts, text, c.violations)
}

// crash is a run of the crash test.
type crash struct {
	seed       uint64
	syncs      int // of one generation behind Open, in the least
	generation int
	tune       func(*Config)
	// view is how readers read; nil is Store.View.
	view func(context.Context, *Store, func(store.View) error) error

	known *knowledge
	// wanted has an element when a reader should read.
	wanted chan struct{}

	viewMu  sync.Mutex
	viewed  sync.Cond // of viewMu: views or reading has changed
	views   int       // views that have ended; guarded by viewMu
	reading bool      // whether there are readers; guarded by viewMu

	mu         sync.Mutex
	cuts       int            // guarded by mu
	kinds      map[string]int // cuts by kind of file; guarded by mu
	violations []string       // guarded by mu
	offered    int            // cuts by chance of this generation; guarded by mu
	survivor   cut            // one of them; guarded by mu
}

func newCrash(seed uint64, syncs int) *crash {
	c := &crash{seed: seed, syncs: syncs, known: newKnowledge(), kinds: map[string]int{}}
	c.viewed.L = &c.viewMu
	return c
}

// cut is what is left behind a power cut.
type cut struct {
	name  string
	disk  *vfs.MemFS
	known *knowledge // what had been answered before
}

// run opens a database on the disk, works on it and closes it, and checks every
// cut on the way.
func (c *crash) run(t *testing.T, mem *vfs.MemFS) {
	t.Helper()
	cuts := make(chan cut)
	var checkers sync.WaitGroup
	for range 2 {
		checkers.Go(func() {
			for cut := range cuts {
				c.check(t, cut)
			}
		})
	}
	fs := newHookFS(mem)
	fs.hook(func(op fileOp, do func() error) error {
		if op.kind != opSync {
			return do()
		}
		c.awaitViews(op)
		c.cut(mem, op, "before", cuts)
		err := do()
		c.cut(mem, op, "after", cuts)
		return err
	})
	s := open(t, c.config(fs))
	before := c.count()
	c.work(t, s, func() bool { return c.count()-before >= 2*c.syncs })
	mustClose(t, s)
	close(cuts)
	checkers.Wait()
}

func (c *crash) config(fs vfs.FS) Config {
	cfg := Config{Dir: "data/store", FS: fs, Logger: quiet(), tune: smallMemtables, OnFatal: func(err error) { panic(err) }}
	if c.tune != nil {
		c.tune(&cfg)
	}
	return cfg
}

func (c *crash) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts
}

// awaitViews gives readers the time to see what a commit under way must not show
// them yet.
func (c *crash) awaitViews(op fileOp) {
	if !op.isLog() {
		return
	}
	c.viewMu.Lock()
	defer c.viewMu.Unlock()
	// As many as there are readers may have begun before.
	for end := c.views + crashReaders + 1; c.reading && c.views < end; {
		c.askForView()
		c.viewed.Wait()
	}
}

func (c *crash) askForView() {
	select {
	case c.wanted <- struct{}{}:
	default:
	}
}

// cut takes copies of the disk as power cuts now could leave it.
func (c *crash) cut(mem *vfs.MemFS, op fileOp, when string, cuts chan<- cut) {
	c.mu.Lock()
	c.cuts++
	n := c.cuts
	c.kinds[fileKind(op.name)]++
	c.mu.Unlock()
	// First what is known, then the disk: nothing on it is known too late.
	known := c.known.clone()
	rng := rand.New(rand.NewPCG(c.seed, uint64(n)))
	for _, percent := range []int{0, 100, 1 + rng.IntN(99)} {
		taken := cut{
			name:  fmt.Sprintf("generation %d, cut %d, %s the sync of %s, %d %% of unsynced data", c.generation, n, when, op.name, percent),
			disk:  mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}),
			known: known,
		}
		if percent != 0 && percent != 100 {
			c.offerSurvivor(taken, rng)
		}
		cuts <- taken
	}
}

// offerSurvivor keeps one of the cuts of a generation, each with the same chance.
func (c *crash) offerSurvivor(taken cut, rng *rand.Rand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offered++
	if rng.IntN(c.offered) == 0 {
		taken.disk = taken.disk.CrashClone(vfs.CrashCloneCfg{}) // its check changes the other
		c.survivor = taken
	}
}

// fileKind names the kinds of files that are synced.
func fileKind(name string) string {
	for _, kind := range []string{"MANIFEST", "OPTIONS", "marker", stampName} {
		if strings.HasPrefix(name, kind) {
			return kind
		}
	}
	return name[strings.LastIndexByte(name, '.')+1:]
}

// work runs writers and readers until it is enough.
func (c *crash) work(t *testing.T, s *Store, enough func() bool) {
	t.Helper()
	start := heads(t, s)
	var readers, writers sync.WaitGroup
	done := make(chan struct{})
	c.wanted = make(chan struct{}, crashReaders)
	c.setReading(true)
	for range crashReaders {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-c.wanted:
					c.read(t, s)
				}
			}
		})
	}
	for w := range crashWriters {
		writers.Go(func() {
			for n := start[w] + 1; !enough(); n++ {
				if err := s.Update(t.Context(), func(tx store.Tx) error { return writeStep(tx, w, n) }); err != nil {
					t.Errorf("Update: %v", err)
					return
				}
				c.known.head(w, n, 0)
				c.askForView()
				if n%16 != 0 {
					continue
				}
				if err := s.Compact(t.Context(), span(bodyKey(w, 0), bodyKey(w, n))); err != nil {
					t.Errorf("Compact: %v", err)
					return
				}
			}
		})
	}
	writers.Wait()
	c.setReading(false)
	close(done)
	readers.Wait()
}

// read notes all that one view shows.
func (c *crash) read(t *testing.T, s *Store) {
	read := c.view
	if read == nil {
		read = func(ctx context.Context, s *Store, fn func(store.View) error) error { return s.View(ctx, fn) }
	}
	err := read(t.Context(), s, func(v store.View) error {
		state, err := readState(v)
		if err != nil {
			return err
		}
		if wrong := state.check(); wrong != "" {
			t.Errorf("a view shows %s", wrong)
		}
		for w, n := range state.heads {
			c.known.head(w, n, state.revisions[headKey(w)])
		}
		for _, r := range state.revisions {
			c.known.revision(r)
		}
		return nil
	})
	if err != nil {
		t.Errorf("View: %v", err)
	}
	c.viewMu.Lock()
	c.views++
	c.viewMu.Unlock()
	c.viewed.Broadcast()
}

func (c *crash) setReading(reading bool) {
	c.viewMu.Lock()
	c.reading = reading
	c.viewMu.Unlock()
	c.viewed.Broadcast()
}

// check opens what a cut has left and compares it with what was known before.
func (c *crash) check(t *testing.T, taken cut) {
	violate := func(format string, args ...any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.violations = append(c.violations, taken.name+": "+fmt.Sprintf(format, args...))
	}
	s, err := Open(c.config(taken.disk))
	if err != nil {
		violate("%v", err)
		return
	}
	defer s.Close()
	var state *crashState
	err = s.View(t.Context(), func(v store.View) (err error) {
		state, err = readState(v)
		return err
	})
	if err != nil {
		violate("%v", err)
		return
	}
	if wrong := state.check(); wrong != "" {
		violate("an update is there in part: %s", wrong)
	}
	for w, least := range taken.known.heads {
		if got := state.heads[w]; got < least {
			violate("update %d of writer %d was answered and is lost: the last is %d", least, w, got)
		}
	}
	for at, want := range taken.known.revisions {
		if got := state.revisions[headKey(at.writer)]; state.heads[at.writer] == at.n && got != want {
			violate("update %d of writer %d had revision %d and has %d", at.n, at.writer, want, got)
		}
	}
	if got, err := nextRevision(t.Context(), s); err != nil {
		violate("%v", err)
	} else if got <= taken.known.highest {
		violate("revision %d is given out after %d was shown", got, taken.known.highest)
	}
}

// nextRevision writes a record and returns its revision.
func nextRevision(ctx context.Context, s *Store) (next store.Revision, err error) {
	if err := s.Update(ctx, func(tx store.Tx) error { return putIn(tx, "after", "the cut") }); err != nil {
		return 0, err
	}
	err = s.View(ctx, func(v store.View) error {
		records, err := v.Get([]byte("after"))
		if err == nil {
			next = records[0].Revision
		}
		return err
	})
	return next, err
}

// knowledge is what updates and views have answered.
type knowledge struct {
	mu        sync.Mutex
	heads     map[int]int               // the last update of each writer; guarded by mu
	revisions map[headAt]store.Revision // of heads, as shown; guarded by mu
	highest   store.Revision            // ever shown; guarded by mu
}

type headAt struct{ writer, n int }

func newKnowledge() *knowledge {
	return &knowledge{heads: map[int]int{}, revisions: map[headAt]store.Revision{}}
}

func (k *knowledge) clone() *knowledge {
	k.mu.Lock()
	defer k.mu.Unlock()
	return &knowledge{heads: maps.Clone(k.heads), revisions: maps.Clone(k.revisions), highest: k.highest}
}

// head notes the head of a writer; revision is zero where it is not known.
func (k *knowledge) head(writer, n int, revision store.Revision) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heads[writer] = max(k.heads[writer], n)
	if revision != 0 {
		k.revisions[headAt{writer, n}] = revision
	}
}

func (k *knowledge) revision(r store.Revision) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.highest = max(k.highest, r)
}
