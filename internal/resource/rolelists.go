package resource

import (
	"context"
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

const actDefinitionRead = "Microsoft.Authorization/roleDefinitions/read"

// RoleAssignmentFilter selects role assignments of those at, above and below a
// scope. The zero value selects all.
type RoleAssignmentFilter struct {
	// AtScope leaves those below out.
	AtScope bool
	// PrincipalID is whom the role is assigned to.
	PrincipalID string
	// AssignedTo is who holds the role: also by a group, if that is the caller,
	// whose token says what groups it is in.
	AssignedTo string
}

func (f RoleAssignmentFilter) selects(c access.Caller, at string, a access.Assignment) bool {
	if !access.Within(at, a.Scope) && (f.AtScope || !access.Within(a.Scope, at)) {
		return false
	}
	if f.PrincipalID != "" && !strings.EqualFold(f.PrincipalID, a.PrincipalID) {
		return false
	}
	if f.AssignedTo == "" || strings.EqualFold(f.AssignedTo, a.PrincipalID) {
		return true
	}
	return strings.EqualFold(f.AssignedTo, c.ObjectID) &&
		slices.ContainsFunc(c.Groups, func(g string) bool { return strings.EqualFold(g, a.PrincipalID) })
}

// ListRoleAssignments returns a page of the role assignments at, above and below
// a scope that the filter selects, in order of name. The scope must exist down to
// the vault.
func (s *Service) ListRoleAssignments(ctx context.Context, call Call, at Scope, filter RoleAssignmentFilter, page PageRequest) (found Page[catalog.RoleAssignment], err error) {
	op := inScope(call, "RoleAssignmentList", actRoleRead, at, "")
	if op.invalid == nil {
		op.invalid = checkPage(page, 1)
	}
	err = s.read(ctx, op, func(v store.View, p place) error {
		if _, err := s.existing(v, p, at); err != nil {
			return err
		}
		r := tuple.Prefix(tuple.Key("role"))
		if page.Marker != "" {
			r.Start = tuple.After(catalog.RoleKey(page.Marker))
		}
		return scanPage(v, r, page.Max, func(batch []store.Entry) (int, error) {
			for i, e := range batch {
				a, err := s.cfg.Catalog.DecodeAssignment(e.Key, e.Record)
				if err != nil {
					return 0, err
				}
				if !filter.selects(call.Caller, op.scope, a.Assignment) {
					continue
				}
				if len(found.Items) == page.Max {
					found.Next = fold(found.Items[page.Max-1].ID)
					return i, nil
				}
				found.Items = append(found.Items, a)
			}
			return len(batch), nil
		})
	})
	return found, err
}

// RoleDefinitionFilter selects role definitions. Members at their zero value
// select all; both compare without case.
type RoleDefinitionFilter struct {
	Name string
	Type string // arm.RoleTypeBuiltIn, or another of which there are none
}

// ListRoleDefinitions returns the roles that can be assigned at a scope, which
// must exist down to the vault. The built-in ones are all that there are.
func (s *Service) ListRoleDefinitions(ctx context.Context, call Call, at Scope, filter RoleDefinitionFilter) (found []access.Role, err error) {
	op := inScope(call, "RoleDefinitionList", actDefinitionRead, at, "")
	err = s.read(ctx, op, func(v store.View, p place) error {
		if _, err := s.existing(v, p, at); err != nil {
			return err
		}
		if filter.Type != "" && !strings.EqualFold(filter.Type, arm.RoleTypeBuiltIn) {
			return nil
		}
		for _, role := range access.Builtin {
			if filter.Name == "" || strings.EqualFold(filter.Name, role.Name) {
				found = append(found, role)
			}
		}
		return nil
	})
	return found, err
}

// GetRoleDefinition returns the role with an id, a GUID.
func (s *Service) GetRoleDefinition(ctx context.Context, call Call, at Scope, id string) (role access.Role, err error) {
	op := atScope(call, "RoleDefinitionGet", actDefinitionRead, at, clipName(id))
	err = s.read(ctx, op, func(store.View, place) error {
		found := access.RoleByID(id)
		if found == nil {
			return fault.New(fault.NotFound, "RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.", roleGUID(id))
		}
		role = *found
		return nil
	})
	return role, err
}
