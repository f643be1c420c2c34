package server

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tuner := &gcTuner{last: now}
	after := func(d time.Duration, live uint64) int {
		now = now.Add(d)
		return tuner.next(now, live)
	}
	for i := range busyCollections - 1 {
		if got := after(time.Millisecond, 1<<20); got != 100 {
			t.Errorf("%d after %d quick collections", got, i+1)
		}
	}
	for _, tc := range []struct {
		live uint64
		want int
	}{
		{1 << 20, 800}, {4 << 20, 800}, {4<<20 + 1<<10, 400}, {8 << 20, 400}, {8<<20 + 1<<10, 200}, {16 << 20, 200}, {17 << 20, 100}, {1 << 40, 100}, {1 << 20, 800},
	} {
		if got := after(time.Second, tc.live); got != tc.want {
			t.Errorf("%d bytes in use: %d, want %d", tc.live, got, tc.want)
		}
	}
	if got := after(2*time.Second, 1<<20); got != 100 {
		t.Errorf("%d when idle", got)
	}
	if got := after(time.Millisecond, 1<<20); got != 100 {
		t.Errorf("%d after one quick collection", got)
	}
}

// Not parallel: the collector is the process's.
func TestTuneGC(t *testing.T) {
	t.Setenv("GOGC", "")
	percent := func() uint64 {
		sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	// Whatever other tests have left in use.
	stop := tuneGC(func() uint64 { return 1 << 20 })
	deadline := time.Now().Add(patience)
	for percent() == usualPercent && time.Now().Before(deadline) {
		runtime.GC()
	}
	if got := percent(); got != busyPercent {
		t.Errorf("%d under load", got)
	}
	stop()
	if got := percent(); got != usualPercent {
		t.Errorf("%d after the end", got)
	}
	t.Setenv("GOGC", "50")
	stop = TuneGC()
	defer stop()
	runtime.GC()
	if got := percent(); got != usualPercent {
		t.Errorf("%d, in spite of the environment", got)
	}
	if liveHeap() == 0 {
		t.Error("the last collection has left nothing")
	}
}
