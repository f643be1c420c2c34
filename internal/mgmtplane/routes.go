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

// A managed HSM has the parameter of a vault, so that one handler can serve both.
const (
	subscriptionPath = "/subscriptions/{subscription}"
	groupPath        = subscriptionPath + "/resourceGroups/{group}"
	keyVaultPath     = subscriptionPath + "/providers/Microsoft.KeyVault"
	vaultsPath       = groupPath + "/providers/Microsoft.KeyVault/vaults"
	vaultPath        = vaultsPath + "/{vault}"
	deletedPath      = keyVaultPath + "/locations/{location}/deletedVaults/{vault}"
	hsmsPath         = groupPath + "/providers/Microsoft.KeyVault/managedHSMs"
	hsmPath          = hsmsPath + "/{vault}"
	deletedHSMPath   = keyVaultPath + "/locations/{location}/deletedManagedHSMs/{vault}"

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
		route(vaultVersions, get, vaultsPath, "VaultListInGroup", 0, showPage(p.Resources.ListVaults, renderVault)),
		route(vaultVersions, get, keyVaultPath+"/vaults", "VaultList", 0, showPage(p.Resources.ListVaults, renderVault)),
		route(vaultVersions, put, vaultPath, "VaultPut", maxVaultBody, change(readNewVault, p.putVault, renderVault)),
		route(vaultVersions, patch, vaultPath, "VaultPatch", maxVaultBody, change(readVaultPatch, p.Resources.PatchVault, renderVault)),
		route(vaultVersions, get, vaultPath, "VaultGet", 0, show("group", p.Resources.GetVault, renderVault)),
		route(vaultVersions, del, vaultPath, "VaultDelete", 0, p.deleteVault),
		route(policyVersions, put, vaultPath+"/accessPolicies/{change}", "VaultAccessPolicyPut", maxVaultBody, p.changePolicies),
		route(nameVersions, post, keyVaultPath+"/checkNameAvailability", "VaultCheckName", maxBody, checkName(p.Resources.CheckName)),
		route(deletedVersions, get, keyVaultPath+"/deletedVaults", "VaultListDeleted", 0, showDeleted(p.Resources.ListDeletedVaults, renderDeleted)),
		route(deletedVersions, get, deletedPath, "VaultGetDeleted", 0, show("location", p.Resources.GetDeletedVault, renderDeleted)),
		route(deletedVersions, post, deletedPath+"/purge", "VaultPurge", 0, purge(p.Resources.PurgeVault)),
		route(resultVersions, get, keyVaultPath+"/locations/{location}/operationResults/{job}", "VaultOperationResultGet", 0, p.getPurgeJob),

		route(hsmVersions, get, hsmsPath, "ManagedHSMListInGroup", 0, showPage(p.Resources.ListHSMs, renderHSM)),
		route(hsmVersions, get, keyVaultPath+"/managedHSMs", "ManagedHSMList", 0, showPage(p.Resources.ListHSMs, renderHSM)),
		route(hsmVersions, put, hsmPath, "ManagedHSMPut", maxBody, change(readHSM, p.Resources.PutHSM, renderHSM)),
		route(hsmVersions, patch, hsmPath, "ManagedHSMPatch", maxBody, change(readHSM, p.Resources.PatchHSM, renderHSM)),
		route(hsmVersions, get, hsmPath, "ManagedHSMGet", 0, show("group", p.Resources.GetHSM, renderHSM)),
		route(hsmVersions, del, hsmPath, "ManagedHSMDelete", 0, p.deleteHSM),
		route(hsmNameVersions, post, keyVaultPath+"/checkMhsmNameAvailability", "ManagedHSMCheckName", maxBody, checkName(p.Resources.CheckHSMName)),
		route(deletedHSMVersions, get, keyVaultPath+"/deletedManagedHSMs", "ManagedHSMListDeleted", 0, showDeleted(p.Resources.ListDeletedHSMs, renderDeletedHSM)),
		route(deletedHSMVersions, get, deletedHSMPath, "ManagedHSMGetDeleted", 0, show("location", p.Resources.GetDeletedHSM, renderDeletedHSM)),
		route(deletedHSMVersions, post, deletedHSMPath+"/purge", "ManagedHSMPurge", 0, purge(p.Resources.PurgeHSM)),
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
