package seal

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
)

// Root wraps the keyring. It is where trust begins: a file, a key management
// service, a security module. Implementations are safe for concurrent use.
type Root interface {
	// URI names the root key. It is stored in clear beside what the root has
	// wrapped and shown in errors, so it holds no secret.
	URI() string
	// Wrap encrypts a key so that Unwrap returns it for the same associated data.
	Wrap(plaintext, associated []byte) ([]byte, error)
	// Unwrap decrypts what Wrap returned. Its error wraps ErrOpen when the wrapped
	// key is another root's, was changed, or belongs to other associated data, and
	// ErrPassphrase if that means a wrong passphrase.
	Unwrap(wrapped, associated []byte) ([]byte, error)
}

// OpenRoot returns the root key that a URI names. The schemes are "file", as in
// "file:/etc/okv/root.key", for a file that CreateRootFile has made, and
// "passphrase", as in "passphrase:/etc/okv/passphrase", for a file of one line.
// None but its owner may be able to read the file. TypedPassphrase names none:
// whoever can ask for it uses NewPassphraseRoot. Errors say what to do.
func OpenRoot(uri string) (Root, error) {
	const use = "use file:/absolute/path, passphrase:/absolute/path or passphrase:"
	scheme, _, _ := strings.Cut(uri, ":")
	switch {
	case uri == TypedPassphrase:
		return nil, fmt.Errorf("root key %s: this passphrase must be typed in", uri)
	case scheme != "file" && scheme != "passphrase" || scheme == uri:
		return nil, fmt.Errorf("root key %q: unknown kind of root key: %s", uri, use)
	}
	path, err := pathOfURI(uri)
	if err != nil {
		return nil, fmt.Errorf("root key %q: %w: %s", uri, err, use)
	}
	if scheme == "passphrase" {
		return openPassphraseFile(path)
	}
	return openRootFile(path)
}

// FileURI returns the URI by which OpenRoot finds the root key file at an
// absolute path, whatever characters the path holds.
func FileURI(path string) string {
	return (&url.URL{Scheme: "file", Path: slashedPath(path), OmitHost: true}).String()
}

// PathOfURI returns the absolute path of the file that a root key's URI names,
// or nothing if it names none.
func PathOfURI(uri string) string {
	if uri == TypedPassphrase {
		return ""
	}
	path, err := pathOfURI(uri)
	if err != nil {
		return ""
	}
	return path
}

func pathOfURI(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", errors.New("malformed URI")
	}
	if u.Host != "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", errors.New("a file URI has a path and nothing else")
	}
	path := u.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/")
	}
	path = filepath.FromSlash(path)
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return "", errors.New("the path is not absolute")
	}
	return filepath.Clean(path), nil
}

// EphemeralRoot returns a new random root key that exists in this process alone:
// whatever it wraps is lost with it. It is for stores that live in memory.
func EphemeralRoot() (Root, error) { return newKeyRoot("ephemeral:", newKey()) }

// keyRoot is a root key that this process holds.
type keyRoot struct {
	uri    string
	cipher cipher
}

// newKeyRoot clears key.
func newKeyRoot(uri string, key []byte) (*keyRoot, error) {
	defer clear(key)
	c, err := newCipher(key)
	if err != nil {
		return nil, fmt.Errorf("root key %s: %w", uri, err)
	}
	return &keyRoot{uri: uri, cipher: c}, nil
}

func (r *keyRoot) URI() string { return r.uri }

func (r *keyRoot) Wrap(plaintext, associated []byte) ([]byte, error) {
	body, err := r.cipher.seal(plaintext, rootData(associated))
	if err != nil {
		return nil, fmt.Errorf("wrapping with %s: %w", r.uri, err)
	}
	return append([]byte{format1}, body...), nil
}

func (r *keyRoot) Unwrap(wrapped, associated []byte) ([]byte, error) {
	if len(wrapped) < 1 || wrapped[0] != format1 {
		return nil, ErrOpen
	}
	plaintext, err := r.cipher.open(wrapped[1:], rootData(associated))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

func rootData(associated []byte) []byte {
	const label = "okv-root"
	ad := make([]byte, 0, len(label)+1+len(associated))
	ad = append(ad, label...)
	ad = append(ad, format1)
	return append(ad, associated...)
}
