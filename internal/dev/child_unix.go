//go:build !windows

package dev

import (
	"os"
	"syscall"
)

// terminate asks a child to end.
const terminate = syscall.SIGTERM

func exitStatus(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}
