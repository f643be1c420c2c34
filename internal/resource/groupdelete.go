package resource

import (
	"context"
	"errors"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// DeleteGroup begins to delete a group with all that is in it, and returns the
// job that does it. Vaults with soft delete, and managed HSMs, can be recovered once a group of the
// name exists again. From then on nothing can be put into the group. Deleting a
// group that is being deleted returns the job that is at it.
func (s *Service) DeleteGroup(ctx context.Context, call Call, subscription, name string) (jobID string, err error) {
	op := onGroup(call, "ResourceGroupDelete", actGroupDelete, subscription, name)
	job := s.newJob(jobDeleteGroup, call, subscription)
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		if checkGroupName(name) != nil {
			return groupNotFound(name)
		}
		group, err := s.groupIn(tx, groupKey(subscription, name))
		if err != nil {
			return err
		}
		if group == nil {
			return groupNotFound(name)
		}
		if jobID = group.Job; group.Deleting() {
			return nil
		}
		jobID, job.Group, group.Job = job.ID, group.Name, job.ID
		if err := s.enqueue(tx, job); err != nil {
			return err
		}
		return s.put(tx, groupKey(subscription, name), group)
	})
	if err != nil {
		return "", err
	}
	s.wakeJobs()
	return jobID, nil
}

// runDeleteGroup deletes the vaults and managed HSMs of a group one by one, then
// the group. Because the group says that it is being deleted, none can be added, so
// that once none is found there is none.
func (s *Service) runDeleteGroup(ctx context.Context, job *Job) error {
	for _, k := range resourceKinds {
		if err := s.emptyIndex(ctx, job, k); err != nil {
			return err
		}
	}
	return s.removeGroup(ctx, job)
}

// emptyIndex deletes what the group has of a kind, until there is none or the job
// is over.
func (s *Service) emptyIndex(ctx context.Context, job *Job, k *resourceKind) error {
	r := tuple.Prefix(k.liveIndex(job.SubscriptionID, job.Group))
	for {
		batch, err := s.scan(ctx, r, jobBatch)
		if err != nil {
			return err
		}
		for _, e := range batch {
			if err := s.removeFromGroup(ctx, job, k, e); errors.Is(err, errJobOver) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if len(batch) == 0 {
			return nil
		}
	}
}

// errJobOver says that another process has finished the job meanwhile. Vaults
// found now would be those of a new group of the same name.
var errJobOver = errors.New("the job has been finished")

// removeFromGroup deletes what an index entry names.
func (s *Service) removeFromGroup(ctx context.Context, job *Job, k *resourceKind, e store.Entry) error {
	var id string
	if err := s.open(e.Key, e.Record, &id); err != nil {
		return err
	}
	rm := s.newRemoval(Call{Caller: job.Caller, Origin: job.Origin})
	var path string
	if elements, err := tuple.Decode(e.Key); err == nil && len(elements) > 0 {
		path = k.path(elements[len(elements)-1].String)
	}
	entry, err := s.cfg.Audit.Prepare(&audit.Record{
		Operation: k.noun + "Delete", Resource: groupScope(job.SubscriptionID, job.Group), Object: path,
		Caller: job.Caller, Origin: job.Origin,
	})
	if err != nil {
		return err
	}
	err = s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		group, err := s.groupIn(tx, groupKey(job.SubscriptionID, job.Group))
		if err != nil {
			return err
		}
		if group == nil || group.Job != job.ID {
			return errJobOver
		}
		recs, err := tx.Get(e.Key, catalog.VaultKey(id))
		if err != nil || recs[0].Revision != e.Revision {
			return err
		}
		v, err := s.cfg.Catalog.DecodeVault(id, recs[1])
		if err != nil {
			return err
		}
		s.cfg.Audit.Append(tx, entry)
		return rm.remove(tx, v)
	})
	if err == nil {
		s.wakeJobs()
	}
	return err
}

func (s *Service) removeGroup(ctx context.Context, job *Job) error {
	now := s.now()
	key := groupKey(job.SubscriptionID, job.Group)
	return s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		have, err := s.jobIn(tx, job.ID)
		if err != nil || have == nil || have.Done() {
			return err
		}
		group, err := s.groupIn(tx, key)
		if err != nil {
			return err
		}
		if group != nil && group.Job == job.ID {
			tx.Delete(key)
		}
		return s.finish(tx, job, now)
	})
}
