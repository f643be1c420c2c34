package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var testOrigin = Origin{Kind: "secrets", TenantID: "tenant", SubscriptionID: "subscription"}

// TestBackupGolden opens a blob of format 1. The file is never changed: somebody
// keeps such blobs.
func TestBackupGolden(t *testing.T) {
	path := filepath.Join("testdata", "format1", "backup.json")
	var g struct{ Keys, Blob []byte }
	plain := []byte("what was backed up")
	if *createGolden {
		g.Keys = append([]byte{format1, 0, 1}, bytes.Repeat([]byte("0123456789abcdef"), 3)...)
		keys, err := decodeBackupKeys(slices.Clone(g.Keys))
		if err != nil {
			t.Fatal(err)
		}
		if g.Blob, err = keys.Seal(testOrigin, plain); err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(g, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	keys, err := decodeBackupKeys(g.Keys)
	if err != nil {
		t.Fatal(err)
	}
	origin, got, err := keys.Open(g.Blob)
	if err != nil || origin != testOrigin || !bytes.Equal(got, plain) {
		t.Errorf("opened %q of %+v: %v", got, origin, err)
	}
}

// TestBackupKeysStay finds the same keys again, also after the keyring was
// rotated.
func TestBackupKeysStay(t *testing.T) {
	s := newStore(t)
	root, err := EphemeralRoot()
	if err != nil {
		t.Fatal(err)
	}
	k := openKeyring(t, s, root)
	first, err := OpenBackupKeys(t.Context(), s, k)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := first.Seal(testOrigin, []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Rotate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	again, err := OpenBackupKeys(t.Context(), s, openKeyring(t, s, root))
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := again.Open(blob); err != nil || string(got) != "value" {
		t.Errorf("opened %q: %v", got, err)
	}
	for i := range blob {
		changed := slices.Clone(blob)
		changed[i] ^= 0x10
		if _, _, err := again.Open(changed); !errors.Is(err, ErrOpen) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, _, err := again.Open(blob[:i]); !errors.Is(err, ErrOpen) {
			t.Fatalf("cut off at %d: %v", i, err)
		}
	}
}

func FuzzDecodeBackupKeys(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{format1, 0, 0})
	f.Add(append([]byte{format1, 0, 1}, bytes.Repeat([]byte("k"), backupEntrySize)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := decodeBackupKeys(b)
		if err == nil && len(keys.keys)*backupEntrySize+3 != len(b) {
			t.Errorf("%d keys of %d bytes", len(keys.keys), len(b))
		}
	})
}
