//go:build !windows

package dev

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/loopback"
)

func init() {
	children["kill"] = func(args []string) error {
		number := map[string]syscall.Signal{"KILL": syscall.SIGKILL, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT}[args[0]]
		if err := syscall.Kill(os.Getpid(), number); err != nil {
			return err
		}
		time.Sleep(patience) // not a moment of it, if the signal has come
		return errors.New("the signal has not come")
	}
}

func TestExitBySignal(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"KILL": 137, "TERM": 143, "INT": 130} {
		if o := run(t, Options{}, "kill", name); o.status != want || o.err != nil {
			t.Errorf("SIG%s: %d, %v", name, o.status, o.err)
		}
	}
}

func TestCommandThatCannotRun(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Dir(file)} {
		o := runOptions(t.Context(), Options{Command: []string{path}})
		if o.status != 126 || o.err == nil || o.err.Error() != path+": permission denied" {
			t.Errorf("%s: %d, %v", path, o.status, o.err)
		}
	}
}

// Nothing is answered before everything is there: until then the vaults are
// missing, and the client secret of an earlier run would still be taken.
func TestNothingIsServedTooEarly(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		lacks(t, "named pipes", err)
	}
	address, err := loopback.Free()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan outcome, 1)
	go func() { done <- runOptions(ctx, Options{Listen: address, Secrets: []string{"x=@" + fifo}}) }()

	// Opening succeeds once the other end is read: the secrets are being set.
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	handshake := func(limit time.Duration) error {
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: limit}, Config: &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := handshake(200 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("while the secrets are being set, a connection gets: %v", err)
	}
	if _, err := w.WriteString("value"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := handshake(patience); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	cancel()
	if o := <-done; o.err != nil || !strings.Contains(o.stdout, address[strings.LastIndex(address, ":"):]) {
		t.Errorf("Run: %v, %s", o.err, o.stdout)
	}
}
