package vault

import (
	"unicode/utf16"
	"unicode/utf8"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

const (
	versionLength = 32
	// maxTime is the last second of the year 9999, the end of Azure's time.
	maxTime = 253402300799
)

// invalidProperty is Azure's answer to whatever it does not like in a body,
// gap and all.
func invalidProperty() *fault.Error {
	return fault.New(fault.Invalid, "BadParameter", "Property  has invalid value\r\n")
}

// validName reports whether s may name an object.
func validName(s string) bool {
	if len(s) == 0 || len(s) > MaxNameLength {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-') {
			return false
		}
	}
	return true
}

// validVersion reports whether s has the form of a version id, in either case.
func validVersion(s string) bool {
	if len(s) != versionLength {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

func checkName(name string) error {
	if !validName(name) {
		return fault.New(fault.Invalid, "BadParameter", "The request URI contains an invalid name: %s", name)
	}
	return nil
}

// checkPage wants the marker to be one that an earlier page gave: markers come
// back through the caller.
func checkPage(p PageRequest, validMarker func(string) bool) error {
	if p.Max < 1 || p.Max > MaxPage {
		return fault.New(fault.Invalid, "BadParameter", "Invalid maxresults: it must be from 1 to %d.", MaxPage)
	}
	if p.Marker != "" && !validMarker(p.Marker) {
		return fault.New(fault.Invalid, "BadParameter", "The request URI contains an invalid $skiptoken.")
	}
	return nil
}

func checkTags(tags map[string]string) error {
	if len(tags) > MaxTags {
		return invalidProperty()
	}
	for name, value := range tags {
		if !validText(name, MaxTagLength) || !validText(value, MaxTagLength) {
			return invalidProperty()
		}
	}
	return nil
}

func checkAttributes(a Attributes) error {
	for _, t := range []*int64{a.NotBefore, a.Expires} {
		if t != nil && (*t < 0 || *t > maxTime) {
			return invalidProperty()
		}
	}
	return nil
}

func checkContentType(t *string) error {
	if t != nil && !validText(*t, MaxContentTypeLength) {
		return invalidProperty()
	}
	return nil
}

// checkValue tells a value that is missing from one that is empty: the latter
// may be stored.
func checkValue(in SetSecret) error {
	if in.Value.Reveal() == nil || in.Value.Len() > MaxSecretValue {
		return invalidProperty()
	}
	return nil
}

// validText reports whether s is text of at most max characters as Azure counts
// them: UTF-16 units.
func validText(s string, max int) bool {
	if len(s) > max*utf8.UTFMax || !utf8.ValidString(s) {
		return false
	}
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n <= max
}

// firstOf returns the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
