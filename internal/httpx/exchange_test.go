package httpx

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// TestStatus walks every kind of refusal: one that is new needs a status here.
func TestStatus(t *testing.T) {
	t.Parallel()
	want := map[fault.Kind]int{
		fault.Internal: 500, fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404,
		fault.MethodNotAllowed: 405, fault.Conflict: 409, fault.TooLarge: 413, fault.Throttled: 429, fault.Unavailable: 503,
	}
	kinds := fault.Kinds()
	if len(kinds) != len(want) {
		t.Errorf("%d kinds, %d expected", len(kinds), len(want))
	}
	for _, k := range append(kinds, fault.Kind(-1), fault.Kind(len(kinds))) {
		status, known := want[k]
		if !known {
			status = 500
		}
		if got := Status(k); got != status {
			t.Errorf("%s: %d, want %d", k, got, status)
		}
	}
}

func TestNewRequestID(t *testing.T) {
	t.Parallel()
	guid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := NewRequestID()
		if !guid.MatchString(id) || seen[id] {
			t.Fatalf("id %q, seen before: %v", id, seen[id])
		}
		seen[id] = true
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:1234": "192.0.2.1", "[2001:db8::1]:1234": "2001:db8::1", "[2001:DB8:0::1]:1": "2001:db8::1",
		"[::ffff:192.0.2.1]:1234": "192.0.2.1", "[fe80::1%eth0]:1": "fe80::1%eth0", "pipe:0": "pipe", "": "", "@": "", "192.0.2.1": "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		// Headers that anyone can write are not believed.
		r.Header.Set("X-Forwarded-For", "198.51.100.1")
		r.Header.Set("Forwarded", "for=198.51.100.1")
		r.Header.Set("X-Real-Ip", "198.51.100.1")
		if got := ClientAddress(r); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query, value string
		given        bool
	}{
		{"api-version=7.4", "7.4", true},
		{"API-Version=7.4", "7.4", true},
		{"api%2Dversion=7.4", "7.4", true},
		{"api%2dVERSION=7.4", "7.4", true},
		{"x=1&api-version=7%2E4&y=2", "7.4", true},
		{"api-version=a+b%20c", "a b c", true},
		{"api-version=", "", true},
		{"api-version", "", true},
		{"api-version=7.4&api-version=7.5", "7.4", true},
		// Of two spellings the exact one counts, and without it always the same.
		{"API-VERSION=7.5&api-version=7.4", "7.4", true},
		{"api-versioN=7.5&Api-version=7.4&api-Version=7.6", "7.4", true},
		// What cannot be decoded is not given.
		{"api-version=%zz", "", false},
		{"api%zzversion=7.4", "", false},
		{"api-version=7.4;x=1", "", false},
		{"", "", false},
		{"api_version=7.4", "", false},
		{"api-versions=7.4", "", false},
		{"$api-version=7.4", "", false},
	} {
		// Maps have no order: a wrong choice among several would not show
		// every time.
		for range 20 {
			r := &http.Request{URL: httptest.NewRequest("GET", "/", nil).URL}
			r.URL.RawQuery = tt.query
			x := &Exchange{Request: r}
			for what, ask := range map[string]func() (string, bool){
				"Query":             func() (string, bool) { return Query(r, "api-version") },
				"QueryValue":        func() (string, bool) { return x.QueryValue("api-version") },
				"QueryValue, again": func() (string, bool) { return x.QueryValue("api-version") },
			} {
				if got, given := ask(); got != tt.value || given != tt.given {
					t.Fatalf("%s of %q: %q, %v; want %q, %v", what, tt.query, got, given, tt.value, tt.given)
				}
			}
		}
	}
	r := httptest.NewRequest("GET", "/?%24SkipToken=a&MAXRESULTS=5", nil)
	if token, _ := Query(r, "$skiptoken"); token != "a" {
		t.Errorf("$skiptoken is %q", token)
	}
	if n, _ := Query(r, "maxresults"); n != "5" {
		t.Errorf("maxresults is %q", n)
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer abc": "abc", "BEARER   abc ": "abc", "Bearer a b": "a b",
		"": "", "Bearer": "", "Bearer ": "", "Bearer    ": "", "Basic abc": "", "Bearerabc": "", "Bearer\tabc": "", " Bearer abc": "", "PoP abc": "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{header}
		if got, ok := Bearer(r); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", header, got, ok)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Authorization"] = []string{"Bearer first", "Bearer second"}
	if got, _ := Bearer(r); got != "first" {
		t.Errorf("of two headers %q counts", got)
	}
	r.Header.Del("Authorization")
	if got, ok := Bearer(r); got != "" || ok {
		t.Errorf("without a header: %q, %v", got, ok)
	}
}

func TestSiteFrom(t *testing.T) {
	t.Parallel()
	s, _ := testHosts(t).Lookup("unit.vault.azure.net:8443")
	if got := SiteFrom(WithSite(t.Context(), s)); got.VaultURL(got.Vault) != "https://unit.vault.azure.net:8443" {
		t.Errorf("%+v", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a request that no server has looked up passed")
		}
	}()
	SiteFrom(t.Context())
}
