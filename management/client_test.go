package management

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// requestTest is an operation with the request that it sends and the answer that it
// returns. A name is that of the operation and, after a blank, of the case.
type requestTest struct {
	name              string
	call              func(context.Context, *Client) (any, error)
	method, uri, body string
	statuses          []int
	answer            string
	want              string // what is returned; empty is the answer
}

func testRequests(t *testing.T, tests []requestTest) {
	f, client := newFake(t)
	for _, tt := range tests {
		for _, status := range append(tt.statuses, http.StatusForbidden) {
			t.Run(tt.name, func(t *testing.T) {
				f.t, f.requests = t, nil
				f.then(answer(status, tt.answer, "x-ms-request-id", "request-1"))
				got, err := tt.call(t.Context(), client)
				want := request{tt.method, tt.uri, tt.body, "Bearer token"}
				if !slices.Equal(f.requests, []request{want}) {
					t.Errorf("sent %+v, want %+v", f.requests, want)
				}
				if status == http.StatusForbidden {
					operation, _, _ := strings.Cut(tt.name, " ")
					var refusal *Error
					if !errors.As(err, &refusal) || refusal.Operation != operation || refusal.StatusCode != 403 || refusal.RequestID != "request-1" {
						t.Errorf("with status 403: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				text := tt.want
				if text == "" {
					text = tt.answer
				}
				if text != "" && mustJSON(t, got) != text {
					t.Errorf("returned %s, want %s", mustJSON(t, got), text)
				}
			})
		}
	}
}

// TestRequests holds every operation against the request that it sends and the
// answer that it returns.
func TestRequests(t *testing.T) {
	const keyVault, resources, subscriptions = "?api-version=" + arm.KeyVaultLatest, "?api-version=" + arm.ResourcesLatest, "?api-version=" + arm.SubscriptionsLatest
	const assignments, authorization = "/providers/Microsoft.Authorization/roleAssignments", "?api-version=" + arm.AuthorizationLatest
	const policies = `{"properties":{"accessPolicies":[{"tenantId":"t","objectId":"o","permissions":{"keys":["all"]}}]}}`
	entry := arm.AccessPolicyEntry{TenantID: "t", ObjectID: "o", Permissions: &arm.Permissions{Keys: []string{arm.PermissionAll}}}
	testRequests(t, []requestTest{
		{"CreateOrUpdateVault", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateOrUpdateVault(ctx, "g", "v", VaultWithPolicies("eastus", "t", entry))
		}, "PUT", aVaultPath + keyVault, `{"location":"eastus","properties":{"sku":{"family":"A","name":"standard"},"tenantId":"t","accessPolicies":[{"tenantId":"t","objectId":"o","permissions":{"keys":["all"]}}],"enableRbacAuthorization":false}}`, []int{200}, aVault, ""},
		{"CreateOrUpdateVault with roles", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateOrUpdateVault(ctx, "g", "v", VaultWithRoles("eastus", "t"))
		}, "PUT", aVaultPath + keyVault, `{"location":"eastus","properties":{"sku":{"family":"A","name":"standard"},"tenantId":"t","accessPolicies":[],"enableRbacAuthorization":true}}`, []int{200, 201}, aVault, ""},
		{"UpdateVault", func(ctx context.Context, c *Client) (any, error) {
			return c.UpdateVault(ctx, "g", "v", arm.VaultPatchParameters{Tags: map[string]string{"a": "b"}})
		}, "PATCH", aVaultPath + keyVault, `{"tags":{"a":"b"}}`, []int{200, 201}, aVault, ""},
		{"GetVault", func(ctx context.Context, c *Client) (any, error) { return c.GetVault(ctx, "g", "v") },
			"GET", aVaultPath + keyVault, "", []int{200}, aVault, ""},
		{"DeleteVault", func(ctx context.Context, c *Client) (any, error) { return nil, c.DeleteVault(ctx, "g", "v") },
			"DELETE", aVaultPath + keyVault, "", []int{200, 204}, "", ""},
		{"RecoverDeletedVault", func(ctx context.Context, c *Client) (any, error) {
			return c.RecoverDeletedVault(ctx, "g", "v", "eastus", "t")
		}, "PUT", aVaultPath + keyVault, `{"location":"eastus","properties":{"sku":{"family":"A","name":"standard"},"tenantId":"t","createMode":"recover"}}`, []int{200, 201}, aVault, ""},
		{"GetDeletedVault", func(ctx context.Context, c *Client) (any, error) { return c.GetDeletedVault(ctx, "eastus", "v") },
			"GET", inProvider + "/locations/eastus/deletedVaults/v" + keyVault, "", []int{200}, `{"name":"v","properties":{"vaultId":"i","deletionDate":"2026-11-24T10:00:00Z"}}`, ""},
		{"PurgeDeletedVault", func(ctx context.Context, c *Client) (any, error) {
			return nil, c.PurgeDeletedVault(ctx, "eastus", "v")
		}, "POST", inProvider + "/locations/eastus/deletedVaults/v/purge" + keyVault, "", []int{200, 204}, "", ""},
		{"AddAccessPolicies", func(ctx context.Context, c *Client) (any, error) { return c.AddAccessPolicies(ctx, "g", "v", entry) },
			"PUT", aVaultPath + "/accessPolicies/add" + keyVault, policies, []int{200, 201}, `{"properties":{"accessPolicies":[{"objectId":"p"}]}}`, `[{"objectId":"p"}]`},
		{"ReplaceAccessPolicies", func(ctx context.Context, c *Client) (any, error) {
			return c.ReplaceAccessPolicies(ctx, "g", "v", entry)
		}, "PUT", aVaultPath + "/accessPolicies/replace" + keyVault, policies, []int{200, 201}, policies, `[{"tenantId":"t","objectId":"o","permissions":{"keys":["all"]}}]`},
		{"RemoveAccessPolicies", func(ctx context.Context, c *Client) (any, error) { return c.RemoveAccessPolicies(ctx, "g", "v") },
			"PUT", aVaultPath + "/accessPolicies/remove" + keyVault, `{"properties":{"accessPolicies":[]}}`, []int{200, 201}, `{}`, `null`},
		{"CheckNameAvailability", func(ctx context.Context, c *Client) (any, error) { return c.CheckNameAvailability(ctx, "v") },
			"POST", inProvider + "/checkNameAvailability" + keyVault, `{"name":"v","type":"Microsoft.KeyVault/vaults"}`, []int{200}, `{"nameAvailable":false,"reason":"AlreadyExists","message":"m"}`, ""},
		{"CreateOrUpdateGroup", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateOrUpdateGroup(ctx, "a (b)", arm.ResourceGroup{ID: "i", Name: "n", Location: "eastus", Tags: map[string]string{}})
		}, "PUT", inSub + "/resourcegroups/a%20%28b%29" + resources, `{"location":"eastus","tags":{}}`, []int{200, 201}, `{"id":"i","name":"g","location":"eastus"}`, ""},
		{"GetGroup", func(ctx context.Context, c *Client) (any, error) { return c.GetGroup(ctx, "g") },
			"GET", inSub + "/resourcegroups/g" + resources, "", []int{200}, `{"name":"g"}`, ""},
		{"GroupExists", func(ctx context.Context, c *Client) (any, error) { return c.GroupExists(ctx, "g") },
			"HEAD", inSub + "/resourcegroups/g" + resources, "", []int{204}, "", "true"},
		{"DeleteGroup", func(ctx context.Context, c *Client) (any, error) { return nil, c.DeleteGroup(ctx, "g") },
			"DELETE", inSub + "/resourcegroups/g" + resources, "", []int{200, 204}, "", ""},
		{"CreateRoleAssignment", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateRoleAssignment(ctx, aVaultPath+"/", "n", arm.RoleAssignmentCreateProperties{RoleDefinitionID: "r", PrincipalID: "p", PrincipalType: "Group"})
		}, "PUT", aVaultPath + assignments + "/n" + authorization, `{"properties":{"roleDefinitionId":"r","principalId":"p","principalType":"Group"}}`, []int{200, 201},
			`{"id":"i","name":"n"}`, ""},
		{"CreateRoleAssignment of the tenant", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateRoleAssignment(ctx, "/", "n", arm.RoleAssignmentCreateProperties{RoleDefinitionID: "r", PrincipalID: "p"})
		}, "PUT", assignments + "/n" + authorization, `{"properties":{"roleDefinitionId":"r","principalId":"p"}}`, []int{200, 201}, `{"id":"i","name":"n"}`, ""},
		{"GetRoleAssignment", func(ctx context.Context, c *Client) (any, error) {
			return c.GetRoleAssignment(ctx, inSub+assignments+"/n")
		},
			"GET", inSub + assignments + "/n" + authorization, "", []int{200}, `{"id":"i","name":"n"}`, ""},
		{"DeleteRoleAssignment", func(ctx context.Context, c *Client) (any, error) {
			return nil, c.DeleteRoleAssignment(ctx, inSub+assignments+"/n")
		},
			"DELETE", inSub + assignments + "/n" + authorization, "", []int{200, 204}, "", ""},
		{"GetRoleDefinition", func(ctx context.Context, c *Client) (any, error) {
			return c.GetRoleDefinition(ctx, "/providers/Microsoft.Authorization/roleDefinitions/r")
		},
			"GET", "/providers/Microsoft.Authorization/roleDefinitions/r" + authorization, "", []int{200}, `{"id":"i","name":"r"}`, ""},
		{"GetSubscription", func(ctx context.Context, c *Client) (any, error) { return c.GetSubscription(ctx) },
			"GET", inSub + subscriptions, "", []int{200}, `{"id":"i","subscriptionId":"s","tenantId":"t"}`, ""},
		{"GetProvider", func(ctx context.Context, c *Client) (any, error) { return c.GetProvider(ctx, arm.KeyVaultNamespace) },
			"GET", inProvider + resources, "", []int{200}, `{"namespace":"Microsoft.KeyVault","registrationState":"Registered"}`, ""},
		{"RegisterProvider", func(ctx context.Context, c *Client) (any, error) {
			return c.RegisterProvider(ctx, arm.KeyVaultNamespace)
		}, "POST", inProvider + "/register" + resources, "", []int{200}, `{"namespace":"Microsoft.KeyVault","registrationState":"Registering"}`, ""},
	})
}

func TestGroupExistsNot(t *testing.T) {
	f, client := newFake(t)
	f.then(answer(404, ""), answer(500, ""))
	if exists, err := client.GroupExists(t.Context(), "g"); exists || err != nil {
		t.Errorf("with status 404: %v, %v", exists, err)
	}
	if exists, err := client.GroupExists(t.Context(), "g"); exists || err == nil {
		t.Errorf("with status 500: %v, %v", exists, err)
	}
}

// TestNoSuchAddress checks that names which would address something else are
// refused before anything is sent.
func TestNoSuchAddress(t *testing.T) {
	_, client := newFake(t) // any request fails the test
	ctx := t.Context()
	for _, name := range []string{"", ".", ".."} {
		_, get := client.GetVault(ctx, name, "v")
		_, put := client.CreateOrUpdateVault(ctx, "g", name, arm.VaultCreateOrUpdateParameters{})
		_, deleted := client.GetDeletedVault(ctx, name, "v")
		var list error
		for _, list = range client.ListVaultsByGroup(ctx, name) {
		}
		_, assigned := client.CreateRoleAssignment(ctx, "/subscriptions/s/"+name+"/x", "n", arm.RoleAssignmentCreateProperties{})
		_, assignment := client.GetRoleAssignment(ctx, name)
		_, definition := client.GetRoleDefinition(ctx, name)
		for i, err := range []error{get, put, deleted, list, assigned, assignment, definition, client.DeleteRoleAssignment(ctx, name), client.DeleteVault(ctx, "g", name), client.DeleteGroup(ctx, name)} {
			if err == nil {
				t.Errorf("%q was accepted by call %d", name, i)
			}
		}
	}
	client.subscription = ""
	if err := client.DeleteGroup(ctx, "g"); err == nil {
		t.Error("a group of no subscription was deleted")
	}
}

func TestNewClient(t *testing.T) {
	f := &fakeManager{t: t}
	for name, change := range map[string]func(*ClientOptions){
		"http": func(o *ClientOptions) {
			o.Cloud.Services[cloud.ResourceManager] = cloud.ServiceConfiguration{Endpoint: "http://management.example.com", Audience: "a"}
		},
		"no URL": func(o *ClientOptions) {
			o.Cloud.Services[cloud.ResourceManager] = cloud.ServiceConfiguration{Endpoint: "management.example.com", Audience: "a"}
		},
		"no audience": func(o *ClientOptions) {
			o.Cloud.Services[cloud.ResourceManager] = cloud.ServiceConfiguration{Endpoint: endpoint}
		},
		"no Resource Manager": func(o *ClientOptions) { o.Cloud.Services = nil },
		"a busy loop":         func(o *ClientOptions) { o.PollInterval = time.Millisecond },
		"the past":            func(o *ClientOptions) { o.PollInterval = -time.Second },
	} {
		options := f.options(f)
		change(options)
		if _, err := NewClient(subscription, &fakeCredential{}, options); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := NewClient(subscription, nil, nil); err == nil {
		t.Error("a nil credential was accepted")
	}
	client, err := NewClient(subscription, &fakeCredential{}, nil)
	if err != nil || client.endpoint != "https://management.azure.com" || client.SubscriptionID() != subscription {
		t.Errorf("with the defaults: %+v, %v", client, err)
	}
}

// TestScopeAndVersion checks that the cloud decides what token is asked for, and
// that a chosen version concerns the Key Vault provider alone.
func TestScopeAndVersion(t *testing.T) {
	f := &fakeManager{t: t}
	cred, options := &fakeCredential{}, f.options(f)
	options.APIVersion = "2016-10-01"
	client := newTestClient(t, cred, options)
	f.then(answer(200, aVault), answer(200, `{}`))
	if _, err := client.GetVault(t.Context(), "g", "v"); err != nil {
		t.Error(err)
	}
	if _, err := client.GetGroup(t.Context(), "g"); err != nil {
		t.Error(err)
	}
	want := []string{"GET " + aVaultPath + "?api-version=2016-10-01", "GET " + inSub + "/resourcegroups/g?api-version=" + arm.ResourcesLatest}
	if seen := f.seen(); !slices.Equal(seen, want) {
		t.Errorf("asked for %q", seen)
	}
	if !slices.Equal(cred.scopes, []string{"https://audience.example.com/.default"}) {
		t.Errorf("asked the credential for %q", cred.scopes)
	}
	if options.APIVersion != "2016-10-01" || options.Transport != f {
		t.Error("the caller's options were changed")
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   Error
		text   string
	}{
		{"wrapped", 409, `{"error":{"code":"ConflictError","message":"A vault\r\nexists.","target":"v","details":[{"code":"d","message":"e"}]}}`,
			Error{Code: arm.CodeConflictError, Message: "A vault\r\nexists.", Target: "v", Details: []arm.ErrorDetail{{Code: "d", Message: "e"}}},
			"management: GetVault: 409 Conflict (ConflictError): A vault exists."},
		{"bare", 404, `{"code":"ResourceNotFound","message":"m"}`, Error{Code: arm.CodeResourceNotFound, Message: "m"}, "management: GetVault: 404 Not Found (ResourceNotFound): m"},
		{"forbidden", 403, `{"error":{"code":"AuthorizationFailed","message":"m"}}`, Error{Code: arm.CodeAuthorizationFailed, Message: "m"}, "management: GetVault: 403 Forbidden (AuthorizationFailed): m"},
		{"no belief", 401, `{"error":{"code":"InvalidAuthenticationToken","message":"m"}}`, Error{Code: arm.CodeInvalidAuthenticationToken, Message: "m"}, "management: GetVault: 401 Unauthorized (InvalidAuthenticationToken): m"},
		{"empty", 400, ``, Error{}, "management: GetVault: 400 Bad Request"},
		{"a proxy's page", 421, `<html>`, Error{}, "management: GetVault: 421 Misdirected Request"},
	}
	f, client := newFake(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.t = t
			f.then(answer(tt.status, tt.body))
			_, err := client.GetVault(t.Context(), "g", "v")
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("the error is a %T: %v", err, err)
			}
			if got.Code != tt.want.Code || got.Message != tt.want.Message || got.Target != tt.want.Target || mustJSON(t, got.Details) != mustJSON(t, tt.want.Details) || got.StatusCode != tt.status {
				t.Errorf("got %+v", got)
			}
			if err.Error() != tt.text {
				t.Errorf("it says %q, want %q", err, tt.text)
			}
			var response *azcore.ResponseError
			if !errors.As(err, &response) || response.StatusCode != tt.status {
				t.Errorf("it wraps %+v", response)
			}
			if IsConflict(err) != (tt.status == 409) || IsNotFound(err) != (tt.status == 404) || IsForbidden(err) != (tt.status == 403) || IsUnauthorized(err) != (tt.status == 401) {
				t.Error("it is taken for another")
			}
		})
	}
	if IsNotFound(nil) || IsConflict(errors.New("409")) {
		t.Error("an error that is not the service's was recognised")
	}
}

func TestBrokenAnswers(t *testing.T) {
	f, client := newFake(t)
	for _, body := range []string{``, `{`, `[]`, `{"location":7}`} {
		f.then(answer(200, body))
		if v, err := client.GetVault(t.Context(), "g", "v"); err == nil || v != nil {
			t.Errorf("%q: %v, %v", body, v, err)
		}
	}
	for _, body := range []string{``, `{}`, `null`, `{"properties":null}`, `{"properties":{"sku":7}}`} {
		f.then(answer(200, body))
		if v, err := client.CreateOrUpdateVault(t.Context(), "g", "v", arm.VaultCreateOrUpdateParameters{}); err == nil || v != nil {
			t.Errorf("created with %q: %v, %v", body, v, err)
		}
	}
}

// TestRegistration checks that a subscription that has never had a vault is
// registered on the way.
func TestRegistration(t *testing.T) {
	f, client := newFake(t)
	f.then(
		answer(409, `{"error":{"code":"MissingSubscriptionRegistration","message":"m"}}`),
		answer(200, `{"registrationState":"Registering"}`),
		answer(200, `{"registrationState":"Registered"}`),
		answer(200, aVault),
	)
	if _, err := client.CreateOrUpdateVault(t.Context(), "g", "v", VaultWithRoles("eastus", "t")); err != nil {
		t.Fatal(err)
	}
	f.wantSeen("PUT "+aVaultPath, "POST "+inProvider+"/register", "GET "+inProvider, "PUT "+aVaultPath)
}

func TestPermissions(t *testing.T) {
	if got := mustJSON(t, AllPermissions()); got != `{"keys":["all"],"secrets":["all"],"certificates":["all"],"storage":["all"]}` {
		t.Errorf("all permissions are %s", got)
	}
	entries := []arm.AccessPolicyEntry{{ObjectID: "o"}}
	spec := VaultWithPolicies("l", "t", entries...)
	spec.Properties.AccessPolicies[0].ObjectID = "changed"
	if entries[0].ObjectID != "o" {
		t.Error("the parameters share memory with the caller's entries")
	}
}
