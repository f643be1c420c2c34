package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/bench"
)

// The command measures with processes of its own program, okv dev among them,
// and prints for programs what it promises.
func TestBench(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "okv", "bench", "--quick", "--duration", "30ms",
		"--only", "start", "get", "-o", "json", "--data-dir", t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var report bench.Report
	decoder := json.NewDecoder(&stdout)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&report); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range report.Rows {
		names = append(names, row.Scenario)
		if row.Figure <= 0 || row.Ratio <= 0 || row.OK == nil {
			t.Errorf("the row is %+v", row)
		}
		if !strings.Contains(stderr.String(), row.Scenario) {
			t.Errorf("nothing was said of %q while it ran", row.Scenario)
		}
	}
	for _, want := range []string{"GET secret, roles, HTTP/1.1", "okv dev to first secret, 10,000 secrets"} {
		if !slices.Contains(names, want) {
			t.Errorf("the rows are %q, not %q", names, want)
		}
	}
	if len(names) != 7 || report.Machine.CPUs < 1 {
		t.Errorf("the machine is %+v, the rows are %q", report.Machine, names)
	}
}

func TestWriteReport(t *testing.T) {
	t.Parallel()
	yes := true
	report := &bench.Report{
		Machine: bench.Machine{OS: "linux", Arch: "amd64", CPU: "Some CPU", CPUs: 2, Go: "go1.26"},
		Rows: []bench.Row{
			{Scenario: "a", Unit: bench.PerSecond, Figure: 900, Limit: 1000, Ratio: 0.9, Least: 0.8, Most: 1,
				Budget: &bench.Budget{Of: "ratio", AtLeast: 0.8}, OK: &yes, Note: "a busy server"},
			{Scenario: "b", Unit: bench.Megabytes, Figure: 12.3},
		},
	}
	var out bytes.Buffer
	if err := writeReport(&out, report, formatText); err != nil {
		t.Fatal(err)
	}
	want := `2 CPUs, linux/amd64, go1.26, Some CPU

SCENARIO  FIGURE   LIMIT    RATIO             BUDGET   OK
a         900/s    1,000/s  0.90 (0.80-1.00)  >= 0.80  yes
b         12.3 MB  -        -                 -        -

a: a busy server.
`
	if out.String() != want {
		t.Errorf("printed is\n%s\nwant\n%s", out.String(), want)
	}
}

func TestBenchUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"bench --only nonsense":    "it is one of get, put, start, memory, scale, keys",
		"bench get":                "arguments that belong to no flag",
		"bench --duration forever": "invalid",
	} {
		err := parse(strings.Fields(line))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if err := parse(strings.Fields("bench --only get put --quick")); err != nil {
		t.Error(err)
	}
}
