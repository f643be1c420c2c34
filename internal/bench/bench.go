// Package bench measures OpenKeyVault, each figure beside its own physical limit
// from the same run: a bare TLS handler that gives the same answer, the engine
// that commits the same bytes, a process that only starts, a vault of a thousand
// secrets, the primitive of a cryptographic operation.
//
// It guarantees that what is measured is the real server over a data directory,
// with a token that it issued and permissions that it decides; that both sides
// of a ratio are driven by the same load generator in turn, within seconds of
// each other; and that no answer other than the expected one is counted. It does
// not guarantee a quiet machine: it reports how busy the machine was before.
//
// Servers, load generators and the engine are processes of their own, so that
// each can have a core to itself and its memory and time can be told apart.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Scenario is the name of a group of figures.
type Scenario string

// The scenarios, in the order in which they run.
const (
	Get    Scenario = "get"    // reading one secret, as fast as it goes
	Put    Scenario = "put"    // durable writes
	Start  Scenario = "start"  // from exec to the first answer
	Memory Scenario = "memory" // of a server, idle and after load
	Scale  Scenario = "scale"  // latency by the number of secrets
	Keys   Scenario = "keys"   // operations with keys
)

// Scenarios returns all of them.
func Scenarios() []Scenario { return []Scenario{Get, Put, Start, Memory, Scale, Keys} }

// Options say what to measure and how. Child is required.
type Options struct {
	// Only are the scenarios to run; none means all.
	Only []Scenario
	// Duration is how long each side of a rate or latency is under load,
	// altogether. Zero means 10 s, or 1.5 s if Quick.
	Duration time.Duration
	// Quick takes fewer repetitions and stops at 100,000 secrets.
	Quick bool
	// Dir is where the data is kept while measuring, in a directory of its own
	// that is removed at the end: the disk that is measured. Empty means that of
	// temporary files.
	Dir string
	// Child is the command line of a process that calls Child.
	Child []string
	// Dev is the command line of `okv dev`; without it, its start is not
	// measured.
	Dev []string
	// Profiles, if not empty, is a directory for a profile of the CPU and one of
	// the allocations of the server in each of the scenarios Get, Put and Keys.
	Profiles string
	// Progress, if not nil, is told what is being done.
	Progress func(string)
	// sizes are the numbers of secrets; zero means the real ones.
	sizes sizes
}

// sizes are how many secrets the scenarios have, smaller in tests.
type sizes struct {
	warm  int   // of get
	start int   // of start and memory
	scale []int // the first is what the others are compared with
}

// Report is the outcome of a run.
type Report struct {
	Machine Machine `json:"machine"`
	Rows    []Row   `json:"rows"`
}

// Machine says what was measured on.
type Machine struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPU  string `json:"cpu,omitempty"` // the model, where it is known
	CPUs int    `json:"cpus"`
	Go   string `json:"go"`
	// Load is the load average over one minute before the run, where it is
	// known: above 0.1 or so, somebody else had a part of the machine.
	Load *float64 `json:"loadAverage,omitempty"`
}

// String returns the machine in one line.
func (m Machine) String() string {
	text := fmt.Sprintf("%d CPUs, %s/%s, %s", m.CPUs, m.OS, m.Arch, m.Go)
	if m.CPU != "" {
		text += ", " + m.CPU
	}
	if m.Load != nil {
		text += fmt.Sprintf(", load average %.1f before", *m.Load)
	}
	return text
}

// run is one run in progress.
type run struct {
	Options
	dir    string
	report Report
	big    *house // with sizes.start secrets, once a scenario has asked for it
}

// Run measures. What it has measured before an error is in the report.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	r := &run{Options: o}
	if err := r.check(); err != nil {
		return nil, err
	}
	if o.Profiles != "" {
		if err := os.MkdirAll(o.Profiles, 0o700); err != nil {
			return nil, err
		}
	}
	if r.dir, err = os.MkdirTemp(o.Dir, "okv-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if removed := os.RemoveAll(r.dir); removed != nil {
			err = errors.Join(err, fmt.Errorf("removing the data that was measured: %w", removed))
		}
	}()
	r.report.Machine = Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuModel(), CPUs: runtime.NumCPU(), Go: runtime.Version(), Load: loadAverage(),
	}
	steps := map[Scenario]func(context.Context) error{
		Get: r.get, Put: r.put, Start: r.start, Memory: r.memory, Scale: r.scale, Keys: r.keys,
	}
	for _, s := range Scenarios() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, s) {
			continue
		}
		if err := steps[s](ctx); ctx.Err() != nil {
			return &r.report, ctx.Err()
		} else if err != nil {
			return &r.report, fmt.Errorf("%s: %w", s, err)
		}
	}
	return &r.report, nil
}

func (r *run) check() error {
	if len(r.Child) == 0 {
		return errors.New("bench: there is no command for a process of one's own")
	}
	for _, s := range r.Only {
		if !slices.Contains(Scenarios(), s) {
			return fmt.Errorf("bench: there is no scenario %q", s)
		}
	}
	if r.Duration == 0 {
		r.Duration = 10 * time.Second
		if r.Quick {
			r.Duration = 1500 * time.Millisecond
		}
	}
	if r.sizes.warm == 0 {
		r.sizes = sizes{warm: 100, start: 10_000, scale: []int{1_000, 100_000, 1_000_000}}
		if r.Quick {
			r.sizes.scale = r.sizes.scale[:2]
		}
	}
	return nil
}

// rounds is into how many turns of each side a measurement is cut.
func (r *run) rounds() int {
	if r.Quick {
		return 3
	}
	return 5
}

func (r *run) progress(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

func (r *run) add(row Row) {
	row.judge()
	r.report.Rows = append(r.report.Rows, row)
	r.progress("%s", strings.Join(row.Cells(), "  "))
}
