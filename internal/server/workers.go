package server

import (
	"context"
	"time"
)

// wallClock is the clock of tokens, TLS and audit order. It is never shifted.
func wallClock() time.Time { return time.Now() }

// How often work that falls due is looked for. A look costs one short scan, so
// the interval is what a purge or a rotation may be late by.
const dueInterval = 10 * time.Second

// startWorkers starts what happens without a request: exporting the audit
// records of mutations, purging what is past its date, rotating keys by their
// policies, finishing jobs, those of an earlier process first, and rotating the
// keys that sign tokens.
func (s *Server) startWorkers(ctx context.Context) {
	s.workers.Go(func() { s.data.audit.Run(ctx) })
	s.workers.Go(func() { s.repeat(ctx, "jobs", s.resources.JobsWaiting(), s.resources.RunJobs) })
	s.workers.Go(func() { s.repeat(ctx, "purge", nil, s.purgeDue) })
	s.workers.Go(func() { s.repeat(ctx, "key lifetimes", nil, s.vaults.RunLifetimeActions) })
	s.workers.Go(func() { s.repeat(ctx, "token service", nil, s.identity.Maintain) })
}

// purgeDue removes objects and vaults whose retention has ended.
func (s *Server) purgeDue(ctx context.Context) error {
	if _, err := s.vaults.PurgeDue(ctx); err != nil {
		return err
	}
	_, err := s.resources.PurgeDue(ctx)
	return err
}

// repeat calls work now, whenever wake receives, and at intervals, until ctx
// ends. A failure is logged and tried again: the work is in the store, not here.
func (s *Server) repeat(ctx context.Context, name string, wake <-chan struct{}, work func(context.Context) error) {
	ticker := time.NewTicker(dueInterval)
	defer ticker.Stop()
	for {
		if err := work(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Error("background work failed; it will be tried again", "work", name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-ticker.C:
		}
	}
}
