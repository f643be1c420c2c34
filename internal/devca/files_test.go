package devca

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func reopen(t *testing.T, dir string, names []string, now time.Time) *Authority {
	t.Helper()
	a, err := open(dir, names, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOpenKeepsTheAuthority(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		name  string
		names []string
		at    time.Time
		spoil func(t *testing.T, dir string)
		kept  bool
	}{
		{name: "again", names: testNames, at: now.Add(time.Hour), kept: true},
		{name: "names in another order and case", names: []string{"LOCALHOST", "vault.localhost", "login.microsoftonline.com", "vault.azure.net."}, at: now, kept: true},
		{name: "a name more", names: append([]string{"vault.example.com"}, testNames...), at: now},
		{name: "a name less", names: testNames[1:], at: now},
		{name: "just before the margin", names: testNames, at: now.Add(authorityLifetime - authorityMargin - time.Minute), kept: true},
		{name: "near its end", names: testNames, at: now.Add(authorityLifetime - authorityMargin + time.Minute)},
		{name: "a clock set back", names: testNames, at: now.Add(-2 * backdating)},
		{name: "no certificate", names: testNames, at: now, spoil: remove(CertFile)},
		{name: "no key", names: testNames, at: now, spoil: remove(KeyFile)},
		{name: "the key of another", names: testNames, at: now, spoil: func(t *testing.T, dir string) {
			other := t.TempDir()
			reopen(t, other, testNames, now)
			if err := os.Rename(filepath.Join(other, KeyFile), filepath.Join(dir, KeyFile)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "made", "below")
			first := reopen(t, dir, testNames, now)
			if tc.spoil != nil {
				tc.spoil(t, dir)
			}
			second := reopen(t, dir, tc.names, tc.at)
			if same := bytes.Equal(first.CertPEM(), second.CertPEM()); same != tc.kept {
				t.Fatalf("the same authority: %t, want %t", same, tc.kept)
			}
			if !second.key.PublicKey.Equal(second.cert.PublicKey) {
				t.Error("key and certificate are no pair")
			}
			onDisk, err := os.ReadFile(filepath.Join(dir, CertFile))
			if err != nil || !bytes.Equal(onDisk, second.CertPEM()) {
				t.Errorf("%s is not the authority's certificate: %v", CertFile, err)
			}
			third := reopen(t, dir, tc.names, tc.at)
			if !bytes.Equal(second.CertPEM(), third.CertPEM()) {
				t.Error("what was made was not kept")
			}
			assertFiles(t, dir)
		})
	}
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// assertFiles checks that the directory holds the two files, no temporary ones,
// and the key for its owner alone.
func assertFiles(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != KeyFile+" "+CertFile {
		t.Errorf("the directory holds %s", got)
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v", info.Mode())
	}
}

func TestOpenRefusesFiles(t *testing.T) {
	if runtime.GOOS != "windows" {
		t.Run("key readable by others", func(t *testing.T) {
			for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644} {
				dir := t.TempDir()
				reopen(t, dir, testNames, time.Now())
				if err := os.Chmod(filepath.Join(dir, KeyFile), mode); err != nil {
					t.Fatal(err)
				}
				if _, err := Open(dir, testNames); err == nil || !strings.Contains(err.Error(), KeyFile) {
					t.Errorf("mode %v: Open = %v, want an error that names the file", mode, err)
				}
			}
		})
	}
	for _, tc := range []struct{ name, file, content string }{
		{"key is nothing", KeyFile, "nonsense SECRETBYTES"},
		{"key of another kind", KeyFile, "-----BEGIN PRIVATE KEY-----\nU0VDUkVUQllURVM=\n-----END PRIVATE KEY-----\n"},
		{"key too large", KeyFile, strings.Repeat("x", 65<<10)},
		{"certificate is nothing", CertFile, "nonsense"},
		{"certificate is none", CertFile, "-----BEGIN CERTIFICATE-----\nU0VDUkVUQllURVM=\n-----END CERTIFICATE-----\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			reopen(t, dir, testNames, time.Now())
			path := filepath.Join(dir, tc.file)
			if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir, testNames)
			if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "SECRETBYTES") {
				t.Errorf("Open = %v, want an error that names the file and shows none of it", err)
			}
			if got, _ := os.ReadFile(path); string(got) != tc.content {
				t.Error("Open changed a file that it refused")
			}
		})
	}
}
