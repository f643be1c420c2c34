package mgmtplane

import (
	"net/http"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// operation is a route and the api-versions that it has.
type operation struct {
	httpx.Route
	family *family
}

// Limits of bodies. The largest is a vault with as many access policies as it
// may have.
const (
	maxVaultBody = 2 << 20
	maxBody      = 256 << 10
)

const (
	subscriptionPath = "/subscriptions/{subscription}"
	groupPath        = subscriptionPath + "/resourceGroups/{group}"
	keyVaultPath     = subscriptionPath + "/providers/Microsoft.KeyVault"
	vaultsPath       = groupPath + "/providers/Microsoft.KeyVault/vaults"
	vaultPath        = vaultsPath + "/{vault}"
	deletedPath      = keyVaultPath + "/locations/{location}/deletedVaults/{vault}"
	hsmsPath         = groupPath + "/providers/Microsoft.KeyVault/managedHSMs"
	hsmPath          = hsmsPath + "/{hsm}"
	deletedHSMPath   = keyVaultPath + "/locations/{location}/deletedManagedHSMs/{hsm}"

	authorizationPath = "/providers/Microsoft.Authorization"
)

// roleScopes are the paths of the places where roles are assigned, from the root
// of the tenant to an object of a vault.
var roleScopes = []string{
	"", subscriptionPath, groupPath, vaultPath,
	vaultPath + "/secrets/{secret}", vaultPath + "/keys/{key}", vaultPath + "/certificates/{certificate}",
}

// operations are those that the plane has, then those of Azure that it only
// knows by name.
func (p *plane) operations() []operation {
	const get, put, post, patch, del, head = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodHead
	route := func(f *family, method, pattern, name string, body int64, handle func(*httpx.Exchange) error) operation {
		return operation{httpx.Route{Method: method, Pattern: pattern, Name: name, MaxBody: body, Handle: handle}, f}
	}
	all := []operation{
		route(metadataVersions, get, "/metadata/endpoints", "MetadataEndpoints", 0, p.getMetadata),

		route(coreVersions, get, "/subscriptions", "SubscriptionList", 0, p.listSubscriptions),
		route(coreVersions, get, subscriptionPath, "SubscriptionGet", 0, p.getSubscription),
		route(coreVersions, get, "/tenants", "TenantList", 0, p.listTenants),
		route(coreVersions, get, subscriptionPath+"/locations", "LocationList", 0, p.listLocations),
		route(coreVersions, get, subscriptionPath+"/providers", "ProviderList", 0, p.listProviders),
		route(coreVersions, get, subscriptionPath+"/providers/{namespace}", "ProviderGet", 0, p.getProvider),
		route(coreVersions, post, subscriptionPath+"/providers/{namespace}/register", "ProviderRegister", 0, p.registerProvider),
		route(coreVersions, get, subscriptionPath+"/resources", "ResourceList", 0, p.listResources),
		route(coreVersions, get, groupPath+"/resources", "ResourceListInGroup", 0, p.listResources),
		route(coreVersions, get, subscriptionPath+"/operationresults/{job}", "OperationResultGet", 0, p.getGroupJob),

		route(coreVersions, get, subscriptionPath+"/resourceGroups", "ResourceGroupList", 0, p.listGroups),
		route(coreVersions, put, groupPath, "ResourceGroupPut", maxBody, p.putGroup),
		route(coreVersions, patch, groupPath, "ResourceGroupPatch", maxBody, p.patchGroup),
		route(coreVersions, get, groupPath, "ResourceGroupGet", 0, p.getGroup),
		route(coreVersions, head, groupPath, "ResourceGroupExists", 0, p.groupExists),
		route(coreVersions, del, groupPath, "ResourceGroupDelete", 0, p.deleteGroup),

		route(operationVersions, get, "/providers/Microsoft.KeyVault/operations", "OperationList", 0, p.listOperations),
		route(vaultVersions, get, vaultsPath, "VaultListInGroup", 0, p.listVaults),
		route(vaultVersions, get, keyVaultPath+"/vaults", "VaultList", 0, p.listVaults),
		route(vaultVersions, put, vaultPath, "VaultPut", maxVaultBody, p.putVault),
		route(vaultVersions, patch, vaultPath, "VaultPatch", maxVaultBody, p.patchVault),
		route(vaultVersions, get, vaultPath, "VaultGet", 0, p.getVault),
		route(vaultVersions, del, vaultPath, "VaultDelete", 0, p.deleteVault),
		route(policyVersions, put, vaultPath+"/accessPolicies/{change}", "VaultAccessPolicyPut", maxVaultBody, p.changePolicies),
		route(nameVersions, post, keyVaultPath+"/checkNameAvailability", "VaultCheckName", maxBody, p.checkName),
		route(deletedVersions, get, keyVaultPath+"/deletedVaults", "VaultListDeleted", 0, p.listDeletedVaults),
		route(deletedVersions, get, deletedPath, "VaultGetDeleted", 0, p.getDeletedVault),
		route(deletedVersions, post, deletedPath+"/purge", "VaultPurge", 0, p.purgeVault),
		route(resultVersions, get, keyVaultPath+"/locations/{location}/operationResults/{job}", "VaultOperationResultGet", 0, p.getPurgeJob),

		route(hsmVersions, get, hsmsPath, "ManagedHSMListInGroup", 0, p.listHSMs),
		route(hsmVersions, get, keyVaultPath+"/managedHSMs", "ManagedHSMList", 0, p.listHSMs),
		route(hsmVersions, put, hsmPath, "ManagedHSMPut", maxBody, p.putHSM),
		route(hsmVersions, patch, hsmPath, "ManagedHSMPatch", maxBody, p.patchHSM),
		route(hsmVersions, get, hsmPath, "ManagedHSMGet", 0, p.getHSM),
		route(hsmVersions, del, hsmPath, "ManagedHSMDelete", 0, p.deleteHSM),
		route(hsmNameVersions, post, keyVaultPath+"/checkMhsmNameAvailability", "ManagedHSMCheckName", maxBody, p.checkHSMName),
		route(deletedHSMVersions, get, keyVaultPath+"/deletedManagedHSMs", "ManagedHSMListDeleted", 0, p.listDeletedHSMs),
		route(deletedHSMVersions, get, deletedHSMPath, "ManagedHSMGetDeleted", 0, p.getDeletedHSM),
		route(deletedHSMVersions, post, deletedHSMPath+"/purge", "ManagedHSMPurge", 0, p.purgeHSM),
	}
	for _, scope := range roleScopes {
		all = append(all,
			route(assignmentVersions, get, scope+authorizationPath+"/roleAssignments", "RoleAssignmentList", 0, p.listAssignments),
			route(assignmentVersions, put, scope+authorizationPath+"/roleAssignments/{assignment}", "RoleAssignmentPut", maxBody, p.putAssignment),
			route(assignmentVersions, get, scope+authorizationPath+"/roleAssignments/{assignment}", "RoleAssignmentGet", 0, p.getAssignment),
			route(assignmentVersions, del, scope+authorizationPath+"/roleAssignments/{assignment}", "RoleAssignmentDelete", 0, p.deleteAssignment),
			route(definitionVersions, get, scope+authorizationPath+"/roleDefinitions", "RoleDefinitionList", 0, p.listDefinitions),
			route(definitionVersions, get, scope+authorizationPath+"/roleDefinitions/{role}", "RoleDefinitionGet", 0, p.getDefinition),
		)
	}
	for _, op := range unbuilt {
		all = append(all, route(anyVersion, op.method, op.pattern, op.name, 0, refuseUnbuilt))
	}
	return all
}
