package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// memory measures what a server holds after its start and after a load, against
// a process that only listens and had the same load.
func (r *run) memory(ctx context.Context) (err error) {
	h, err := r.large(ctx)
	if err != nil {
		return err
	}
	ours, err := r.measureMemory(ctx, h, h.server())
	if err != nil {
		return err
	}
	limit, err := r.measureMemory(ctx, h, h.bare(ours.answer))
	if err != nil {
		return err
	}
	for _, at := range []struct {
		when        string
		ours, limit stats
		budget      *Budget
	}{
		{"idle after start", ours.idle, limit.idle, figureAtMost(40)},
		{fmt.Sprintf("after %.0f s of GET", r.loadTime().Seconds()), ours.loaded, limit.loaded, nil},
	} {
		for _, f := range []struct {
			what string
			of   func(stats) float64
		}{
			{"resident", func(s stats) float64 { return float64(s.Resident) / 1e6 }},
			{"Go heap", func(s stats) float64 { return float64(s.Heap) / 1e6 }},
		} {
			row := Row{Scenario: f.what + ", " + at.when, Unit: Megabytes, LimitOf: "a process that only listens and answers"}
			if f.what == "resident" {
				row.Budget = at.budget
			}
			if f.of(at.ours) > 0 { // elsewhere than on Linux it is not known
				r.add(compare(row, []float64{f.of(at.ours)}, []float64{f.of(at.limit)}))
			}
		}
	}
	return nil
}

// loadTime is how long a server is under load before its memory is measured.
func (r *run) loadTime() time.Duration {
	if r.Quick {
		return min(3*time.Second, 2*r.Duration)
	}
	return 3 * r.Duration
}

// measured is a server's memory, and an answer that it gave.
type measured struct {
	idle, loaded stats
	answer       *answer
}

func (r *run) measureMemory(ctx context.Context, h *house, server spec) (m measured, err error) {
	worker, err := r.spawn(ctx, anyCore, server)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, worker.stop()) }()
	if m.answer, err = fetch(ctx, h.load(worker.address, byRoles, opGet)); err != nil {
		return m, err
	}
	if m.idle, err = worker.stats(); err != nil {
		return m, err
	}
	l := h.load(worker.address, byRoles, opGet)
	l.Connections = getConnections
	asker, err := r.spawn(ctx, anyCore, spec{Load: l})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, asker.stop()) }()
	if _, err := asker.run(r.loadTime()); err != nil {
		return m, err
	}
	m.loaded, err = worker.stats()
	return m, err
}
