// Package tuple encodes sequences of strings and unsigned integers as byte keys
// that sort as the sequences do and that no other sequence shares.
//
// A key is the plain concatenation of its elements, and no element's encoding
// is a prefix of another's, so whatever bytes an element holds it is never
// mistaken for two, nor two for one:
//
//	string  0x02, its bytes with each 0x00 written as 0x00 0xFF, then 0x00 0x01
//	uint64  0x03, eight bytes, most significant first
//
// Byte order of keys is therefore element-wise order: strings bytewise, integers
// by value, every string before every integer, and a tuple directly before all
// of its extensions. Every sequence has one encoding only; Decode refuses any
// other bytes. The format is stored on disk and must never change.
//
// The package knows nothing of what keys mean, and it does not enforce
// store.MaxKey: escaping makes a string at most twice as long.
package tuple

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

const (
	tagString = 0x02
	tagUint   = 0x03
	// tagEnd is above every tag. No key has it where a tag stands, so a key
	// followed by it is a bound above all extensions of the key.
	tagEnd = 0x04

	// Inside a string 0x00 is always followed by one of these. The terminator
	// is the smaller, so that a string sorts before those that continue it.
	terminator = 0x01
	escape     = 0xff
)

// ErrMalformed is wrapped by the error of Decode.
var ErrMalformed = errors.New("tuple: malformed key")

// Key returns the key of a tuple of strings.
func Key(parts ...string) []byte {
	size := 0
	for _, p := range parts {
		size += encodedLen(p)
	}
	key := make([]byte, 0, size)
	for _, p := range parts {
		key = Append(key, p)
	}
	return key
}

func encodedLen(part string) int { return len(part) + strings.Count(part, "\x00") + 3 }

// Append appends a string element to the key in dst and returns the extended
// slice, as the built-in append does.
func Append(dst []byte, part string) []byte {
	dst = append(dst, tagString)
	for {
		i := strings.IndexByte(part, 0)
		if i < 0 {
			break
		}
		dst = append(dst, part[:i]...)
		dst = append(dst, 0, escape)
		part = part[i+1:]
	}
	dst = append(dst, part...)
	return append(dst, 0, terminator)
}

// AppendUint appends an integer element to the key in dst and returns the
// extended slice.
func AppendUint(dst []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tagUint), n)
}

// Prefix returns the range of all keys that extend the tuple of key by at least
// one element. The key itself is not in it. The prefix of an empty key is every
// key but the empty one.
func Prefix(key []byte) store.Range {
	return store.Range{Start: with(key, tagString), End: with(key, tagEnd)}
}

// After returns the smallest bound above the key and all of its extensions: a
// scan that starts there goes on behind this tuple and its children. The bound
// is not itself the key of a tuple.
func After(key []byte) []byte { return with(key, tagEnd) }

// with returns a new slice: the caller's key may have spare capacity in use.
func with(key []byte, tag byte) []byte {
	return append(append(make([]byte, 0, len(key)+1), key...), tag)
}

// Element is one element of a decoded key: Uint if IsUint, else String.
type Element struct {
	String string
	Uint   uint64
	IsUint bool
}

// Decode returns the elements of a key. It accepts exactly the keys that Append
// and AppendUint make; any other bytes give an error that wraps ErrMalformed
// and names the offset, not the bytes. It is safe on untrusted input.
func Decode(key []byte) ([]Element, error) {
	var elements []Element
	for rest := key; len(rest) > 0; {
		element, n, err := decodeOne(rest)
		if err != nil {
			return nil, fmt.Errorf("%w: %s at byte %d", ErrMalformed, err, len(key)-len(rest))
		}
		elements = append(elements, element)
		rest = rest[n:]
	}
	return elements, nil
}

// Encode returns the key of the elements; it is the inverse of Decode.
func Encode(elements ...Element) []byte {
	var key []byte
	for _, e := range elements {
		if e.IsUint {
			key = AppendUint(key, e.Uint)
		} else {
			key = Append(key, e.String)
		}
	}
	return key
}

var (
	errTag    = errors.New("unknown element tag")
	errShort  = errors.New("element cut short")
	errEscape = errors.New("zero byte that neither escapes nor ends a string")
)

// decodeOne decodes the first element of b, which is not empty, and returns the
// number of bytes that it takes.
func decodeOne(b []byte) (Element, int, error) {
	switch b[0] {
	case tagUint:
		if len(b) < 9 {
			return Element{}, 0, errShort
		}
		return Element{Uint: binary.BigEndian.Uint64(b[1:]), IsUint: true}, 9, nil
	case tagString:
		return decodeString(b)
	default:
		return Element{}, 0, errTag
	}
}

func decodeString(b []byte) (Element, int, error) {
	var s strings.Builder
	for i := 1; i < len(b); i++ {
		if b[i] != 0 {
			s.WriteByte(b[i])
			continue
		}
		i++
		if i == len(b) {
			break
		}
		switch b[i] {
		case terminator:
			return Element{String: s.String()}, i + 1, nil
		case escape:
			s.WriteByte(0)
		default:
			return Element{}, 0, errEscape
		}
	}
	return Element{}, 0, errShort
}
