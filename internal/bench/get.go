package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// How many requests are on their way at once: enough to keep a core busy.
const (
	getConnections = 16 // of HTTP/1.1
	getStreams     = 8  // on each of as many connections of HTTP/2
	h2Connections  = 4
)

// get measures GET of secrets that were read before, against a bare TLS handler
// that gives the same bytes. Server and load have a core each.
func (r *run) get(ctx context.Context) (err error) {
	h, err := r.newHouse(ctx, "get", r.sizes.warm, byRoles, byPolicies)
	if err != nil {
		return err
	}
	for _, v := range []struct{ name, model string }{{byRoles, "roles"}, {byPolicies, "policies"}} {
		for _, p := range []struct {
			name                 string
			connections, streams int
		}{{"HTTP/1.1", getConnections, 0}, {"HTTP/2", h2Connections, getStreams}} {
			load := func(address string) *loadSpec {
				l := h.load(address, v.name, opGet)
				l.Connections, l.Streams = p.connections, p.streams
				return l
			}
			row := Row{
				Scenario: fmt.Sprintf("GET secret, %s, %s", v.model, p.name), Unit: PerSecond,
				LimitOf: "a bare net/http TLS handler with the same answer", Budget: ratioAtLeast(0.80),
			}
			if err := r.compareGet(ctx, h, v.name, load, row); err != nil {
				return fmt.Errorf("%s: %w", row.Scenario, err)
			}
		}
	}
	return nil
}

func (r *run) compareGet(ctx context.Context, h *house, vault string, load func(string) *loadSpec, row Row) (err error) {
	ours, err := r.startSide(ctx, serverCore(), h.server(), load)
	if err != nil {
		return err
	}
	defer func() { ours.stop(&err) }()
	same, err := fetch(ctx, h.load(ours.worker.address, vault, opGet))
	if err != nil {
		return err
	}
	limit, err := r.startSide(ctx, serverCore(), h.bare(same), load)
	if err != nil {
		return err
	}
	defer func() { limit.stop(&err) }()
	if err := r.alternate(ours, limit); err != nil {
		return err
	}
	row.Note = costs(ours, limit)
	if serverCore() != anyCore {
		row.Note += doubts(ours, limit)
	}
	r.add(compare(row, ours.each(work.rate), limit.each(work.rate)))
	return r.profiled(ours, slug(row.Scenario))
}

// fetch returns the answer to one request of a load of HTTP/1.1, which must be of
// status 200.
func fetch(ctx context.Context, s *loadSpec) (_ *answer, err error) {
	l, err := newLoad(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	_, raw, err := l.callers[0].(*caller1).once()
	if err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", res.StatusCode, body)
	}
	res.Header.Del("Date") // net/http adds it
	return &answer{Header: res.Header, Body: body}, nil
}
