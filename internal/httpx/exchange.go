// Package httpx is what the planes share of HTTP: the host table, routes as data,
// limits on what is read, strict JSON, request ids, and what callers are told of a
// failure, with the one map from kinds of refusal to statuses.
//
// It guarantees that no body is read beyond its route's limit and that every
// answer carries a request id. It knows no operation of any plane.
package httpx

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
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

// NewRequestID returns a random GUID in its usual text form. It tells requests apart
// and is no secret, so the runtime's own generator is good enough.
func NewRequestID() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], rand.Uint64())
	binary.LittleEndian.PutUint64(b[8:], rand.Uint64())
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

// maxAgent bounds what is kept of what a client says that it is.
const maxAgent = 256

// ClientAgent returns what the client says that it is, 256 bytes at the most.
func ClientAgent(r *http.Request) string {
	agent := HeaderValue(r, "User-Agent")
	return agent[:min(len(agent), maxAgent)]
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
	scheme, token, found := strings.Cut(HeaderValue(r, "Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	token = strings.TrimSpace(token)
	return token, token != ""
}

// HeaderValue is Header.Get for a name in canonical form, which it does not make
// canonical once more.
func HeaderValue(r *http.Request, name string) string {
	if values := r.Header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
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
