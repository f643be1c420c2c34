package mgmtplane

import (
	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// providerOperations are the actions of the Key Vault provider that roles can
// grant here: name, what it is about, and what it does.
var providerOperations = []struct{ name, about, does string }{
	{"Microsoft.KeyVault/register/action", "Subscription", "Register a subscription with the provider"},
	{"Microsoft.KeyVault/vaults/read", "Key Vault", "View the properties of a key vault"},
	{"Microsoft.KeyVault/vaults/write", "Key Vault", "Create a key vault or update its properties"},
	{"Microsoft.KeyVault/vaults/delete", "Key Vault", "Delete a key vault"},
	{"Microsoft.KeyVault/vaults/deploy/action", "Key Vault", "Use secrets of a key vault in deployments"},
	{"Microsoft.KeyVault/vaults/accessPolicies/write", "Key Vault access policies", "Merge, replace or remove access policies"},
	{"Microsoft.KeyVault/deletedVaults/read", "Deleted key vaults", "View the properties of deleted key vaults"},
	{"Microsoft.KeyVault/locations/deletedVaults/read", "Deleted key vaults", "View the properties of a deleted key vault"},
	{"Microsoft.KeyVault/locations/deletedVaults/purge/action", "Deleted key vaults", "Purge a deleted key vault"},
	{"Microsoft.KeyVault/locations/operationResults/read", "Operation result", "Read the result of a long operation"},
	{"Microsoft.KeyVault/checkNameAvailability/read", "Key Vault name", "Check whether the name of a key vault is free"},
	{"Microsoft.KeyVault/managedHSMs/read", "Managed HSM", "View the properties of a managed HSM"},
	{"Microsoft.KeyVault/managedHSMs/write", "Managed HSM", "Create a managed HSM or update its properties"},
	{"Microsoft.KeyVault/managedHSMs/delete", "Managed HSM", "Delete a managed HSM"},
	{"Microsoft.KeyVault/deletedManagedHsms/read", "Deleted managed HSMs", "View the properties of deleted managed HSMs"},
	{"Microsoft.KeyVault/locations/deletedManagedHsms/read", "Deleted managed HSMs", "View the properties of a deleted managed HSM"},
	{"Microsoft.KeyVault/locations/deletedManagedHsms/purge/action", "Deleted managed HSMs", "Purge a deleted managed HSM"},
	{"Microsoft.KeyVault/checkMhsmNameAvailability/read", "Managed HSM name", "Check whether the name of a managed HSM is free"},
	{"Microsoft.KeyVault/operations/read", "Operations", "List the operations of the provider"},
}

// listOperations answers any caller: what a provider can do is no secret.
func (p *plane) listOperations(x *httpx.Exchange) error {
	return replyAll(x, providerOperations, nil, func(o struct{ name, about, does string }) arm.Operation {
		return arm.Operation{
			Name: o.name, Origin: "user",
			Display: &arm.OperationDisplay{
				Provider: "Microsoft Key Vault", Resource: o.about, Operation: o.does, Description: o.does,
			},
		}
	})
}
