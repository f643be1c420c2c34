package management_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

const (
	subscriptionID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
	tenantID       = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	objectID       = "c8b8e9a1-0b6e-4d4e-9a77-0f6a0e6d2f11"
)

// The Resource Manager that the examples use. Programs for Azure need none of
// this: they leave the options nil.
var (
	server  = httptest.NewTLSServer(new(toyManager))
	options = func() *management.ClientOptions {
		o := &management.ClientOptions{}
		o.Transport = server.Client()
		o.Cloud = cloud.Configuration{
			ActiveDirectoryAuthorityHost: "https://login.example.com/",
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: "https://management.example.com", Audience: "https://management.example.com"},
			},
		}
		return o
	}()
	// With azidentity: cred, err := azidentity.NewDefaultAzureCredential(nil)
	cred azcore.TokenCredential = exampleCredential{}
)

// A vault belongs to a resource group. Its access policies say who may do what
// with its keys and secrets.
func ExampleClient_CreateOrUpdateVault() {
	ctx := context.Background()
	client, err := management.NewClient(subscriptionID, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.CreateOrUpdateGroup(ctx, "web", arm.ResourceGroup{Location: "eastus"}); err != nil {
		log.Fatal(err)
	}
	vault, err := client.CreateOrUpdateVault(ctx, "web", "contoso", management.VaultWithPolicies(
		"eastus", tenantID, arm.AccessPolicyEntry{
			TenantID: tenantID,
			ObjectID: objectID,
			Permissions: &arm.Permissions{
				Keys:    []string{arm.PermissionAll},
				Secrets: []string{"get", "list"},
			},
		}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(vault.Properties.VaultURI)
	// Output:
	// https://contoso.vault.example.com/
}

// Permissions are added to what an object has already.
func ExampleClient_AddAccessPolicies() {
	client, err := management.NewClient(subscriptionID, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	entries, err := client.AddAccessPolicies(context.Background(), "web", "contoso", arm.AccessPolicyEntry{
		TenantID: tenantID, ObjectID: objectID, Permissions: &arm.Permissions{Secrets: []string{"set"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, entry := range entries {
		fmt.Println(entry.ObjectID, entry.Permissions.Secrets)
	}
	// Output:
	// c8b8e9a1-0b6e-4d4e-9a77-0f6a0e6d2f11 [get list set]
}

// A vault that decides by role assignments lets nobody in before there is one. It
// holds on the vault and all that is in it.
func ExampleClient_CreateRoleAssignment() {
	ctx := context.Background()
	client, err := management.NewClient(subscriptionID, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	scope := "/subscriptions/" + subscriptionID + "/resourceGroups/web/providers/Microsoft.KeyVault/vaults/contoso"
	for role, err := range client.ListRoleDefinitions(ctx, scope, "Key Vault Secrets User") {
		if err != nil {
			log.Fatal(err)
		}
		assignment, err := client.CreateRoleAssignment(ctx, scope, "", arm.RoleAssignmentCreateProperties{
			RoleDefinitionID: role.ID, PrincipalID: objectID, PrincipalType: "ServicePrincipal",
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(role.Properties.RoleName, "for", assignment.Properties.PrincipalID)
	}
	// Output:
	// Key Vault Secrets User for c8b8e9a1-0b6e-4d4e-9a77-0f6a0e6d2f11
}

func ExampleClient_ListVaults() {
	client, err := management.NewClient(subscriptionID, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	for vault, err := range client.ListVaults(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(vault.Name, vault.Location)
	}
	// Output:
	// contoso eastus
	// fabrikam westeurope
}

// A deleted vault keeps its name until it is recovered or purged.
func ExampleClient_RecoverDeletedVault() {
	ctx := context.Background()
	client, err := management.NewClient(subscriptionID, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.CreateOrUpdateVault(ctx, "web", "fabrikam", management.VaultWithRoles("westeurope", tenantID))
	if !management.IsConflict(err) {
		log.Fatal(err)
	}
	fmt.Println(err)
	vault, err := client.RecoverDeletedVault(ctx, "web", "fabrikam", "westeurope", tenantID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(vault.Properties.VaultURI)
	// Output:
	// management: CreateOrUpdateVault: 409 Conflict (ConflictError): A deleted vault has this name.
	// https://fabrikam.vault.example.com/
}

type exampleCredential struct{}

func (exampleCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// toyManager answers what the examples ask.
type toyManager struct{}

func (toyManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		log.Fatal(err)
	}
	const vaults = "/providers/Microsoft.KeyVault/vaults"
	switch path := strings.TrimPrefix(r.URL.Path, "/subscriptions/"+subscriptionID); {
	case path == "/resourcegroups/web":
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"name":"web","location":"eastus"}`)
	case strings.HasSuffix(path, "/roleDefinitions"):
		fmt.Fprint(w, `{"value":[{"id":"/providers/Microsoft.Authorization/roleDefinitions/4633458b-17de-408a-b874-0445c86b69e6","properties":{"roleName":"Key Vault Secrets User"}}]}`)
	case strings.Contains(path, "/roleAssignments/"):
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"properties":{"principalId":%q}}`, objectID)
	case path == vaults:
		fmt.Fprint(w, `{"value":[{"name":"contoso","location":"eastus"},{"name":"fabrikam","location":"westeurope"}]}`)
	case path == "/resourceGroups/web"+vaults+"/contoso/accessPolicies/add":
		fmt.Fprintf(w, `{"properties":{"accessPolicies":[{"objectId":%q,"permissions":{"secrets":["get","list","set"]}}]}}`, objectID)
	case path == "/resourceGroups/web"+vaults+"/fabrikam" && !strings.Contains(string(body), "recover"):
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"error":{"code":"ConflictError","message":"A deleted vault has this name."}}`)
	default:
		name := path[strings.LastIndex(path, "/")+1:]
		fmt.Fprintf(w, `{"name":%q,"properties":{"vaultUri":"https://%s.vault.example.com/","provisioningState":"Succeeded"}}`, name, name)
	}
}
