// Get_key prints a key of a vault as a JSON Web Key:
//
//	get_key https://NAME.vault.azure.net KEY [VERSION]
//
// The token comes from a function that is told what the vault's challenge says,
// as in programs for the client libraries of 2018. The credential is that of
// AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/keyvault"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 && len(os.Args) != 4 {
		log.Fatal("usage: get_key VAULT_URL KEY [VERSION]")
	}
	version := ""
	if len(os.Args) == 4 {
		version = os.Args[3]
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], version); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, vaultURL, name, version string) error {
	tenant := os.Getenv("AZURE_TENANT_ID")
	cred, err := azidentity.NewClientSecretCredential(
		tenant, os.Getenv("AZURE_CLIENT_ID"), os.Getenv("AZURE_CLIENT_SECRET"), nil)
	if err != nil {
		return err
	}
	authenticate := func(ctx context.Context, authority, resource, scope string) (string, string, error) {
		if !strings.HasSuffix(authority, "/"+tenant) {
			return "", "", fmt.Errorf("the vault belongs to another tenant: %s", authority)
		}
		token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{resource + "/.default"}})
		return "Bearer", token.Token, err
	}
	client, err := keyvault.NewClient(vaultURL, keyvault.CallbackCredential(authenticate), nil)
	if err != nil {
		return err
	}
	bundle, err := client.GetKey(ctx, name, version)
	if err != nil {
		return err
	}
	jwk, err := json.MarshalIndent(bundle.Key, "", "  ")
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", jwk)
	return nil
}
