package hsm

import (
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
)

const maxKeyName = 127

// parseScope returns a scope in its usual form: "/", "/keys" or "/keys/<name>". The
// leading slash may be missing, and one may be at the end.
func parseScope(text string) (string, bool) {
	trimmed := strings.Trim(text, "/")
	if len(text)-len(trimmed) > 2 {
		return "", false
	}
	collection, name, named := strings.Cut(trimmed, "/")
	switch {
	case trimmed == "":
		return access.LocalScopeAll, true
	case !strings.EqualFold(collection, "keys"):
		return "", false
	case !named:
		return access.LocalScopeKeys, true
	}
	return access.LocalScopeKeys + "/" + name, validKeyName(name)
}

// validKeyName reports whether s may name a key.
func validKeyName(s string) bool {
	if len(s) == 0 || len(s) > maxKeyName {
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

// isKey reports whether a scope is that of one key.
func isKey(scope string) bool { return len(scope) > len(access.LocalScopeKeys) }

// covers reports whether what is assigned at outer holds at scope.
func covers(outer, scope string) bool {
	return outer == access.LocalScopeAll || strings.EqualFold(outer, scope) || outer == access.LocalScopeKeys && isKey(scope)
}

// validGUID reports whether s is a GUID in its usual text form, in any case.
func validGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}
