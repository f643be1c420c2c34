package pebble

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// snapshot is a durable state that views read. It is closed when its last user
// is gone; the store itself is a user of the published one.
type snapshot struct {
	*crdb.Snapshot
	state uint64        // its number
	refs  int           // guarded by Store.mu
	gone  chan struct{} // closed when the last user is gone
}

func newSnapshot(db *crdb.DB, state uint64) *snapshot {
	return &snapshot{Snapshot: db.NewSnapshot(), state: state, refs: 1, gone: make(chan struct{})}
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.View) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := s.acquire()
	if err != nil {
		return err
	}
	v := &view{ctx: ctx, store: s, snapshot: p}
	defer func() {
		v.snapshot = nil
		s.release(p)
		s.users.Done()
	}()
	return fn(v)
}

// acquire returns the published snapshot; the caller must release it and leave
// users when done.
func (s *Store) acquire() (*snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stopped(); err != nil {
		return nil, err
	}
	if s.closed {
		return nil, store.ErrClosed
	}
	s.users.Add(1)
	s.published.refs++
	return s.published, nil
}

func (s *Store) release(p *snapshot) {
	s.mu.Lock()
	p.refs--
	last := p.refs == 0
	s.mu.Unlock()
	// After a fatal error Pebble's own locks may be held for ever.
	if !last || s.stopped() != nil {
		return
	}
	if err := p.Close(); err != nil {
		s.log.Error("closing a snapshot", "err", err)
	}
	s.mu.Lock()
	delete(s.superseded, p)
	s.mu.Unlock()
	close(p.gone)
}

// publish makes what the group has committed visible to views.
func (s *Store) publish(g *group) {
	next := newSnapshot(s.db, g.base.state+1)
	s.records.advance(next.state, g)
	s.mu.Lock()
	previous := s.published
	s.published = next
	s.superseded[previous] = struct{}{}
	s.mu.Unlock()
	s.release(previous)
}

// awaitOlderViews waits for the views that do not show the published snapshot.
func (s *Store) awaitOlderViews(ctx context.Context) error {
	s.mu.Lock()
	older := slices.Collect(maps.Keys(s.superseded))
	s.mu.Unlock()
	for _, p := range older {
		select {
		case <-p.gone:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.failed:
			return s.failure
		}
	}
	return nil
}

var errEnded = errors.New("store: view or transaction used after its function returned")

// view implements store.View.
type view struct {
	ctx      context.Context
	store    *Store
	snapshot *snapshot // nil once the view has ended
}

func (v *view) check() error {
	if v.snapshot == nil {
		return errEnded
	}
	return v.ctx.Err()
}

// Get implements store.View.
func (v *view) Get(keys ...[]byte) ([]store.Record, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	records, err := unreadRecords(keys)
	if err != nil {
		return nil, err
	}
	if err := v.store.read(v.snapshot, keys, records); err != nil {
		return nil, err
	}
	return records, nil
}

// Unchanged implements store.View.
func (v *view) Unchanged(stamps ...store.Stamp) (bool, error) {
	if err := v.check(); err != nil {
		return false, err
	}
	if same, known := v.store.records.compare(v.snapshot.state, stamps); known {
		return same, nil
	}
	keys := make([][]byte, len(stamps))
	for i, s := range stamps {
		keys[i] = s.Key
	}
	records, err := v.Get(keys...)
	if err != nil {
		return false, err
	}
	for i, s := range stamps {
		if records[i].Revision != s.Revision {
			return false, nil
		}
	}
	return true, nil
}

// Scan implements store.View.
func (v *view) Scan(r store.Range, limit int) (_ []store.Entry, err error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	switch {
	case limit > store.MaxScan:
		return nil, fmt.Errorf("%w: a scan of %d entries", store.ErrTooLarge, limit)
	case limit < 1:
		return nil, fmt.Errorf("store: scan limit %d", limit)
	case emptyRange(r):
		return nil, nil
	}
	iter, err := v.snapshot.NewIter(&crdb.IterOptions{
		LowerBound: recordKey(nil, r.Start),
		UpperBound: recordKey(nil, r.End),
	})
	if err != nil {
		return nil, fmt.Errorf("scanning: %w", err)
	}
	defer func() {
		if closeErr := iter.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("scanning: %w", closeErr)
		}
	}()
	var entries []store.Entry
	for ok := iter.First(); ok && len(entries) < limit; ok = iter.Next() {
		entry, err := readEntry(iter)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	if err := iter.Error(); err != nil {
		return nil, fmt.Errorf("scanning: %w", err)
	}
	return entries, nil
}

func readEntry(iter *crdb.Iterator) (store.Entry, error) {
	stored, err := iter.ValueAndErr()
	if err != nil {
		return store.Entry{}, fmt.Errorf("scanning: %w", err)
	}
	record, err := decodeRecord(stored)
	if err != nil {
		return store.Entry{}, err
	}
	key := append([]byte(nil), iter.Key()[1:]...)
	return store.Entry{Key: key, Record: record}, nil
}
