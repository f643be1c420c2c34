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

// A key file is text, so that it can be printed, carried and typed in again:
// lines that begin with # and blank lines are comments, and one line reads
//
//	MAGIC v1 KEY CHECKSUM
//
// KEY is 32 bytes in unpadded base64url, CHECKSUM the first 8 bytes of the
// SHA-256 of "MAGIC v1" and the key, in hexadecimal. The checksum finds slips in
// copying; whoever can change the file can change both.
type keyFile struct {
	magic string
	noun  string // for messages
}

const (
	keyFileVersion = "v1"
	maxKeyFile     = 4 << 10
)

// line returns the one line that is no comment.
func (f keyFile) line(key []byte) []byte {
	return fmt.Appendf(nil, "%s %s %s %s\n", f.magic, keyFileVersion,
		base64.RawURLEncoding.EncodeToString(key), f.checksum(key))
}

func (f keyFile) checksum(key []byte) string {
	sum := sha256.Sum256(append([]byte(f.magic+" "+keyFileVersion), key...))
	return hex.EncodeToString(sum[:8])
}

// parse returns the key. Its errors show nothing of the text.
func (f keyFile) parse(text []byte) ([]byte, error) {
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
	case found[0] != f.magic:
		return nil, fmt.Errorf("it is no %s file", f.noun)
	case len(found) > 1 && found[1] != keyFileVersion:
		return nil, errors.New("it is of a version that this program does not know")
	case len(found) != 4:
		return nil, errors.New("its line is incomplete or too long")
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(found[2])
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("its key is not %d bytes in base64url", keySize)
	}
	if subtle.ConstantTimeCompare([]byte(f.checksum(key)), []byte(found[3])) != 1 {
		clear(key)
		return nil, errors.New("its checksum does not match: a character was changed")
	}
	return key, nil
}

// readKeyFile reads a file that only its owner may get at.
func readKeyFile(path, noun string) ([]byte, error) {
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
	if perm := info.Mode().Perm(); perm&forbiddenBits(path) != 0 {
		return nil, fmt.Errorf("its mode %04o lets others than its owner at it: run chmod 600 %s", perm, path)
	}
	return readBounded(f, noun)
}

// forbiddenBits are the permissions that a key file must not have. It is the
// file that is judged, not its name: symbolic links are followed, because that is
// how orchestrators mount secrets.
func forbiddenBits(path string) fs.FileMode {
	// Windows guards files by access lists, which Go does not show as mode bits.
	if runtime.GOOS == "windows" {
		return 0
	}
	// systemd opens a service's credentials to it by an access list, whose mask
	// shows as the group's permission (systemd.exec(5), LoadCredential=). Nobody
	// but the service and root can enter their directory.
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" && filepath.Dir(path) == filepath.Clean(dir) {
		return 0o037
	}
	return 0o077
}

func readBounded(r io.Reader, noun string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeyFile {
		clear(text)
		return nil, fmt.Errorf("it is over %d bytes long and no %s", maxKeyFile, noun)
	}
	return text, nil
}

// newFile is a file that is written beside the place where it will be: it
// appears there whole and durable, or not at all.
type newFile struct{ path, beside string }

// prepareFile writes the text to a file that only its owner can read. Nothing
// must be at the path, now or when place is called.
func prepareFile(path string, text []byte) (*newFile, error) {
	if !filepath.IsAbs(path) {
		return nil, errors.New("the path is not absolute")
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, fs.ErrExist
	}
	f := &newFile{path, path + ".tmp"}
	// What a process that was killed has left is nobody's key, or also at path.
	if err := os.Remove(f.beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out, err := os.OpenFile(f.beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = out.Write(text)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, errors.Join(err, f.discard())
	}
	return f, nil
}

// place puts the file where it belongs. It wraps fs.ErrExist if something is
// there by now.
func (f *newFile) place() error {
	err := os.Link(f.beside, f.path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		// A file system without hard links. Between the two calls another
		// process could lose its file to ours; there is no better one.
		if _, statErr := os.Lstat(f.path); statErr == nil {
			err = fs.ErrExist
		} else if os.Rename(f.beside, f.path) == nil {
			return syncDir(filepath.Dir(f.path))
		}
	}
	if err = errors.Join(err, f.discard()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.path))
}

func (f *newFile) discard() error { return os.Remove(f.beside) }

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
