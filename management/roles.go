package management

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// RoleAssignmentFilter selects role assignments of those at, above and below a
// scope. The zero value selects all. Services take PrincipalID alone only.
type RoleAssignmentFilter struct {
	// AtScope leaves those below the scope out.
	AtScope bool
	// AssignedTo is the object id of who holds the role, also by a group.
	AssignedTo string
	// PrincipalID is the object id of whom the role is assigned to.
	PrincipalID string
}

func (f RoleAssignmentFilter) text() string {
	var terms []string
	if f.AtScope {
		terms = append(terms, "atScope()")
	}
	if f.AssignedTo != "" {
		terms = append(terms, "assignedTo("+filterText(f.AssignedTo)+")")
	}
	if f.PrincipalID != "" {
		terms = append(terms, "principalId eq "+filterText(f.PrincipalID))
	}
	return strings.Join(terms, " and ")
}

// filterText returns s as a filter has texts.
func filterText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func filterQuery(text string) url.Values {
	if text == "" {
		return nil
	}
	return url.Values{"$filter": {text}}
}

// CreateRoleAssignment assigns a role at a scope and below: "/" is the whole
// tenant, and the ids of subscriptions, resource groups, vaults and objects of a
// vault narrow it. RoleDefinitionID is the id of a role, of which the GUID at its
// end is what counts; PrincipalID is an object id. With PrincipalType given, the
// principal may be one that the service does not know, yet or ever.
//
// The name is a GUID, chosen here if it is empty. Create again under the same name
// and nothing changes; under another name that is a conflict.
func (c *Client) CreateRoleAssignment(ctx context.Context, scope, name string, properties arm.RoleAssignmentCreateProperties) (*arm.RoleAssignment, error) {
	if name == "" {
		name = newGUID()
	}
	return call[arm.RoleAssignment](ctx, c, operation{
		name: "CreateRoleAssignment", method: http.MethodPut, path: authorizationPath(scope, "roleAssignments", name),
		version: arm.AuthorizationLatest, body: arm.RoleAssignmentCreateParameters{Properties: &properties},
		success: []int{http.StatusOK, http.StatusCreated},
	})
}

// GetRoleAssignment returns the role assignment with an id.
func (c *Client) GetRoleAssignment(ctx context.Context, id string) (*arm.RoleAssignment, error) {
	return getByID[arm.RoleAssignment](ctx, c, "GetRoleAssignment", id)
}

// DeleteRoleAssignment takes a role away. That there is no assignment with the id
// is no error.
func (c *Client) DeleteRoleAssignment(ctx context.Context, id string) error {
	if len(segments(id)) == 0 {
		return errors.New("management: DeleteRoleAssignment: the id is empty")
	}
	return c.do(ctx, operation{
		name: "DeleteRoleAssignment", method: http.MethodDelete, path: segments(id),
		version: arm.AuthorizationLatest, success: []int{http.StatusOK, http.StatusNoContent},
	}, nil)
}

// ListRoleAssignments lists the role assignments at, above and below a scope that
// the filter selects.
func (c *Client) ListRoleAssignments(ctx context.Context, scope string, filter RoleAssignmentFilter) iter.Seq2[arm.RoleAssignment, error] {
	return list[arm.RoleAssignment](ctx, c, operation{
		name: "ListRoleAssignments", path: authorizationPath(scope, "roleAssignments"), version: arm.AuthorizationLatest,
		query: filterQuery(filter.text()),
	})
}

// ListRoleDefinitions lists the roles that can be assigned at a scope: all, or the
// one that has the name.
func (c *Client) ListRoleDefinitions(ctx context.Context, scope, roleName string) iter.Seq2[arm.RoleDefinition, error] {
	filter := ""
	if roleName != "" {
		filter = "roleName eq " + filterText(roleName)
	}
	return list[arm.RoleDefinition](ctx, c, operation{
		name: "ListRoleDefinitions", path: authorizationPath(scope, "roleDefinitions"), version: arm.AuthorizationLatest,
		query: filterQuery(filter),
	})
}

// GetRoleDefinition returns the role with an id.
func (c *Client) GetRoleDefinition(ctx context.Context, id string) (*arm.RoleDefinition, error) {
	return getByID[arm.RoleDefinition](ctx, c, "GetRoleDefinition", id)
}

func getByID[T any](ctx context.Context, c *Client, name, id string) (*T, error) {
	if len(segments(id)) == 0 {
		return nil, errors.New("management: " + name + ": the id is empty")
	}
	return call[T](ctx, c, operation{name: name, method: http.MethodGet, path: segments(id), version: arm.AuthorizationLatest})
}

// segments returns the segments of a resource id, none for that of the tenant.
func segments(id string) []string {
	id = strings.Trim(id, "/")
	if id == "" {
		return nil
	}
	return strings.Split(id, "/")
}

func authorizationPath(scope string, more ...string) []string {
	return append(append(segments(scope), "providers", arm.AuthorizationNamespace), more...)
}

// newGUID returns a random GUID of version 4.
func newGUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
