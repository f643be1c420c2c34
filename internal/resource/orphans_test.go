package resource

import (
	"fmt"
	"slices"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Assignments at what is gone stay, and can be seen and deleted.
func TestOrphanedRoleAssignments(t *testing.T) {
	t.Parallel()
	w := newOffice(t)
	if _, err := w.assign(owner(), atSecret, name1, roleSecretsUser, partOID); err != nil {
		t.Fatal(err)
	}
	_, err := w.svc.DeleteVault(w.ctx(), owner(), testSub, "team", "alpha")
	must(t, err)
	_, err = w.svc.PurgeVault(w.ctx(), owner(), testSub, "eastus", "alpha")
	must(t, err)
	if got := w.names(owner(), atSub, RoleAssignmentFilter{PrincipalID: partOID}); !slices.Equal(got, []string{name1}) {
		t.Errorf("listed %v", got)
	}
	if _, err := w.svc.GetRoleAssignment(w.ctx(), owner(), atSecret, name1); err != nil {
		t.Error(err)
	}
	// Not at another scope than its own.
	for _, at := range []Scope{atSub, atVault} {
		if _, err := w.svc.GetRoleAssignment(w.ctx(), owner(), at, name1); err == nil {
			t.Errorf("found at %s", at)
		}
		if gone, err := w.svc.DeleteRoleAssignment(w.ctx(), owner(), at, name1); err != nil || gone != nil {
			t.Errorf("deleted at %s: %v, %v", at, gone, err)
		}
	}
	if gone, err := w.svc.DeleteRoleAssignment(w.ctx(), owner(), atSecret, name1); err != nil || gone == nil {
		t.Errorf("deleted %v, %v", gone, err)
	}
}

// What is made under a name that was used before is not shared with those who had
// roles in what had it. What is recovered is as it was.
func TestNewPlacesInheritNothing(t *testing.T) {
	t.Parallel()
	w := newOffice(t)
	w.group("Other")
	w.vault("other", "Alpha-2", func(s *VaultSpec) { s.RBAC, s.Policies = ptr(true), nil })
	atOther := Scope{Subscription: testSub, Group: "other"}
	atBeta := Scope{Subscription: testSub, Group: "other", Vault: "alpha-2"}
	id := func(i int) string { return fmt.Sprintf("dddddddd-0000-4000-8000-%012d", i) }
	secret := atSecret
	secret.Group, secret.Vault = "other", "alpha-2"
	// A vault whose name goes on where that of the other ends keeps its own.
	w.vault("team", "alpha-3")
	longer := Scope{Subscription: testSub, Group: "team", Vault: "alpha-3"}
	for i, at := range []Scope{atVault, atSub, atOther, atBeta, secret, longer} {
		if _, err := w.assign(owner(), at, id(i), roleReader, partOID); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(what string, want ...int) {
		t.Helper()
		var names []string
		for _, i := range want {
			names = append(names, id(i))
		}
		if got := w.names(owner(), atSub, RoleAssignmentFilter{PrincipalID: partOID}); !slices.Equal(got, names) {
			t.Errorf("%s: %v, want %v", what, got, names)
		}
	}
	remove := func(group, name string) {
		t.Helper()
		_, err := w.svc.DeleteVault(w.ctx(), owner(), testSub, group, name)
		must(t, err)
	}
	remove("team", "alpha")
	recovered := w.vault("team", "alpha", func(s *VaultSpec) { s.Recover = true })
	wants("recovered", 0, 1, 2, 3, 4, 5)
	if _, err := w.svc.GetVault(w.ctx(), caller(partOID), testSub, "team", recovered.Name); err != nil {
		t.Error(err)
	}
	remove("team", "alpha")
	_, err := w.svc.PurgeVault(w.ctx(), owner(), testSub, "eastus", "alpha")
	must(t, err)
	w.vault("team", "alpha")
	wants("made anew", 1, 2, 3, 4, 5)

	// A group that is made anew keeps those of the vaults that can be recovered in it.
	_, err = w.svc.DeleteGroup(w.ctx(), owner(), testSub, "other")
	must(t, err)
	must(t, w.svc.RunJobs(w.ctx()))
	_, created, err := w.svc.PutGroup(w.ctx(), owner(), testSub, "OTHER", PutGroup{Location: "eastus"})
	if err != nil || !created {
		t.Fatal(created, err)
	}
	wants("a group", 1, 3, 4, 5)
	w.vault("other", "alpha-2", func(s *VaultSpec) { s.Recover = true })
	wants("a vault of it", 1, 3, 4, 5)
	if _, err := w.assign(owner(), atOther, id(2), roleReader, partOID); err != nil {
		t.Errorf("assigning again: %v", err)
	}
	remove("other", "alpha-2")
	_, err = w.svc.PurgeVault(w.ctx(), owner(), testSub, "eastus", "alpha-2")
	must(t, err)
	w.vault("team", "alpha-2")
	wants("elsewhere", 1, 2, 3, 4, 5)
}

// More than one update can take away is left to people.
func TestTooManyOrphans(t *testing.T) {
	t.Parallel()
	w := newOffice(t)
	for i := range maxOrphans + 1 {
		at := atSecret
		at.Object = fmt.Sprintf("pw-%d", i)
		if _, err := w.assign(owner(), at, fmt.Sprintf("dddddddd-0000-4000-8000-%012d", i), roleReader, partOID); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.svc.DeleteVault(w.ctx(), owner(), testSub, "team", "alpha")
	must(t, err)
	_, err = w.svc.PurgeVault(w.ctx(), owner(), testSub, "eastus", "alpha")
	must(t, err)
	_, _, err = w.svc.PutVault(w.ctx(), owner(), testSub, "team", "alpha", spec())
	refused(t, err, fault.Conflict, "RoleAssignmentsRemain", "more than 40 role assignments")
	at := atSecret
	at.Object = "pw-0"
	if _, err := w.svc.DeleteRoleAssignment(w.ctx(), owner(), at, "dddddddd-0000-4000-8000-000000000000"); err != nil {
		t.Fatal(err)
	}
	w.vault("team", "alpha")
	if names := w.names(owner(), atSub, RoleAssignmentFilter{PrincipalID: partOID}); len(names) != 0 {
		t.Errorf("left %v", names)
	}
}
