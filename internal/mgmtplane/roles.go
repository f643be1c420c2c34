package mgmtplane

import (
	"net/http"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

// scopeOf returns the scope that the path names.
func scopeOf(x *httpx.Exchange) resource.Scope {
	at := resource.Scope{Subscription: x.Params["subscription"], Group: x.Params["group"], Vault: x.Params["vault"]}
	for kind, parameter := range map[string]string{"secrets": "secret", "keys": "key", "certificates": "certificate"} {
		if object := x.Params[parameter]; object != "" {
			at.Kind, at.Object = kind, object
		}
	}
	return at
}

func (p *plane) putAssignment(x *httpx.Exchange) error {
	var body arm.RoleAssignmentCreateParameters
	if err := readBody(x, &body); err != nil {
		return err
	}
	var in resource.PutRoleAssignment
	if given := body.Properties; given != nil {
		in = resource.PutRoleAssignment{
			RoleID: given.RoleDefinitionID, PrincipalID: given.PrincipalID, PrincipalType: given.PrincipalType,
			Description: text(given.Description), Condition: text(given.Condition), DelegatedIdentity: text(given.DelegatedManagedIdentityResourceID),
		}
	}
	a, created, err := p.Resources.PutRoleAssignment(x.Context(), call(x), scopeOf(x), x.Params["assignment"], in)
	if err != nil {
		return err
	}
	answer, status := renderAssignment(x, a), http.StatusOK
	if created {
		// Azure says who made an assignment from its next answer on.
		answer.Properties.CreatedBy = nil
	}
	if created || x.APIVersion < arm.RoleAssignmentUpdates {
		status = http.StatusCreated
	}
	return x.Reply(status, answer)
}

// text returns what was given, or nothing.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (p *plane) getAssignment(x *httpx.Exchange) error {
	a, err := p.Resources.GetRoleAssignment(x.Context(), call(x), scopeOf(x), x.Params["assignment"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderAssignment(x, a))
}

func (p *plane) deleteAssignment(x *httpx.Exchange) error {
	gone, err := p.Resources.DeleteRoleAssignment(x.Context(), call(x), scopeOf(x), x.Params["assignment"])
	if f, ok := fault.As(err); ok && f.Code == resource.CodeLastAdministrator {
		return &httpx.Refusal{Status: http.StatusPreconditionFailed, Code: f.Code, Message: f.Message}
	}
	if err != nil {
		return err
	}
	if gone == nil {
		return x.Reply(http.StatusNoContent, nil)
	}
	return x.Reply(http.StatusOK, renderAssignment(x, *gone))
}

func (p *plane) listAssignments(x *httpx.Exchange) error {
	page, err := readPage(x)
	if err != nil {
		return err
	}
	f, err := readAssignmentFilter(x)
	if err != nil {
		return err
	}
	found, err := p.Resources.ListRoleAssignments(x.Context(), call(x), scopeOf(x), f, page)
	if err != nil {
		return err
	}
	return replyPage(x, found, func(a catalog.RoleAssignment) arm.RoleAssignment { return renderAssignment(x, a) })
}

func (p *plane) listDefinitions(x *httpx.Exchange) error {
	f, err := readDefinitionFilter(x)
	if err != nil {
		return err
	}
	found, err := p.Resources.ListRoleDefinitions(x.Context(), call(x), scopeOf(x), f)
	return replyAll(x, found, err, func(r access.Role) arm.RoleDefinition { return renderDefinition(x, r) })
}

func (p *plane) getDefinition(x *httpx.Exchange) error {
	r, err := p.Resources.GetRoleDefinition(x.Context(), call(x), scopeOf(x), x.Params["role"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderDefinition(x, r))
}

// definitionID is the id of a role as the subscription of the request knows it:
// clients compare the ids of definitions with those in assignments as text.
func definitionID(x *httpx.Exchange, role string) string {
	id := authorizationPath + "/roleDefinitions/" + role
	if subscription := x.Params["subscription"]; subscription != "" {
		return "/subscriptions/" + subscription + id
	}
	return id
}

func renderAssignment(x *httpx.Exchange, a catalog.RoleAssignment) arm.RoleAssignment {
	kind := a.PrincipalType
	if kind == "" {
		// The operator's own assignments do not say: they are for applications.
		kind = "ServicePrincipal"
	}
	return arm.RoleAssignment{
		ID:   strings.TrimSuffix(a.Scope, "/") + authorizationPath + "/roleAssignments/" + a.ID,
		Name: a.ID, Type: arm.TypeRoleAssignments,
		Properties: &arm.RoleAssignmentProperties{
			RoleDefinitionID: definitionID(x, a.RoleID), PrincipalID: a.PrincipalID, PrincipalType: kind, Scope: a.Scope,
			CreatedOn: instant(a.CreatedOn), UpdatedOn: instant(a.UpdatedOn),
			CreatedBy: orNull(a.CreatedBy), UpdatedBy: orNull(a.UpdatedBy), Description: orNull(a.Description),
		},
	}
}

// instant returns a time as it is shown, nil for one that is not known.
func instant(t time.Time) *arm.Instant {
	if t.IsZero() {
		return nil
	}
	return &arm.Instant{Time: t}
}

// orNull returns nil for what nobody has said.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func renderDefinition(x *httpx.Exchange, r access.Role) arm.RoleDefinition {
	return arm.RoleDefinition{
		ID: definitionID(x, r.ID), Name: r.ID, Type: arm.TypeRoleDefinitions,
		Properties: &arm.RoleDefinitionProperties{
			RoleName: r.Name, Type: arm.RoleTypeBuiltIn, Description: r.Description, AssignableScopes: []string{"/"},
			Permissions: []arm.RolePermission{{
				Actions: list(r.Actions), NotActions: list(r.NotActions),
				DataActions: list(r.DataActions), NotDataActions: list(r.NotDataActions),
			}},
		},
	}
}
