// Create_vault creates a vault in a resource group that exists, and grants one
// object every permission on its keys and secrets:
//
//	create_vault GROUP VAULT OBJECT_ID
//
// OBJECT_ID is that of a user, a group or an application's service principal;
// the portal shows it. The credential, the tenant and the subscription are read
// from AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and
// AZURE_SUBSCRIPTION_ID.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: create_vault GROUP VAULT OBJECT_ID")
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, group, name, objectID string) error {
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return err
	}
	client, err := management.NewClient(os.Getenv("AZURE_SUBSCRIPTION_ID"), cred, nil)
	if err != nil {
		return err
	}
	tenant := os.Getenv("AZURE_TENANT_ID")
	vault, err := client.CreateOrUpdateVault(ctx, group, name, management.VaultWithPolicies("eastus", tenant,
		arm.AccessPolicyEntry{
			TenantID: tenant,
			ObjectID: objectID,
			Permissions: &arm.Permissions{
				Keys:    []string{arm.PermissionAll},
				Secrets: []string{arm.PermissionAll},
			},
		}))
	if err != nil {
		return err
	}
	fmt.Println(vault.Properties.VaultURI)
	return nil
}
