package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// File is a sink of one JSON object a line, in a file that is only appended to.
type File struct {
	path string

	mu   sync.Mutex // guards all below, and keeps lines whole
	f    *os.File
	torn bool // the last write may have left half a line
}

// OpenFile opens or creates the file, readable by its owner alone.
func OpenFile(path string) (*File, error) {
	s := &File{path: path}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *File) open() error {
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	s.f = f
	if s.torn, err = endsTorn(f); err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	// The directory entry of a new file has to last as well.
	if dir, err := os.Open(filepath.Dir(s.path)); err == nil {
		defer dir.Close()
		if err := dir.Sync(); err != nil {
			return fmt.Errorf("opening the audit log: %w", err)
		}
	}
	return nil
}

// endsTorn reports whether a process that was killed has left half a line, to
// which the next record must not be glued.
func endsTorn(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// Write appends one line.
func (s *File) Write(record []byte) error {
	line := make([]byte, 0, len(record)+2)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.torn {
		line = append(line, '\n')
	}
	line = append(append(line, record...), '\n')
	if _, err := s.f.Write(line); err != nil {
		s.torn = true
		return fmt.Errorf("writing the audit log: %w", err)
	}
	s.torn = false
	return nil
}

// Sync flushes the file to disk.
func (s *File) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.f.Sync(); err != nil {
		return fmt.Errorf("syncing the audit log: %w", err)
	}
	return nil
}

// Close closes the file.
func (s *File) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.Close()
}

// Discard is the sink of a vault that keeps nothing.
type Discard struct{}

// Write does nothing.
func (Discard) Write([]byte) error { return nil }

// Sync does nothing.
func (Discard) Sync() error { return nil }
