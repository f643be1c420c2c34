// Package store is the contract between the domain and its database: an ordered
// map from byte keys to opaque values, each with a revision.
//
// The package guarantees nothing by itself; an engine (a subpackage) does, and
// storetest proves it. It knows nothing of vaults, secrets, HTTP or encryption:
// what it is given is already sealed.
//
// # Durability
//
// When Update returns nil, its writes survive a power cut. A value that any
// View has shown survives one too: an engine publishes a write to readers only
// once it is durable.
//
// # Isolation
//
// A View sees one consistent state. Updates are serialisable: an Update commits
// only if every record that it read still has the revision it saw.
package store

import (
	"context"
	"errors"
)

// Bounds of the contract. Larger work is a resumable job of bounded updates.
const (
	MaxKey          = 2 << 10   // bytes of one key, which has at least one
	MaxValue        = 512 << 10 // bytes of one value
	MaxUpdateWrites = 100       // Put, Delete and DeleteRange calls of one Update
	MaxUpdateBytes  = 1 << 20   // bytes of keys and values of one Update
	MaxScan         = 1000      // entries of one Scan
)

var (
	// ErrConflict is returned by Update when its function kept losing races
	// for as long as the engine was willing to run it again.
	ErrConflict = errors.New("store: too many conflicting updates")
	// ErrTooLarge is returned when a key, a value, an update or a scan exceeds
	// the bounds.
	ErrTooLarge = errors.New("store: update exceeds the bounds of the contract")
	// ErrClosed is returned after Close, and by an engine that has stopped
	// because it can no longer promise durability.
	ErrClosed = errors.New("store: closed")
	// ErrLocked is returned on opening a database that another process holds.
	ErrLocked = errors.New("store: the data directory is in use by another process")
)

// Revision identifies one state of one record. It is never used again for
// another state of any record of the same store, so that whatever is derived
// from a record may be cached under its key and revision for ever. Zero means
// that the record does not exist.
type Revision uint64

// Record is a value and its revision. The value belongs to the caller.
type Record struct {
	Value    []byte
	Revision Revision
}

// Exists reports whether the record was present.
func (r Record) Exists() bool { return r.Revision != 0 }

// Entry is a Record with its key.
type Entry struct {
	Key []byte
	Record
}

// Stamp says that the record of a key had a revision, or did not exist.
type Stamp struct {
	Key      []byte
	Revision Revision
}

// Range is the keys k with Start <= k < End.
type Range struct{ Start, End []byte }

// View is a consistent, read-only state of the store. It is valid inside the
// function it was passed to and safe for use by one goroutine.
type View interface {
	// Get returns one Record per key, in the order of the keys and in one
	// round trip. An absent key gives the zero Record, not an error.
	Get(keys ...[]byte) ([]Record, error)
	// Unchanged reports whether every record is as its stamp says. It is a Get
	// that brings no values: what was derived from them holds as long as it is true.
	Unchanged(stamps ...Stamp) (bool, error)
	// Scan returns the first entries of the range in key order, at most limit
	// of them; limit is from 1 to MaxScan.
	Scan(r Range, limit int) ([]Entry, error)
}

// Tx is the state an Update works on: what Get returns includes the
// transaction's own writes, with the revision of the record they replace.
type Tx interface {
	// Get is as in View. Every record that is read becomes a condition of the
	// commit, absent ones too.
	Get(keys ...[]byte) ([]Record, error)
	// Put sets the value of a key. The engine copies both.
	Put(key, value []byte)
	// Delete removes a key. Removing an absent key is no error.
	Delete(key []byte)
	// DeleteRange removes every key of the range. The range is not a read: the
	// caller makes it safe by reading and writing the record that owns it.
	DeleteRange(r Range)
}

// Store is an ordered transactional map. It is safe for concurrent use.
type Store interface {
	// View calls fn with a consistent state and returns fn's error.
	View(ctx context.Context, fn func(View) error) error
	// Update calls fn, possibly several times, each time with a fresh Tx, and
	// commits its writes atomically and durably. An error from fn is returned
	// as it is and nothing is written. fn must have no effect but its writes
	// and must do nothing slow: it may hold up every other writer. Identifiers,
	// times, random bytes and new keys are chosen before Update is called.
	//
	// Every write has among the update's reads the record that owns it: the
	// object's head, the vault, the group.
	//
	// If ctx ends before the commit has begun, Update returns ctx.Err() and
	// has written nothing. Once it has begun, its outcome is waited for.
	Update(ctx context.Context, fn func(Tx) error) error
	// Close waits for running updates and releases the database. Calling it
	// again changes nothing.
	Close() error
}
