package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestCompleteArgs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"__complete key create --ops sign _", "__complete key create --ops=sign --ops _"},
		{"__completeNoDesc key create --ops sign verify w", "__completeNoDesc key create --ops=sign --ops=verify --ops w"},
		{"__complete key create --ops _", "__complete key create --ops _"},
		{"__complete key create --ops sign --na", "__complete key create --ops=sign --na"},
		{"__complete key create --ops sign -n x --k", "__complete key create --ops=sign -n x --k"},
		{"__complete key create --ops sign -n x", "__complete key create --ops=sign -n x"},
		{"__complete key create --nonsense a b", "__complete key create --nonsense a b"},
		{"__complete vault network-rule add --ip-address ::1 _", "__complete vault network-rule add --ip-address=::1 --ip-address _"},
		{"__complete secret set --disabled false --kt", "__complete secret set --disabled=false --kt"},
		{"__complete sec", "__complete sec"},
		{"__complete", "__complete"},
		{"key create --ops sign verify", "key create --ops=sign --ops=verify"},
		{"", ""},
	} {
		// A blank at the end of a line is an empty word, which _ stands for.
		args := strings.Fields(tc.in)
		if got := strings.Join(completeArgs(newRoot(), args), " "); got != tc.want {
			t.Errorf("completeArgs(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestCollectNames(t *testing.T) {
	t.Parallel()
	if got := collectNames(slices.Values([]string{"Token", "to", "t", "other"}), "TO"); !slices.Equal(got, []string{"Token", "to"}) {
		t.Errorf("got %q", got)
	}
	asked := 0
	endless := func(yield func(string) bool) {
		for asked++; yield(fmt.Sprint("n", asked)); asked++ {
		}
	}
	if got := collectNames(endless, ""); len(got) != maxCompletions || asked != maxCompletions {
		t.Errorf("got %d names of %d", len(got), asked)
	}
}

// The tests of completions depend on the environment and so are not parallel.
func TestCompleteNames(t *testing.T) {
	complete := func(list names) (string, bool) {
		asked := false
		root := &cobra.Command{Use: "root", Run: func(*cobra.Command, []string) {}}
		root.Flags().String("name", "", "")
		completeNames(root, "name", func(ctx context.Context) iter.Seq[string] {
			asked = true
			return list(ctx)
		})
		var out strings.Builder
		root.SetOut(&out)
		root.SetErr(io.Discard)
		root.SetArgs([]string{"__complete", "--name", "a"})
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out.String(), asked
	}
	two := func(ctx context.Context) iter.Seq[string] {
		if end, ok := ctx.Deadline(); !ok || time.Until(end) > completeTimeout {
			t.Errorf("it may take until %v", end)
		}
		return slices.Values([]string{"ab", "b"})
	}
	t.Setenv("AZURE_CLIENT_ID", "app")
	if got, _ := complete(two); got != "ab\n:4\n" {
		t.Errorf("got %q", got)
	}
	t.Setenv("AZURE_CLIENT_ID", "")
	if got, asked := complete(two); got != ":4\n" || asked {
		t.Errorf("without credentials got %q, asked: %v", got, asked)
	}
}
