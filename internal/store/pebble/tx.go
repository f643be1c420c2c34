package pebble

import (
	"bytes"
	"encoding/binary"
	"fmt"

	crdb "github.com/cockroachdb/pebble/v2"

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
	kind  opKind
	key   []byte // of opDeleteRange the first key
	value []byte // of opDeleteRange the end of the range
}

// tx implements store.Tx. Its writes stay here until its function has returned
// without an error, so that a discarded update leaves nothing in the batch that
// it shares with others. There are at most store.MaxUpdateWrites of them, few
// enough to search.
type tx struct {
	// batch is the group's: what earlier updates of the group wrote, over the
	// database. Nil once the transaction has ended.
	batch *crdb.Batch
	ops   []op
	bytes int
	err   error // the first violation of the bounds
}

// Get implements store.Tx. Nothing has to be noted about what is read: no other
// update runs before this one's writes are in the batch.
func (t *tx) Get(keys ...[]byte) ([]store.Record, error) {
	if t.batch == nil {
		return nil, errEnded
	}
	records := make([]store.Record, len(keys))
	var buf []byte
	for i, key := range keys {
		if err := checkKey(key); err != nil {
			return nil, err
		}
		buf = recordKey(buf[:0], key)
		base, err := getRecord(t.batch, buf)
		if err != nil {
			return nil, err
		}
		records[i] = t.overlay(key, base)
	}
	return records, nil
}

// overlay returns what the transaction's own writes made of a record.
func (t *tx) overlay(key []byte, base store.Record) store.Record {
	for i := len(t.ops) - 1; i >= 0; i-- {
		o := &t.ops[i]
		switch {
		case o.kind == opDeleteRange:
			if bytes.Compare(o.key, key) <= 0 && bytes.Compare(key, o.value) < 0 {
				return store.Record{}
			}
		case !bytes.Equal(o.key, key):
		case o.kind == opDelete:
			return store.Record{}
		default:
			return store.Record{Value: bytes.Clone(o.value), Revision: base.Revision}
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
	t.write(opPut, key, value)
}

// Delete implements store.Tx.
func (t *tx) Delete(key []byte) { t.write(opDelete, key, nil) }

// DeleteRange implements store.Tx.
func (t *tx) DeleteRange(r store.Range) { t.write(opDeleteRange, r.Start, r.End) }

func (t *tx) write(kind opKind, key, value []byte) {
	if t.batch == nil {
		panic(errEnded)
	}
	if kind != opDeleteRange {
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
	t.ops = append(t.ops, op{kind: kind, key: bytes.Clone(key), value: bytes.Clone(value)})
}

func (t *tx) violate(err error) {
	if t.err == nil {
		t.err = err
	}
}

// apply writes the transaction to the batch; revision is the last one given out
// and is advanced.
func (t *tx) apply(revision *uint64) error {
	var key, value []byte
	for _, o := range t.ops {
		key = recordKey(key[:0], o.key)
		var err error
		switch o.kind {
		case opPut:
			*revision++
			value = append(binary.BigEndian.AppendUint64(value[:0], *revision), o.value...)
			err = t.batch.Set(key, value, nil)
		case opDelete:
			err = t.batch.Delete(key, nil)
		case opDeleteRange:
			if bytes.Compare(o.key, o.value) < 0 {
				err = t.batch.DeleteRange(key, recordKey(nil, o.value), nil)
			}
		}
		if err != nil {
			return fmt.Errorf("adding to the batch: %w", err)
		}
	}
	return nil
}
