package dataplane

import (
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// versionOrder gives each known api-version its place in time, by its
// lower-case spelling.
var versionOrder = func() map[string]int {
	order := map[string]int{}
	for i, v := range api.Versions() {
		order[v] = i
	}
	return order
}()

// maxEcho bounds what an error repeats of the caller's own text.
const maxEcho = 64

// checkVersion wants an api-version that the service knows: there is no
// default.
func checkVersion(x *httpx.Exchange) error {
	asked, given := x.QueryValue("api-version")
	if !given || asked == "" {
		return badParameter("api-version must be specified")
	}
	v := strings.ToLower(asked)
	if _, known := versionOrder[v]; !known {
		return badParameter("The specified version (%s) is not recognized. Consider using the latest supported version (%s).",
			clip(asked), api.VersionLatest)
	}
	x.APIVersion = v
	return nil
}

// clip shortens the caller's text to what an error may repeat.
func clip(s string) string {
	if len(s) > maxEcho {
		s = s[:maxEcho]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// from hides an operation from the api-versions before v, which do not know it.
func from(v string, handle func(*httpx.Exchange) error) func(*httpx.Exchange) error {
	return func(x *httpx.Exchange) error {
		if !since(x, v) {
			return noRoute(x, nil)
		}
		return handle(x)
	}
}

// since reports whether the request asks for version v or a later one.
func since(x *httpx.Exchange, v string) bool {
	return versionOrder[x.APIVersion] >= versionOrder[v]
}
