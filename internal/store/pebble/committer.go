package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Update implements store.Store. fn runs on the caller's goroutine, so a panic
// in it is the caller's own; nothing of that update is written. fn must not call
// Update or Close.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.stopped(); err != nil {
		return err
	}
	var g *group
	select {
	case g = <-s.turns:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopping:
		return store.ErrClosed
	case <-s.failed:
		return s.failure
	}
	settled, err := s.takeTurn(ctx, g, fn)
	if settled {
		return err
	}
	// An update that failed waits too: its error may tell of something that an
	// earlier update of the group wrote, and that is not durable yet.
	select {
	case <-g.done:
		return err
	case <-s.failed:
	}
	select {
	case <-g.done:
		return err
	default:
		return s.failure
	}
}

// takeTurn runs fn and adds its writes to the group. It reports whether the
// outcome is settled already because the group has written nothing so far.
func (s *Store) takeTurn(ctx context.Context, g *group, fn func(store.Tx) error) (settled bool, err error) {
	t := &tx{store: s, group: g}
	// Deferred, so that the turn is given back when fn panics or ends its
	// goroutine, too.
	defer func() {
		t.group = nil
		settled = g.batch.Empty()
		g.back <- struct{}{}
	}()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := fn(t); err != nil {
		return false, err
	}
	if t.err != nil {
		return false, t.err
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := t.apply(&s.revision); err != nil {
		// The batch may now hold half an update and must not be committed.
		s.fail(err)
		return false, err
	}
	return false, nil
}

// run is the committer.
func (s *Store) run() {
	defer close(s.drained)
	for {
		g := s.newGroup()
		select {
		case s.turns <- g:
			<-g.back
		case <-s.stopping:
			_ = g.batch.Close()
			return
		}
		s.fill(g)
		if s.stoppedByFailure() || !s.commit(g) {
			return
		}
	}
}

// fill gives every update that is waiting a turn.
func (s *Store) fill(g *group) {
	for n := 1; n < maxGroupTurns && g.batch.Len() < maxGroupBytes; n++ {
		if s.offer(g) {
			continue
		}
		// The updates of the last group were released a moment ago and those
		// who write again may be about to queue: let them, so that one early
		// writer does not get a sync for itself while all others wait.
		runtime.Gosched()
		if !s.offer(g) {
			return
		}
	}
}

func (s *Store) offer(g *group) bool {
	select {
	case s.turns <- g:
		<-g.back
		return true
	default:
		return false
	}
}

// commit makes the group durable, publishes it and releases its updates. It
// reports whether the engine can go on.
func (s *Store) commit(g *group) (ok bool) {
	defer func() {
		// Pebble panics when it cannot write to its log.
		if v := recover(); v != nil {
			s.fail(fmt.Errorf("committing: %v", v))
			ok = false
		}
	}()
	if !g.batch.Empty() {
		err := g.batch.Set(revisionKey, binary.BigEndian.AppendUint64(nil, s.revision), nil)
		if err == nil {
			err = g.batch.Commit(s.writeOptions)
		}
		if err != nil {
			s.fail(fmt.Errorf("committing: %w", err))
			return false
		}
		s.publish(g)
	}
	close(g.done)
	if err := g.batch.Close(); err != nil {
		s.log.Error("closing a batch", "err", err)
	}
	return true
}

// fail puts the engine into the failed state and reports it. It may be called
// from any goroutine and returns only if Config.OnFatal does.
func (s *Store) fail(cause error) {
	s.failOnce.Do(func() {
		s.failure = fmt.Errorf("%w: %w", store.ErrClosed, cause)
		close(s.failed)
		s.log.Error("the store can no longer promise durability", "err", cause)
		s.onFatal(cause)
	})
}

// stopped returns the error of the failed state, or nil.
func (s *Store) stopped() error {
	select {
	case <-s.failed:
		return s.failure
	default:
		return nil
	}
}

func (s *Store) stoppedByFailure() bool { return s.stopped() != nil }
