package hsm

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Limits of one role definition.
const (
	maxRoleName    = 128 // characters
	maxDescription = 1024
	maxPermissions = 16
	maxActions     = 100 // of one list
	maxAction      = 256 // bytes
)

// RoleDefinition is what a custom role is to be. An empty list of scopes is "/",
// which is the only one at which roles can be assigned that an HSM defines: it
// means everything below, too.
type RoleDefinition struct {
	Name, Description string
	Permissions       []access.LocalPermission
	AssignableScopes  []string
}

func onDefinition(call Call, name, action, scope, id string) *operation {
	op := &operation{call: call, name: name, action: "roleDefinitions/" + action + "/action", scope: scope, object: "roleDefinitions/" + id}
	op.scopeAt(scope)
	return op
}

// scopeAt has the operation be at a scope, or be refused when there is no such.
func (op *operation) scopeAt(text string) {
	scope, ok := parseScope(text)
	if !ok {
		op.scope, op.invalid = access.LocalScopeAll, badParameter("The scope '%s' is not one of a managed HSM: give /, /keys or /keys/{name}.", text)
		return
	}
	op.scope = scope
}

func definitionNotFound() error {
	return fault.New(fault.NotFound, "RoleDefinitionNotFound", "Requested role definition not found")
}

func builtinRole() error {
	return badParameter("Cannot re-use the name/GUID matching that of a built-in role. Please use a unique role ID.")
}

// ListRoleDefinitions returns all roles, the built-in ones first. They must not be
// changed.
func (s *Service) ListRoleDefinitions(ctx context.Context, call Call, scope string) (roles []access.LocalRole, err error) {
	err = s.read(ctx, onDefinition(call, "RoleDefinitionList", "read", scope, ""), func(v *catalog.Vault) error {
		roles = slices.Concat(access.LocalBuiltin, v.HSM.Local.Custom)
		return nil
	})
	return roles, err
}

// GetRoleDefinition returns a role, which must not be changed.
func (s *Service) GetRoleDefinition(ctx context.Context, call Call, scope, id string) (role *access.LocalRole, err error) {
	err = s.read(ctx, onDefinition(call, "RoleDefinitionGet", "read", scope, id), func(v *catalog.Vault) error {
		if role = v.HSM.Local.Role(id); role == nil {
			return definitionNotFound()
		}
		return nil
	})
	return role, err
}

// PutRoleDefinition makes a custom role or replaces it.
func (s *Service) PutRoleDefinition(ctx context.Context, call Call, scope, id string, in RoleDefinition) (role *access.LocalRole, err error) {
	op := onDefinition(call, "RoleDefinitionPut", "write", scope, id)
	if op.invalid == nil {
		op.invalid = in.check(id)
	}
	err = s.write(ctx, op, func(v *catalog.Vault) error {
		role = &access.LocalRole{ID: strings.ToLower(id), Name: in.Name, Description: in.Description, Permissions: in.Permissions}
		local := &v.HSM.Local
		if i := slices.IndexFunc(local.Custom, sameRole(role)); i >= 0 {
			local.Custom[i] = *role
			return nil
		}
		if len(local.Custom) == access.MaxLocalRoles {
			return badParameter("The managed HSM has %d custom role definitions, which is the most that it can have.", access.MaxLocalRoles)
		}
		local.Custom = append(local.Custom, *role)
		return nil
	})
	return role, err
}

// check is what a definition must satisfy whatever the state.
func (in RoleDefinition) check(id string) error {
	if !validGUID(id) {
		return badParameter("Role definition name must be a GUID")
	}
	if access.LocalBuiltinByID(id) != nil || slices.ContainsFunc(access.LocalBuiltin, func(r access.LocalRole) bool { return strings.EqualFold(r.Name, in.Name) }) {
		return builtinRole()
	}
	if n := utf8.RuneCountInString(in.Name); n == 0 || n > maxRoleName {
		return badParameter("The property roleName must have 1 to %d characters.", maxRoleName)
	}
	if utf8.RuneCountInString(in.Description) > maxDescription {
		return badParameter("The property description must have at most %d characters.", maxDescription)
	}
	if slices.ContainsFunc(in.AssignableScopes, func(scope string) bool { return scope != access.LocalScopeAll }) {
		return badParameter("The property assignableScopes must be [\"/\"].")
	}
	if len(in.Permissions) > maxPermissions {
		return badParameter("The property permissions must have at most %d entries.", maxPermissions)
	}
	for _, p := range in.Permissions {
		if err := checkPermission(p); err != nil {
			return err
		}
	}
	return nil
}

func checkPermission(p access.LocalPermission) error {
	for _, list := range [][]string{p.Actions, p.NotActions, p.DataActions, p.NotDataActions} {
		if len(list) > maxActions || slices.ContainsFunc(list, func(a string) bool { return len(a) > maxAction }) {
			return badParameter("A list of actions has at most %d entries of at most %d characters.", maxActions, maxAction)
		}
	}
	for _, action := range slices.Concat(p.DataActions, p.NotDataActions) {
		if !access.IsLocalAction(action) {
			return badParameter("'%s' is not a data action of a managed HSM.", action)
		}
	}
	return nil
}

// DeleteRoleDefinition deletes a custom role that nobody has, and returns it.
func (s *Service) DeleteRoleDefinition(ctx context.Context, call Call, scope, id string) (role *access.LocalRole, err error) {
	op := onDefinition(call, "RoleDefinitionDelete", "delete", scope, id)
	if op.invalid == nil && access.LocalBuiltinByID(id) != nil {
		op.invalid = builtinRole()
	}
	err = s.write(ctx, op, func(v *catalog.Vault) error {
		local := &v.HSM.Local
		found := local.Role(id)
		if found == nil {
			return definitionNotFound()
		}
		if slices.ContainsFunc(local.Assignments, func(a access.LocalAssignment) bool { return strings.EqualFold(a.RoleID, found.ID) }) {
			return fault.New(fault.Invalid, "RoleDefinitionHasAssignments", "There are existing role assignments referencing the role definition.")
		}
		deleted := *found
		role = &deleted
		local.Custom = slices.DeleteFunc(local.Custom, sameRole(role))
		return nil
	})
	return role, err
}

func sameRole(role *access.LocalRole) func(access.LocalRole) bool {
	return func(r access.LocalRole) bool { return strings.EqualFold(r.ID, role.ID) }
}
