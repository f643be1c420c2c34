// Package pebble is the embedded engine of store.Store: one directory on one
// machine, or memory.
//
// It guarantees what package store asks for. Pebble itself lets readers see a
// write before it is on disk, so this package puts one committer in front of
// it: the committer lets waiting updates run one after the other against one
// batch, commits the batch with a sync, takes a snapshot, publishes it, and only
// then lets those updates return. View reads the published snapshot and nothing
// else, so no answer can be lost by a power cut. Updates are serialisable
// because they are serial, and never conflict.
//
// A write or sync error of the log leaves the disk's state unknown, so it ends
// the process (see Config.OnFatal); what was acknowledged is found again on the
// next start.
//
// The package knows nothing of what keys and values mean. It imports no other
// part of the house than package store.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// The engine shares a budget of 40 MB with the rest of an idle process. The
// block cache fills with use; a memtable is allocated in steps up to its size.
const (
	cacheBytes    = 32 << 20
	memtableBytes = 4 << 20
	maxOpenFiles  = 256
)

// pebbleFormat is pinned, because a directory that was opened with a newer
// format can never be opened by an older program again. Raising it is a change
// to write down for those who upgrade.
const pebbleFormat = crdb.FormatTableFormatV6

// Config says where the database is and how it reports.
type Config struct {
	// Dir is a directory of the engine's own. It is created with mode 0700, or
	// narrowed to it. A directory that holds anything else is refused.
	Dir string
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// Logger receives what the engine reports; nil is slog.Default(). It sees
	// file names and sizes, at debug level also keys, never values.
	Logger *slog.Logger
	// DisableCompression stores blocks as they are, so that a test can search
	// the files for bytes that must not be there.
	DisableCompression bool
	// OnFatal is called once, from any goroutine, when the engine can no longer
	// promise durability. By then every waiting and later call fails with
	// store.ErrClosed. Nil ends the process with status 1, which is what a
	// server wants; if a given function returns, the engine's own goroutines
	// stay parked and its memory is not released.
	OnFatal func(error)

	// tune and writeOptions are seams for tests.
	tune         func(*crdb.Options)
	writeOptions *crdb.WriteOptions
}

// Store is a store.Store in a Pebble database.
type Store struct {
	db           *crdb.DB
	lock         *crdb.Lock
	log          *slog.Logger
	onFatal      func(error)
	writeOptions *crdb.WriteOptions

	// turns hands the turn to write, with the group to write to, from the
	// committer to one waiting update. It is unbuffered: who gives up waiting
	// has had no turn.
	turns chan *group
	// revision is the last one given out. It belongs to the holder of the turn.
	revision uint64

	records recordCache

	stopping chan struct{} // closed when Close begins
	drained  chan struct{} // closed when the committer has ended
	failed   chan struct{} // closed once failure is set

	failOnce  sync.Once
	failure   error // written before failed is closed
	closeOnce sync.Once
	closeErr  error

	mu         sync.Mutex
	closed     bool                   // guarded by mu
	published  *snapshot              // guarded by mu, as is every snapshot's refs
	superseded map[*snapshot]struct{} // those that views still use; guarded by mu
	users      sync.WaitGroup         // added to under mu while closed is false
}

var _ store.Store = (*Store)(nil)

// Open opens the database in cfg.Dir, creating it if the directory is empty or
// absent. Its error wraps store.ErrLocked when another process, or this one, has
// it open already.
func Open(cfg Config) (_ *Store, err error) {
	if cfg.Dir == "" {
		return nil, errors.New("opening the store: no directory given")
	}
	s := newStore(cfg)
	fs := cfg.FS
	if fs == nil {
		fs = vfs.Default
		if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
			return nil, fmt.Errorf("opening the store: %w", err)
		}
	}
	if err := s.open(cfg, fs); err != nil {
		if s.lock != nil {
			err = errors.Join(err, s.lock.Close())
		}
		return nil, fmt.Errorf("opening the store in %s: %w", cfg.Dir, err)
	}
	go s.run()
	return s, nil
}

// OpenMemory returns an empty store in memory, gone when it is closed.
func OpenMemory() (*Store, error) {
	return Open(Config{Dir: "store", FS: vfs.NewMem()})
}

func newStore(cfg Config) *Store {
	s := &Store{
		log:          cfg.Logger,
		onFatal:      cfg.OnFatal,
		writeOptions: cfg.writeOptions,
		turns:        make(chan *group),
		stopping:     make(chan struct{}),
		drained:      make(chan struct{}),
		failed:       make(chan struct{}),
		superseded:   make(map[*snapshot]struct{}),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.onFatal == nil {
		s.onFatal = func(error) { os.Exit(1) }
	}
	if s.writeOptions == nil {
		s.writeOptions = crdb.Sync
	}
	return s
}

func (s *Store) open(cfg Config, fs vfs.FS) error {
	d := directory{fs: fs, path: cfg.Dir, isOS: cfg.FS == nil}
	if err := d.prepare(); err != nil {
		return err
	}
	d, err := d.resolved()
	if err != nil {
		return err
	}
	if s.lock, err = d.lock(); err != nil {
		return err
	}
	complete, err := d.begin()
	if err != nil {
		return err
	}
	if s.db, err = openDB(d.path, s.options(cfg)); err != nil {
		return err
	}
	if !complete {
		err = d.complete()
	}
	if err == nil {
		s.revision, err = readRevision(s.db)
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	s.published = newSnapshot(s.db, 0)
	return nil
}

func (s *Store) options(cfg Config) *crdb.Options {
	log := &logger{store: s}
	opts := &crdb.Options{
		FS:                 cfg.FS,
		Lock:               s.lock,
		Logger:             log,
		EventListener:      log.listener(),
		CacheSize:          cacheBytes,
		MemTableSize:       memtableBytes,
		MaxOpenFiles:       maxOpenFiles,
		FormatMajorVersion: pebbleFormat,
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		if cfg.DisableCompression {
			opts.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
		}
	}
	if opts.FS == nil {
		opts.WithFSDefaults()
	}
	opts.FS = markerFS{opts.FS}
	if cfg.tune != nil {
		cfg.tune(opts)
	}
	return opts
}

// openDB turns a fatal error while opening, which has nobody to tell but the
// caller, into an error.
func openDB(dir string, opts *crdb.Options) (db *crdb.DB, err error) {
	log := opts.Logger.(*logger)
	log.opening.Store(true)
	defer log.opening.Store(false)
	defer func() {
		switch v := recover().(type) {
		case nil:
		case error:
			db, err = nil, v
		default:
			panic(v)
		}
	}()
	return crdb.Open(dir, opts)
}

// Compact rewrites the files that hold keys of the range, so that what was
// deleted or replaced there before the call is in no table file of the database
// any more; files that it has replaced are removed in the background. It is the
// second half of a purge: DeleteRange makes data unreadable at once, Compact
// removes its bytes. A closed segment of the log keeps sealed copies until it is
// written over. Reading and writing go on meanwhile, but Compact waits for the
// views that began before the last update and must not be called inside one.
func (s *Store) Compact(ctx context.Context, r store.Range) error {
	if emptyRange(r) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := s.acquire()
	if err != nil {
		return err
	}
	// Held as a user, so that Close waits, but not as a reader: a snapshot held
	// over the compaction could keep what it shows from being dropped.
	s.release(p)
	done := make(chan error, 1)
	go func() {
		defer s.users.Done()
		done <- s.compact(ctx, r)
	}()
	// After a fatal error Pebble may never come back.
	select {
	case err = <-done:
	case <-s.failed:
	}
	if failure := s.stopped(); failure != nil {
		return failure
	}
	if err != nil {
		return fmt.Errorf("compacting: %w", err)
	}
	return nil
}

func (s *Store) compact(ctx context.Context, r store.Range) error {
	defer func() {
		// As in commit: Pebble panics when it cannot write to its log.
		if v := recover(); v != nil {
			s.fail(fmt.Errorf("compacting: %v", v))
		}
	}()
	if err := s.awaitOlderViews(ctx); err != nil {
		return err
	}
	start, end := recordKey(nil, r.Start), recordKey(nil, r.End)
	// Pebble compacts a level into the next and so never rewrites a file of the
	// last level by itself, where a value and its deletion stand side by side if
	// a view needed both when they got there. A range key is in nobody's way:
	// the engine has none, but on its way down its deletion takes along every
	// file of the range.
	if err := s.db.RangeKeyDelete(start, end, crdb.NoSync); err != nil {
		return err
	}
	return s.db.Compact(ctx, start, end, false)
}

// Close lets the updates that have had their turn commit, refuses the others
// with store.ErrClosed, waits for running views and releases the directory. It
// must not be called from inside View or Update. After a fatal error it returns
// that error and releases nothing.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Store) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.stopping)
	select {
	case <-s.drained:
	case <-s.failed:
	}
	select {
	case <-s.failed:
		return s.failure
	default:
	}
	s.users.Wait()
	err := s.published.Close()
	if closeErr := s.db.Close(); err == nil {
		err = closeErr
	}
	if closeErr := s.lock.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}
