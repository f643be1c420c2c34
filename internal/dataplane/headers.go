package dataplane

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// serviceVersion is the build of Azure's service whose answers ours follow, in
// the form that clients and their recordings know.
const serviceVersion = "1.9.1054.1"

// writeCommonHeaders sets what every answer carries. The keys are in canonical
// form already, so they are assigned and not normalised again.
func writeCommonHeaders(x *httpx.Exchange) {
	h := x.ResponseWriter.Header()
	h["Cache-Control"] = noCache
	h["X-Content-Type-Options"] = noSniff
	own := []string{x.RequestID, "", clientRequestID(x.Request)}
	if x.Site.HSM != "" {
		// A managed HSM is a server of another make.
		h["X-Frame-Options"] = sameOrigin
		h["Content-Security-Policy"] = ownSources
		h["Strict-Transport-Security"] = strictTransportHSM
		own[1] = "addr=" + x.ClientAddress()
	} else {
		h["Pragma"] = noCache
		h["Expires"] = expired
		h["Strict-Transport-Security"] = strictTransport
		h["X-Ms-Keyvault-Service-Version"] = serviceVersions
		own[1] = networkInfo(x.ClientAddress())
	}
	h["X-Ms-Request-Id"] = own[0:1:1]
	h["X-Ms-Keyvault-Network-Info"] = own[1:2:2]
	if own[2] != "" {
		h["X-Ms-Client-Request-Id"] = own[2:3:3]
	}
}

// regionHeader is in canonical form.
const regionHeader = "X-Ms-Keyvault-Region"

// The values of the headers that are the same in every answer. They are shared.
var (
	noCache         = []string{"no-cache"}
	expired         = []string{"-1"}
	strictTransport = []string{"max-age=31536000;includeSubDomains"}
	noSniff         = []string{"nosniff"}
	serviceVersions = []string{serviceVersion}

	sameOrigin         = []string{"SAMEORIGIN"}
	ownSources         = []string{"default-src 'self'"}
	strictTransportHSM = []string{"max-age=31536000; includeSubDomains"}
)

// clientRequestID returns the caller's own id of the request.
func clientRequestID(r *http.Request) string { return httpx.CallersID(r, "X-Ms-Client-Request-Id") }

// networkInfo tells the caller by which address the service sees it.
func networkInfo(address string) string {
	if strings.Contains(address, ":") {
		if addr, err := netip.ParseAddr(address); err == nil && addr.Is6() {
			return "conn_type=Ipv6;addr=" + address + ";act_addr_fam=InterNetworkV6;"
		}
	}
	return "conn_type=Ipv4;addr=" + address + ";act_addr_fam=InterNetwork;"
}

// checkContentType refuses a body that says it is not JSON in UTF-8. One that
// says nothing is taken for JSON.
func checkContentType(x *httpx.Exchange) error {
	if x.TakesJSON() {
		return nil
	}
	return &httpx.Refusal{
		Status: http.StatusUnsupportedMediaType, Code: "UnsupportedMediaType",
		Message: "The Content-Type of the request is not supported for this operation. Send application/json in UTF-8.",
	}
}
