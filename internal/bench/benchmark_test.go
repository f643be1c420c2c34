package bench

import (
	"fmt"
	"testing"
	"time"
)

// The benchmarks have the processes and the loads of the scenarios, one side at a
// time. ns/op is the time of the whole load; besides it stands the CPU time that
// the server used.

func benchmarkRun(b *testing.B) *run {
	b.Helper()
	o := small(b)
	o.sizes = sizes{}
	r := &run{Options: o}
	if err := r.check(); err != nil {
		b.Fatal(err)
	}
	r.dir = o.Dir
	return r
}

func benchmarkHouse(b *testing.B, r *run, names int) *house {
	b.Helper()
	h, err := r.newHouse(b.Context(), fmt.Sprint(names), names, byRoles, byPolicies)
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// measureSide has a side do b.N requests, after some that are not counted.
func measureSide(b *testing.B, s *side, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if s.stop(&err); err != nil {
			b.Error(err)
		}
	}()
	if err := s.turn(100*time.Millisecond, true); err != nil {
		b.Fatal(err)
	}
	before, err := s.cpu()
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	if _, err := s.asker.ask(task{Do: doRun, Requests: int64(b.N)}); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	after, err := s.cpu()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(after[0]-before[0])/float64(b.N), "server-ns/op")
}

func BenchmarkGet(b *testing.B) {
	r := benchmarkRun(b)
	h := benchmarkHouse(b, r, r.sizes.warm)
	for _, v := range []string{byRoles, byPolicies} {
		for _, streams := range []int{0, getStreams} {
			load := func(address string) *loadSpec {
				l := h.load(address, v, opGet)
				l.Connections, l.Streams = getConnections, streams
				return l
			}
			b.Run(fmt.Sprintf("%s/%d streams", v, streams), func(b *testing.B) {
				s, err := r.startSide(b.Context(), serverCore(), h.server(), load)
				measureSide(b, s, err)
			})
			b.Run(fmt.Sprintf("bare/%d streams", streams), func(b *testing.B) {
				s, err := r.startSide(b.Context(), serverCore(), h.bare(&answer{Body: []byte(secretBody)}), load)
				measureSide(b, s, err)
			})
		}
	}
}

func BenchmarkPut(b *testing.B) {
	r := benchmarkRun(b)
	h := benchmarkHouse(b, r, putNames)
	writes, err := writesOfSet(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			s, err := r.startSide(b.Context(), anyCore, h.server(), func(address string) *loadSpec {
				l := h.load(address, byRoles, opPut)
				l.Connections = writers
				return l
			})
			measureSide(b, s, err)
		})
		b.Run(fmt.Sprintf("engine alone/%d writers", writers), func(b *testing.B) {
			c, err := r.spawn(b.Context(), anyCore, spec{Engine: &engineSpec{
				Dir: r.dir + "/engine", Writers: writers, Writes: writes, Names: putNames,
			}})
			measureSide(b, &side{worker: c, asker: c}, err)
		})
	}
}

func BenchmarkScale(b *testing.B) {
	r := benchmarkRun(b)
	for _, names := range r.sizes.scale {
		h := benchmarkHouse(b, r, names)
		for _, op := range []operation{opGet, opList} {
			b.Run(fmt.Sprintf("%s/%d secrets", op, names), func(b *testing.B) {
				s, err := r.startSide(b.Context(), serverCore(), h.server(), func(address string) *loadSpec {
					return h.load(address, byRoles, op)
				})
				measureSide(b, s, err)
			})
		}
	}
}
