package dataplane

import (
	"net/http"
	"net/netip"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// serviceVersion is the build of Azure's service whose answers ours follow, in
// the form that clients and their recordings know.
const serviceVersion = "1.9.1054.1"

// writeCommonHeaders sets what every answer carries. The keys are in canonical
// form already, so they are assigned and not normalised again.
func writeCommonHeaders(x *httpx.Exchange) {
	h := x.ResponseWriter.Header()
	h["Cache-Control"] = []string{"no-cache"}
	h["Pragma"] = []string{"no-cache"}
	h["Expires"] = []string{"-1"}
	h["Strict-Transport-Security"] = []string{"max-age=31536000;includeSubDomains"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["X-Ms-Keyvault-Service-Version"] = []string{serviceVersion}
	h["X-Ms-Request-Id"] = []string{x.RequestID}
	if x.Site.HSM != "" {
		// A managed HSM is a server of another make.
		h["X-Frame-Options"] = []string{"SAMEORIGIN"}
		h["Content-Security-Policy"] = []string{"default-src 'self'"}
	}
	h["X-Ms-Keyvault-Network-Info"] = []string{networkInfo(x.Request)}
	if id := clientRequestID(x.Request); id != "" {
		h["X-Ms-Client-Request-Id"] = []string{id}
	}
}

// clientRequestID returns the caller's own id of the request.
func clientRequestID(r *http.Request) string { return httpx.CallersID(r, "X-Ms-Client-Request-Id") }

// networkInfo tells the caller by which address the service sees it.
func networkInfo(r *http.Request) string {
	address := httpx.ClientAddress(r)
	connection, family := "Ipv4", "InterNetwork"
	if addr, err := netip.ParseAddr(address); err == nil && addr.Is6() {
		connection, family = "Ipv6", "InterNetworkV6"
	}
	return "conn_type=" + connection + ";addr=" + address + ";act_addr_fam=" + family + ";"
}

// checkContentType refuses a body that says it is not JSON in UTF-8. One that
// says nothing is taken for JSON.
func checkContentType(x *httpx.Exchange) error {
	if x.TakesJSON() {
		return nil
	}
	return &refusal{
		status: http.StatusUnsupportedMediaType, code: "UnsupportedMediaType",
		message: "The Content-Type of the request is not supported for this operation. Send application/json in UTF-8.",
	}
}
