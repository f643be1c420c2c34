package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// DataConfig says where the records of a server are kept. The zero value keeps
// them in memory, under a root key that is gone with the process.
type DataConfig struct {
	// Dir is the data directory. It holds the database in "store".
	Dir string
	// Root is the URI of the root key. Empty means the file "root.key" in Dir,
	// which is made when the directory is new. Then whoever can read the
	// directory can open everything in it.
	Root string
	// OpenRoot opens the root key of a URI; nil is seal.OpenRoot.
	OpenRoot func(uri string) (seal.Root, error)
	// MustExist refuses a directory that Init has not finished, or not begun.
	MustExist bool
	// AuditFile is the audit log; empty means "audit.log" in Dir.
	AuditFile string
	// DiskReserve is how many bytes are left free on the disk: with less, changes
	// are refused. Zero keeps none.
	DiskReserve uint64
	// DisableCompression is for tests that search the files of the database.
	DisableCompression bool

	// freeSpace is a seam for tests.
	freeSpace func(path string) (uint64, error)
}

// data is everything below the domain.
type data struct {
	store *pebble.Store
	// records is the store for the domain: with room kept on its disk.
	records store.Store
	room    *reserved // nil if no room is kept
	keyring *seal.Keyring
	backups *seal.BackupKeys
	catalog *catalog.Catalog
	audit   *audit.Log
	sink    *auditSink // nil in memory
}

func openData(ctx context.Context, cfg DataConfig, logger *slog.Logger) (_ *data, err error) {
	d := &data{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	var root seal.Root
	if cfg.Dir == "" {
		root, err = d.openMemory()
	} else {
		root, err = d.openDir(ctx, cfg, logger)
	}
	if err != nil {
		return nil, err
	}
	if d.keyring, err = seal.Open(ctx, d.store, root); err != nil {
		return nil, cfg.explainRoot(err)
	}
	if d.backups, err = seal.OpenBackupKeys(ctx, d.store, d.keyring); err != nil {
		return nil, err
	}
	d.catalog = catalog.New(catalog.Config{Store: d.records, Keyring: d.keyring})
	var sink audit.Sink = audit.Discard{}
	if d.sink != nil {
		sink = d.sink
	}
	d.audit = audit.New(audit.Config{
		Store: d.store, Sealer: d.keyring.System(), Sink: sink, Now: time.Now, Logger: logger,
	})
	return d, nil
}

func (d *data) openMemory() (root seal.Root, err error) {
	if d.store, err = pebble.OpenMemory(); err != nil {
		return nil, err
	}
	d.records = d.store
	return seal.EphemeralRoot()
}

func (d *data) openDir(ctx context.Context, cfg DataConfig, logger *slog.Logger) (root seal.Root, err error) {
	if cfg.MustExist {
		err = checkInstalled(cfg.Dir)
	} else if err = os.MkdirAll(cfg.Dir, 0o700); err != nil {
		err = fmt.Errorf("creating the data directory: %w", err)
	}
	if err != nil {
		return nil, err
	}
	if d.store, err = openStore(cfg, logger); err != nil {
		return nil, err
	}
	d.records = d.store
	if cfg.DiskReserve > 0 {
		d.room = &reserved{Store: d.store, disk: newDisk(cfg, cfg.Dir, logger), reserve: cfg.DiskReserve}
		d.records = d.room
	}
	if root, err = openRoot(ctx, cfg, d.store); err != nil {
		return nil, cfg.explainRoot(err)
	}
	file := cfg.AuditFile
	if file == "" {
		file = filepath.Join(cfg.Dir, "audit.log")
	}
	d.sink, err = openAuditSink(file, newDisk(cfg, filepath.Dir(file), logger), cfg.DiskReserve)
	return root, err
}

// openStore opens the database of a data directory that exists.
func openStore(cfg DataConfig, logger *slog.Logger) (*pebble.Store, error) {
	if err := cfg.checkRoom(); err != nil {
		return nil, err
	}
	s, err := pebble.Open(pebble.Config{
		Dir: filepath.Join(cfg.Dir, "store"), Logger: logger, DisableCompression: cfg.DisableCompression,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the data directory %s: %w", cfg.Dir, err)
	}
	return s, nil
}

func newDisk(cfg DataConfig, path string, logger *slog.Logger) *disk {
	d := &disk{path: path, probe: cfg.probe(), keep: probeInterval, log: logger}
	if cfg.freeSpace != nil {
		d.keep = 0
	}
	return d
}

func (cfg DataConfig) probe() func(path string) (uint64, error) {
	if cfg.freeSpace != nil {
		return cfg.freeSpace
	}
	return pebble.FreeSpace
}

// checkRoom refuses to open a database where the engine would try for ever to
// write what it finds in its log.
func (cfg DataConfig) checkRoom() error {
	need := cfg.DiskReserve / startShare
	if free, err := cfg.probe()(cfg.Dir); err == nil && free < need {
		return fmt.Errorf("the disk of %s has %d KiB of room, and the server needs %d MiB to start: make room there", cfg.Dir, free>>10, need>>20)
	}
	return nil
}

// openRoot opens the root key, after the database, whose lock keeps two
// processes from making two root keys.
func openRoot(ctx context.Context, cfg DataConfig, s store.Store) (seal.Root, error) {
	empty, err := isEmpty(ctx, s)
	if err != nil {
		return nil, err
	}
	if empty && cfg.MustExist {
		return nil, errNotInitialised(cfg.Dir)
	}
	if cfg.Root != "" {
		return cfg.openRoot(cfg.Root)
	}
	path, err := filepath.Abs(filepath.Join(cfg.Dir, "root.key"))
	if err != nil {
		return nil, err
	}
	// Beside a database that has records, a new root key would open nothing and
	// look as if it were the right one.
	if empty {
		if err := seal.CreateRootFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return cfg.openRoot(seal.FileURI(path))
}

func (cfg DataConfig) openRoot(uri string) (seal.Root, error) {
	if cfg.OpenRoot != nil {
		return cfg.OpenRoot(uri)
	}
	return seal.OpenRoot(uri)
}

// explainRoot says what is left when a root key is lost, where there is a
// recovery key.
func (cfg DataConfig) explainRoot(err error) error {
	if cfg.MustExist && (errors.Is(err, seal.ErrNoRoot) || errors.Is(err, fs.ErrNotExist)) {
		return fmt.Errorf("%w; if it is lost, okv operator recover makes a new one with the recovery key", err)
	}
	return err
}

func isEmpty(ctx context.Context, s store.Store) (empty bool, err error) {
	err = s.View(ctx, func(v store.View) error {
		entries, err := v.Scan(tuple.Prefix(nil), 1)
		empty = len(entries) == 0
		return err
	})
	return empty, err
}

func (d *data) close() error {
	var errs []error
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	if d.sink != nil {
		errs = append(errs, d.sink.Close())
	}
	return errors.Join(errs...)
}
