package jsontext

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Strings finds the members of an object whose members are strings, in the
// plain form that nearly all clients send. values has a place for each of names:
// values[i] becomes what stands between the quotes of the member names[i], as a
// part of text that the caller must not keep longer than text, or nil if there is
// no such member.
//
// It reports false, and leaves values in any state, whenever text could come to
// something else, or to an error, in encoding/json: it must be one object with
// nothing but space around, its members must have names of the list, to the
// letter and each at most once, and their values must be strings of ASCII without
// escapes and control characters.
func Strings(text []byte, names []string, values [][]byte) bool {
	clear(values)
	c := cursor{text}
	if !c.take('{') {
		return false
	}
	for first := true; !c.take('}'); first = false {
		if !first && !c.take(',') {
			return false
		}
		name, ok := c.quoted()
		if !ok || !c.take(':') {
			return false
		}
		i := slices.Index(names, string(name))
		if i < 0 || values[i] != nil {
			return false
		}
		if values[i], ok = c.quoted(); !ok || !plain(values[i]) {
			return false
		}
	}
	c.space()
	return len(c.rest) == 0
}

// cursor is what is left to be read.
type cursor struct{ rest []byte }

// space passes over the space that JSON has between its tokens.
func (c *cursor) space() {
	for len(c.rest) > 0 {
		switch c.rest[0] {
		case ' ', '\t', '\r', '\n':
			c.rest = c.rest[1:]
		default:
			return
		}
	}
}

// take passes over space, and over the byte if that is what follows.
func (c *cursor) take(b byte) bool {
	c.space()
	if len(c.rest) == 0 || c.rest[0] != b {
		return false
	}
	c.rest = c.rest[1:]
	return true
}

// quoted passes over space and what looks like a string without escapes, and
// returns what stands between its quotes.
func (c *cursor) quoted() ([]byte, bool) {
	if !c.take('"') {
		return nil, false
	}
	end := bytes.IndexByte(c.rest, '"')
	if end < 0 {
		return nil, false
	}
	s := c.rest[:end:end]
	c.rest = c.rest[end+1:]
	return s, true
}

// plain reports whether what stands between quotes is ASCII without escapes and
// control characters, which is the string itself.
func plain(s []byte) bool {
	if bytes.IndexByte(s, '\\') >= 0 {
		return false
	}
	// The high bit of a byte is set in odd if it is set in the byte, or in what is
	// left of it without a space.
	const each = 0x0101010101010101
	var odd uint64
	for ; len(s) >= 8; s = s[8:] {
		eight := binary.NativeEndian.Uint64(s)
		odd |= eight | (eight - each*' ')
	}
	for _, b := range s {
		odd |= uint64(b | (b - ' '))
	}
	return odd&(each*0x80) == 0
}
