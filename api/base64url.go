package api

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// Base64URL is binary data that travels as base64url text without padding, RFC
// 4648 section 5: the members of a JSON Web Key, backup blobs, results of
// cryptographic operations.
//
// Decoding is strict: characters of the standard alphabet, line breaks, and
// trailing bits that are not zero are errors, so that one value has one
// spelling. Correct padding is tolerated, since some clients send it.
type Base64URL []byte

var (
	unpadded = base64.RawURLEncoding.Strict()
	padded   = base64.URLEncoding.Strict()

	errLineBreak = errors.New("line break inside the text")
)

// MarshalText returns the unpadded base64url text.
func (b Base64URL) MarshalText() ([]byte, error) {
	return b.AppendText(make([]byte, 0, unpadded.EncodedLen(len(b))))
}

// AppendText appends the unpadded base64url text.
func (b Base64URL) AppendText(dst []byte) ([]byte, error) {
	return unpadded.AppendEncode(dst, b), nil
}

// UnmarshalText decodes base64url text. Its errors name a position, never the
// text itself.
func (b *Base64URL) UnmarshalText(text []byte) error {
	// encoding/base64 skips line breaks even in strict mode.
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return fmt.Errorf("decoding base64url: %w", errLineBreak)
	}
	enc := unpadded
	if bytes.IndexByte(text, '=') >= 0 {
		enc = padded
	}
	data := make([]byte, enc.DecodedLen(len(text)))
	n, err := enc.Decode(data, text)
	if err != nil {
		return fmt.Errorf("decoding base64url: %w", err)
	}
	*b = data[:n]
	return nil
}
