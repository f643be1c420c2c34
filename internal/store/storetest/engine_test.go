package storetest_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// engine is the smallest store.Store that keeps the contract in memory. It runs
// updates together and commits those whose reads still hold, which is the way of
// engines that the one in use does not show. A fault makes it break the contract
// in one place.
type engine struct {
	fault fault

	mu       sync.Mutex
	state    map[string]store.Record // replaced, never changed; guarded by mu
	previous map[string]store.Record // guarded by mu
	revision store.Revision          // guarded by mu
	closed   bool                    // guarded by mu
	views    atomic.Int64
	running  sync.WaitGroup // added to under mu while closed is false
}

// fault names what an engine does wrong.
type fault string

func newEngine(f fault) *engine { return &engine{fault: f, state: map[string]store.Record{}} }

// enter returns the state to work on; leave must be called after it.
func (e *engine) enter(ctx context.Context) (map[string]store.Record, error) {
	if err := ctx.Err(); err != nil && e.fault != "no context" {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed && e.fault != "open for ever" {
		return nil, store.ErrClosed
	}
	if !e.closed && e.fault != "close does not wait" {
		e.running.Add(1)
	}
	return e.state, nil
}

func (e *engine) leave() {
	if e.fault != "close does not wait" && e.fault != "open for ever" {
		e.running.Done()
	}
}

func (e *engine) Close() error {
	e.mu.Lock()
	again := e.closed
	e.closed = true
	e.mu.Unlock()
	if e.fault != "open for ever" {
		e.running.Wait()
	}
	if again && e.fault == "close once" {
		return store.ErrClosed
	}
	return nil
}

func (e *engine) View(ctx context.Context, fn func(store.View) error) error {
	state, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer e.leave()
	if e.fault == "views lag" || e.fault == "views go back" && e.views.Add(1)%2 == 0 {
		e.mu.Lock()
		state = e.previous
		e.mu.Unlock()
	}
	return fn(&view{e: e, state: state})
}

func (e *engine) Update(ctx context.Context, fn func(store.Tx) error) error {
	state, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer e.leave()
	for {
		tx := &transaction{e: e, base: state, state: maps.Clone(state), reads: map[string]store.Revision{}}
		committed, err := e.try(ctx, tx, fn)
		if committed || err != nil {
			return err
		}
		e.mu.Lock()
		state = e.state
		e.mu.Unlock()
	}
}

func (e *engine) try(ctx context.Context, tx *transaction, fn func(store.Tx) error) (committed bool, err error) {
	if e.fault == "writes what fails" {
		defer e.commit(tx)
	}
	err = fn(tx)
	if e.fault == "own errors" && err != nil {
		err = fmt.Errorf("update: %w", err)
	}
	if err == nil {
		err = tx.err
	}
	if err == nil && e.fault != "no context" && e.fault != "context before only" {
		err = ctx.Err()
	}
	if err != nil {
		return false, err
	}
	return e.commit(tx), nil
}

// commit applies the writes if all that was read still holds.
func (e *engine) commit(tx *transaction) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, seen := range tx.reads {
		present := seen != 0
		switch {
		case e.fault == "reads are no conditions":
		case e.fault == "absent reads are no conditions" && !present:
		case e.fault == "only writes are conditions" && !tx.wrote(key):
		case e.state[key].Revision != seen:
			return false
		}
	}
	state := maps.Clone(e.state)
	for _, w := range e.ordered(tx.writes) {
		if e.fault == "deletes what is there" && w.kind == 'd' && !e.state[string(w.key)].Exists() {
			continue
		}
		e.apply(state, tx.base, w)
		if e.fault == "shows half" {
			e.state = maps.Clone(state)
			e.mu.Unlock()
			runtime.Gosched()
			e.mu.Lock()
		}
	}
	e.previous, e.state = e.state, state
	return true
}

// ordered returns the writes in the order in which they take effect.
func (e *engine) ordered(writes []write) []write {
	writes = slices.Clone(writes)
	switch e.fault {
	case "ranges last":
		slices.SortStableFunc(writes, func(a, b write) int {
			return cmp.Compare(strings.Index("pdr", string(a.kind)), strings.Index("pdr", string(b.kind)))
		})
	case "first write wins":
		slices.Reverse(writes)
	}
	return writes
}

func (e *engine) apply(state, base map[string]store.Record, w write) {
	switch w.kind {
	case 'p':
		key := string(w.key)
		state[key] = store.Record{Value: w.value, Revision: e.nextRevision(state, base, key)}
	case 'd':
		delete(state, string(w.key))
	case 'r':
		maps.DeleteFunc(state, func(key string, _ store.Record) bool { return e.inRange(key, w.key, w.end) })
	}
}

func (e *engine) nextRevision(state, base map[string]store.Record, key string) store.Revision {
	switch e.fault {
	case "revision per record":
		return base[key].Revision + 1
	case "revision per update":
		// The first record of this update takes a new one, the others share it.
		for _, r := range state {
			if r.Revision > e.revision {
				return r.Revision
			}
		}
		return e.revision + 1
	case "revision per value":
		if old, ok := state[key]; ok && len(old.Value) == 1 {
			return old.Revision
		}
	}
	e.revision++
	return e.revision
}

func (e *engine) inRange(key string, start, end []byte) bool {
	if e.fault == "end is in the range" && key == string(end) {
		return true
	}
	return string(start) <= key && key < string(end)
}

// records returns one record per key.
func (e *engine) records(state map[string]store.Record, keys [][]byte) ([]store.Record, error) {
	records := make([]store.Record, len(keys))
	for i, key := range keys {
		if err := e.checkKey(key); err != nil {
			return nil, err
		}
		if e.fault == "trims keys" {
			key = bytes.TrimRight(key, "\x00")
		}
		r, ok := state[string(key)]
		if e.fault == "empty is absent" && len(r.Value) == 0 {
			r = store.Record{}
		}
		if ok && e.fault != "shares memory" {
			r.Value = append([]byte{}, r.Value...)
		}
		records[i] = r
	}
	if e.fault == "sorts what it gets" {
		slices.SortFunc(records, func(a, b store.Record) int { return bytes.Compare(a.Value, b.Value) })
	}
	return records, nil
}

func (e *engine) checkKey(key []byte) error {
	switch {
	case e.fault == "no bounds":
	case len(key) == 0:
		return fmt.Errorf("empty key")
	case len(key) > store.MaxKey || e.fault == "bounds too tight" && len(key) == store.MaxKey:
		return store.ErrTooLarge
	}
	return nil
}

type view struct {
	e     *engine
	state map[string]store.Record
}

func (v *view) current() map[string]store.Record {
	if v.e.fault == "views move" {
		v.e.mu.Lock()
		defer v.e.mu.Unlock()
		return v.e.state
	}
	return v.state
}

func (v *view) Get(keys ...[]byte) ([]store.Record, error) { return v.e.records(v.current(), keys) }

func (v *view) Unchanged(stamps ...store.Stamp) (bool, error) {
	state := v.current()
	for _, s := range stamps {
		if r, exists := state[string(s.Key)]; r.Revision != s.Revision && (exists || v.e.fault != "forgets what is gone") {
			return v.e.fault == "nothing changes", nil
		}
		if v.e.fault == "first of many" {
			break
		}
	}
	return v.e.fault != "everything changes", nil
}

func (v *view) Scan(r store.Range, limit int) ([]store.Entry, error) {
	if v.e.fault != "no bounds" {
		if limit < 1 {
			return nil, fmt.Errorf("limit %d", limit)
		}
		if limit > store.MaxScan || v.e.fault == "bounds too tight" && limit == store.MaxScan {
			return nil, store.ErrTooLarge
		}
	}
	state := v.current()
	var entries []store.Entry
	for _, key := range slices.Sorted(maps.Keys(state)) {
		if !v.e.inRange(key, r.Start, r.End) {
			continue
		}
		if len(entries) == limit && v.e.fault != "no limit" {
			break
		}
		record := state[key]
		if v.e.fault != "shares memory" {
			record.Value = append([]byte{}, record.Value...)
		}
		entries = append(entries, store.Entry{Key: []byte(key), Record: record})
	}
	if v.e.fault == "scans backwards" {
		slices.Reverse(entries)
	}
	return entries, nil
}

type write struct {
	kind            byte // p, d or r
	key, end, value []byte
}

type transaction struct {
	e      *engine
	base   map[string]store.Record
	state  map[string]store.Record // base with the own writes
	reads  map[string]store.Revision
	writes []write
	bytes  int
	err    error
}

func (tx *transaction) wrote(key string) bool {
	return slices.ContainsFunc(tx.writes, func(w write) bool { return string(w.key) == key })
}

func (tx *transaction) Get(keys ...[]byte) ([]store.Record, error) {
	for _, key := range keys {
		tx.reads[string(key)] = tx.base[string(key)].Revision
	}
	if tx.e.fault == "own writes unseen" {
		return tx.e.records(tx.base, keys)
	}
	return tx.e.records(tx.state, keys)
}

func (tx *transaction) Put(key, value []byte) {
	if tx.e.fault != "no bounds" && len(value) > store.MaxValue ||
		tx.e.fault == "bounds too tight" && len(value) == store.MaxValue {
		tx.err = store.ErrTooLarge
	}
	tx.write(write{kind: 'p', key: key, value: value})
}

func (tx *transaction) Delete(key []byte) { tx.write(write{kind: 'd', key: key}) }

func (tx *transaction) DeleteRange(r store.Range) {
	tx.write(write{kind: 'r', key: r.Start, end: r.End})
}

func (tx *transaction) write(w write) {
	tx.bytes += len(w.key) + len(w.end) + len(w.value)
	if tx.e.fault == "counts values only" {
		tx.bytes -= len(w.key) + len(w.end)
	}
	if tx.e.fault != "shares memory" {
		w.key, w.end, w.value = bytes.Clone(w.key), bytes.Clone(w.end), bytes.Clone(w.value)
	}
	tx.writes = append(tx.writes, w)
	if w.kind != 'r' {
		if err := tx.e.checkKey(w.key); err != nil {
			tx.err = err
		}
	}
	if (len(tx.writes) > store.MaxUpdateWrites || tx.bytes > store.MaxUpdateBytes) && tx.e.fault != "no bounds" {
		tx.err = store.ErrTooLarge
	}
	switch w.kind {
	case 'p':
		replaced := tx.base[string(w.key)].Revision
		if tx.e.fault == "own writes have revisions" {
			replaced++
		}
		tx.state[string(w.key)] = store.Record{Value: w.value, Revision: replaced}
	case 'd':
		delete(tx.state, string(w.key))
	case 'r':
		if tx.e.fault == "own ranges unseen" {
			return
		}
		maps.DeleteFunc(tx.state, func(key string, _ store.Record) bool { return tx.e.inRange(key, w.key, w.end) })
	}
}

// meeting is an engine whose Get of the key "first" stays inside until it may
// proceed.
type meeting struct {
	*engine
	inside, proceed chan struct{}
}

func (m *meeting) View(ctx context.Context, fn func(store.View) error) error {
	return m.engine.View(ctx, func(v store.View) error { return fn(&meetingView{View: v, m: m}) })
}

type meetingView struct {
	store.View
	m *meeting
}

func (v *meetingView) Get(keys ...[]byte) ([]store.Record, error) {
	if string(keys[0]) == "first" {
		close(v.m.inside)
		<-v.m.proceed
	}
	return v.View.Get(keys...)
}

// counting is an engine that keeps the keys of every Get of an Update.
type counting struct {
	*engine
	gets [][][]byte
}

func (c *counting) Update(ctx context.Context, fn func(store.Tx) error) error {
	return c.engine.Update(ctx, func(tx store.Tx) error { return fn(&countingTx{Tx: tx, c: c}) })
}

type countingTx struct {
	store.Tx
	c *counting
}

func (tx *countingTx) Get(keys ...[]byte) ([]store.Record, error) {
	tx.c.gets = append(tx.c.gets, keys)
	return tx.Tx.Get(keys...)
}
