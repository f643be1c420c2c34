package directoryplane

import (
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/identity"
)

func TestParseFilter(t *testing.T) {
	t.Parallel()
	type filter = identity.ApplicationFilter
	for text, want := range map[string]filter{
		"": {}, "  ": {},
		"appId eq 'x'":                                   {ClientID: "x"},
		" APPID  EQ  'it''s (1) and' ":                   {ClientID: "it's (1) and"},
		"displayName eq 'a b'":                           {Name: "a b"},
		"displayName eq 'a/b'":                           {Name: "a/b"},
		"displayName eq ''":                              {None: true},
		"appId eq ''":                                    {None: true},
		"startswith(displayName,'x')":                    {NamePrefix: "x"},
		"startswith( displayName, 'a/b' )":               {NamePrefix: "a/b"},
		"StartsWith(displayName, 'x')":                   {NamePrefix: "x"},
		"servicePrincipalNames/any(c:c eq 'x')":          {ClientID: "x"},
		"servicePrincipalNames/any( name : name eq 'x')": {ClientID: "x"},
		"identifierUris/any(s:s eq 'api://x')":           {None: true},
	} {
		got, ok := parseFilter(text)
		if !ok || got != want {
			t.Errorf("%q is %+v, %v, want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"appId", "appId eq", "appId eq x", "appId eq 'x", "appId eq 'x'y", "appId ne 'x'", "id eq 'x'", "eq 'x'", "appId eq 'x' and displayName eq 'y'",
		"not(appId eq 'x')", "startswith(appId,'x')", "startswith(displayName,'')", "startswith(displayName,'x'", "startswith(displayName)", "startswith(displayName,'x'))",
		"servicePrincipalNames/any(c:d eq 'x')", "servicePrincipalNames/any(c:c eq 'x'", "servicePrincipalNames/any(:  eq 'x')", "servicePrincipalNames/all(c:c eq 'x')",
		"tags/any(c:c eq 'x')", "servicePrincipalNames/any()", "appId eq '" + strings.Repeat("x", maxFilter) + "'",
	} {
		if got, ok := parseFilter(text); ok || got != (filter{}) {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestAlternateKey(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"/v1.0/applications(appId='x')":                       {"/v1.0/applications/x", "x"},
		"/v1.0/applications%28appId%3D%27x%27%29/addPassword": {"/v1.0/applications/x/addPassword", "x"},
		"/v1.0/servicePrincipals(APPID='a%2Fb')":              {"/v1.0/servicePrincipals/a%2Fb", "a/b"},
		"/v1.0/applications(appId='it''s')":                   {"/v1.0/applications/it%27s", "it's"},
		"/v1.0/applications":                                  {"/v1.0/applications", ""},
		"/v1.0/applications(appId='')":                        {"/v1.0/applications(appId='')", ""},
		"/v1.0/applications(id='x')":                          {"/v1.0/applications(id='x')", ""},
		"/v1.0/applications(appId='x'":                        {"/v1.0/applications(appId='x'", ""},
		"/v1.0/applications(appId='x'y)":                      {"/v1.0/applications(appId='x'y)", ""},
		"/v1.0/applications(appId=x)":                         {"/v1.0/applications(appId=x)", ""},
		"/v1.0/%zz":                                           {"/v1.0/%zz", ""},
		"":                                                    {"", ""},
		"/v1.0":                                               {"/v1.0", ""},
	} {
		if path, id := alternateKey(in); path != want[0] || id != want[1] {
			t.Errorf("%q is %q and %q, want %q", in, path, id, want)
		}
	}
}

// What a filter selects, it selects again when it is written out.
func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{
		"appId eq 'x'", "displayName eq 'it''s'", "startswith(displayName,'x')", "servicePrincipalNames/any(c:c eq 'x')", "identifierUris/any(s:s eq 'x')",
		"a eq '", "any(", "/any(:)", "'", "appId eq ''", "startswith(",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseFilter(text)
		if !ok && got != (identity.ApplicationFilter{}) || got.Principals {
			t.Fatalf("%q is %+v, %v", text, got, ok)
		}
		quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
		again := ""
		switch {
		case got.ClientID != "":
			again = "servicePrincipalNames/any(c:c eq " + quote(got.ClientID) + ")"
		case got.Name != "":
			again = "displayName eq " + quote(got.Name)
		case got.NamePrefix != "":
			again = "startswith(displayName," + quote(got.NamePrefix) + ")"
		case got.None || !ok:
			return
		}
		if len(again) > maxFilter {
			return
		}
		if second, ok := parseFilter(again); !ok || second != got {
			t.Fatalf("%q is %+v, but %q is %+v, %v", text, got, again, second, ok)
		}
	})
}

func FuzzAlternateKey(f *testing.F) {
	f.Add("/v1.0/applications(appId='x')/addPassword")
	f.Add("/v1.0/applications(appId='it''s')")
	f.Add("/v1.0/applications(appId='a%2Fb')")
	f.Add("/a/%28appId=''%29")
	f.Fuzz(func(t *testing.T, path string) {
		got, id := alternateKey(path)
		if id == "" && got != path {
			t.Fatalf("%q became %q", path, got)
		}
		if id != "" && strings.Count(got, "/") != strings.Count(path, "/")+1 {
			t.Fatalf("%q became %q", path, got)
		}
	})
}
