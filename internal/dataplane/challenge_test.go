package dataplane

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
)

const (
	missingToken = "AKV10000: Request is missing a Bearer or PoP token."
	azureHeader  = `Bearer authorization="https://login.microsoftonline.com/` + testTenant + `", resource="https://vault.azure.net"`
)

// TestChallenge sends every kind of token that is not believed: each gets the
// challenge, without which no client would ask for another.
func TestChallenge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("s", "v")
	const issuer = "https://sts.windows.net/"
	for name, tt := range map[string]struct{ authorization, message string }{
		"missing":        {"", missingToken},
		"empty":          {"Bearer ", missingToken},
		"another scheme": {"Basic b3duZXI6", missingToken},
		"unsigned":       {"Bearer x.y.z", "Error validating token: IDX10501: Signature validation failed."},
		"expired":        {"Bearer expired", "Error validating token: IDX10223: Lifetime validation failed."},
		"another tenant": {"Bearer foreign", "AKV10032: Invalid issuer. Expected one of " + issuer + testTenant + "/, found " + issuer + otherTenant + "/."},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.do(request{method: "GET", path: "/secrets/s", as: "none", header: map[string]string{"Authorization": tt.authorization}})
			a.t = t
			a.refused(refused{401, "Unauthorized", "", tt.message})
			if got := a.header.Values("WWW-Authenticate"); len(got) != 1 || got[0] != azureHeader {
				t.Errorf("challenge %q, want %q", got, azureHeader)
			}
			if got := a.header.Get("X-Ms-Keyvault-Region"); got != "eastus" {
				t.Errorf("region %q", got)
			}
		})
	}
	if a := w.call("GET", "/secrets/s", "").is(200); a.header.Get("WWW-Authenticate") != "" {
		t.Errorf("an answer with a challenge: %v", a.header)
	}
	if a := w.do(request{method: "GET", path: "/secrets/s", as: "nobody"}).is(403); a.header.Get("WWW-Authenticate") != "" {
		t.Errorf("a refusal of a known caller with a challenge: %v", a.header)
	}
	// Schemes compare without case.
	w.do(request{method: "GET", path: "/secrets/s", as: "none", header: map[string]string{"Authorization": "bearer owner"}}).is(200)
}

// TestVerifierFails covers errors that say nothing about the token: they are no
// challenge, or clients would throw good tokens away.
func TestVerifierFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for as, want := range map[string]refused{
		"broken":      {500, "InternalServerError", "", ""},
		"unavailable": {503, "ServiceUnavailable", "", "The signing keys are not there yet."},
	} {
		a := w.do(request{method: "GET", path: "/secrets/s", as: as})
		got := a.refusal()
		if as == "broken" {
			got.message = "" // it has the request id
		}
		if got != want || a.header.Get("WWW-Authenticate") != "" || strings.Contains(a.body, "keys cannot") {
			t.Errorf("%s: %+v, headers %v", as, got, a.header)
		}
	}
	if !strings.Contains(w.log.String(), "the keys cannot be read") {
		t.Error("the cause is not in the log")
	}
}

// TestChallengeNamesTheHostAsked renders the challenge for each way to reach the
// vault, and takes it apart as the official clients do.
func TestChallengeNamesTheHostAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for host, want := range map[string][2]string{
		"unit.vault.azure.net":      {"https://login.microsoftonline.com/", "https://vault.azure.net"},
		"UNIT.vault.azure.net:443":  {"https://login.microsoftonline.com/", "https://vault.azure.net"},
		"unit.vault.azure.net:8443": {"https://login.microsoftonline.com:8443/", "https://vault.azure.net:8443"},
		"unit.vault.localhost:8443": {"https://localhost:8443/", "https://vault.localhost:8443"},
		"unit.vault.localhost":      {"https://localhost/", "https://vault.localhost"},
	} {
		header := w.do(request{method: "GET", path: "/secrets", as: "none", host: host}).is(401).header.Get("WWW-Authenticate")
		if got := `Bearer authorization="` + want[0] + testTenant + `", resource="` + want[1] + `"`; got != header {
			t.Errorf("%s: %s, want %s", host, header, got)
		}
		asked := strings.TrimSuffix(strings.ToLower(host), ":443")
		for client, parse := range map[string]func(string) (tenant, resource string){"Go": parseAsGo, "JavaScript": parseAsJS, "Python": parseAsPython} {
			tenant, resource := parse(header)
			u, err := url.Parse(resource)
			if err != nil || tenant != testTenant || !strings.HasSuffix(asked, "."+u.Host) {
				t.Errorf("%s: %s reads tenant %q, resource %q", host, client, tenant, resource)
			}
		}
	}
}

// parseAsGo is what the azkeys module does: parts between spaces, each with one
// equals sign, and the fourth piece of the authority.
func parseAsGo(header string) (tenant, resource string) {
	values := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(header, "Bearer "), " ") {
		if name, value, ok := strings.Cut(strings.TrimSuffix(part, ","), "="); ok && !strings.Contains(value, "=") {
			values[name] = strings.Trim(value, `"`)
		}
	}
	return strings.Split(values["authorization"], "/")[3], values["resource"]
}

// parseAsJS is what @azure/keyvault-common does: parts between comma and space,
// and all of the authority's path.
func parseAsJS(header string) (tenant, resource string) {
	values := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(header, "Bearer "), ", ") {
		name, value, _ := strings.Cut(part, `="`)
		values[name] = strings.TrimSuffix(value, `"`)
	}
	u, err := url.Parse(values["authorization"])
	if err != nil {
		return "", ""
	}
	return strings.TrimPrefix(u.Path, "/"), values["resource"]
}

// parseAsPython is what azure-keyvault does: parts between commas, values without
// an equals sign, and the first segment of the authority's path.
func parseAsPython(header string) (tenant, resource string) {
	values := map[string]string{}
	_, parts, _ := strings.Cut(header, " ")
	for part := range strings.SplitSeq(parts, ",") {
		if pieces := strings.Split(part, "="); len(pieces) == 2 {
			values[strings.Trim(pieces[0], ` "`)] = strings.Trim(pieces[1], ` "`)
		}
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(values["authorization"], "https://"), "/")
	tenant, _, _ = strings.Cut(path, "/")
	return tenant, values["resource"]
}

// TestChallengeComesFirst sends requests that have all else wrong too. The
// official clients send their first request without token and body, whatever the
// operation, and give up on anything but a challenge.
func TestChallengeComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, r := range []request{
		{method: "GET", path: "/secrets/s"},
		{method: "PUT", path: "/secrets/s"},
		{method: "PATCH", path: "/secrets/s/"},
		{method: "POST", path: "/keys/k/create"},
		{method: "POST", path: "/deletedkeys/k/recover"},
		{method: "PUT", path: "/secrets/s", header: map[string]string{"Content-Type": "application/json"}},
		{method: "PUT", path: "/secrets/s", body: "not JSON"},
		{method: "PUT", path: "/secrets/s", body: `{"value":"v"}`, header: map[string]string{"Content-Type": "text/plain"}},
		{method: "PUT", path: "/secrets/s", body: strings.Repeat(" ", maxSecretBody+1)},
		{method: "GET", path: "/secrets/s", version: "none"},
		{method: "GET", path: "/secrets/s", version: "1999-01-01"},
		{method: "GET", path: "/secrets/bad_name"},
		{method: "GET", path: "/secrets?maxresults=0"},
		{method: "GET", path: "/no/such/path"},
		{method: "GET", path: "/"},
		{method: "DELETE", path: "/secrets"},
		{method: "POST", path: "/keys/k//sign"},
		{method: "BREW", path: "/secrets"},
	} {
		r.as = "none"
		a := w.do(r)
		a.refused(refused{401, "Unauthorized", "", missingToken})
		if got := a.header.Get("WWW-Authenticate"); got != azureHeader {
			t.Errorf("%s: challenge %q", a.about, got)
		}
		if a.header.Get("Allow") != "" {
			t.Errorf("%s: Allow %q before the caller is known", a.about, a.header.Get("Allow"))
		}
	}
	// The probe of a client is a request with Content-Length: 0.
	for _, method := range []string{"POST", "PUT", "PATCH"} {
		req, err := http.NewRequestWithContext(t.Context(), method, "https://"+host+"/secrets/s", http.NoBody)
		must(t, err)
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
		res, err := w.client.Do(req)
		must(t, err)
		res.Body.Close()
		if res.StatusCode != 401 || res.Header.Get("WWW-Authenticate") != azureHeader {
			t.Errorf("%s: %d, %v", method, res.StatusCode, res.Header)
		}
	}
}

// TestOrderOfChecks holds what comes after the challenge in its order: version,
// path, content type, permission or body.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := map[string]string{"Content-Type": "text/plain"}
	for _, tt := range []struct {
		request
		status int
	}{
		{request{method: "GET", path: "/no/such/path", version: "none"}, 400},
		{request{method: "DELETE", path: "/secrets", version: "none"}, 400},
		{request{method: "PUT", path: "/secrets/s", version: "none", body: "x", header: text}, 400},
		{request{method: "POST", path: "/secrets/s", body: "x", header: text}, 405},
		{request{method: "PUT", path: "/secrets/s", as: "nobody", body: "x", header: text}, 415},
		{request{method: "PUT", path: "/secrets/s", as: "nobody", body: "x"}, 400},
		{request{method: "PUT", path: "/secrets/s", as: "nobody", body: `{}`}, 403},
		{request{method: "GET", path: "/secrets/bad_name", as: "nobody"}, 403},
		{request{method: "GET", path: "/secrets?maxresults=0", as: "nobody"}, 403},
	} {
		a := w.do(tt.request)
		a.about = tt.as + " " + a.about + " " + tt.body
		if a.status != tt.status {
			t.Errorf("%s: status %d, want %d: %s", a.about, a.status, tt.status, a.body)
		}
	}
}

// TestBodyIsNotReadBeforeTheCallerIsKnown has a client wait for leave to send its
// body: it gets its answer instead.
func TestBodyIsNotReadBeforeTheCallerIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(as, contentType string) (status int, read bool) {
		t.Helper()
		body := &watched{Reader: strings.NewReader(`{"value":"v"}`)}
		req, err := http.NewRequestWithContext(t.Context(), "PUT", "https://"+host+"/secrets/s?api-version="+latest, body)
		must(t, err)
		req.ContentLength = 13
		req.Header.Set("Expect", "100-continue")
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Authorization", "Bearer "+as)
		res, err := w.client.Do(req)
		must(t, err)
		res.Body.Close()
		return res.StatusCode, body.read.Load()
	}
	const json = "application/json"
	for _, tt := range []struct {
		as, contentType string
		status          int
		read            bool
	}{{"nobody-knows", json, 401, false}, {"foreign", json, 401, false}, {"owner", "text/plain", 415, false}, {"owner", json, 200, true}} {
		if status, read := put(tt.as, tt.contentType); status != tt.status || read != tt.read {
			t.Errorf("%s with %s: status %d, body read: %v", tt.as, tt.contentType, status, read)
		}
	}
}

// watched is a body that knows whether it was asked for.
type watched struct {
	io.Reader
	read atomic.Bool
}

func (r *watched) Read(p []byte) (int, error) {
	r.read.Store(true)
	return r.Reader.Read(p)
}

// TestHTTP2 goes through the steps of a client over the protocol that most choose
// today.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(true)
	res, err := w.client.Do(request{method: "GET", path: "/secrets"}.complete().http(t))
	must(t, err)
	res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Fatalf("the protocol is %s", res.Proto)
	}
	if a := w.do(request{method: "PUT", path: "/secrets/s", as: "none"}).is(401); a.header.Get("WWW-Authenticate") != azureHeader {
		t.Errorf("challenge %q", a.header)
	}
	v := w.set("s", "v").version()
	w.call("GET", "/secrets/s//", "").is(200)
	w.call("GET", "/secrets/s/"+v, "").is(200)
	w.call("POST", "/keys/k//sign", "{}").is(404)
	w.call("PUT", "/secrets/s", strings.Repeat(" ", maxSecretBody+1)).is(413)
	w.call("DELETE", "/secrets/s", "").is(200)
	w.call("DELETE", "/deletedsecrets/s", "").is(204)
}

// TestIssuerOf covers callers whose issuer does not show where the tenant stands.
func TestIssuerOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		caller access.Caller
		want   string
	}{
		{access.Caller{TenantID: "ten-a", Issuer: "https://login.example/ten-a/v2.0"}, "https://login.example/T/v2.0"},
		{access.Caller{TenantID: "ten-b", Issuer: "https://login.example/ten-a/v2.0"}, "https://sts.windows.net/T/"},
		{access.Caller{Issuer: "https://login.example/"}, "https://sts.windows.net/T/"},
		{access.Caller{}, "https://sts.windows.net/T/"},
	} {
		if got := issuerOf(tt.caller, "T"); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.caller, got, tt.want)
		}
	}
}
