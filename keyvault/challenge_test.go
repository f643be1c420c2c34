package keyvault

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/gate"
)

func TestParseAuthenticate(t *testing.T) {
	one := func(scheme string, pairs ...string) schemeParameters {
		p := schemeParameters{scheme: scheme, parameters: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			p.parameters[pairs[i]] = pairs[i+1]
		}
		return p
	}
	tests := []struct {
		values []string
		want   []schemeParameters
	}{
		{nil, nil},
		{[]string{"", " ,\t, "}, nil},
		{[]string{goodChallenge}, []schemeParameters{one("Bearer", "authorization", "https://login.example.net/tenant-1", "resource", "https://example.com")}},
		{[]string{`Bearer a="b"c="d"`}, []schemeParameters{one("Bearer", "a", "b", "c", "d")}},
		{[]string{`Bearer A = "b" ,,c=d`, `Basic`}, []schemeParameters{one("Bearer", "a", "b", "c", "d"), one("Basic")}},
		{[]string{`Bearer a="\"\\x, Basic realm=",b=`}, nil},
		{[]string{`Bearer a="\"\\x, Basic realm=",b=c`}, []schemeParameters{one("Bearer", "a", `"\x, Basic realm=`, "b", "c")}},
		{[]string{`Bearer a="", b=https://x/?y=z`}, []schemeParameters{one("Bearer", "a", "", "b", "https://x/?y=z")}},
		{[]string{`Negotiate, Bearer a=b, Basic realm="r"`}, []schemeParameters{one("Negotiate"), one("Bearer", "a", "b"), one("Basic", "realm", "r")}},
		{[]string{`NTLM TlRMTVNTUAAB/+A=`, `Negotiate abc==,Bearer a=b`}, []schemeParameters{one("NTLM"), one("Negotiate"), one("Bearer", "a", "b")}},
		{[]string{`Basic Bearer a=b`}, []schemeParameters{one("Basic"), one("Bearer", "a", "b")}},
	}
	for _, tt := range tests {
		got, err := parseAuthenticate(tt.values)
		if tt.want == nil && len(tt.values) == 1 {
			if err == nil {
				t.Errorf("%q was accepted as %v", tt.values, got)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %v, %v, want %v", tt.values, got, err, tt.want)
		}
	}
	for _, text := range []string{
		`=`, `"`, `a="b"`, `Bearer "a"`, `Bearer a="b`, `Bearer a="b\`, `Bearer a=b, a=c`, `Bearer a=b, A=c`, `Bearer a= ,b=`, "Bearer a=\x00", "Bearer \x7f", `Bearer é=1`,
		`Bearer a="b" ` + strings.Repeat("c", maxChallengeHeader), manyParameters(maxParameters + 1),
	} {
		if got, err := parseAuthenticate([]string{text}); err == nil {
			t.Errorf("%q was accepted as %v", text, got)
		}
	}
	if got, err := parseAuthenticate([]string{manyParameters(maxParameters)}); err != nil || len(got[0].parameters) != maxParameters {
		t.Errorf("%d parameters: %v", maxParameters, err)
	}
	if _, err := parseAuthenticate(slices.Repeat([]string{goodChallenge}, 100)); err == nil {
		t.Error("100 headers were accepted")
	}
}

func manyParameters(n int) string {
	var text strings.Builder
	text.WriteString("Bearer ")
	for i := range n {
		fmt.Fprintf(&text, "p%d=v,", i)
	}
	return text.String()
}

// render writes challenges as the RFC wants them.
func render(all []schemeParameters) string {
	var parts []string
	for _, p := range all {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(p.parameters)) {
			value := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.parameters[name])
			list = append(list, name+`="`+value+`"`)
		}
		parts = append(parts, strings.TrimSpace(p.scheme+" "+strings.Join(list, ", ")))
	}
	return strings.Join(parts, ", ")
}

// FuzzParseAuthenticate checks the bounds of what is parsed, and that it is the
// same after it was written and parsed again.
func FuzzParseAuthenticate(f *testing.F) {
	for _, seed := range []string{
		"", goodChallenge, `Negotiate abc==, Bearer a="b\"c", d=e`, `Bearer a="b`, `Basic Bearer Digest`, `a=b`, `Bearer a = b`, `Bearer a=,b=c`, `,,;`,
		`Bearer authorization="https://login.windows.net/t", resource="https://vault.azure.net", error="insufficient_claims", claims="e30="`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseAuthenticate([]string{text})
		if err != nil {
			return
		}
		if len(text) > maxChallengeHeader || len(all) > maxChallenges {
			t.Fatalf("%d bytes gave %d challenges", len(text), len(all))
		}
		for _, p := range all {
			if p.scheme == "" || len(p.parameters) > maxParameters {
				t.Fatalf("%q gave %q with %d parameters", text, p.scheme, len(p.parameters))
			}
		}
		written := render(all)
		if len(written) > maxChallengeHeader {
			return // quotes made it too long
		}
		if again, err := parseAuthenticate([]string{written}); err != nil || !reflect.DeepEqual(again, all) {
			t.Fatalf("%q: %v became %v, %v", written, all, again, err)
		}
	})
}

// FuzzVerify checks that whatever resource is accepted is a proper parent of the
// vault's host.
func FuzzVerify(f *testing.F) {
	f.Add("contoso.vault.azure.net", "https://vault.azure.net", "")
	f.Add("contoso.vault.azure.net:8443", "https://vault.azure.net:8443", "")
	f.Add("contoso.vault.azure.net", "", "https://vault.azure.net/.default")
	f.Add("contoso.vault.azure.net", "https://x@vault.azure.net", "")
	f.Add("127.0.0.1", "https://0.0.1", "")
	f.Add("[::1]:443", "https://[::1]", "")
	f.Add("a..b", "https://.b", "")
	f.Fuzz(func(t *testing.T, host, resource, scope string) {
		vault, err := parseVaultURL("https://" + host)
		if err != nil {
			return
		}
		header := http.Header{"Www-Authenticate": {render([]schemeParameters{{"Bearer", map[string]string{
			"authorization": "https://login.example.net/t", "resource": resource, "scope": scope,
		}}})}}
		ch, err := readChallenge(header)
		if err != nil || ch.verify(gate.OriginOf(vault)) != nil {
			return
		}
		u, err := url.Parse(ch.tokenScope())
		if err != nil {
			t.Fatal(err)
		}
		parent, child := strings.ToLower(u.Hostname()), strings.ToLower(vault.Hostname())
		if !strings.HasSuffix(child, "."+parent) || u.Scheme != "https" || u.User != nil || gate.OriginOf(u).Port != gate.OriginOf(vault).Port {
			t.Fatalf("a token for %q was to be had by %q", ch.tokenScope(), host)
		}
	})
}
