package bench

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// recorder is a store that remembers the last update's writes.
type recorder struct {
	store.Store
	last []store.Entry
}

// Update implements store.Store.
func (r *recorder) Update(ctx context.Context, fn func(store.Tx) error) error {
	return r.Store.Update(ctx, func(tx store.Tx) error {
		r.last = nil
		return fn(&recordingTx{tx, r})
	})
}

type recordingTx struct {
	store.Tx
	*recorder
}

// Put implements store.Tx.
func (t *recordingTx) Put(key, value []byte) {
	t.last = append(t.last, store.Entry{Key: bytes.Clone(key), Record: store.Record{Value: bytes.Clone(value)}})
	t.Tx.Put(key, value)
}

// writesOfSet returns what the service commits, with its audit record, when a
// caller sets a secret that exists: found by having it do so.
func writesOfSet(ctx context.Context) (writes []write, err error) {
	memory, err := pebble.OpenMemory()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	r := &recorder{Store: memory}
	vaults, err := domainOver(ctx, r)
	if err != nil {
		return nil, err
	}
	name := string(appendName(nil, 0))
	seen := map[string]bool{}
	for range 2 {
		for _, w := range r.last {
			seen[string(w.Key)] = true
		}
		caller := owner
		caller.Issuer = "https://sts.windows.net/" + owner.TenantID + "/"
		_, err := vaults.SetSecret(ctx, vault.Call{Caller: caller, Vault: byRoles, Origin: audit.Origin{
			RequestID: httpx.NewRequestID(), ClientRequestID: requestID, Address: "127.0.0.1", UserAgent: userAgent, APIVersion: apiVersion,
		}}, name, vault.SetSecret{Value: secret.New([]byte(secretValue)), ContentType: &secretType, Tags: secretTags})
		if err != nil {
			return nil, err
		}
	}
	for _, e := range r.last {
		w := write{Key: e.Key, Size: len(e.Value), NameAt: bytes.Index(e.Key, []byte(name)), IDAt: -1}
		if !seen[string(e.Key)] {
			// An id is the last element of a key: a terminator follows.
			w.IDAt = len(e.Key) - idLength - 2
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// domainOver returns the domain over a store, as package server connects it.
func domainOver(ctx context.Context, s store.Store) (*vault.Service, error) {
	root, err := seal.EphemeralRoot()
	if err != nil {
		return nil, err
	}
	keyring, err := seal.Open(ctx, s, root)
	if err != nil {
		return nil, err
	}
	backups, err := seal.OpenBackupKeys(ctx, s, keyring)
	if err != nil {
		return nil, err
	}
	vaults := catalog.New(catalog.Config{Store: s, Keyring: keyring})
	log := audit.New(audit.Config{Store: s, Sealer: keyring.System(), Sink: audit.Discard{}, Now: time.Now, Logger: slog.Default()})
	resources := resource.New(resource.Config{
		Store: s, Catalog: vaults, Keyring: keyring, Audit: log, Now: time.Now, Logger: slog.Default(),
	})
	if err := furnishVaults(ctx, resources); err != nil {
		return nil, err
	}
	return vault.New(vault.Config{
		Store: s, Catalog: vaults, Audit: log, Backups: backups, Now: time.Now, Logger: slog.Default(),
	}), nil
}
