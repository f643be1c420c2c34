// Package secret holds bytes that must not be shown by accident.
//
// A Bytes neither prints, marshals nor logs its contents, wherever it sits: as
// a value, a field of another struct (exported or not), an element or a
// pointer. Reveal is the only way in, so that a search for it finds every place
// where a secret is used. The package knows nothing of what the bytes mean and
// protects against mistakes, not against code that reads the process's memory.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a Bytes shows of itself.
const Redacted = "[secret]"

// Bytes is a secret byte string. Copies share the bytes. The zero value is an
// empty secret. Reading is safe for concurrent use, Zero is not.
type Bytes struct {
	// A closure holds the slice because package fmt calls no methods on the
	// unexported fields of other structs: it walks them by reflection, through
	// slices always and through pointers for some verbs, but of a function it
	// knows no more than an address.
	reveal func() []byte
}

// New returns a secret that takes over b: the caller does not use b again.
func New(b []byte) Bytes { return Bytes{func() []byte { return b }} }

// Reveal returns the secret itself, not a copy. The caller must not change it,
// and must not keep it when the secret may be zeroed.
func (s Bytes) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Len returns the number of bytes.
func (s Bytes) Len() int { return len(s.Reveal()) }

// Equal compares in time that depends on the lengths alone.
func (s Bytes) Equal(other Bytes) bool {
	return subtle.ConstantTimeCompare(s.Reveal(), other.Reveal()) == 1
}

// Zero overwrites the bytes of s and of all its copies. Its length stays.
func (s Bytes) Zero() { clear(s.Reveal()) }

// String returns Redacted.
func (s Bytes) String() string { return Redacted }

// GoString returns Redacted.
func (s Bytes) GoString() string { return Redacted }

// Format writes Redacted, whatever the verb.
func (s Bytes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalJSON returns Redacted as a JSON string.
func (s Bytes) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalText returns Redacted, for the encodings that ask for text.
func (s Bytes) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// LogValue returns Redacted.
func (s Bytes) LogValue() slog.Value { return slog.StringValue(Redacted) }
