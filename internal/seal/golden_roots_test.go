package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// goldenRoots is a keyring as it was stored when a passphrase and a recovery key
// could first open it. See TestGolden.
type goldenRoots struct {
	Passphrase  string
	RecoveryKey string // its text
	Keyring     []byte
	Key, Sealed []byte // a record, which holds "a value"
}

const goldenRootsFile = "roots.json"

func TestGoldenRoots(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "format1", goldenRootsFile)
	if *createGolden {
		makeGoldenRoots(t, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g goldenRoots
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	recovery, err := ReadRecoveryKey(bytes.NewReader([]byte(g.RecoveryKey)))
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []Root{newPassphrase(t, TypedPassphrase, g.Passphrase), recovery} {
		s := newStore(t)
		put(t, s, recordKey(), g.Keyring)
		k := openKeyring(t, s, root)
		checkOpens(t, k.System(), string(g.Key), g.Sealed, "a value")
		if err := k.Rewrap(t.Context(), s, root); err != nil {
			t.Errorf("%s: it cannot be rewrapped: %v", root.URI(), err)
		}
	}
}

func makeGoldenRoots(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	recovery, text, err := NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	g := goldenRoots{Passphrase: "five words of a golden file", RecoveryKey: string(text.Reveal()), Key: []byte("a record")}
	passphrase, err := NewPassphraseRoot(TypedPassphrase, secret.New([]byte(g.Passphrase)), Cost{Time: 2, MemoryKiB: 64, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	g.Sealed = mustSeal(t, openKeyring(t, s, passphrase, recovery).System(), string(g.Key), "a value")
	g.Keyring = keyringRecord(t, s)
	encoded, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(encoded, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
