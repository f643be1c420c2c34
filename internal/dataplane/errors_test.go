package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

func recoverable(noun, capital, name string) refused {
	return refused{409, "Conflict", "ObjectIsDeletedButRecoverable", capital + " " + name +
		" is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the " + noun + " can only be recovered or purged."}
}

func invalidName(name string) refused {
	return bad("The request URI contains an invalid name: " + name)
}

// TestRefusals asks for what the state of the vault does not allow, and checks
// each answer's status, codes and text.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("kept", protected)
	version := w.set("live", "v").version()
	w.create("live")
	w.call("PUT", "/secrets/off", `{"value":"v","attributes":{"enabled":false}}`).is(200)
	w.set("gone", "v")
	w.create("gone")
	w.call("DELETE", "/secrets/gone", "").is(200)
	w.call("DELETE", "/keys/gone", "").is(200)
	kept := func(method, path, body string) answer {
		return w.do(request{method: method, path: path, body: body, host: "kept.vault.azure.net"})
	}
	kept("POST", "/keys/k/create", `{"kty":"EC"}`).is(200)
	kept("DELETE", "/keys/k", "").is(200)

	const value, key = `{"value":"v"}`, `{"kty":"EC"}`
	other := strings.Repeat("0", 32)
	disabled := refused{403, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret."}
	long := strings.Repeat("n", 128)
	for _, tt := range []struct {
		method, path, body string
		want               refused
	}{
		// Unknown.
		{"GET", "/secrets/none", "", notFound("secret", "Secret", "none")},
		{"GET", "/secrets/None/" + other, "", notFound("secret", "Secret", "None/"+other)},
		{"GET", "/secrets/live/" + other, "", notFound("secret", "Secret", "live/"+other)},
		{"GET", "/secrets/live/" + version[:31], "", notFound("secret", "Secret", "live/"+version[:31])},
		{"GET", "/secrets/live/not-a-version", "", notFound("secret", "Secret", "live/not-a-version")},
		{"GET", "/secrets/live/a%2Fb", "", notFound("secret", "Secret", "live/a/b")},
		{"PATCH", "/secrets/none", "{}", notFound("secret", "Secret", "none")},
		{"PATCH", "/secrets/live/" + other, "{}", notFound("secret", "Secret", "live/"+other)},
		{"DELETE", "/secrets/none", "", notFound("secret", "Secret", "none")},
		{"GET", "/keys/none/", "", notFound("key", "Key", "none")},
		{"GET", "/keys/live/" + other, "", notFound("key", "Key", "live/"+other)},
		{"DELETE", "/keys/none", "", notFound("key", "Key", "none")},
		{"GET", "/deletedsecrets/live", "", refused{404, "SecretNotFound", "", "Deleted Secret not found: live"}},
		{"POST", "/deletedsecrets/live/recover", "", refused{404, "SecretNotFound", "", "Deleted Secret not found: live"}},
		{"DELETE", "/deletedsecrets/live", "", refused{404, "SecretNotFound", "", "Deleted Secret not found: live"}},
		{"GET", "/deletedkeys/live", "", refused{404, "KeyNotFound", "", "Deleted Key not found: live"}},
		{"POST", "/deletedkeys/live/recover", "", refused{404, "KeyNotFound", "", "Deleted Key not found: live"}},
		{"DELETE", "/deletedkeys/live", "", refused{404, "KeyNotFound", "", "Deleted Key not found: live"}},

		// Deleted.
		{"GET", "/secrets/gone", "", notFound("secret", "Secret", "gone")},
		{"PATCH", "/secrets/gone", "{}", notFound("secret", "Secret", "gone")},
		{"DELETE", "/secrets/gone", "", notFound("secret", "Secret", "gone")},
		{"PUT", "/secrets/gone", value, recoverable("secret", "Secret", "gone")},
		{"PUT", "/secrets/GONE", value, recoverable("secret", "Secret", "GONE")},
		{"POST", "/keys/gone/create", key, recoverable("key", "Key", "gone")},

		// Disabled.
		{"GET", "/secrets/off", "", disabled},
		{"GET", "/secrets/off/", "", disabled},

		// Bad names.
		{"PUT", "/secrets/bad_name", value, invalidName("bad_name")},
		{"PUT", "/secrets/b%C3%A4d", value, invalidName("bäd")},
		{"PUT", "/secrets/a%2Fb", value, invalidName("a/b")},
		{"PUT", "/secrets/a%20b", value, invalidName("a b")},
		{"PUT", "/secrets/..", value, invalidName("..")},
		{"PUT", "/secrets/" + long, value, invalidName(long)},
		{"GET", "/secrets/a.b", "", invalidName("a.b")},
		{"GET", "/secrets/a.b/" + version, "", invalidName("a.b")},
		{"PATCH", "/secrets/a.b", "{}", invalidName("a.b")},
		{"DELETE", "/secrets/a.b", "", invalidName("a.b")},
		{"GET", "/secrets/a.b/versions", "", invalidName("a.b")},
		{"GET", "/deletedsecrets/a.b", "", invalidName("a.b")},
		{"DELETE", "/deletedsecrets/a.b", "", invalidName("a.b")},
		{"POST", "/deletedsecrets/a.b/recover", "", invalidName("a.b")},
		{"POST", "/keys/a.b/create", key, invalidName("a.b")},
		{"GET", "/keys/%00", "", invalidName("\x00")},
		{"GET", "/keys/%FF", "", invalidName("\ufffd")},
		{"PATCH", "/keys/a.b", "{}", invalidName("a.b")},
		{"GET", "/keys/a.b/versions", "", invalidName("a.b")},
		{"DELETE", "/keys/a.b", "", invalidName("a.b")},
		{"GET", "/deletedkeys/a.b", "", invalidName("a.b")},
		{"DELETE", "/deletedkeys/a.b", "", invalidName("a.b")},
		{"POST", "/deletedkeys/a.b/recover", "", invalidName("a.b")},
	} {
		w.call(tt.method, tt.path, tt.body).refused(tt.want)
	}
	w.set(strings.Repeat("n", 127), "v")
	kept("DELETE", "/deletedkeys/k", "").refused(refused{403, "Forbidden", "", `Operation "purge" is not allowed because purge protection is enabled for this vault. ` +
		"Key Vault service will automatically purge it after the retention period has passed. Vault: kept;location=eastus"})
}

// TestForbidden sends every operation as a caller whom no policy names.
func TestForbidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("s", "planted")
	w.create("s")
	for _, tt := range []struct{ method, path, body, permission string }{
		{"PUT", "/secrets/s", `{"value":"v"}`, "secrets set"}, {"GET", "/secrets/s", "", "secrets get"}, {"PATCH", "/secrets/s", "{}", "secrets set"},
		{"DELETE", "/secrets/s", "", "secrets delete"}, {"GET", "/secrets", "", "secrets list"}, {"GET", "/secrets/s/versions", "", "secrets list"},
		{"GET", "/deletedsecrets", "", "secrets list"}, {"GET", "/deletedsecrets/s", "", "secrets get"}, {"DELETE", "/deletedsecrets/s", "", "secrets purge"},
		{"POST", "/deletedsecrets/s/recover", "", "secrets recover"},
		{"POST", "/keys/s/create", `{"kty":"EC"}`, "keys create"}, {"GET", "/keys/s", "", "keys get"}, {"PATCH", "/keys/s", "{}", "keys update"},
		{"DELETE", "/keys/s", "", "keys delete"}, {"GET", "/keys", "", "keys list"}, {"GET", "/keys/s/versions", "", "keys list"},
		{"GET", "/deletedkeys", "", "keys list"}, {"GET", "/deletedkeys/s", "", "keys get"}, {"DELETE", "/deletedkeys/s", "", "keys purge"},
		{"POST", "/deletedkeys/s/recover", "", "keys recover"},
		{"POST", "/keys/s/rotate", "", "keys rotate"}, {"GET", "/keys/s/rotationpolicy", "", "keys getrotationpolicy"},
		{"PUT", "/keys/s/rotationpolicy", "{}", "keys setrotationpolicy"},
	} {
		w.do(request{method: tt.method, path: tt.path, body: tt.body, as: "nobody"}).refused(refused{403, "Forbidden", "ForbiddenByPolicy",
			"The user, group or application 'appid=app-of-nobody;oid=22222222-2222-4222-8222-333333333333;numgroups=0;iss=https://sts.windows.net/" + testTenant +
				"/' does not have " + tt.permission + " permission on key vault 'unit;location=eastus'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287"})
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("s", "v")
	get := func(query string) answer {
		return w.do(request{method: "GET", path: "/secrets/s" + query, version: "none"})
	}
	const missing = "api-version must be specified"
	for _, query := range []string{"", "?", "?api-version", "?api-version=", "?api_version=7.4", "?api-version=%zz", "?x=api-version=7.4", "?api-version=&api-version=7.4"} {
		get(query).refused(bad(missing))
	}
	unknown := func(v string) refused {
		return bad("The specified version (" + v + ") is not recognized. Consider using the latest supported version (2026-04-01).")
	}
	for asked, shown := range map[string]string{
		"7": "7", "7.7": "7.7", "7.4-preview": "7.4-preview", "2015-06-01": "2015-06-01", "2026-09-01-preview": "2026-09-01-preview", "%207.4": " 7.4", "7.4%20": "7.4 ",
		"%00": "\x00", "%FF": "\ufffd", "x%C3%A4": "xä", "v7.4": "v7.4", "*": "*",
		strings.Repeat("7", 65): strings.Repeat("7", 64), strings.Repeat("7", 63) + "%C3%A4": strings.Repeat("7", 63) + "\ufffd",
	} {
		get("?api-version=" + asked).refused(unknown(shown))
	}
	get("?api-version=7.7&api-version=7.4").refused(unknown("7.7"))
	for _, query := range []string{
		"?api-version=7.4", "?API-VERSION=7.4", "?api%2Dversion=7.4", "?x=y&Api-Version=7%2E4", "?api-version=7.4&api-version=x", "?api-version=7.4&x=%zz", "?api-version=7.4-PREVIEW.1",
	} {
		get(query).is(200)
	}
	for _, s := range shapes {
		get("?api-version=" + s.version).is(200)
		get("?api-version=" + strings.ToUpper(s.version)).is(200)
	}
}

// TestBodies sends bodies that cannot be understood, or can in two ways, to every
// operation that takes one. No answer quotes them.
func TestBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("s", "v")
	w.create("s")
	const unusable = "Property  has invalid value\r\nThe request body is not usable: "
	for _, to := range []struct{ method, path string }{
		{"PUT", "/secrets/s"}, {"PATCH", "/secrets/s"}, {"PATCH", "/secrets/s/"}, {"POST", "/keys/s/create"}, {"PATCH", "/keys/s/"},
	} {
		for body, want := range map[string]string{
			"":                                 "it is empty, and this operation needs a JSON object.",
			" ":                                "it is empty, and this operation needs a JSON object.",
			"planted":                          "it is not a JSON object.",
			"[]":                               "it is not a JSON object.",
			"null":                             "it is not a JSON object.",
			`"planted"`:                        "it is not a JSON object.",
			`{"x":"planted"`:                   "it is not valid JSON at byte 14.",
			`{"x":"y"} planted`:                "it is not valid JSON at byte 11.",
			`{"x":"y"}{}`:                      "it is not valid JSON at byte 10.",
			"{\"x\":\"planted\xff\"}":          "it is not UTF-8.",
			`{"x":"planted\ud800"}`:            "it holds half of a surrogate pair.",
			`{"tags":"planted"}`:               `the member "tags" is a JSON string, which is the wrong type.`,
			`{"tags":{"planted":5}}`:           `the member "tags" is a JSON number, which is the wrong type.`,
			`{"attributes":["planted"]}`:       `the member "attributes" is a JSON array, which is the wrong type.`,
			`{"attributes":{"exp":"planted"}}`: `the member "attributes.exp" is a JSON string, which is the wrong type.`,
			`{"Attributes":{"NBF":1.5}}`:       `the member "attributes.nbf" is a JSON number, which is the wrong type.`,
			`{"attributes":{"exp":99999999999999999999}}`:       `the member "attributes.exp" is a JSON number, which is the wrong type.`,
			`{"attributes":{"enabled":"planted"}}`:              `the member "attributes.enabled" is a JSON string, which is the wrong type.`,
			`{"attributes":{"enabled":1}} ` + "\x00 planted \n": "it is not valid JSON at byte 30.",
		} {
			a := w.call(to.method, to.path, body)
			a.about += " with " + body
			a.refused(bad(unusable + want))
			if strings.Contains(a.body, "planted") {
				t.Errorf("%s: the body is quoted: %s", a.about, a.body)
			}
		}
	}
	for _, tt := range []struct{ method, path, body, want string }{
		{"PUT", "/secrets/s", `{"value":5}`, `the member "value" is a JSON number, which is the wrong type.`},
		{"PUT", "/secrets/s", `{"value":["planted"]}`, `the member "value" is a JSON array, which is the wrong type.`},
		{"PATCH", "/secrets/s", `{"contentType":{}}`, `the member "contentType" is a JSON object, which is the wrong type.`},
		{"POST", "/keys/s/create", `{"kty":2048}`, `the member "kty" is a JSON number, which is the wrong type.`},
		{"POST", "/keys/s/create", `{"key_size":"2048"}`, `the member "key_size" is a JSON string, which is the wrong type.`},
		{"POST", "/keys/s/create", `{"key_size":2147483648}`, `the member "key_size" is a JSON number, which is the wrong type.`},
		{"PATCH", "/keys/s", `{"key_ops":"sign"}`, `the member "key_ops" is a JSON string, which is the wrong type.`},
	} {
		w.call(tt.method, tt.path, tt.body).refused(bad(unusable + tt.want))
	}
	// What is not known is ignored: newer clients send newer members.
	w.call("PUT", "/secrets/s", `{"value":"v","new":{"x":[1]},"attributes":{"newer":true,"created":"ignored"}}`).refused(
		bad(unusable + `the member "attributes.created" is a JSON string, which is the wrong type.`))
	w.call("PUT", "/secrets/s", `{"value":"v","new":{"x":[1]},"attributes":{"newer":true},"id":7}`).is(200)
	// An operation that takes no body does not look at one.
	w.call("DELETE", "/secrets/s", "planted").is(200)
	w.do(request{method: "POST", path: "/deletedsecrets/s/recover", body: "{", header: map[string]string{"Content-Type": "text/plain"}}).is(200)
}

// TestValuesOutOfRange covers what the domain refuses of a body that could be
// read.
func TestValuesOutOfRange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tags := func(n int, name, value string) string {
		all := map[string]string{}
		for i := range n {
			all[fmt.Sprint(i)+name] = value
		}
		text, err := json.Marshal(all)
		must(t, err)
		return string(text)
	}
	text := func(n int) string { return strings.Repeat("x", n) }
	for name, members := range map[string]string{
		"no value":            `"contentType":"x"`,
		"null value":          `"value":null`,
		"long value":          `"value":"` + text(25601) + `"`,
		"long value in bytes": `"value":"` + strings.Repeat("ü", 12801) + `"`,
		"many tags":           `"value":"v","tags":` + tags(16, "", ""),
		"long tag name":       `"value":"v","tags":` + tags(1, text(512), ""),
		"long tag":            `"value":"v","tags":` + tags(1, "", text(513)),
		"long tag in UTF-16":  `"value":"v","tags":` + tags(1, "", strings.Repeat("😀", 257)),
		"long contentType":    `"value":"v","contentType":"` + text(256) + `"`,
		"negative date":       `"value":"v","attributes":{"exp":-1}`,
		"far date":            `"value":"v","attributes":{"nbf":253402300800}`,
	} {
		a := w.call("PUT", "/secrets/s", "{"+members+"}")
		a.about = name
		a.refused(invalidProperty)
	}
	for name, members := range map[string]string{
		"empty value":      `"value":""`,
		"longest value":    `"value":"` + text(25600) + `"`,
		"longest in bytes": `"value":"` + strings.Repeat("ü", 12800) + `"`,
		"most tags":        `"value":"v","tags":` + tags(15, text(510), text(512)),
		"other plane":      `"value":"v","tags":` + tags(1, "", strings.Repeat("😀", 256)),
		"longest type":     `"value":"v","contentType":"` + text(255) + `"`,
		"first and last":   `"value":"v","attributes":{"nbf":0,"exp":253402300799}`,
	} {
		a := w.call("PUT", "/secrets/s", "{"+members+"}")
		a.about = name
		a.is(200)
	}
}

// TestBodyLimits sends bodies of exactly the limit and of a byte more, and the
// largest secret that there can be with every character escaped.
func TestBodyLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("s", "v")
	w.create("s")
	for _, to := range []struct {
		method, path, body string
		limit              int
	}{
		{"PUT", "/secrets/s", `{"value":"v"}`, 512 << 10}, {"PATCH", "/secrets/s/", `{}`, 512 << 10},
		{"POST", "/keys/s/create", `{"kty":"EC"}`, 256 << 10}, {"PATCH", "/keys/s/", `{}`, 256 << 10},
	} {
		pad := strings.Repeat(" ", to.limit-len(to.body))
		w.call(to.method, to.path, to.body+pad).is(200)
		w.call(to.method, to.path, to.body+pad+" ").refused(refused{413, "RequestBodyTooLarge", "", "The body of the request is larger than this operation accepts."})
	}
	escaped := func(n int, char string) string { return strings.Repeat(char, n) }
	var tags []string
	for i := range 15 {
		tags = append(tags, fmt.Sprintf(`"%s":"%s"`, fmt.Sprintf(`\u00%02x`, 0x61+i)+escaped(511, `\u0078`), escaped(512, `\u0078`)))
	}
	w.call("PUT", "/secrets/s", `{"value":"`+escaped(25600, `\u0076`)+`","contentType":"`+escaped(255, `\u0078`)+`","tags":{`+strings.Join(tags, ",")+`}}`).is(200)
	var got api.SecretBundle
	w.call("GET", "/secrets/s", "").is(200).decode(&got)
	if *got.Value != strings.Repeat("v", 25600) || len(got.Tags) != 15 {
		t.Errorf("%d bytes, %d tags", len(*got.Value), len(got.Tags))
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("s")
	for _, to := range []struct{ method, path, body string }{
		{"PUT", "/secrets/s", `{"value":"v"}`}, {"PATCH", "/secrets/s", `{}`}, {"POST", "/keys/s/create", `{"kty":"EC"}`}, {"PATCH", "/keys/s", `{}`},
	} {
		send := func(contentType string) answer {
			a := w.do(request{method: to.method, path: to.path, body: to.body, header: map[string]string{"Content-Type": contentType}})
			a.about += " as " + contentType
			return a
		}
		for _, good := range []string{"", "application/json", "Application/JSON; Charset=UTF-8", `application/json;charset="utf-8"`, "text/json", "application/json; odata=verbose"} {
			send(good).is(200)
		}
		for _, other := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/json;charset", "application/jsonx", "application", "/", "a b"} {
			send(other).refused(refused{415, "UnsupportedMediaType", "", "The Content-Type of the request is not supported for this operation. Send application/json in UTF-8."})
		}
	}
	w.do(request{method: "GET", path: "/secrets/s", header: map[string]string{"Content-Type": "text/plain"}}).is(200)
}

// failing is the domain with a GetSecret that returns an error.
type failing struct {
	Vaults
	err error
}

func (f failing) GetSecret(context.Context, vault.Call, string, string) (*vault.Secret, error) {
	return nil, f.err
}

// TestEveryKindOfRefusal walks the kinds of refusal of the domain.
func TestEveryKindOfRefusal(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.Kinds() {
		refusal := fault.New(kind, "SomeCode", "Some text <&>.").WithInner("SomeInner")
		w := newWorld(t, func(w *world, cfg *Config) { cfg.Vaults = failing{w.svc, fmt.Errorf("wrapped: %w", refusal)} })
		a := w.call("GET", "/secrets/s", "")
		a.refused(refused{httpx.Status(kind), "SomeCode", "SomeInner", "Some text <&>."})
		if strings.Contains(a.body, "wrapped") || strings.Contains(a.body, `\u0026`) {
			t.Errorf("%s: %s", kind, a.body)
		}
	}
}

// TestInternalErrors checks that the caller learns nothing of an error that was
// not meant for it, and that the log learns all.
func TestInternalErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err   error
		want  refused
		level string
	}{
		"plain":    {errors.New("the disk-7 is full"), refused{500, "InternalServerError", "", "An internal error occurred. The service's log has its cause under the request id {id}."}, "ERROR"},
		"canceled": {fmt.Errorf("reading disk-7: %w", context.Canceled), refused{503, "ServiceUnavailable", "", "The request was given up before the operation was done. Retry it."}, "INFO"},
		"deadline": {fmt.Errorf("reading disk-7: %w", context.DeadlineExceeded), refused{503, "ServiceUnavailable", "", "The request was given up before the operation was done. Retry it."}, "ERROR"},
	} {
		w := newWorld(t, func(w *world, cfg *Config) { cfg.Vaults = failing{w.svc, tt.err} })
		a := w.direct(request{method: "GET", path: "/secrets/s"})
		tt.want.message = strings.ReplaceAll(tt.want.message, "{id}", a.header.Get("X-Ms-Request-Id"))
		a.refused(tt.want)
		if strings.Contains(a.body, "disk-7") {
			t.Errorf("%s: the cause is shown: %s", name, a.body)
		}
		line := w.lastLine()
		if line["level"] != tt.level || line["error"] != tt.err.Error() || line["request_id"] != a.header.Get("X-Ms-Request-Id") ||
			line["code"] != tt.want.code || line["status"] != float64(tt.want.status) {
			t.Errorf("%s: log %v", name, line)
		}
	}
}

// handle replaces the operations of the plane by one at "/".
func (w *world) handle(h func(*httpx.Exchange) error) {
	p := &plane{Config: Config{Vaults: w.svc, Verify: verify, Logger: w.logger()}, answers: newAnswers()}
	p.router = httpx.NewRouter([]httpx.Route{{Method: "GET", Pattern: "/", Name: "Odd", Handle: h}})
	w.plane = p.handler()
}

// TestErrorAfterTheAnswer covers a handler that fails once it has answered: the
// answer stands, and the cause is logged all the same.
func TestErrorAfterTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.handle(func(x *httpx.Exchange) error {
		return errors.Join(x.Reply(http.StatusOK, "done"), errors.New("too late"))
	})
	w.direct(request{method: "GET", path: "/"}).text(`"done"`)
	if line := w.lastLine(); line["level"] != "ERROR" || line["error"] != "too late" || line["status"] != 200.0 {
		t.Errorf("log %v", line)
	}
}

// TestUnreadableAnswer covers an answer that cannot be encoded: it is an error,
// not half an answer.
func TestUnreadableAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.handle(func(x *httpx.Exchange) error { return x.Reply(http.StatusOK, func() {}) })
	a := w.direct(request{method: "GET", path: "/"})
	if got := a.refusal(); got.status != 500 || got.code != "InternalServerError" || !strings.Contains(w.log.String(), "encoding the answer") {
		t.Errorf("%+v, log %s", got, w.log)
	}
}
