package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestCreateRootFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	if err := CreateRootFile(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rootKeyFile.parse(text); err != nil {
		t.Errorf("the file does not parse: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if perm := info.Mode().Perm(); runtime.GOOS != "windows" && perm != 0o600 {
		t.Errorf("mode %04o, want 0600", perm)
	}
	err = CreateRootFile(path)
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second time: %v, want fs.ErrExist and the path", err)
	}
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, text) {
		t.Errorf("the second call has changed the file: %v", err)
	}
	if second := filepath.Join(t.TempDir(), "root.key"); CreateRootFile(second) == nil {
		if other, err := os.ReadFile(second); err != nil || bytes.Equal(other, text) {
			t.Errorf("two files have one key: %v", err)
		}
	}
}

func TestCreateRootFileRefuses(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	dangling := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "target"), dangling); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"root.key", "", filepath.Join(dir, "absent", "root.key"), dir, dangling} {
		if err := CreateRootFile(path); err == nil {
			t.Errorf("CreateRootFile(%q) succeeds", path)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v, want the link alone", entries, err)
	}
}

func TestRootFileModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no mode bits, see readRootFile
	}
	path := filepath.Join(t.TempDir(), "root.key")
	if err := CreateRootFile(path); err != nil {
		t.Fatal(err)
	}
	for mode, accepted := range map[fs.FileMode]bool{
		0o600: true, 0o400: true, 0o700: true,
		0o640: false, 0o604: false, 0o620: false, 0o602: false, 0o610: false, 0o601: false, 0o644: false, 0o666: false, 0o440: false,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		root, err := OpenRoot(FileURI(path))
		if (err == nil) != accepted {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if accepted {
			continue
		}
		if root != nil || !strings.Contains(err.Error(), fmt.Sprintf("%04o", mode)) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %04o: %q does not say what to do", mode, err)
		}
	}
}

func TestOpenRootFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "root.key"), filepath.Join(dir, "link.key")
	if err := errors.Join(CreateRootFile(path), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRoot(FileURI(link)); err != nil {
		t.Errorf("a mounted secret is a link: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRoot(FileURI(link)); runtime.GOOS != "windows" && err == nil {
		t.Error("the link's own mode was judged, not the file's")
	}
}

func TestOpenRootRefuses(t *testing.T) {
	dir := t.TempDir()
	key := newKey()
	good := string(rootFileText(key))
	encoded := base64.RawURLEncoding.EncodeToString(key)
	line := "okv-root-key v1 " + encoded + " " + rootKeyFile.checksum(key)
	slip := []byte(encoded)
	slip[20] = map[bool]byte{true: 'B', false: 'A'}[slip[20] == 'A']
	files := map[string]struct{ text, want string }{
		"empty":             {"", "holds no key"},
		"comments only":     {"# a\n\n  # b\n", "holds no key"},
		"two keys":          {good + line, "more than one line"},
		"another file":      {"-----BEGIN PRIVATE KEY-----\n", "no root key file"},
		"a later version":   {"okv-root-key v2 x", "version"},
		"no key":            {"okv-root-key v1", "incomplete"},
		"no checksum":       {"okv-root-key v1 " + encoded, "incomplete"},
		"a word too many":   {line + " x", "incomplete or too long"},
		"a slip in the key": {"okv-root-key v1 " + string(slip) + " " + rootKeyFile.checksum(key), "checksum"},
		"a slip in the sum": {"okv-root-key v1 " + encoded + " 0000000000000000", "checksum"},
		"an upper-case sum": {"okv-root-key v1 " + encoded + " " + strings.ToUpper(rootKeyFile.checksum([]byte("x"))), "checksum"},
		"a short key":       {"okv-root-key v1 " + encoded[:40] + " " + rootKeyFile.checksum(key[:30]), "not 32 bytes"},
		"padding":           {"okv-root-key v1 " + encoded + "= " + rootKeyFile.checksum(key), "not 32 bytes"},
		"standard base64":   {"okv-root-key v1 " + "+/" + encoded[2:] + " " + rootKeyFile.checksum(key), "not 32 bytes"},
		"too long":          {good + strings.Repeat("#", maxKeyFile), "over 4096 bytes"},
	}
	for name, f := range files {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
				t.Fatal(err)
			}
			root, err := OpenRoot(FileURI(path))
			if err == nil || root != nil || !strings.Contains(err.Error(), f.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("OpenRoot = %v, %v, want an error with the path and %q", root, err, f.want)
			}
			if strings.Contains(err.Error(), encoded[:8]) || strings.Contains(err.Error(), string(slip[:8])) {
				t.Errorf("%q quotes the key", err)
			}
		})
	}
	if _, err := OpenRoot(FileURI(filepath.Join(dir, "absent"))); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "put it back") {
		t.Errorf("an absent file: %v", err)
	}
	if _, err := OpenRoot(FileURI(dir)); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
}

func TestRootFileMayBeTypedIn(t *testing.T) {
	key := newKey()
	line := string(bytes.TrimSpace(rootFileText(key)[len(rootFileComment):]))
	for name, text := range map[string]string{
		"as written":         string(rootFileText(key)),
		"without a line end": line,
		"with DOS lines":     "# typed\r\n\r\n" + line + "\r\n",
		"with more space":    "\n\t " + strings.ReplaceAll(line, " ", "   ") + " \n# end\n",
	} {
		if got, err := rootKeyFile.parse([]byte(text)); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRootURIs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"root.key", "a b", "50%", "%41", "x?y#z", "ключ", "a+b;c=d&e", "..."} {
		path := filepath.Join(dir, name)
		if err := CreateRootFile(path); err != nil {
			t.Fatal(err)
		}
		uri := FileURI(path)
		root, err := OpenRoot(uri)
		if err != nil {
			t.Errorf("%q as %s: %v", name, uri, err)
			continue
		}
		if root.URI() != uri || !strings.HasPrefix(uri, "file:/") {
			t.Errorf("%q opens as %s, want %s", name, root.URI(), uri)
		}
	}
	path := filepath.Join(dir, "root.key")
	for _, uri := range []string{"file://" + path, "file:" + dir + "/./x/../root.key"} {
		root, err := OpenRoot(uri)
		if err != nil || root.URI() != FileURI(path) {
			t.Errorf("%s: %v, want it as %s", uri, err, FileURI(path))
		}
	}
	for _, uri := range []string{
		"", path, "root.key", "file:", "file:root.key", "file:./root.key", "FILE:" + path, "http:" + path, "ephemeral:",
		"file://host" + path, "file://user@" + path, "file:" + path + "?", "file:" + path + "?x=1", "file:" + path + "#x",
		"file:/%zz", "file:" + dir + "/root.key%00",
	} {
		root, err := OpenRoot(uri)
		if err == nil || root != nil || !strings.Contains(err.Error(), "use file:/absolute/path") {
			t.Errorf("OpenRoot(%q) = %v, %v, want an error that says what to use", uri, root, err)
		}
	}
}

func TestRootsWrap(t *testing.T) {
	root := newFileRoot(t, "root.key")
	again, err := OpenRoot(root.URI())
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := root.Wrap([]byte("key"), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Unwrap(wrapped, []byte("place")); err != nil || string(got) != "key" {
		t.Errorf("the same file, opened again: %q, %v", got, err)
	}
	for name, unwrap := range map[string]func() ([]byte, error){
		"another place": func() ([]byte, error) { return root.Unwrap(wrapped, []byte("elsewhere")) },
		"no place":      func() ([]byte, error) { return root.Unwrap(wrapped, nil) },
		"another root":  func() ([]byte, error) { return newRoot(t).Unwrap(wrapped, []byte("place")) },
		"nothing":       func() ([]byte, error) { return root.Unwrap(nil, []byte("place")) },
	} {
		if got, err := unwrap(); err != ErrOpen || got != nil {
			t.Errorf("%s: %q, %v, want ErrOpen itself", name, got, err)
		}
	}
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 2
		if _, err := root.Unwrap(changed, []byte("place")); err != ErrOpen {
			t.Errorf("byte %d changed: %v, want ErrOpen", i, err)
		}
	}
}
