package pebble

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// wantLocked requires that the directory is refused as in use.
func wantLocked(t *testing.T, cfg Config) {
	t.Helper()
	cfg.Logger = quiet()
	s, err := Open(cfg)
	if err == nil {
		s.Close()
	}
	wantErr(t, "Open of a directory in use", err, store.ErrLocked)
}

func TestLockedByThisProcess(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		cfg  Config
	}{
		{"directory", Config{Dir: t.TempDir()}},
		{"memory", Config{Dir: "store", FS: vfs.NewMem()}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, tc.cfg)
			put(t, s, "a", "1")
			wantLocked(t, tc.cfg)
			// The refused one has not taken the lock away with it.
			wantLocked(t, tc.cfg)
			put(t, s, "a", "2")
			mustClose(t, s)
			wantValue(t, open(t, tc.cfg), "a", "2")
		})
	}
}

// Locks of files are a process's, and Pebble knows its own by their path: under
// another path the same directory would be opened twice and ruined.
func TestLockedUnderAnotherPath(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	real, link := filepath.Join(base, "real"), filepath.Join(base, "link")
	if err := os.Mkdir(real, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	s := open(t, Config{Dir: real})
	wantLocked(t, Config{Dir: link})
	mustClose(t, s)
	open(t, Config{Dir: link})
	wantLocked(t, Config{Dir: real})
	wantLocked(t, Config{Dir: filepath.Join(link, "..", "real", ".")})
}

// The child holds the database as another okv would, and dies as one that is
// killed does.
func TestLockedByAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+dir)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "<nil>\n" {
		t.Fatalf("the child says %q, error %v", line, err)
	}

	wantLocked(t, Config{Dir: dir})

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	wantValue(t, open(t, Config{Dir: dir}), "child", "was here")
}

func TestOpenNeedsADirectory(t *testing.T) {
	t.Parallel()
	if _, err := Open(Config{}); err == nil {
		t.Error("Open without a directory succeeds")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "store")} {
		_, err := Open(Config{Dir: dir, Logger: quiet()})
		if err == nil || !strings.Contains(err.Error(), file) || errors.Is(err, store.ErrLocked) {
			t.Errorf("Open of %s: error %v", dir, err)
		}
	}
}

func TestForeignDirectory(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"notes.txt", "CURRENT", "MANIFEST-000001", ".hidden", "stamp.tmp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Config{Dir: dir, Logger: quiet()})
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "a directory of its own") {
				t.Errorf("error %v", err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 1 {
				t.Errorf("%d entries afterwards, error %v", len(entries), err)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
				t.Errorf("the file is %q, error %v", text, err)
			}
			wantMode(t, dir, 0o755)
		})
	}
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", path, got, want)
	}
}

func TestDirectoryIsClosedToOthers(t *testing.T) {
	t.Parallel()
	t.Run("created", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "some", "where", "store")
		open(t, Config{Dir: dir})
		wantMode(t, dir, 0o700)
		wantMode(t, filepath.Dir(dir), 0o700)
	})
	t.Run("narrowed", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		for _, mode := range []fs.FileMode{0o755, 0o770, 0o701} {
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			mustClose(t, open(t, Config{Dir: dir}))
			wantMode(t, dir, 0o700)
		}
	})
	t.Run("left alone", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		mustClose(t, open(t, Config{Dir: dir}))
		// Its owner may have made it stricter still.
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		if err := (directory{fs: vfs.Default, path: dir, isOS: true}).prepare(); err != nil {
			t.Fatal(err)
		}
		wantMode(t, dir, 0o500)
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	})
}

// What a file system puts into the root of a volume makes no directory foreign.
func TestVolumeRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept := filepath.Join(dir, "lost+found")
	if err := os.Mkdir(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, open(t, Config{Dir: dir}), "a", "1")
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

func TestParseStamp(t *testing.T) {
	t.Parallel()
	const notOurs = "is not the stamp of an OpenKeyVault store"
	for _, tc := range []struct {
		text     string
		complete bool
		err      string
	}{
		{"openkeyvault-store/1\n", true, ""},
		{"openkeyvault-store/1", true, ""},
		{"openkeyvault-store/1 unfinished\n", false, ""},
		{"openkeyvault-store/2\n", false, "format 2 and this program knows formats up to 1: use a newer release"},
		{"openkeyvault-store/2 unfinished\n", false, "use a newer release"},
		{"openkeyvault-store/4294967295\n", false, "use a newer release"},
		{"openkeyvault-store/4294967296\n", false, notOurs},
		{"openkeyvault-store/0\n", false, notOurs},
		{"openkeyvault-store/-1\n", false, notOurs},
		{"openkeyvault-store/\n", false, notOurs},
		{"openkeyvault-store/1 finished\n", false, notOurs},
		{"openkeyvault-store/1\n\n", false, notOurs},
		{"another-store/1\n", false, notOurs},
		{"1\n", false, notOurs},
		{"", false, notOurs},
	} {
		complete, err := parseStamp(tc.text)
		if complete != tc.complete {
			t.Errorf("%q: complete is %t", tc.text, complete)
		}
		if (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%q: error %v, want %q", tc.text, err, tc.err)
		}
	}
}

func FuzzParseStamp(f *testing.F) {
	for _, seed := range []string{"", "openkeyvault-store/1\n", "openkeyvault-store/1 unfinished\n", "openkeyvault-store/9\n", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		complete, err := parseStamp(text)
		if err == nil && complete == strings.Contains(text, "unfinished") {
			t.Errorf("%q: complete is %t", text, complete)
		}
		if err != nil && complete {
			t.Errorf("%q is complete and an error: %v", text, err)
		}
	})
}

// A directory whose stamp is refused stays as it is.
func TestRefusedStamp(t *testing.T) {
	t.Parallel()
	for _, stamp := range []string{"openkeyvault-store/2\n", "openkeyvault-store/2 unfinished\n", "", "something else"} {
		dir := t.TempDir()
		s := open(t, Config{Dir: dir})
		put(t, s, "a", "1")
		mustClose(t, s)
		name := filepath.Join(dir, stampName)
		ours, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(stamp), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(Config{Dir: dir, Logger: quiet()}); err == nil || errors.Is(err, store.ErrLocked) {
			t.Errorf("%q: error %v", stamp, err)
			s.Close()
		}
		if err := os.WriteFile(name, ours, 0o600); err != nil {
			t.Fatal(err)
		}
		wantValue(t, open(t, Config{Dir: dir}), "a", "1")
	}
}

// A creation that was interrupted has acknowledged nothing. What it left, a
// database without a manifest perhaps, is cleared.
func TestInterruptedCreation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(stampName, "openkeyvault-store/1 unfinished\n")
	write(stampName+".tmp", "openkeyv")
	write("MANIFEST-000001", "not a manifest")
	write("marker.manifest.000001.MANIFEST-000001", "")
	write("000002.log", "not a log")
	write("directory/file", "of any kind")
	write("lost+found/file", "of the volume")

	s := open(t, Config{Dir: dir})
	put(t, s, "a", "1")
	for _, gone := range []string{"directory", stampName + ".tmp"} {
		if _, err := os.Stat(filepath.Join(dir, gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there (%v)", gone, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "lost+found", "file")); err != nil {
		t.Error(err)
	}
	stamp, err := os.ReadFile(filepath.Join(dir, stampName))
	if err != nil || string(stamp) != "openkeyvault-store/1\n" {
		t.Errorf("the stamp is %q, error %v", stamp, err)
	}
	mustClose(t, s)
	wantValue(t, open(t, Config{Dir: dir}), "a", "1")
}

func TestReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := Config{Dir: dir}
	s := open(t, cfg)
	put(t, s, "a", "1", "b", "2", "range 1", "3")
	a, b := get(t, s, "a"), get(t, s, "b")
	put(t, s, "deleted last", "4")
	last := get(t, s, "deleted last")
	deleteRange(t, s, span("range", "rangf"))
	deleteRange(t, s, span("deleted", "deletee"))
	seen := map[store.Revision]bool{a.Revision: true, b.Revision: true, last.Revision: true}
	for range 3 {
		mustClose(t, s)
		s = open(t, cfg)
		for key, want := range map[string]store.Record{"a": a, "b": b} {
			if got := get(t, s, key); string(got.Value) != string(want.Value) || got.Revision != want.Revision {
				t.Errorf("%q is %+v, want %+v", key, got, want)
			}
		}
		wantValue(t, s, "range 1", "")
		wantValue(t, s, "deleted last", "")
		// The record with the highest revision is gone, its revision is not free.
		put(t, s, "new", "5")
		if r := get(t, s, "new").Revision; seen[r] {
			t.Errorf("revision %d is used again", r)
		} else {
			seen[r] = true
		}
		deleteRange(t, s, span("new", "newer"))
	}
}

// The format of the database is raised by a change that says so, not by an
// update of Pebble.
func TestFormatIsPinned(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Dir: "store", FS: vfs.NewMem()})
	if got := s.db.FormatMajorVersion(); got != crdb.FormatTableFormatV6 {
		t.Errorf("format %s, want %s", got, crdb.FormatTableFormatV6)
	}
}

// A file that is not of the length or form it must have is an error, not a
// record.
func TestDecodeRecord(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{"", "1", "1234567"} {
		if r, err := decodeRecord([]byte(stored)); err == nil {
			t.Errorf("%d bytes decode to %+v", len(stored), r)
		}
	}
	r, err := decodeRecord([]byte("\x00\x00\x00\x00\x00\x00\x01\x02value"))
	if err != nil || string(r.Value) != "value" || r.Revision != 0x102 {
		t.Errorf("%+v, error %v", r, err)
	}
	if r, err = decodeRecord([]byte("\x00\x00\x00\x00\x00\x00\x00\x01")); err != nil || r.Value == nil || !r.Exists() {
		t.Errorf("a record of no bytes is %+v, error %v", r, err)
	}
}
