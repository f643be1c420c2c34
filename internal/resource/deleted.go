package resource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

const (
	actDeletedList  = "Microsoft.KeyVault/deletedVaults/read"
	actDeletedRead  = "Microsoft.KeyVault/locations/deletedVaults/read"
	actDeletedPurge = "Microsoft.KeyVault/locations/deletedVaults/purge/action"
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
	tx.Delete(nameKey(v))
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
	op := onVault(call, "VaultDelete", actVaultDelete, subscription, group, name)
	rm := s.newRemoval(call)
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		v, err := s.liveVault(tx, p, name)
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

// onDeleted returns an operation on a deleted vault.
func onDeleted(call Call, name, action, subscription, location, vault string) *operation {
	return &operation{
		call: call, name: name, subscription: subscription, action: action,
		scope: deletedVaultScope(subscription, NormalLocation(location), vault),
	}
}

// deletedVault returns the deleted vault of the subscription that had the name,
// in the location.
func (s *Service) deletedVault(g catalog.Getter, p place, location, name string) (*catalog.Vault, error) {
	v, err := s.vaultByName(g, name)
	if err != nil {
		return nil, err
	}
	if v == nil || !p.holdsDeleted(v, location) {
		return nil, fault.New(fault.NotFound, "DeletedVaultNotFound",
			"The deleted vault '%s' could not be found in location '%s'.", name, location)
	}
	return v, nil
}

// holdsDeleted reports whether v is deleted, and was in the location and in the
// subscription of the place.
func (p place) holdsDeleted(v *catalog.Vault, location string) bool {
	return v.Deleted != nil && v.Location == NormalLocation(location) && strings.EqualFold(v.SubscriptionID, p.subscription.ID)
}

// GetDeletedVault returns a deleted vault, which must not be changed.
func (s *Service) GetDeletedVault(ctx context.Context, call Call, subscription, location, name string) (vault *catalog.Vault, err error) {
	op := onDeleted(call, "VaultGetDeleted", actDeletedRead, subscription, location, name)
	err = s.read(ctx, op, func(v store.View, p place) (err error) {
		vault, err = s.deletedVault(v, p, location, name)
		return err
	})
	return vault, err
}

// PurgeVault erases a deleted vault and all that is in it. When it returns,
// nothing of it can be read; the job whose id it returns removes what is left
// from the disk.
func (s *Service) PurgeVault(ctx context.Context, call Call, subscription, location, name string) (jobID string, err error) {
	op := onDeleted(call, "VaultPurge", actDeletedPurge, subscription, location, name)
	rm := s.newRemoval(call)
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		v, err := s.deletedVault(tx, p, location, name)
		if err != nil {
			return err
		}
		if v.PurgeProtection {
			return fault.New(fault.MethodNotAllowed, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
		}
		return rm.erase(tx, v)
	})
	if err != nil {
		return "", err
	}
	s.wakeJobs()
	return rm.job.ID, nil
}

// recover makes a deleted vault live again, as it was, in the group that it was
// in.
func (d *draft) recover(tx store.Tx, p place, have *catalog.Vault) (*catalog.Vault, error) {
	if have == nil || have.Deleted == nil || !p.holds(have) || have.Location != NormalLocation(d.spec.Location) {
		return nil, fault.New(fault.NotFound, "SoftDeletedVaultDoesNotExist",
			"There is no deleted vault '%s' of the resource group '%s' in location '%s' to be recovered.", d.name, p.group.Name, d.spec.Location)
	}
	return d.s.revive(tx, p, have, d.now)
}

// revive makes a deleted vault or managed HSM live again.
func (s *Service) revive(tx store.Tx, p place, have *catalog.Vault, now catalog.Change) (*catalog.Vault, error) {
	v := have.Clone()
	tx.Delete(deletedVaultKey(v))
	tx.Delete(vaultDueKey(v.Deleted.PurgeAt, v.ID))
	v.Deleted, v.ResourceGroup, v.Modified = nil, p.group.Name, now
	return v, s.putLive(tx, v)
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
	record.Operation = "VaultPurge"
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		recs, err := v.Get(catalog.VaultKey(id))
		if err != nil || !recs[0].Exists() {
			return err
		}
		vault, err := s.cfg.Catalog.DecodeVault(id, recs[0])
		if err != nil {
			return err
		}
		record.Resource = vault.ResourceID()
		if vault.HSM != nil {
			record.Operation = "ManagedHSMPurge"
		}
		return nil
	})
	return record, err
}
