package dataplane

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
)

// FuzzRequest sends whole requests to a vault with one secret. Whatever is asked,
// the answer is none of an internal error, refusals are Azure's envelope, and the
// secret's value is where it was asked for only.
func FuzzRequest(f *testing.F) {
	const value = "the planted value"
	w := newWorld(f)
	w.set("s", value)
	w.create("ec")
	w.plantOct("oct", make([]byte, 16))
	exportable := w.exportableKey(`"kty":"EC-HSM"`, `"immutable":true`)
	w.call("POST", "/keys/tee/create", exportable).is(200)
	v := "api-version=" + latest
	for _, seed := range []struct{ method, path, query, body string }{
		{"GET", "/secrets/s", v, ""}, {"GET", "/secrets/s/", "api-version=2016-10-01", ""}, {"GET", "/secrets", v + "&maxresults=1&$skiptoken=eyJOZXh0TWFya2VyIjoiYSJ9", ""},
		{"PUT", "/secrets/t", v, `{"value":"v","contentType":"c","attributes":{"enabled":false,"nbf":1,"exp":2},"tags":{"a":"b"}}`},
		{"PATCH", "/secrets/s//", v, `{"attributes":{"enabled":true},"tags":{}}`}, {"DELETE", "/secrets/t", v, ""}, {"GET", "/deletedsecrets/t", v, ""},
		{"POST", "/deletedsecrets/t/recover", v, ""}, {"DELETE", "/deletedsecrets/t", v, ""}, {"GET", "/secrets/s/versions", "API-Version=7.0", ""},
		{"POST", "/keys/k/create", v, `{"kty":"EC","crv":"P-256K","key_ops":["sign"]}`}, {"GET", "/keys/k/", "api-version=7.5", ""}, {"PATCH", "/keys/k", v, `{"key_ops":[]}`},
		{"POST", "/keys/k//sign", v, `{}`}, {"POST", "/keys/ec//sign", v, `{"alg":"ES256","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`},
		{"POST", "/keys/ec//verify", "api-version=2026-05-01-preview", `{"alg":"ES256","digest":"AA","value":"AA","context":"AA","external_mu":"AA"}`},
		{"POST", "/keys/oct//encrypt", v, `{"alg":"A128GCM","value":"AA","aad":"AA"}`}, {"POST", "/keys/oct//decrypt", v, `{"alg":"A128CBCPAD","value":"AAAAAAAAAAAAAAAAAAAAAA","iv":"AAAAAAAAAAAAAAAAAAAAAA","tag":""}`},
		{"POST", "/keys/oct//wrapkey", v, `{"alg":"CKM_AES_KEY_WRAP_PAD","value":"AA"}`}, {"POST", "/keys/oct//unwrapkey", "api-version=7.2", `{"alg":"A128KW","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`},
		{"PUT", "/keys/t", v, `{"key":{"kty":"EC-HSM","key_hsm":"e30"}}`}, {"PUT", "/keys/t", "api-version=2026-05-01-preview", `{"key":{"kty":"AKP","alg":"ML-DSA-44","pub":"AA","priv":"AA"}}`}, {"PUT", "/secrets/restore", v, `{}`}, {"GET", "/secrets/%00%FF", v, ""}, {"BREW", "/", "", "\xff"}, {"GET", "", "%zz", "{"},
		{"PUT", "/secrets/a%2Fb", v, `{"value":"\ud800"}`}, {"GET", "/secrets/s", v + "&outContentType=%FF", ""}, {"GET", "*", v, ""}, {"PUT", "/secrets/t", v, `{"tags":{"\ufffd":null}}`},
		{"POST", "/keys/k/create", v, `{"kty":"EC-HSM","attributes":{"exportable":true},"release_policy":{"data":"e30"}}`}, {"GET", "/keys", v + "&maxresults=-1", ""},
		{"PUT", "/keys/k/rotationpolicy", v, `{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D"},"action":{"type":"rotate"}}],"attributes":{"expiryTime":"P1Y"}}`},
		{"GET", "/keys/k/rotationpolicy", v, ""}, {"POST", "/keys/k/rotate", v, ""},
		{"POST", "/keys/tee2/create", v, exportable}, {"POST", "/keys/tee//release", v, w.releaseBody(`"enc":"RSA_AES_KEY_WRAP_256"`)}, {"POST", "/keys/tee/release", "api-version=7.3", `{"target":"a.b.c","nonce":"n"}`},
	} {
		f.Add(seed.method, seed.path, seed.query, seed.body)
	}
	for _, kid := range []string{"https://" + host + "/keys/ec", "https://" + host + "/keys//x", "kek"} {
		f.Add("PUT", "/keys/t", v, transferBody(f, "EC-HSM", transferBlob(f, "EC", kid)))
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if strings.Contains(body, `"RSA`) {
			return // takes long
		}
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return
		}
		req := &http.Request{
			Method: method, Host: host, URL: &url.URL{Scheme: "https", Host: host, Path: decoded, RawPath: path, RawQuery: query},
			Header: http.Header{"Authorization": {"Bearer owner"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "192.0.2.1:1",
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, req.WithContext(t.Context()))
		checkAnswer(t, rec)
		shown := strings.Contains(rec.Body.String(), value)
		if shown && (rec.Code != 200 || method != "GET" || !strings.HasPrefix(strings.ToLower(decoded), "/secrets/s")) {
			t.Fatalf("%s %q shows the value: %s", method, path, rec.Body)
		}
	})
}

// checkAnswer checks what every answer must be, whatever was asked.
func checkAnswer(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	if rec.Code >= 500 && rec.Code != http.StatusNotImplemented {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	if !guid.MatchString(rec.Header().Get("X-Ms-Request-Id")) || rec.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("headers %v", rec.Header())
	}
	switch {
	case rec.Code == http.StatusNoContent:
		if rec.Body.Len() > 0 {
			t.Fatalf("status 204 with %q", rec.Body)
		}
	case rec.Code == http.StatusOK || rec.Code == http.StatusCreated:
		if !json.Valid(rec.Body.Bytes()) {
			t.Fatalf("not JSON: %q", rec.Body)
		}
	case rec.Code >= 400:
		var envelope api.ErrorResponse
		if json.Unmarshal(rec.Body.Bytes(), &envelope) != nil || envelope.Error.Code == "" || envelope.Error.Message == "" {
			t.Fatalf("status %d, no envelope: %q", rec.Code, rec.Body)
		}
		if rec.Code == http.StatusMethodNotAllowed != (rec.Header().Get("Allow") != "") {
			t.Fatalf("status %d, Allow %q", rec.Code, rec.Header().Get("Allow"))
		}
	default:
		t.Fatalf("status %d", rec.Code)
	}
}
