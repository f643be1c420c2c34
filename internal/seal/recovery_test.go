package seal

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

func readRecoveryFile(t testing.TB, path string) Root {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	root, err := ReadRecoveryKey(f)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestRecover: the root key is lost, and the recovery key makes a new one. It
// stays good for the next time, and the lost one is good for nothing.
func TestRecover(t *testing.T) {
	t.Parallel()
	s, lost := newStore(t), newFileRoot(t, "root.key")
	path := filepath.Join(t.TempDir(), "recovery.key")
	key, err := NewRecoveryFile(path)
	if err != nil {
		t.Fatal(err)
	}
	k := openKeyring(t, s, lost, key.Root())
	if err := key.Place(); err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, k.System(), "a", "value")
	for range 2 {
		recovery := readRecoveryFile(t, path)
		if recovery.URI() != key.Root().URI() || !strings.HasPrefix(recovery.URI(), "recovery:") || len(recovery.URI()) != len("recovery:")+8 {
			t.Fatalf("the URI was %s and is %s", key.Root().URI(), recovery.URI())
		}
		k := openKeyring(t, s, recovery)
		checkOpens(t, k.System(), "a", sealed, "value")
		anew := newFileRoot(t, "new.key")
		if err := k.Rewrap(t.Context(), s, anew, recovery); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(k.Roots(), " "); got != anew.URI()+" "+recovery.URI() {
			t.Errorf("the roots are %s", got)
		}
		checkOpens(t, openKeyring(t, s, anew).System(), "a", sealed, "value")
		if _, err := Open(t.Context(), s, lost); !errors.Is(err, ErrNoRoot) {
			t.Errorf("the lost root key: %v", err)
		}
		lost = anew
	}
	other, _, err := NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), s, other); !errors.Is(err, ErrNoRoot) || !strings.Contains(err.Error(), other.URI()) || !strings.Contains(err.Error(), key.Root().URI()) {
		t.Errorf("another recovery key: %v", err)
	}
}

func TestRecoveryKeyText(t *testing.T) {
	t.Parallel()
	root, text, err := NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadRecoveryKey(bytes.NewReader(text.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := root.Wrap([]byte("key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Unwrap(wrapped, nil); err != nil || string(got) != "key" {
		t.Errorf("read again it unwraps to %q, %v", got, err)
	}
	_, id, _ := strings.Cut(root.URI(), ":")
	if !strings.Contains(string(text.Reveal()), "# Recovery key "+id+" of an") {
		t.Errorf("the text does not say that it is %s", id)
	}
	// Neither kind of key is taken for the other.
	if _, err := ReadRecoveryKey(bytes.NewReader(rootFileText(newKey()))); err == nil || !strings.Contains(err.Error(), "the recovery key: it is no recovery key file") {
		t.Errorf("a root key: %v", err)
	}
	path := filepath.Join(t.TempDir(), "root.key")
	if err := os.WriteFile(path, text.Reveal(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRoot(FileURI(path)); err == nil || !strings.Contains(err.Error(), "it is no root key file") {
		t.Errorf("a recovery key as the root key: %v", err)
	}
	if _, err := ReadRecoveryKey(strings.NewReader(strings.Repeat("#", maxKeyFile+1))); err == nil || !strings.Contains(err.Error(), "over 4096 bytes long and no recovery key") {
		t.Errorf("a long text: %v", err)
	}
}

// Until it is placed, a key is not at its path, and nothing that is there is
// touched.
func TestNewKeyFiles(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(string) (*NewKey, error){"root": NewRootFile, "recovery": NewRecoveryFile} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "the.key")
			abandoned, err := prepare(path) // by a process that was killed
			if err != nil {
				t.Fatal(err)
			}
			key, err := prepare(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the key is at its path already: %v", err)
			}
			if err := key.Place(); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info, err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := abandoned.Place(); !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a second Place: %v", err)
			}
			if _, err := prepare(path); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
				t.Errorf("over a file: %v", err)
			}
			if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, text) {
				t.Errorf("the file was changed: %v", err)
			}
			other, err := prepare(path + "2")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path+"2", []byte("somebody was faster"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := other.Place(); !errors.Is(err, fs.ErrExist) {
				t.Errorf("Place over a file: %v", err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
				t.Errorf("left in the directory: %v, %v", entries, err)
			}
		})
	}
	key, err := NewRootFile(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Discard(); err != nil {
		t.Error(err)
	}
}

// systemd gives a credential to a service's user by an access list, which shows
// as a permission of the group.
func TestCredentialsDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "root.key")
	if err := errors.Join(CreateRootFile(path), os.Chmod(path, 0o440)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		credentials string
		mode        fs.FileMode
		accepted    bool
	}{
		{dir, 0o440, true},
		{dir + "/", 0o440, true},
		{dir, 0o444, false},
		{dir, 0o460, false},
		{"", 0o440, false},
		{filepath.Dir(dir), 0o440, false},
		{filepath.Join(dir, "other"), 0o440, false},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", tc.credentials)
		if err := os.Chmod(path, tc.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenRoot(FileURI(path)); (err == nil) != tc.accepted {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}

func TestPathOfURI(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"file:/etc/okv/root.key": "/etc/okv/root.key", "passphrase:/p": "/p", "file:/a/../b": "/b",
		TypedPassphrase: "", "recovery:01234567": "", "nonsense": "",
	} {
		if got := PathOfURI(uri); got != want && runtime.GOOS != "windows" {
			t.Errorf("PathOfURI(%q) = %q, want %q", uri, got, want)
		}
	}
}
