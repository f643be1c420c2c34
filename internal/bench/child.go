package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/server"
)

// spec is what a process of this package is to be: one of its members is set.
// It comes as the first JSON value of the standard input; tasks follow, and each
// of all these values is answered with an outcome on the standard output. The
// end of the input ends the process.
type spec struct {
	Server *serverSpec `json:"server,omitempty"`
	Load   *loadSpec   `json:"load,omitempty"`
	Engine *engineSpec `json:"engine,omitempty"`
	// Primitive is done over and over, by itself.
	Primitive primitive `json:"primitive,omitempty"`
}

// task is something for a process to do.
type task struct {
	Do what `json:"do"`
	// Duration, or a number of Requests if that is not zero, bounds doRun.
	Duration time.Duration `json:"duration,omitempty"`
	Requests int64         `json:"requests,omitempty"`
	// File is where profiles go: FILE.cpu.pprof and FILE.allocs.pprof.
	File string `json:"file,omitempty"`
}

type what string

const (
	doRun          what = "run"          // load generators and engines: work
	doStats        what = "stats"        // all: tell what was used so far
	doProfile      what = "profile"      // all: begin a profile
	doWriteProfile what = "writeProfile" // all: end it
)

// outcome is what became of a spec or a task.
type outcome struct {
	Error   string `json:"error,omitempty"`
	Address string `json:"address,omitempty"` // of a server
	Stats   stats  `json:"stats"`
	Work    work   `json:"work"`
}

// stats are what a process has used so far.
type stats struct {
	CPU time.Duration `json:"cpu"`
	// Resident is its memory as the operating system counts it, or zero; Heap
	// what is allocated on Go's heap and not yet known to be garbage.
	Resident int64 `json:"resident"`
	Heap     int64 `json:"heap"`
}

// work is what doRun has done.
type work struct {
	Done    int64         `json:"done"`
	Elapsed time.Duration `json:"elapsed"`
	// P50 and P99 are percentiles of how long each took; zero where that was not
	// measured.
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
}

// rate is per second.
func (w work) rate() float64 { return float64(w.Done) / w.Elapsed.Seconds() }

// medianTime and slowTime are percentiles in microseconds.
func medianTime(w work) float64 { return microseconds(w.P50) }
func slowTime(w work) float64   { return microseconds(w.P99) }

// percentiles fills in those of all of took together, which it adds up.
func (w *work) percentiles(took []histogram) {
	all := &took[0]
	for i := range took[1:] {
		all.merge(&took[i+1])
	}
	w.P50, w.P99 = all.quantile(0.50), all.quantile(0.99)
}

// ended reports whether a doRun that started then and has done so much is over. It is
// not before something is done, however late the process is run: there would be no figure.
func (t task) ended(done int64, started time.Time) bool {
	if t.Requests > 0 {
		return done >= t.Requests
	}
	return done > 0 && time.Since(started) >= t.Duration
}

// job is what a process does.
type job interface {
	// address returns where a server listens.
	address() string
	run(context.Context, task) (work, error)
	close() error
}

// Child is a process that Run has started: it does what the input says until
// that ends.
func Child(ctx context.Context, in io.Reader, out io.Writer) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	var s spec
	if err := decoder.Decode(&s); err != nil {
		return fmt.Errorf("reading what to do: %w", err)
	}
	j, err := s.begin(ctx)
	if err != nil {
		return encoder.Encode(outcome{Error: err.Error()})
	}
	p := process{job: j}
	err = encoder.Encode(outcome{Address: j.address()})
	for err == nil {
		var t task
		if err = decoder.Decode(&t); err == nil {
			err = encoder.Encode(p.do(ctx, t))
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, j.close())
}

func (s spec) begin(ctx context.Context) (job, error) {
	if s.Server != nil {
		// As okv serve does. The bare server has what it gains, too.
		server.TuneGC()
	}
	switch {
	case s.Server != nil && s.Server.Answer != nil:
		return newBare(s.Server)
	case s.Server != nil:
		return newServer(ctx, s.Server)
	case s.Load != nil:
		return newLoad(ctx, s.Load)
	case s.Engine != nil:
		return newEngine(s.Engine)
	case s.Primitive != "":
		return newPrimitive(s.Primitive)
	}
	return nil, errors.New("nothing to do")
}

// process is a job with what every process can do.
type process struct {
	job
	profile *os.File // of the CPU, in progress
}

func (p *process) do(ctx context.Context, t task) (o outcome) {
	var err error
	switch t.Do {
	case doRun:
		o.Work, err = p.run(ctx, t)
	case doStats:
		o.Stats = readStats()
	case doProfile:
		if p.profile, err = os.Create(t.File + ".cpu.pprof"); err == nil {
			err = pprof.StartCPUProfile(p.profile)
		}
	case doWriteProfile:
		pprof.StopCPUProfile()
		err = errors.Join(p.profile.Close(), writeAllocs(t.File+".allocs.pprof"))
	default:
		err = fmt.Errorf("unknown task %q", t.Do)
	}
	if err != nil {
		o.Error = err.Error()
	}
	return o
}

func readStats() stats {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return stats{CPU: cpuTime(), Resident: residentBytes(), Heap: int64(m.HeapAlloc)}
}

func writeAllocs(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}

// child is a process of ours, seen from here. It is used by one goroutine.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	decoder *json.Decoder
	errors  tail
	address string
}

// anyCore stands for no core in particular.
const anyCore = -1

// spawn starts a process and waits until it is ready. One on a core of its own
// runs Go code on one thread at a time.
func (r *run) spawn(ctx context.Context, core int, s spec) (*child, error) {
	c := &child{cmd: exec.CommandContext(ctx, r.Child[0], r.Child[1:]...)}
	c.cmd.Stderr = &c.errors
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.decoder = json.NewDecoder(out)
	if core == anyCore {
		err = c.cmd.Start()
	} else {
		c.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		err = startOn(c.cmd, core)
	}
	if err != nil {
		return nil, err
	}
	o, err := c.ask(s)
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.address = o.Address
	return c, nil
}

// ask sends a spec or a task and returns its outcome.
func (c *child) ask(v any) (outcome, error) {
	var o outcome
	err := json.NewEncoder(c.in).Encode(v)
	if err == nil {
		err = c.decoder.Decode(&o)
	}
	if err != nil {
		return o, fmt.Errorf("a process of the benchmark has ended: %w", err)
	}
	if o.Error != "" {
		return o, errors.New(o.Error)
	}
	return o, nil
}

func (c *child) run(d time.Duration) (work, error) {
	o, err := c.ask(task{Do: doRun, Duration: d})
	return o.Work, err
}

func (c *child) stats() (stats, error) {
	o, err := c.ask(task{Do: doStats})
	return o.Stats, err
}

// stop ends the process and waits for it.
func (c *child) stop() error {
	_ = c.in.Close() // it may have ended
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, c.errors.String())
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-maxTail):]
	return len(p), nil
}

func (t *tail) String() string { return string(bytes.TrimSpace(t.text)) }

// serverCore and loadCore are where a server and its load run when each is to
// have a core to itself.
func serverCore() int { return coreAt(0) }
func loadCore() int   { return coreAt(1) }

func coreAt(i int) int {
	if all := cores(); len(all) > 1 {
		return all[i]
	}
	return anyCore
}
