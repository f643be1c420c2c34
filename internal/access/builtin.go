package access

// Ids of the built-in roles that the program itself assigns.
const (
	RoleOwner                 = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	RoleContributor           = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	RoleKeyVaultAdministrator = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
)

const vaults = "Microsoft.KeyVault/vaults/"

// standardActions are the control actions that most Key Vault roles carry.
var standardActions = []string{
	"Microsoft.Authorization/*/read",
	"Microsoft.Insights/alertRules/*",
	"Microsoft.Resources/deployments/*",
	"Microsoft.Resources/subscriptions/resourceGroups/read",
	"Microsoft.Support/*",
	"Microsoft.KeyVault/checkNameAvailability/read",
	"Microsoft.KeyVault/deletedVaults/read",
	"Microsoft.KeyVault/locations/*/read",
	"Microsoft.KeyVault/vaults/*/read",
	"Microsoft.KeyVault/operations/read",
}

// Builtin are the built-in roles as Azure's list of roles for security
// defines them, and the general ones. Key Vault Data Access Administrator is
// not among them: its assignment condition is not evaluated, and without the
// condition it would grant more than its name says.
var Builtin = []Role{
	{ID: RoleKeyVaultAdministrator, Name: "Key Vault Administrator",
		Description: "Perform all data plane operations on a key vault and all objects in it.",
		Actions:     standardActions, DataActions: []string{vaults + "*"}},
	{ID: "a4417e6f-fecd-4de8-b567-7b0420556985", Name: "Key Vault Certificates Officer",
		Description: "Perform any action on the certificates of a key vault, except manage permissions.",
		Actions:     standardActions,
		DataActions: []string{vaults + "certificatecas/*", vaults + "certificates/*", vaults + "certificatecontacts/write"}},
	{ID: "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba", Name: "Key Vault Certificate User",
		Description: "Read certificate contents.",
		DataActions: []string{vaults + "certificates/read", vaults + "secrets/getSecret/action", vaults + "secrets/readMetadata/action", vaults + "keys/read"}},
	{ID: "f25e0fa2-a7c8-4377-a976-54943a77a395", Name: "Key Vault Contributor",
		Description: "Manage key vaults, but not access to them.",
		Actions: []string{"Microsoft.Authorization/*/read", "Microsoft.Insights/alertRules/*", "Microsoft.KeyVault/*",
			"Microsoft.Resources/deployments/*", "Microsoft.Resources/subscriptions/resourceGroups/read", "Microsoft.Support/*"},
		NotActions: []string{"Microsoft.KeyVault/locations/deletedVaults/purge/action", "Microsoft.KeyVault/hsmPools/*", "Microsoft.KeyVault/managedHsms/*"}},
	{ID: "14b46e9e-c2b7-41b4-b07b-48a6ebf60603", Name: "Key Vault Crypto Officer",
		Description: "Perform any action on the keys of a key vault, except manage permissions.",
		Actions:     standardActions, DataActions: []string{vaults + "keys/*", vaults + "keyrotationpolicies/*"}},
	{ID: "e147488a-f6f5-4113-8e2d-b22465e65bf6", Name: "Key Vault Crypto Service Encryption User",
		Description: "Read metadata of keys and perform wrap and unwrap operations.",
		Actions:     []string{"Microsoft.EventGrid/eventSubscriptions/write", "Microsoft.EventGrid/eventSubscriptions/read", "Microsoft.EventGrid/eventSubscriptions/delete"},
		DataActions: []string{vaults + "keys/read", vaults + "keys/wrap/action", vaults + "keys/unwrap/action"}},
	{ID: "08bbd89e-9f13-488c-ac41-acfcb10c90ab", Name: "Key Vault Crypto Service Release User",
		Description: "Release keys.", DataActions: []string{vaults + "keys/release/action"}},
	{ID: "12338af0-0e69-4776-bea7-57ae8d297424", Name: "Key Vault Crypto User",
		Description: "Perform cryptographic operations using keys.",
		DataActions: []string{vaults + "keys/read", vaults + "keys/update/action", vaults + "keys/backup/action",
			vaults + "keys/encrypt/action", vaults + "keys/decrypt/action", vaults + "keys/wrap/action",
			vaults + "keys/unwrap/action", vaults + "keys/sign/action", vaults + "keys/verify/action"}},
	{ID: "21090545-7ca7-4776-b22c-e363652d74d2", Name: "Key Vault Reader",
		Description: "Read metadata of key vaults and their objects. Cannot read secret contents or key material.",
		Actions:     standardActions, DataActions: []string{vaults + "*/read", vaults + "secrets/readMetadata/action"}},
	{ID: "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", Name: "Key Vault Secrets Officer",
		Description: "Perform any action on the secrets of a key vault, except manage permissions.",
		Actions:     standardActions, DataActions: []string{vaults + "secrets/*"}},
	{ID: "4633458b-17de-408a-b874-0445c86b69e6", Name: "Key Vault Secrets User",
		Description: "Read secret contents.",
		DataActions: []string{vaults + "secrets/getSecret/action", vaults + "secrets/readMetadata/action"}},
	{ID: "18500a29-7fe2-46b2-a342-b16a415e101d", Name: "Managed HSM contributor",
		Description: "Manage managed HSMs, but not access to them.",
		Actions: []string{"Microsoft.KeyVault/managedHSMs/*", "Microsoft.KeyVault/deletedManagedHsms/read",
			"Microsoft.KeyVault/locations/deletedManagedHsms/read", "Microsoft.KeyVault/locations/deletedManagedHsms/purge/action",
			"Microsoft.KeyVault/locations/managedHsmOperationResults/read"}},
	{ID: RoleOwner, Name: "Owner",
		Description: "Full access to manage all resources, and to assign roles.",
		Actions:     []string{"*"}},
	{ID: RoleContributor, Name: "Contributor",
		Description: "Full access to manage all resources, but not to assign roles.",
		Actions:     []string{"*"},
		NotActions: []string{"Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write",
			"Microsoft.Authorization/elevateAccess/Action"}},
	{ID: "acdd72a7-3385-48ef-bd42-f606fba81ae7", Name: "Reader",
		Description: "View all resources, but make no changes.",
		Actions:     []string{"*/read"}},
	{ID: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", Name: "User Access Administrator",
		Description: "Manage user access to resources.",
		Actions:     []string{"*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"}},
	{ID: "f58310d9-a9f6-439a-9e8d-f62e7b41a168", Name: "Role Based Access Control Administrator",
		Description: "Manage access to resources by assigning roles.",
		Actions:     []string{"Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read", "Microsoft.Support/*"}},
}

var builtinByID = func() map[string]*Role {
	m := make(map[string]*Role, len(Builtin))
	for i := range Builtin {
		m[Builtin[i].ID] = &Builtin[i]
	}
	return m
}()
