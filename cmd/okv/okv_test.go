package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// walk calls f for cmd and all commands below it.
func walk(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, f)
	}
}

// Every command says what it is for and shows how to use it.
func TestHelp(t *testing.T) {
	t.Parallel()
	n := 0
	walk(newRoot(), func(cmd *cobra.Command) {
		n++
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s has no short description or no example", cmd.CommandPath())
		}
		if !strings.Contains(cmd.UsageString(), "Examples:\n"+cmd.Example) {
			t.Errorf("the help of %s does not show its example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "   ") {
				t.Errorf("the example of %s is not indented by two: %q", cmd.CommandPath(), line)
			}
		}
		for line := range strings.Lines(cmd.Long) {
			if len(strings.TrimSpace(line)) > 85 && cmd.Parent() != nil && cmd.Parent().Name() != "completion" {
				t.Errorf("a line of the help of %s is too long: %q", cmd.CommandPath(), line)
			}
		}
	})
	if n < 30 {
		t.Errorf("the walk found only %d commands", n)
	}
}

// What the help shows is right: the command exists, with these flags, and they
// are enough.
func TestExamples(t *testing.T) {
	t.Parallel()
	walk(newRoot(), func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			_, words, _ := strings.Cut(line, "okv ")
			args := fields(strings.TrimRight(words, ")\n"))
			if err := parse(args); err != nil {
				t.Errorf("the example %q of %s: %v", strings.TrimSpace(line), cmd.CommandPath(), err)
			}
			name := cmd.Name()
			if cmd.Parent() != nil && !slices.Contains(args, name) {
				t.Errorf("the example %q of %s is one of another command", strings.TrimSpace(line), cmd.CommandPath())
			}
		}
	})
}

// fields splits a line as a shell does that knows double quotes only.
func fields(line string) (words []string) {
	quoted := false
	split := func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	}
	for _, word := range strings.FieldsFunc(line, split) {
		words = append(words, strings.ReplaceAll(word, `"`, ""))
	}
	return words
}

// parse does what comes before a command begins.
func parse(args []string) error {
	root := newRoot()
	cmd, rest, err := root.Find(azArgs(root, args))
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	for _, check := range []func() error{
		func() error { return cmd.ValidateArgs(cmd.Flags().Args()) }, cmd.ValidateRequiredFlags, cmd.ValidateFlagGroups,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func TestMarkBegin(t *testing.T) {
	t.Parallel()
	run := func(args ...string) bool {
		root := &cobra.Command{Use: "root", SilenceErrors: true, SilenceUsage: true}
		root.AddCommand(&cobra.Command{Use: "sub", Args: noArgs, RunE: func(*cobra.Command, []string) error { return errStatus{1, nil} }})
		root.SetOut(new(bytes.Buffer))
		began := markBegin(root)
		root.SetArgs(args)
		if root.Execute() == nil {
			t.Errorf("%q did not fail", args)
		}
		return *began
	}
	if !run("sub") {
		t.Error("a command that has run has not begun")
	}
	for _, args := range [][]string{{"sub", "word"}, {"sub", "--nonsense"}, {"nonsense"}} {
		if run(args...) {
			t.Errorf("%q has begun", args)
		}
	}
}

func TestAzArgs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"secret set --tags a=1 b=2 --name x", "secret set --tags=a=1 --tags=b=2 --name x"},
		{"secret set --name x --tags a=1 b=2", "secret set --name x --tags=a=1 --tags=b=2"},
		{"secret set --tags a=1 --tags b=2", "secret set --tags=a=1 --tags=b=2"},
		{"secret set --tags=a=1 b=2", "secret set --tags=a=1 b=2"},
		{"secret set --tags", "secret set --tags"},
		{"secret set --tags --name x", "secret set --tags --name x"},
		{"key create --ops sign verify -n x", "key create --ops=sign --ops=verify -n x"},

		// The value of a flag is never taken for a flag.
		{"secret set --value --tags a b", "secret set --value --tags a b"},
		{"secret set -n --disabled false", "secret set -n --disabled false"},
		{"secret set --value", "secret set --value"},
		{"secret list -o --disabled", "secret list -o --disabled"},

		{"secret set --disabled false --name x", "secret set --disabled=false --name x"},
		{"secret set --disabled true", "secret set --disabled=true"},
		{"secret set --disabled --name x", "secret set --disabled --name x"},
		{"secret set-attributes --enabled False", "secret set-attributes --enabled=false"},
		{"secret set-attributes --enabled TRUE", "secret set-attributes --enabled=true"},
		{"vault create --enable-rbac-authorization false", "vault create --enable-rbac-authorization=false"},

		// A command of okv dev is not okv's.
		{"dev --vault x -- az --tags a b", "dev --vault x -- az --tags a b"},
		{"dev -v -- prog --disabled false", "dev -v -- prog --disabled false"},

		{"nonsense --tags a b", "nonsense --tags a b"},
		{"secret set --nonsense a b", "secret set --nonsense a b"},
		{"", ""},
	} {
		if got := strings.Join(azArgs(newRoot(), strings.Fields(tc.in)), " "); got != tc.want {
			t.Errorf("azArgs(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

// Whatever the command line, nothing is lost or added but names of flags, and
// the command of okv dev stays as it is.
func FuzzAzArgs(f *testing.F) {
	f.Add("secret set --tags a b --disabled false")
	f.Add("dev -v -- prog --tags a b")
	f.Add("key create --ops -- sign")
	root := newRoot() // which is only looked at
	f.Fuzz(func(t *testing.T, line string) {
		// To look for commands of names similar to a very long one takes very long.
		args := strings.Split(line[:min(len(line), 1<<10)], " ")
		out := azArgs(root, slices.Clone(args))
		if again := azArgs(root, slices.Clone(out)); !slices.Equal(again, out) && !slices.Contains(out, "--") {
			t.Errorf("%q becomes %q and then %q", args, out, again)
		}
		if i := slices.Index(args, "--"); i >= 0 && args[0] == "dev" && !slices.Contains(args[:i], "--secret") {
			if tail := args[i:]; len(out) < len(tail) || !slices.Equal(out[len(out)-len(tail):], tail) {
				t.Errorf("%q becomes %q", args, out)
			}
		}
	})
}
