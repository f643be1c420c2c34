package pebble

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// markerFS syncs the directory before Pebble creates a marker in it. The name of
// a marker says which manifest to read; Pebble creates both and then syncs their
// directory once, so a power cut in between may leave the marker without its
// manifest, and a database that cannot be opened, on a file system that does not
// keep the order of new names. Pebble does the same since
// https://github.com/cockroachdb/pebble/pull/5915, which no release of v2.1 has.
type markerFS struct{ vfs.FS }

// Create implements vfs.FS.
func (m markerFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(m.PathBase(name), "marker.") {
		if err := syncDirectory(m.FS, m.PathDir(name)); err != nil {
			return nil, err
		}
	}
	return m.FS.Create(name, category)
}

// Unwrap implements vfs.FS.
func (m markerFS) Unwrap() vfs.FS { return m.FS }

func syncDirectory(fs vfs.FS, path string) error {
	f, err := fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
