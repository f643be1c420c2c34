// Package catalog is what every plane must know about vaults before it can do
// anything: which vault a name means, the vault's own document, its sealing
// key, and the role assignments that may decide about it.
//
// It guarantees that what it returns is the state of the transaction it was
// asked in: documents and decoded role assignments are cached under the
// revision just read, never under time, so that a changed permission takes
// effect on the next request on every node. It authorises nothing and knows
// neither HTTP nor what a vault contains.
package catalog

import (
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
)

// Vault is the document of one incarnation of a vault: deleting and purging a
// vault and creating another of the same name gives another document.
//
// A *Vault that the catalog returned is shared: it must not be changed. Clone
// makes a copy that may be.
type Vault struct {
	ID             string `json:"id"`   // 32 hex digits, random, one per incarnation
	Name           string `json:"name"` // as it was created
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	ResourceGroup  string `json:"resourceGroup"` // as the group was created
	Location       string `json:"location"`      // normalised: "eastus"
	Premium        bool   `json:"premium,omitempty"`

	Tags map[string]string `json:"tags,omitempty"`

	Policies []access.Policy `json:"policies,omitempty"`
	// Nil means never set; the planes render it as absent.
	RBAC                         *bool `json:"rbac,omitempty"`
	EnabledForDeployment         *bool `json:"enabledForDeployment,omitempty"`
	EnabledForDiskEncryption     *bool `json:"enabledForDiskEncryption,omitempty"`
	EnabledForTemplateDeployment *bool `json:"enabledForTemplateDeployment,omitempty"`

	// SoftDelete is false only where a caller of an old API version could still
	// choose so; RetentionDays is from 7 to 90.
	SoftDelete      bool `json:"softDelete"`
	RetentionDays   int  `json:"retentionDays"`
	PurgeProtection bool `json:"purgeProtection,omitempty"`

	PublicNetworkAccess string       `json:"publicNetworkAccess,omitempty"` // "Enabled", "Disabled" or empty
	Network             *NetworkACLs `json:"network,omitempty"`

	Created  Change `json:"created"`
	Modified Change `json:"modified"`

	// Deleted is set while the vault is soft-deleted.
	Deleted *Deletion `json:"deleted,omitempty"`

	// WrappedKey is the vault's data key, wrapped by the keyring.
	WrappedKey []byte `json:"wrappedKey"`

	// HSM is set if this is a managed HSM and not a vault: a container of keys with
	// a name space and with permissions of its own. Policies and RBAC mean nothing
	// in it.
	HSM *HSM `json:"hsm,omitempty"`
}

// HSM is what a managed HSM has besides what a vault has.
type HSM struct {
	SKUFamily     string   `json:"skuFamily"` // "B" or "C"
	SKUName       string   `json:"skuName"`   // "Standard_B1"
	InitialAdmins []string `json:"initialAdmins"`
	// Local are the roles that decide who may do what in it.
	Local access.LocalRoles `json:"local"`
	// AllowARM is its setting of whether the management plane may use its keys.
	AllowARM bool `json:"allowARM,omitempty"`
}

// NetworkACLs are the network rules as they were given.
type NetworkACLs struct {
	Bypass        string           `json:"bypass,omitempty"`
	DefaultAction string           `json:"defaultAction,omitempty"`
	IPRules       []string         `json:"ipRules,omitempty"`
	VirtualRules  []VirtualNetwork `json:"virtualNetworkRules,omitempty"`
}

// VirtualNetwork is one virtual network rule.
type VirtualNetwork struct {
	ID                               string `json:"id"`
	IgnoreMissingVnetServiceEndpoint *bool  `json:"ignoreMissingVnetServiceEndpoint,omitempty"`
}

// RoleAssignment is a role assignment with what is said about it. Records of
// before it had an API say nothing.
type RoleAssignment struct {
	access.Assignment
	// PrincipalType is User, Group, ServicePrincipal or another of Azure's words.
	PrincipalType string `json:"principalType,omitempty"`
	Description   string `json:"description,omitempty"`
	// CreatedBy and UpdatedBy are object ids.
	CreatedBy string    `json:"createdBy,omitempty"`
	CreatedOn time.Time `json:"createdOn,omitzero"`
	UpdatedBy string    `json:"updatedBy,omitempty"`
	UpdatedOn time.Time `json:"updatedOn,omitzero"`
}

// Change says who changed a resource and when.
type Change struct {
	By   string    `json:"by,omitempty"`   // application id, or a user's name
	Type string    `json:"type,omitempty"` // "Application" or "User"
	At   time.Time `json:"at"`
}

// Deletion says when a vault was deleted and until when it can be recovered.
type Deletion struct {
	At, PurgeAt time.Time
}

// ResourceID returns the vault's resource id in the management plane.
func (v *Vault) ResourceID() string {
	kind := "vaults"
	if v.HSM != nil {
		kind = "managedHSMs"
	}
	return "/subscriptions/" + v.SubscriptionID + "/resourceGroups/" + v.ResourceGroup +
		"/providers/Microsoft.KeyVault/" + kind + "/" + v.Name
}

// Access returns what a decision must know of the vault.
func (v *Vault) Access() access.Vault {
	a := access.Vault{
		Name:       v.Name,
		TenantID:   v.TenantID,
		Location:   v.Location,
		ResourceID: v.ResourceID(),
		RBAC:       v.RBAC != nil && *v.RBAC,
		Policies:   v.Policies,
		Network:    v.network(),
	}
	if v.HSM != nil {
		a.Local = &v.HSM.Local
	}
	return a
}

func (v *Vault) network() access.Network {
	n := access.Network{Closed: v.PublicNetworkAccess == "Disabled"}
	if v.Network != nil && v.Network.DefaultAction == "Deny" {
		n.Deny, n.Allowed = true, v.Network.IPRules
	}
	return n
}

// RecoveryLevel returns the recovery level of the vault's objects in Azure's
// words.
func (v *Vault) RecoveryLevel() string {
	switch {
	case !v.SoftDelete:
		return "Purgeable"
	case v.RetentionDays >= 90 && v.PurgeProtection:
		return "Recoverable"
	case v.RetentionDays >= 90:
		return "Recoverable+Purgeable"
	case v.PurgeProtection:
		return "CustomizedRecoverable"
	default:
		return "CustomizedRecoverable+Purgeable"
	}
}
