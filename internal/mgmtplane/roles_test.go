package mgmtplane

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
)

const (
	roles           = "/providers/Microsoft.Authorization"
	roleVersion     = "2022-04-01"
	roleSecretsUser = "4633458b-17de-408a-b874-0445c86b69e6"

	name1 = "dddddddd-0000-4000-8000-000000000001"
	name2 = "dddddddd-0000-4000-8000-000000000002"
)

func assignmentBody(role, principal string, more ...string) string {
	return `{"properties":{"roleDefinitionId":"` + sub + roles + `/roleDefinitions/` + role + `","principalId":"` + principal + `"` + strings.Join(more, "") + `}}`
}

// assignment is how an answer shows one.
func assignment(definition, role, scope, at, name, principal, createdBy, description string) string {
	return `{"properties":{"roleDefinitionId":"` + definition + roles + `/roleDefinitions/` + role + `","principalId":"` + principal + `","principalType":"ServicePrincipal","scope":"` + scope + `",
		"condition":null,"conditionVersion":null,"createdOn":"2030-01-02T03:04:05.6780000Z","updatedOn":"2030-01-02T03:04:05.6780000Z",
		"createdBy":` + createdBy + `,"updatedBy":"` + principals["owner"] + `","delegatedManagedIdentityResourceId":null,"description":` + description + `},
		"id":"` + at + roles + `/roleAssignments/` + name + `","type":"Microsoft.Authorization/roleAssignments","name":"` + name + `"}`
}

func TestRoleAssignmentLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.svc.AssignRole(t.Context(), access.Assignment{Scope: "/", RoleID: access.RoleOwner, PrincipalID: principals["owner"]}))
	w.vault("Alpha")
	group := sub + "/resourceGroups/Team"
	vault := group + kv + "/vaults/Alpha"
	me := `"` + principals["owner"] + `"`
	for i, at := range []struct{ path, scope, definition string }{
		{"", "/", ""}, {sub, sub, sub}, {team, group, sub}, {alpha, vault, sub},
		{alpha + "/secrets/pw", vault + "/secrets/pw", sub}, {alpha + "/KEYS/K", vault + "/keys/K", sub}, {alpha + "/certificates/c-1", vault + "/certificates/c-1", sub},
	} {
		name := name1[:35] + string(rune('a'+i%6))
		if i == 6 {
			name = name2
		}
		path := at.path + roles + "/roleAssignments/" + name
		id := strings.TrimSuffix(at.scope, "/")
		body := assignmentBody(roleSecretsUser, principals["nobody"], `,"description":"d"`)
		w.call("PUT", path, roleVersion, body).is(201).json(assignment(at.definition, roleSecretsUser, at.scope, id, name, principals["nobody"], "null", `"d"`))
		// The same once more, in the words of old and new versions, changes nothing.
		w.call("PUT", path, roleVersion, body).is(200).json(assignment(at.definition, roleSecretsUser, at.scope, id, name, principals["nobody"], me, `"d"`))
		w.call("PUT", path, "2018-09-01-preview", body).is(201)
		// A client puts the scope, with its slash, behind a slash.
		for _, path := range []string{path, "/" + path, strings.ToUpper(path)} {
			a := w.call("GET", path, roleVersion, "").is(200)
			if path[1:2] != "P" && path[1:2] != "S" { // ids repeat what was asked for
				a.json(assignment(at.definition, roleSecretsUser, at.scope, id, name, principals["nobody"], me, `"d"`))
			}
		}
		w.call("DELETE", path, roleVersion, "").is(200).json(assignment(at.definition, roleSecretsUser, at.scope, id, name, principals["nobody"], me, `"d"`))
		if a := w.call("DELETE", path, roleVersion, "").is(204); a.body != "" {
			t.Errorf("body %q", a.body)
		}
		w.call("GET", path, roleVersion, "").refused(404, "RoleAssignmentNotFound", name)
	}
}

func TestRoleAssignmentRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("alpha")
	path := alpha + roles + "/roleAssignments/" + name1
	good := assignmentBody(roleReader, principals["nobody"])
	w.call("PUT", path, roleVersion, good).is(201)
	for _, tt := range []struct {
		as, path, body string
		status         int
		code, message  string
	}{
		{"owner", alpha + roles + "/roleAssignments/x", good, 400, "InvalidRoleAssignmentId", "must be a GUID"},
		{"owner", path, "", 400, "InvalidRequestContent", ""},
		{"owner", path, "{}", 400, "InvalidCreateRoleAssignmentRequest", "incorrectly formatted"},
		{"owner", path, assignmentBody(roleReader, principals["reader"]), 400, "RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."},
		{"owner", alpha + roles + "/roleAssignments/" + name2, good, 409, "RoleAssignmentExists", "The role assignment already exists. The ID of the existing role assignment is dddddddd000040008000000000000001."},
		{"owner", sub + roles + "/roleAssignments/" + name2, assignmentBody(name2, principals["nobody"]), 400, "RoleDefinitionDoesNotExist", name2},
		{"owner", sub + roles + "/roleAssignments/" + name2, assignmentBody(roleReader, name2), 400, "PrincipalNotFound", "does not exist in the directory " + testTenant},
		{"owner", sub + roles + "/roleAssignments/" + name2, assignmentBody(roleReader, principals["nobody"], `,"condition":"true","conditionVersion":"2.0"`), 400, "ConditionNotSupported", "conditions"},
		{"owner", roles + "/roleAssignments/" + name2, good, 403, "AuthorizationFailed", "over scope '/'"},
		{"contributor", path, good, 403, "AuthorizationFailed", "'Microsoft.Authorization/roleAssignments/write' over scope '" + alpha + "'"},
		{"nobody", path, good, 403, "AuthorizationFailed", ""},
		{"foreign", path, good, 401, "InvalidAuthenticationTokenTenant", ""},
		{"foreign", roles + "/roleAssignments/" + name2, good, 401, "InvalidAuthenticationTokenTenant", ""},
		{"none", path, good, 401, "AuthenticationFailed", ""},
		{"owner", team + kv + "/vaults/none" + roles + "/roleAssignments/" + name2, good, 404, "ResourceNotFound", ""},
	} {
		w.unchanged(func() {
			w.do(request{method: "PUT", path: tt.path, version: roleVersion, as: tt.as, body: tt.body}).refused(tt.status, tt.code, tt.message)
		})
	}
	w.call("GET", path, "2021-01-01", "").refused(400, "NoRegisteredProviderFound", "API version '2021-01-01' for type 'roleAssignments'")
	w.call("GET", sub+roles+"/roleDefinitions", "2018-09-01-preview", "").refused(400, "NoRegisteredProviderFound", "for type 'roleDefinitions'")
	w.call("PUT", sub+roles+"/roleDefinitions/"+name1, roleVersion, "{}").refused(501, "NotImplemented", "RoleDefinitionPut")
	w.call("DELETE", sub+roles+"/roleDefinitions/"+name1, roleVersion, "").refused(501, "NotImplemented", "RoleDefinitionDelete")
	w.call("PATCH", path, roleVersion, good).refused(405, "MethodNotAllowed", "DELETE, GET, PUT")
	w.do(request{method: "DELETE", path: path, version: roleVersion, as: "contributor"}).refused(403, "AuthorizationFailed", "'Microsoft.Authorization/roleAssignments/delete'")
	w.do(request{method: "GET", path: path, version: roleVersion, as: "nobody"}).is(200)
	w.do(request{method: "GET", path: sub + roles + "/roleAssignments", version: roleVersion, as: "nobody"}).refused(403, "AuthorizationFailed", "roleAssignments/read")
}

func TestLastAdministratorStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := sub + roles + "/roleAssignments?$filter=" + url.QueryEscape("principalId eq '"+principals["owner"]+"'")
	names := w.call("GET", list, roleVersion, "").is(200).values()
	if len(names) != 1 {
		t.Fatalf("the owner has %v", names)
	}
	w.unchanged(func() {
		w.call("DELETE", sub+roles+"/roleAssignments/"+names[0], roleVersion, "").
			refused(412, "CannotDeleteLastRbacAdminAssignment", "Cannot delete the last RBAC admin assignment")
	})
}

func TestListRoleAssignments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("alpha")
	put := func(at, name, principal string) {
		t.Helper()
		w.call("PUT", at+roles+"/roleAssignments/"+name, roleVersion, assignmentBody(roleSecretsUser, principals[principal])).is(201)
	}
	put(alpha, name1, "nobody")
	put(sub, name2, "nobody")
	list := func(at, filter, version string) []string {
		t.Helper()
		path := at + roles + "/roleAssignments"
		if filter != "" {
			path += "?$filter=" + filter
		}
		return slices.DeleteFunc(w.call("GET", path, version, "").is(200).values(), func(n string) bool { return !strings.HasPrefix(n, "dddddddd") })
	}
	nobody := principals["nobody"]
	for _, tt := range []struct {
		at, filter string
		want       []string
	}{
		{sub, "", []string{name1, name2}},
		{sub, "atScope()", []string{name2}},
		{sub, "atScope%28%29", []string{name2}},
		{alpha, "ATSCOPE(%20)", []string{name1, name2}},
		{team, "atScope()+and+assignedTo('" + nobody + "')", []string{name2}},
		{sub, "assignedTo('" + nobody + "')%20and%20atScope()", []string{name2}},
		{team, "assignedTo('" + nobody + "')", []string{name1, name2}},
		{alpha, "principalId%20eq%20'" + nobody + "'", []string{name1, name2}},
		{alpha, "principalId+eq+'" + principals["reader"] + "'", nil},
		{alpha + "/secrets/pw", "atScope()", []string{name1, name2}},
	} {
		if got := list(tt.at, tt.filter, roleVersion); !slices.Equal(got, tt.want) {
			t.Errorf("%s %s: %v, want %v", tt.at, tt.filter, got, tt.want)
		}
	}
	if got := list(sub, "", "2015-07-01"); len(got) != 2 {
		t.Errorf("an old version lists %v", got)
	}
	for _, filter := range []string{
		"atScope", "atScope(", "atScope('x')", "assignedTo()", "assignedTo('')", "principalId+eq+''", "principalId+eq+'x'+and+atScope()", "roleName+eq+'x'",
		"atScope()+or+atScope()", "atScope()+and+atScope()", "atScopeAndBelow()", "principalId+ne+'x'", "atScope()+and", "principalId+eq+'" + strings.Repeat("x", maxFilter) + "'",
	} {
		w.call("GET", sub+roles+"/roleAssignments?$filter="+filter, roleVersion, "").refused(400, "InvalidFilterInQueryString", "Invalid $filter '")
	}
	// Pages lead to one another.
	var all []string
	for path := sub + roles + "/roleAssignments?$top=2&api-version=" + roleVersion; path != ""; {
		a := w.do(request{method: "GET", path: path}).is(200)
		all = append(all, a.values()...)
		next, _ := a.get("nextLink").(string)
		path = strings.TrimPrefix(next, "https://"+azure)
	}
	if len(all) != 7 || !slices.IsSorted(all) {
		t.Errorf("pages of %v", all)
	}
}

func TestRoleDefinitionShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shape := func(at string) string {
		return `{"properties":{"roleName":"Key Vault Secrets User","type":"BuiltInRole","description":"Read secret contents.","assignableScopes":["/"],
			"permissions":[{"actions":[],"notActions":[],"dataActions":["Microsoft.KeyVault/vaults/secrets/getSecret/action","Microsoft.KeyVault/vaults/secrets/readMetadata/action"],"notDataActions":[]}],
			"createdOn":null,"updatedOn":null,"createdBy":null,"updatedBy":null},
			"id":"` + at + roles + `/roleDefinitions/` + roleSecretsUser + `","type":"Microsoft.Authorization/roleDefinitions","name":"` + roleSecretsUser + `"}`
	}
	for _, filter := range []string{"roleName+eq+'key+vault+secrets+USER'", "roleName%20eq%20'Key%20Vault%20Secrets%20User'%20and%20type%20eq%20'BuiltInRole'", "atScopeAndBelow()+and+roleName+eq+'Key+Vault+Secrets+User'"} {
		w.call("GET", team+roles+"/roleDefinitions?$filter="+filter, "2018-01-01-preview", "").is(200).json(`{"value":[` + shape(sub) + `]}`)
	}
	if n := len(w.call("GET", sub+roles+"/roleDefinitions", roleVersion, "").is(200).values()); n != len(access.Builtin) {
		t.Errorf("%d roles", n)
	}
	w.call("GET", sub+roles+"/roleDefinitions?$filter=type+eq+'CustomRole'", roleVersion, "").is(200).json(`{"value":[]}`)
	for _, filter := range []string{"atScope()", "name+eq+'x'", "roleName+eq+x"} {
		w.call("GET", sub+roles+"/roleDefinitions?$filter="+filter, roleVersion, "").refused(400, "InvalidFilterInQueryString", "")
	}
	// One by its id, with what a client adds to the query.
	w.call("GET", "/"+sub+roles+"/roleDefinitions/"+roleSecretsUser+"?disambiguation_dummy", roleVersion, "").is(200).json(shape(sub))
	w.call("GET", sub+roles+"/roleDefinitions/"+name1, roleVersion, "").refused(404, "RoleDefinitionDoesNotExist", "The specified role definition with ID '"+name1+"' does not exist.")
	w.call("GET", roles+"/roleDefinitions/"+roleSecretsUser, roleVersion, "").refused(403, "AuthorizationFailed", "over scope '/'")
	must(t, w.svc.AssignRole(t.Context(), access.Assignment{Scope: "/", RoleID: roleReader, PrincipalID: principals["owner"]}))
	w.call("GET", roles+"/roleDefinitions/"+roleSecretsUser, roleVersion, "").is(200).json(shape(""))
	w.do(request{method: "GET", path: sub + roles + "/roleDefinitions", version: roleVersion, as: "nobody"}).refused(403, "AuthorizationFailed", "roleDefinitions/read")
}
