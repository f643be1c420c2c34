package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestOutFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "out")
	var stdout bytes.Buffer
	o := &outFile{name: name}
	if err := o.write(&stdout, []byte("first")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, name, "first")
	if err := o.write(&stdout, []byte("second")); err == nil || !strings.Contains(err.Error(), "--overwrite") {
		t.Errorf("a file that exists: %v", err)
	}
	wantFile(t, name, "first")
	// What was made since the check is not lost either.
	if err := o.place([]byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that exists by now: %v", err)
	}
	wantFile(t, name, "first")

	o.overwrite = true
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := o.write(&stdout, []byte("second")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, name, "second")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("there are %v, %v", entries, err)
	}
	if stdout.Len() != 0 {
		t.Errorf("standard output has %q", &stdout)
	}
}

func wantFile(t *testing.T, name, want string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if string(got) != want || err != nil {
		t.Errorf("the file is %q, %v, want %q", got, err, want)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode.Perm() != 0o600 {
		t.Errorf("the mode is %v", mode)
	}
}

func TestOutFileElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var stdout bytes.Buffer
	if err := (&outFile{name: "-"}).write(&stdout, []byte("content")); err != nil || stdout.String() != "content" {
		t.Errorf("standard output is %q, %v", &stdout, err)
	}
	for _, overwrite := range []bool{false, true} {
		gone := &outFile{name: filepath.Join(dir, "gone", "out"), overwrite: overwrite}
		if err := gone.write(&stdout, nil); err == nil || !strings.HasPrefix(err.Error(), "--file: ") {
			t.Errorf("no folder: %v", err)
		}
		// A folder is not replaced, nor is what a device would be.
		if err := (&outFile{name: dir, overwrite: overwrite}).write(&stdout, nil); err == nil || !strings.HasPrefix(err.Error(), "--file: ") {
			t.Errorf("a folder: %v", err)
		}
	}
	link := filepath.Join(dir, "link")
	switch err := os.Symlink(filepath.Join(dir, "target"), link); {
	case err != nil && runtime.GOOS == "windows":
		return // not every user there may make one
	case err != nil:
		t.Fatal(err)
	}
	for _, overwrite := range []bool{false, true} {
		if err := (&outFile{name: link, overwrite: overwrite}).write(&stdout, []byte("x")); err == nil {
			t.Error("a link is followed or replaced")
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "target")); !os.IsNotExist(err) {
		t.Errorf("what the link leads to: %v", err)
	}
}
