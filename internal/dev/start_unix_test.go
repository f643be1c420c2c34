//go:build unix

package dev

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// The promise is a tenth of a second. What other programs do meanwhile is not the
// start's fault, so it is its time on the CPU that counts, in any of three tries; the
// race detector makes it many times as long.
func TestStartTime(t *testing.T) {
	best := time.Hour
	for range 3 {
		began, before := time.Now(), cpuTime(t)
		in := start(t, Options{Environ: os.Environ()})
		used := cpuTime(t) - before
		t.Logf("started in %v, with %v on the CPU", time.Since(began), used)
		best = min(best, used)
		in.stop()
	}
	if best > 2*time.Second {
		t.Errorf("a start takes %v on the CPU", best)
	}
}

// cpuTime is the time on the CPU that this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
