package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Strict returns a store over s that fails the test when the code above does
// not keep its side of the contract:
//
//   - an Update writes without having read any record: no owner can be among
//     its reads;
//   - an Update, a key, a value or a Scan exceeds the bounds;
//   - the function of an Update does something else the second time. Every
//     function runs twice and only the second run is kept. The runs must agree
//     in whether they fail and in what they write where; values may differ,
//     because sealing is random;
//   - a View or Tx is used after its function, or by two goroutines at once.
//
// The violation is reported with the place that called View or Update, and what
// was asked is done all the same, except after the function. A test that counts
// what its functions do sees every Update's twice; s does not, because the second
// run is given the records that the first has read.
func Strict(t testing.TB, s store.Store) store.Store { return &strict{Store: s, t: t} }

type strict struct {
	store.Store
	t testing.TB
}

// caller names the place outside this package's methods that called them.
func caller() string {
	if _, file, line, ok := runtime.Caller(2); ok {
		return fmt.Sprintf("%s:%d", filepath.Base(file), line)
	}
	return "an unknown place"
}

// View implements store.Store.
func (s *strict) View(ctx context.Context, fn func(store.View) error) error {
	name := "the View of " + caller()
	return s.Store.View(ctx, func(v store.View) error {
		view := &strictView{use: use{t: s.t, name: name}, inner: v}
		defer view.end()
		return fn(view)
	})
}

// Update implements store.Store.
func (s *strict) Update(ctx context.Context, fn func(store.Tx) error) error {
	name := "the Update of " + caller()
	return s.Store.Update(ctx, func(tx store.Tx) error {
		read := map[string]store.Record{}
		trial := &strictTx{use: use{t: s.t, name: name}, inner: tx, read: read, discard: true}
		trialErr := trial.run(fn)
		kept := &strictTx{use: use{t: s.t, name: name}, inner: tx, read: read}
		err := kept.run(fn)
		kept.check()
		kept.compare(err, trial, trialErr)
		return err
	})
}

// use watches over the use of one View or Tx.
type use struct {
	t     testing.TB
	name  string
	ended atomic.Bool
	busy  atomic.Bool
}

var errUseEnded = errors.New("storetest: view or transaction used after its function returned")

// begin must be called, and what it returns when it is not nil, by every method.
func (u *use) begin() (done func()) {
	if u.ended.Load() {
		u.t.Errorf("%s is used after its function returned", u.name)
		return nil
	}
	if !u.busy.CompareAndSwap(false, true) {
		u.t.Errorf("%s is used by two goroutines at once", u.name)
		return func() {}
	}
	return func() { u.busy.Store(false) }
}

func (u *use) end() { u.ended.Store(true) }

func (u *use) checkKeys(keys ...[]byte) {
	for _, key := range keys {
		if len(key) == 0 || len(key) > store.MaxKey {
			u.t.Errorf("%s exceeds the bounds: a key of %d bytes", u.name, len(key))
		}
	}
}

type strictView struct {
	use
	inner store.View
}

// Get implements store.View.
func (v *strictView) Get(keys ...[]byte) ([]store.Record, error) {
	done := v.begin()
	if done == nil {
		return nil, errUseEnded
	}
	defer done()
	v.checkKeys(keys...)
	return v.inner.Get(keys...)
}

// Unchanged implements store.View.
func (v *strictView) Unchanged(stamps ...store.Stamp) (bool, error) {
	done := v.begin()
	if done == nil {
		return false, errUseEnded
	}
	defer done()
	for _, s := range stamps {
		v.checkKeys(s.Key)
	}
	return v.inner.Unchanged(stamps...)
}

// Scan implements store.View.
func (v *strictView) Scan(r store.Range, limit int) ([]store.Entry, error) {
	done := v.begin()
	if done == nil {
		return nil, errUseEnded
	}
	defer done()
	if limit < 1 || limit > store.MaxScan {
		v.t.Errorf("%s exceeds the bounds: a Scan of %d entries", v.name, limit)
	}
	return v.inner.Scan(r, limit)
}

// writeKind says what a write does; its texts are used in reports.
type writeKind string

const (
	writePut         writeKind = "Put"
	writeDelete      writeKind = "Delete"
	writeDeleteRange writeKind = "DeleteRange"
)

// write is one write of a strictTx.
type write struct {
	kind  writeKind
	key   []byte
	end   []byte // of a DeleteRange
	value []byte // of a Put
}

func (w write) String() string {
	if w.kind == writeDeleteRange {
		return fmt.Sprintf("%s(%q, %q)", w.kind, w.key, w.end)
	}
	return fmt.Sprintf("%s(%q)", w.kind, w.key)
}

type strictTx struct {
	use
	inner   store.Tx
	read    map[string]store.Record // by key, as both runs have found them
	discard bool                    // whether writes stay in this transaction
	reads   int
	writes  []write
	bytes   int
}

func (tx *strictTx) run(fn func(store.Tx) error) error {
	defer tx.end()
	return fn(tx)
}

// Get implements store.Tx.
func (tx *strictTx) Get(keys ...[]byte) ([]store.Record, error) {
	done := tx.begin()
	if done == nil {
		return nil, errUseEnded
	}
	defer done()
	tx.checkKeys(keys...)
	tx.reads += len(keys)
	if err := tx.fetch(keys); err != nil {
		return nil, err
	}
	records := make([]store.Record, len(keys))
	for i, key := range keys {
		records[i] = tx.overlay(key, tx.read[string(key)])
	}
	return records, nil
}

// fetch reads the keys that have not been read yet.
func (tx *strictTx) fetch(keys [][]byte) error {
	var missing [][]byte
	for _, key := range keys {
		if _, ok := tx.read[string(key)]; !ok {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	records, err := tx.inner.Get(missing...)
	if err != nil {
		return err
	}
	for i, key := range missing {
		tx.read[string(key)] = records[i]
	}
	return nil
}

// overlay returns what the run's own writes have made of a record, in memory of
// the caller's own.
func (tx *strictTx) overlay(key []byte, r store.Record) store.Record {
	base := r.Revision
	for _, w := range tx.writes {
		switch {
		case w.kind == writeDeleteRange:
			if bytes.Compare(w.key, key) <= 0 && bytes.Compare(key, w.end) < 0 {
				r = store.Record{}
			}
		case !bytes.Equal(w.key, key):
		case w.kind == writeDelete:
			r = store.Record{}
		default:
			r = store.Record{Value: append([]byte{}, w.value...), Revision: base}
		}
	}
	r.Value = bytes.Clone(r.Value)
	return r
}

// Put implements store.Tx.
func (tx *strictTx) Put(key, value []byte) {
	tx.write(write{kind: writePut, key: key, value: value}, func() { tx.inner.Put(key, value) })
}

// Delete implements store.Tx.
func (tx *strictTx) Delete(key []byte) {
	tx.write(write{kind: writeDelete, key: key}, func() { tx.inner.Delete(key) })
}

// DeleteRange implements store.Tx.
func (tx *strictTx) DeleteRange(r store.Range) {
	tx.write(write{kind: writeDeleteRange, key: r.Start, end: r.End}, func() { tx.inner.DeleteRange(r) })
}

func (tx *strictTx) write(w write, do func()) {
	done := tx.begin()
	if done == nil {
		return
	}
	defer done()
	tx.bytes += len(w.key) + len(w.end) + len(w.value)
	tx.writes = append(tx.writes, write{
		kind: w.kind, key: bytes.Clone(w.key), end: bytes.Clone(w.end), value: bytes.Clone(w.value),
	})
	if !tx.discard {
		do()
	}
}

// check reports what is wrong with the writes of the run that is kept.
func (tx *strictTx) check() {
	if len(tx.writes) > 0 && tx.reads == 0 {
		tx.t.Errorf("%s writes without having read any record: %s", tx.name, tx.writes[0])
	}
	if len(tx.writes) > store.MaxUpdateWrites {
		tx.t.Errorf("%s exceeds the bounds: %d writes", tx.name, len(tx.writes))
	}
	if tx.bytes > store.MaxUpdateBytes {
		tx.t.Errorf("%s exceeds the bounds: %d bytes", tx.name, tx.bytes)
	}
	for _, w := range tx.writes {
		if w.kind != writeDeleteRange {
			tx.checkKeys(w.key)
		}
		if len(w.value) > store.MaxValue {
			tx.t.Errorf("%s exceeds the bounds: a value of %d bytes", tx.name, len(w.value))
		}
	}
}

// compare reports what the run that is kept did otherwise than the trial run.
func (tx *strictTx) compare(err error, trial *strictTx, trialErr error) {
	if (err == nil) != (trialErr == nil) {
		tx.t.Errorf("%s has a function with an effect: it returns the error %v, and on its second run %v", tx.name, trialErr, err)
		return
	}
	if err != nil {
		return
	}
	first, second := trial.places(), tx.places()
	for i := range max(len(first), len(second)) {
		if a, b := placeAt(first, i), placeAt(second, i); a != b {
			tx.t.Errorf("%s has a function with an effect: it writes %s, and on its second run %s", tx.name, a, b)
			return
		}
	}
}

// places returns what is written where, sorted: the order of a map's keys is no
// effect.
func (tx *strictTx) places() []string {
	var all []string
	for _, w := range tx.writes {
		all = append(all, w.String())
	}
	slices.Sort(all)
	return all
}

func placeAt(places []string, i int) string {
	if i < len(places) {
		return places[i]
	}
	return "nothing more"
}
