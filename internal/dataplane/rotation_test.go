package dataplane

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
)

// TestRotation sets a rotation policy and rotates a key at every api-version, and
// checks each answer to the letter. The versions before 7.3-preview do not know
// the operations.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	known := false
	for i, s := range shapes {
		known = known || s.version == api.Version73Preview
		t.Run(s.version, func(t *testing.T) {
			name := fmt.Sprintf("at-%d", i)
			w.vault(name)
			if known {
				rotation(t, w, name+".vault.azure.net", s)
			} else {
				noRotation(t, w, name+".vault.azure.net", s)
			}
		})
	}
}

func noRotation(t *testing.T, w *world, host string, s shape) {
	do := func(method, path, body string) answer {
		t.Helper()
		a := w.do(request{method: method, path: path, body: body, version: s.version, host: host})
		a.t = t
		return a
	}
	version := do("POST", "/keys/k/create", `{"kty":"EC"}`).is(200).version()
	for _, r := range []request{{method: "POST", path: "/keys/k/rotate"}, {method: "GET", path: "/keys/k/rotationpolicy"}, {method: "PUT", path: "/keys/k/rotationpolicy", body: "{}"}} {
		do(r.method, r.path, r.body).refused(refused{404, "NotFound", "", "The requested resource was not found: no operation of a key vault has this path."})
	}
	if got := do("GET", "/keys/k", "").is(200).version(); got != version {
		t.Error("the key was rotated")
	}
}

func rotation(t *testing.T, w *world, host string, s shape) {
	do := func(method, path, body string) answer {
		t.Helper()
		a := w.do(request{method: method, path: path, body: body, version: s.version, host: host})
		a.t = t
		return a
	}
	w.now.Store(testStart)
	do("POST", "/keys/My-Key/create", `{"kty":"EC-HSM","crv":"P-384","key_ops":["sign"],"tags":{"a":"b"},"attributes":{"nbf":1}}`).is(200)
	const defaults = `{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}}`
	do("GET", "/keys/my-key/rotationpolicy", "").text(`{"lifetimeActions":[` + defaults + `],"attributes":{}}`)

	w.now.Store(testStart + 1)
	id := `"id":"https://` + host + `/keys/My-Key/rotationpolicy"`
	set := `{` + id + `,"lifetimeActions":[{"trigger":{"timeAfterCreate":"P18M"},"action":{"type":"Rotate"}},` + defaults + `],"attributes":{"expiryTime":"P2Y","created":1800000001,"updated":1800000001}}`
	do("PUT", "/keys/MY-KEY/rotationpolicy", `{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P18M","timeBeforeExpiry":null},"action":{"type":"rotate"}}],"attributes":{"expiryTime":"P2Y"}}`).text(set)
	do("GET", "/keys/My-Key/rotationpolicy/", "").text(set)

	// Two years later, of which 2028 is a leap year.
	w.now.Store(testStart + 2)
	a := do("POST", "/keys/My-Key/rotate", "").is(200)
	public, _ := a.publicKey()
	a.text(`{"key":{"kid":"https://` + host + `/keys/My-Key/` + a.version() + `","kty":"EC-HSM","key_ops":["sign"]` + public + `},` +
		`"attributes":{"enabled":true,"exp":1863158402,"created":1800000002,"updated":1800000002,"recoveryLevel":"Recoverable+Purgeable"` + s.object + s.key + `},"tags":{"a":"b"}}`)
	do("GET", "/keys/My-Key/", "").text(a.body)

	// What was answered may be sent back, and what is sent replaces what was.
	w.now.Store(testStart + 3)
	do("PUT", "/keys/My-Key/rotationpolicy", set).text(strings.Replace(set, `"updated":1800000001`, `"updated":1800000003`, 1))
	do("PUT", "/keys/My-Key/rotationpolicy", `{"lifetimeActions":[],"attributes":null}`).text(
		`{` + id + `,"lifetimeActions":[` + defaults + `],"attributes":{"created":1800000001,"updated":1800000003}}`)
}

func TestRotationRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("k")
	w.create("off")
	w.call("PATCH", "/keys/off", `{"attributes":{"enabled":false}}`).is(200)
	w.create("gone")
	w.call("DELETE", "/keys/gone", "").is(200)
	const unusable = "Property  has invalid value\r\nThe request body is not usable: "
	const invalid = "The key rotation policy is not valid: "
	either := bad(invalid + "the trigger of the action Rotate must have either timeAfterCreate or timeBeforeExpiry.")
	unknown := bad(invalid + "the action.type of each of the lifetimeActions must be Rotate or Notify.")
	for _, tt := range []struct {
		method, path, body string
		want               refused
	}{
		{"POST", "/keys/none/rotate", "", notFound("key", "Key", "none")},
		{"POST", "/keys/gone/rotate", "", notFound("key", "Key", "gone")},
		{"POST", "/keys/a.b/rotate", "", invalidName("a.b")},
		{"POST", "/keys/off/rotate", "", refused{403, "Forbidden", "KeyDisabled", "Operation rotate is not allowed on a disabled key."}},
		{"GET", "/keys/none/rotationpolicy", "", notFound("key", "Key", "none")},
		{"GET", "/keys/gone/rotationpolicy", "", notFound("key", "Key", "gone")},
		{"GET", "/keys/a.b/rotationpolicy", "", invalidName("a.b")},
		{"PUT", "/keys/none/rotationpolicy", "{}", notFound("key", "Key", "none")},
		{"PUT", "/keys/a.b/rotationpolicy", "{}", invalidName("a.b")},
		{"PUT", "/keys/k/rotationpolicy", "", bad(unusable + "it is empty, and this operation needs a JSON object.")},
		{"PUT", "/keys/k/rotationpolicy", `{"lifetimeActions":{}}`, bad(unusable + `the member "lifetimeActions" is a JSON object, which is the wrong type.`)},
		{"PUT", "/keys/k/rotationpolicy", `{"attributes":{"expiryTime":90}}`, bad(unusable + `the member "attributes.expiryTime" is a JSON number, which is the wrong type.`)},
		{"PUT", "/keys/k/rotationpolicy", `{"attributes":{"expiryTime":"P27D"}}`, bad(invalid + "attributes.expiryTime must be an ISO 8601 duration of at least 28 days, such as P90D or P1Y.")},
		{"PUT", "/keys/k/rotationpolicy", `{"lifetimeActions":[{}]}`, unknown},
		{"PUT", "/keys/k/rotationpolicy", `{"lifetimeActions":[null]}`, unknown},
		{"PUT", "/keys/k/rotationpolicy", `{"lifetimeActions":[{"action":null,"trigger":{"timeAfterCreate":"P30D"}}]}`, unknown},
		{"PUT", "/keys/k/rotationpolicy", `{"lifetimeActions":[{"action":{"type":"Rotate"}}]}`, either},
		{"PUT", "/keys/k/rotationpolicy", `{"lifetimeActions":[{"action":{"type":"Rotate"},"trigger":{}}]}`, either},
		{"PUT", "/keys/k/rotationpolicy", `{"lifetimeActions":[{"action":{"type":"ROTATE"},"trigger":{"timeAfterCreate":"P30D","timeBeforeExpiry":"P30D"}}]}`, either},
		{"PUT", "/keys/k/rotationpolicy", `{"x":"` + strings.Repeat("x", maxPolicyBody) + `"}`,
			refused{413, "RequestBodyTooLarge", "", "The body of the request is larger than this operation accepts."}},
	} {
		w.call(tt.method, tt.path, tt.body).refused(tt.want)
	}
	w.call("GET", "/keys/k/rotationpolicy", "").text(`{"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}}],"attributes":{}}`)
}
