package bench

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// operation is what the requests of a load ask for.
type operation string

const (
	opGet  operation = "get"  // the current version of a secret
	opPut  operation = "put"  // a new version of a secret
	opList operation = "list" // a page of the secrets that follow one
	opUse  operation = "use"  // an operation with a key
)

// What requests carry besides their token: the form of the official clients.
const (
	apiVersion = "2025-07-01"
	userAgent  = "okv-bench"
	requestID  = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
	pageSize   = 25
)

// Secrets are all alike: a value of 64 characters, a content type and a tag.
var (
	secretValue = strings.Repeat("0123456789abcdef", 4)
	secretType  = "text/plain"
	secretTags  = map[string]string{"env": "bench"}
	secretBody  = fmt.Sprintf(`{"value":%q,"contentType":%q,"tags":{"env":"bench"}}`, secretValue, secretType)
)

// requests makes the requests of a load.
type requests struct {
	Host  string    `json:"host"`
	Token string    `json:"token"`
	Op    operation `json:"op"`
	// Names is how many secrets the vault has; requests are about random ones.
	// Hot, if not zero, is how many of them are used: as far apart as can be.
	Names int `json:"names"`
	Hot   int `json:"hot,omitempty"`
	// Path and Body are those of opUse.
	Path string `json:"path,omitempty"`
	Body string `json:"body,omitempty"`
}

// used returns how many secrets the requests are about, and how far apart.
func (r *requests) used() (count, apart int) {
	if r.Hot == 0 || r.Hot >= r.Names {
		return r.Names, 1
	}
	return r.Hot, r.Names / r.Hot
}

// pick returns the number of one of them.
func (r *requests) pick() int {
	if r.Op == opUse {
		return 0 // there is one path
	}
	count, apart := r.used()
	return rand.IntN(count) * apart
}

// appendName appends the name of a secret; all have the same length.
func appendName(dst []byte, i int) []byte {
	const digits = 7
	dst = append(dst, "secret-0000000"[:len("secret-")+digits]...)
	for at := len(dst) - 1; i > 0; at, i = at-1, i/10 {
		dst[at] = byte('0' + i%10)
	}
	return dst
}

// appendPath appends the path and the query of a request.
func (r *requests) appendPath(dst []byte, i int) []byte {
	switch r.Op {
	case opUse:
		return append(append(dst, r.Path...), "?api-version="+apiVersion...)
	case opGet, opPut:
		dst = appendName(append(dst, "/secrets/"...), i)
		return append(dst, "?api-version="+apiVersion...)
	}
	// What follows the last names would be less than a page.
	i = max(0, min(i, r.Names-pageSize-1))
	marker := append([]byte(`{"NextMarker":"`), appendName(nil, i)...)
	marker = append(marker, `","TargetLocation":0}`...)
	dst = append(dst, "/secrets?api-version="+apiVersion+"&maxresults="+strconv.Itoa(pageSize)+"&$skiptoken="...)
	return base64.RawURLEncoding.AppendEncode(dst, marker)
}

func (r *requests) method() string {
	switch r.Op {
	case opPut:
		return "PUT"
	case opUse:
		return "POST"
	}
	return "GET"
}

func (r *requests) body() string {
	if r.Op == opPut {
		return secretBody
	}
	return r.Body
}

// rest returns what stands behind the path of a request of HTTP/1.1.
func (r *requests) rest() string {
	var b strings.Builder
	b.WriteString(" HTTP/1.1\r\n")
	for _, h := range [][2]string{
		{"Host", r.Host}, {"User-Agent", userAgent}, {"Accept", "application/json"},
		{"Authorization", "Bearer " + r.Token}, {"X-Ms-Client-Request-Id", requestID},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if body := r.body(); body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	} else {
		b.WriteString("\r\n")
	}
	return b.String()
}
