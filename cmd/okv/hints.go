package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

// need is what an operation on the data plane needs: a permission of an access
// policy, or the least of Azure's roles that has it.
type need struct {
	noun       string // secret or key
	permission string
	role       string
}

// Roles of Azure for the data plane.
const (
	roleSecretsUser    = "Key Vault Secrets User"
	roleSecretsOfficer = "Key Vault Secrets Officer"
	roleCryptoUser     = "Key Vault Crypto User"
	roleCryptoOfficer  = "Key Vault Crypto Officer"
)

// needs are those of the methods of keyvault.Client that commands use.
var needs = map[string]need{
	"SetSecret":            {"secret", "set", roleSecretsOfficer},
	"GetSecret":            {"secret", "get", roleSecretsUser},
	"UpdateSecret":         {"secret", "set", roleSecretsOfficer},
	"ListSecrets":          {"secret", "list", roleSecretsUser},
	"ListSecretVersions":   {"secret", "list", roleSecretsUser},
	"DeleteSecret":         {"secret", "delete", roleSecretsOfficer},
	"GetDeletedSecret":     {"secret", "get", roleSecretsUser},
	"ListDeletedSecrets":   {"secret", "list", roleSecretsUser},
	"RecoverDeletedSecret": {"secret", "recover", roleSecretsOfficer},
	"PurgeDeletedSecret":   {"secret", "purge", roleSecretsOfficer},
	"BackupSecret":         {"secret", "backup", roleSecretsOfficer},
	"RestoreSecret":        {"secret", "restore", roleSecretsOfficer},
	"CreateKey":            {"key", "create", roleCryptoOfficer},
	"GetKey":               {"key", "get", roleCryptoUser},
	"UpdateKey":            {"key", "update", roleCryptoUser},
	"ListKeys":             {"key", "list", roleCryptoUser},
	"ListKeyVersions":      {"key", "list", roleCryptoUser},
	"DeleteKey":            {"key", "delete", roleCryptoOfficer},
	"GetDeletedKey":        {"key", "get", roleCryptoOfficer},
	"ListDeletedKeys":      {"key", "list", roleCryptoUser},
	"RecoverDeletedKey":    {"key", "recover", roleCryptoOfficer},
	"PurgeDeletedKey":      {"key", "purge", roleCryptoOfficer},
	"BackupKey":            {"key", "backup", roleCryptoUser},
	"RestoreKey":           {"key", "restore", roleCryptoOfficer},
	"ImportKey":            {"key", "import", roleCryptoOfficer},
	"Encrypt":              {"key", "encrypt", roleCryptoUser},
	"Decrypt":              {"key", "decrypt", roleCryptoUser},
	"WrapKey":              {"key", "wrapKey", roleCryptoUser},
	"UnwrapKey":            {"key", "unwrapKey", roleCryptoUser},
	"Sign":                 {"key", "sign", roleCryptoUser},
	"Verify":               {"key", "verify", roleCryptoUser},
	"RotateKey":            {"key", "rotate", roleCryptoOfficer},

	"GetKeyRotationPolicy":    {"key", "getrotationpolicy", roleCryptoOfficer},
	"UpdateKeyRotationPolicy": {"key", "setrotationpolicy", roleCryptoOfficer},
	"ReleaseKey":              {"key", "release", "Key Vault Crypto Service Release User"},
	"GetRandomBytes":          {"key", "rng", "Managed HSM Crypto User"},
}

// dataHint returns the likely way out of a vault's refusal.
func dataHint(e *keyvault.Error) string {
	need := needs[e.Operation]
	switch {
	case e.Code == "VaultNotFound":
		return "okv vault list shows the vaults of the subscription"
	case keyvault.IsNotFound(e) && e.Operation == "GetRandomBytes":
		return "only managed HSMs have these: --hsm-name NAME"
	case keyvault.IsNotFound(e) && strings.Contains(e.Operation, "Deleted"):
		return fmt.Sprintf("okv %s list-deleted %s shows those that are deleted", need.noun, vaultFlags(e))
	case keyvault.IsNotFound(e):
		return fmt.Sprintf("okv %s list %[2]s shows those that exist, okv %[1]s list-deleted %[2]s those that are deleted", need.noun, vaultFlags(e))
	case keyvault.IsForbidden(e):
		return forbiddenHint(e, need)
	case keyvault.IsDeletedButRecoverable(e):
		return fmt.Sprintf("bring it back with okv %s recover, or free its name with okv %[1]s purge", need.noun)
	case e.InnerCode == api.InnerKeyTypeNotSupported:
		return "symmetric keys are for managed HSMs: --hsm-name NAME"
	case keyvault.IsUnauthorized(e):
		return credentialHint()
	case e.StatusCode == http.StatusBadRequest && (e.Operation == "Decrypt" || e.Operation == "UnwrapKey"):
		return "check that the algorithm is the one that made the value, and --version the version of the key that did"
	}
	return unavailableHint(e.StatusCode)
}

func forbiddenHint(e *keyvault.Error, need need) string {
	if e.Operation == "ReleaseKey" && e.InnerCode == api.InnerAccessDenied {
		return "the token must be one of an authority that the key's release policy names, and that the server may ask: --allow-egress, or egress.allow in its configuration"
	}
	switch e.InnerCode {
	case api.InnerForbiddenByRBAC:
		return fmt.Sprintf("this needs the role %q or one with its permissions: "+
			"okv role assignment create --role %[1]q --assignee OBJECT_ID --scope VAULT_ID", need.role)
	case api.InnerForbiddenByPolicy, api.InnerAccessDenied:
		return fmt.Sprintf("this needs the permission %ss/%s: okv vault set-policy --name %s --object-id OBJECT_ID --add --%[1]s-permissions %[2]s",
			need.noun, need.permission, vaultName(e))
	case api.InnerForbiddenByFirewall, api.InnerForbiddenByConnection:
		return fmt.Sprintf("the vault's network rules do not admit this machine: okv vault network-rule add --name %s --ip-address ADDRESS", vaultName(e))
	case api.InnerSecretDisabled, api.InnerKeyDisabled:
		if strings.Contains(e.Operation, "Deleted") {
			return fmt.Sprintf("a deleted %s that is disabled is not shown; okv %[1]s recover brings it back, disabled", need.noun)
		}
		return fmt.Sprintf("enable it with okv %s set-attributes --enabled true", need.noun)
	case api.InnerKeyOperationForbidden:
		return "okv key show lists what the key may do, and okv key set-attributes --ops changes it"
	case "KeyExpired", "KeyNotYetValid":
		return "okv key show shows its dates, and okv key set-attributes --expires and --not-before change them"
	}
	return ""
}

// managementHint returns the likely way out of a refusal of the management
// plane.
func managementHint(e *management.Error) string {
	switch {
	case e.Code == graph.CodeDenied:
		return "this needs the role Owner at the scope /, or in Azure the directory's role Application Administrator"
	case e.Code == graph.CodeNotFound:
		return "okv app list shows the applications that exist"
	case e.Code == arm.CodeResourceGroupNotFound && e.Operation == "CreateOrUpdateVault":
		return "--create-group makes it"
	case e.Operation == "PurgeDeletedVault" && e.Code == arm.CodeMethodNotAllowed:
		return "a vault with purge protection stays until its purge is due, which okv vault show-deleted shows"
	case e.Code == arm.CodeResourceGroupNotFound:
		return "okv group list shows those that exist"
	case e.Code == arm.CodeSubscriptionNotFound, e.Code == arm.CodeInvalidSubscriptionID:
		return "check --subscription or AZURE_SUBSCRIPTION_ID"
	case e.Operation == "GetVault" && management.IsNotFound(e):
		return "okv vault list shows those that exist, okv vault list-deleted those that are deleted"
	case management.IsForbidden(e) && strings.HasSuffix(e.Operation, "RoleAssignment"):
		return "this needs the role Owner, User Access Administrator or Role Based Access Control Administrator at the scope or above"
	case e.Code == "PrincipalNotFound":
		return "okv app list shows the applications; --assignee-object-id and --assignee-principal-type name somebody else"
	case e.Code == "RoleDefinitionDoesNotExist":
		return "okv role definition list shows the roles that there are"
	case management.IsForbidden(e):
		return "this needs a role such as Key Vault Contributor: " +
			"okv role assignment create --role \"Key Vault Contributor\" --assignee OBJECT_ID --scope GROUP_ID"
	case e.Operation == "CreateOrUpdateVault" && management.IsConflict(e):
		return "if okv vault list-deleted shows it, bring it back with okv vault recover or free its name with okv vault purge"
	case management.IsUnauthorized(e):
		return credentialHint()
	}
	return unavailableHint(e.StatusCode)
}

func unavailableHint(status int) string {
	switch status {
	case http.StatusTooManyRequests:
		return "try again later"
	case http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return "the service cannot answer now: try again later"
	}
	return ""
}
