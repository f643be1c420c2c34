//go:build !windows

package devca

// storeRoots returns the roots that the system keeps elsewhere than in files.
func storeRoots() [][]byte { return nil }
