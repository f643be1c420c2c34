package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// gorace keeps a program under the race detector from sleeping for a second before
// it ends, which the scripts' hundreds would spend most of their time with.
const gorace = "atexit_sleep_ms=0"

// TestMain makes programs of okv and of hold, for the scripts to run.
func TestMain(m *testing.M) {
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" "+gorace); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"okv": main, "hold": hold})
}

// hold is the child of an okv dev that serves a script: it tells its
// environment and lasts as long as its standard input.
func hold() {
	if err := json.NewEncoder(os.Stdout).Encode(os.Environ()); err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// TestScript runs the scripts of testdata/script. Besides testscript's own
// commands they have:
//
//	dev [FLAGS]           the rest of the script runs inside okv dev FLAGS
//	status N COMMAND      run COMMAND, which must end with the exit status N
//	json PATH [VALUE]     the JSON in standard output has, at PATH, VALUE
//	jsonenv NAME PATH     set the variable to what is there at PATH
//	versionenv NAME       set the variable to the version in the id there
//	completes NAMES LINE  a shell that completes LINE is given NAMES, and no more
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", os.Getenv("GORACE"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"dev": scriptDev, "status": scriptStatus, "json": scriptJSON, "jsonenv": scriptJSONEnv, "versionenv": scriptVersion,
			"completes": scriptCompletes,
		},
	})
}

func scriptDev(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("dev cannot be negated")
	}
	var stderr bytes.Buffer
	cmd := exec.Command("okv", append(append([]string{"dev"}, args...), "--", "hold")...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	ts.Check(err)
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			ts.Logf("okv dev: %v", err)
		}
		ts.Logf("[okv dev]\n%s", stderr.String())
	})
	var environ []string
	if err := json.NewDecoder(stdout).Decode(&environ); err != nil {
		ts.Fatalf("okv dev did not run its command: %v", err)
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case "PATH", "HOME", "TMPDIR", "PWD":
		default:
			ts.Setenv(name, value)
		}
	}
}

func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("the exit status is %d, not %d", got, want)
	}
}

func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: json PATH [VALUE]")
	}
	var value any
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	decoder.UseNumber()
	ts.Check(decoder.Decode(&value))
	got, found := at(value, args[0])
	holds := found && (len(args) == 1 || fmt.Sprint(got) == args[1])
	if holds == neg {
		ts.Fatalf("%s is %v (found: %v)", args[0], got, found)
	}
}

func scriptJSONEnv(ts *testscript.TestScript, neg bool, args []string) {
	var value any
	if neg || len(args) != 2 {
		ts.Fatalf("usage: jsonenv NAME PATH")
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	got, found := at(value, args[1])
	if !found {
		ts.Fatalf("there is no %s", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(got))
}

func scriptVersion(ts *testscript.TestScript, neg bool, args []string) {
	var answer struct{ ID string }
	if neg || len(args) != 1 {
		ts.Fatalf("usage: versionenv NAME")
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &answer))
	ts.Setenv(args[0], path.Base(answer.ID))
}

// scriptCompletes asks again where names are missing: completing has a time limit,
// in which a busy machine gets few of them.
func scriptCompletes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: completes NAMES LINE")
	}
	want := strings.Fields(args[0])
	for deadline := time.Now().Add(patience); ; {
		ts.Check(ts.Exec("okv", append([]string{"__complete"}, args[1:]...)...))
		got := strings.Fields(ts.ReadFile("stdout"))
		got = got[:len(got)-1] // without what the shell is to do with them
		for _, name := range got {
			if !slices.Contains(want, name) {
				ts.Fatalf("%s is among the names", name)
			}
		}
		if len(got) == len(want) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the names are %q", got)
		}
	}
}

// at returns what is at a path of member names and indexes, such as 0.tags.env.
// The word len is the length of an array.
func at(value any, place string) (any, bool) {
	for _, word := range strings.Split(place, ".") {
		switch v := value.(type) {
		case map[string]any:
			member, ok := v[word]
			if !ok {
				return nil, false
			}
			value = member
		case []any:
			i, err := strconv.Atoi(word)
			switch {
			case word == "len":
				value = len(v)
			case err != nil || i >= len(v):
				return nil, false
			default:
				value = v[i]
			}
		default:
			return nil, false
		}
	}
	return value, true
}
