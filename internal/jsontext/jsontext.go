// Package jsontext appends and reads JSON without reflection, for the few texts
// that are written or read with every request.
//
// It guarantees the bytes that encoding/json would have written, and to read
// nothing else than encoding/json would have read: what is unusual it leaves to
// that. It knows no types: who uses it knows the names.
package jsontext

import (
	"bytes"
	"encoding/json"
)

// String appends s as a JSON string, as json.Marshal writes it: with <, > and &
// escaped.
func String(dst []byte, s string) []byte {
	for i := range len(s) {
		if forms[s[i]] != itself {
			return slow(dst, s, true)
		}
	}
	return quoted(dst, s)
}

// Plain appends s as a JSON string, as an encoder writes it that does not escape
// HTML.
func Plain(dst []byte, s string) []byte {
	for i := range len(s) {
		if forms[s[i]] == escaped {
			return slow(dst, s, false)
		}
	}
	return quoted(dst, s)
}

// form is how a byte of a string is written, whatever stands around it.
type form uint8

const (
	escaped form = iota // in a longer form, or together with its neighbours
	itself
	html // as itself, unless HTML is escaped
)

var forms = func() (f [256]form) {
	for c := ' '; c <= '~'; c++ {
		f[c] = itself
	}
	f['"'], f['\\'] = escaped, escaped
	f['<'], f['>'], f['&'] = html, html, html
	return f
}()

func quoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func slow(dst []byte, s string, escapeHTML bool) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	_ = e.Encode(s) // a string never fails
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// Object appends the members of an object, whose texts it is given with their
// names: what is empty is left out, as with omitempty.
type Object struct {
	dst   []byte
	quote func(dst []byte, s string) []byte
	some  bool
}

// Begin appends the brace of an object whose strings are appended by quote, which
// is String or Plain.
func Begin(dst []byte, quote func([]byte, string) []byte) Object {
	return Object{dst: append(dst, '{'), quote: quote}
}

// Name appends the name of a member and returns what its value is to be appended
// to; Value takes that back.
func (o *Object) Name(name string) []byte {
	if o.some {
		o.dst = append(o.dst, ',')
	}
	o.some = true
	o.dst = append(o.dst, '"')
	o.dst = append(o.dst, name...)
	return append(o.dst, '"', ':')
}

// Value takes back what Name returned, with the value behind it.
func (o *Object) Value(dst []byte) { o.dst = dst }

// Text appends a member that is a string, even an empty one.
func (o *Object) Text(name, value string) { o.dst = o.quote(o.Name(name), value) }

// SomeText appends a member that is a string, unless it is empty.
func (o *Object) SomeText(name, value string) {
	if value != "" {
		o.Text(name, value)
	}
}

// End appends the other brace and returns everything.
func (o *Object) End() []byte { return append(o.dst, '}') }
