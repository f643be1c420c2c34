package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// cheap is the least that Argon2id can cost.
var cheap = Cost{Time: 1, MemoryKiB: 8, Threads: 1}

const goodPassphrase = "correct horse battery staple"

func newPassphrase(t testing.TB, uri, text string) Root {
	t.Helper()
	r, err := NewPassphraseRoot(uri, secret.New([]byte(text)), cheap)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPassphraseOpensAgain(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	recovery := newRoot(t)
	sealed := mustSeal(t, openKeyring(t, s, newPassphrase(t, TypedPassphrase, goodPassphrase), recovery).System(), "a", "value")
	// It is the passphrase that counts, not where it came from.
	for _, uri := range []string{TypedPassphrase, "passphrase:/etc/okv/passphrase"} {
		checkOpens(t, openKeyring(t, s, newPassphrase(t, uri, goodPassphrase)).System(), "a", sealed, "value")
	}
	before := keyringRecord(t, s)
	for _, wrong := range []string{"correct horse battery stapl", "Correct horse battery staple", goodPassphrase + " "} {
		k, err := Open(t.Context(), s, newPassphrase(t, TypedPassphrase, wrong))
		if k != nil || !errors.Is(err, ErrPassphrase) || !errors.Is(err, ErrNoRoot) {
			t.Fatalf("%q: %v", wrong, err)
		}
		if !strings.HasPrefix(err.Error(), "opening the keyring: the passphrase is wrong: ") || strings.Contains(err.Error(), wrong) {
			t.Errorf("the message is %q", err)
		}
	}
	if _, err := Open(t.Context(), s, newFileRoot(t, "root.key")); !errors.Is(err, ErrNoRoot) || errors.Is(err, ErrPassphrase) {
		t.Errorf("a file in place of the passphrase: %v", err)
	}
	if !bytes.Equal(keyringRecord(t, s), before) {
		t.Error("a wrong passphrase has changed the record")
	}
}

func TestPassphraseWraps(t *testing.T) {
	t.Parallel()
	r := newPassphrase(t, TypedPassphrase, goodPassphrase)
	wrapped, err := r.Wrap([]byte("key"), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.Wrap([]byte("key"), []byte("place")); err != nil || bytes.Equal(again[:passphraseHeader], wrapped[:passphraseHeader]) {
		t.Errorf("two wraps share a salt: %v", err)
	}
	if got, err := r.Unwrap(wrapped, []byte("place")); err != nil || string(got) != "key" {
		t.Errorf("Unwrap = %q, %v", got, err)
	}
	if _, err := r.Unwrap(wrapped, []byte("elsewhere")); !errors.Is(err, ErrOpen) {
		t.Errorf("another place: %v", err)
	}
	// Every byte counts: the passes, the salt, the ciphertext. Those of memory and
	// threads may be rounded to the same cost, and are bound all the same.
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 1
		if got, err := r.Unwrap(changed, []byte("place")); err == nil || got != nil {
			t.Errorf("byte %d changed: %q", i, got)
		}
	}
	for n := range wrapped {
		if _, err := r.Unwrap(wrapped[:n], []byte("place")); err == nil {
			t.Errorf("it opens when cut off after %d bytes", n)
		}
	}
}

// What a wrap asks for is bounded before anything is computed.
func TestPassphraseBounds(t *testing.T) {
	t.Parallel()
	r := newPassphrase(t, TypedPassphrase, goodPassphrase)
	wrapped, err := r.Wrap([]byte("key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Cost{
		"no passes":       {0, 8, 1},
		"too many passes": {maxTime + 1, 8, 1},
		"no threads":      {1, 8, 0},
		"many threads":    {1, 1 << 20, maxThreads + 1},
		"little memory":   {1, 31, 4},
		"too much memory": {1, maxMemoryKiB + 1, 1},
		"all memory":      {1, 1<<32 - 1, 1},
	} {
		changed := bytes.Clone(wrapped)
		binary.BigEndian.PutUint32(changed[1:], c.Time)
		binary.BigEndian.PutUint32(changed[5:], c.MemoryKiB)
		changed[9] = c.Threads
		if _, err := r.Unwrap(changed, nil); err == nil || errors.Is(err, ErrPassphrase) || !strings.Contains(err.Error(), "out of bounds") {
			t.Errorf("%s: Unwrap: %v", name, err)
		}
		if _, err := NewPassphraseRoot(TypedPassphrase, secret.New([]byte(goodPassphrase)), c); err == nil {
			t.Errorf("%s: it wraps", name)
		}
	}
	if err := DefaultCost.check(); err != nil {
		t.Error(err)
	}
}

func TestPassphraseFile(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	openKeyring(t, s, newPassphrase(t, TypedPassphrase, goodPassphrase), newRoot(t))
	dir := t.TempDir()
	path := filepath.Join(dir, "a passphrase")
	uri := PassphraseURI(path)
	for text, want := range map[string]string{
		goodPassphrase:                    "",
		goodPassphrase + "\n":             "",
		goodPassphrase + "\r\n":           "",
		goodPassphrase + "\n\n":           "one line",
		"\n" + goodPassphrase:             "one line",
		goodPassphrase + "\x00":           "one line",
		"":                                "empty",
		"\n":                              "empty",
		strings.Repeat("x", 1025):         "more than 1024 bytes",
		strings.Repeat("x", maxKeyFile+1): "over 4096 bytes long and no passphrase",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		root, err := OpenRoot(uri)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), goodPassphrase) {
				t.Errorf("%.40q: %v, want %q", text, err, want)
			}
			continue
		}
		if err != nil || root.URI() != uri {
			t.Fatalf("%q: %v", text, err)
		}
		openKeyring(t, s, root)
	}
	if _, err := OpenRoot(PassphraseURI(filepath.Join(dir, "gone"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRoot(uri); runtime.GOOS != "windows" && (err == nil || !strings.Contains(err.Error(), "chmod 600 "+path)) {
		t.Errorf("a file that others can read: %v", err)
	}
	if _, err := OpenRoot(TypedPassphrase); err == nil || !strings.Contains(err.Error(), "typed in") {
		t.Errorf("no file: %v", err)
	}
	for _, uri := range []string{"passphrase", "passphrase:relative", "passphrase://host/path", "passphrase:/a?b"} {
		if _, err := OpenRoot(uri); err == nil {
			t.Errorf("OpenRoot(%q) succeeds", uri)
		}
	}
}

func TestCheckNewRoot(t *testing.T) {
	t.Parallel()
	for text, long := range map[string]bool{
		strings.Repeat("x", MinPassphrase-1): false,
		strings.Repeat("x", MinPassphrase):   true,
		strings.Repeat("ü", MinPassphrase-1): false, // characters, not bytes
		strings.Repeat("ü", MinPassphrase):   true,
	} {
		if err := CheckNewRoot(newPassphrase(t, TypedPassphrase, text)); (err == nil) != long {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := CheckNewRoot(newRoot(t)); err != nil {
		t.Error(err)
	}
}

func FuzzPassphraseUnwrap(f *testing.F) {
	r, err := NewPassphraseRoot(TypedPassphrase, secret.New([]byte(goodPassphrase)), cheap)
	if err != nil {
		f.Fatal(err)
	}
	genuine, err := r.Wrap([]byte("key"), []byte("place"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(genuine)
	f.Add(genuine[:passphraseHeader])
	f.Add([]byte{1, 0, 0, 0, 1, 0, 0, 0, 8, 1})
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		if len(wrapped) > 9 && (binary.BigEndian.Uint32(wrapped[1:]) > 2 || binary.BigEndian.Uint32(wrapped[5:]) > 1024) {
			return // allowed, and slow
		}
		got, err := r.Unwrap(wrapped, []byte("place"))
		// The seeds of another process open here, too: they hold the same key.
		opens := bytes.Equal(wrapped, genuine) || string(got) == "key"
		if (err == nil) != opens || (got == nil) != (err != nil) {
			t.Fatalf("Unwrap(%x) = %q, %v", wrapped, got, err)
		}
	})
}
