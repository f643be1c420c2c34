package resource

import (
	"maps"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

func TestBootstrapTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.dump()
	b := Bootstrap{
		TenantID: testTenant, TenantDomain: "renamed.example", SubscriptionID: testSub, SubscriptionName: "Renamed",
		OwnerObjectID: ownerOID, OwnerRoles: []string{access.RoleOwner},
	}
	must(t, w.svc.Bootstrap(w.ctx(), b))
	if !maps.Equal(before, w.dump()) {
		t.Error("a second bootstrap has changed records")
	}
	b.TenantID = otherTenant
	if err := w.svc.Bootstrap(w.ctx(), b); err == nil {
		t.Error("a subscription was taken over by another tenant")
	}
	b.TenantID = "not a GUID"
	if err := w.svc.Bootstrap(w.ctx(), b); err == nil {
		t.Error("a tenant that is no GUID was taken")
	}
}

func TestAssignRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := access.Assignment{Scope: "/subscriptions/" + testSub + "/", RoleID: "/providers/x/" + roleReader, PrincipalID: partOID}
	must(t, w.svc.AssignRole(w.ctx(), a))
	if _, err := w.svc.GetGroup(w.ctx(), caller(partOID), testSub, "team"); err != nil {
		t.Errorf("the role has no effect: %v", err)
	}
	w.unchanged(func() {
		// The same assignment is the same under any name and spelling.
		a.ID, a.Scope = "dddddddd-0000-4000-8000-000000000001", "/SUBSCRIPTIONS/"+testSub
		must(t, w.svc.AssignRole(w.ctx(), a))
	})
	for name, bad := range map[string]access.Assignment{
		"unknown role":          {Scope: "/", RoleID: "dddddddd-0000-4000-8000-000000000001", PrincipalID: partOID},
		"principal is no GUID":  {Scope: "/", RoleID: roleReader, PrincipalID: "me"},
		"scope is no path":      {Scope: "everywhere", RoleID: roleReader, PrincipalID: partOID},
		"id of something else":  {ID: assignmentID(access.Assignment{Scope: subscriptionScope(testSub), RoleID: roleReader, PrincipalID: partOID}), Scope: "/", RoleID: roleReader, PrincipalID: nobodyOID},
		"no principal, no role": {},
	} {
		w.unchanged(func() {
			if err := w.svc.AssignRole(w.ctx(), bad); err == nil {
				t.Errorf("%s: assigned", name)
			}
		})
	}
}

func TestEnsureVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := EnsureVault{Subscription: testSub, Group: "team", Name: "Dev", Location: "eastus", TenantID: testTenant, Premium: true, RBAC: true}
	created, err := w.svc.EnsureVault(w.ctx(), in)
	if err != nil || !created {
		t.Fatalf("EnsureVault = %v, %v", created, err)
	}
	v, err := w.svc.GetVault(w.ctx(), owner(), testSub, "team", "dev")
	must(t, err)
	if !v.Premium || v.RBAC == nil || !*v.RBAC || !v.SoftDelete || v.RetentionDays != 90 || v.ResourceGroup != "Team" || v.Name != "Dev" {
		t.Errorf("made %+v", v)
	}
	if !w.visible("dev") {
		t.Error("the data plane does not find the vault")
	}
	w.unchanged(func() {
		in.Name = "DEV"
		if created, err := w.svc.EnsureVault(w.ctx(), in); err != nil || created {
			t.Errorf("second EnsureVault = %v, %v", created, err)
		}
	})
	_, err = w.svc.DeleteVault(w.ctx(), owner(), testSub, "Team", "dev")
	must(t, err)
	w.unchanged(func() {
		_, err = w.svc.EnsureVault(w.ctx(), in)
		refused(t, err, fault.Conflict, "ConflictError", "deleted state")
		in.Name = "-"
		_, err = w.svc.EnsureVault(w.ctx(), in)
		refused(t, err, fault.Invalid, "VaultNameNotValid", "'-'")
		in.Name, in.Group = "other", "none"
		_, err = w.svc.EnsureVault(w.ctx(), in)
		refused(t, err, fault.NotFound, "ResourceGroupNotFound", "none")
		refused(t, w.svc.EnsureGroup(w.ctx(), otherSub, "x", "eastus", nil), fault.NotFound, "SubscriptionNotFound", otherSub)
	})
}
