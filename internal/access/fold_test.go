package access

import (
	"strings"
	"testing"
)

// FuzzFolding compares with folding first and matching then, which is the
// definition.
func FuzzFolding(f *testing.F) {
	for _, s := range []string{
		"Microsoft.KeyVault/vaults/secrets/read", "/subscriptions/S/resourceGroups/G/", "\u212aey", "\u017fs", "s\u017f", "\u0130", "\xff", "", "/",
	} {
		f.Add(s, s)
		f.Add(s, s+"/below")
		f.Add(strings.ToLower(s), strings.ToUpper(s))
	}
	f.Fuzz(func(t *testing.T, outer, scope string) {
		outer, scope = foldScope(outer), strings.TrimRight(scope, "/")
		folded := strings.ToLower(scope)
		want := folded == outer || strings.HasPrefix(folded, outer+"/")
		if got := within(scope, outer); got != want {
			t.Errorf("within(%q, %q) = %v", scope, outer, got)
		}
		for _, pattern := range []string{"Microsoft.KeyVault/*", "*/Read", "*", "Microsoft.Support/*/Write", "Microsoft.KeyVault/vaults/secrets/Read"} {
			if got, want := match(pattern, scope), matchFolded(strings.ToLower(pattern), folded); got != want {
				t.Errorf("match(%q, %q) = %v", pattern, scope, got)
			}
		}
	})
}

// matchFolded tries every run of characters that a star can take.
func matchFolded(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] != '*' {
		return s != "" && s[0] == pattern[0] && matchFolded(pattern[1:], s[1:])
	}
	for i := range len(s) + 1 {
		if matchFolded(pattern[1:], s[i:]) {
			return true
		}
	}
	return false
}
