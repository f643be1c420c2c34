package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// childArgs make the test's own program a process of a run.
var childArgs = []string{"be-a-child"}

func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], childArgs) {
		if err := Child(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// The race detector has each of the many processes of a run wait for a second
	// at its end.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// small are options for a run that takes seconds.
func small(t testing.TB) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Child: append([]string{self}, childArgs...), Dir: t.TempDir(), Quick: true, Duration: 30 * time.Millisecond,
		sizes: sizes{warm: 3, start: 40, scale: []int{30, 60}},
	}
}

// Every scenario runs to its end with the real processes, and every figure has
// the limit, the ratio and the budget that are promised.
func TestRun(t *testing.T) {
	t.Parallel()
	o := small(t)
	o.Profiles = t.TempDir() + "/profiles"
	var said []string
	o.Progress = func(s string) { said = append(said, s) }
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"GET secret, roles, HTTP/1.1":                              ">= 0.80",
		"GET secret, roles, HTTP/2":                                ">= 0.80",
		"GET secret, policies, HTTP/1.1":                           ">= 0.80",
		"GET secret, policies, HTTP/2":                             ">= 0.80",
		"PUT secret, 1 writer":                                     "",
		"PUT secret, 16 writers":                                   "",
		"PUT secret, 64 writers":                                   ">= 0.80",
		"PUT secret, 1 writer, HTTP at the limit too":              "",
		"PUT secret, 16 writers, HTTP at the limit too":            "",
		"PUT secret, 64 writers, HTTP at the limit too":            "",
		"start to first answer, 40 secrets":                        "<= 50.0 ms",
		"start to first secret, 40 secrets":                        "<= 50.0 ms",
		"Go heap, idle after start":                                "",
		"Go heap, after 0 s of GET":                                "",
		"GET secret, any, of 60, median":                           "<= 1.20",
		"GET secret, any, of 60, 99th percentile":                  "",
		"GET secret, 1,000 in use, of 60, median":                  "<= 1.20",
		"GET secret, 1,000 in use, of 60, 99th percentile":         "",
		"list 25 secrets, of 60, median":                           "<= 1.20",
		"RS256, RSA 2048, sign":                                    ">= 0.85",
		"PS256, RSA 3072, sign":                                    ">= 0.85",
		"RSA-OAEP-256, RSA 2048, unwrap":                           ">= 0.85",
		"GET secret while RSA 4096 keys are made, 99th percentile": "<= 3.00",
		"ES256, sign":             ">= 0.50",
		"A256GCM, 4 KiB, encrypt": ">= 0.50",
		"A256GCM, 4 KiB, encrypt, HTTP at the limit too": "",
		"ES384, sign": ">= 0.50",
		"RS256, RSA 2048, sign, HTTP at the limit too":          "",
		"PS256, RSA 3072, sign, HTTP at the limit too":          "",
		"RSA-OAEP-256, RSA 2048, unwrap, HTTP at the limit too": "",
		"ES256, sign, HTTP at the limit too":                    "",
		"ES384, sign, HTTP at the limit too":                    "",
		"list 25 secrets, of 60, 99th percentile":               "",
	}
	if residentBytes() > 0 {
		want["resident, idle after start"] = "<= 40.0 MB"
		want["resident, after 0 s of GET"] = ""
	}
	for _, row := range report.Rows {
		budget, known := want[row.Scenario]
		delete(want, row.Scenario)
		cells := row.Cells()
		if !known || cells[4] != budget || (cells[5] == "") != (budget == "") {
			t.Errorf("the row is %q, wanted is the budget %q", cells, budget)
		}
		if row.Figure <= 0 || row.Limit <= 0 || row.LimitOf == "" || row.Least <= 0 || row.Least > row.Ratio || row.Ratio > row.Most {
			t.Errorf("the row is %+v", row)
		}
		if !slices.Contains(said, strings.Join(cells, "  ")) {
			t.Errorf("nothing was said of %q while it ran", cells)
		}
	}
	if len(want) > 0 {
		t.Errorf("there are no rows of %q", want)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("the run leaves %v, %v", left, err)
	}
	for _, name := range []string{"get-secret-roles-http-1-1", "put-secret-64-writers"} {
		for _, kind := range []string{".cpu.pprof", ".allocs.pprof"} {
			if info, err := os.Stat(o.Profiles + "/" + name + kind); err != nil || info.Size() == 0 {
				t.Errorf("the profile %s: %v, %v", name+kind, info, err)
			}
		}
	}
}

func TestRunOnly(t *testing.T) {
	t.Parallel()
	o := small(t)
	o.Only = []Scenario{Memory}
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if m := report.Machine; m.CPUs < 1 || m.OS == "" || m.Arch == "" || !strings.Contains(m.String(), m.Go) {
		t.Errorf("the machine is %q", m)
	}
	for _, row := range report.Rows {
		if row.Unit != Megabytes {
			t.Errorf("%q was not asked for", row.Scenario)
		}
	}
	if len(report.Rows) == 0 {
		t.Error("there are no rows")
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no child":         {func(o *Options) { o.Child = nil }, "no command"},
		"unknown scenario": {func(o *Options) { o.Only = []Scenario{"nonsense"} }, `no scenario "nonsense"`},
		"no directory":     {func(o *Options) { o.Dir += "/missing" }, "missing"},
		"broken child":     {func(o *Options) { o.Child = []string{o.Child[0], "-test.run=^$"} }, "get: GET secret, roles, HTTP/1.1: a process of the benchmark has ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := small(t)
			tc.change(&o)
			report, err := Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v, wanted is %q", err, tc.want)
			}
			if report != nil && len(report.Rows) > 0 {
				t.Errorf("there are rows: %v", report.Rows)
			}
		})
	}
}

func TestChildRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, out string }{
		"nothing to be":  {"{}", `"error":"nothing to do"`},
		"an unknown job": {`{"server":{"listen":"127.0.0.1:0","answer":{}}}{"do":"dance"}`, `"error":"unknown task \"dance\""`},
		"a server's run": {`{"server":{"listen":"127.0.0.1:0","answer":{}}}{"do":"run"}`, `"error":"a server only answers"`},
		"a bad address":  {`{"server":{"listen":"127.0.0.1:x","answer":{}}}`, `lookup tcp/x`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if err := Child(t.Context(), strings.NewReader(tc.in), &out); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), tc.out) {
				t.Errorf("the outcome is %s", out.String())
			}
		})
	}
	if err := Child(t.Context(), strings.NewReader("nonsense"), new(strings.Builder)); err == nil {
		t.Error("nonsense is no error")
	}
}
