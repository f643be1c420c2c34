package api

// Types of a managed HSM's own role definitions and role assignments.
const (
	TypeRoleDefinitions = "Microsoft.Authorization/roleDefinitions"
	TypeRoleAssignments = "Microsoft.Authorization/roleAssignments"
	// RoleTypeBuiltIn and RoleTypeCustom are types of roles.
	RoleTypeBuiltIn = "AKVBuiltInRole"
	RoleTypeCustom  = "CustomRole"
)

// RoleDefinition is a role of a managed HSM. Its ID, unlike its Name, says what it
// is: "Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/" and
// the name, which is a GUID.
type RoleDefinition struct {
	ID         string                    `json:"id,omitempty"`
	Name       string                    `json:"name,omitempty"`
	Type       string                    `json:"type,omitempty"`
	Properties *RoleDefinitionProperties `json:"properties,omitempty"`
}

// RoleDefinitionProperties says what a role allows and where it can be assigned.
type RoleDefinitionProperties struct {
	RoleName         string       `json:"roleName"`
	Description      string       `json:"description"`
	Type             string       `json:"type,omitempty"`
	Permissions      []Permission `json:"permissions"`
	AssignableScopes []string     `json:"assignableScopes"`
}

// Permission is one part of a role: of the data actions those that are listed and
// not withheld.
type Permission struct {
	Actions        []string `json:"actions"`
	NotActions     []string `json:"notActions"`
	DataActions    []string `json:"dataActions"`
	NotDataActions []string `json:"notDataActions"`
}

// RoleAssignment is who has a role of a managed HSM, at which scope.
type RoleAssignment struct {
	ID         string                    `json:"id,omitempty"`
	Name       string                    `json:"name,omitempty"`
	Type       string                    `json:"type,omitempty"`
	Properties *RoleAssignmentProperties `json:"properties,omitempty"`
}

// RoleAssignmentProperties is read and written; Scope is read only, because the
// address of the assignment says it.
type RoleAssignmentProperties struct {
	PrincipalID      string `json:"principalId"`
	RoleDefinitionID string `json:"roleDefinitionId"`
	Scope            string `json:"scope,omitempty"`
}

// RoleDefinitions is the list of the roles of a managed HSM.
type RoleDefinitions struct {
	Value []RoleDefinition `json:"value"`
}

// RoleAssignments is a list of role assignments of a managed HSM.
type RoleAssignments struct {
	Value []RoleAssignment `json:"value"`
}

// Setting is a setting of a managed HSM. Its value is text, whatever its type.
type Setting struct {
	Name  string `json:"name"`
	Type  string `json:"type,omitempty"`
	Value string `json:"value"`
}

// Settings is the list of them.
type Settings struct {
	Settings []Setting `json:"settings"`
}

// SettingParameters is the body of a change of a setting.
type SettingParameters struct {
	Value string `json:"value"`
}
