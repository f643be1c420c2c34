package server

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// usualPercent is Go's own: as much garbage as there is memory in use.
	usualPercent = 100
	// busyPercent is for a server under load, whose memory in use is so little
	// that the collector would run dozens of times a second. Below maxGarbage at
	// this percentage Go does not collect at all.
	busyPercent = 800
	// maxGarbage bounds what busyPercent may let pile up.
	maxGarbage = 32 << 20
	// busyInterval is how soon after another a collection shows that there is
	// load, and busyCollections how many such in a row: starting takes a few.
	busyInterval    = time.Second
	busyCollections = 16
)

// TuneGC has the garbage collector of this process let more garbage pile up
// while it is busy, and no more than usual when it is idle. It does nothing where
// the environment says how the collector is to run. The function that it returns
// ends that.
func TuneGC() (stop func()) { return tuneGC(liveHeap) }

func tuneGC(live func() uint64) (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	t := &gcTuner{live: live, percent: usualPercent, last: time.Now(), collected: make(chan struct{}, 1), stopped: make(chan struct{})}
	t.watch()
	var ended sync.WaitGroup
	ended.Go(t.run)
	return func() {
		close(t.stopped)
		ended.Wait()
		debug.SetGCPercent(usualPercent)
	}
}

type gcTuner struct {
	live      func() uint64
	percent   int
	quick     int           // collections in a row that came soon
	last      time.Time     // of the last collection
	collected chan struct{} // receives after each collection
	stopped   chan struct{}
}

// watch has collected receive after the next collection.
func (t *gcTuner) watch() {
	sentinel := new([16]byte) // large enough to be collected by itself
	runtime.AddCleanup(sentinel, func(collected chan struct{}) {
		select {
		case collected <- struct{}{}:
		default:
		}
	}, t.collected)
}

func (t *gcTuner) run() {
	for {
		select {
		case <-t.stopped:
			return
		case <-t.collected:
			want := t.next(time.Now(), t.live())
			if want != t.percent {
				t.percent = want
				debug.SetGCPercent(want)
			}
			t.watch()
		}
	}
}

// next returns what the collector is to run with after a collection that has left
// so many bytes in use. It moves in coarse steps: each change stops the process
// for a moment.
func (t *gcTuner) next(now time.Time, live uint64) int {
	t.quick++
	if now.Sub(t.last) > busyInterval {
		t.quick = 0
	}
	t.last = now
	if t.quick < busyCollections {
		return usualPercent
	}
	for percent := busyPercent; percent > usualPercent; percent /= 2 {
		if live*uint64(percent)/100 <= maxGarbage {
			return percent
		}
	}
	return usualPercent
}

// liveHeap returns how many bytes the last collection has left.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
