package pebble

import (
	"encoding/binary"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// A group is bounded so that one commit stays short and the batch stays under
// half a memtable, above which Pebble would set up a memtable for it alone.
const (
	maxGroupTurns = 512
	maxGroupBytes = 768 << 10
)

// group is a run of updates that share a batch and a commit. Its fields belong
// to the holder of the turn: the committer, or the update it has been sent to.
type group struct {
	batch *crdb.Batch
	// base is the published state, which the group's writes are made over.
	base *snapshot
	// written and ranges are what is in the batch: by key the record, which is
	// absent if the last write was a removal, and the ranges that were removed.
	// What was written to a range afterwards is in written.
	written map[string]store.Record
	ranges  []keyRange
	key     []byte // room for a database key
	// back returns the turn. It has room for one, so that returning it never
	// blocks.
	back chan struct{}
	// done is closed when everything that the group wrote is durable and
	// published. After a fatal error it never is.
	done chan struct{}
}

// newGroup returns an empty group over the published state. Only the committer
// may call it: nothing is published meanwhile.
func (s *Store) newGroup() *group {
	return &group{
		batch: s.db.NewBatch(), base: s.published, written: map[string]store.Record{},
		back: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// find returns the record that the group's writes have left under a key, if they
// have touched it. The value is shared.
func (g *group) find(key []byte) (r store.Record, touched bool) {
	if r, touched = g.written[string(key)]; touched {
		return r, true
	}
	for _, removed := range g.ranges {
		if removed.holds(string(key)) {
			return store.Record{}, true
		}
	}
	return store.Record{}, false
}

// apply adds one write. A put has its revision already.
func (g *group) apply(o *op) error {
	g.key = recordKey(g.key[:0], o.key)
	switch o.kind {
	case opPut:
		g.written[o.key] = store.Record{Value: o.value(), Revision: store.Revision(binary.BigEndian.Uint64(o.stored))}
		return g.batch.Set(g.key, o.stored, nil)
	case opDelete:
		g.written[o.key] = store.Record{}
		return g.batch.Delete(g.key, nil)
	}
	removed := o.keys()
	if removed.start >= removed.end {
		return nil
	}
	for key := range g.written {
		if removed.holds(key) {
			g.written[key] = store.Record{}
		}
	}
	g.ranges = append(g.ranges, removed)
	return g.batch.DeleteRange(g.key, recordKey(nil, o.end), nil)
}
