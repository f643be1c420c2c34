// Package audittest is an audit sink for tests of what writes audit records.
package audittest

import (
	"encoding/json"
	"errors"
	"sync"

	"github.com/openkeyvault/openkeyvault/internal/audit"
)

// Sink keeps audit records, or fails when told to. The zero Sink is empty. It is
// safe for concurrent use.
type Sink struct {
	mu      sync.Mutex // guards all below
	records []audit.Record
	broken  bool
}

// Write keeps the record of a line.
func (s *Sink) Write(line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return errors.New("disk full")
	}
	var r audit.Record
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	s.records = append(s.records, r)
	return nil
}

// Sync fails while Write does.
func (s *Sink) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return errors.New("disk full")
	}
	return nil
}

// Break has every later Write and Sync fail.
func (s *Sink) Break() { s.set(true) }

// Mend has them work again.
func (s *Sink) Mend() { s.set(false) }

func (s *Sink) set(broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

// Take returns the records since the last call.
func (s *Sink) Take() []audit.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	records := s.records
	s.records = nil
	return records
}
