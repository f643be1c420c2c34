package hsm

import (
	"context"
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// maxAssignments is how many role assignments an HSM has in all: they are part of
// one record, so that a permission needs no read of its own. Azure has no such
// limit, but for each key.
const maxAssignments = 1000

// AssignmentFilter selects role assignments. The zero value selects those at the
// scope itself, where the HSM and all its keys are one: what is assigned to a key
// is not shown there.
type AssignmentFilter struct {
	// AtScope selects those at the scope and above it.
	AtScope bool
	// PrincipalID selects those of a principal at, above and below the scope.
	PrincipalID string
}

func (f AssignmentFilter) selects(a access.LocalAssignment, scope string) bool {
	switch {
	case f.PrincipalID != "":
		return strings.EqualFold(a.PrincipalID, f.PrincipalID) && (covers(a.Scope, scope) || covers(scope, a.Scope))
	case f.AtScope:
		return covers(a.Scope, scope)
	case isKey(scope):
		return strings.EqualFold(a.Scope, scope)
	}
	return !isKey(a.Scope)
}

func onAssignment(call Call, name, action, scope, id string) *operation {
	op := &operation{call: call, name: name, action: "roleAssignments/" + action + "/action", object: "roleAssignments/" + id}
	op.scopeAt(scope)
	return op
}

func assignmentNotFound() error {
	return fault.New(fault.NotFound, "RoleAssignmentNotFound", "Requested role assignment not found")
}

// ListRoleAssignments returns the role assignments that the filter selects.
func (s *Service) ListRoleAssignments(ctx context.Context, call Call, scope string, filter AssignmentFilter) (found []access.LocalAssignment, err error) {
	op := onAssignment(call, "RoleAssignmentList", "read", scope, "")
	err = s.read(ctx, op, func(v *catalog.Vault) error {
		for _, a := range v.HSM.Local.Assignments {
			if filter.selects(a, op.scope) {
				found = append(found, a)
			}
		}
		return nil
	})
	return found, err
}

// GetRoleAssignment returns a role assignment of the scope.
func (s *Service) GetRoleAssignment(ctx context.Context, call Call, scope, id string) (found access.LocalAssignment, err error) {
	op := onAssignment(call, "RoleAssignmentGet", "read", scope, id)
	err = s.read(ctx, op, func(v *catalog.Vault) error {
		i := indexOf(v.HSM.Local.Assignments, op.scope, id)
		if i < 0 {
			return assignmentNotFound()
		}
		found = v.HSM.Local.Assignments[i]
		return nil
	})
	return found, err
}

// indexOf returns the index of the assignment at the scope, or -1.
func indexOf(all []access.LocalAssignment, scope, id string) int {
	return slices.IndexFunc(all, func(a access.LocalAssignment) bool {
		return strings.EqualFold(a.ID, id) && strings.EqualFold(a.Scope, scope)
	})
}

// PutRoleAssignment gives a principal a role at a scope. Putting what there is
// already changes nothing; another assignment of the id, or the same one under
// another id, is a Conflict.
func (s *Service) PutRoleAssignment(ctx context.Context, call Call, scope, id, roleID, principalID string) (made access.LocalAssignment, err error) {
	op := onAssignment(call, "RoleAssignmentPut", "write", scope, id)
	switch {
	case op.invalid != nil:
	case !validGUID(id):
		op.invalid = badParameter("Role assignment name must be a GUID")
	case !validGUID(principalID):
		op.invalid = badParameter("The property principalId must be a GUID.")
	}
	err = s.write(ctx, op, func(v *catalog.Vault) error {
		local := &v.HSM.Local
		role := local.Role(roleID)
		if role == nil {
			return definitionNotFound()
		}
		made = access.LocalAssignment{ID: strings.ToLower(id), Scope: op.scope, RoleID: role.ID, PrincipalID: principalID}
		for _, a := range local.Assignments {
			same := strings.EqualFold(a.Scope, made.Scope) && strings.EqualFold(a.RoleID, made.RoleID) && strings.EqualFold(a.PrincipalID, made.PrincipalID)
			if same && strings.EqualFold(a.ID, id) {
				made = a
				return nil
			}
			if same || strings.EqualFold(a.ID, id) {
				return fault.New(fault.Conflict, "RoleAssignmentExists", "The role assignment already exists.")
			}
		}
		if err := checkRoom(local.Assignments, op.scope); err != nil {
			return err
		}
		local.Assignments = append(local.Assignments, made)
		return nil
	})
	return made, err
}

// checkRoom keeps to the limits of how many assignments there are.
func checkRoom(all []access.LocalAssignment, scope string) error {
	here := 0
	for _, a := range all {
		if isKey(scope) && strings.EqualFold(a.Scope, scope) || !isKey(scope) && !isKey(a.Scope) {
			here++
		}
	}
	limit := access.MaxLocalAssignments
	if isKey(scope) {
		limit = access.MaxKeyLocalAssignments
	}
	if here >= limit {
		return badParameter("There are %d role assignments at the scope '%s', which is the most that there can be.", limit, scope)
	}
	if len(all) >= maxAssignments {
		return badParameter("The managed HSM has %d role assignments, which is the most that it can have.", maxAssignments)
	}
	return nil
}

// DeleteRoleAssignment takes a role assignment away and returns it.
func (s *Service) DeleteRoleAssignment(ctx context.Context, call Call, scope, id string) (deleted access.LocalAssignment, err error) {
	op := onAssignment(call, "RoleAssignmentDelete", "delete", scope, id)
	err = s.write(ctx, op, func(v *catalog.Vault) error {
		local := &v.HSM.Local
		i := indexOf(local.Assignments, op.scope, id)
		if i < 0 {
			return assignmentNotFound()
		}
		deleted = local.Assignments[i]
		local.Assignments = slices.Delete(local.Assignments, i, i+1)
		return nil
	})
	return deleted, err
}
