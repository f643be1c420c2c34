package pebble

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// The stamp is a file that says whose directory this is and how its records are
// laid out. Format 1: keys and values as in keys.go.
const (
	stampName   = "OPENKEYVAULT"
	stampMagic  = "openkeyvault-store/"
	stampFormat = 1
	// stampUnfinished follows the format while the database is being created.
	stampUnfinished = " unfinished"
	lockName        = "LOCK"
)

// directory prepares the directory that a database lives in.
type directory struct {
	fs   vfs.FS
	path string
	isOS bool
}

// prepare makes sure that the directory exists, is ours to use and, on the
// operating system's file system, closed to other users.
func (d directory) prepare() error {
	if err := d.make(); err != nil {
		return err
	}
	names, err := d.fs.List(d.path)
	if err != nil {
		return err
	}
	foreign := ""
	for _, name := range names {
		switch name {
		case stampName:
			return d.restrict()
		case lockName, stampName + ".tmp", "lost+found":
		default:
			foreign = name
		}
	}
	if foreign != "" {
		return fmt.Errorf("the directory holds %q and is no OpenKeyVault store; give the store a directory of its own", foreign)
	}
	return d.restrict()
}

// make creates the directory and its parents, and syncs whatever holds a new
// entry: otherwise a power cut could lose the directory with all its synced
// files.
func (d directory) make() error {
	var parents []string
	for path := d.path; ; {
		if _, err := d.fs.Stat(path); err == nil {
			break
		} else if !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
		parent := d.fs.PathDir(path)
		if parent == path {
			break
		}
		parents = append(parents, parent)
		path = parent
	}
	if err := d.fs.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	for _, parent := range parents {
		if err := d.sync(parent); err != nil {
			return err
		}
	}
	return nil
}

// restrict narrows the mode. Only the directory matters: nobody reaches a file
// whose directory they cannot enter.
func (d directory) restrict() error {
	if !d.isOS {
		return nil
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return os.Chmod(d.path, 0o700)
}

// resolved returns the directory under the path that is its own. Pebble knows
// the locks of this process by their path, and the operating system's are the
// process's: under two paths it would open one directory twice.
func (d directory) resolved() (directory, error) {
	if !d.isOS {
		return d, nil
	}
	path, err := filepath.EvalSymlinks(d.path)
	d.path = path
	return d, err
}

func (d directory) sync(path string) error { return syncDirectory(d.fs, path) }

func (d directory) lock() (*crdb.Lock, error) {
	lock, err := crdb.LockDirectory(d.path, d.fs)
	if err == nil {
		return lock, nil
	}
	// A path error is the file system's, from creating the file; the refusal of
	// a lock is anything else: an errno of fcntl, or text when this process
	// holds it.
	if pathErr := (*iofs.PathError)(nil); errors.As(err, &pathErr) {
		return nil, err
	}
	return nil, fmt.Errorf("%w (%w)", store.ErrLocked, err)
}

// begin reads the stamp and reports whether a database is there. If not it
// stamps the directory as unfinished and clears what an interrupted creation
// left behind: nothing was ever acknowledged from it. The lock must be held.
func (d directory) begin() (complete bool, err error) {
	text, err := d.readStamp()
	if errors.Is(err, iofs.ErrNotExist) {
		return false, d.writeStamp(stampUnfinished)
	}
	if err != nil {
		return false, err
	}
	complete, err = parseStamp(text)
	if complete || err != nil {
		return complete, err
	}
	return false, d.clear()
}

func parseStamp(text string) (complete bool, err error) {
	number, ok := strings.CutPrefix(strings.TrimSuffix(text, "\n"), stampMagic)
	number, unfinished := strings.CutSuffix(number, stampUnfinished)
	format, err := strconv.ParseUint(number, 10, 32)
	switch {
	case !ok || err != nil || format == 0:
		return false, fmt.Errorf("the file %s is not the stamp of an OpenKeyVault store: %.40q", stampName, text)
	case format > stampFormat:
		return false, fmt.Errorf("the store has format %d and this program knows formats up to %d: use a newer release", format, stampFormat)
	}
	return !unfinished, nil
}

// clear removes everything but the lock and the stamp.
func (d directory) clear() error {
	names, err := d.fs.List(d.path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == lockName || name == stampName || name == "lost+found" {
			continue
		}
		if err := d.fs.RemoveAll(d.fs.PathJoin(d.path, name)); err != nil {
			return fmt.Errorf("clearing an unfinished store: %w", err)
		}
	}
	return d.sync(d.path)
}

// complete stamps the directory as holding a database.
func (d directory) complete() error { return d.writeStamp("") }

func (d directory) readStamp() (string, error) {
	f, err := d.fs.Open(d.fs.PathJoin(d.path, stampName))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 100))
	return string(text), err
}

// writeStamp replaces the stamp so that a power cut leaves the old or the new.
func (d directory) writeStamp(state string) error {
	name := d.fs.PathJoin(d.path, stampName)
	f, err := d.fs.Create(name+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s%d%s\n", stampMagic, stampFormat, state)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := d.fs.Rename(name+".tmp", name); err != nil {
		return err
	}
	return d.sync(d.path)
}
