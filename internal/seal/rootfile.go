package seal

import (
	"errors"
	"fmt"
	"io/fs"
)

// rootKeyFile is the form of root key files.
var rootKeyFile = keyFile{magic: "okv-root-key", noun: "root key"}

const rootFileComment = "# Root key of an OpenKeyVault installation. Whoever reads it can open every vault;\n" +
	"# without it no vault can be opened. Keep a copy offline.\n"

// NewKey is a new key on its way into a file.
type NewKey struct {
	root Root
	file *newFile
	what string // for messages
}

// NewRootFile makes a new random root key and prepares the file that will hold
// it, readable by its owner alone. Nothing must be at the path: a root key is
// never overwritten. The key counts for nothing until Place has put it there; the
// caller calls Place or Discard.
func NewRootFile(path string) (*NewKey, error) {
	key := newKey()
	text := rootFileText(key)
	defer clear(text)
	root, err := newKeyRoot(FileURI(path), key)
	if err != nil {
		return nil, err
	}
	return prepareKey(root, path, "root key file "+path, text)
}

func rootFileText(key []byte) []byte {
	return append([]byte(rootFileComment), rootKeyFile.line(key)...)
}

func prepareKey(root Root, path, what string, text []byte) (*NewKey, error) {
	file, err := prepareFile(path, text)
	if err != nil {
		return nil, newKeyError(what, err)
	}
	return &NewKey{root, file, what}, nil
}

// Root returns the new key as a root.
func (k *NewKey) Root() Root { return k.root }

// Place puts the file at its path. When it returns nil, the file survives a
// power cut.
func (k *NewKey) Place() error {
	if err := k.file.place(); err != nil {
		return newKeyError(k.what, err)
	}
	return nil
}

// Discard removes what was prepared.
func (k *NewKey) Discard() error { return k.file.discard() }

func newKeyError(what string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists, and keys are never overwritten: choose another path, or move it away: %w", what, fs.ErrExist)
	}
	return fmt.Errorf("making %s: %w", what, err)
}

// CreateRootFile makes a new random root key and writes it to a file that only
// its owner can read. The file must not exist: a root key is never overwritten.
// When CreateRootFile returns nil, the file survives a power cut; on an error it
// leaves none behind.
func CreateRootFile(path string) error {
	k, err := NewRootFile(path)
	if err != nil {
		return err
	}
	return k.Place()
}

func openRootFile(path string) (Root, error) {
	text, err := readKeyFile(path, rootKeyFile.noun)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("root key file %s does not exist: put it back from its copy, or create it if this is a new installation: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("root key file %s: %w", path, err)
	}
	defer clear(text)
	key, err := rootKeyFile.parse(text)
	if err != nil {
		return nil, fmt.Errorf("root key file %s: %w: put it back from its copy", path, err)
	}
	return newKeyRoot(FileURI(path), key)
}
