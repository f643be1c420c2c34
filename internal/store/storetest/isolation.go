package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var isolationTests = []test{
	{"ViewIsOneState", testViewOneState},
	{"ViewDoesNotMove", testViewDoesNotMove},
	{"ViewShowsWhatHasReturned", testViewIsFresh},
	{"ViewsNeverGoBack", testViewsNeverGoBack},
	{"NoIncrementIsLost", testIncrements},
	{"OneOfManyCreates", testCreateOnce},
	{"NoWriteSkew", testWriteSkew},
	{"TransfersKeepTheTotal", testTransfers},
	{"ReadsAreConditions", testReadsAreConditions},
}

// together runs fn in n goroutines and waits for them.
func together(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}

// beside calls write with 1, 2 and so on while three goroutines call look, which
// returns the number that it saw. It goes on until each of them has seen many:
// had the scheduler run one after the other, the test would say nothing.
func beside(t *testing.T, write func(n int), look func() int) {
	t.Helper()
	const lookers, each = 3, 30
	deadline := time.Now().Add(contest)
	var seeing sync.WaitGroup
	for range lookers {
		seeing.Go(func() {
			for seen, last := 0, 0; seen < each; runtime.Gosched() {
				if n := look(); n != last {
					seen, last = seen+1, n
				}
				if time.Now().After(deadline) {
					t.Errorf("views showed %d states in %v", seen, contest)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		seeing.Wait()
	}()
	for n := 1; ; n++ {
		write(n)
		select {
		case <-done:
			return
		default:
			runtime.Gosched()
		}
	}
}

// rendezvous lets n updates wait for each other, so that they run together if the
// engine lets them. One that runs updates one after the other goes on after grace.
type rendezvous struct {
	missing atomic.Int64
	open    func()
	opened  <-chan struct{}
}

func newRendezvous(n int) *rendezvous {
	opened := make(chan struct{})
	r := &rendezvous{opened: opened, open: sync.OnceFunc(func() { close(opened) })}
	r.missing.Store(int64(n))
	return r
}

// wait is called once by each of the updates, not by one that runs again.
func (r *rendezvous) wait() {
	if r.missing.Add(-1) == 0 {
		r.open()
	}
	select {
	case <-r.opened:
	case <-time.After(grace):
		r.open()
	}
}

func number(r store.Record) int {
	n, err := strconv.Atoi(string(r.Value))
	if err != nil {
		return 0
	}
	return n
}

// Every update writes one number to three records and moves a fourth to another
// key, so that any mixture of two states shows.
func testViewOneState(t *testing.T, s store.Store) {
	write := func(n int) {
		value := strconv.Itoa(n)
		err := update(t.Context(), s, func(tx store.Tx) error {
			if err := put(tx, "a", value); err != nil {
				return err
			}
			tx.Put([]byte("b"), []byte(value))
			tx.Put([]byte("c"), []byte(value))
			tx.DeleteRange(span("moving", "movinh"))
			tx.Put(fmt.Appendf(nil, "moving %d", n%7), []byte(value))
			return nil
		})
		wantErr(t, "Update", err, nil)
	}
	write(0)
	beside(t, write, func() int { return viewOneState(t, s) })
}

func viewOneState(t *testing.T, s store.Store) (n int) {
	err := s.View(t.Context(), func(v store.View) error {
		first, err := v.Get([]byte("a"))
		if err != nil {
			return err
		}
		runtime.Gosched()
		entries, err := v.Scan(everything, 10)
		if err != nil {
			return err
		}
		runtime.Gosched()
		last, err := v.Get([]byte("c"), []byte("b"))
		if err != nil {
			return err
		}
		n = number(first[0])
		if number(last[0]) != n || number(last[1]) != n {
			t.Errorf("one view shows %d, %q and %q", n, last[0].Value, last[1].Value)
		}
		value := strconv.Itoa(n)
		wantEntries(t, entries, "a", value, "b", value, "c", value, fmt.Sprintf("moving %d", n%7), value)
		return nil
	})
	wantErr(t, "View", err, nil)
	return n
}

// Updates go on while a view is open, and it does not see them.
func testViewDoesNotMove(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "c", "3")
	err := s.View(t.Context(), func(v store.View) error {
		done := make(chan error)
		go func() {
			done <- update(t.Context(), s, func(tx store.Tx) error {
				if err := put(tx, "a", "4"); err != nil {
					return err
				}
				tx.Delete([]byte("b"))
				tx.Put([]byte("bb"), []byte("5"))
				tx.DeleteRange(span("c", "d"))
				return nil
			})
		}()
		if err := <-done; err != nil {
			return err
		}
		records, err := v.Get(byteKeys("a", "b", "bb", "c")...)
		if err != nil {
			return err
		}
		for i, want := range []string{"1", "2", "", "3"} {
			if string(records[i].Value) != want {
				t.Errorf("record %d is %q in a view from before, want %q", i, records[i].Value, want)
			}
		}
		entries, err := v.Scan(everything, 10)
		wantEntries(t, entries, "a", "1", "b", "2", "c", "3")
		return err
	})
	wantErr(t, "View", err, nil)
	wantStore(t, s, "a", "4", "bb", "5")
}

func testViewIsFresh(t *testing.T, s store.Store) {
	together(4, func(i int) {
		key := fmt.Sprintf("key %d", i)
		for n := range 25 {
			want := strconv.Itoa(n)
			err := update(t.Context(), s, func(tx store.Tx) error { return put(tx, key, want) })
			wantErr(t, "Update", err, nil)
			err = s.View(t.Context(), func(v store.View) error {
				records, err := v.Get([]byte(key))
				if err == nil && string(records[0].Value) != want {
					t.Errorf("a view after the update of %s to %s shows %q", key, want, records[0].Value)
				}
				return err
			})
			wantErr(t, "View", err, nil)
		}
	})
}

func testViewsNeverGoBack(t *testing.T, s store.Store) {
	var mu sync.Mutex
	shown := 0 // the highest number that a view has shown, under mu
	look := func() (n int) {
		mu.Lock()
		least := shown
		mu.Unlock()
		err := s.View(t.Context(), func(v store.View) error {
			records, err := v.Get([]byte("a"))
			if err != nil {
				return err
			}
			n = number(records[0])
			return nil
		})
		wantErr(t, "View", err, nil)
		if n < least {
			t.Errorf("a view shows %d after one that had shown %d", n, least)
		}
		mu.Lock()
		shown = max(shown, n)
		mu.Unlock()
		return n
	}
	beside(t, func(n int) {
		mustPut(t, s, "a", strconv.Itoa(n))
		look()
		look()
	}, look)
}

func testIncrements(t *testing.T, s store.Store) {
	const writers, each = 16, 25
	start := newRendezvous(writers)
	together(writers, func(int) {
		join := sync.OnceFunc(start.wait)
		for range each {
			err := update(t.Context(), s, func(tx store.Tx) error {
				records, err := tx.Get([]byte("counter"))
				if err != nil {
					return err
				}
				join()
				tx.Put([]byte("counter"), []byte(strconv.Itoa(number(records[0])+1)))
				return nil
			})
			wantErr(t, "Update", err, nil)
		}
	})
	wantStore(t, s, "counter", strconv.Itoa(writers*each))
}

// An absent record that was read is a condition, too.
func testCreateOnce(t *testing.T, s store.Store) {
	const creators = 8
	errExists := errors.New("exists")
	for round := range 10 {
		key := fmt.Sprintf("key %d", round)
		var mu sync.Mutex
		var created []string // under mu
		start := newRendezvous(creators)
		together(creators, func(i int) {
			join := sync.OnceFunc(start.wait)
			value := strconv.Itoa(i)
			err := update(t.Context(), s, func(tx store.Tx) error {
				records, err := tx.Get([]byte(key))
				if err != nil {
					return err
				}
				join()
				if records[0].Exists() {
					return errExists
				}
				tx.Put([]byte(key), []byte(value))
				return nil
			})
			if err == nil {
				mu.Lock()
				created = append(created, value)
				mu.Unlock()
			} else if err != errExists {
				t.Errorf("Update: %v", err)
			}
		})
		if len(created) != 1 {
			t.Fatalf("%d updates created one record", len(created))
		}
		if got := mustGet(t, s, key)[0].Value; string(got) != created[0] {
			t.Errorf("the record holds %q, and %q created it", got, created[0])
		}
	}
}

// Each of two updates reads both records and writes its own if the other's is
// not there: one after the other, only one of them can write.
func testWriteSkew(t *testing.T, s store.Store) {
	for round := range 25 {
		keys := byteKeys(fmt.Sprintf("%d left", round), fmt.Sprintf("%d right", round))
		start := newRendezvous(2)
		together(2, func(i int) {
			join := sync.OnceFunc(start.wait)
			err := update(t.Context(), s, func(tx store.Tx) error {
				records, err := tx.Get(keys...)
				if err != nil {
					return err
				}
				join()
				if !records[1-i].Exists() {
					tx.Put(keys[i], []byte("mine"))
				}
				return nil
			})
			wantErr(t, "Update", err, nil)
		})
		if got := mustScan(t, s, span(fmt.Sprintf("%d ", round), fmt.Sprintf("%d!", round)), 2); len(got) != 1 {
			t.Fatalf("round %d: %d of the two updates wrote", round, len(got))
		}
	}
}

func testTransfers(t *testing.T, s store.Store) {
	const accounts, opening = 6, 100
	account := func(i int) []byte { return fmt.Appendf(nil, "account %d", i%accounts) }
	for i := range accounts {
		mustPut(t, s, string(account(i)), strconv.Itoa(opening))
	}
	audit := func() {
		err := s.View(t.Context(), func(v store.View) error {
			entries, err := v.Scan(everything, accounts)
			sum := 0
			for _, e := range entries {
				sum += number(e.Record)
			}
			if err == nil && sum != accounts*opening {
				t.Errorf("a view shows a total of %d, want %d", sum, accounts*opening)
			}
			return err
		})
		wantErr(t, "View", err, nil)
	}
	together(6, func(i int) {
		for n := range 40 {
			from, to, amount := account(i+n), account(i+n+1+n%(accounts-1)), n%9
			err := update(t.Context(), s, func(tx store.Tx) error {
				records, err := tx.Get(from, to)
				if err != nil {
					return err
				}
				runtime.Gosched()
				tx.Put(from, []byte(strconv.Itoa(number(records[0])-amount)))
				tx.Put(to, []byte(strconv.Itoa(number(records[1])+amount)))
				return nil
			})
			wantErr(t, "Update", err, nil)
			audit()
		}
	})
}

// An update reads a record, another one changes it, and then the first decides
// on what it has read. An engine that runs updates one after the other lets the
// second wait; any other must run the first again.
func testReadsAreConditions(t *testing.T, s store.Store) {
	change := map[string]func(tx store.Tx, key []byte){
		"put":       func(tx store.Tx, key []byte) { tx.Put(key, []byte("2")) },
		"put alike": func(tx store.Tx, key []byte) { tx.Put(key, []byte("1")) },
		"deleted":   func(tx store.Tx, key []byte) { tx.Delete(key) },
		"deleted and put again": func(tx store.Tx, key []byte) {
			tx.Delete(key)
			tx.Put(key, []byte("1"))
		},
	}
	for name, fn := range change {
		t.Run(name, func(t *testing.T) {
			key := []byte("present, " + name)
			mustPut(t, s, string(key), "1")
			readIsCondition(t, s, key, func(tx store.Tx) { fn(tx, key) })
		})
	}
	t.Run("created", func(t *testing.T) {
		key := []byte("absent")
		readIsCondition(t, s, key, func(tx store.Tx) { tx.Put(key, []byte("1")) })
	})
}

func readIsCondition(t *testing.T, s store.Store, key []byte, change func(store.Tx)) {
	t.Helper()
	decision := append([]byte("decision on "), key...)
	var decidedBefore bool // whether the change came after the decision
	changed := make(chan error, 1)
	started := false
	mustUpdate(t, s, func(tx store.Tx) error {
		records, err := tx.Get(key)
		if err != nil {
			return err
		}
		if !started {
			started = true
			go func() {
				changed <- update(t.Context(), s, func(tx store.Tx) error {
					records, err := tx.Get(key, decision)
					if err != nil {
						return err
					}
					decidedBefore = records[1].Exists()
					change(tx)
					return nil
				})
			}()
			select {
			case err := <-changed:
				changed <- err
			case <-time.After(grace):
			}
		}
		tx.Put(decision, fmt.Append(nil, records[0].Revision))
		return nil
	})
	if err := <-changed; err != nil {
		t.Fatalf("the changing update: %v", err)
	}
	records := mustGet(t, s, string(key), string(decision))
	if now := fmt.Sprint(records[0].Revision); !decidedBefore && string(records[1].Value) != now {
		t.Errorf("an update decided on revision %s and was committed after revision %s", records[1].Value, now)
	}
}
