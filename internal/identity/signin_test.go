package identity

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
)

// signIns returns the records since the last call, without what the log gives
// them.
func (w *world) signIns() []audit.Record {
	w.t.Helper()
	records := w.sink.Take()
	for i, r := range records {
		if r.ID == "" || !r.Time.Equal(w.now) {
			w.t.Errorf("record %q of %v, want an id and %v", r.ID, r.Time, w.now)
		}
		records[i].ID, records[i].Time = "", time.Time{}
	}
	return records
}

func TestSignInsAreAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := access.Caller{TenantID: tenantA, ObjectID: objectID, AppID: clientID}
	proved := app
	proved.Issuer = "https://sts.windows.net/" + tenantA + "/"
	managed := func(resource string) func() error {
		return func() error {
			_, err := w.svc.IssueTo(t.Context(), origin, clientID, resource)
			return err
		}
	}
	asked := func(changes ...func(*ClientCredentials)) func() error {
		return func() error { _, err := w.ask(changes...); return err }
	}
	for name, tc := range map[string]struct {
		ask  func() error
		want audit.Record
	}{
		"a token": {asked(), audit.Record{Operation: "ServicePrincipalSignIn", Object: vaultResource, Caller: proved}},
		"a token by an id in upper case": {
			asked(func(r *ClientCredentials) { r.ClientID = strings.ToUpper(clientID) }),
			audit.Record{Operation: "ServicePrincipalSignIn", Object: vaultResource, Caller: proved},
		},
		"a managed identity": {managed(vaultResource), audit.Record{Operation: "ManagedIdentitySignIn", Object: vaultResource, Caller: proved}},
		"a wrong secret": {
			asked(func(r *ClientCredentials) { r.Secret = GivenSecret("wrong") }),
			audit.Record{
				Operation: "ServicePrincipalSignIn", Object: vaultResource, Caller: app,
				Code: "AADSTS7000215", Reason: wrongSecret(clientID).Message,
			},
		},
		"an unknown resource": {
			asked(func(r *ClientCredentials) { r.Resource = "https://storage.azure.com\n" }),
			audit.Record{
				Operation: "ServicePrincipalSignIn", Object: "https://storage.azure.com?", Caller: app,
				Code: "AADSTS500011", Reason: resourceNotFound("https://storage.azure.com\n", tenantA).Message,
			},
		},
		"a managed identity for an unknown resource": {
			managed("https://storage.azure.com"),
			audit.Record{
				Operation: "ManagedIdentitySignIn", Object: "https://storage.azure.com", Caller: app,
				Code: "AADSTS500011", Reason: resourceNotFound("https://storage.azure.com", tenantA).Message,
			},
		},
	} {
		err := tc.ask()
		if (err == nil) != (tc.want.Code == "") {
			t.Errorf("%s: %v", name, err)
		}
		tc.want.Resource, tc.want.Origin = "/", origin
		if got := w.signIns(); len(got) != 1 || !reflect.DeepEqual(got[0], tc.want) {
			t.Errorf("%s: the audit log has %+v, want %+v", name, got, tc.want)
		}
	}
}

// What names no application of ours could be anybody's: it is not in the log.
func TestStrangersAreNotAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]func(*ClientCredentials){
		"no client":               func(r *ClientCredentials) { r.ClientID = "" },
		"an unknown client":       func(r *ClientCredentials) { r.ClientID = "nobody" },
		"an unknown tenant":       func(r *ClientCredentials) { r.Tenant = "nowhere.example" },
		"another tenant's client": func(r *ClientCredentials) { r.Tenant = tenantB },
		"no secret":               func(r *ClientCredentials) { r.Secret = Secret{} },
	} {
		if _, err := w.ask(change); err == nil {
			t.Errorf("%s gets a token", name)
		}
		if got := w.signIns(); len(got) != 0 {
			t.Errorf("%s: the audit log has %+v", name, got)
		}
	}
}

// Whoever tries secrets fills neither the log nor the disk, and does not keep
// tokens that are issued out of it.
func TestRefusedSignInsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.now = now0.Truncate(time.Minute)
	guess := func(times int) {
		for range times {
			if _, err := w.ask(func(r *ClientCredentials) { r.Secret = GivenSecret("wrong") }); err == nil {
				t.Fatal("a wrong secret is taken")
			}
		}
	}
	guess(recordedRefusals + 7)
	if got := w.signIns(); len(got) != recordedRefusals {
		t.Errorf("%d refusals of one minute are in the log, want %d", len(got), recordedRefusals)
	}
	w.bearer(vaultResource)
	if got := w.signIns(); len(got) != 1 || got[0].Code != "" {
		t.Errorf("after them a token that is issued has the records %+v", got)
	}
	w.now = w.now.Add(time.Minute)
	guess(2)
	got := w.signIns()
	if len(got) != 2 {
		t.Fatalf("%d refusals of the next minute are in the log, want 2", len(got))
	}
	for i, want := range []string{" (7 refused sign-ins before this one are not in this log.)", ""} {
		if want = wrongSecret(clientID).Message + want; got[i].Reason != want {
			t.Errorf("record %d says %q, want %q", i, got[i].Reason, want)
		}
	}
}

func TestUnauditedSignIns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sink.Break()
	// The first finds out, the second knows.
	for try := range 2 {
		for name, secret := range map[string]Secret{"right": w.secret, "wrong": GivenSecret("wrong")} {
			token, err := w.ask(func(r *ClientCredentials) { r.Secret = secret })
			if !IsUnavailable(err) || token.Access.Len() != 0 {
				t.Errorf("try %d with a %s secret: a token of %d bytes, %v", try, name, token.Access.Len(), err)
			}
		}
	}
	if IsUnavailable(errors.New("other")) || IsUnavailable(nil) || IsUnavailable(fmt.Errorf("x: %w", noSecret())) {
		t.Error("other errors say that nothing can be audited")
	}
}
