package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"time"
)

// graceTime is how long a child may take to end after it was told to.
const graceTime = 10 * time.Second

// runChild runs the command and returns its exit status, as a shell would: 128
// and the signal's number when a signal ended it. A child whose vault has failed
// is told to end.
func (in *instance) runChild(ctx context.Context) (int, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var failed error
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case failed = <-in.failed:
			end()
		case <-ctx.Done():
		}
	})
	status, err := in.waitForChild(ctx)
	end()
	watch.Wait()
	if err == nil {
		err = failed
	}
	return status, err
}

func (in *instance) waitForChild(ctx context.Context) (int, error) {
	name, args := in.opts.Command[0], in.opts.Command[1:]
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = in.environment.Apply(in.opts.Environ)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in.opts.Stdin, in.opts.Stdout, in.opts.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(terminate) }
	cmd.WaitDelay = graceTime
	// A terminal sends its interrupt to the child as well. What that means is
	// the child's to decide; the vault stays until the child has ended.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)

	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exitStatus(exit.ProcessState), nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return 127, fmt.Errorf("%s: command not found", name)
	case errors.Is(err, os.ErrPermission):
		return 126, fmt.Errorf("%s: permission denied", name)
	case err != nil && cmd.ProcessState == nil:
		return 0, err
	}
	return exitStatus(cmd.ProcessState), nil
}
