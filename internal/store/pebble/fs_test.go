package pebble

import (
	"math/rand/v2"
	"path"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fileOp is something that is done to a file or directory.
type fileOp struct {
	kind opOnFile
	name string // the last element of the path
}

type opOnFile string

const (
	opCreate opOnFile = "create"
	opWrite  opOnFile = "write"
	opSync   opOnFile = "sync"
	opRename opOnFile = "rename"
	opRemove opOnFile = "remove"
)

// isLog reports whether the file is a segment of the write-ahead log.
func (o fileOp) isLog() bool { return strings.HasSuffix(o.name, ".log") }

func (o fileOp) isManifest() bool { return strings.HasPrefix(o.name, "MANIFEST-") }

// hookFS is a file system that lets a test stand around every operation.
type hookFS struct {
	vfs.FS

	mu sync.RWMutex
	// around does the operation by calling do, or does not; guarded by mu.
	around func(op fileOp, do func() error) error
}

func newHookFS(inner vfs.FS) *hookFS { return &hookFS{FS: inner} }

// hook replaces what is done around operations that begin from now on; nil is
// nothing.
func (h *hookFS) hook(around func(op fileOp, do func() error) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.around = around
}

func (h *hookFS) do(kind opOnFile, name string, do func() error) error {
	h.mu.RLock()
	around := h.around
	h.mu.RUnlock()
	if around == nil {
		return do()
	}
	return around(fileOp{kind: kind, name: path.Base(name)}, do)
}

// Unwrap implements vfs.FS.
func (h *hookFS) Unwrap() vfs.FS { return h.FS }

// opened wraps what open returns.
func (h *hookFS) opened(name string, open func() (vfs.File, error)) (vfs.File, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	return &hookFile{File: f, fs: h, name: name}, nil
}

// Create implements vfs.FS.
func (h *hookFS) Create(name string, category vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = h.do(opCreate, name, func() (err error) {
		f, err = h.opened(name, func() (vfs.File, error) { return h.FS.Create(name, category) })
		return err
	})
	return f, err
}

// ReuseForWrite implements vfs.FS. MemFS's own read-locks what its Rename read-locks
// again, and so hangs when a clone asks for the lock in between.
func (h *hookFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = h.do(opCreate, newname, func() (err error) {
		f, err = h.opened(newname, func() (vfs.File, error) {
			if err := h.FS.Rename(oldname, newname); err != nil {
				return nil, err
			}
			return h.FS.OpenReadWrite(newname, category)
		})
		return err
	})
	return f, err
}

// OpenReadWrite implements vfs.FS.
func (h *hookFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return h.opened(name, func() (vfs.File, error) { return h.FS.OpenReadWrite(name, category, opts...) })
}

// OpenDir implements vfs.FS.
func (h *hookFS) OpenDir(name string) (vfs.File, error) {
	return h.opened(name, func() (vfs.File, error) { return h.FS.OpenDir(name) })
}

// Rename implements vfs.FS.
func (h *hookFS) Rename(oldname, newname string) error {
	return h.do(opRename, newname, func() error { return h.FS.Rename(oldname, newname) })
}

// Remove implements vfs.FS.
func (h *hookFS) Remove(name string) error {
	return h.do(opRemove, name, func() error { return h.FS.Remove(name) })
}

type hookFile struct {
	vfs.File
	fs   *hookFS
	name string
}

// Write implements vfs.File.
func (f *hookFile) Write(p []byte) (n int, err error) {
	err = f.fs.do(opWrite, f.name, func() (err error) {
		n, err = f.File.Write(p)
		return err
	})
	return n, err
}

// Sync implements vfs.File.
func (f *hookFile) Sync() error { return f.fs.do(opSync, f.name, f.File.Sync) }

// SyncData implements vfs.File.
func (f *hookFile) SyncData() error { return f.fs.do(opSync, f.name, f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *hookFile) SyncTo(length int64) (full bool, err error) {
	err = f.fs.do(opSync, f.name, func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

// seeded returns the source of chance of a crash.
func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
