// Quickstart makes a vault that one application may use, and uses it: a key, a
// secret, a call that the vault refuses, and the grant that permits it.
//
// It reads its credential, tenant and subscription from the environment, like
// any program for Azure: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET,
// AZURE_SUBSCRIPTION_ID, and AZURE_CLIENT_OID, the object id of the application,
// to which access is granted. What it makes stays; delete the group "quickstart"
// to be rid of it.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

const (
	group    = "quickstart"
	location = "eastus"
)

func main() {
	log.SetFlags(0)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return err
	}
	manager, err := management.NewClient(os.Getenv("AZURE_SUBSCRIPTION_ID"), cred, nil)
	if err != nil {
		return err
	}
	vault, err := createVault(ctx, manager)
	if err != nil {
		return err
	}
	fmt.Println("vault: ", vault.Properties.VaultURI)

	client, err := keyvault.NewClient(vault.Properties.VaultURI, cred, nil)
	if err != nil {
		return err
	}
	if err := useKey(ctx, client); err != nil {
		return err
	}
	if err := useSecret(ctx, client); err != nil {
		return err
	}

	_, err = client.DeleteSecret(ctx, "database-password")
	if !keyvault.IsForbidden(err) {
		return fmt.Errorf("deleting the secret was not refused as it should be: %v", err)
	}
	fmt.Println("refused:", err)
	if _, err := manager.AddAccessPolicies(ctx, group, vault.Name, grant(&arm.Permissions{Secrets: []string{"delete"}})); err != nil {
		return err
	}
	// Azure may take a minute until every server knows of a grant.
	for {
		_, err := client.DeleteSecret(ctx, "database-password")
		if !keyvault.IsForbidden(err) {
			fmt.Println("granted: the secret is deleted")
			return err
		}
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// createVault makes a resource group and, in it, a vault whose only access
// policy lets the application create and read, but not delete.
func createVault(ctx context.Context, manager *management.Client) (*arm.Vault, error) {
	if _, err := manager.CreateOrUpdateGroup(ctx, group, arm.ResourceGroup{Location: location}); err != nil {
		return nil, err
	}
	// Names of vaults are unique in all of Azure.
	name := "quick-" + strings.ToLower(rand.Text()[:10])
	return manager.CreateOrUpdateVault(ctx, group, name, management.VaultWithPolicies(
		location, os.Getenv("AZURE_TENANT_ID"), grant(&arm.Permissions{
			Keys:    []string{"create", "get", "list"},
			Secrets: []string{"set", "get", "list"},
		})))
}

func grant(permissions *arm.Permissions) arm.AccessPolicyEntry {
	return arm.AccessPolicyEntry{
		TenantID:    os.Getenv("AZURE_TENANT_ID"),
		ObjectID:    os.Getenv("AZURE_CLIENT_OID"),
		Permissions: permissions,
	}
}

// useKey creates an RSA key in the vault and prints its public part, the only
// one that ever leaves it, as a JSON Web Key.
func useKey(ctx context.Context, client *keyvault.Client) error {
	key, err := client.CreateKey(ctx, "signing", api.KeyCreateParameters{Kty: api.KeyTypeRSA})
	if err != nil {
		return err
	}
	jwk, err := json.MarshalIndent(key.Key, "", "  ")
	if err != nil {
		return err
	}
	fmt.Printf("key:     %s\n", jwk)
	return nil
}

// useSecret stores a secret and reads it back.
func useSecret(ctx context.Context, client *keyvault.Client) error {
	value := "correct horse battery staple"
	if _, err := client.SetSecret(ctx, "database-password", api.SecretSetParameters{Value: &value}); err != nil {
		return err
	}
	secret, err := client.GetSecret(ctx, "database-password", "")
	if err != nil {
		return err
	}
	fmt.Println("secret: ", *secret.Value)
	return nil
}
