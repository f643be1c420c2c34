package api

import (
	"encoding/json"
	"fmt"
	"io"
)

// Redacted stands where a secret would be when a type of this package is
// formatted or logged.
const Redacted = "[redacted]"

func redactString(s *string) *string {
	if s == nil {
		return nil
	}
	r := Redacted
	return &r
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		// The types of this package always marshal; the value stays hidden
		// should that ever stop to be true.
		return fmt.Sprintf("%T", v)
	}
	return string(text)
}

func writeText(w io.Writer, s string) {
	// A fmt.State buffers in memory and cannot fail.
	_, _ = io.WriteString(w, s)
}
