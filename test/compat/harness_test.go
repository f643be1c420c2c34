// Package compat drives a freshly built okv with software that we did not
// write. It is a module of its own, so that what it needs never reaches a user
// of the libraries, and `go test ./...` at the root needs Go alone.
//
// Nothing here is skipped: what a test needs and does not find fails it.
package compat

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const root = "../.."

// buildOKV builds the binary once for all tests.
var buildOKV = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs(filepath.Join("bin", "okv"))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", path, "./cmd/okv")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{err, out}
	}
	return path, nil
})

type buildError struct {
	err error
	out []byte
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + string(e.out) }

func okv(t *testing.T) string {
	t.Helper()
	path, err := buildOKV()
	if err != nil {
		t.Fatalf("building okv: %v", err)
	}
	return path
}

// python returns an interpreter whose environment holds exactly what the requirements
// file names, made once and kept beside this file.
func python(t *testing.T, requirements string) string {
	t.Helper()
	file := filepath.Join("python", "requirements-"+requirements+".txt")
	wanted, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(filepath.Join("venv", requirements))
	if err != nil {
		t.Fatal(err)
	}
	interpreter, stamp := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "installed.txt")
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, wanted) {
		return interpreter
	}
	base := os.Getenv("PYTHON")
	if base == "" {
		base = "python3"
	}
	run(t, base, "-m", "venv", "--clear", dir)
	run(t, interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "10", "--no-deps", "-r", file)
	if err := os.WriteFile(stamp, wanted, 0o644); err != nil {
		t.Fatal(err)
	}
	return interpreter
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return runWith(t, nil, name, args...)
}

// runWith runs a command with more variables in its environment and returns
// what it printed. A status other than 0 fails the test.
func runWith(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dev runs a command as `okv dev -- COMMAND` and wants each line in its output.
func dev(t *testing.T, env []string, lines []string, command ...string) string {
	t.Helper()
	out := runWith(t, env, okv(t), append([]string{"dev", "--"}, command...)...)
	for _, want := range lines {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	return out
}
