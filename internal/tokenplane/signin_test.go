package tokenplane

import (
	"net/http"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/audit/audittest"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

func newAuditedIdentity(t *testing.T) (*identity.Service, *audittest.Sink) {
	t.Helper()
	sink := &audittest.Sink{}
	svc, err := newIdentity(sink, func(*identity.Config) {})
	must(t, err)
	return svc, sink
}

// The audit log says from where, and with which program, a token was asked for.
func TestSignInsAreAudited(t *testing.T) {
	t.Parallel()
	svc, sink := newAuditedIdentity(t)
	w := worldOf(t, svc)
	e := newEndpoint(t, func(c *ManagedIdentityConfig) { c.Identity, c.InstanceMetadata = svc, true })
	agent := strings.Repeat("agent", 60)
	fromPlane := func(form request) func() string {
		return func() string {
			form.path = "/" + tenantID + "/oauth2/v2.0/token"
			form.header = map[string]string{"User-Agent": agent, "Client-Request-Id": requestID}
			return w.do(form).header.Get("X-Ms-Request-Id")
		}
	}
	fromEndpoint := func(query string, changes ...func(*http.Request)) func() string {
		return func() string {
			e.ask(query, append(changes, set("User-Agent", agent))...)
			return ""
		}
	}
	for name, tc := range map[string]struct {
		ask                        func() (requestID string)
		operation, code, requestID string
	}{
		"a secret":           {fromPlane(request{form: own("scope", vault+"/.default")}), "ServicePrincipalSignIn", "", requestID},
		"a wrong secret":     {fromPlane(request{form: with("client_secret", "wr0ng")}), "ServicePrincipalSignIn", "AADSTS7000215", requestID},
		"App Service":        {fromEndpoint(appService), "ManagedIdentitySignIn", "", ""},
		"a virtual machine":  {fromEndpoint(instanceQuery, instance), "ManagedIdentitySignIn", "", ""},
		"an unknown service": {fromEndpoint("api-version=2019-08-01&resource=x"), "ManagedIdentitySignIn", "AADSTS500011", ""},
	} {
		id := tc.ask()
		records := sink.Take()
		if len(records) != 1 {
			t.Errorf("%s: records %+v", name, records)
			continue
		}
		r := records[0]
		if r.Operation != tc.operation || r.Code != tc.code || r.Caller.AppID != clientID || r.Origin.ClientRequestID != tc.requestID {
			t.Errorf("%s: record %+v", name, r)
		}
		if id != "" && r.Origin.RequestID != id || !guid.MatchString(r.Origin.RequestID) ||
			r.Origin.Address != "127.0.0.1" || r.Origin.UserAgent != agent[:256] {
			t.Errorf("%s: origin %+v", name, r.Origin)
		}
	}
}

func TestNoTokenWithoutAudit(t *testing.T) {
	t.Parallel()
	svc, sink := newAuditedIdentity(t)
	w := worldOf(t, svc)
	e := newEndpoint(t, func(c *ManagedIdentityConfig) { c.Identity, c.InstanceMetadata = svc, true })
	sink.Break()
	for range 2 { // it finds out, and it knows
		w.do(request{path: "/" + tenantID + "/oauth2/token", form: own("resource", vault)}).refused(503, "temporarily_unavailable", "90033", unaudited)
	}
	e.refused("App Service", 503, unaudited, appService)
	if status, members := e.ask(instanceQuery, instance); status != 503 || members["error"] != "temporarily_unavailable" || members["error_description"] != unaudited {
		t.Errorf("a virtual machine: status %d, %v", status, members)
	}
	if log := w.log.String() + e.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log calls it an error at every request:\n%s", log)
	}
}
