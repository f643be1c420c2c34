package arm

import "time"

// Managed HSMs as resources: containers of HSM keys with permissions of their own.
const (
	TypeManagedHSMs        = "Microsoft.KeyVault/managedHSMs"
	TypeDeletedManagedHSMs = "Microsoft.KeyVault/deletedManagedHSMs"
	HSMSKUFamilyB          = "B"
	HSMSKUStandardB1       = "Standard_B1"
	HSMActivated           = "Active"
)

// ManagedHSM is a managed HSM as a resource. Unlike a vault's, its tier is not one
// of its properties.
type ManagedHSM struct {
	ID         string                `json:"id,omitempty"`
	Name       string                `json:"name,omitempty"`
	Type       string                `json:"type,omitempty"`
	Location   string                `json:"location,omitempty"`
	SKU        *SKU                  `json:"sku,omitempty"`
	Tags       map[string]string     `json:"tags,omitzero"`
	SystemData *SystemData           `json:"systemData,omitempty"`
	Properties *ManagedHSMProperties `json:"properties,omitempty"`
}

// ManagedHSMProperties is what a managed HSM is. In a patch, members that are nil
// leave what is stored as it is.
type ManagedHSMProperties struct {
	// TenantID is the directory whose callers the HSM admits.
	TenantID string `json:"tenantId,omitempty"`
	// InitialAdminObjectIDs are the object ids of those who administer a new HSM. It
	// is required in a create whose mode is not recover, and means nothing later.
	InitialAdminObjectIDs []string `json:"initialAdminObjectIds,omitzero"`
	// HSMURI is the address of the data plane, with a trailing slash. It is
	// read-only.
	HSMURI           string `json:"hsmUri,omitempty"`
	EnableSoftDelete *bool  `json:"enableSoftDelete,omitempty"`
	// SoftDeleteRetentionInDays is 7 to 90 and fixed at creation.
	SoftDeleteRetentionInDays *int32 `json:"softDeleteRetentionInDays,omitempty"`
	// EnablePurgeProtection is true or absent, and never goes back.
	EnablePurgeProtection *bool        `json:"enablePurgeProtection,omitempty"`
	NetworkACLs           *NetworkACLs `json:"networkAcls,omitempty"`
	PublicNetworkAccess   *string      `json:"publicNetworkAccess,omitempty"`
	// CreateMode is write-only: CreateModeDefault or CreateModeRecover.
	CreateMode string `json:"createMode,omitempty"`
	// ProvisioningState, StatusMessage and SecurityDomainProperties are read-only.
	ProvisioningState        string                    `json:"provisioningState,omitempty"`
	StatusMessage            string                    `json:"statusMessage,omitempty"`
	SecurityDomainProperties *SecurityDomainProperties `json:"securityDomainProperties,omitempty"`
}

// SecurityDomainProperties says whether an HSM can be used: ActivationStatus is
// HSMActivated then.
type SecurityDomainProperties struct {
	ActivationStatus        string `json:"activationStatus,omitempty"`
	ActivationStatusMessage string `json:"activationStatusMessage,omitempty"`
}

// DeletedManagedHSM is a managed HSM between its deletion and its purge.
type DeletedManagedHSM struct {
	ID         string                       `json:"id,omitempty"`
	Name       string                       `json:"name,omitempty"`
	Type       string                       `json:"type,omitempty"`
	SystemData *SystemData                  `json:"systemData,omitempty"`
	Properties *DeletedManagedHSMProperties `json:"properties,omitempty"`
}

// DeletedManagedHSMProperties says what was deleted and when it will be purged.
type DeletedManagedHSMProperties struct {
	// MHSMID is the resource id that the HSM had.
	MHSMID             string            `json:"mhsmId,omitempty"`
	Location           string            `json:"location,omitempty"`
	Tags               map[string]string `json:"tags,omitzero"`
	DeletionDate       *time.Time        `json:"deletionDate,omitempty"`
	ScheduledPurgeDate *time.Time        `json:"scheduledPurgeDate,omitempty"`
	// PurgeProtectionEnabled is present only when true.
	PurgeProtectionEnabled *bool `json:"purgeProtectionEnabled,omitempty"`
}

// The lists of managed HSMs.
type (
	ManagedHSMListResult        = List[ManagedHSM]
	DeletedManagedHSMListResult = List[DeletedManagedHSM]
)
