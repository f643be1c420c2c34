package dataplane

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestHeaders holds every header of answers of each sort.
func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("s", "v")
	w.set("gone", "v")
	w.call("DELETE", "/secrets/gone", "").is(200)
	common := map[string]string{
		"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1", "Strict-Transport-Security": "max-age=31536000;includeSubDomains", "X-Content-Type-Options": "nosniff",
		"X-Ms-Keyvault-Service-Version": "1.9.1054.1", "X-Ms-Keyvault-Network-Info": "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;",
		"X-Ms-Keyvault-Region": "eastus", "Content-Type": "application/json; charset=utf-8",
	}
	seen := map[string]bool{}
	for _, tt := range []struct {
		request
		status int
		more   map[string]string // "" for a header that is not there
	}{
		{request{method: "GET", path: "/secrets/s"}, 200, nil},
		{request{method: "GET", path: "/secrets"}, 200, nil},
		{request{method: "DELETE", path: "/deletedsecrets/gone"}, 204, map[string]string{"Content-Type": ""}},
		{request{method: "GET", path: "/secrets/s", version: "none"}, 400, nil},
		{request{method: "GET", path: "/secrets/s", as: "none"}, 401, map[string]string{"Www-Authenticate": azureHeader}},
		{request{method: "GET", path: "/secrets/s", as: "nobody"}, 403, nil},
		{request{method: "GET", path: "/secrets/none"}, 404, nil},
		{request{method: "GET", path: "/none"}, 404, nil},
		{request{method: "GET", path: "/none", host: "none.vault.azure.net"}, 404, map[string]string{"X-Ms-Keyvault-Region": ""}},
		{request{method: "PUT", path: "/secrets"}, 405, map[string]string{"Allow": "GET"}},
		{request{method: "GET", path: "/storage"}, 501, nil},
		{request{method: "GET", path: "/secrets/s", header: map[string]string{"x-ms-client-request-id": "Mine-{1}"}}, 200, map[string]string{"X-Ms-Client-Request-Id": "Mine-{1}"}},
		{request{method: "GET", path: "/secrets/s", as: "none", header: map[string]string{"x-ms-client-request-id": strings.Repeat("x", 128)}}, 401,
			map[string]string{"X-Ms-Client-Request-Id": strings.Repeat("x", 128), "Www-Authenticate": azureHeader}},
		{request{method: "GET", path: "/secrets/s", header: map[string]string{"x-ms-client-request-id": strings.Repeat("x", 129)}}, 200, nil},
		{request{method: "GET", path: "/secrets/s", header: map[string]string{"x-ms-client-request-id": "two words"}}, 200, nil},
		{request{method: "GET", path: "/secrets/s", header: map[string]string{"x-ms-client-request-id": "ü"}}, 200, nil},
		{request{method: "GET", path: "/secrets/s", header: map[string]string{"x-ms-client-request-id": ""}}, 200, nil},
		{request{method: "GET", path: "/secrets/s", header: map[string]string{"X-Forwarded-For": "198.51.100.1", "Origin": "https://evil.example"}}, 200, nil},
	} {
		a := w.do(tt.request).is(tt.status)
		want := maps.Clone(common)
		maps.Copy(want, tt.more)
		maps.DeleteFunc(want, func(_, value string) bool { return value == "" })
		got := map[string]string{}
		for name, values := range a.header {
			got[name] = strings.Join(values, "|")
		}
		id := got["X-Ms-Request-Id"]
		if !guid.MatchString(id) || seen[id] {
			t.Errorf("%s: request id %q, seen before: %v", a.about, id, seen[id])
		}
		seen[id] = true
		for _, transport := range []string{"Date", "Content-Length", "X-Ms-Request-Id"} {
			delete(got, transport)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: headers\n %v, want\n %v", a.about, got, want)
		}
	}
}

func TestNetworkInfo(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:1234":          "conn_type=Ipv4;addr=192.0.2.1;act_addr_fam=InterNetwork;",
		"[2001:db8::1]:1234":      "conn_type=Ipv6;addr=2001:db8::1;act_addr_fam=InterNetworkV6;",
		"[::ffff:192.0.2.1]:1234": "conn_type=Ipv4;addr=192.0.2.1;act_addr_fam=InterNetwork;",
		"":                        "conn_type=Ipv4;addr=;act_addr_fam=InterNetwork;",
	} {
		if got := networkInfo(httpx.ClientAddress(&http.Request{RemoteAddr: remote})); got != want {
			t.Errorf("%q: %s, want %s", remote, got, want)
		}
	}
}

// TestUnknownVault covers a host below a vault suffix that names no vault, which
// in Azure would not resolve.
func TestUnknownVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := refused{404, "VaultNotFound", "", "There is no key vault named 'none' here. Check the name in the URL, create the vault, or recover it if it has been deleted."}
	for _, as := range []string{"owner", "none"} {
		a := w.do(request{method: "GET", path: "/secrets", host: "none.vault.azure.net", as: as})
		a.refused(want)
		if a.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: challenge %q", as, a.header.Get("WWW-Authenticate"))
		}
	}
}

// TestMissingVault covers the hook of development mode.
func TestMissingVault(t *testing.T) {
	t.Parallel()
	var asked []string
	w := newWorld(t, func(w *world, cfg *Config) {
		cfg.MissingVault = func(_ context.Context, name string) error {
			asked = append(asked, name)
			switch name {
			case "made":
				w.vault("made")
			case "refused":
				return fault.New(fault.Forbidden, "Forbidden", "There may be no vault of this name.")
			case "broken":
				return errors.New("the disk-7 is full")
			}
			return nil
		}
	})
	at := func(vault, as string) answer {
		return w.direct(request{method: "GET", path: "/secrets", host: vault + ".vault.azure.net", as: as})
	}
	at("unit", "owner").is(200)
	if len(asked) != 0 {
		t.Errorf("asked for %q, which exists", asked)
	}
	a := at("MADE", "none").is(401)
	if got := a.header.Get("WWW-Authenticate"); got != azureHeader {
		t.Errorf("challenge %q", got)
	}
	at("made", "owner").text(`{"value":[],"nextLink":null}`)
	if !slices.Equal(asked, []string{"made"}) {
		t.Errorf("asked for %q", asked)
	}
	at("refused", "owner").refused(refused{403, "Forbidden", "", "There may be no vault of this name."})
	if a := at("broken", "owner"); a.refusal().status != 500 || strings.Contains(a.body, "disk-7") || w.lastLine()["error"] != "the disk-7 is full" {
		t.Errorf("%s, log %v", a.body, w.lastLine())
	}
	// A hook that says it made a vault and did not.
	at("lie", "owner").refused(refused{404, "VaultNotFound", "", "There is no key vault named 'lie' here. Check the name in the URL, create the vault, or recover it if it has been deleted."})
	if want := []string{"made", "refused", "broken", "lie"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

// blindVaults is a domain that cannot say whether a vault exists.
type blindVaults struct{ Vaults }

func (blindVaults) Info(context.Context, string) (vault.Info, error) {
	return vault.Info{}, errors.New("the disk-7 is full")
}

// TestMissingVaultIsNotAskedOnFailure makes sure that a failing store is not
// taken for a missing vault.
func TestMissingVaultIsNotAskedOnFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, cfg *Config) {
		cfg.Vaults = blindVaults{w.svc}
		cfg.MissingVault = func(context.Context, string) error {
			t.Error("the hook was asked")
			return nil
		}
	})
	if got := w.call("GET", "/secrets", "").refusal(); got.status != 500 || got.code != "InternalServerError" {
		t.Errorf("%+v", got)
	}
}

// panicking is the domain with a GetSecret that panics.
type panicking struct {
	Vaults
	with any
}

func (p panicking) GetSecret(context.Context, vault.Call, string, string) (*vault.Secret, error) {
	panic(p.with)
}

func TestPanicIsAnInternalError(t *testing.T) {
	t.Parallel()
	for _, with := range []any{"a planted panic", errors.New("a planted panic"), []string{"a planted panic"}} {
		w := newWorld(t, func(w *world, cfg *Config) { cfg.Vaults = panicking{w.svc, with} })
		a := w.call("GET", "/secrets/s", "")
		a.refused(refused{500, "InternalServerError", "", "An internal error occurred. The service's log has its cause under the request id " + a.header.Get("X-Ms-Request-Id") + "."})
		if strings.Contains(a.body, "planted") || strings.Contains(a.body, ".go") {
			t.Errorf("the answer shows the panic: %s", a.body)
		}
		a = w.direct(request{method: "GET", path: "/secrets/s"}).is(500)
		line := w.lastLine()
		cause, _ := line["error"].(string)
		if line["level"] != "ERROR" || !strings.HasPrefix(cause, "panic: ") || !strings.Contains(cause, "a planted panic") || !strings.Contains(cause, "plane_test.go") {
			t.Errorf("log %v", line)
		}
		w.set("s", "v") // the service goes on
	}
}

// TestAbortedHandlerDropsTheConnection covers the one panic that is for the
// server.
func TestAbortedHandlerDropsTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, cfg *Config) { cfg.Vaults = panicking{w.svc, http.ErrAbortHandler} })
	res, err := w.client.Do(request{method: "GET", path: "/secrets/s"}.complete().http(t))
	if err == nil {
		res.Body.Close()
		t.Errorf("status %d", res.StatusCode)
	}
}

// TestOrigin checks what the domain is told of where a request came from, by what
// it writes into its audit log.
func TestOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct{ agent, id, wantAgent, wantID, version, wantVersion string }{
		{"azsdk-go-azsecrets/v1.5.1", "mine", "azsdk-go-azsecrets/v1.5.1", "mine", "7.4", "7.4"},
		{strings.Repeat("x", 257), strings.Repeat("y", 129), strings.Repeat("x", 256), "", "7.4-PREVIEW.1", "7.4-preview.1"},
		{strings.Repeat("x", 256), "not an id", strings.Repeat("x", 256), "", latest, latest},
	} {
		a := w.direct(request{method: "GET", path: "/secrets", version: tt.version, header: map[string]string{
			"User-Agent": tt.agent, "X-Ms-Client-Request-Id": tt.id, "X-Forwarded-For": "198.51.100.1",
		}})
		lines := strings.Split(strings.TrimSuffix(w.audit.String(), "\n"), "\n")
		var got audit.Record
		must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &got))
		want := audit.Origin{
			RequestID: a.header.Get("X-Ms-Request-Id"), ClientRequestID: tt.wantID, Address: "192.0.2.1", UserAgent: tt.wantAgent, APIVersion: tt.wantVersion,
		}
		if got.Origin != want || got.Operation != "SecretList" || got.Caller.ObjectID != ownerID || got.Code != "" || !strings.HasSuffix(got.Resource, "/vaults/unit") {
			t.Errorf("recorded %+v, want origin %+v", got, want)
		}
	}
}

// TestLog holds the line of a request: what it says, and nothing else.
func TestLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		request
		want map[string]any
	}{
		{request{method: "PUT", path: "/secrets/s", body: `{"value":"v"}`}, map[string]any{"operation": "SecretSet", "status": 200.0, "caller": ownerID}},
		{request{method: "GET", path: "/keys/s/v"}, map[string]any{"operation": "KeyGet", "status": 404.0, "code": "KeyNotFound", "caller": ownerID}},
		{request{method: "GET", path: "/keys", as: "none"}, map[string]any{"operation": "KeyList", "status": 401.0, "code": "Unauthorized"}},
		{request{method: "GET", path: "/none"}, map[string]any{"operation": "none", "status": 404.0, "code": "NotFound", "caller": ownerID}},
		{request{method: "GET", path: "/storage"}, map[string]any{"operation": "StorageAccountList", "status": 501.0, "code": "NotImplemented", "caller": ownerID}},
		{request{method: "GET", path: "/keys", as: "unavailable"}, map[string]any{"operation": "KeyList", "status": 503.0, "code": "ServiceUnavailable"}},
	} {
		a := w.direct(tt.request)
		line := w.lastLine()
		tt.want["msg"], tt.want["level"], tt.want["vault"], tt.want["request_id"] = "data plane request", "INFO", "unit", a.header.Get("X-Ms-Request-Id")
		if took, ok := line["took"].(float64); !ok || took < 0 {
			t.Errorf("%s: took %v", a.about, line["took"])
		}
		delete(line, "time")
		delete(line, "took")
		if !maps.Equal(line, tt.want) {
			t.Errorf("%s: log\n %v, want\n %v", a.about, line, tt.want)
		}
	}
	if n := len(w.lines()); n != 6 {
		t.Errorf("%d lines for 6 requests", n)
	}
}

// TestLogsHoldNothingOfTheCaller plants a word of its own in everything that a
// caller sends and searches the log for each, in every encoding. One planted on
// purpose proves that the search finds.
func TestLogsHoldNothingOfTheCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	planted := []string{"planted-value", "planted-type", "planted-tag", "planted-token", "planted-name", "planted-path", "planted-query", "planted-version", "planted-agent",
		"planted-request", "planted-garbage", "planted-member", "planted-skip", "planted-method"}
	header := map[string]string{"User-Agent": "planted-agent", "X-Ms-Client-Request-Id": "planted-request", "X-Planted": "planted-value", "Cookie": "planted-token"}
	body := `{"value":"planted-value","contentType":"planted-type","tags":{"planted-tag":"planted-tag"},"planted-member":1}`
	skip := base64.RawURLEncoding.EncodeToString([]byte(`{"NextMarker":"planted-skip"}`))
	for _, r := range []request{
		{method: "PUT", path: "/secrets/planted-name?x=planted-query", body: body},
		{method: "GET", path: "/secrets/planted-name?planted-query=1"},
		{method: "GET", path: "/secrets/planted-name/planted-version"},
		{method: "PATCH", path: "/secrets/planted-name", body: body},
		{method: "GET", path: "/secrets?$skiptoken=" + skip},
		{method: "GET", path: "/secrets?$skiptoken=planted-skip&maxresults=planted-query"},
		{method: "GET", path: "/secrets?maxresults=planted-query"},
		{method: "GET", path: "/secrets/planted-name?outContentType=planted-query"},
		{method: "GET", path: "/secrets/planted-name", version: "planted-version"},
		{method: "GET", path: "/secrets/planted-name", as: "planted-token"},
		{method: "GET", path: "/secrets/planted-name", as: "none", header: map[string]string{"Authorization": "planted-token planted-token"}},
		{method: "GET", path: "/planted-path/planted-name"},
		{method: "PLANTED-METHOD", path: "/secrets/planted-name"},
		{method: "planted-method", path: "/planted-path"},
		{method: "PUT", path: "/secrets/planted-name", body: "planted-garbage"},
		{method: "PUT", path: "/secrets/planted-name", body: `{"planted-member":"planted-garbage`},
		{method: "PUT", path: "/secrets/planted-name", body: `{"tags":{"planted-tag":["planted-garbage"]}}`},
		{method: "PUT", path: "/secrets/planted-name", body: `{"value":"` + strings.Repeat("planted-value", maxSecretBody/13) + `"}`},
		{method: "PUT", path: "/secrets/planted-name", body: body, header: map[string]string{"Content-Type": "planted/planted-type"}},
		{method: "PUT", path: "/secrets/planted_name%20planted-name", body: body},
		{method: "POST", path: "/keys/planted-name/create", body: `{"kty":"planted-value","crv":"planted-value","key_ops":["planted-value"]}`},
		{method: "POST", path: "/keys/planted-name/create", body: `{"kty":"EC","tags":{"planted-tag":"planted-value"}}`},
		{method: "POST", path: "/keys/planted-name/planted-version/sign", body: `{"value":"planted-value"}`},
		{method: "DELETE", path: "/secrets/planted-name"},
		{method: "PUT", path: "/secrets/planted-name", body: body},
		{method: "POST", path: "/deletedsecrets/planted-name/recover"},
		{method: "GET", path: "/secrets/planted-name", as: "nobody"},
		{method: "GET", path: "/secrets/planted-name", as: "foreign"},
		{method: "GET", path: "/secrets/planted-name", as: "broken"},
	} {
		if r.header == nil {
			r.header = map[string]string{}
		}
		for name, value := range header {
			if r.header[name] == "" {
				r.header[name] = value
			}
		}
		w.direct(r)
	}
	log := w.log.String()
	if n := len(w.lines()); n != 29 {
		t.Errorf("%d lines", n)
	}
	for _, word := range append(planted, "planted") {
		if form := find(log, word); form != "" {
			t.Errorf("the log holds %q, as %s", word, form)
		}
	}
	w.logger().Info("x", "value", base64.StdEncoding.EncodeToString([]byte("ab planted-value")))
	if find(w.log.String(), "planted-value") == "" {
		t.Error("the search does not find what is there")
	}
}

// find returns the form in which a text holds a word, or nothing.
func find(text, word string) string {
	text = strings.ToLower(text)
	forms := map[string]string{"text": word, "hex": hex.EncodeToString([]byte(word)), "query": url.QueryEscape(word), "reversed": reverse(word)}
	for skip := range 3 {
		whole := word[skip:]
		// Its whole groups look the same wherever they stand.
		forms["base64 at "+string(rune('0'+skip))] = strings.ToLower(base64.StdEncoding.EncodeToString([]byte(whole[:len(whole)/3*3])))
	}
	for name, form := range forms {
		if strings.Contains(text, form) {
			return name
		}
	}
	return ""
}

func reverse(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}
