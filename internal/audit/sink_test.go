package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func openFile(t *testing.T, path string) *File {
	t.Helper()
	s, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func checkFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("the file has %q, %v, want %q", got, err, want)
	}
}

func TestFileAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	for _, lines := range [][]string{{`{"a":1}`, `{"b":2}`}, {`{"c":3}`}} {
		s := openFile(t, path)
		for _, line := range lines {
			if err := s.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(text), line+"\n") {
				t.Errorf("when Write returns the file has %q, %v", text, err)
			}
		}
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	checkFile(t, path, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n")
}

func TestFileModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no mode bits
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	mode := func() os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	openFile(t, path)
	if got := mode(); got != 0o600 {
		t.Errorf("a new file has mode %04o, want 0600", got)
	}
	if err := os.Chmod(path, 0o640); err != nil { // for a program that ships logs
		t.Fatal(err)
	}
	openFile(t, path)
	if got := mode(); got != 0o640 {
		t.Errorf("the operator's mode 0640 has become %04o", got)
	}
}

func TestOpenFileFails(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{
		"no directory": filepath.Join(dir, "absent", "audit.log"),
		"a directory":  dir,
		"no name":      "",
	} {
		if s, err := OpenFile(path); err == nil || s != nil || !strings.Contains(err.Error(), "opening the audit log") {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

// TestAfterAKill: a half line of an earlier process is not glued to a new one.
func TestAfterAKill(t *testing.T) {
	for _, tt := range []struct{ before, after string }{
		{"", "{}\n"},
		{"{\"a\":1}\n", "{\"a\":1}\n{}\n"},
		{"{\"a\":1}\n{\"b", "{\"a\":1}\n{\"b\n{}\n"},
		{"{", "{\n{}\n"},
	} {
		path := filepath.Join(t.TempDir(), "audit.log")
		if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := openFile(t, path).Write([]byte("{}")); err != nil {
			t.Fatal(err)
		}
		checkFile(t, path, tt.after)
	}
}

// TestAfterAFailure: a disk that is full can be flushed. Sync once took that for
// a sink that works again, so that the service turned ready and refused by turns.
func TestAfterAFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	s := openFile(t, path)
	if err := s.Write([]byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	works := s.f
	full, err := os.Open(path) // takes no writes, and can be synced
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if err := full.Sync(); err != nil {
		t.Fatalf("no such file system: %v", err)
	}
	s.f = full
	if err := s.Write([]byte(`{"b":2}`)); err == nil || !strings.Contains(err.Error(), "writing the audit log") {
		t.Errorf("Write: %v", err)
	}
	for range 2 {
		if err := s.Sync(); err == nil {
			t.Error("Sync says that the sink works")
		}
	}
	s.f = works
	if err := s.Sync(); err != nil {
		t.Errorf("Sync of a mended sink: %v", err)
	}
	for range 2 {
		if err := s.Sync(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Write([]byte(`{"c":3}`)); err != nil {
		t.Error(err)
	}
	checkFile(t, path, "{\"a\":1}\n\n{\"c\":3}\n")
}

func TestAClosedFile(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "audit.log"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"Sync": s.Sync(), "Write": s.Write([]byte("{}")), "Sync again": s.Sync()} {
		if err == nil {
			t.Errorf("%s of a closed file succeeds", name)
		}
	}
}

func TestLinesStayWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	s := openFile(t, path)
	var want []string
	var writing sync.WaitGroup
	for i := range 8 {
		line := strings.Repeat(fmt.Sprint(i), 1000)
		want = append(want, slices.Repeat([]string{line}, 20)...)
		writing.Go(func() {
			for range 20 {
				if err := s.Write([]byte(line)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Error("lines of writers at once are mixed")
	}
}

func TestDiscard(t *testing.T) {
	var s Sink = Discard{}
	if err := s.Write([]byte("{}")); err != nil {
		t.Error(err)
	}
	if err := s.Sync(); err != nil {
		t.Error(err)
	}
}
