package bench

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
)

// engineSpec is the storage engine alone, committing what the service commits.
type engineSpec struct {
	Dir     string  `json:"dir"`
	Writers int     `json:"writers"`
	Writes  []write `json:"writes"` // of one commit
	Names   int     `json:"names"`  // of secrets
}

// write is one write of a commit.
type write struct {
	Key  []byte `json:"key"`
	Size int    `json:"size"` // of the value
	// NameAt and IDAt are where in the key a secret's name and a random or
	// time-ordered id stand; -1 where there is none. A key without an id is
	// written over.
	NameAt int `json:"nameAt"`
	IDAt   int `json:"idAt"`
}

const idLength = 32 // hexadecimal digits

// engine is the job of the engine alone.
type engine struct {
	spec    *engineSpec
	store   *pebble.Store
	commits atomic.Uint64
}

func newEngine(s *engineSpec) (*engine, error) {
	db, err := pebble.Open(pebble.Config{Dir: s.Dir})
	if err != nil {
		return nil, err
	}
	e := &engine{spec: s, store: db}
	// Ids go on growing when the directory is opened again.
	e.commits.Store(uint64(time.Now().UnixMicro()))
	return e, nil
}

func (e *engine) address() string { return "" }

func (e *engine) close() error { return e.store.Close() }

// run commits with all writers until the task's bound.
func (e *engine) run(ctx context.Context, t task) (work, error) {
	started := time.Now()
	var done atomic.Int64
	took := make([]histogram, e.spec.Writers)
	errs := make([]error, e.spec.Writers)
	var all sync.WaitGroup
	for i := range e.spec.Writers {
		all.Go(func() {
			w := newWriter(e)
			for errs[i] == nil && !t.ended(done.Load(), started) {
				began := time.Now()
				errs[i] = w.commit(ctx)
				took[i].add(time.Since(began))
				done.Add(1)
			}
		})
	}
	all.Wait()
	w := work{Done: done.Load(), Elapsed: time.Since(started)}
	w.percentiles(took)
	return w, errors.Join(errs...)
}

// writer makes and commits what one caller of the service writes.
type writer struct {
	engine *engine
	random *rand.ChaCha8
	keys   [][]byte
	values [][]byte
}

func newWriter(e *engine) *writer {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], rand.Uint64())
	w := &writer{engine: e, random: rand.NewChaCha8(seed)}
	for _, one := range e.spec.Writes {
		w.keys = append(w.keys, append([]byte(nil), one.Key...))
		w.values = append(w.values, make([]byte, one.Size))
	}
	return w
}

// commit writes values that nothing can compress, as sealed ones are.
func (w *writer) commit(ctx context.Context) error {
	n := w.engine.commits.Add(1)
	for i, one := range w.engine.spec.Writes {
		_, _ = w.random.Read(w.values[i]) // never fails
		if one.NameAt >= 0 {
			appendName(w.keys[i][:one.NameAt], int(n%uint64(w.engine.spec.Names)))
		}
		if one.IDAt >= 0 {
			w.putID(w.keys[i][one.IDAt:one.IDAt+idLength], n, one.NameAt < 0)
		}
	}
	return w.engine.store.Update(ctx, func(tx store.Tx) error {
		for i := range w.keys {
			tx.Put(w.keys[i], w.values[i])
		}
		return nil
	})
}

// putID writes the id of a version, which is random, or of an audit record,
// which begins with the time.
func (w *writer) putID(dst []byte, n uint64, ordered bool) {
	var id [idLength / 2]byte
	_, _ = w.random.Read(id[:])
	if ordered {
		binary.BigEndian.PutUint64(id[:], n)
	}
	hex.Encode(dst, id[:])
}
