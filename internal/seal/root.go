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
	// Unwrap decrypts what Wrap returned. Its error is ErrOpen when the wrapped
	// key is another root's, was changed, or belongs to other associated data.
	Unwrap(wrapped, associated []byte) ([]byte, error)
}

// OpenRoot returns the root key that a URI names. The one scheme is "file", as
// in "file:/etc/okv/root.key": a file that CreateRootFile has made and that none
// but its owner can read. Errors say what to do.
func OpenRoot(uri string) (Root, error) {
	scheme, _, found := strings.Cut(uri, ":")
	if !found || scheme != "file" {
		return nil, fmt.Errorf("root key %q: unknown kind of root key: use file:/absolute/path", uri)
	}
	path, err := pathOfURI(uri)
	if err != nil {
		return nil, fmt.Errorf("root key %q: %w: use file:/absolute/path", uri, err)
	}
	return openRootFile(path)
}

// FileURI returns the URI by which OpenRoot finds the root key file at an
// absolute path, whatever characters the path holds.
func FileURI(path string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") { // C:\okv\root.key
		slashed = "/" + slashed
	}
	return (&url.URL{Scheme: "file", Path: slashed, OmitHost: true}).String()
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
