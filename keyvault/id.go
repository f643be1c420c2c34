package keyvault

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ID is what the id of a secret or the kid of a key says.
type ID struct {
	// VaultURL is the address of the vault, without a trailing slash.
	VaultURL string
	// Collection is the first segment of the path: secrets, keys,
	// deletedsecrets or deletedkeys, or another that the service adds.
	Collection string
	Name       string
	// Version is empty in ids of lists and of deleted objects.
	Version string
}

// String returns the URL.
func (id ID) String() string {
	text := id.VaultURL + "/" + id.Collection + "/" + id.Name
	if id.Version != "" {
		text += "/" + id.Version
	}
	return text
}

// ParseID takes the id, kid, sid or recoveryId of an object apart. It returns
// an error for what is not an https URL of a collection, a name and perhaps a
// version.
func ParseID(text string) (ID, error) {
	u, err := url.Parse(text)
	if err != nil {
		return ID{}, errors.New("keyvault: the id is not a URL")
	}
	if u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return ID{}, errors.New("keyvault: the id is not the https URL of an object")
	}
	segments := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	if len(segments) < 2 || len(segments) > 3 || !isWord(segments[0]) || !isWord(segments[1]) {
		return ID{}, errors.New("keyvault: the id does not have the form https://host/collection/name[/version]")
	}
	id := ID{VaultURL: "https://" + u.Host, Collection: segments[0], Name: segments[1]}
	if len(segments) == 3 {
		id.Version = segments[2]
	}
	if err := checkVersion(id.Version); err != nil {
		return ID{}, fmt.Errorf("keyvault: the id: %w", err)
	}
	return id, nil
}

// isWord reports whether s has only what names of collections and objects are
// made of.
func isWord(s string) bool {
	return s != "" && strings.Trim(s, "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

// checkName refuses names that would lead to another address than an object's.
// All else is the service's to judge.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case name == "." || name == "..":
		return errors.New("the name is a relative path")
	}
	return nil
}

// checkVersion refuses version ids that are not hexadecimal, since words such
// as "versions" in their place address something else.
func checkVersion(version string) error {
	for i := range len(version) {
		c := version[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return errors.New("the version id is not hexadecimal")
		}
	}
	return nil
}
