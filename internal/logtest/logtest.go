// Package logtest keeps what the code under test has logged, for tests that read it.
// It knows nothing of what is written.
package logtest

import (
	"bytes"
	"sync"
)

// Buffer is a log in memory. The zero Buffer is empty. It is safe for concurrent
// use, which bytes.Buffer is not: servers log from many goroutines.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

// Write appends to the log. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns everything that was logged.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
