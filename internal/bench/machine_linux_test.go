package bench

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestStatusBytes(t *testing.T) {
	t.Parallel()
	status := []byte("Name:\tokv\nVmPeak:\t  9 kB\nVmRSS:\t   12345 kB\nThreads:\t7\n")
	for name, want := range map[string]int64{"VmRSS:": 12345 << 10, "VmPeak:": 9 << 10, "VmSwap:": 0, "Name:": 0} {
		if got := statusBytes(status, name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	if residentBytes() < 1<<20 {
		t.Errorf("this process has %d bytes", residentBytes())
	}
}

func TestMachine(t *testing.T) {
	t.Parallel()
	if load := loadAverage(); load == nil || *load < 0 {
		t.Errorf("the load average is %v", load)
	}
}

// A process that is started on a core stays there with all its threads, and who
// starts it keeps its own cores.
func TestStartOn(t *testing.T) {
	t.Parallel()
	all := cores()
	if len(all) == 0 {
		t.Fatal("there are no cores")
	}
	last := all[len(all)-1]
	cmd := exec.Command("cat", "/proc/self/status")
	var out strings.Builder
	cmd.Stdout = &out
	if err := startOn(cmd, last); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var allowed string
	for line := range strings.Lines(out.String()) {
		if value, found := strings.CutPrefix(line, "Cpus_allowed_list:"); found {
			allowed = strings.TrimSpace(value)
		}
	}
	if want := strconv.Itoa(last); allowed != want {
		t.Errorf("the process may use CPUs %q, want %q", allowed, want)
	}
	if now := cores(); !slices.Equal(now, all) {
		t.Errorf("the test itself may use %v, before %v", now, all)
	}
	if err := startOn(exec.Command(os.Args[0]), 1<<20); err == nil {
		t.Error("a CPU that does not exist is no error")
	}
}
