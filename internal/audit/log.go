package audit

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// Sink is where records end up.
type Sink interface {
	// Write appends one record, a JSON object without a line end. It returns
	// once the record has left the process, and does not keep it.
	Write(record []byte) error
	// Sync makes everything written so far survive a power cut. It is also how
	// the log finds out whether a sink that failed works again.
	Sync() error
}

// Sealer protects records while they wait in the store.
type Sealer interface {
	Seal(recordKey, plaintext []byte) ([]byte, error)
	Open(recordKey, sealed []byte) ([]byte, error)
}

// Config is what a Log works with. All fields are required.
type Config struct {
	Store  store.Store
	Sealer Sealer
	Sink   Sink
	Now    func() time.Time // the wall clock
	Logger *slog.Logger
}

// Log writes the records of one node. It is safe for concurrent use.
type Log struct {
	cfg    Config
	failed atomic.Bool   // the sink's last call failed
	wake   chan struct{} // capacity 1: mutations may wait in the store

	mu   sync.Mutex // guards last
	last uint64     // the time part of the newest id

	// exporting is held over a whole Export: two at once would write everything
	// twice.
	exporting sync.Mutex
}

const (
	exportBatch    = store.MaxUpdateWrites
	exportInterval = time.Second           // looks for what a wake-up came too early for
	exportDelay    = 20 * time.Millisecond // gathers what commits together
)

var waiting = tuple.Key("audit")

// New returns a log. Run exports what mutations leave in the store.
func New(cfg Config) *Log {
	return &Log{cfg: cfg, wake: make(chan struct{}, 1)}
}

// Ready returns nil, or a *fault.Error of kind Unavailable while the sink
// fails: an operation that could not be audited must not begin.
func (l *Log) Ready() error {
	if l.failed.Load() {
		return unavailable()
	}
	return nil
}

func unavailable() error {
	return fault.New(fault.Unavailable, "ServiceUnavailable",
		"The audit log cannot be written, so no operation is carried out. Retry later; the operator finds the cause in the server's log.")
}

// Write records a read or a refusal, and sets the record's id and time. When it returns an error, the answer must
// not be sent: the error is a *fault.Error of kind Unavailable.
func (l *Log) Write(_ context.Context, r *Record) error {
	l.stamp(r)
	room := lines.Get().(*line)
	defer room.free()
	room.text = r.appendJSON(room.text[:0])
	if err := l.cfg.Sink.Write(room.text); err != nil {
		l.fail(err)
		return unavailable()
	}
	return nil
}

// Entry is a record that waits for its transaction.
type Entry struct {
	key    []byte
	sealed []byte
}

// Prepare sets the id and time of the record of a mutation. It is called
// before the update, because the update's function may run several times.
func (l *Log) Prepare(r *Record) (Entry, error) {
	l.stamp(r)
	room := lines.Get().(*line)
	defer room.free()
	room.text = r.appendJSON(room.text[:0])
	key := tuple.Append(waiting[:len(waiting):len(waiting)], r.ID)
	sealed, err := l.cfg.Sealer.Seal(key, room.text)
	if err != nil {
		return Entry{}, fmt.Errorf("sealing an audit record: %w", err)
	}
	return Entry{key, sealed}, nil
}

// Append makes the entry part of the transaction.
func (l *Log) Append(tx store.Tx, e Entry) {
	tx.Put(e.key, e.sealed)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// stamp sets the record's time and its id: the time in microseconds, made
// unique and increasing within the process, then 64 random bits.
func (l *Log) stamp(r *Record) {
	now := l.cfg.Now()
	l.mu.Lock()
	l.last = max(l.last+1, uint64(now.UnixMicro()))
	order := l.last
	l.mu.Unlock()
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], order)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	r.Time = now.UTC()
	r.ID = hex.EncodeToString(id[:])
}

func (l *Log) fail(err error) {
	if !l.failed.Swap(true) {
		l.cfg.Logger.Error("audit sink failed: operations are refused until it works again", "error", err)
	}
}

func (l *Log) recovered() {
	if l.failed.Swap(false) {
		l.cfg.Logger.Info("audit sink works again")
	}
}

// Run exports the records of mutations until ctx ends, then exports what is
// left and returns. Records leave the store only after the sink has them, so a
// crash repeats some (their ids tell) and loses none.
func (l *Log) Run(ctx context.Context) {
	ticker := time.NewTicker(exportInterval)
	defer ticker.Stop()
	for {
		ended := ctx.Err() != nil
		if l.failed.Load() && l.cfg.Sink.Sync() == nil {
			l.recovered()
		}
		if err := l.Export(context.WithoutCancel(ctx)); err != nil && !errors.Is(err, store.ErrClosed) {
			l.cfg.Logger.Error("exporting audit records", "error", err)
		}
		if ended {
			return
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-l.wake:
			select {
			case <-ctx.Done():
			case <-time.After(exportDelay):
			}
		}
	}
}

// Export moves every record that waits in the store to the sink, in order of
// id.
func (l *Log) Export(ctx context.Context) error {
	l.exporting.Lock()
	defer l.exporting.Unlock()
	left := tuple.Prefix(waiting)
	for {
		var batch []store.Entry
		err := l.cfg.Store.View(ctx, func(v store.View) (err error) {
			batch, err = v.Scan(left, exportBatch)
			return err
		})
		if err != nil || len(batch) == 0 {
			return err
		}
		if err := l.export(batch); err != nil {
			return err
		}
		err = l.cfg.Store.Update(ctx, func(tx store.Tx) error {
			for _, e := range batch {
				tx.Delete(e.Key)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("removing exported audit records: %w", err)
		}
		// An engine may have to step over what was removed until it tidies up. A
		// record that is committed meanwhile with an earlier id is found next time.
		left.Start = tuple.After(batch[len(batch)-1].Key)
	}
}

func (l *Log) export(batch []store.Entry) error {
	for _, e := range batch {
		plain, err := l.cfg.Sealer.Open(e.Key, e.Value)
		if err != nil {
			return fmt.Errorf("opening an audit record: %w", err)
		}
		if err := l.cfg.Sink.Write(plain); err != nil {
			l.fail(err)
			return err
		}
	}
	if err := l.cfg.Sink.Sync(); err != nil {
		l.fail(err)
		return err
	}
	return nil
}
