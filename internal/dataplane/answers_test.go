package dataplane

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// countingVaults counts how often the domain reads a secret.
type countingVaults struct {
	Vaults
	gets atomic.Int64
}

func (c *countingVaults) GetSecret(ctx context.Context, call vault.Call, name, version string) (*vault.Secret, error) {
	c.gets.Add(1)
	return c.Vaults.GetSecret(ctx, call, name, version)
}

func newCountingWorld(t *testing.T) (*world, *countingVaults) {
	var counting *countingVaults
	w := newWorld(t, func(_ *world, cfg *Config) {
		counting = &countingVaults{Vaults: cfg.Vaults}
		cfg.Vaults = counting
	})
	return w, counting
}

// steady returns the answer's headers without those that differ with each request.
func (a answer) steady() string {
	h := a.header.Clone()
	for _, name := range []string{"Date", "X-Ms-Request-Id", "X-Ms-Client-Request-Id"} {
		h.Del(name)
	}
	return fmt.Sprint(a.status, h, a.body)
}

// TestAnswersAreKept: a request that comes again and again is answered as at first,
// by both protocols, and the domain reads no more. Every answer has ids of its own.
func TestAnswersAreKept(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		w, counting := newCountingWorld(t)
		w.serve(http2)
		version := w.set("name", "<value> \u00e9").version()
		for _, path := range []string{"/secrets/name", "/secrets/name/", "/secrets/NAME/" + version, "/secrets/n%61me"} {
			for _, v := range []string{api.Version20161001, latest} {
				before := counting.gets.Load()
				var first answer
				for i := range 5 {
					id := fmt.Sprint("mine-", i)
					a := w.do(request{method: "GET", path: path, version: v, header: map[string]string{"x-ms-client-request-id": id}}).is(200)
					if i == 0 {
						first = a
					}
					if a.steady() != first.steady() {
						t.Errorf("%s %s: answer %d is\n%s\nthe first was\n%s", path, v, i, a.steady(), first.steady())
					}
					if i > 0 && a.header.Get("X-Ms-Request-Id") == first.header.Get("X-Ms-Request-Id") || a.header.Get("X-Ms-Client-Request-Id") != id {
						t.Errorf("%s: answer %d has the ids %q and %q", path, i, a.header.Get("X-Ms-Request-Id"), a.header.Get("X-Ms-Client-Request-Id"))
					}
				}
				if n := counting.gets.Load() - before; n != 2 {
					t.Errorf("%s %s: the domain has read %d times, want 2", path, v, n)
				}
			}
		}
	}
}

// TestKeptAnswersAreNobodyElses: what was kept for one request is no answer to a
// request that differs from it in anything.
func TestKeptAnswersAreNobodyElses(t *testing.T) {
	w, counting := newCountingWorld(t)
	w.vault("other")
	w.set("name", "value")
	w.do(request{method: "PUT", path: "/secrets/name", host: strings.Replace(host, "unit", "other", 1), body: `{"value":"another"}`}).is(200)
	warm := func() {
		for range 3 {
			w.call("GET", "/secrets/name", "").is(200)
		}
		before := counting.gets.Load()
		w.call("GET", "/secrets/name", "").is(200)
		if counting.gets.Load() != before {
			t.Fatal("the answer is not kept")
		}
	}
	for _, tc := range []struct {
		name   string
		r      request
		status int
	}{
		{"another caller", request{as: "nobody"}, 403},
		{"another tenant", request{as: "foreign"}, 401},
		{"an expired token", request{as: "expired"}, 401},
		{"no token", request{as: "none"}, 401},
		{"no keys to verify with", request{as: "unavailable"}, 503},
		{"another method", request{method: "DELETE"}, 200},
		{"another vault", request{host: strings.Replace(host, "unit", "other", 1)}, 200},
		{"no vault", request{host: strings.Replace(host, "unit", "none", 1)}, 404},
		{"another secret", request{path: "/secrets/other"}, 404},
		{"its versions", request{path: "/secrets/name/versions"}, 200},
		{"another version", request{path: "/secrets/name/" + strings.Repeat("0", 32)}, 404},
		{"an unknown api-version", request{version: "2015-01-01"}, 400},
		{"no api-version", request{version: "none"}, 400},
		{"an older api-version", request{version: api.Version20161001}, 200},
		{"another query", request{path: "/secrets/name?outContentType=application/x-pem-file", version: api.Version20250601Preview}, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if w.do(request{method: "GET", path: "/secrets/name"}).status == 404 {
				w.call("POST", "/deletedsecrets/name/recover", "")
			}
			warm()
			r := tc.r
			if r.path == "" {
				r.path = "/secrets/name"
			}
			if r.method == "" {
				r.method = "GET"
			}
			a := w.do(r).is(tc.status)
			if tc.name == "another vault" && !strings.Contains(a.body, `"value":"another"`) || tc.status != 200 && strings.Contains(a.body, "value\":\"") {
				t.Errorf("%s: %s", tc.name, a.body)
			}
		})
	}
}

// TestKeptAnswersFollowTheVault: a change is seen by the next request.
func TestKeptAnswersFollowTheVault(t *testing.T) {
	w, _ := newCountingWorld(t)
	for i, change := range []func() int{
		func() int { w.set("name", "new"); return 200 },
		func() int { w.call("PATCH", "/secrets/name/", `{"attributes":{"enabled":false}}`).is(200); return 403 },
		func() int { w.call("PATCH", "/secrets/name/", `{"tags":{"a":"b"}}`).is(200); return 200 },
		func() int { w.call("DELETE", "/secrets/name", "").is(200); return 404 },
		func() int { w.vault("unit", func(v *catalog.Vault) { v.Policies = nil }); return 403 },
		func() int { w.vault("unit", func(v *catalog.Vault) { v.PublicNetworkAccess = "Disabled" }); return 403 },
		func() int { w.vault("unit", func(v *catalog.Vault) { v.TenantID = otherTenant }); return 401 },
		func() int { w.vault("unit", func(v *catalog.Vault) { v.Deleted = &catalog.Deletion{} }); return 404 },
	} {
		name := fmt.Sprint("name", i)
		w.vault("unit")
		w.call("PUT", "/secrets/name", `{"value":"old"}`)
		w.set(name, "kept")
		for range 4 {
			w.call("GET", "/secrets/name", "").is(200)
		}
		want := change()
		a := w.call("GET", "/secrets/name", "").is(want)
		if strings.Contains(a.body, `"value":"old"`) && want != 200 {
			t.Errorf("change %d: %s", i, a.body)
		}
		w.vault("unit")
		w.call("POST", "/deletedsecrets/name/recover", "")
		w.call("PATCH", "/secrets/name/", `{"attributes":{"enabled":true}}`)
	}
}

// TestKeptAnswersAreBounded: the oldest give way, and what gave way is overwritten.
func TestKeptAnswersAreBounded(t *testing.T) {
	a := newAnswers()
	cleared := make(chan []byte, 1)
	overwrite := a.overwrite
	a.overwrite = func(body []byte) {
		if overwrite(body); strings.Trim(string(body), "\x00") != "" {
			t.Errorf("a dropped answer is %q", body)
		}
		select {
		case cleared <- body:
		default:
		}
	}
	exchange := func(i int) *httpx.Exchange {
		r := &http.Request{Method: "GET", Host: host, URL: &url.URL{Path: fmt.Sprint("/secrets/", i)}, Header: http.Header{}}
		return &httpx.Exchange{Request: r, ResponseWriter: discard{}}
	}
	value := strings.Repeat("v", 1000)
	n := 2 * maxAnswers / answerOverhead
	for i := range n {
		x := exchange(i)
		for range 2 {
			a.keep(x, nil, &secretAnswer{Value: &value})
		}
		if a.find(x.Request) == nil {
			t.Fatalf("answer %d is not kept", i)
		}
	}
	bytes := 0
	for _, k := range a.m {
		bytes += k.cost()
	}
	if bytes != a.bytes || bytes > maxAnswers || len(a.m) < n/8 {
		t.Errorf("%d answers have %d bytes, counted as %d", len(a.m), bytes, a.bytes)
	}
	runtime.GC()
	select {
	case <-cleared:
	case <-time.After(2 * time.Minute):
		t.Error("dropped answers are never overwritten")
	}
	for _, big := range []string{strings.Repeat("v", maxAnswer), ""} {
		x := exchange(n) // one of those before may still be kept
		if big == "" {
			x.URL.RawQuery = strings.Repeat("q", maxAnswerTarget)
		}
		for range 3 {
			a.keep(x, nil, &secretAnswer{Value: &big})
		}
		if a.find(x.Request) != nil {
			t.Error("a large one is kept")
		}
	}
}

// discard is a response without a connection.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
