package dev

import "os"

// terminate ends a child: Windows has no request to end that every program
// understands.
var terminate = os.Kill

func exitStatus(state *os.ProcessState) int { return state.ExitCode() }
