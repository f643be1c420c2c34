package httpx

import (
	"bytes"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzRouterMatch checks what must hold of every path: what a match says of the
// path is the path again, and what Allow promises is so.
func FuzzRouterMatch(f *testing.F) {
	for _, path := range []string{
		"", "/", "//", "/secrets", "/secrets/", "/secrets/n", "/secrets/n/", "/secrets/n//", "/secrets/n/versions", "/secrets/restore", "/keys/restore/create",
		"/keys/n//encrypt", "/keys/n/v/encrypt/", "/keys/n/encrypt", "/keYs/0/enCrYpt/", "/secrets/a%2Fb", "/secrets/%00%ff", "/secrets/%zz", "/subs/s/providers/Microsoft.KeyVault",
		"/subs/s/providers/Microsoft.KeyVault/vaults", "/common/keys", "/SECRETS/N", "/%53ecrets", "/\u212aeys/n/", "/secrets/../keys",
	} {
		f.Add("GET", path)
		f.Add("POST", path)
	}
	routes := testRoutes()
	router := NewRouter(routes)
	var methods []string
	for _, r := range routes {
		methods = append(methods, r.Method)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		route, params, allow, ok := router.Match(method, path)
		if !ok {
			for _, m := range append(methods, method) {
				if _, _, _, has := router.Match(m, path); has != slices.Contains(allow, m) {
					t.Fatalf("%s %q is allowed %q; %s matches: %v", method, path, allow, m, has)
				}
			}
			return
		}
		if route.Method != method || allow != nil {
			t.Fatalf("%s %q is %s, allow %q", method, path, route.Name, allow)
		}
		meant, escaped := fill(route.Pattern, params)
		said := segments(t, path)
		cleaned := slices.DeleteFunc(slices.Clone(meant), func(s segment) bool { return s.text == "" })
		if len(said) > len(meant)+1 || !slices.EqualFunc(trimEmpty(said), trimEmpty(meant), segment.is) && !slices.EqualFunc(trimEmpty(said), cleaned, segment.is) {
			t.Fatalf("%s %q is %s with %q", method, path, route.Name, params)
		}
		again, same, _, ok := router.Match(method, escaped)
		if !ok || again != route || !reflect.DeepEqual(given(same), given(params)) {
			t.Fatalf("%s %q is %s with %q; %q is %+v with %q", method, path, route.Name, params, escaped, again, same)
		}
	})
}

// given returns the parameters that have a value: an optional one that the path
// leaves out is absent, one whose segment is empty has none.
func given(params Params) Params {
	params = maps.Clone(params)
	maps.DeleteFunc(params, func(_, value string) bool { return value == "" })
	return params
}

// segment is a decoded part of a path. A word of the pattern compares without
// case, a parameter's value exactly.
type segment struct {
	text string
	word bool
}

func (s segment) is(o segment) bool {
	if s.word || o.word {
		s.text, o.text = strings.ToLower(s.text), strings.ToLower(o.text)
	}
	return s.text == o.text
}

// fill returns the path that a pattern and its parameters make.
func fill(pattern string, params Params) (parts []segment, escaped string) {
	for p := range strings.SplitSeq(strings.TrimPrefix(pattern, "/"), "/") {
		s := segment{p, true}
		if name, ok := strings.CutPrefix(p, "{"); ok {
			s = segment{params[strings.TrimRight(name, "?}")], false}
		}
		parts = append(parts, s)
		escaped += "/" + url.PathEscape(s.text)
	}
	return parts, escaped
}

func segments(t *testing.T, path string) (parts []segment) {
	t.Helper()
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		t.Fatalf("%q matches", path)
	}
	for p := range strings.SplitSeq(rest, "/") {
		text, err := url.PathUnescape(p)
		if err != nil {
			t.Fatalf("%q matches: %v", path, err)
		}
		parts = append(parts, segment{text, false})
	}
	return parts
}

func trimEmpty(parts []segment) []segment {
	for len(parts) > 0 && parts[len(parts)-1].text == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// FuzzDecodeJSON checks that what is accepted means one thing: it can be encoded
// and is the same when it is read again, and no character was put in the place
// of half a surrogate pair.
func FuzzDecodeJSON(f *testing.F) {
	for _, body := range []string{
		"", "{}", "[]", "null", " {} ", "{} {}", `{"value":"v","size":5,"tags":{"a":"b"},"inner":{"exp":1,"on":true,"ops":[1,2]}}`, `{"value":"\ud83d\ude00"}`,
		`{"value":"\ud800"}`, `{"a\udc00":1}`, `{"value":"\\ud800"}`, `{"value":"\ufffd"}`, `{"x":1e400}`, `{"value":"\ud800\\udc00"}`, "{\"value\":\"\xff\"}",
		`{"value":"\uD800\uDC00\u0000"}`, `{"data":"AA=="}`, `{"data":"x"}`, `{"VALUE":null,"value":7}`, `{"x":[[[{"y":"\ud800"}]]]}`, `{"value":"\ud8`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		given := bytes.Clone(body)
		var tree map[string]any
		treeErr := DecodeJSON(body, &tree)
		var first document
		err := DecodeJSON(body, &first)
		if !bytes.Equal(given, body) {
			t.Fatal("the body was changed")
		}
		if treeErr == nil && !mentionsReplacement(body) && replaced(tree) {
			t.Fatalf("half of a surrogate pair passed: %q", body)
		}
		if err != nil {
			if len(err.Error()) > 300 {
				t.Fatalf("an error of %d bytes: %v", len(err.Error()), err)
			}
			return
		}
		encoded, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("%q was accepted and cannot be encoded: %v", body, err)
		}
		var second document
		if err := DecodeJSON(encoded, &second); err != nil {
			t.Fatalf("%q is encoded as %q, which is refused: %v", body, encoded, err)
		}
		if again, err := json.Marshal(second); err != nil || !bytes.Equal(again, encoded) {
			t.Fatalf("%q, then %q, %v", encoded, again, err)
		}
	})
}

// mentionsReplacement reports whether a text could itself ask for the character
// that stands for what cannot be decoded.
func mentionsReplacement(text []byte) bool {
	return bytes.Contains(text, []byte("\ufffd")) || bytes.Contains(bytes.ToLower(text), []byte("ufffd"))
}

func replaced(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "\ufffd")
	case []any:
		return slices.ContainsFunc(v, replaced)
	case map[string]any:
		for name, member := range v {
			if replaced(name) || replaced(member) {
				return true
			}
		}
	}
	return false
}

// FuzzLookup checks that whatever host is found makes URLs that lead to the same
// place again, and holds nothing that is not of a host.
func FuzzLookup(f *testing.F) {
	for _, host := range []string{
		"", "unit.vault.azure.net", "UNIT.vault.azure.net.:443", "h.managedhsm.localhost:8443", "localhost", "127.0.0.1:65535", "[::1]:8443", "[::ffff:127.0.0.1]",
		"[::1%25x]", "login.vault.example.com", "a.b.vault.azure.net", "vault.azure.net", ":443", "[", "[]:1", "unit.vault.azure.net:0x10", "127.1", "[::1",
	} {
		f.Add(host)
	}
	hosts := testHosts(f)
	f.Fuzz(func(t *testing.T, hostport string) {
		s, ok := hosts.Lookup(hostport)
		if !ok {
			return
		}
		if (s.Vault != "") == (s.HSM != "" || s.Login || s.Management) {
			t.Fatalf("%q is %q", hostport, place(s))
		}
		var here string
		for what, rendered := range map[string]string{"login": s.LoginURL(), "management": s.ManagementURL(), "vault": s.VaultURL("v"), "resource": s.Resource(), "hsm": s.HSMResource()} {
			u, err := url.Parse(rendered)
			if err != nil || u.Scheme != "https" || u.Host == "" || rendered != "https://"+u.Host || strings.ToLower(rendered) != rendered {
				t.Fatalf("%q: %s is %q: %v", hostport, what, rendered, err)
			}
			if what == "vault" && s.Vault != "" {
				here = s.VaultURL(s.Vault)
			} else if what == "login" && s.Login || what == "management" && s.Management {
				here = rendered
			}
		}
		if here == "" {
			return // an HSM: no URL names it
		}
		again, ok := hosts.Lookup(strings.TrimPrefix(here, "https://"))
		if !ok || !reflect.DeepEqual(again, s) {
			t.Fatalf("%q is %+v, and %q is %+v", hostport, s, here, again)
		}
	})
}

// FuzzQuery compares with parsing the whole query.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"", "a=1", "A=1&a=2", "a=%zz&a=2", "a;b=1&a=2", "%61=1&a=2", "a", "&&a=&b", "A=1&a%zz=3&a=4&A=5", "\u212a=1&K=2&k=3", "a=a+b%20c",
		strings.Repeat("b=1&", 100) + "a=1", strings.Repeat("b=1&", 20_000) + "a=1",
	} {
		f.Add(q, "a")
		f.Add(q, "K")
	}
	f.Fuzz(func(t *testing.T, query, name string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}}
		want, given := lookup(r.URL.Query(), name)
		if got, found := Query(r, name); got != want || found != given {
			t.Errorf("%q in %q: %q, %v; want %q, %v", name, query, got, found, want, given)
		}
	})
}

// FuzzSplitHost compares with the plain way to find out what a host is.
func FuzzSplitHost(f *testing.F) {
	for _, h := range []string{"", "a", "a:1", "a:0443", "a:08443", "[::1]", "[::1]:5", "::1", "127.0.0.1", "127.0.0.1:00", "a:b:c", "1.2.3", "[", "x.9"} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, port, err := net.SplitHostPort(s)
		if h, p, found := cutPort(s); found != (err == nil) || found && (h != host || p != port) {
			t.Errorf("%q: %q, %q, %v; want %q, %q, %v", s, h, p, found, host, port, err)
		}
		want, err := netip.ParseAddr(s)
		if got, ok := address(s); ok != (err == nil) || ok && got != want {
			t.Errorf("%q: %v, %v; want %v, %v", s, got, ok, want, err)
		}
	})
}
