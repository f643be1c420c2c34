package server

import (
	"errors"
	"fmt"
	"sync"

	"github.com/openkeyvault/openkeyvault/internal/audit"
)

// auditSink is the audit log's file. It can be moved away and begun anew while
// it is in use, and leaves its disk the room that nobody may use.
type auditSink struct {
	path  string
	disk  *disk
	floor uint64

	mu   sync.RWMutex
	file *audit.File // guarded by mu
}

var errNoRoomForAudit = errors.New("the disk of the audit log is full")

func openAuditSink(path string, d *disk, reserve uint64) (*auditSink, error) {
	file, err := audit.OpenFile(path)
	if err != nil {
		return nil, err
	}
	return &auditSink{path: path, disk: d, floor: reserve / auditShare, file: file}, nil
}

// Write implements audit.Sink.
func (s *auditSink) Write(record []byte) error {
	if s.disk.room() < s.floor {
		return errNoRoomForAudit
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.file.Write(record)
}

// Sync implements audit.Sink.
func (s *auditSink) Sync() error {
	if s.disk.room() < s.floor {
		return errNoRoomForAudit
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.file.Sync()
}

// reopen begins a file at the path again: the old one was moved away. If that
// fails, the old one stays in use.
func (s *auditSink) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A Sync that comes later would be of the new file, and what it is for be in
	// the old.
	if err := s.file.Sync(); err != nil {
		return err
	}
	file, err := audit.OpenFile(s.path)
	if err != nil {
		return err
	}
	old := s.file
	s.file = file
	if err := old.Close(); err != nil {
		return fmt.Errorf("closing the old audit log: %w", err)
	}
	return nil
}

// Close closes the file.
func (s *auditSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}
