package resource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// Kinds of jobs.
const (
	jobDeleteGroup = "deleteGroup"
	jobCompact     = "compact"
)

// jobKept is for how long the record of a finished job is kept, so that its
// caller can learn that it has finished.
const jobKept = 24 * time.Hour

// jobBatch is how many jobs, or vaults of a job, one scan returns.
const jobBatch = 50

// Job is work that goes on after the answer to the request that asked for it.
type Job struct {
	ID             string        `json:"id"`
	Kind           string        `json:"kind"`
	SubscriptionID string        `json:"subscriptionId"`
	Group          string        `json:"group,omitempty"`
	VaultID        string        `json:"vaultId,omitempty"`
	Caller         access.Caller `json:"caller"`
	Origin         audit.Origin  `json:"origin"`
	Created        time.Time     `json:"created"`
	Finished       *time.Time    `json:"finished,omitempty"`
}

// Done reports whether the job has been carried out.
func (j *Job) Done() bool { return j.Finished != nil }

func (s *Service) newJob(kind string, call Call, subscription string) *Job {
	return &Job{
		ID: newID(), Kind: kind, SubscriptionID: subscription,
		Caller: call.Caller, Origin: call.Origin, Created: s.now(),
	}
}

// enqueue writes a new job.
func (s *Service) enqueue(tx store.Tx, j *Job) error {
	if err := s.put(tx, jobQueueKey(0, j.ID), j.ID); err != nil {
		return err
	}
	return s.put(tx, jobKey(j.ID), j)
}

// finish writes a job that has been carried out. Its record must be among the
// reads of the transaction.
func (s *Service) finish(tx store.Tx, j *Job, now time.Time) error {
	tx.Delete(jobQueueKey(0, j.ID))
	if err := s.put(tx, jobQueueKey(now.Add(jobKept).Unix(), j.ID), j.ID); err != nil {
		return err
	}
	done := *j
	done.Finished = &now
	return s.put(tx, jobKey(j.ID), &done)
}

// wakeJobs says that a job may be waiting.
func (s *Service) wakeJobs() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// JobsWaiting receives whenever this service has put a job into the store. Those
// of other processes show in RunJobs only.
func (s *Service) JobsWaiting() <-chan struct{} { return s.wake }

// GetJob returns a job of the subscription to the caller who started it, or who
// may read the results of operations.
func (s *Service) GetJob(ctx context.Context, call Call, subscription, id string) (job *Job, err error) {
	op := &operation{
		call: call, name: "OperationResultGet", subscription: subscription, object: id,
		action: "Microsoft.Resources/subscriptions/operationresults/read", scope: subscriptionScope(subscription),
	}
	if len(id) > 64 {
		id = ""
	}
	notFound := fault.New(fault.NotFound, "NotFound", "The operation could not be found.")
	if err := s.cfg.Audit.Ready(); err != nil {
		return nil, err
	}
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		roles, err := s.cfg.Catalog.Roles(v)
		if err != nil {
			return err
		}
		if job, err = s.jobIn(v, id); err != nil {
			return err
		}
		if job != nil && fold(job.SubscriptionID) == fold(subscription) {
			op.starter = &job.Caller
		}
		if _, err := s.enter(v, roles, op); err != nil {
			return err
		}
		if op.starter == nil {
			return notFound
		}
		return nil
	})
	if err := s.conclude(ctx, op, err); err != nil {
		return nil, err
	}
	return job, nil
}

// jobIn returns a job, or nil.
func (s *Service) jobIn(g catalog.Getter, id string) (*Job, error) {
	recs, err := g.Get(jobKey(id))
	if err != nil || !recs[0].Exists() {
		return nil, err
	}
	j := new(Job)
	return j, s.open(jobKey(id), recs[0], j)
}

// RunJobs carries out every job that waits, those that these jobs leave behind
// too, and forgets those that were finished long ago. A job that fails is
// skipped, stays in the store, and is part of the error. Any number of processes
// may run jobs at any time.
func (s *Service) RunJobs(ctx context.Context) error {
	for {
		done, err := s.runWaiting(ctx)
		if err != nil || done == 0 {
			return err
		}
	}
}

// runWaiting goes through the queue once and returns how many jobs it did.
func (s *Service) runWaiting(ctx context.Context) (done int, err error) {
	r := until(jobQueueRoot, s.now().Unix())
	var failed []error
	for {
		batch, err := s.scan(ctx, r, jobBatch)
		if err != nil {
			return done, errors.Join(append(failed, err)...)
		}
		for _, e := range batch {
			did, err := s.runQueued(ctx, e.Key)
			if ctx.Err() != nil {
				return done, ctx.Err()
			}
			if err != nil {
				failed = append(failed, err)
			}
			if did {
				done++
			}
		}
		if len(batch) < jobBatch {
			return done, errors.Join(failed...)
		}
		r.Start = tuple.After(batch[len(batch)-1].Key)
	}
}

// scan returns the first entries of a range.
func (s *Service) scan(ctx context.Context, r store.Range, limit int) (batch []store.Entry, err error) {
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		batch, err = v.Scan(r, limit)
		return err
	})
	return batch, err
}

// runQueued does what a queue entry is there for, and reports whether that was
// to do a job.
func (s *Service) runQueued(ctx context.Context, key []byte) (did bool, err error) {
	elements, err := tuple.Decode(key)
	if err != nil || len(elements) != 3 {
		return false, errors.New("a malformed entry is in the job queue")
	}
	id := elements[2].String
	if elements[1].Uint != 0 {
		return false, s.forget(ctx, key, id)
	}
	var job *Job
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		job, err = s.jobIn(v, id)
		return err
	})
	if err != nil || job == nil || job.Done() {
		return false, err
	}
	switch job.Kind {
	case jobDeleteGroup:
		err = s.runDeleteGroup(ctx, job)
	case jobCompact:
		err = s.runCompact(ctx, job)
	default:
		err = fmt.Errorf("no such kind of job: %q", job.Kind)
	}
	if err != nil {
		return false, fmt.Errorf("job %s (%s): %w", id, job.Kind, err)
	}
	return true, nil
}

func (s *Service) forget(ctx context.Context, key []byte, id string) error {
	return s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.Get(key, jobKey(id)); err != nil {
			return err
		}
		tx.Delete(key)
		tx.Delete(jobKey(id))
		return nil
	})
}

func (s *Service) runCompact(ctx context.Context, job *Job) error {
	if s.cfg.Compact != nil {
		if err := s.cfg.Compact(ctx, tuple.Prefix(catalog.VaultKey(job.VaultID))); err != nil {
			return err
		}
	}
	now := s.now()
	return s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		have, err := s.jobIn(tx, job.ID)
		if err != nil || have == nil || have.Done() {
			return err
		}
		return s.finish(tx, job, now)
	})
}
