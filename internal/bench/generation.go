package bench

import (
	"context"
	"errors"
)

// generation measures how long the slowest of a hundred GETs takes while RSA
// keys of 4096 bits are made one after the other, against the same with nothing
// else to do. All processes share all CPUs.
func (r *run) generation(ctx context.Context, h *house) (err error) {
	srv, err := r.spawn(ctx, anyCore, h.server())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	reader, err := r.spawn(ctx, anyCore, spec{Load: h.load(srv.address, byRoles, opGet)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.stop()) }()
	create := h.use(srv.address, byRoles+domain, "/keys/made/create", `{"kty":"RSA","key_size":4096}`)
	create.Connections = 2
	maker, err := r.spawn(ctx, anyCore, spec{Load: create})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, maker.stop()) }()
	var alone, beside []float64
	turn := r.Duration / 2
	for range 3 {
		w, err := reader.run(turn)
		if err != nil {
			return err
		}
		alone = append(alone, slowTime(w))
		making := make(chan error, 1)
		go func() { _, err := maker.run(turn); making <- err }()
		w, err = reader.run(turn)
		if err = errors.Join(err, <-making); err != nil {
			return err
		}
		beside = append(beside, slowTime(w))
	}
	r.add(compare(Row{
		Scenario: "GET secret while RSA 4096 keys are made, 99th percentile", Unit: Microseconds,
		LimitOf: "the same while none is made", Budget: ratioAtMost(3),
	}, beside, alone))
	return nil
}
