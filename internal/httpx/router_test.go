package httpx

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func noHandler(*Exchange) error { return nil }

// testRoutes has the shapes of the three planes: a reserved word beside a
// parameter, an optional parameter at the end and inside, a literal that is only
// a part of other paths.
func testRoutes() []Route {
	var routes []Route
	for _, r := range []string{
		"GET /secrets", "PUT /secrets/{name}", "DELETE /secrets/{name}", "GET /secrets/{name}/{version?}", "PATCH /secrets/{name}/{version?}",
		"GET /secrets/{name}/versions", "POST /secrets/{name}/backup", "POST /secrets/restore",
		"POST /keys/{name}/create", "GET /keys/{name}/{version?}", "POST /keys/{name}/{version?}/encrypt", "POST /keys/restore",
		"GET /subs/{sub}/providers/{namespace}", "POST /subs/{sub}/providers/{namespace}/register",
		"GET /subs/{sub}/providers/Microsoft.KeyVault/vaults", "GET /subs/{sub}/resourceGroups/{group}/vaults/{vault}",
		"HEAD /subs/{sub}/resourceGroups/{group}",
		"GET /twice/{a}", "GET /twice/{a}/{b?}",
		"GET /{tenant}/keys", "GET /common/discovery", "GET /",
	} {
		method, pattern, _ := strings.Cut(r, " ")
		routes = append(routes, Route{Method: method, Pattern: pattern, Name: r, Handle: noHandler})
	}
	return routes
}

func show(params Params) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		parts = append(parts, name+"="+params[name])
	}
	return strings.Join(parts, " ")
}

func TestMatch(t *testing.T) {
	t.Parallel()
	router := NewRouter(testRoutes())
	for _, tt := range []struct{ method, path, route, params string }{
		{"GET", "/secrets", "GET /secrets", ""},
		{"GET", "/secrets/", "GET /secrets", ""},
		{"GET", "/SECRETS", "GET /secrets", ""},
		{"GET", "/%73ecrets", "GET /secrets", ""},
		{"GET", "/", "GET /", ""},
		{"GET", "//", "GET /", ""},

		{"PUT", "/secrets/My-Name", "PUT /secrets/{name}", "name=My-Name"},
		{"PUT", "/secrets/My-Name/", "PUT /secrets/{name}", "name=My-Name"},
		{"DELETE", "/secrets/n/", "DELETE /secrets/{name}", "name=n"},

		// Optional at the end: absent, empty and given.
		{"GET", "/secrets/n", "GET /secrets/{name}/{version?}", "name=n version="},
		{"GET", "/secrets/n/", "GET /secrets/{name}/{version?}", "name=n version="},
		{"GET", "/secrets/n//", "GET /secrets/{name}/{version?}", "name=n version="},
		{"GET", "/secrets/n/ABC", "GET /secrets/{name}/{version?}", "name=n version=ABC"},
		{"GET", "/secrets/n/ABC/", "GET /secrets/{name}/{version?}", "name=n version=ABC"},
		{"PATCH", "/secrets/n/", "PATCH /secrets/{name}/{version?}", "name=n version="},

		// Optional inside: a double slash is the newest version, and so is none.
		{"POST", "/keys/n//encrypt", "POST /keys/{name}/{version?}/encrypt", "name=n version="},
		{"POST", "/keys/n/encrypt", "POST /keys/{name}/{version?}/encrypt", "name=n"},
		{"POST", "/keys/n/Encrypt/", "POST /keys/{name}/{version?}/encrypt", "name=n"},
		{"POST", "/keys/encrypt/encrypt", "POST /keys/{name}/{version?}/encrypt", "name=encrypt"},
		{"POST", "/keys/n/abc/encrypt", "POST /keys/{name}/{version?}/encrypt", "name=n version=abc"},
		{"POST", "/keys/n/abc/ENCRYPT/", "POST /keys/{name}/{version?}/encrypt", "name=n version=abc"},

		// A literal goes before a parameter.
		{"GET", "/secrets/n/versions", "GET /secrets/{name}/versions", "name=n"},
		{"GET", "/secrets/n/Versions/", "GET /secrets/{name}/versions", "name=n"},
		{"GET", "/secrets/n/versionsx", "GET /secrets/{name}/{version?}", "name=n version=versionsx"},
		{"GET", "/secrets/versions", "GET /secrets/{name}/{version?}", "name=versions version="},
		{"GET", "/secrets/versions/versions", "GET /secrets/{name}/versions", "name=versions"},
		{"POST", "/secrets/restore", "POST /secrets/restore", ""},
		{"POST", "/secrets/Restore/", "POST /secrets/restore", ""},
		{"POST", "/secrets/%72estore", "POST /secrets/restore", ""},
		{"PUT", "/secrets/restore-1", "PUT /secrets/{name}", "name=restore-1"},
		{"POST", "/keys/create/create", "POST /keys/{name}/create", "name=create"},

		// A literal that is no path of its own leaves its place to a parameter.
		{"GET", "/subs/s/providers/microsoft.keyvault", "GET /subs/{sub}/providers/{namespace}", "namespace=microsoft.keyvault sub=s"},
		{"POST", "/subs/s/providers/Microsoft.KeyVault/register", "POST /subs/{sub}/providers/{namespace}/register", "namespace=Microsoft.KeyVault sub=s"},
		{"GET", "/subs/s/providers/microsoft.keyvault/VAULTS", "GET /subs/{sub}/providers/Microsoft.KeyVault/vaults", "sub=s"},
		{"GET", "/common/keys", "GET /{tenant}/keys", "tenant=common"},
		{"GET", "/common/discovery", "GET /common/discovery", ""},
		{"GET", "/secrets/keys", "GET /secrets/{name}/{version?}", "name=keys version="},

		// Segments are taken apart before they are decoded.
		{"PUT", "/secrets/a%2Fb", "PUT /secrets/{name}", "name=a/b"},
		{"PUT", "/secrets/a%2fversions", "PUT /secrets/{name}", "name=a/versions"},
		{"GET", "/secrets/a%20b/%2e%2e", "GET /secrets/{name}/{version?}", "name=a b version=.."},
		{"GET", "/secrets/../x", "GET /secrets/{name}/{version?}", "name=.. version=x"},
		{"GET", "/secrets/%C3%BC+%2B", "GET /secrets/{name}/{version?}", "name=ü++ version="},
		{"GET", "/secrets/%00%FF", "GET /secrets/{name}/{version?}", "name=\x00\xff version="},
		{"GET", "/secrets/a%25zz", "GET /secrets/{name}/{version?}", "name=a%zz version="},
		{"GET", "/secrets/{name}/{version?}", "GET /secrets/{name}/{version?}", "name={name} version={version?}"},
	} {
		route, params, allow, ok := router.Match(tt.method, tt.path)
		if !ok || route.Name != tt.route || show(params) != tt.params || len(allow) != 0 {
			t.Errorf("%s %s: %v, %+v with %q, allow %q; want %s with %q", tt.method, tt.path, ok, route, show(params), allow, tt.route, tt.params)
		}
	}
}

func TestNoMatch(t *testing.T) {
	t.Parallel()
	router := NewRouter(testRoutes())
	for _, tt := range []struct{ method, path, allow string }{
		// No such path.
		{"GET", "", ""}, {"GET", "secrets", ""}, {"GET", "*", ""}, {"GET", "//secrets", ""}, {"GET", "/secret", ""},
		{"GET", "/secrets//", ""}, {"GET", "/secrets//versions", ""}, {"PUT", "/secrets//", ""}, {"GET", "/secrets///", ""},
		{"GET", "/secrets/n/v/x", ""}, {"GET", "/secrets/n/v//", ""}, {"GET", "/secrets/n///", ""}, {"POST", "/keys//v/encrypt", ""},
		{"GET", "/secrets%2Fn", ""}, {"GET", "/secrets/%", ""}, {"GET", "/secrets/%zz", ""}, {"GET", "/%zz/keys", ""},
		{"GET", "/subs//providers/x", ""}, {"GET", "/subs/s/providers", ""}, {"GET", "/common", ""}, {"GET", " /secrets", ""},
		{"GET", "/secrets?x", ""}, {"GET", strings.Repeat("/x", 10000), ""}, {"GET", strings.Repeat("/", 60000), ""},

		// Other methods.
		{"POST", "/secrets", "GET"}, {"POST", "/secrets/", "GET"}, {"get", "/secrets", "GET"}, {"HEAD", "/secrets", "GET"}, {"", "/secrets", "GET"},
		{"POST", "/secrets/n", "DELETE GET PATCH PUT"}, {"POST", "/secrets/n/", "DELETE GET PATCH PUT"},
		{"DELETE", "/secrets/n/v", "GET PATCH"}, {"PUT", "/secrets/n/v/", "GET PATCH"},
		{"GET", "/keys/n/encrypt", "POST"}, {"GET", "/keys/n/v/encrypt", "POST"}, {"GET", "/keys/n//encrypt", "POST"},
		{"GET", "/subs/s/resourceGroups/g", "HEAD"}, {"PUT", "/twice/x", "GET"}, {"PUT", "/twice/x/", "GET"},

		// What is reserved is no name, whatever the method and what follows.
		{"GET", "/secrets/restore", "POST"}, {"PUT", "/secrets/restore", "POST"}, {"DELETE", "/secrets/RESTORE/", "POST"},
		{"GET", "/secrets/restore/versions", ""}, {"GET", "/secrets/restore/abc", ""}, {"POST", "/secrets/restore/backup", ""},
		{"POST", "/keys/restore/create", ""}, {"POST", "/keys/restore//encrypt", ""}, {"GET", "/keys/restore", "POST"},
		{"PATCH", "/secrets/n/versions", "GET"}, {"GET", "/secrets/n/backup", "POST"}, {"GET", "/secrets/n/versions/x", ""},
	} {
		route, params, allow, ok := router.Match(tt.method, tt.path)
		if ok || route != nil || params != nil || strings.Join(allow, " ") != tt.allow {
			t.Errorf("%s %.40s: %v, %+v with %q, allow %q; want none, allow %q", tt.method, tt.path, ok, route, show(params), allow, tt.allow)
		}
	}
}

// TestOptionalForOneIsOptionalForAll covers patterns that differ in nothing but
// the question mark of a place that they share.
func TestOptionalForOneIsOptionalForAll(t *testing.T) {
	t.Parallel()
	routes := []Route{{Method: "GET", Pattern: "/a/{b?}", Handle: noHandler}, {Method: "PUT", Pattern: "/a/{b}", Handle: noHandler}}
	for range 2 {
		router := NewRouter(routes)
		for _, method := range []string{"GET", "PUT"} {
			for _, path := range []string{"/a", "/a/", "/a/b"} {
				if _, _, _, ok := router.Match(method, path); !ok {
					t.Errorf("%s %s is not found among %s and %s", method, path, routes[0].Pattern, routes[1].Pattern)
				}
			}
		}
		slices.Reverse(routes)
	}
}

// TestMatchReturnsTheRoute makes sure that a match is the route as it was given.
func TestMatchReturnsTheRoute(t *testing.T) {
	t.Parallel()
	routes := []Route{{Method: "PUT", Pattern: "/a/{x}", Name: "A", MaxBody: 7, Handle: noHandler}}
	route, _, _, ok := NewRouter(routes).Match("PUT", "/a/b")
	if !ok || route.Name != "A" || route.MaxBody != 7 || route.Pattern != "/a/{x}" || route.Method != "PUT" || route.Handle == nil {
		t.Errorf("%v, %+v", ok, route)
	}
	if _, _, allow, ok := NewRouter(nil).Match("GET", "/"); ok || allow != nil {
		t.Errorf("an empty router has a route, or allows %q", allow)
	}
}

func TestNewRouterPanics(t *testing.T) {
	t.Parallel()
	route := func(patterns ...string) (routes []Route) {
		for _, p := range patterns {
			routes = append(routes, Route{Method: "GET", Pattern: p, Handle: noHandler})
		}
		return routes
	}
	const braces = "a parameter needs a name and a closing brace"
	for name, tt := range map[string]struct {
		routes []Route
		want   string
	}{
		"no slash":            {route("a"), "httpx: route GET a: needs a leading slash and a handler"},
		"no pattern":          {route(""), "needs a leading slash and a handler"},
		"no handler":          {[]Route{{Method: "GET", Pattern: "/a"}}, "httpx: route GET /a: needs a leading slash and a handler"},
		"no name":             {route("/{}"), braces},
		"no name, optional":   {route("/{?}"), braces},
		"no brace":            {route("/{a"), braces},
		"no brace, optional":  {route("/{a?"), braces},
		"text after":          {route("/{a}b"), braces},
		"twice":               {route("/a/{b}", "/A/{b}"), "httpx: route GET /A/{b}: declared twice"},
		"twice, once without": {route("/a/{b}", "/a/{b?}"), "declared twice"},
		"another name":        {route("/a/{b}", "/a/{c}/d"), "httpx: route GET /a/{c}/d: two parameters of one place differ in name"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want %q", got, tt.want)
				}
			}()
			NewRouter(tt.routes)
		})
	}
}

// TestMatchRemembers: the same path is found again, by the same method only, and as
// it was found at first; adding to its parameters changes nobody else's.
func TestMatchRemembers(t *testing.T) {
	t.Parallel()
	router := NewRouter(testRoutes())
	for i := range 3 {
		route, params, _, ok := router.Match("GET", "/secrets/n/")
		if !ok || route.Name != "GET /secrets/{name}/{version?}" || show(params) != "name=n version=" {
			t.Fatalf("time %d: %+v, %s", i, route, show(params))
		}
		if more := params.With("more", "m"); show(more) != "more=m name=n version=" {
			t.Errorf("with one more: %s", show(more))
		}
		if route, _, _, _ := router.Match("PATCH", "/secrets/n/"); route == nil || route.Method != "PATCH" {
			t.Errorf("time %d: PATCH is %+v", i, route)
		}
		if _, _, allow, ok := router.Match("POST", "/secrets/n/"); ok || !slices.Equal(allow, []string{"DELETE", "GET", "PATCH", "PUT"}) {
			t.Errorf("time %d: POST is allowed with %q", i, allow)
		}
	}
	if more := Params(nil).With("more", "m"); show(more) != "more=m" {
		t.Errorf("with one more than none: %s", show(more))
	}
	for i := range cachedMatches + 10 {
		router.Match("GET", fmt.Sprint("/secrets/", i))
	}
	router.Match("GET", "/secrets/"+strings.Repeat("n", maxCachedPath))
	if n := router.found.Len(); n != cachedMatches {
		t.Errorf("%d matches are remembered", n)
	}
}
