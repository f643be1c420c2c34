package bench

import (
	"context"
	"fmt"
)

// hotNames is how many secrets a vault of any size has that are in use.
const hotNames = 1000

// scale measures how long one request takes, one after the other, by the number
// of secrets in the vault, against a vault with the least of them. Server and
// load have a core each.
func (r *run) scale(ctx context.Context) error {
	sizes := r.sizes.scale
	houses := make([]*house, len(sizes))
	for i, n := range sizes {
		r.progress("setting %d secrets", n)
		var err error
		if houses[i], err = r.newHouse(ctx, fmt.Sprintf("scale-%d", n), n, byRoles); err != nil {
			return err
		}
	}
	for _, of := range []struct {
		what   string
		op     operation
		hot    int
		budget *Budget
	}{
		{"GET secret, any", opGet, 0, ratioAtMost(1.20)},
		{"GET secret, 1,000 in use", opGet, hotNames, ratioAtMost(1.20)},
		{"list 25 secrets", opList, 0, ratioAtMost(1.20)},
	} {
		load := func(h *house) func(string) *loadSpec {
			return func(address string) *loadSpec {
				l := h.load(address, byRoles, of.op)
				l.Hot = of.hot
				return l
			}
		}
		for _, h := range houses[1:] {
			what := fmt.Sprintf("%s, of %s", of.what, count(h.names))
			if err := r.compareScale(ctx, houses[0], h, load, what, of.budget); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
	}
	return nil
}

func (r *run) compareScale(ctx context.Context, small, large *house, load func(*house) func(string) *loadSpec, what string, budget *Budget) (err error) {
	ours, err := r.startSide(ctx, serverCore(), large.server(), load(large))
	if err != nil {
		return err
	}
	defer func() { ours.stop(&err) }()
	limit, err := r.startSide(ctx, serverCore(), small.server(), load(small))
	if err != nil {
		return err
	}
	defer func() { limit.stop(&err) }()
	if err := r.alternate(ours, limit); err != nil {
		return err
	}
	row := Row{Unit: Microseconds, LimitOf: fmt.Sprintf("the same with %s secrets", count(small.names))}
	row.Scenario, row.Budget, row.Note = what+", median", budget, costs(ours, limit)
	r.add(compare(row, ours.each(medianTime), limit.each(medianTime)))
	row.Scenario, row.Budget, row.Note = what+", 99th percentile", nil, ""
	r.add(compare(row, ours.each(slowTime), limit.each(slowTime)))
	return r.profiled(ours, slug(what))
}
