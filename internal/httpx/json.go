package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// ErrBody is wrapped by every error of ReadJSON that is the sender's fault;
// ErrBodyTooLarge by the one for a body over the limit.
var (
	ErrBody         = errors.New("the request body is not usable")
	ErrBodyTooLarge = errors.New("the request body is over the limit")
)

// MemberError is in the chain of an ErrBody when one member is at fault.
type MemberError struct {
	// Member is its path: "attributes.exp".
	Member string
	// Kind is what JSON calls the value that it has: "string".
	Kind string
	// Type is the Go type that the value does not fit.
	Type reflect.Type
}

// Error says which member and what is wrong with it, without its value.
func (e *MemberError) Error() string {
	return fmt.Sprintf("the member %q is a JSON %s, which is the wrong type", e.Member, e.Kind)
}

// ReadJSON decodes the body, of at most the route's MaxBody bytes, into v. It
// refuses what could be understood in two ways: bytes after the value, text
// that is not UTF-8 and halves of surrogate pairs, which decoding would
// silently replace. A byte order mark at the very beginning is skipped. Members
// that v does not have are ignored, as the service does, because newer clients
// send newer members. Of a member that is given twice the last counts, of
// objects each member, and names match without case, as in the service.
//
// The error wraps ErrBody or ErrBodyTooLarge; its text never quotes the body.
func (x *Exchange) ReadJSON(v any) error {
	b := bodies.Get().(*body)
	defer b.free()
	if err := b.fill(http.MaxBytesReader(x.ResponseWriter, x.Body, x.Route.MaxBody), x.ContentLength); err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return fmt.Errorf("%w of %d bytes", ErrBodyTooLarge, x.Route.MaxBody)
		}
		return fmt.Errorf("%w: it did not arrive whole", ErrBody)
	}
	return DecodeJSON(b.text, v)
}

// FlatUnmarshaler is what decodes itself if the text is plain enough, faster than
// encoding/json and to the same value. Otherwise it reports false and changes
// nothing, so that refusals have one source. It does not keep the text.
type FlatUnmarshaler interface {
	UnmarshalFlat(text []byte) bool
}

// DecodeJSON is ReadJSON for bytes already read. It does not keep them.
func DecodeJSON(body []byte, v any) error {
	if f, ok := v.(FlatUnmarshaler); ok && f.UnmarshalFlat(body) {
		return nil
	}
	// Windows tools write files that begin with a byte order mark.
	body = bytes.TrimPrefix(body, byteOrderMark)
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 {
		return fmt.Errorf("%w: it is empty, and this operation needs a JSON object", ErrBody)
	}
	if !utf8.Valid(body) {
		return fmt.Errorf("%w: it is not UTF-8", ErrBody)
	}
	if loneSurrogate(body) {
		return fmt.Errorf("%w: it holds half of a surrogate pair", ErrBody)
	}
	if trimmed[0] != '{' {
		return fmt.Errorf("%w: it is not a JSON object", ErrBody)
	}
	if err := json.Unmarshal(body, v); err != nil {
		if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
			return fmt.Errorf("%w: %w", ErrBody, &MemberError{wrong.Field, firstWord(wrong.Value), wrong.Type})
		}
		if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
			return fmt.Errorf("%w: it is not valid JSON at byte %d", ErrBody, syntax.Offset)
		}
		return fmt.Errorf("%w: a member has a value of the wrong form", ErrBody)
	}
	return nil
}

var byteOrderMark = []byte("\ufeff")

// firstWord drops what encoding/json adds after the kind of a value, which
// can be the value itself.
func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// loneSurrogate reports whether a JSON text escapes half of a surrogate pair.
func loneSurrogate(text []byte) bool {
	const none = 0
	var high uint16 = none
	for {
		skip := bytes.IndexByte(text, '\\')
		if skip != 0 && high != none {
			return true
		}
		if skip < 0 {
			return false
		}
		text = text[skip+1:]
		if len(text) == 0 || text[0] != 'u' {
			if high != none {
				return true
			}
			text = text[min(1, len(text)):] // it may be a backslash
			continue
		}
		unit, ok := hex4(text[1:])
		if !ok {
			return false // not JSON: the decoder says so
		}
		text = text[1+4:]
		isHigh, isLow := unit>>10 == 0xD800>>10, unit>>10 == 0xDC00>>10
		if isLow != (high != none) {
			return true
		}
		high = none
		if isHigh {
			high = unit
		}
	}
}

func hex4(b []byte) (n uint16, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint16(c)
	}
	return n, true
}

// Appender is an answer that writes itself: what encoding/json would make of it,
// without escaping HTML.
type Appender interface {
	AppendJSON(dst []byte) []byte
}

// contentType is shared by the headers of all answers.
var contentType = []string{"application/json; charset=utf-8"}

// WriteJSON answers with a status and a JSON body. HTML characters are not
// escaped: the body is no page, and clients compare texts.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	b := bodies.Get().(*body)
	if err := b.encode(v); err != nil {
		b.free()
		return fmt.Errorf("encoding the answer: %w", err)
	}
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(b.text))}
	w.WriteHeader(status)
	// A peer that has gone is no failure of the operation. But a connection of
	// HTTP/2 may still be about to write what it has not taken.
	if _, err := w.Write(b.text); err == nil {
		b.free()
	}
	return nil
}

// body is room for the body of a request or of an answer.
type body struct{ text []byte }

// maxKeptBody bounds what waits for the next body: the longest secret has room
// in it, with all that stands around one.
const maxKeptBody = 32 << 10

var bodies = sync.Pool{New: func() any { return &body{make([]byte, 0, 2<<10)} }}

// maxTrusted bounds the room that is made for a body before it comes, on the word
// of who sends it.
const maxTrusted = 64 << 10

// fill reads all that r has. size is what that is said to be, or negative.
func (b *body) fill(r io.Reader, size int64) error {
	// A reader may say that it is at its end only when asked for more.
	b.text = slices.Grow(b.text, int(min(max(size, 0), maxTrusted))+1)
	for {
		n, err := r.Read(b.text[len(b.text):cap(b.text)])
		b.text = b.text[:len(b.text)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if len(b.text) == cap(b.text) {
			b.grow()
		}
	}
}

// grow doubles the room, and clears what may be a secret in the old one.
func (b *body) grow() {
	old := b.text
	b.text = append(make([]byte, 0, 2*cap(old)), old...)
	clear(old)
}

func (b *body) encode(v any) error {
	if a, ok := v.(Appender); ok {
		b.text = a.AppendJSON(b.text)
		return nil
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.text = bytes.TrimSuffix(b.text, []byte("\n"))
	return nil
}

// Write implements io.Writer.
func (b *body) Write(p []byte) (int, error) {
	b.text = append(b.text, p...)
	return len(p), nil
}

// free clears what may be a secret.
func (b *body) free() {
	clear(b.text)
	if cap(b.text) <= maxKeptBody {
		b.text = b.text[:0]
		bodies.Put(b)
	}
}
