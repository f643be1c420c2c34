package dataplane

import (
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/hsm"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// definitionID begins the ids of role definitions, at whatever scope they are
// asked for.
const definitionID = "Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/"

func (p *plane) listRoleDefinitions(x *httpx.Exchange) error {
	if filter, given := x.QueryValue("$filter"); given && !isAtScope(filter) {
		return badFilter()
	}
	found, err := p.HSM.ListRoleDefinitions(x.Context(), hsmCall(x), x.Params["scope"])
	if err != nil {
		return err
	}
	answer := api.RoleDefinitions{Value: make([]api.RoleDefinition, len(found))}
	for i := range found {
		answer.Value[i] = renderDefinition(&found[i])
	}
	return x.Reply(http.StatusOK, answer)
}

func (p *plane) getRoleDefinition(x *httpx.Exchange) error {
	role, err := p.HSM.GetRoleDefinition(x.Context(), hsmCall(x), x.Params["scope"], x.Params["role"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderDefinition(role))
}

func (p *plane) putRoleDefinition(x *httpx.Exchange) error {
	var body api.RoleDefinition
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	var in hsm.RoleDefinition
	if given := body.Properties; given != nil {
		in = hsm.RoleDefinition{Name: given.RoleName, Description: given.Description, AssignableScopes: given.AssignableScopes}
		for _, p := range given.Permissions {
			in.Permissions = append(in.Permissions, access.LocalPermission(p))
		}
	}
	role, err := p.HSM.PutRoleDefinition(x.Context(), hsmCall(x), x.Params["scope"], x.Params["role"], in)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusCreated, renderDefinition(role))
}

func (p *plane) deleteRoleDefinition(x *httpx.Exchange) error {
	role, err := p.HSM.DeleteRoleDefinition(x.Context(), hsmCall(x), x.Params["scope"], x.Params["role"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderDefinition(role))
}

func renderDefinition(role *access.LocalRole) api.RoleDefinition {
	kind := api.RoleTypeCustom
	if access.LocalBuiltinByID(role.ID) != nil {
		kind = api.RoleTypeBuiltIn
	}
	permissions := make([]api.Permission, len(role.Permissions))
	for i, p := range role.Permissions {
		permissions[i] = api.Permission{
			Actions: actions(p.Actions), NotActions: actions(p.NotActions),
			DataActions: actions(p.DataActions), NotDataActions: actions(p.NotDataActions),
		}
	}
	return api.RoleDefinition{
		ID: definitionID + role.ID, Name: role.ID, Type: api.TypeRoleDefinitions,
		Properties: &api.RoleDefinitionProperties{
			RoleName: role.Name, Description: role.Description, Type: kind,
			Permissions: permissions, AssignableScopes: []string{access.LocalScopeAll},
		},
	}
}

// actions returns a list that is written as [] when it is empty.
func actions(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (p *plane) listRoleAssignments(x *httpx.Exchange) error {
	text, _ := x.QueryValue("$filter")
	filter, ok := parseAssignmentFilter(text)
	if !ok {
		return badFilter()
	}
	found, err := p.HSM.ListRoleAssignments(x.Context(), hsmCall(x), x.Params["scope"], filter)
	if err != nil {
		return err
	}
	answer := api.RoleAssignments{Value: make([]api.RoleAssignment, len(found))}
	for i, a := range found {
		answer.Value[i] = renderAssignment(a)
	}
	return x.Reply(http.StatusOK, answer)
}

func badFilter() error {
	return badParameter("The $filter is not one that this operation knows: give atScope(), or principalId eq {id}.")
}

func isAtScope(filter string) bool {
	return strings.EqualFold(strings.TrimSpace(filter), "atScope()") || filter == ""
}

// parseAssignmentFilter reads "atScope()" or "principalId eq ID", where the id may
// stand in quotes.
func parseAssignmentFilter(text string) (hsm.AssignmentFilter, bool) {
	if isAtScope(text) {
		return hsm.AssignmentFilter{AtScope: text != ""}, true
	}
	words := strings.Fields(text)
	if len(words) != 3 || !strings.EqualFold(words[0], "principalId") || !strings.EqualFold(words[1], "eq") {
		return hsm.AssignmentFilter{}, false
	}
	id := words[2]
	if inner, quoted := strings.CutPrefix(id, "'"); quoted {
		var closed bool
		if id, closed = strings.CutSuffix(inner, "'"); !closed {
			return hsm.AssignmentFilter{}, false
		}
	}
	return hsm.AssignmentFilter{PrincipalID: id}, id != "" && !strings.Contains(id, "'")
}

func (p *plane) getRoleAssignment(x *httpx.Exchange) error {
	found, err := p.HSM.GetRoleAssignment(x.Context(), hsmCall(x), x.Params["scope"], x.Params["role"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderAssignment(found))
}

func (p *plane) putRoleAssignment(x *httpx.Exchange) error {
	var body api.RoleAssignment
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	if body.Properties == nil {
		body.Properties = &api.RoleAssignmentProperties{} // which the domain refuses, once it knows that the caller may
	}
	made, err := p.HSM.PutRoleAssignment(x.Context(), hsmCall(x), x.Params["scope"], x.Params["role"],
		body.Properties.RoleDefinitionID, body.Properties.PrincipalID)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusCreated, renderAssignment(made))
}

func (p *plane) deleteRoleAssignment(x *httpx.Exchange) error {
	deleted, err := p.HSM.DeleteRoleAssignment(x.Context(), hsmCall(x), x.Params["scope"], x.Params["role"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderAssignment(deleted))
}

func renderAssignment(a access.LocalAssignment) api.RoleAssignment {
	return api.RoleAssignment{
		ID: strings.TrimSuffix(a.Scope, "/") + providersPath + "roleAssignments/" + a.ID, Name: a.ID, Type: api.TypeRoleAssignments,
		Properties: &api.RoleAssignmentProperties{PrincipalID: a.PrincipalID, RoleDefinitionID: definitionID + a.RoleID, Scope: a.Scope},
	}
}
