package dev

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

func (in *running) directory(t *testing.T, cred azcore.TokenCredential) *management.DirectoryClient {
	t.Helper()
	client, err := management.NewDirectoryClient(cred, &management.DirectoryOptions{ClientOptions: in.options(t)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// An application is registered, authorised, used and deleted, with our client
// libraries and Azure's credentials.
func TestApplications(t *testing.T) {
	t.Parallel()
	in := start(t, Options{})
	ctx := t.Context()
	must := func(err error) {
		if t.Helper(); err != nil {
			t.Fatal(err)
		}
	}
	dir := in.directory(t, in.owner(t))
	app, err := dir.CreateApplication(ctx, "billing")
	must(err)
	principal, err := dir.CreateServicePrincipal(ctx, app.AppID)
	must(err)
	if _, err := dir.CreateServicePrincipal(ctx, app.AppID); !management.IsConflict(err) {
		t.Errorf("a second service principal: %v", err)
	}
	first, err := dir.AddPassword(ctx, app.AppID, "first", time.Time{})
	must(err)
	if principal.ID == "" || principal.ID == app.ID || first.SecretText == "" || first.End == nil {
		t.Errorf("%+v, %+v", principal, first)
	}

	// It may what its object id is granted.
	manager := in.manager(t, in.owner(t))
	_, err = manager.CreateOrUpdateVault(ctx, ownGroup, "shelf", management.VaultWithPolicies(location, TenantID,
		arm.AccessPolicyEntry{TenantID: TenantID, ObjectID: ObjectID, Permissions: &arm.Permissions{Secrets: []string{arm.PermissionAll}}}))
	must(err)
	must(set(t, in.vault(t, "shelf", in.owner(t)), "token", "t0ken"))
	cred := in.credential(t, TenantID, app.AppID, first.SecretText)
	_, err = in.vault(t, "shelf", cred).GetSecret(ctx, "token", "")
	refusedWith(t, "before it is granted anything", err, 403, "Forbidden")
	_, err = manager.AddAccessPolicies(ctx, ownGroup, "shelf", arm.AccessPolicyEntry{
		TenantID: TenantID, ObjectID: principal.ID, Permissions: &arm.Permissions{Secrets: []string{"get"}},
	})
	must(err)
	secret, err := in.vault(t, "shelf", cred).GetSecret(ctx, "token", "")
	must(err)
	if *secret.Value != "t0ken" {
		t.Errorf("the secret is %q", *secret.Value)
	}
	_, err = in.directory(t, cred).CreateApplication(ctx, "mine")
	if !management.IsForbidden(err) {
		t.Errorf("it registers applications: %v", err)
	}
	if own, err := in.directory(t, cred).GetServicePrincipal(ctx, app.AppID); err != nil || own.ID != principal.ID {
		t.Errorf("it does not find itself: %+v, %v", own, err)
	}

	// A new secret takes the place of the old one.
	second, err := dir.AddPassword(ctx, app.AppID, "second", time.Now().Add(time.Hour))
	must(err)
	must(dir.RemovePassword(ctx, app.AppID, first.KeyID))
	use := func(secret string) error {
		_, err := in.vault(t, "shelf", in.credential(t, TenantID, app.AppID, secret)).GetSecret(ctx, "token", "")
		return err
	}
	refusedWith(t, "the old secret", use(first.SecretText), 401, "AADSTS7000215")
	must(use(second.SecretText))
	got, err := dir.GetApplication(ctx, app.AppID)
	must(err)
	if len(got.Passwords) != 1 || got.Passwords[0].KeyID != second.KeyID || got.Passwords[0].SecretText != "" {
		t.Errorf("%+v", got.Passwords)
	}

	// A list of several pages has every application once.
	want := []string{ClientID, app.AppID}
	for range 120 {
		more, _, err := in.srv.Identity().CreateApplication(ctx, TenantID, "more")
		must(err)
		want = append(want, more.ClientID)
	}
	var listed []string
	for a, err := range dir.ListApplications(ctx) {
		must(err)
		listed = append(listed, a.AppID)
	}
	slices.Sort(want)
	if !slices.Equal(listed, want) {
		t.Errorf("listed %d of %d", len(listed), len(want))
	}

	// A deleted application does not come back by asking for a token.
	must(dir.DeleteApplication(ctx, app.AppID))
	refusedWith(t, "a deleted application", use(second.SecretText), 400, "AADSTS700016")
	if err := dir.DeleteApplication(ctx, app.AppID); !management.IsNotFound(err) {
		t.Errorf("deleted twice: %v", err)
	}
}

// The managed identity of a virtual machine is there only if it was asked for.
func TestInstanceMetadata(t *testing.T) {
	t.Parallel()
	const variable = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
	parent := []string{variable + "=http://192.0.2.1"}
	for _, asked := range []bool{false, true} {
		in := start(t, Options{IMDS: asked, Environ: parent})
		value := ""
		for _, entry := range in.environment.Apply(parent) {
			if v, found := strings.CutPrefix(entry, variable+"="); found {
				value = v
			}
		}
		address := "http://" + hostOf(t, in.identityEndpoint)
		if want := map[bool]string{true: address}[asked]; value != want {
			t.Errorf("asked for %v: %s is %q, want %q", asked, variable, value, want)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			address+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Metadata", "true")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body struct {
			Access   string `json:"access_token"`
			ClientID string `json:"client_id"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		if given := resp.StatusCode == 200 && body.Access != "" && body.ClientID == ClientID; given != asked {
			t.Errorf("asked for %v: status %d, a token for %q", asked, resp.StatusCode, body.ClientID)
		}
	}
}
