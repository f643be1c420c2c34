//go:build !linux

package bench

import "os/exec"

// What only Linux tells us: elsewhere processes share all CPUs, and memory is
// that of the Go runtime.

func cores() []int { return nil }

func startOn(cmd *exec.Cmd, _ int) error { return cmd.Start() }

func residentBytes() int64 { return 0 }

func cpuModel() string { return "" }

func loadAverage() *float64 { return nil }
