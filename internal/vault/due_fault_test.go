package vault

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// Between finding what is due and purging it, another process may have done it,
// or given the object another life and date.
func TestPurgeDueComesTooLate(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		for name, tt := range map[string]struct {
			between func()
			left    int
		}{
			"purged": {func() {
				if err := c.purge(call("v"), "n"); err != nil {
					t.Error(err)
				}
			}, 0},
			"purged when due": {func() {
				if n, err := w.svc.PurgeDue(w.ctx()); n != 1 || err != nil {
					t.Errorf("purged %d, %v", n, err)
				}
			}, 0},
			"recovered": {func() { must(c.recover(call("v"), "n"))(t) }, 0},
			"deleted again": {func() {
				must(c.recover(call("v"), "n"))(t)
				must(c.delete(call("v"), "n"))(t)
			}, 1},
		} {
			for _, s := range []store.Store{
				&hookStore{Store: w.store, before: tt.between},
				&contractStore{Store: w.store, t: t, between: tt.between},
			} {
				w.vault("v", retention(7))
				must(c.set(call("v"), "n"))(t)
				must(c.delete(call("v"), "n"))(t)
				w.clock.add(7 * day)
				if n, err := w.node(s).PurgeDue(w.ctx()); n != 0 || err != nil {
					t.Errorf("%s: purged %d, %v", name, n, err)
				}
				if left := w.below("due"); left != tt.left {
					t.Errorf("%s: %d are due, want %d", name, left, tt.left)
				}
				w.check()
				w.purgeAny("v", c.kind, "n")
			}
		}
	})
}

// A run that is interrupted has counted what it has purged: the object whose
// commit outlived the context once was not. What is left is purged by the next
// run, after a restart too.
func TestPurgeDueInterrupted(t *testing.T) {
	t.Parallel()
	const many, first = 12, 5
	for _, tt := range []struct {
		name      string
		committed bool // the purge during which the context ends
		want      int
	}{{"between two purges", false, first - 1}, {"during a commit", true, first}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.deleteMany(t, many)
			ctx, cancel := context.WithCancel(w.ctx())
			defer cancel()
			n, err := w.node(&cancellingStore{w.store, first, tt.committed, cancel}).PurgeDue(ctx)
			if n != tt.want || !errors.Is(err, context.Canceled) {
				t.Errorf("purged %d, %v; want %d", n, err, tt.want)
			}
			w.check()
			if left := w.below("due"); left != many-tt.want {
				t.Errorf("%d are left, want %d", left, many-tt.want)
			}
			w.reopen()
			if n, err := w.svc.PurgeDue(w.ctx()); n != many-tt.want || err != nil {
				t.Errorf("the next run purged %d, %v; want %d", n, err, many-tt.want)
			}
			checkPurgedOnce(t, w, many)
		})
	}
}

// cancellingStore ends a context at an update, before it or after its commit.
type cancellingStore struct {
	store.Store
	at     int // counted from 1
	after  bool
	cancel context.CancelFunc
}

func (s *cancellingStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	s.at--
	if s.at == 0 && !s.after {
		s.cancel()
	}
	err := s.Store.Update(ctx, fn)
	if s.at == 0 && s.after {
		s.cancel()
	}
	return err
}

// What cannot be purged is told of and does not keep the others from being
// purged; once it can be, the next run does it.
func TestPurgeDueSkips(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deleteMany(t, 6)
	unreadable := w.vault("unreadable", retention(7))
	must(w.svc.SetSecret(w.ctx(), call("unreadable"), "n", newSecret("x")))(t)
	must(w.svc.DeleteSecret(w.ctx(), call("unreadable"), "n"))(t)
	w.clock.add(7 * day)
	w.audited()
	document := w.dump()[string(catalog.VaultKey(unreadable.ID))]
	w.updateRaw(catalog.VaultKey(unreadable.ID), []byte("no document"))
	malformed := [][]byte{
		tuple.Append(tuple.AppendUint(dueRoot[:len(dueRoot):len(dueRoot)], 1), "too short"),
		append(secretKind.due(1, unreadable.ID, "n"), 0xff),
		tuple.Key("due", "\x00", unreadable.ID, "secrets", "n"),
		tuple.Append(tuple.Append(tuple.Append(tuple.AppendUint(dueRoot[:len(dueRoot):len(dueRoot)], 1), unreadable.ID), "cars"), "n"),
	}
	for _, key := range malformed {
		w.updateRaw(key, []byte{1})
	}
	// One commit fails, as when the disk is full for a moment.
	commits, full := 0, errors.New("disk full")
	n, err := w.node(&brokenStore{w.store, func() error {
		if commits++; commits == 2 {
			return full
		}
		return nil
	}}).PurgeDue(w.ctx())
	if n != 5 || !errors.Is(err, full) || !errors.Is(err, errRecord) || !strings.Contains(err.Error(), "the document of the vault cannot be read") {
		t.Errorf("purged %d, %v", n, err)
	}
	if n, err := w.svc.PurgeDue(w.ctx()); n != 1 || err == nil {
		t.Errorf("the next run purged %d, %v", n, err)
	}
	w.updateRaw(catalog.VaultKey(unreadable.ID), []byte(document))
	w.update(func(tx store.Tx) {
		for _, key := range malformed {
			tx.Delete(key)
		}
	})
	if n, err := w.svc.PurgeDue(w.ctx()); n != 1 || err != nil {
		t.Errorf("the last run purged %d, %v", n, err)
	}
	checkPurgedOnce(t, w, 7)
}
