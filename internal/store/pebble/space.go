package pebble

import "github.com/cockroachdb/pebble/v2/vfs"

// FreeSpace returns how many bytes a process without privileges may still write
// to the file system that holds the path.
func FreeSpace(path string) (uint64, error) {
	usage, err := vfs.Default.GetDiskUsage(path)
	return usage.AvailBytes, err
}
