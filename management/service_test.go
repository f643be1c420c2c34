package management_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/dataplane"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/mgmtplane"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/vault"
	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

// service is our own service, its two planes over a store in memory, as a
// transport. Its tokens are the scopes that they were asked for.
type service struct {
	hosts       httpx.Hosts
	management  http.Handler
	data        http.Handler
	resources   *resource.Service
	credentials int
}

func newService(t *testing.T) *service {
	t.Helper()
	must := func(err error) {
		if t.Helper(); err != nil {
			t.Fatal(err)
		}
	}
	store, err := pebble.OpenMemory()
	must(err)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	root, err := seal.EphemeralRoot()
	must(err)
	ring, err := seal.Open(t.Context(), store, root)
	must(err)
	logger := slog.New(slog.DiscardHandler)
	log := audit.New(audit.Config{Store: store, Sealer: ring.System(), Sink: audit.Discard{}, Now: time.Now, Logger: logger})
	cat := catalog.New(catalog.Config{Store: store, Keyring: ring})
	s := &service{hosts: httpx.Hosts{httpx.AzureRow()}}
	s.resources = resource.New(resource.Config{Store: store, Catalog: cat, Keyring: ring, Audit: log, Now: time.Now, Logger: logger})
	must(s.resources.Bootstrap(t.Context(), resource.Bootstrap{
		TenantID: tenantID, TenantDomain: "contoso.example", SubscriptionID: subscriptionID, SubscriptionName: "Test",
		OwnerObjectID: objectID, OwnerRoles: []string{access.RoleOwner},
	}))
	s.management = mgmtplane.New(mgmtplane.Config{Resources: s.resources, Verify: verifyFor("https://management.core.windows.net//.default"), Hosts: s.hosts, Logger: logger})
	s.data = dataplane.New(dataplane.Config{
		Vaults: vault.New(vault.Config{Store: store, Catalog: cat, Audit: log, Now: time.Now, Logger: logger}),
		Verify: verifyFor("https://vault.azure.net/.default"), Logger: logger,
	})
	return s
}

func verifyFor(scope string) func(context.Context, string) (access.Caller, error) {
	return func(_ context.Context, bearer string) (access.Caller, error) {
		if bearer != scope {
			return access.Caller{}, fault.New(fault.Unauthenticated, "Unauthorized", "AKV10022: Invalid audience.")
		}
		return access.Caller{TenantID: tenantID, ObjectID: objectID, AppID: "app", Issuer: "https://sts.windows.net/" + tenantID + "/"}, nil
	}
}

// Do sends a request to the plane that its host belongs to. What the service
// does in the background is done before, and its seconds are milliseconds.
func (s *service) Do(r *http.Request) (*http.Response, error) {
	if err := s.resources.RunJobs(r.Context()); err != nil {
		return nil, err
	}
	site, known := s.hosts.Lookup(r.URL.Host)
	plane := s.management
	if site.Vault != "" {
		plane = s.data
	}
	recorder := httptest.NewRecorder()
	if !known {
		recorder.WriteHeader(http.StatusMisdirectedRequest)
	} else {
		served := r.Clone(httpx.WithSite(r.Context(), site))
		if served.Host = r.URL.Host; served.Body == nil {
			served.Body = http.NoBody
		}
		served.RequestURI = r.URL.RequestURI()
		plane.ServeHTTP(recorder, served)
	}
	resp := recorder.Result()
	resp.Request = r
	if pace := resp.Header.Get("Retry-After"); pace != "" {
		resp.Header.Set("Retry-After-Ms", pace)
	}
	return resp, nil
}

// GetToken makes the service its own credential.
func (s *service) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	s.credentials++
	return azcore.AccessToken{Token: o.Scopes[0], ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (s *service) manager(t *testing.T) *management.Client {
	t.Helper()
	o := &management.ClientOptions{PollInterval: time.Second}
	o.Transport = s
	client, err := management.NewClient(subscriptionID, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (s *service) vault(t *testing.T, v *arm.Vault) *keyvault.Client {
	t.Helper()
	client, err := keyvault.NewClient(v.Properties.VaultURI, s, &keyvault.ClientOptions{ClientOptions: policy.ClientOptions{Transport: s}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// world is both clients of one fresh service, which is that of this repository,
// and a vault.
type world struct {
	*testing.T
	service *service
	manager *management.Client
	vault   *arm.Vault
	client  *keyvault.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := newService(t)
	w := &world{T: t, service: s, manager: s.manager(t)}
	_, err := w.manager.CreateOrUpdateGroup(t.Context(), "web", arm.ResourceGroup{Location: "eastus"})
	w.check("creating a group", err)
	w.vault, err = w.manager.CreateOrUpdateVault(t.Context(), "web", "contoso", management.VaultWithPolicies("eastus", tenantID,
		grant(arm.Permissions{Keys: []string{"create", "get"}, Secrets: []string{"set", "get", "list"}})))
	w.check("creating a vault", err)
	w.client = s.vault(t, w.vault)
	return w
}

func grant(permissions arm.Permissions) arm.AccessPolicyEntry {
	return arm.AccessPolicyEntry{TenantID: tenantID, ObjectID: objectID, Permissions: &permissions}
}

func (w *world) check(what string, err error) {
	if w.Helper(); err != nil {
		w.Fatalf("%s: %v", what, err)
	}
}

func (w *world) set(name, value string) {
	w.Helper()
	_, err := w.client.SetSecret(w.Context(), name, api.SecretSetParameters{Value: &value})
	w.check("setting a secret", err)
}

func TestServiceKeysAndSecrets(t *testing.T) {
	w := newWorld(t)
	if w.vault.Properties.VaultURI != "https://contoso.vault.azure.net/" || len(w.vault.Properties.AccessPolicies) != 1 {
		t.Errorf("the vault is %+v", w.vault.Properties)
	}
	key, err := w.client.CreateKey(t.Context(), "signing", api.KeyCreateParameters{Kty: api.KeyTypeEC})
	w.check("creating a key", err)
	again, err := w.client.GetKey(t.Context(), "signing", "")
	w.check("getting a key", err)
	if text(t, key) != text(t, again) || key.Key.Kty != api.KeyTypeEC || len(key.Key.X) != 32 {
		t.Errorf("a key was created as %s and read as %s", text(t, key), text(t, again))
	}
	var names []string
	for _, name := range []string{"b", "a", "c"} {
		w.set(name, "value of "+name)
	}
	for item, err := range w.client.ListSecrets(t.Context(), &keyvault.ListOptions{PageSize: 1}) {
		w.check("listing secrets", err)
		id, err := keyvault.ParseID(item.ID)
		w.check("reading an id", err)
		names = append(names, id.Name)
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("listed %q", names)
	}
	if w.service.credentials != 2 {
		t.Errorf("%d tokens were asked for, want one for each plane", w.service.credentials)
	}
}

func TestServiceGrantAndDeletion(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.set("a", "v")
	_, err := w.client.DeleteSecret(ctx, "a")
	if !keyvault.IsForbidden(err) || !strings.Contains(err.Error(), "does not have secrets delete permission on key vault 'contoso") {
		t.Errorf("deleting without permission: %v", err)
	}
	entries, err := w.manager.AddAccessPolicies(ctx, "web", "contoso", grant(arm.Permissions{Secrets: []string{"delete", "recover", "purge"}}))
	w.check("granting", err)
	if len(entries) != 1 || len(entries[0].Permissions.Secrets) != 6 {
		t.Errorf("the policies are %s", text(t, entries))
	}
	deleted, err := w.client.DeleteSecret(ctx, "a")
	w.check("deleting a secret", err)
	if deleted.RecoveryID != "https://contoso.vault.azure.net/deletedsecrets/a" || deleted.ScheduledPurgeDate == nil {
		t.Errorf("deleted %+v", deleted)
	}
	if _, err := w.client.SetSecret(ctx, "a", api.SecretSetParameters{Value: new(string)}); !keyvault.IsDeletedButRecoverable(err) {
		t.Errorf("setting a deleted secret: %v", err)
	}
	_, err = w.client.RecoverDeletedSecret(ctx, "a")
	w.check("recovering a secret", err)
	_, err = w.client.DeleteSecret(ctx, "a")
	w.check("deleting it again", err)
	w.check("purging a secret", w.client.PurgeDeletedSecret(ctx, "a"))
	if _, err := w.client.GetDeletedSecret(ctx, "a"); !keyvault.IsNotFound(err) {
		t.Errorf("getting a purged secret: %v", err)
	}
}

func TestServiceVaultLife(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.set("a", "still here")
	w.check("deleting the vault", w.manager.DeleteVault(ctx, "web", "contoso"))
	w.check("deleting it once more", w.manager.DeleteVault(ctx, "web", "contoso"))
	gone, err := w.manager.GetDeletedVault(ctx, "eastus", "contoso")
	w.check("getting the deleted vault", err)
	if gone.Properties.VaultID != w.vault.ID {
		t.Errorf("the deleted vault is %+v", gone.Properties)
	}
	if _, err := w.manager.CreateOrUpdateVault(ctx, "web", "contoso", management.VaultWithRoles("eastus", tenantID)); !management.IsConflict(err) {
		t.Errorf("creating a deleted vault: %v", err)
	}
	back, err := w.manager.RecoverDeletedVault(ctx, "web", "contoso", "eastus", tenantID)
	w.check("recovering the vault", err)
	if text(t, back.Properties.AccessPolicies) != text(t, w.vault.Properties.AccessPolicies) {
		t.Errorf("the vault came back as %+v", back.Properties)
	}
	secret, err := w.service.vault(t, back).GetSecret(ctx, "a", "")
	w.check("getting a secret of the recovered vault", err)
	if *secret.Value != "still here" {
		t.Errorf("the secret is %q", *secret.Value)
	}

	w.check("deleting the group", w.manager.DeleteGroup(ctx, "web"))
	if exists, err := w.manager.GroupExists(ctx, "web"); exists || err != nil {
		t.Errorf("the deleted group exists: %v, %v", exists, err)
	}
	w.check("purging the vault", w.manager.PurgeDeletedVault(ctx, "eastus", "contoso"))
	for v, err := range w.manager.ListDeletedVaults(ctx) {
		t.Errorf("after the purge: %v, %v", v.Name, err)
	}
	free, err := w.manager.CheckNameAvailability(ctx, "contoso")
	w.check("asking for the name", err)
	if !free.NameAvailable {
		t.Errorf("the name is not free: %+v", free)
	}
}

// A role works from the next request on, and until the one after it is taken away.
func TestServiceRoles(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	vault, err := w.manager.CreateOrUpdateVault(ctx, "web", "fabrikam", management.VaultWithRoles("eastus", tenantID))
	w.check("creating a vault", err)
	data := w.service.vault(t, vault)
	look := func() error {
		for _, err := range data.ListSecrets(ctx, nil) {
			return err
		}
		return nil
	}
	if err := look(); !keyvault.IsForbidden(err) {
		t.Errorf("before: %v", err)
	}
	var roles []arm.RoleDefinition
	for role, err := range w.manager.ListRoleDefinitions(ctx, vault.ID, "key vault secrets user") {
		w.check("listing roles", err)
		roles = append(roles, role)
	}
	if len(roles) != 1 || roles[0].Properties.RoleName != "Key Vault Secrets User" || len(roles[0].Properties.Permissions[0].DataActions) != 2 {
		t.Fatalf("roles %s", text(t, roles))
	}
	properties := arm.RoleAssignmentCreateProperties{RoleDefinitionID: roles[0].ID, PrincipalID: objectID}
	if _, err := w.manager.CreateRoleAssignment(ctx, vault.ID, "", properties); err == nil || !strings.Contains(err.Error(), "(PrincipalNotFound)") {
		t.Errorf("for somebody who is not known: %v", err)
	}
	properties.PrincipalType = "ServicePrincipal"
	assigned, err := w.manager.CreateRoleAssignment(ctx, vault.ID, "", properties)
	w.check("assigning a role", err)
	w.check("after", look())
	if _, err := w.manager.CreateRoleAssignment(ctx, vault.ID, "", properties); !management.IsConflict(err) {
		t.Errorf("once more: %v", err)
	}
	again, err := w.manager.GetRoleAssignment(ctx, assigned.ID)
	w.check("getting the assignment", err)
	if p := again.Properties; *p.CreatedBy != objectID || p.Scope != vault.ID || p.RoleDefinitionID != roles[0].ID || p.CreatedOn.IsZero() {
		t.Errorf("the assignment is %s", text(t, again))
	}
	var ids []string
	for a, err := range w.manager.ListRoleAssignments(ctx, vault.ID, management.RoleAssignmentFilter{PrincipalID: objectID}) {
		w.check("listing assignments", err)
		ids = append(ids, a.ID)
	}
	if len(ids) != 2 || !slices.Contains(ids, assigned.ID) {
		t.Errorf("listed %q", ids)
	}
	w.check("taking the role away", w.manager.DeleteRoleAssignment(ctx, assigned.ID))
	w.check("taking it away once more", w.manager.DeleteRoleAssignment(ctx, assigned.ID))
	if err := look(); !keyvault.IsForbidden(err) {
		t.Errorf("at last: %v", err)
	}
	role, err := w.manager.GetRoleDefinition(ctx, roles[0].ID)
	w.check("getting a role", err)
	if text(t, role) != text(t, roles[0]) {
		t.Errorf("the role is %s", text(t, role))
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
