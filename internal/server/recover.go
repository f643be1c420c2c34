package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
)

// The functions of this file change the wraps of a keyring. They work on a data
// directory that no server uses, because a server keeps its keyring as it was when
// it started.

// Recover opens the keyring with the recovery key and has it open from then on
// with that and a new root key, and with no other. The new root key is that of
// the configured URI: a file that must not exist, or a passphrase. It returns the
// URIs of the roots that no longer count. Whenever it fails or is interrupted, it
// can be called again.
func Recover(ctx context.Context, cfg DataConfig, recovery seal.Root, logger *slog.Logger) (dropped []string, err error) {
	err = onKeyring(ctx, cfg, logger, func(s store.Store) error {
		k, err := seal.Open(ctx, s, recovery)
		if errors.Is(err, seal.ErrNoRoot) {
			return fmt.Errorf("%w; this recovery key has been replaced since, or is that of another installation", err)
		} else if err != nil {
			return err
		}
		root, place, err := newRoot(cfg)
		if err != nil {
			return err
		}
		if err := noteOperator(ctx, s, k, "RootKeyRecover", logger); err != nil {
			return errors.Join(err, place(false))
		}
		before := k.Roots()
		if err := k.Rewrap(ctx, s, root, recovery); err != nil {
			return errors.Join(err, place(false))
		}
		for _, uri := range before {
			if uri != recovery.URI() {
				dropped = append(dropped, uri)
			}
		}
		return place(true)
	})
	return dropped, err
}

// newRoot returns the new root key of the configured URI. If it is a file, place
// puts it there, or gives it up.
func newRoot(cfg DataConfig) (root seal.Root, place func(keep bool) error, err error) {
	if !strings.HasPrefix(cfg.Root, "file:") {
		if root, err = cfg.openRoot(cfg.Root); err == nil {
			err = seal.CheckNewRoot(root)
		}
		return root, func(bool) error { return nil }, err
	}
	key, err := seal.NewRootFile(seal.PathOfURI(cfg.Root))
	if err != nil {
		return nil, nil, err
	}
	return key.Root(), keyPlacer(key), nil
}

func keyPlacer(key *seal.NewKey) func(keep bool) error {
	return func(keep bool) error {
		if !keep {
			return key.Discard()
		}
		return key.Place()
	}
}

// ReplaceRecoveryKey opens the keyring with the root key and has it open from
// then on with that and a new recovery key, and with no other. The recovery key is
// written to the file, which must not exist, or returned if no file is given.
func ReplaceRecoveryKey(ctx context.Context, cfg DataConfig, file string, logger *slog.Logger) (uri string, text secret.Bytes, err error) {
	err = onKeyring(ctx, cfg, logger, func(s store.Store) error {
		root, k, err := cfg.openKeyring(ctx, s)
		if err != nil {
			return err
		}
		recovery, place := seal.Root(nil), func(bool) error { return nil }
		if file == "" {
			recovery, text, err = seal.NewRecoveryKey()
		} else {
			var key *seal.NewKey
			if key, err = seal.NewRecoveryFile(file); err == nil {
				recovery, place = key.Root(), keyPlacer(key)
			}
		}
		if err != nil {
			return err
		}
		uri = recovery.URI()
		if err := noteOperator(ctx, s, k, "RecoveryKeyReplace", logger); err != nil {
			return errors.Join(err, place(false))
		}
		if err := k.Rewrap(ctx, s, root, recovery); err != nil {
			return errors.Join(err, place(false))
		}
		return place(true)
	})
	return uri, text, err
}

// openKeyring opens the keyring of a store with the root key of the configured URI.
func (cfg *DataConfig) openKeyring(ctx context.Context, s store.Store) (seal.Root, *seal.Keyring, error) {
	root, err := cfg.openRoot(cfg.Root)
	if err != nil {
		return nil, nil, cfg.explainRoot(err)
	}
	k, err := seal.Open(ctx, s, root)
	if err != nil {
		return nil, nil, cfg.explainRoot(err)
	}
	return root, k, nil
}

// noteOperator puts a record into the audit log of the next server, before the
// keys change. The caller is nobody the service knows: who holds the machine.
func noteOperator(ctx context.Context, s store.Store, k *seal.Keyring, operation string, logger *slog.Logger) error {
	log := waitingAudit(s, k, logger)
	entry, err := log.Prepare(&audit.Record{Operation: operation})
	if err != nil {
		return err
	}
	return s.Update(ctx, func(tx store.Tx) error {
		log.Append(tx, entry)
		return nil
	})
}

// onKeyring calls fn with the store of an installation.
func onKeyring(ctx context.Context, cfg DataConfig, logger *slog.Logger, fn func(store.Store) error) (err error) {
	if err := checkInstalled(cfg.Dir); err != nil {
		return err
	}
	var s *pebble.Store
	if s, err = openStore(cfg, logger); errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%w: stop okv serve first", err)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if empty, err := isEmpty(ctx, s); err != nil {
		return err
	} else if empty {
		return errNotInitialised(cfg.Dir)
	}
	return fn(s)
}
