package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// side is one of two that are measured in turn: what does the work and what asks
// for it, which may be the same process.
type side struct {
	worker, asker *child
	turns         []work
	workerCPU     time.Duration
	askerCPU      time.Duration
}

// startSide starts a server and a load on it.
func (r *run) startSide(ctx context.Context, core int, server spec, load func(address string) *loadSpec) (_ *side, err error) {
	s := &side{}
	defer func() {
		if err != nil {
			s.stop(&err)
		}
	}()
	if s.worker, err = r.spawn(ctx, core, server); err != nil {
		return nil, err
	}
	asks := anyCore
	if core != anyCore {
		asks = loadCore()
	}
	s.asker, err = r.spawn(ctx, asks, spec{Load: load(s.worker.address)})
	return s, err
}

// stop ends both processes and joins what went wrong to err.
func (s *side) stop(err *error) {
	if s == nil {
		return
	}
	// The load first: connections that are open hold a server up.
	if s.asker != nil && s.asker != s.worker {
		*err = errors.Join(*err, s.asker.stop())
	}
	if s.worker != nil {
		*err = errors.Join(*err, s.worker.stop())
	}
}

// turn works for a while. What a warming turn does is not kept.
func (s *side) turn(d time.Duration, warming bool) error {
	before, err := s.cpu()
	if err != nil {
		return err
	}
	w, err := s.asker.run(d)
	if err != nil {
		return err
	}
	after, err := s.cpu()
	if err != nil || warming {
		return err
	}
	s.turns = append(s.turns, w)
	s.workerCPU += after[0] - before[0]
	s.askerCPU += after[1] - before[1]
	return nil
}

func (s *side) cpu() (used [2]time.Duration, err error) {
	for i, c := range []*child{s.worker, s.asker} {
		st, err := c.stats()
		if err != nil {
			return used, err
		}
		used[i] = st.CPU
	}
	return used, nil
}

// totals returns what all turns did.
func (s *side) totals() (done int64, elapsed time.Duration) {
	for _, d := range s.turns {
		done += d.Done
		elapsed += d.Elapsed
	}
	return done, elapsed
}

// each returns a figure of each turn.
func (s *side) each(figure func(work) float64) []float64 {
	all := make([]float64, len(s.turns))
	for i, d := range s.turns {
		all[i] = figure(d)
	}
	return all
}

// perRequest returns the CPU time that the worker used for one request.
func (s *side) perRequest() time.Duration {
	done, _ := s.totals()
	return s.workerCPU / time.Duration(max(done, 1))
}

// busy returns which part of the time worker and asker were running.
func (s *side) busy() (worker, asker float64) {
	_, elapsed := s.totals()
	return s.workerCPU.Seconds() / elapsed.Seconds(), s.askerCPU.Seconds() / elapsed.Seconds()
}

// alternate has sides work in turn, after each has warmed up.
func (r *run) alternate(sides ...*side) error {
	turn := r.Duration / time.Duration(r.rounds())
	for _, s := range sides {
		if err := s.turn(min(turn, time.Second), true); err != nil {
			return err
		}
	}
	for range r.rounds() {
		for _, s := range sides {
			if err := s.turn(turn, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// profiled has a side work once more under a profile, if profiles are wanted.
func (r *run) profiled(s *side, name string) error {
	if r.Profiles == "" {
		return nil
	}
	file := fmt.Sprintf("%s/%s", r.Profiles, name)
	if _, err := s.worker.ask(task{Do: doProfile, File: file}); err != nil {
		return err
	}
	if _, err := s.asker.run(r.Duration); err != nil {
		return err
	}
	_, err := s.worker.ask(task{Do: doWriteProfile, File: file})
	return err
}

// costs says how the rates of two sides came about.
func costs(ours, limit *side) string {
	worker, asker := ours.busy()
	return fmt.Sprintf("%.0f µs of CPU per request, %.0f at the limit; server %.0f%% busy, load %.0f%%",
		microseconds(ours.perRequest()), microseconds(limit.perRequest()), 100*worker, 100*asker)
}

// doubts says what makes a figure of two servers that had a core each
// questionable: neither server nor load had all of its own, or it was the load
// that could do no more.
func doubts(ours, limit *side) string {
	for _, s := range []*side{ours, limit} {
		switch worker, asker := s.busy(); {
		case worker > 0.9:
		case asker > 0.9:
			return "; the load was the bottleneck"
		default:
			return "; something else used the cores"
		}
	}
	return ""
}
