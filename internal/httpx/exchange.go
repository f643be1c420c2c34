// Package httpx is what the three planes share of HTTP: the host table, routes
// as data, limits on what is read, strict JSON, request ids, and the one map
// from kinds of refusal to statuses.
//
// It guarantees that no body is read beyond its route's limit and that every
// answer carries a request id. It knows no operation of any plane.
package httpx

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Exchange is one request with its answer, as a route's handler sees it.
type Exchange struct {
	http.ResponseWriter
	*http.Request
	Site   Site
	Route  *Route
	Params Params
	// RequestID is the id that the answer carries as x-ms-request-id.
	RequestID string
	// Caller is who sends the request, once the plane has authenticated it.
	Caller access.Caller
	// APIVersion is the api-version asked for, once the plane has checked it.
	APIVersion string
	// Status is that of the answer, once Reply has sent it; zero before.
	Status int

	address string // of the peer, once ClientAddress was asked for it
}

type siteKey struct{}

// WithSite returns a context that carries where a request came to.
func WithSite(ctx context.Context, s Site) context.Context {
	return context.WithValue(ctx, siteKey{}, s)
}

// SiteFrom returns the site that WithSite stored. It panics when there is
// none: a plane must stand behind the server that looks the host up.
func SiteFrom(ctx context.Context) Site { return ctx.Value(siteKey{}).(Site) }

// Status maps a kind of refusal to its HTTP status.
func Status(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case fault.Conflict:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Throttled:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// NewRequestID returns a random GUID in its usual text form.
func NewRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var text [36]byte
	for i, at := range [...]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		hex.Encode(text[at:], b[i:i+1])
	}
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// ClientAddress returns the address of the peer. Forwarding headers are
// ignored: anyone can write them.
func ClientAddress(r *http.Request) string {
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		var room [64]byte
		text := peer.Addr().Unmap().AppendTo(room[:0])
		if same, found := strings.CutPrefix(r.RemoteAddr, string(text)); found {
			return r.RemoteAddr[:len(r.RemoteAddr)-len(same)]
		}
		return string(text)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().String()
	}
	return host
}

// ClientAddress is the function of that name, asked once an exchange.
func (x *Exchange) ClientAddress() string {
	if x.address == "" {
		x.address = ClientAddress(x.Request)
	}
	return x.address
}

// Query returns the first value of a query parameter whose name matches
// without case, and whether it was given at all. Of several spellings the exact
// one counts, else the first in byte order.
func Query(r *http.Request, name string) (string, bool) {
	// The library refuses a query of very many parameters: let it.
	if strings.Count(r.URL.RawQuery, "&") >= manyParameters {
		return lookup(r.URL.Query(), name)
	}
	var best struct {
		name, value string
		found       bool
	}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		key, value, ok := parameter(pair, name)
		switch {
		case !ok || best.found && best.name == key:
		case key == name || !best.found || best.name != name && key < best.name:
			best.name, best.value, best.found = key, value, true
		}
	}
	return best.value, best.found
}

// QueryValue is Query of the exchange's request.
func (x *Exchange) QueryValue(name string) (string, bool) { return Query(x.Request, name) }

// manyParameters is more than any operation has.
const manyParameters = 64

// parameter decodes a parameter as url.ParseQuery does, if its name is the one
// wanted.
func parameter(pair, name string) (key, value string, ok bool) {
	if pair == "" || strings.Contains(pair, ";") {
		return "", "", false
	}
	key, value, _ = strings.Cut(pair, "=")
	key, err := url.QueryUnescape(key)
	if err != nil || !strings.EqualFold(key, name) {
		return "", "", false
	}
	value, err = url.QueryUnescape(value)
	return key, value, err == nil
}

// lookup is Query in a query that is parsed.
func lookup(values url.Values, name string) (string, bool) {
	if v, ok := values[name]; ok {
		return v[0], true
	}
	found, ok := "", false
	for key := range values {
		if strings.EqualFold(key, name) && (!ok || key < found) {
			found, ok = key, true
		}
	}
	if !ok {
		return "", false
	}
	return values[found][0], true
}

// Bearer returns the token of the Authorization header. ok is false when there
// is no header of the Bearer scheme.
func Bearer(r *http.Request) (token string, ok bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	token = strings.TrimSpace(token)
	return token, token != ""
}

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
	reason string
}

// Error says which member and what is wrong with it, without its value.
func (e *MemberError) Error() string {
	return fmt.Sprintf("the member %q is %s", e.Member, e.reason)
}

// ReadJSON decodes the body, of at most the route's MaxBody bytes, into v. It
// refuses what could be understood in two ways: bytes after the value, text
// that is not UTF-8 and halves of surrogate pairs, which decoding would
// silently replace. Members that v does not have are ignored, as the service
// does, because newer clients send newer members. Of a member that is given
// twice the last counts, and names match without case, as in the service.
//
// The error wraps ErrBody or ErrBodyTooLarge; its text never quotes the body.
func (x *Exchange) ReadJSON(v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(x.ResponseWriter, x.Body, x.Route.MaxBody))
	if err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return fmt.Errorf("%w of %d bytes", ErrBodyTooLarge, x.Route.MaxBody)
		}
		return fmt.Errorf("%w: it did not arrive whole", ErrBody)
	}
	return DecodeJSON(body, v)
}

// DecodeJSON is ReadJSON for bytes already read.
func DecodeJSON(body []byte, v any) error {
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
			return fmt.Errorf("%w: %w", ErrBody, &MemberError{wrong.Field, "a JSON " + firstWord(wrong.Value) + ", which is the wrong type"})
		}
		if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
			return fmt.Errorf("%w: it is not valid JSON at byte %d", ErrBody, syntax.Offset)
		}
		return fmt.Errorf("%w: a member has a value of the wrong form", ErrBody)
	}
	return nil
}

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
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			if high != none {
				return true
			}
			continue
		}
		i++
		if i >= len(text) || text[i] != 'u' {
			if high != none {
				return true
			}
			continue
		}
		unit, ok := hex4(text[i+1:])
		if !ok {
			return false // not JSON: the decoder says so
		}
		i += 4
		isHigh, isLow := unit>>10 == 0xD800>>10, unit>>10 == 0xDC00>>10
		if isLow != (high != none) {
			return true
		}
		high = none
		if isHigh {
			high = unit
		}
	}
	return high != none
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

// body is room for the body of an answer.
type body struct{ text []byte }

// maxKeptBody bounds what waits for the next answer: most are shorter.
const maxKeptBody = 16 << 10

var bodies = sync.Pool{New: func() any { return &body{make([]byte, 0, 2<<10)} }}

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

// Reply answers with a status and a JSON body, or without one when v is nil.
// When it returns an error, it has written nothing.
func (x *Exchange) Reply(status int, v any) error {
	if v == nil {
		x.ResponseWriter.WriteHeader(status)
	} else if err := WriteJSON(x.ResponseWriter, status, v); err != nil {
		return err
	}
	x.Status = status
	return nil
}

// ReplyText answers with a status and JSON that is written already, with its length
// as the header of that name has it.
func (x *Exchange) ReplyText(status int, text []byte, length []string) {
	h := x.ResponseWriter.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = length
	x.ResponseWriter.WriteHeader(status)
	_, _ = x.ResponseWriter.Write(text) // a peer that has gone is no failure of the operation
	x.Status = status
}
