package arm

import "time"

// Resource types of the namespace KeyVaultNamespace.
const (
	KeyVaultNamespace    = "Microsoft.KeyVault"
	TypeVaults           = "Microsoft.KeyVault/vaults"
	TypeAccessPolicies   = "Microsoft.KeyVault/vaults/accessPolicies"
	TypeDeletedVaults    = "Microsoft.KeyVault/deletedVaults"
	SKUFamilyA           = "A"
	SKUStandard          = "standard"
	SKUPremium           = "premium"
	CreateModeDefault    = "default"
	CreateModeRecover    = "recover"
	BypassAzureServices  = "AzureServices"
	BypassNone           = "None"
	ActionAllow          = "Allow"
	ActionDeny           = "Deny"
	PublicAccessEnabled  = "Enabled"
	PublicAccessDisabled = "Disabled"
)

// Vault is a vault as a resource.
type Vault struct {
	ID         string            `json:"id,omitempty"`
	Name       string            `json:"name,omitempty"`
	Type       string            `json:"type,omitempty"`
	Location   string            `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitzero"`
	SystemData *SystemData       `json:"systemData,omitempty"`
	Properties *VaultProperties  `json:"properties,omitempty"`
}

// VaultProperties is what a vault is and whom it admits. In a patch, members
// that are nil leave what is stored as it is.
type VaultProperties struct {
	SKU *SKU `json:"sku,omitempty"`
	// TenantID is the directory whose callers the vault admits.
	TenantID    string       `json:"tenantId,omitempty"`
	NetworkACLs *NetworkACLs `json:"networkAcls,omitempty"`
	// PrivateEndpointConnections is read-only.
	PrivateEndpointConnections []PrivateEndpointConnection `json:"privateEndpointConnections,omitzero"`
	// AccessPolicies is required in a create whose mode is not recover.
	AccessPolicies               []AccessPolicyEntry `json:"accessPolicies,omitzero"`
	EnabledForDeployment         *bool               `json:"enabledForDeployment,omitempty"`
	EnabledForDiskEncryption     *bool               `json:"enabledForDiskEncryption,omitempty"`
	EnabledForTemplateDeployment *bool               `json:"enabledForTemplateDeployment,omitempty"`
	EnableSoftDelete             *bool               `json:"enableSoftDelete,omitempty"`
	// SoftDeleteRetentionInDays is 7 to 90 and fixed at creation.
	SoftDeleteRetentionInDays *int32 `json:"softDeleteRetentionInDays,omitempty"`
	// EnableRBACAuthorization chooses role assignments over access policies.
	// Absent from a create, it means true from version 2026-02-01 on and false
	// before.
	EnableRBACAuthorization *bool `json:"enableRbacAuthorization,omitempty"`
	// EnablePurgeProtection is true or absent, and never goes back.
	EnablePurgeProtection *bool `json:"enablePurgeProtection,omitempty"`
	// VaultURI is the address of the data plane, with a trailing slash.
	VaultURI          string `json:"vaultUri,omitempty"`
	HSMPoolResourceID string `json:"hsmPoolResourceId,omitempty"`
	// CreateMode is write-only: CreateModeDefault or CreateModeRecover.
	CreateMode string `json:"createMode,omitempty"`
	// ProvisioningState is read-only; Succeeded is final.
	ProvisioningState   string  `json:"provisioningState,omitempty"`
	PublicNetworkAccess *string `json:"publicNetworkAccess,omitempty"`
}

// SKU is the tier of a vault: Family is SKUFamilyA, Name is SKUStandard or
// SKUPremium, which HSM keys need.
type SKU struct {
	Family string `json:"family,omitempty"`
	Name   string `json:"name,omitempty"`
}

// AccessPolicyEntry grants permissions to one object of the directory, or to
// one application acting on behalf of it.
type AccessPolicyEntry struct {
	TenantID string `json:"tenantId,omitempty"`
	// ObjectID is the object id of a user, group or service principal, not the
	// application's client id.
	ObjectID      string       `json:"objectId,omitempty"`
	ApplicationID string       `json:"applicationId,omitempty"`
	Permissions   *Permissions `json:"permissions,omitempty"`
}

// Permissions lists what an access policy grants, per collection. Words compare
// without case; "all" stands for everything except "purge".
//
// Keys: encrypt, decrypt, wrapKey, unwrapKey, sign, verify, get, list, create,
// update, import, delete, backup, restore, recover, purge, release, rotate,
// getrotationpolicy, setrotationpolicy. Secrets: get, list, set, delete, backup,
// restore, recover, purge. Certificates: get, list, delete, create, import,
// update, managecontacts, getissuers, listissuers, setissuers, deleteissuers,
// manageissuers, recover, purge, backup, restore. Storage: get, list, delete,
// set, update, regeneratekey, recover, purge, backup, restore, setsas, listsas,
// getsas, deletesas.
type Permissions struct {
	Keys         []string `json:"keys,omitzero"`
	Secrets      []string `json:"secrets,omitzero"`
	Certificates []string `json:"certificates,omitzero"`
	Storage      []string `json:"storage,omitzero"`
}

// PermissionAll is the word for every permission of a collection except "purge".
const PermissionAll = "all"

// NetworkACLs says from where a vault may be reached.
type NetworkACLs struct {
	// Bypass is BypassAzureServices or BypassNone.
	Bypass string `json:"bypass,omitempty"`
	// DefaultAction is ActionAllow or ActionDeny, for callers that no rule names.
	DefaultAction       string               `json:"defaultAction,omitempty"`
	IPRules             []IPRule             `json:"ipRules,omitzero"`
	VirtualNetworkRules []VirtualNetworkRule `json:"virtualNetworkRules,omitzero"`
}

// IPRule admits an address or a range in CIDR form.
type IPRule struct {
	Value string `json:"value"`
}

// VirtualNetworkRule admits a subnet.
type VirtualNetworkRule struct {
	ID                               string `json:"id"`
	IgnoreMissingVnetServiceEndpoint *bool  `json:"ignoreMissingVnetServiceEndpoint,omitempty"`
}

// PrivateEndpointConnection is a private endpoint of a vault.
type PrivateEndpointConnection struct {
	ID         string                               `json:"id,omitempty"`
	Properties *PrivateEndpointConnectionProperties `json:"properties,omitempty"`
}

// PrivateEndpointConnectionProperties is the state of a private endpoint.
type PrivateEndpointConnectionProperties struct {
	PrivateEndpoint                   *ResourceReference                 `json:"privateEndpoint,omitempty"`
	PrivateLinkServiceConnectionState *PrivateLinkServiceConnectionState `json:"privateLinkServiceConnectionState,omitempty"`
	ProvisioningState                 string                             `json:"provisioningState,omitempty"`
}

// ResourceReference names a resource by its id.
type ResourceReference struct {
	ID string `json:"id,omitempty"`
}

// PrivateLinkServiceConnectionState says whether a private endpoint is approved.
type PrivateLinkServiceConnectionState struct {
	Status          string `json:"status,omitempty"`
	Description     string `json:"description,omitempty"`
	ActionsRequired string `json:"actionsRequired,omitempty"`
}

// SystemData says who made and last changed a resource. Present from version
// 2021-04-01-preview on.
type SystemData struct {
	CreatedBy string `json:"createdBy,omitempty"`
	// CreatedByType is User or Application.
	CreatedByType      string     `json:"createdByType,omitempty"`
	CreatedAt          *time.Time `json:"createdAt,omitempty"`
	LastModifiedBy     string     `json:"lastModifiedBy,omitempty"`
	LastModifiedByType string     `json:"lastModifiedByType,omitempty"`
	LastModifiedAt     *time.Time `json:"lastModifiedAt,omitempty"`
}

// VaultCreateOrUpdateParameters is the body of a vault's PUT.
type VaultCreateOrUpdateParameters struct {
	Location   string            `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitzero"`
	Properties *VaultProperties  `json:"properties,omitempty"`
}

// VaultPatchParameters is the body of a vault's PATCH. Tags, if not nil,
// replaces all tags.
type VaultPatchParameters struct {
	Tags       map[string]string `json:"tags,omitzero"`
	Properties *VaultProperties  `json:"properties,omitempty"`
}

// VaultAccessPolicyParameters is the body of a change of access policies, and
// of its answer, which holds the resulting full list.
type VaultAccessPolicyParameters struct {
	ID         string                       `json:"id,omitempty"`
	Name       string                       `json:"name,omitempty"`
	Type       string                       `json:"type,omitempty"`
	Location   string                       `json:"location,omitempty"`
	Properties *VaultAccessPolicyProperties `json:"properties,omitempty"`
}

// VaultAccessPolicyProperties holds access policies.
type VaultAccessPolicyProperties struct {
	AccessPolicies []AccessPolicyEntry `json:"accessPolicies"`
}

// DeletedVault is a vault between its deletion and its purge.
type DeletedVault struct {
	ID         string                  `json:"id,omitempty"`
	Name       string                  `json:"name,omitempty"`
	Type       string                  `json:"type,omitempty"`
	SystemData *SystemData             `json:"systemData,omitempty"`
	Properties *DeletedVaultProperties `json:"properties,omitempty"`
}

// DeletedVaultProperties says what was deleted and when it will be purged.
type DeletedVaultProperties struct {
	// VaultID is the resource id that the vault had.
	VaultID            string            `json:"vaultId,omitempty"`
	Location           string            `json:"location,omitempty"`
	Tags               map[string]string `json:"tags,omitzero"`
	DeletionDate       *time.Time        `json:"deletionDate,omitempty"`
	ScheduledPurgeDate *time.Time        `json:"scheduledPurgeDate,omitempty"`
	// PurgeProtectionEnabled is present only when true.
	PurgeProtectionEnabled *bool `json:"purgeProtectionEnabled,omitempty"`
}

// CheckNameAvailabilityParameters asks whether a vault's name is free. Type is
// TypeVaults.
type CheckNameAvailabilityParameters struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"`
}

// CheckNameAvailabilityResult answers the question. Reason and Message are
// present when the name cannot be used.
type CheckNameAvailabilityResult struct {
	NameAvailable bool `json:"nameAvailable"`
	// Reason is ReasonAlreadyExists or ReasonAccountNameInvalid.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Reasons of a CheckNameAvailabilityResult.
const (
	ReasonAlreadyExists      = "AlreadyExists"
	ReasonAccountNameInvalid = "AccountNameInvalid"
)
