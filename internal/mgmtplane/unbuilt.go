package mgmtplane

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

const codeNotBuilt = "NotImplemented"

// refuseUnbuilt says which operation is missing, so that nobody looks for the
// cause in a path or a permission.
func refuseUnbuilt(x *httpx.Exchange) error {
	return &httpx.Refusal{
		Status: http.StatusNotImplemented, Code: codeNotBuilt,
		Message: fmt.Sprintf("The operation %s (%s %s) of Azure is not built in this management plane.",
			x.Route.Name, x.Route.Method, x.Route.Pattern),
	}
}

type unbuiltOperation struct{ method, pattern, name string }

// unbuilt are the operations of Azure that exist here by name only.
var unbuilt = append([]unbuiltOperation{
	{"GET", vaultPath + "/privateEndpointConnections", "PrivateEndpointConnectionList"},
	{"GET", vaultPath + "/privateEndpointConnections/{connection}", "PrivateEndpointConnectionGet"},
	{"PUT", vaultPath + "/privateEndpointConnections/{connection}", "PrivateEndpointConnectionPut"},
	{"DELETE", vaultPath + "/privateEndpointConnections/{connection}", "PrivateEndpointConnectionDelete"},
	{"GET", vaultPath + "/privateLinkResources", "PrivateLinkResourceList"},
	{"GET", vaultPath + "/secrets", "ResourceSecretList"},
	{"GET", vaultPath + "/secrets/{secret}", "ResourceSecretGet"},
	{"PUT", vaultPath + "/secrets/{secret}", "ResourceSecretPut"},
	{"PATCH", vaultPath + "/secrets/{secret}", "ResourceSecretPatch"},
	{"GET", vaultPath + "/keys", "ResourceKeyList"},
	{"GET", vaultPath + "/keys/{key}", "ResourceKeyGet"},
	{"PUT", vaultPath + "/keys/{key}", "ResourceKeyPut"},
	{"GET", vaultPath + "/keys/{key}/versions", "ResourceKeyVersionList"},
	{"GET", vaultPath + "/keys/{key}/versions/{version}", "ResourceKeyVersionGet"},

	{"GET", hsmPath + "/keys", "ManagedHSMKeyList"},
	{"GET", hsmPath + "/keys/{key}", "ManagedHSMKeyGet"},
	{"PUT", hsmPath + "/keys/{key}", "ManagedHSMKeyPut"},
	{"GET", hsmPath + "/keys/{key}/versions", "ManagedHSMKeyVersionList"},
	{"GET", hsmPath + "/keys/{key}/versions/{version}", "ManagedHSMKeyVersionGet"},
	{"GET", hsmPath + "/regions", "ManagedHSMRegionList"},
	{"GET", hsmPath + "/privateEndpointConnections", "ManagedHSMPrivateEndpointConnectionList"},
	{"GET", hsmPath + "/privateEndpointConnections/{connection}", "ManagedHSMPrivateEndpointConnectionGet"},
	{"PUT", hsmPath + "/privateEndpointConnections/{connection}", "ManagedHSMPrivateEndpointConnectionPut"},
	{"DELETE", hsmPath + "/privateEndpointConnections/{connection}", "ManagedHSMPrivateEndpointConnectionDelete"},
	{"GET", hsmPath + "/privateLinkResources", "ManagedHSMPrivateLinkResourceList"},

	{"GET", groupPath + "/deployments/{deployment}/operations", "DeploymentOperationList"},
	{"POST", subscriptionPath + "/providers/{namespace}/unregister", "ProviderUnregister"},
}, slices.Concat(
	deployments(subscriptionPath, "InSubscription"), deployments(groupPath, "InGroup"),
	authorization(""), authorization(subscriptionPath), authorization(groupPath), authorization(vaultPath),
)...)

// deployments are the operations on template deployments at a scope.
func deployments(scope, where string) []unbuiltOperation {
	path := scope + "/providers/Microsoft.Resources/deployments"
	one := path + "/{deployment}"
	return []unbuiltOperation{
		{"GET", path, "DeploymentList" + where},
		{"GET", one, "DeploymentGet" + where},
		{"HEAD", one, "DeploymentExists" + where},
		{"PUT", one, "DeploymentPut" + where},
		{"DELETE", one, "DeploymentDelete" + where},
		{"POST", one + "/validate", "DeploymentValidate" + where},
		{"POST", one + "/whatIf", "DeploymentWhatIf" + where},
		{"POST", one + "/cancel", "DeploymentCancel" + where},
		{"POST", one + "/exportTemplate", "DeploymentExportTemplate" + where},
	}
}

// authorization are the operations on who may do what at a scope that are not
// built: roles of one's own, what a caller may do, and what nobody may.
func authorization(scope string) []unbuiltOperation {
	path := scope + authorizationPath
	return []unbuiltOperation{
		{"PUT", path + "/roleDefinitions/{role}", "RoleDefinitionPut"},
		{"DELETE", path + "/roleDefinitions/{role}", "RoleDefinitionDelete"},
		{"GET", path + "/permissions", "PermissionList"},
		{"GET", path + "/denyAssignments", "DenyAssignmentList"},
		{"GET", path + "/denyAssignments/{assignment}", "DenyAssignmentGet"},
	}
}
