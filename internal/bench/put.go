package bench

import (
	"context"
	"fmt"
	"path/filepath"
)

// putNames is over how many secrets writers spread.
const putNames = 1000

// put measures durable writes through HTTP, against the engine that commits as
// many records of the same sizes in the same directory, by itself and behind a
// bare TLS handler. All processes share all CPUs.
func (r *run) put(ctx context.Context) error {
	h, err := r.newHouse(ctx, "put", putNames, byRoles)
	if err != nil {
		return err
	}
	writes, err := writesOfSet(ctx)
	if err != nil {
		return err
	}
	for _, n := range []int{1, 16, 64} {
		if err := r.comparePut(ctx, h, writes, n); err != nil {
			return fmt.Errorf("%d writers: %w", n, err)
		}
	}
	return nil
}

func (r *run) comparePut(ctx context.Context, h *house, writes []write, n int) (err error) {
	load := func(address string) *loadSpec {
		l := h.load(address, byRoles, opPut)
		l.Connections = n
		return l
	}
	ours, err := r.startSide(ctx, anyCore, h.server(), load)
	if err != nil {
		return err
	}
	defer func() { ours.stop(&err) }()
	same, err := fetch(ctx, h.load(ours.worker.address, byRoles, opPut))
	if err != nil {
		return err
	}
	engine := func(name string) *engineSpec {
		return &engineSpec{Dir: filepath.Join(r.dir, name), Writers: n, Writes: writes, Names: putNames}
	}
	alone, err := r.spawn(ctx, anyCore, spec{Engine: engine("engine")})
	if err != nil {
		return err
	}
	limit := &side{worker: alone, asker: alone}
	defer func() { limit.stop(&err) }()
	bare, err := r.startSide(ctx, anyCore, h.committing(same, engine("bare")), load)
	if err != nil {
		return err
	}
	defer func() { bare.stop(&err) }()
	if err := r.alternate(ours, limit, bare); err != nil {
		return err
	}
	r.addPut(n, writes, ours, limit, bare)
	return r.profiled(ours, fmt.Sprintf("put-secret-%d-writers", n))
}

// addPut adds a row for each of the two limits.
func (r *run) addPut(n int, writes []write, ours, limit, bare *side) {
	size := 0
	for _, w := range writes {
		size += len(w.Key) + w.Size
	}
	row := Row{Scenario: fmt.Sprintf("PUT secret, %d writers", n), Unit: PerSecond}
	if n == 1 {
		row.Scenario = "PUT secret, 1 writer"
	}
	if n == 64 {
		row.Budget = ratioAtLeast(0.80)
	}
	behind := row
	row.LimitOf = fmt.Sprintf("the engine's own durable commits of %d records, %d bytes", len(writes), size)
	row.Note = fmt.Sprintf("%s; %.0f µs a request at the median, %.0f at the 99th percentile",
		costs(ours, limit), median(ours.each(medianTime)), median(ours.each(slowTime)))
	r.add(compare(row, ours.each(work.rate), limit.each(work.rate)))
	behind.Scenario += ", HTTP at the limit too"
	behind.LimitOf = "the same commits behind a bare net/http TLS handler"
	behind.Budget = nil
	behind.Note = costs(ours, bare)
	r.add(compare(behind, ours.each(work.rate), bare.each(work.rate)))
}
