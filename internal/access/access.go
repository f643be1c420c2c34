// Package access decides whether a caller may perform an action on a vault.
//
// It is pure: every decision follows from its arguments. It reads no store, no
// clock and no request, and it has models that never mix: a vault's access
// policies, or role assignments (Azure RBAC) when the vault says so, and the local
// roles of a managed HSM. The answer to anything not granted is no.
package access

import "slices"

// Caller is who sends a request, as the token service vouches for.
type Caller struct {
	TenantID string // tid
	ObjectID string // oid: what policies and role assignments name
	AppID    string // appid or azp; empty for a user
	Issuer   string // iss, as in the token
	// Groups are the object ids of the groups the token lists.
	Groups []string
}

// Equal reports whether no decision can tell the two apart.
func (c *Caller) Equal(o *Caller) bool {
	return c.ObjectID == o.ObjectID && c.AppID == o.AppID && c.TenantID == o.TenantID && c.Issuer == o.Issuer && slices.Equal(c.Groups, o.Groups)
}

// Policy is one entry of a vault's access policies. Object and application ids
// compare without case. Permissions are lower-case words of the closed sets.
type Policy struct {
	TenantID      string      `json:"tenantId"`
	ObjectID      string      `json:"objectId"`
	ApplicationID string      `json:"applicationId,omitempty"`
	Permissions   Permissions `json:"permissions"`
}

// Permissions are the words granted per kind of object, as they were given.
type Permissions struct {
	Keys         []string `json:"keys,omitempty"`
	Secrets      []string `json:"secrets,omitempty"`
	Certificates []string `json:"certificates,omitempty"`
	Storage      []string `json:"storage,omitempty"`
}

// Vault is what a decision must know of a vault.
type Vault struct {
	Name       string
	TenantID   string
	Location   string
	ResourceID string // /subscriptions/S/resourceGroups/G/providers/Microsoft.KeyVault/vaults/V
	RBAC       bool   // role assignments decide, not Policies
	Policies   []Policy
	Network    Network
	// Local are the roles that decide, and nothing else does, if this is a managed
	// HSM; nil for a vault.
	Local *LocalRoles
}

// Assignment grants a role to a principal at a scope and below.
type Assignment struct {
	ID          string `json:"id"`          // a GUID, unique in the tenant
	Scope       string `json:"scope"`       // "/", or a resource id without a trailing slash
	RoleID      string `json:"roleId"`      // the GUID of the role definition
	PrincipalID string `json:"principalId"` // object id of an application or group
}
