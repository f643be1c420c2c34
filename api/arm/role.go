package arm

import "time"

// Instant is a time as the Authorization provider writes it: in UTC, with seven
// decimals.
type Instant struct{ time.Time }

// MarshalJSON writes the seven decimals also where they are zero.
func (t Instant) MarshalJSON() ([]byte, error) {
	return []byte(t.UTC().Format(`"2006-01-02T15:04:05.0000000Z"`)), nil
}

// RoleTypeBuiltIn is the type of roles that nobody has made.
const RoleTypeBuiltIn = "BuiltInRole"

// RoleAssignment grants a role to a principal at a scope.
type RoleAssignment struct {
	Properties *RoleAssignmentProperties `json:"properties,omitempty"`
	ID         string                    `json:"id,omitempty"`
	Type       string                    `json:"type,omitempty"`
	// Name is a GUID that the client chose.
	Name string `json:"name,omitempty"`
}

// RoleAssignmentProperties is a role assignment as Resource Manager answers it:
// members without a value are explicit nulls.
type RoleAssignmentProperties struct {
	RoleDefinitionID string   `json:"roleDefinitionId"`
	PrincipalID      string   `json:"principalId"`
	PrincipalType    string   `json:"principalType,omitempty"`
	Scope            string   `json:"scope,omitempty"`
	Condition        *string  `json:"condition"`
	ConditionVersion *string  `json:"conditionVersion"`
	CreatedOn        *Instant `json:"createdOn"`
	UpdatedOn        *Instant `json:"updatedOn"`
	// CreatedBy is null in the answer to the creation itself.
	CreatedBy                          *string `json:"createdBy"`
	UpdatedBy                          *string `json:"updatedBy"`
	DelegatedManagedIdentityResourceID *string `json:"delegatedManagedIdentityResourceId"`
	Description                        *string `json:"description"`
}

// RoleAssignmentCreateParameters is the body of a role assignment's PUT.
type RoleAssignmentCreateParameters struct {
	Properties *RoleAssignmentCreateProperties `json:"properties,omitempty"`
}

// RoleAssignmentCreateProperties says who gets which role.
type RoleAssignmentCreateProperties struct {
	RoleDefinitionID string `json:"roleDefinitionId,omitempty"`
	PrincipalID      string `json:"principalId,omitempty"`
	// PrincipalType is User, Group or ServicePrincipal. Given, it spares the
	// service the search in a directory that may not know the principal yet.
	PrincipalType                      string  `json:"principalType,omitempty"`
	Description                        *string `json:"description,omitempty"`
	Condition                          *string `json:"condition,omitempty"`
	ConditionVersion                   *string `json:"conditionVersion,omitempty"`
	DelegatedManagedIdentityResourceID *string `json:"delegatedManagedIdentityResourceId,omitempty"`
}

// RoleDefinition is a role: a named set of permissions.
type RoleDefinition struct {
	Properties *RoleDefinitionProperties `json:"properties,omitempty"`
	ID         string                    `json:"id,omitempty"`
	Type       string                    `json:"type,omitempty"`
	// Name is the GUID by which roles are compared.
	Name string `json:"name,omitempty"`
}

// RoleDefinitionProperties is what a role permits and where it may be assigned.
type RoleDefinitionProperties struct {
	RoleName string `json:"roleName,omitempty"`
	// Type is BuiltInRole or CustomRole.
	Type             string           `json:"type,omitempty"`
	Description      string           `json:"description,omitempty"`
	AssignableScopes []string         `json:"assignableScopes,omitzero"`
	Permissions      []RolePermission `json:"permissions,omitzero"`
	CreatedOn        *Instant         `json:"createdOn"`
	UpdatedOn        *Instant         `json:"updatedOn"`
	CreatedBy        *string          `json:"createdBy"`
	UpdatedBy        *string          `json:"updatedBy"`
}

// RolePermission is a set of actions, less those excluded. Actions concern the
// management plane, data actions the data plane; a "*" matches any run of
// characters.
type RolePermission struct {
	Actions        []string `json:"actions,omitzero"`
	NotActions     []string `json:"notActions,omitzero"`
	DataActions    []string `json:"dataActions,omitzero"`
	NotDataActions []string `json:"notDataActions,omitzero"`
}
