package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

const (
	name1       = "dddddddd-0000-4000-8000-000000000001"
	name2       = "dddddddd-0000-4000-8000-000000000002"
	groupOID    = "cccccccc-0000-4000-8000-000000000009"
	strangerOID = "cccccccc-0000-4000-8000-00000000000a"

	roleSecretsUser = "4633458b-17de-408a-b874-0445c86b69e6"
	roleUAA         = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
	roleRBACAdmin   = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
)

// newOffice is a world that knows some principals and has the vault Alpha.
func newOffice(t testing.TB) *world {
	w := newWorld(t)
	w.svc.cfg.Principal = func(_ context.Context, tenant, oid string) (string, error) {
		if tenant == testTenant && slices.Contains([]string{ownerOID, partOID, nobodyOID}, oid) {
			return "ServicePrincipal", nil
		}
		return "", nil
	}
	w.vault("team", "Alpha", func(s *VaultSpec) { s.RBAC, s.Policies = ptr(true), nil })
	return w
}

var (
	atRoot   = Scope{}
	atSub    = Scope{Subscription: testSub}
	atGroup  = Scope{Subscription: testSub, Group: "team"}
	atVault  = Scope{Subscription: testSub, Group: "TEAM", Vault: "alpha"}
	atSecret = Scope{Subscription: testSub, Group: "team", Vault: "alpha", Kind: "Secrets", Object: "pw"}
)

func (w *world) assign(call Call, at Scope, name, role, principal string) (catalog.RoleAssignment, error) {
	a, _, err := w.svc.PutRoleAssignment(w.ctx(), call, at, name, PutRoleAssignment{RoleID: role, PrincipalID: principal, PrincipalType: "ServicePrincipal"})
	return a, err
}

// elevate gives the owner a role at the root, too.
func (w *world) elevate() {
	w.t.Helper()
	must(w.t, w.svc.AssignRole(w.ctx(), access.Assignment{Scope: "/", RoleID: access.RoleOwner, PrincipalID: ownerOID}))
}

// names lists the names of all assignments that a filter selects.
func (w *world) names(call Call, at Scope, filter RoleAssignmentFilter) (names []string) {
	w.t.Helper()
	for marker := ""; ; {
		page, err := w.svc.ListRoleAssignments(w.ctx(), call, at, filter, PageRequest{2, marker})
		must(w.t, err)
		for _, a := range page.Items {
			names = append(names, a.ID)
		}
		if marker = page.Next; marker == "" {
			return names
		}
	}
}

func TestPutRoleAssignment(t *testing.T) {
	t.Parallel()
	w := newOffice(t)
	w.audited()
	in := PutRoleAssignment{
		RoleID:      "/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/" + strings.ToUpper(roleSecretsUser),
		PrincipalID: strings.ToUpper(partOID), Description: "for the shop",
	}
	a, created, err := w.svc.PutRoleAssignment(w.ctx(), owner(), atSecret, strings.ToUpper(name1), in)
	must(t, err)
	want := catalog.RoleAssignment{
		Assignment: access.Assignment{
			ID: name1, RoleID: roleSecretsUser, PrincipalID: partOID,
			Scope: "/subscriptions/" + testSub + "/resourceGroups/Team/providers/Microsoft.KeyVault/vaults/Alpha/secrets/pw",
		},
		PrincipalType: "ServicePrincipal", Description: "for the shop",
		CreatedBy: ownerOID, CreatedOn: testStart, UpdatedBy: ownerOID, UpdatedOn: testStart,
	}
	if !created || a != want {
		t.Errorf("assigned %+v, created %v", a, created)
	}
	if records := w.audited(); len(records) != 1 || records[0].Operation != "RoleAssignmentPut" || records[0].Resource != atSecret.String() ||
		records[0].Object != strings.ToUpper(name1) || records[0].Code != "" || records[0].Caller.ObjectID != ownerOID {
		t.Errorf("audited %+v", records)
	}
	if got, err := w.svc.GetRoleAssignment(w.ctx(), owner(), atSecret, name1); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	// The same once more, by a template that chose the name, changes nothing.
	w.clock.add(time.Hour)
	w.unchanged(func() {
		if a, created, err := w.svc.PutRoleAssignment(w.ctx(), owner(), atSecret, name1, in); err != nil || created || a != want {
			t.Errorf("again %+v, %v, %v", a, created, err)
		}
	})
	in.Description = "for another"
	a, created, err = w.svc.PutRoleAssignment(w.ctx(), owner(), atSecret, name1, in)
	want.Description, want.UpdatedOn = in.Description, testStart.Add(time.Hour)
	if err != nil || created || a != want {
		t.Errorf("described %+v, %v, %v", a, created, err)
	}
}

func TestRoleAssignmentTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	w := newOffice(t)
	other := w.node(w.store)
	look := func() error {
		_, err := other.GetVault(w.ctx(), caller(partOID), testSub, "team", "alpha")
		return err
	}
	for range 3 {
		refused(t, look(), fault.Forbidden, "AuthorizationFailed", "vaults/read")
		if _, err := w.assign(owner(), atVault, name1, roleReader, partOID); err != nil {
			t.Fatal(err)
		}
		must(t, look())
		gone, err := w.svc.DeleteRoleAssignment(w.ctx(), owner(), atVault, name1)
		if err != nil || gone == nil || gone.ID != name1 {
			t.Fatalf("deleted %+v, %v", gone, err)
		}
	}
	refused(t, look(), fault.Forbidden, "AuthorizationFailed", "vaults/read")
	// What is not there is deleted already, and can be made again.
	w.unchanged(func() {
		if gone, err := w.svc.DeleteRoleAssignment(w.ctx(), owner(), atVault, name1); err != nil || gone != nil {
			t.Errorf("deleted %+v, %v", gone, err)
		}
	})
	if _, err := w.svc.GetRoleAssignment(w.ctx(), owner(), atVault, name1); err == nil {
		t.Error("a deleted assignment was found")
	} else {
		refused(t, err, fault.NotFound, "RoleAssignmentNotFound", "The role assignment '"+name1+"' is not found.")
	}
}

func TestPutRoleAssignmentRefusals(t *testing.T) {
	t.Parallel()
	w := newOffice(t)
	good := PutRoleAssignment{RoleID: roleReader, PrincipalID: partOID}
	with := func(change func(*PutRoleAssignment)) PutRoleAssignment {
		in := good
		change(&in)
		return in
	}
	if _, err := w.assign(owner(), atVault, name1, roleReader, partOID); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, as      string
		at            Scope
		in            PutRoleAssignment
		kind          fault.Kind
		code, message string
	}{
		{"no name", "pw", atSub, good, fault.Invalid, "InvalidRoleAssignmentId", "The role assignment ID 'pw' is not valid. The role assignment ID must be a GUID."},
		{"nothing", name2, atSub, PutRoleAssignment{}, fault.Invalid, "InvalidCreateRoleAssignmentRequest", "roleDefinitionId and principalId"},
		{"no principal", name2, atSub, with(func(in *PutRoleAssignment) { in.PrincipalID = "me@example.com" }), fault.Invalid, "InvalidPrincipalId", "A valid principal ID"},
		{"unknown role", name2, atSub, with(func(in *PutRoleAssignment) { in.RoleID = "/x/" + name1 }), fault.Invalid, "RoleDefinitionDoesNotExist", "with ID '" + name1 + "' does not exist"},
		{"unknown principal", name2, atSub, with(func(in *PutRoleAssignment) { in.PrincipalID = strangerOID }), fault.Invalid, "PrincipalNotFound",
			"Principal " + strings.ReplaceAll(strangerOID, "-", "") + " does not exist in the directory " + testTenant + "."},
		{"another type", name2, atSub, with(func(in *PutRoleAssignment) { in.PrincipalType = "group" }), fault.Invalid, "UnmatchedPrincipalType", "has type 'ServicePrincipal'"},
		{"no type", name2, atSub, with(func(in *PutRoleAssignment) { in.PrincipalType = "Robot" }), fault.Invalid, "BadRequest", "properties.principalType: Robot"},
		{"condition", name2, atSub, with(func(in *PutRoleAssignment) { in.Condition = "@Resource[x] StringEquals 'y'" }), fault.Invalid, "ConditionNotSupported", "does not evaluate conditions"},
		{"delegated", name2, atSub, with(func(in *PutRoleAssignment) { in.DelegatedIdentity = "/x" }), fault.Invalid, "BadRequest", "delegatedManagedIdentityResourceId"},
		{"description", name2, atSub, with(func(in *PutRoleAssignment) { in.Description = strings.Repeat("ä", 1025) }), fault.Invalid, "BadRequest", "at most 1024"},
		{"no subscription", name2, Scope{Subscription: otherSub}, good, fault.NotFound, "SubscriptionNotFound", otherSub},
		{"no group", name2, Scope{Subscription: testSub, Group: "none"}, good, fault.NotFound, "ResourceGroupNotFound", "'none'"},
		{"no vault", name2, Scope{Subscription: testSub, Group: "team", Vault: "none"}, good, fault.NotFound, "ResourceNotFound", "vaults/none"},
		{"no object", name2, Scope{Subscription: testSub, Group: "team", Vault: "alpha", Kind: "secrets", Object: "a/b"}, good, fault.Invalid, "InvalidScope", "secrets/a/b"},
		{"no kind", name2, Scope{Subscription: testSub, Group: "team", Vault: "alpha", Kind: "storage", Object: "a"}, good, fault.Invalid, "InvalidScope", "storage/a"},
		{"the same under another name", name2, atVault, good, fault.Conflict, "RoleAssignmentExists", "The ID of the existing role assignment is " + strings.ReplaceAll(name1, "-", "") + "."},
		{"the name at another scope", name1, atSub, good, fault.Invalid, "RoleAssignmentUpdateNotPermitted", "not allowed to be updated"},
		{"the name for another", name1, atVault, with(func(in *PutRoleAssignment) { in.PrincipalID = nobodyOID }), fault.Invalid, "RoleAssignmentUpdateNotPermitted", ""},
		{"the name with another role", name1, atVault, with(func(in *PutRoleAssignment) { in.RoleID = roleSecretsUser }), fault.Invalid, "RoleAssignmentUpdateNotPermitted", ""},
	} {
		w.unchanged(func() {
			_, _, err := w.svc.PutRoleAssignment(w.ctx(), owner(), tt.at, tt.as, tt.in)
			t.Run(tt.name, func(t *testing.T) { refused(t, err, tt.kind, tt.code, tt.message) })
		})
	}
	// Whoever may not assign learns nothing of that.
	w.audited()
	_, _, err := w.svc.PutRoleAssignment(w.ctx(), caller(partOID), Scope{Subscription: testSub, Group: "none"}, "pw", PutRoleAssignment{})
	refused(t, err, fault.Forbidden, "AuthorizationFailed", "'Microsoft.Authorization/roleAssignments/write' over scope '/subscriptions/"+testSub+"/resourceGroups/none'")
	if records := w.audited(); len(records) != 1 || records[0].Code != "AuthorizationFailed" {
		t.Errorf("audited %+v", records)
	}
	foreign := owner()
	foreign.Caller.TenantID = otherTenant
	for _, at := range []Scope{atSub, atRoot} {
		_, err = w.assign(foreign, at, name2, roleReader, partOID)
		refused(t, err, fault.Unauthenticated, "InvalidAuthenticationTokenTenant", "wrong issuer")
	}
	// With the type given, a principal need not be known.
	if _, err := w.assign(owner(), atVault, name2, roleReader, strangerOID); err != nil {
		t.Error(err)
	}
}

// Nobody gives himself more than he has: only what lets its holder assign roles
// does, and only where it is held.
func TestWhoAssignsRoles(t *testing.T) {
	t.Parallel()
	w := newOffice(t)
	for i, role := range access.Builtin {
		t.Run(role.Name, func(t *testing.T) {
			oid := fmt.Sprintf("eeeeeeee-0000-4000-8000-%012d", i)
			must(t, w.svc.AssignRole(w.ctx(), access.Assignment{Scope: atGroup.String(), RoleID: role.ID, PrincipalID: oid}))
			may := slices.Contains([]string{access.RoleOwner, roleUAA, roleRBACAdmin}, role.ID)
			name := fmt.Sprintf("ffffffff-0000-4000-8000-%012d", i)
			_, err := w.assign(caller(oid), atVault, name, roleSecretsUser, oid)
			if (err == nil) != may {
				t.Errorf("assigns at a vault below: %v", err)
			}
			if _, err := w.assign(owner(), atVault, name, roleSecretsUser, oid); err != nil {
				t.Fatal(err)
			}
			if _, err := w.svc.DeleteRoleAssignment(w.ctx(), caller(oid), atVault, name); (err == nil) != may {
				t.Errorf("deletes at a vault below: %v", err)
			}
			for _, at := range []Scope{atSub, atRoot} {
				_, err := w.assign(caller(oid), at, name2, access.RoleOwner, oid)
				refused(t, err, fault.Forbidden, "AuthorizationFailed", "over scope '"+at.String()+"'")
			}
		})
	}
}

func TestListRoleAssignments(t *testing.T) {
	t.Parallel()
	w := newOffice(t)
	w.elevate()
	w.group("Other")
	id := func(i int) string { return fmt.Sprintf("dddddddd-0000-4000-8000-%012d", i) }
	atOther := Scope{Subscription: testSub, Group: "other"}
	for i, a := range []struct {
		at        Scope
		principal string
	}{{atRoot, partOID}, {atSub, partOID}, {atGroup, groupOID}, {atVault, partOID}, {atSecret, nobodyOID}, {atOther, nobodyOID}} {
		if _, err := w.assign(owner(), a.at, id(i), roleReader, a.principal); err != nil {
			t.Fatal(err)
		}
	}
	member := owner()
	member.Caller.Groups = []string{strings.ToUpper(groupOID)}
	for _, tt := range []struct {
		name   string
		call   Call
		at     Scope
		filter RoleAssignmentFilter
		want   []int
	}{
		{"all", owner(), atRoot, RoleAssignmentFilter{}, []int{0, 1, 2, 3, 4, 5}},
		{"of the root", owner(), atRoot, RoleAssignmentFilter{AtScope: true}, []int{0}},
		{"at, above and below the group", owner(), atGroup, RoleAssignmentFilter{}, []int{0, 1, 2, 3, 4}},
		{"at and above the vault", owner(), atVault, RoleAssignmentFilter{AtScope: true}, []int{0, 1, 2, 3}},
		{"at the other group", owner(), atOther, RoleAssignmentFilter{}, []int{0, 1, 5}},
		{"of a principal", owner(), atGroup, RoleAssignmentFilter{PrincipalID: strings.ToUpper(partOID)}, []int{0, 1, 3}},
		{"of a principal below", owner(), atSub, RoleAssignmentFilter{PrincipalID: nobodyOID}, []int{4, 5}},
		{"assigned to", owner(), atSub, RoleAssignmentFilter{AssignedTo: partOID, AtScope: true}, []int{0, 1}},
		{"assigned to a group", owner(), atSub, RoleAssignmentFilter{AssignedTo: groupOID}, []int{2}},
		{"assigned to the caller's group", member, atVault, RoleAssignmentFilter{AssignedTo: ownerOID, AtScope: true}, []int{2}},
		{"assigned to another than the caller", member, atVault, RoleAssignmentFilter{AssignedTo: nobodyOID}, []int{4}},
		{"assigned to nobody", owner(), atSub, RoleAssignmentFilter{AssignedTo: strangerOID}, nil},
	} {
		var want []string
		for _, i := range tt.want {
			want = append(want, id(i))
		}
		got := slices.DeleteFunc(w.names(tt.call, tt.at, tt.filter), func(name string) bool { return !strings.HasPrefix(name, "dddddddd") })
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tt.name, got, want)
		}
	}
	// One that reads part of it reads that part.
	refuse := func(at Scope, kind fault.Kind, code string) {
		t.Helper()
		_, err := w.svc.ListRoleAssignments(w.ctx(), caller(groupOID), at, RoleAssignmentFilter{}, PageRequest{Max: 1})
		refused(t, err, kind, code, "")
	}
	refuse(atSub, fault.Forbidden, "AuthorizationFailed")
	refuse(atRoot, fault.Forbidden, "AuthorizationFailed")
	refuse(Scope{Subscription: testSub, Group: "team", Vault: "none"}, fault.NotFound, "ResourceNotFound")
	if got := w.names(caller(groupOID), atVault, RoleAssignmentFilter{}); len(got) != 7 {
		t.Errorf("a reader of the group sees %v", got)
	}
	for _, page := range []PageRequest{{}, {Max: MaxPage + 1}, {Max: 1, Marker: "a/b"}} {
		_, err := w.svc.ListRoleAssignments(w.ctx(), owner(), atSub, RoleAssignmentFilter{}, page)
		refused(t, err, fault.Invalid, "BadRequest", "")
	}
}

// A subscription is not left without anybody who may assign roles in it, except by
// those who may do so at the root; that is not left so by anybody.
func TestLastAdministrator(t *testing.T) {
	t.Parallel()
	w := newOffice(t)
	first := assignmentID(access.Assignment{Scope: atSub.String(), RoleID: access.RoleOwner, PrincipalID: ownerOID})
	drop := func(call Call, at Scope, name string) error {
		_, err := w.svc.DeleteRoleAssignment(w.ctx(), call, at, name)
		return err
	}
	kept := func(call Call, at Scope, name string) {
		t.Helper()
		w.unchanged(func() {
			refused(t, drop(call, at, name), fault.Conflict, CodeLastAdministrator, "Cannot delete the last RBAC admin assignment")
		})
	}
	kept(owner(), atSub, first)
	// Below, and of roles that assign none, there need be nobody.
	for name, a := range map[string]struct {
		at   Scope
		role string
	}{name1: {atGroup, access.RoleOwner}, name2: {atSub, access.RoleContributor}} {
		if _, err := w.assign(owner(), a.at, name, a.role, partOID); err != nil {
			t.Fatal(err)
		}
		kept(owner(), atSub, first)
		must(t, drop(owner(), a.at, name))
	}
	if _, err := w.assign(owner(), atSub, name1, roleUAA, partOID); err != nil {
		t.Fatal(err)
	}
	must(t, drop(owner(), atSub, first))
	kept(caller(partOID), atSub, name1)
	w.elevate()
	must(t, drop(owner(), atSub, name1))
	root := assignmentID(access.Assignment{Scope: "/", RoleID: access.RoleOwner, PrincipalID: ownerOID})
	kept(owner(), atRoot, root)
	if _, err := w.assign(owner(), atRoot, name2, roleRBACAdmin, partOID); err != nil {
		t.Fatal(err)
	}
	// Whoever the directory does not know could not bring anybody back. An
	// assignment to a deleted application let the last owner leave.
	if _, err := w.assign(owner(), atRoot, name1, access.RoleOwner, strangerOID); err != nil {
		t.Fatal(err)
	}
	must(t, drop(caller(partOID), atRoot, root))
	kept(caller(partOID), atRoot, name2)
	must(t, drop(caller(partOID), atRoot, name1))
	kept(caller(partOID), atRoot, name2)
}

func TestRoleDefinitions(t *testing.T) {
	t.Parallel()
	w := newOffice(t)
	list := func(filter RoleDefinitionFilter) []access.Role {
		t.Helper()
		found, err := w.svc.ListRoleDefinitions(w.ctx(), owner(), atVault, filter)
		must(t, err)
		return found
	}
	if n := len(list(RoleDefinitionFilter{})); n != len(access.Builtin) {
		t.Errorf("%d roles", n)
	}
	if found := list(RoleDefinitionFilter{Name: "key vault secrets user", Type: "builtinrole"}); len(found) != 1 || found[0].ID != roleSecretsUser {
		t.Errorf("found %+v", found)
	}
	if found := append(list(RoleDefinitionFilter{Type: "CustomRole"}), list(RoleDefinitionFilter{Name: "Key Vault"})...); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
	if role, err := w.svc.GetRoleDefinition(w.ctx(), owner(), atSub, strings.ToUpper(roleSecretsUser)); err != nil || role.Name != "Key Vault Secrets User" {
		t.Errorf("got %+v, %v", role, err)
	}
	_, err := w.svc.GetRoleDefinition(w.ctx(), owner(), atSub, name1)
	refused(t, err, fault.NotFound, "RoleDefinitionDoesNotExist", "The specified role definition with ID '"+name1+"' does not exist.")
	_, err = w.svc.GetRoleDefinition(w.ctx(), caller(partOID), atSub, roleReader)
	refused(t, err, fault.Forbidden, "AuthorizationFailed", "roleDefinitions/read")
	_, err = w.svc.ListRoleDefinitions(w.ctx(), caller(partOID), atSub, RoleDefinitionFilter{})
	refused(t, err, fault.Forbidden, "AuthorizationFailed", "roleDefinitions/read")
	_, err = w.svc.ListRoleDefinitions(w.ctx(), owner(), Scope{Subscription: testSub, Group: "none"}, RoleDefinitionFilter{})
	refused(t, err, fault.NotFound, "ResourceGroupNotFound", "none")
}
