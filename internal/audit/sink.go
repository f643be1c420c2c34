package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// File is a sink of one JSON object a line, in a file that is only appended to.
// Where a write failed or a process was killed, part of a line or an empty line
// stands by itself.
type File struct {
	mu   sync.Mutex // guards all below, and keeps lines whole
	f    *os.File
	torn bool // the last write may have left half a line
	line []byte
}

// OpenFile opens the file, or creates it so that its owner alone can read it. Who
// else may read a file that exists is for the operator to say.
func OpenFile(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	torn, err := endsTorn(f)
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the audit log: %w", err), f.Close())
	}
	return &File{f: f, torn: torn}, nil
}

// syncDir makes the directory entry of a new file last. A directory that may be
// entered and not read cannot be synced. Windows has no such call and needs
// none: NTFS journals names.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
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
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = s.line[:0]
	if s.torn {
		s.line = append(s.line, '\n')
	}
	s.line = append(append(s.line, record...), '\n')
	if _, err := s.f.Write(s.line); err != nil {
		s.torn = true
		return fmt.Errorf("writing the audit log: %w", err)
	}
	s.torn = false
	return nil
}

// Sync flushes the file to disk. After a failed write it first ends the line that
// was left: a full disk can be flushed, and only writing shows that it is full.
func (s *File) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.torn {
		if _, err := s.f.Write([]byte{'\n'}); err != nil {
			return fmt.Errorf("writing the audit log: %w", err)
		}
		s.torn = false
	}
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
