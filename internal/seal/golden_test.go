package seal

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

var createGolden = flag.Bool("create-golden", false, "make the golden files of format 1, unless they are there")

const goldenVault = "0123456789abcdef0123456789abcdef"

// golden holds what an installation stored. testdata has one of each format
// ever released, beside the root key that opens it.
type golden struct {
	Keyring []byte // the keyring record, of a keyring that was rotated once
	// VaultKey is the wrapped key of goldenVault, rotated once.
	VaultKey []byte
	Messages []goldenMessage
}

type goldenMessage struct {
	Vault     bool // by the vault's sealer, not the system's
	Key       []byte
	Plaintext string
	Sealed    []byte
}

// TestGolden opens what was sealed before. A file here is never changed or
// removed: somebody's database holds such bytes.
func TestGolden(t *testing.T) {
	dir := filepath.Join("testdata", "format1")
	if *createGolden {
		makeGolden(t, dir)
	}
	root := goldenRoot(t, dir)
	g := readGolden(t, dir)
	s := newStore(t)
	put(t, s, recordKey(), g.Keyring)
	k := openKeyring(t, s, root)
	vault := vaultSealer(t, k, goldenVault, g.VaultKey)
	generations := map[[2]byte]bool{}
	for _, m := range g.Messages {
		sealer := k.System()
		by := byte(0)
		if m.Vault {
			sealer, by = vault, 1
		}
		generations[[2]byte{by, m.Sealed[4]}] = true
		checkOpens(t, sealer, string(m.Key), m.Sealed, m.Plaintext)
	}
	if len(generations) != 4 {
		t.Errorf("the messages cover %v, want two generations of the system's and the vault's key", generations)
	}
	if err := k.Rotate(t.Context(), s); err != nil {
		t.Errorf("the old keyring does not rotate: %v", err)
	}
	if _, err := k.RotateVaultKey(goldenVault, g.VaultKey); err != nil {
		t.Errorf("the old vault key does not rotate: %v", err)
	}
	openKeyring(t, s, root)
}

// goldenRoot opens a copy of the root key file: a repository keeps no modes.
func goldenRoot(t testing.TB, dir string) Root {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "root.key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := OpenRoot(FileURI(path))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func readGolden(t testing.TB, dir string) golden {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func makeGolden(t testing.TB, dir string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	err = CreateRootFile(path)
	if errors.Is(err, fs.ErrExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	// The record shows the URI of its root, so it is not this machine's.
	real, err := OpenRoot(FileURI(path))
	if err != nil {
		t.Fatal(err)
	}
	root := *real.(*keyRoot)
	root.uri = "file:/etc/okv/root.key"

	s := newStore(t)
	k := openKeyring(t, s, &root)
	vault, wrapped := newVault(t, k, goldenVault)
	var g golden
	add := func(byVault bool, sealer *Sealer, key []byte, plaintext string) {
		g.Messages = append(g.Messages, goldenMessage{byVault, key, plaintext, mustSeal(t, sealer, string(key), plaintext)})
	}
	system, record := tuple.Key("vaultname", "demo"), tuple.Key("v", goldenVault, "body", "secrets", "name")
	add(false, k.System(), system, "of the first generation")
	add(true, vault, record, "of the vault's first generation")
	if err := k.Rotate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if g.VaultKey, err = k.RotateVaultKey(goldenVault, wrapped); err != nil {
		t.Fatal(err)
	}
	add(false, k.System(), system, "of the second generation")
	add(true, vaultSealer(t, k, goldenVault, g.VaultKey), record, "")
	g.Keyring = keyringRecord(t, s)
	text, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "golden.json"), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
