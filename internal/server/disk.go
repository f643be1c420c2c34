package server

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// A full disk must not reach the engine: a log that cannot be written leaves it
// unable to promise anything, and ends the process. So changes are refused while
// there is still room, and the audit log, which reads need, may fill three
// quarters of what is left before it, too, stops.
const (
	auditShare = 4 // of the reserve, one part in so many is nobody's
	startShare = 8 // and with one in so many the engine can be opened
)

// disk is the room on the file system that holds a path. It is safe for
// concurrent use.
type disk struct {
	path  string
	probe func(path string) (free uint64, err error)
	keep  time.Duration // for how long an answer is good
	log   *slog.Logger

	mu    sync.Mutex // guards all below; held while the system is asked, once for all who wait
	free  uint64
	asked time.Time
}

// probeInterval is long enough that asking costs nothing, and short enough that
// nobody fills a reserve in it.
const probeInterval = 100 * time.Millisecond

// room returns how many bytes may still be written. A file system that does not
// say is taken for one with room: the engine finds out.
func (d *disk) room() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); d.asked.IsZero() || now.Sub(d.asked) >= d.keep {
		free, err := d.probe(d.path)
		if err != nil {
			if d.free != math.MaxUint64 {
				d.log.Warn("the room on the disk is not known, so that none is kept in reserve", "path", d.path, "error", err)
			}
			free = math.MaxUint64
		}
		d.free, d.asked = free, now
	}
	return d.free
}

// reserved is a store that keeps room on its disk: below the reserve it refuses
// updates, but for those that only remove, or that remove a range, which is how
// room is made.
type reserved struct {
	store.Store
	disk    *disk
	reserve uint64
	low     atomic.Bool // for the log
}

// Update refuses with a *fault.Error of kind Unavailable.
func (s *reserved) Update(ctx context.Context, fn func(store.Tx) error) error {
	room := s.check()
	switch {
	case room >= s.reserve:
		return s.Store.Update(ctx, fn)
	case room < s.reserve/auditShare:
		return noRoom()
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		t := &frugalTx{Tx: tx}
		if err := fn(t); err != nil {
			return err
		}
		if t.puts && !t.removes {
			return noRoom()
		}
		return nil
	})
}

// check returns the room, and logs when it falls below the reserve or rises
// above.
func (s *reserved) check() uint64 {
	room := s.disk.room()
	if low := room < s.reserve; low != s.low.Load() && s.low.CompareAndSwap(!low, low) {
		if low {
			s.disk.log.Error("the disk is nearly full: changes are refused until there is room again", "path", s.disk.path, "free", room, "reserve", s.reserve)
		} else {
			s.disk.log.Info("the disk has room again", "path", s.disk.path, "free", room)
		}
	}
	return room
}

func noRoom() error {
	return fault.New(fault.Unavailable, "ServiceUnavailable",
		"The service has no room for more, so that nothing is changed; reading goes on. Retry later; the operator finds the cause in the server's log.")
}

// frugalTx notes what an update does.
type frugalTx struct {
	store.Tx
	puts, removes bool
}

func (t *frugalTx) Put(key, value []byte) {
	t.puts = true
	t.Tx.Put(key, value)
}

func (t *frugalTx) DeleteRange(r store.Range) {
	t.removes = true
	t.Tx.DeleteRange(r)
}
