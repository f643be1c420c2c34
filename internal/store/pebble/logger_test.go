package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Values are sealed, but what is sealed has no place in a log either.
func TestLogHoldsNoValue(t *testing.T) {
	t.Parallel()
	var text logtest.Buffer
	fatal := make(chan error, 1)
	fs := newHookFS(vfs.NewMem())
	s := open(t, Config{
		Dir: "store", FS: fs, tune: smallMemtables, OnFatal: func(err error) { fatal <- err },
		Logger: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	const secret = "a value that is nobody's business"
	for i := range 100 {
		put(t, s, fmt.Sprint("key ", i%10), strings.Repeat(secret, 30))
	}
	if err := s.Compact(t.Context(), span("key", "kez")); err != nil {
		t.Fatal(err)
	}
	fs.hook(func(op fileOp, do func() error) error {
		if op.kind == opSync && op.isLog() {
			return errInjected
		}
		return do()
	})
	err := s.Update(t.Context(), func(tx store.Tx) error { return putIn(tx, "key", secret) })
	for what, message := range map[string]string{"the log": text.String(), "Update": err.Error(), "OnFatal": (<-fatal).Error()} {
		if strings.Contains(message, secret[:10]) {
			t.Errorf("the value is in what %s says", what)
		}
	}
	for _, want := range []string{"level=DEBUG msg=\"pebble: ", "level=ERROR msg=\"the store can no longer promise durability\" err=", errInjected.Error()} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
}

// Without OnFatal a server must not go on answering.
func TestFatalFaultEndsTheProcess(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+childFails)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the process ended with %v", err)
	}
	if !strings.Contains(string(out), "the store can no longer promise durability") || strings.Contains(string(out), "goroutine") {
		t.Errorf("the process said %s", out)
	}
}
