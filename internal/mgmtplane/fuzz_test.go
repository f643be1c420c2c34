package mgmtplane

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// checkAnswer checks what every answer must be, whatever was asked.
func checkAnswer(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	if rec.Code >= 500 && rec.Code != http.StatusNotImplemented {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	if rec.Header().Get("X-Ms-Request-Id") == "" {
		t.Fatalf("no request id in %v", rec.Header())
	}
	if rec.Body.Len() > 0 && !json.Valid(rec.Body.Bytes()) {
		t.Fatalf("not JSON: %s", rec.Body)
	}
	if rec.Code >= 400 && rec.Body.Len() > 0 {
		var body struct {
			Error struct{ Code, Message string }
		}
		if json.Unmarshal(rec.Body.Bytes(), &body) != nil || body.Error.Code == "" || body.Error.Message == "" {
			t.Fatalf("no envelope: %s", rec.Body)
		}
	}
}

func FuzzBody(f *testing.F) {
	for _, body := range []string{
		plainVault, fullVault, "", "{}", "[]", "null", `{"properties":null}`, `{"properties":{"accessPolicies":[null,{}]}}`,
		`{"location":"eastus","tags":null,"properties":{"sku":null}}`, `{"properties":{"softDeleteRetentionInDays":1e99}}`,
		`{"location":"eastus","properties":{"sku":{"name":"standard"},"tenantId":"` + testTenant + `","createMode":"recover"}}`,
		`{"properties":{"roleDefinitionId":"/x/` + roleReader + `","principalId":"` + principals["nobody"] + `","condition":null}}`,
		`{"name":"x","type":"y"}`, `{"tags":{"` + "\\ud800" + `":"x"}}`, `{"properties":{"networkAcls":{"ipRules":[{"value":"::1%eth0"}]}}}`,
	} {
		f.Add(uint8(0), body)
		f.Add(uint8(3), body)
		f.Add(uint8(7), body)
	}
	w := newWorld(f)
	w.vault("alpha")
	targets := []struct{ method, path string }{
		{"PUT", alpha + "?api-version=" + latest}, {"PATCH", alpha + "?api-version=" + latest},
		{"PUT", team + kv + "/vaults/beta?api-version=2018-02-14"}, {"PUT", alpha + "/accessPolicies/add?api-version=" + latest},
		{"PUT", team + "?api-version=" + core}, {"PATCH", team + "?api-version=" + core},
		{"POST", sub + kv + "/checkNameAvailability?api-version=" + latest},
		{"PUT", alpha + roles + "/roleAssignments/" + name1 + "?api-version=" + roleVersion},
	}
	f.Fuzz(func(t *testing.T, target uint8, body string) {
		to := targets[int(target)%len(targets)]
		req := httptest.NewRequest(to.method, to.path, strings.NewReader(body))
		req.Host = azure
		req.Header.Set("Authorization", "Bearer owner")
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, req)
		checkAnswer(t, rec)
	})
}

func FuzzPath(f *testing.F) {
	w := newWorld(f)
	w.vault("alpha")
	for _, path := range []string{
		alpha, team, sub, "/", "", "//", "/%2F/", "/subscriptions/%00", "/metadata/endpoints", sub + "/resourceGroups/%FF" + kv + "/vaults/%2e%2e",
		sub + kv + "/locations/x/operationResults/x", alpha + "/accessPolicies/add", sub + "/operationresults/%00", sub + "/providers/%2F",
	} {
		for _, query := range []string{"api-version=" + latest, "api-version=" + core, "$filter=name eq 'x'&$top=1&api-version=" + core, "api-version=" + latest + "&$skiptoken=Ly8"} {
			f.Add("GET", path, query)
			f.Add("DELETE", path, query)
		}
	}
	f.Fuzz(func(t *testing.T, method, path, query string) {
		u, err := url.Parse("http://" + azure + "/")
		if err != nil {
			t.Fatal(err)
		}
		if u.Path, err = url.PathUnescape(path); err != nil {
			return
		}
		u.RawPath, u.RawQuery = path, query
		req := &http.Request{Method: method, URL: u, Host: azure, Header: http.Header{"Authorization": {"Bearer reader"}}, Body: http.NoBody}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, req.WithContext(t.Context()))
		checkAnswer(t, rec)
	})
}

func FuzzTerms(f *testing.F) {
	for _, text := range []string{
		"", "atScope()", "atScope() and assignedTo('x')", "assignedTo( 'it''s' )", "principalId eq 'x'", "roleName eq 'a b' and type eq 'c'",
		"atScope( ) AND atScopeAndBelow()", "atScope", "atScope(", "atScope('x')", "assignedTo()", "assignedTo('x", " eq 'x'", "()", "x()", "atScope()x",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, ok := parseTerms(text)
		if !ok {
			return
		}
		// What was parsed can be written again and means the same.
		var terms []string
		for name, value := range parsed {
			literal := "'" + strings.ReplaceAll(value, "'", "''") + "'"
			function, is := strings.CutSuffix(name, "()")
			switch {
			case !is:
				terms = append(terms, name+" eq "+literal)
			case functions[function]:
				terms = append(terms, function+"("+literal+")")
			default:
				terms = append(terms, name)
			}
		}
		again, ok := parseTerms(strings.Join(terms, " and "))
		if len(strings.Join(terms, " and ")) > maxFilter {
			return
		}
		if !ok || !maps.Equal(again, parsed) {
			t.Fatalf("%q is %v, and written again %v, %v", text, parsed, again, ok)
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, text := range []string{
		"", "name eq 'x'", "name eq 'it''s' and tagname eq ''", "a eq 'b' AND c EQ 'd'", "name eq '", "name eq ''", "name eq '''", " eq 'x'", "a eq 'b' and ", "a eq 'b'  ",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, ok := parseFilter(text)
		if !ok {
			return
		}
		// What was parsed can be written again and means the same.
		var terms []string
		for name, value := range parsed {
			terms = append(terms, name+" eq '"+strings.ReplaceAll(value, "'", "''")+"'")
		}
		again, ok := parseFilter(strings.Join(terms, " and "))
		if len(strings.Join(terms, " and ")) > maxFilter {
			return
		}
		if !ok || len(again) != len(parsed) {
			t.Fatalf("%q is %v, and written again %v, %v", text, parsed, again, ok)
		}
		for name, value := range parsed {
			if again[name] != value {
				t.Fatalf("%q: %q is %q, then %q", text, name, value, again[name])
			}
		}
	})
}
