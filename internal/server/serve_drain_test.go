package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// While it drains, every plane refuses in its own words, on connections that end
// with the answer.
func TestDrain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token := h.token(testClient, houseSecret, vaultResource)
	urls := map[string]string{
		dataURL(testVault, "/secrets/x"): "envelope", managementURL("/subscriptions"): "envelope",
		"https://unit.managedhsm.azure.net/keys":                  "envelope",
		h.at("localhost") + "/subscriptions":                      "envelope",
		"https://" + login + "/" + testTenant + "/oauth2/token":   "OAuth",
		h.at("localhost") + "/common/oauth2/v2.0/token":           "OAuth",
		h.at("127.0.0.1") + "/common/discovery/keys":              "OAuth",
		"https://" + login + "/.well-known/openid-configuration/": "OAuth",
	}
	http1 := h.newClient(false)
	for _, client := range []*http.Client{h.client, http1} { // connections that there are
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, dataURL(testVault, "/secrets"), nil)
		if err != nil {
			t.Fatal(err)
		}
		h.send(client, req).is(401)
	}
	h.srv.Drain()
	for _, client := range []*http.Client{h.client, http1} {
		for url, form := range urls {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			a := h.send(client, req)
			a.what = url
			if form == "envelope" {
				a.refused(503, "ServiceUnavailable", "", drainingMessage)
			} else {
				a.refusedByOAuth()
			}
			if a.header.Get("Retry-After") != "5" {
				t.Errorf("%s: headers %v", url, a.header)
			}
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, dataURL(testVault, "/secrets"), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http1.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if !resp.Close {
		t.Errorf("the connection stays: %v", resp.Header)
	}
	// A host that is not ours is none of ours still.
	h.do(http.MethodGet, "https://unit.vault.azure.net/secrets", "", "", func(r *http.Request) { r.Host = "evil.example" }).is(http.StatusMisdirectedRequest)
	if err := h.srv.Ready(t.Context()); err == nil || err.Error() != "the server is shutting down" {
		t.Errorf("Ready: %v", err)
	}
}

// refusedByOAuth checks the form of RFC 6749, section 5.2, as Entra ID has it.
func (a answer) refusedByOAuth() {
	a.t.Helper()
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
		TraceID     string `json:"trace_id"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		a.t.Errorf("%s: %q: %v", a.what, a.body, err)
	}
	if a.status != 503 || body.Error != "temporarily_unavailable" || !strings.HasPrefix(body.Description, "AADSTS90033: "+drainingMessage+"\r\nTrace ID: ") ||
		len(body.Codes) != 1 || body.Codes[0] != 90033 || body.TraceID == "" || body.TraceID != a.header.Get("X-Ms-Request-Id") {
		a.t.Errorf("%s: status %d, %s", a.what, a.status, a.body)
	}
}

// What has begun when the server begins to drain is done.
func TestDrainFinishes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	u := h.beginUpload("/secrets/late")
	h.srv.Drain()
	if _, err := u.body.Write([]byte(`{"value":"in time"}`)); err != nil {
		t.Fatal(err)
	}
	u.body.Close()
	select {
	case a := <-u.answer:
		a.is(200)
	case err := <-u.failed:
		t.Fatal(err)
	}
}

// Leaving, a server says that it is not ready and does its work.
func TestLeave(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.srv.Leave()
	if err := h.srv.Ready(t.Context()); err == nil || err.Error() != "the server is shutting down" {
		t.Errorf("Ready: %v", err)
	}
	h.data(http.MethodPut, testVault, "/secrets/x", `{"value":"v"}`).is(200)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	h := newHouse(t, inDir(t.TempDir()))
	probe := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		h.srv.Health().ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	expect := func(when, method, path string, status int, text string) {
		t.Helper()
		if got, body := probe(method, path); got != status || text != "" && body != text+"\n" {
			t.Errorf("%s: %s %s: %d, %q, want %d, %q", when, method, path, got, body, status, text)
		}
	}
	for method, text := range map[string]string{"GET": "ok\n", "HEAD": ""} {
		// The probe has a time limit, which a slow disk may exceed.
		h.eventually("readiness", func() bool {
			status, body := probe(method, "/readyz")
			return status == 200 && (text == "" || body == text)
		})
	}
	expect("serving", "GET", "/livez", 200, "ok")
	expect("serving", "POST", "/readyz", 405, "")
	expect("serving", "GET", "/", 404, "")
	expect("serving", "GET", "/secrets/x", 404, "")

	// A sink that fails: its file is closed under it. There is a token from before.
	h.data(http.MethodGet, testVault, "/secrets/x/", "").is(404)
	if err := h.srv.data.sink.file.Close(); err != nil {
		t.Fatal(err)
	}
	h.data(http.MethodGet, testVault, "/secrets/x/", "").is(503)
	expect("no audit", "GET", "/readyz", 503, "the audit log cannot be written: every operation is refused")
	expect("no audit", "GET", "/livez", 200, "ok")
	if err := h.srv.data.sink.reopen(); err == nil {
		t.Error("what was written to a file that fails is given up")
	}

	h.srv.Leave()
	expect("leaving", "GET", "/readyz", 503, "the server is shutting down")
	expect("leaving", "GET", "/livez", 200, "ok")
	if err := h.srv.data.store.Close(); err != nil {
		t.Fatal(err)
	}
	h.srv.leaving.Store(false)
	expect("no audit and no store", "GET", "/readyz", 503, "the audit log cannot be written: every operation is refused")
	h.srv = nil // its data cannot be closed any more
}

// A store that does not answer is one that takes no writes, whatever the reason.
func TestHealthOfTheStore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if err := h.srv.data.store.Close(); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.srv.Health().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Code != 503 || !strings.HasPrefix(w.Body.String(), "the store takes no writes: ") {
		t.Errorf("%d, %q", w.Code, w.Body)
	}
}
