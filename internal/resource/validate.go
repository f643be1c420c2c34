package resource

import (
	"strings"
	"unicode/utf8"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Azure's limits of tags.
const (
	maxTags     = 50
	maxTagName  = 512
	maxTagValue = 256
)

func badRequest(format string, args ...any) error {
	return fault.New(fault.Invalid, "BadRequest", format, args...)
}

// validGUID reports whether s is a GUID in its usual text form, in any case.
func validGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'):
			return false
		}
	}
	return true
}

// validVaultName wants 3 to 24 letters, digits and hyphens, a letter first, no
// hyphen last and no two in a row.
func validVaultName(s string) bool {
	if len(s) < 3 || len(s) > 24 || !isAlphanumeric(strings.ReplaceAll(s, "-", "")) {
		return false
	}
	return !('0' <= s[0] && s[0] <= '9') && s[0] != '-' && s[len(s)-1] != '-' && !strings.Contains(s, "--")
}

func checkVaultName(name string) error {
	if validVaultName(name) {
		return nil
	}
	return fault.New(fault.Invalid, "VaultNameNotValid",
		"The vault name '%s' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742", name)
}

// checkHSMName is checkVaultName for managed HSMs.
func checkHSMName(name string) error {
	if validVaultName(name) {
		return nil
	}
	return fault.New(fault.Invalid, "ManagedHSMNameNotValid",
		"The managed HSM name '%s' is invalid. A managed HSM's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens.", name)
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fault.New(fault.Invalid, "TooManyTags",
			"The number of tags on a resource should not exceed %d. The number of tags in the request is %d.", maxTags, len(tags))
	}
	folded := make(map[string]bool, len(tags))
	for name, value := range tags {
		if name == "" || utf8.RuneCountInString(name) > maxTagName || strings.ContainsAny(name, `<>%&\?/`) {
			return fault.New(fault.Invalid, "InvalidTagNameCharacters",
				"The tag names must have 1 to %d characters and none of '<,>,%%,&,\\,?,/'.", maxTagName)
		}
		if utf8.RuneCountInString(value) > maxTagValue {
			return fault.New(fault.Invalid, "InvalidTagValueLength",
				"The value of the tag '%s' has more than %d characters.", name, maxTagValue)
		}
		if folded[fold(name)] {
			return fault.New(fault.Invalid, "DuplicateTagNames", "The tag name '%s' is given more than once; tag names are compared without case.", name)
		}
		folded[fold(name)] = true
	}
	return nil
}

// checkPage wants the marker to be one that an earlier page gave: names with
// slashes between.
func checkPage(p PageRequest, parts int) error {
	if p.Max < 1 || p.Max > MaxPage {
		return badRequest("The value of $top must be from 1 to %d.", MaxPage)
	}
	if p.Marker == "" {
		return nil
	}
	if len(p.Marker) > 512 || !utf8.ValidString(p.Marker) || strings.Count(p.Marker, "/") != parts-1 {
		return badRequest("The value of $skiptoken is not one that this service gave.")
	}
	return nil
}
