package mgmtplane

import (
	"net/http"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// writeCommonHeaders sets what every answer carries.
func writeCommonHeaders(x *httpx.Exchange) {
	h := x.ResponseWriter.Header()
	h["Cache-Control"] = []string{"no-cache"}
	h["Pragma"] = []string{"no-cache"}
	h["Expires"] = []string{"-1"}
	h["Strict-Transport-Security"] = []string{"max-age=31536000; includeSubDomains"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["X-Ms-Request-Id"] = []string{x.RequestID}
	correlation := httpx.CallersID(x.Request, "X-Ms-Correlation-Request-Id")
	if correlation == "" {
		correlation = x.RequestID
	}
	h["X-Ms-Correlation-Request-Id"] = []string{correlation}
	if id := clientRequestID(x.Request); id != "" {
		h["X-Ms-Client-Request-Id"] = []string{id}
	}
}

// clientRequestID returns the caller's own id of the request.
func clientRequestID(r *http.Request) string { return httpx.CallersID(r, "X-Ms-Client-Request-Id") }

// checkContentType refuses a body that says it is not JSON in UTF-8. One that
// says nothing is taken for JSON.
func checkContentType(x *httpx.Exchange) error {
	if x.TakesJSON() {
		return nil
	}
	return &httpx.Refusal{
		Status: http.StatusUnsupportedMediaType, Code: "UnsupportedMediaType",
		Message: "The content media type of the request is not supported. Only 'application/json' is supported.",
	}
}
