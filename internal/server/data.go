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
	// Dir is the data directory. It holds the database in "store", and the
	// audit log in "audit.log".
	Dir string
	// Root is the URI of the root key. Empty means the file "root.key" in Dir,
	// which is made when the directory is new. Then whoever can read the
	// directory can open everything in it.
	Root string
	// DisableCompression is for tests that search the files of the database.
	DisableCompression bool
}

// data is everything below the domain.
type data struct {
	store   *pebble.Store
	keyring *seal.Keyring
	backups *seal.BackupKeys
	catalog *catalog.Catalog
	audit   *audit.Log
	sink    *audit.File // nil in memory
}

func openData(ctx context.Context, cfg DataConfig, logger *slog.Logger) (_ *data, err error) {
	d := &data{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	var sink audit.Sink = audit.Discard{}
	var root seal.Root
	if cfg.Dir == "" {
		if d.store, err = pebble.OpenMemory(); err != nil {
			return nil, err
		}
		if root, err = seal.EphemeralRoot(); err != nil {
			return nil, err
		}
	} else {
		if err = os.MkdirAll(cfg.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("creating the data directory: %w", err)
		}
		d.store, err = pebble.Open(pebble.Config{
			Dir: filepath.Join(cfg.Dir, "store"), Logger: logger, DisableCompression: cfg.DisableCompression,
		})
		if err != nil {
			return nil, fmt.Errorf("opening the data directory %s: %w", cfg.Dir, err)
		}
		if root, err = openRoot(ctx, cfg, d.store); err != nil {
			return nil, err
		}
		if d.sink, err = audit.OpenFile(filepath.Join(cfg.Dir, "audit.log")); err != nil {
			return nil, err
		}
		sink = d.sink
	}
	if d.keyring, err = seal.Open(ctx, d.store, root); err != nil {
		return nil, err
	}
	if d.backups, err = seal.OpenBackupKeys(ctx, d.store, d.keyring); err != nil {
		return nil, err
	}
	d.catalog = catalog.New(catalog.Config{Store: d.store, Keyring: d.keyring})
	d.audit = audit.New(audit.Config{
		Store: d.store, Sealer: d.keyring.System(), Sink: sink, Now: time.Now, Logger: logger,
	})
	return d, nil
}

// openRoot opens the root key, after the database, whose lock keeps two
// processes from making two root keys.
func openRoot(ctx context.Context, cfg DataConfig, s store.Store) (seal.Root, error) {
	if cfg.Root != "" {
		return seal.OpenRoot(cfg.Root)
	}
	path, err := filepath.Abs(filepath.Join(cfg.Dir, "root.key"))
	if err != nil {
		return nil, err
	}
	// Beside a database that has records, a new root key would open nothing and
	// look as if it were the right one.
	if empty, err := isEmpty(ctx, s); err != nil {
		return nil, err
	} else if empty {
		if err := seal.CreateRootFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return seal.OpenRoot(seal.FileURI(path))
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
