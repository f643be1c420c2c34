package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/seal"
)

// RootKeyURI returns the URI of a root key as seal.OpenRoot takes it, from one
// whose path may be relative to dir: "file:root.key".
func RootKeyURI(dir, text string) (string, error) {
	const use = "use file:PATH, passphrase:PATH or passphrase:"
	scheme, path, found := strings.Cut(text, ":")
	switch {
	case !found || scheme != "file" && scheme != "passphrase":
		return "", fmt.Errorf("%q is no kind of root key that there is: %s", text, use)
	case text == seal.TypedPassphrase:
		return text, nil
	case path == "":
		return "", fmt.Errorf("%q has no path: %s", text, use)
	}
	if !strings.HasPrefix(path, "/") {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if scheme == "passphrase" {
			return seal.PassphraseURI(path), nil
		}
		return seal.FileURI(path), nil
	}
	if path = seal.PathOfURI(text); path == "" {
		return "", fmt.Errorf("%q is not a URI of a file: %s", text, use)
	}
	return text, nil
}
