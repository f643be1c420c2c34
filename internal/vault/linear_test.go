package vault

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// event is one operation on one name as its caller saw it: it took effect at some
// moment between start and end.
type event struct {
	start, end int64
	operation  string
	refusal    fault.Kind // Internal when there was none
	version    string     // that the answer shows
	count      int        // of versions
}

func (e event) String() string {
	return fmt.Sprintf("[%d,%d] %s: %v %s %d", e.start, e.end, e.operation, e.refusal, e.version, e.count)
}

// moment is the state of one name.
type moment struct {
	state    state
	current  string
	versions int
}

// after returns the state that the event leaves, if it can happen in m.
func (e event) after(m moment) (moment, bool) {
	shows := e.refusal == fault.Internal && e.version == m.current
	switch e.operation {
	case "set":
		if e.refusal == fault.Conflict {
			return m, m.state == deleted
		}
		next := moment{active, e.version, 1}
		if m.state == active {
			next.versions = m.versions + 1
		}
		return next, m.state != deleted
	case "get":
		return m, shows && m.state == active || e.refusal == fault.NotFound && m.state != active
	case "restore":
		if e.refusal == fault.Conflict {
			return m, m.state != absent
		}
		return moment{active, e.version, 1}, m.state == absent
	case "versions":
		return m, m.state == active && e.count == m.versions || m.state != active && e.count == 0
	case "delete":
		if e.refusal == fault.NotFound {
			return m, m.state != active
		}
		return moment{deleted, m.current, m.versions}, shows && m.state == active
	}
	if e.refusal == fault.NotFound {
		return m, m.state != deleted
	}
	switch e.operation {
	case "get deleted":
		return m, shows && m.state == deleted
	case "recover":
		return moment{active, m.current, m.versions}, shows && m.state == deleted
	case "purge":
		return moment{}, m.state == deleted
	}
	return m, false
}

// linearizable reports whether there is an order of the events in which each
// could have seen what it saw, and which leaves out none that had ended before
// another began; the algorithm is Wing and Gong's, with Lowe's memory.
func linearizable(events []event) bool {
	type configuration struct {
		done uint64
		moment
	}
	failed := map[configuration]bool{}
	var search func(configuration) bool
	search = func(c configuration) bool {
		if c.done == 1<<len(events)-1 {
			return true
		}
		if failed[c] {
			return false
		}
		firstEnd := int64(math.MaxInt64)
		for i, e := range events {
			if c.done&(1<<i) == 0 {
				firstEnd = min(firstEnd, e.end)
			}
		}
		for i, e := range events {
			if c.done&(1<<i) != 0 || e.start > firstEnd {
				continue
			}
			if next, ok := e.after(c.moment); ok && search(configuration{c.done | 1<<i, next}) {
				return true
			}
		}
		failed[c] = true
		return false
	}
	return search(configuration{})
}

// The judge of the test below must itself find fault.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	ok, gone, taken := fault.Internal, fault.NotFound, fault.Conflict
	for name, tt := range map[string]struct {
		events []event
		want   bool
	}{
		"nothing":              {nil, true},
		"in order":             {[]event{{1, 2, "set", ok, "a", 0}, {3, 4, "get", ok, "a", 0}, {5, 6, "delete", ok, "a", 0}, {7, 8, "get", gone, "", 0}}, true},
		"a lost write":         {[]event{{1, 2, "set", ok, "a", 0}, {3, 4, "get", gone, "", 0}}, false},
		"a write seen early":   {[]event{{1, 4, "set", ok, "a", 0}, {2, 3, "get", ok, "a", 0}}, true},
		"a stale read":         {[]event{{1, 2, "set", ok, "a", 0}, {3, 4, "set", ok, "b", 0}, {5, 6, "get", ok, "a", 0}}, false},
		"a read in between":    {[]event{{1, 2, "set", ok, "a", 0}, {3, 6, "set", ok, "b", 0}, {4, 5, "get", ok, "a", 0}}, true},
		"there and back":       {[]event{{1, 2, "set", ok, "a", 0}, {3, 8, "set", ok, "b", 0}, {4, 5, "get", ok, "b", 0}, {6, 7, "get", ok, "a", 0}}, false},
		"two deletes":          {[]event{{1, 2, "set", ok, "a", 0}, {3, 6, "delete", ok, "a", 0}, {4, 5, "delete", ok, "a", 0}}, false},
		"delete and recover":   {[]event{{1, 2, "set", ok, "a", 0}, {3, 8, "delete", ok, "a", 0}, {4, 7, "recover", ok, "a", 0}, {9, 10, "get", ok, "a", 0}}, true},
		"a version lost":       {[]event{{1, 4, "set", ok, "a", 0}, {2, 3, "set", ok, "b", 0}, {5, 6, "versions", ok, "", 1}}, false},
		"two versions":         {[]event{{1, 4, "set", ok, "a", 0}, {2, 3, "set", ok, "b", 0}, {5, 6, "versions", ok, "", 2}}, true},
		"set of a deleted one": {[]event{{1, 2, "set", ok, "a", 0}, {3, 4, "delete", ok, "a", 0}, {5, 6, "set", ok, "b", 0}}, false},
		"refused for nothing":  {[]event{{1, 2, "set", taken, "", 0}}, false},
		"purged and made anew": {[]event{{1, 2, "set", ok, "a", 0}, {3, 4, "delete", ok, "a", 0}, {5, 8, "purge", ok, "", 0}, {6, 7, "set", ok, "b", 0}, {9, 10, "versions", ok, "", 1}}, true},
		"purged twice":         {[]event{{1, 2, "set", ok, "a", 0}, {3, 4, "delete", ok, "a", 0}, {5, 8, "purge", ok, "", 0}, {6, 7, "purge", ok, "", 0}}, false},
		"recovered when gone":  {[]event{{1, 2, "set", ok, "a", 0}, {3, 4, "delete", ok, "a", 0}, {5, 6, "purge", ok, "", 0}, {7, 8, "recover", ok, "a", 0}}, false},
		"restored twice":       {[]event{{1, 4, "restore", ok, "a", 0}, {2, 3, "restore", ok, "a", 0}}, false},
		"restored when free":   {[]event{{1, 2, "set", ok, "a", 0}, {3, 6, "delete", ok, "a", 0}, {4, 7, "purge", ok, "", 0}, {5, 8, "restore", ok, "b", 0}}, true},
		"restored when taken":  {[]event{{1, 2, "set", ok, "a", 0}, {3, 4, "delete", ok, "a", 0}, {5, 6, "restore", ok, "b", 0}}, false},
		"deleted one not seen": {[]event{{1, 2, "set", ok, "a", 0}, {3, 4, "delete", ok, "a", 0}, {5, 6, "get deleted", gone, "", 0}}, false},
	} {
		if got := linearizable(tt.events); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}

// history does operations at random from several goroutines on two processes, all
// on one name, and returns what their callers saw.
func history(t *testing.T, w *world, k *kind, seed uint64) []event {
	const callers, each = 4, 6
	var clock atomic.Int64
	blob := w.blob(k, "n")
	all := make([][]event, callers)
	var wg sync.WaitGroup
	for i := range callers {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		s := []*Service{w.svc, w.other}[i%2]
		c := w.collections(s)[slices.Index([]*kind{secretKind, keyKind}, k)]
		wg.Go(func() {
			for range each {
				e := event{operation: []string{"set", "set", "set", "get", "versions", "delete", "delete", "get deleted", "recover", "purge", "restore"}[rng.IntN(11)]}
				e.start = clock.Add(1)
				e.version, e.count, e.refusal = do(t, c, e.operation, blob)
				e.end = clock.Add(1)
				all[i] = append(all[i], e)
			}
		})
	}
	wg.Wait()
	return slices.Concat(all...)
}

func do(t *testing.T, c collection, operation string, blob []byte) (version string, count int, refusal fault.Kind) {
	var o Object
	var err error
	switch operation {
	case "set":
		o, err = c.set(call("v"), "n")
	case "get":
		o, err = c.get(call("v"), "n", "")
	case "versions":
		var page Page[Object]
		page, err = c.versions(call("v"), "n", onePage)
		count = len(page.Items)
	case "delete":
		o, err = c.delete(call("v"), "n")
	case "get deleted":
		o, err = c.getDeleted(call("v"), "n")
	case "recover":
		o, err = c.recover(call("v"), "n")
	case "purge":
		err = c.purge(call("v"), "n")
	case "restore":
		o, err = c.restore(call("v"), blob)
	}
	if refusal = fault.KindOf(err); err != nil && refusal == fault.Internal {
		t.Errorf("%s: %v", operation, err)
	}
	return o.Version, count, refusal
}

// Operations on one name happen one after the other, each at one moment between
// its call and its answer, whatever their order: a history of many callers is
// always one that a single caller could have made. While they run, the store is
// whole at every moment.
func TestOperationsAreLinearizable(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		for seed := range uint64(25) {
			w.vault("v")
			finished := make(chan []event)
			go func() { finished <- history(t, w, c.kind, seed) }()
			var events []event
			for events == nil {
				w.check()
				select {
				case events = <-finished:
				default:
				}
			}
			if !linearizable(events) {
				slices.SortFunc(events, func(a, b event) int { return int(a.start - b.start) })
				t.Errorf("seed %d: nobody alone could have seen %v", seed, events)
			}
			w.purgeAny("v", c.kind, "n")
		}
	})
}
