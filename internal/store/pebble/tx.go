package pebble

import (
	"encoding/binary"
	"fmt"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

type opKind uint8

const (
	opPut opKind = iota
	opDelete
	opDeleteRange
)

// op is one write of a transaction, in the transaction's own memory.
type op struct {
	kind opKind
	key  string // of opDeleteRange the first key
	end  string // of opDeleteRange
	// stored is what opPut stores: room for the revision, and the value.
	stored []byte
}

func (o *op) value() []byte { return o.stored[revisionBytes:] }

func (o *op) keys() keyRange { return keyRange{o.key, o.end} }

// tx implements store.Tx. Its writes stay here until its function has returned
// without an error, so that a discarded update leaves nothing in the group that
// it shares with others. There are at most store.MaxUpdateWrites of them, few
// enough to search.
type tx struct {
	store *Store
	// group holds what its earlier updates wrote, over the published state. Nil
	// once the transaction has ended.
	group *group
	ops   []op
	bytes int
	err   error // the first violation of the bounds
}

// Get implements store.Tx. Nothing has to be noted about what is read: no other
// update runs before this one's writes are in the group.
func (t *tx) Get(keys ...[]byte) ([]store.Record, error) {
	if t.group == nil {
		return nil, errEnded
	}
	records, err := unreadRecords(keys)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		if r, ok := t.group.find(key); ok {
			records[i] = r
		}
	}
	if err := t.store.read(t.group.base, keys, records); err != nil {
		return nil, err
	}
	for i, key := range keys {
		records[i] = t.overlay(key, records[i])
	}
	return records, nil
}

// overlay returns what the transaction's own writes made of a record.
func (t *tx) overlay(key []byte, base store.Record) store.Record {
	for i := len(t.ops) - 1; i >= 0; i-- {
		o := &t.ops[i]
		switch {
		case o.kind == opDeleteRange:
			if o.keys().holds(string(key)) {
				return store.Record{}
			}
		case o.key != string(key):
		case o.kind == opDelete:
			return store.Record{}
		default:
			return store.Record{Value: append([]byte{}, o.value()...), Revision: base.Revision}
		}
	}
	return base
}

// Put implements store.Tx.
func (t *tx) Put(key, value []byte) {
	if len(value) > store.MaxValue {
		t.violate(fmt.Errorf("%w: a value of %d bytes", store.ErrTooLarge, len(value)))
		return
	}
	t.write(op{kind: opPut}, key, value)
}

// Delete implements store.Tx.
func (t *tx) Delete(key []byte) { t.write(op{kind: opDelete}, key, nil) }

// DeleteRange implements store.Tx.
func (t *tx) DeleteRange(r store.Range) { t.write(op{kind: opDeleteRange}, r.Start, r.End) }

// write adds an operation on a key; value is of opDeleteRange the end of the
// range.
func (t *tx) write(o op, key, value []byte) {
	if t.group == nil {
		panic(errEnded)
	}
	if o.kind != opDeleteRange {
		if err := checkKey(key); err != nil {
			t.violate(err)
			return
		}
	}
	t.bytes += len(key) + len(value)
	if len(t.ops) == store.MaxUpdateWrites || t.bytes > store.MaxUpdateBytes {
		t.violate(fmt.Errorf("%w: more than %d writes or %d bytes", store.ErrTooLarge, store.MaxUpdateWrites, store.MaxUpdateBytes))
		return
	}
	o.key = string(key)
	switch o.kind {
	case opPut:
		o.stored = append(make([]byte, revisionBytes, revisionBytes+len(value)), value...)
	case opDeleteRange:
		o.end = string(value)
	}
	t.ops = append(t.ops, o)
}

func (t *tx) violate(err error) {
	if t.err == nil {
		t.err = err
	}
}

// apply writes the transaction to its group; revision is the last one given out
// and is advanced.
func (t *tx) apply(revision *uint64) error {
	for i := range t.ops {
		o := &t.ops[i]
		if o.kind == opPut {
			*revision++
			binary.BigEndian.PutUint64(o.stored, *revision)
		}
		if err := t.group.apply(o); err != nil {
			return fmt.Errorf("adding to the batch: %w", err)
		}
	}
	return nil
}
