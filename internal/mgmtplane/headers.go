package mgmtplane

import (
	"mime"
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

const maxRequestID = 128

// writeCommonHeaders sets what every answer carries.
func writeCommonHeaders(x *httpx.Exchange) {
	h := x.ResponseWriter.Header()
	h["Cache-Control"] = []string{"no-cache"}
	h["Pragma"] = []string{"no-cache"}
	h["Expires"] = []string{"-1"}
	h["Strict-Transport-Security"] = []string{"max-age=31536000; includeSubDomains"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["X-Ms-Request-Id"] = []string{x.RequestID}
	correlation := visible(x.Request.Header.Get("X-Ms-Correlation-Request-Id"))
	if correlation == "" {
		correlation = x.RequestID
	}
	h["X-Ms-Correlation-Request-Id"] = []string{correlation}
	if id := clientRequestID(x.Request); id != "" {
		h["X-Ms-Client-Request-Id"] = []string{id}
	}
}

// clientRequestID returns the caller's own id of the request.
func clientRequestID(r *http.Request) string { return visible(r.Header.Get("X-Ms-Client-Request-Id")) }

// visible returns an id of the caller's, or nothing when it is not a short run
// of visible characters: it is echoed and recorded.
func visible(id string) string {
	if len(id) > maxRequestID {
		return ""
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return ""
		}
	}
	return id
}

// checkContentType refuses a body that says it is not JSON in UTF-8. One that
// says nothing is taken for JSON.
func checkContentType(x *httpx.Exchange) error {
	header := x.Request.Header.Get("Content-Type")
	if x.Route.MaxBody == 0 || header == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(header)
	charset := params["charset"]
	if err == nil && (media == "application/json" || media == "text/json") &&
		(charset == "" || strings.EqualFold(charset, "utf-8")) {
		return nil
	}
	return &refusal{
		status: http.StatusUnsupportedMediaType, code: "UnsupportedMediaType",
		message: "The content media type of the request is not supported. Only 'application/json' is supported.",
	}
}
