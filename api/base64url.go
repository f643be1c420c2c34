package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
)

// Base64URL is binary data that travels as base64url text without padding, RFC
// 4648 section 5: the members of a JSON Web Key, backup blobs, results of
// cryptographic operations.
//
// Characters of the standard alphabet and line breaks are errors. Correct padding
// is tolerated, since some clients send it, and so are trailing bits that are not
// zero, which Azure drops: people encrypt "some-secret" as it is.
type Base64URL []byte

var (
	unpadded = base64.RawURLEncoding
	padded   = base64.URLEncoding
)

// MarshalText returns the unpadded base64url text.
func (b Base64URL) MarshalText() ([]byte, error) {
	return b.AppendText(make([]byte, 0, unpadded.EncodedLen(len(b))))
}

// AppendText appends the unpadded base64url text.
func (b Base64URL) AppendText(dst []byte) ([]byte, error) {
	return unpadded.AppendEncode(dst, b), nil
}

// UnmarshalText decodes base64url text. Its only error is a
// *json.UnmarshalTypeError, which encoding/json completes with the name of the
// member, and which does not show the text.
func (b *Base64URL) UnmarshalText(text []byte) error {
	// encoding/base64 skips line breaks.
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return notBase64URL()
	}
	enc := unpadded
	if bytes.IndexByte(text, '=') >= 0 {
		enc = padded
	}
	data := make([]byte, enc.DecodedLen(len(text)))
	n, err := enc.Decode(data, text)
	if err != nil {
		return notBase64URL()
	}
	*b = data[:n]
	return nil
}

func notBase64URL() error {
	return &json.UnmarshalTypeError{Value: "string", Type: reflect.TypeFor[Base64URL]()}
}
