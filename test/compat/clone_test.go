package compat

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFreshClone does what the README says, as a new user would: its two
// commands, in a new clone of what is committed.
func TestFreshClone(t *testing.T) {
	const budget = 5 * time.Minute
	clone := filepath.Join(t.TempDir(), "openkeyvault")
	run(t, "git", "clone", "--quiet", "--no-local", root, clone)
	readme, err := os.ReadFile(filepath.Join(clone, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		command string
		wants   []string
	}{
		{"go run ./cmd/okv dev -- go run ./examples/quickstart", []string{"vault.azure.net", `"kty"`, "secret"}},
		{"go test ./...", []string{"ok"}},
	} {
		if !strings.Contains(string(readme), step.command) {
			t.Errorf("the README lacks the command %q", step.command)
		}
		began := time.Now()
		fields := strings.Fields(step.command)
		cmd := exec.CommandContext(t.Context(), fields[0], fields[1:]...)
		cmd.Dir = clone
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", step.command, err, withoutPassed(string(out)))
		}
		for _, want := range step.wants {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: the output lacks %q:\n%s", step.command, want, out)
			}
		}
		took := time.Since(began).Round(time.Second)
		// Of all processes that the command has started and waited for.
		used := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(time.Second)
		t.Logf("%s: %s, with %s on the CPU", step.command, took, used)
		if took > budget {
			t.Errorf("%s took %s, more than %s; it was on the CPU for %s", step.command, took, budget, used)
		}
	}
}

// withoutPassed leaves of what "go test ./..." printed what tells of a failure:
// not the lines of packages that passed, which would bury it.
func withoutPassed(out string) string {
	var kept strings.Builder
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "ok  \t") && !strings.HasPrefix(line, "?   \t") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
