package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// dueBatch is how many due records one scan returns.
const dueBatch = 100

// PurgeDue purges every deleted object whose scheduled purge date has come by the
// domain clock, in deleted vaults too, and returns how many. Any number of
// processes may call it at any time: each object is purged, counted and audited
// once. What cannot be purged is skipped and part of the error.
func (s *Service) PurgeDue(ctx context.Context) (purged int, err error) {
	if err := s.cfg.Audit.Ready(); err != nil {
		return 0, err
	}
	now := s.now()
	if now < 0 {
		return 0, nil
	}
	r := tuple.Prefix(dueRoot)
	r.End = tuple.AppendUint(dueRoot[:len(dueRoot):len(dueRoot)], uint64(now)+1)
	var skipped []error
	for {
		batch, vaults, err := s.scanDue(ctx, r)
		if err != nil {
			return purged, errors.Join(append(skipped, err)...)
		}
		for _, key := range batch {
			done, err := s.purgeOne(ctx, key, vaults)
			if done {
				purged++
			}
			if ctx.Err() != nil {
				return purged, errors.Join(append(skipped, ctx.Err())...)
			}
			if err != nil && len(skipped) < dueBatch {
				skipped = append(skipped, err)
			}
		}
		if len(batch) < dueBatch {
			return purged, errors.Join(skipped...)
		}
		r.Start = tuple.After(batch[len(batch)-1])
	}
}

// scanDue returns the keys of the first due records of a range, and the documents
// of the vaults that they are about, by id. A document that is missing or cannot
// be read is not among them.
func (s *Service) scanDue(ctx context.Context, r store.Range) (batch [][]byte, vaults map[string]*catalog.Vault, err error) {
	vaults = map[string]*catalog.Vault{}
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		entries, err := v.Scan(r, dueBatch)
		if err != nil {
			return fmt.Errorf("looking for what is due: %w", err)
		}
		var ids []string
		for _, e := range entries {
			batch = append(batch, e.Key)
			if d, err := parseDue(e.Key); err == nil && !slices.Contains(ids, d.vaultID) {
				ids = append(ids, d.vaultID)
			}
		}
		keys := make([][]byte, len(ids))
		for i, id := range ids {
			keys[i] = catalog.VaultKey(id)
		}
		recs, err := v.Get(keys...)
		if err != nil {
			return fmt.Errorf("reading the vaults of what is due: %w", err)
		}
		for i, id := range ids {
			if vault, err := s.cfg.Catalog.DecodeVault(id, recs[i]); err == nil {
				vaults[id] = vault
			}
		}
		return nil
	})
	return batch, vaults, err
}

// dueKey is a decoded due record: all of it is in its key.
type dueKey struct {
	at            int64
	vaultID, name string
	kind          *kind
}

func parseDue(key []byte) (dueKey, error) {
	e, err := tuple.Decode(key)
	if err != nil {
		return dueKey{}, err
	}
	if len(e) != 5 || !e[1].IsUint || e[1].Uint > 1<<62 {
		return dueKey{}, fmt.Errorf("%w: due record", errRecord)
	}
	d := dueKey{at: int64(e[1].Uint), vaultID: e[2].String, name: e[4].String, kind: kindOf(e[3].String)}
	if d.kind == nil || d.vaultID == "" || !validName(d.name) {
		return dueKey{}, fmt.Errorf("%w: due record", errRecord)
	}
	return d, nil
}

// purgeOne purges what a due record is about. That the record exists in the
// update proves that the object is still deleted and has this purge date: whoever
// recovers or purges it removes the record with it. The record of an object whose
// vault was purged is removed, and nothing else.
func (s *Service) purgeOne(ctx context.Context, key []byte, vaults map[string]*catalog.Vault) (done bool, err error) {
	d, err := parseDue(key)
	if err != nil {
		return false, err
	}
	record := audit.Record{Operation: d.kind.capital + "Purge", Object: d.kind.collection + "/" + d.name}
	if vault := vaults[d.vaultID]; vault != nil {
		record.Resource = vault.ResourceID()
	}
	entry, err := s.cfg.Audit.Prepare(&record)
	if err != nil {
		return false, err
	}
	err = s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		done = false
		recs, err := tx.Get(key, catalog.VaultKey(d.vaultID), d.kind.key(d.vaultID, dead, d.name))
		if err != nil || !recs[0].Exists() {
			return err
		}
		if !recs[1].Exists() || !recs[2].Exists() {
			tx.Delete(key)
			return nil
		}
		if record.Resource == "" {
			return errors.New("the document of the vault cannot be read")
		}
		w := d.kind.erase(d.vaultID, d.name, d.at)
		w.apply(tx)
		s.cfg.Audit.Append(tx, entry)
		done = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("purging what is due in vault %s: %w", d.vaultID, err)
	}
	return done, nil
}
