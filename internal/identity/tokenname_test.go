package identity

import (
	"strings"
	"testing"
)

// TestTokenNames: tokens that differ in anything have different names, and one
// token has the same name again, but not in another process.
func TestTokenNames(t *testing.T) {
	t.Parallel()
	n, other := newTokenNamer(), newTokenNamer()
	names := map[tokenName]int{}
	for size := range 3000 {
		token := strings.Repeat("a", size)
		name := n.nameOf(token)
		if earlier, ok := names[name]; ok {
			t.Fatalf("tokens of %d and %d characters have one name", earlier, size)
		}
		names[name] = size
		if again := n.nameOf(token); again != name {
			t.Fatalf("a token of %d characters has the names %x and %x", size, name, again)
		}
		if other.nameOf(token) == name {
			t.Fatal("another process gives the same name")
		}
	}
	base := []byte(strings.Repeat("a", 1200))
	want := n.nameOf(string(base))
	for i := range base {
		base[i] ^= 1
		if n.nameOf(string(base)) == want {
			t.Fatalf("a token that differs in character %d has the same name", i)
		}
		base[i] ^= 1
	}
}

// TestTokensAreNotKept: what was hashed is gone.
func TestTokensAreNotKept(t *testing.T) {
	t.Parallel()
	n := newTokenNamer()
	room := new(tokenRoom)
	n.room.Put(room)
	n.nameOf("a token")
	if strings.Contains(string(room.text[:]), "token") {
		t.Error("the token is still in memory")
	}
}
