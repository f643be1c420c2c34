package resource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// dueBatch is how many due records one scan returns.
const dueBatch = 50

// removal is what has to be chosen before the update that deletes a vault.
type removal struct {
	s   *Service
	now time.Time
	job *Job // compacts what is erased
}

func (s *Service) newRemoval(call Call) *removal {
	// Dates of deletion have whole seconds on the wire.
	return &removal{s: s, now: s.now().Truncate(time.Second), job: s.newJob(jobCompact, call, "")}
}

// remove deletes a live vault: it can be recovered if it has soft delete, else
// it is gone.
func (r *removal) remove(tx store.Tx, v *catalog.Vault) error {
	if !v.SoftDelete {
		return r.erase(tx, v)
	}
	tx.Delete(groupVaultKey(v))
	d := v.Clone()
	d.Deleted = &catalog.Deletion{At: r.now, PurgeAt: r.now.AddDate(0, 0, v.RetentionDays)}
	return errors.Join(
		r.s.putVault(tx, d),
		r.s.put(tx, deletedVaultKey(d), d.ID),
		r.s.put(tx, vaultDueKey(d.Deleted.PurgeAt, d.ID), d.ID),
	)
}

// erase makes a vault and all its contents unreadable at once, and enqueues the
// job that removes them from the disk. Due records of the contents go when they
// fall due.
func (r *removal) erase(tx store.Tx, v *catalog.Vault) error {
	tx.DeleteRange(tuple.Prefix(catalog.VaultKey(v.ID)))
	tx.Delete(catalog.VaultKey(v.ID))
	tx.Delete(kindOf(v).nameKey(v.Name))
	tx.Delete(groupVaultKey(v))
	if v.Deleted != nil {
		tx.Delete(deletedVaultKey(v))
		tx.Delete(vaultDueKey(v.Deleted.PurgeAt, v.ID))
	}
	r.job.SubscriptionID, r.job.VaultID = v.SubscriptionID, v.ID
	return r.s.enqueue(tx, r.job)
}

// DeleteVault deletes a vault. It reports whether there was one.
func (s *Service) DeleteVault(ctx context.Context, call Call, subscription, group, name string) (existed bool, err error) {
	return s.delete(ctx, vaultKind, call, subscription, group, name)
}

func (s *Service) delete(ctx context.Context, k *resourceKind, call Call, subscription, group, name string) (existed bool, err error) {
	op := k.on(call, "Delete", k.delete, subscription, group, name)
	rm := s.newRemoval(call)
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		v, err := s.live(tx, k, p, name)
		if existed = err == nil; existed {
			return rm.remove(tx, v)
		}
		if fault.KindOf(err) == fault.NotFound {
			return nil
		}
		return err
	})
	s.wakeJobs()
	return existed, err
}

// GetDeletedVault returns a deleted vault, which must not be changed.
func (s *Service) GetDeletedVault(ctx context.Context, call Call, subscription, location, name string) (*catalog.Vault, error) {
	return s.getDeleted(ctx, vaultKind, call, subscription, location, name)
}

func (s *Service) getDeleted(ctx context.Context, k *resourceKind, call Call, subscription, location, name string) (found *catalog.Vault, err error) {
	op := k.onDeleted(call, "GetDeleted", k.getDeleted, subscription, location, name)
	err = s.read(ctx, op, func(v store.View, p place) (err error) {
		found, err = s.deleted(v, k, p, location, name)
		return err
	})
	return found, err
}

// PurgeVault erases a deleted vault and all that is in it. When it returns,
// nothing of it can be read; the job whose id it returns removes what is left
// from the disk.
func (s *Service) PurgeVault(ctx context.Context, call Call, subscription, location, name string) (jobID string, err error) {
	return s.purge(ctx, vaultKind, call, subscription, location, name)
}

func (s *Service) purge(ctx context.Context, k *resourceKind, call Call, subscription, location, name string) (jobID string, err error) {
	op := k.onDeleted(call, "Purge", k.purge, subscription, location, name)
	rm := s.newRemoval(call)
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		v, err := s.deleted(tx, k, p, location, name)
		if err != nil {
			return err
		}
		if v.PurgeProtection {
			return fault.New(fault.MethodNotAllowed, "MethodNotAllowed", "Operation 'Deleted%sPurge' is not allowed.", k.noun)
		}
		return rm.erase(tx, v)
	})
	if err != nil {
		return "", err
	}
	s.wakeJobs()
	return rm.job.ID, nil
}

// PurgeDue erases every deleted vault whose scheduled purge date has come by the
// domain clock, and returns how many. Any number of processes may call it at any
// time: each vault is erased, counted and audited once. What cannot be erased is
// skipped and part of the error.
func (s *Service) PurgeDue(ctx context.Context) (purged int, err error) {
	if err := s.cfg.Audit.Ready(); err != nil {
		return 0, err
	}
	r := until(vaultDueRoot, s.now().Unix())
	var failed []error
	for {
		batch, err := s.scan(ctx, r, dueBatch)
		if err != nil {
			return purged, errors.Join(append(failed, err)...)
		}
		for _, e := range batch {
			done, err := s.purgeOne(ctx, e)
			if done {
				purged++
			}
			if ctx.Err() != nil {
				return purged, ctx.Err()
			}
			if err != nil {
				failed = append(failed, err)
			}
		}
		if len(batch) < dueBatch {
			return purged, errors.Join(failed...)
		}
		r.Start = tuple.After(batch[len(batch)-1].Key)
	}
}

// purgeOne erases the vault that a due record names. That the record exists in
// the update proves that the vault is still deleted and has this date.
func (s *Service) purgeOne(ctx context.Context, e store.Entry) (done bool, err error) {
	var id string
	if err := s.open(e.Key, e.Record, &id); err != nil {
		return false, err
	}
	record, err := s.purgeRecord(ctx, id)
	if err != nil {
		return false, err
	}
	entry, err := s.cfg.Audit.Prepare(&record)
	if err != nil {
		return false, err
	}
	rm := s.newRemoval(Call{})
	err = s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		done = false
		recs, err := tx.Get(e.Key, catalog.VaultKey(id))
		if err != nil || !recs[0].Exists() {
			return err
		}
		v, err := s.cfg.Catalog.DecodeVault(id, recs[1])
		if err != nil {
			return err
		}
		if v.Deleted == nil {
			return errors.New("the vault is not deleted and has a purge date")
		}
		s.cfg.Audit.Append(tx, entry)
		done = true
		return rm.erase(tx, v)
	})
	if err != nil {
		return false, fmt.Errorf("purging vault %s: %w", id, err)
	}
	s.wakeJobs()
	return done, nil
}

// purgeRecord returns the audit record of the purge of a vault or managed HSM,
// which does not name it when it is gone.
func (s *Service) purgeRecord(ctx context.Context, id string) (record audit.Record, err error) {
	record.Operation = vaultKind.noun + "Purge"
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		recs, err := v.Get(catalog.VaultKey(id))
		if err != nil || !recs[0].Exists() {
			return err
		}
		vault, err := s.cfg.Catalog.DecodeVault(id, recs[0])
		if err != nil {
			return err
		}
		record.Resource, record.Operation = vault.ResourceID(), kindOf(vault).noun+"Purge"
		return nil
	})
	return record, err
}
