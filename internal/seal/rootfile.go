package seal

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// A root key file is text, so that it can be printed, carried and typed in again:
// lines that begin with # and blank lines are comments, and one line reads
//
//	okv-root-key v1 KEY CHECKSUM
//
// KEY is 32 bytes in unpadded base64url, CHECKSUM the first 8 bytes of the
// SHA-256 of "okv-root-key v1" and the key, in hexadecimal. The checksum finds
// slips in copying; whoever can change the file can change both.
const (
	rootFileMagic   = "okv-root-key"
	rootFileVersion = "v1"
	rootFileComment = "# Root key of an OpenKeyVault installation. Whoever reads it can open every vault;\n" +
		"# without it no vault can be opened. Keep a copy offline.\n"
	maxRootFile = 4 << 10
)

// CreateRootFile makes a new random root key and writes it to a file that only
// its owner can read. The file must not exist: a root key is never overwritten.
// When CreateRootFile returns nil, the file survives a power cut; on an error it
// leaves none behind.
func CreateRootFile(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("root key file %q: the path is not absolute", path)
	}
	key := newKey()
	defer clear(key)
	text := formatRootFile(key)
	defer clear(text)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("root key file %s exists: use it, or choose another path: %w", path, fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("creating root key file: %w", err)
	}
	if err := writeAndSync(f, text); err != nil {
		return errors.Join(fmt.Errorf("writing root key file %s: %w", path, err), os.Remove(path))
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return errors.Join(fmt.Errorf("making root key file %s durable: %w", path, err), os.Remove(path))
	}
	return nil
}

func writeAndSync(f *os.File, b []byte) error {
	_, err := f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a directory's new entry durable: fsync of a file alone does not
// promise that its name survives (fsync(2)). Windows has no such call and needs
// none: NTFS journals names.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func openRootFile(path string) (Root, error) {
	text, err := readRootFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("root key file %s does not exist: put it back from its copy, or create it if this is a new installation: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("root key file %s: %w", path, err)
	}
	defer clear(text)
	key, err := parseRootFile(text)
	if err != nil {
		return nil, fmt.Errorf("root key file %s: %w: put it back from its copy", path, err)
	}
	return newKeyRoot(FileURI(path), key)
}

// readRootFile judges the file that it reads, not the name: symbolic links are
// followed, because that is how orchestrators mount secrets.
func readRootFile(path string) ([]byte, error) {
	// Opening a pipe would wait for a writer, so look before.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	// Windows guards files by access lists, which Go does not show as mode bits.
	if perm := info.Mode().Perm(); runtime.GOOS != "windows" && perm&0o077 != 0 {
		return nil, fmt.Errorf("its mode %04o lets others than its owner at it: run chmod 600 %s", perm, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRootFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxRootFile {
		clear(text)
		return nil, fmt.Errorf("it is over %d bytes long and no root key", maxRootFile)
	}
	return text, nil
}

func formatRootFile(key []byte) []byte {
	return fmt.Appendf(nil, "%s%s %s %s %s\n", rootFileComment, rootFileMagic, rootFileVersion,
		base64.RawURLEncoding.EncodeToString(key), rootChecksum(key))
}

func rootChecksum(key []byte) string {
	sum := sha256.Sum256(append([]byte(rootFileMagic+" "+rootFileVersion), key...))
	return hex.EncodeToString(sum[:8])
}

// parseRootFile returns the key. Its errors show nothing of the text.
func parseRootFile(text []byte) ([]byte, error) {
	var found []string
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if found != nil {
			return nil, errors.New("it holds more than one line beside comments")
		}
		found = strings.Fields(string(line))
	}
	switch {
	case found == nil:
		return nil, errors.New("it holds no key")
	case found[0] != rootFileMagic:
		return nil, errors.New("it is no root key file")
	case len(found) > 1 && found[1] != rootFileVersion:
		return nil, errors.New("it is of a version that this program does not know")
	case len(found) != 4:
		return nil, errors.New("its line is incomplete or too long")
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(found[2])
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("its key is not %d bytes in base64url", keySize)
	}
	if subtle.ConstantTimeCompare([]byte(rootChecksum(key)), []byte(found[3])) != 1 {
		clear(key)
		return nil, errors.New("its checksum does not match: a character was changed")
	}
	return key, nil
}
