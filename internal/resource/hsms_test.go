package resource

import (
	"slices"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// hsmSpec is a managed HSM as a client of today would put it.
func hsmSpec(change ...func(*HSMSpec)) HSMSpec {
	s := HSMSpec{
		VaultSpec:     VaultSpec{Location: "East US", TenantID: testTenant, SKUFamily: "b", SKUName: "standard_b1"},
		InitialAdmins: []string{partOID, ownerOID, partOID},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func (w *world) hsm(group, name string, change ...func(*HSMSpec)) *catalog.Vault {
	w.t.Helper()
	v, err := w.svc.PutHSM(w.ctx(), owner(), testSub, group, name, hsmSpec(change...))
	must(w.t, err)
	return v
}

// hsmVisible reports whether the data plane finds the managed HSM.
func (w *world) hsmVisible(name string) bool {
	w.t.Helper()
	err := w.cat.HSMs().View(w.ctx(), name, nil, func(store.View, catalog.Scope, []store.Record) error { return nil })
	if err != nil && fault.KindOf(err) != fault.NotFound {
		w.t.Fatal(err)
	}
	return err == nil
}

func TestCreateHSM(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.hsm("team", "Alpha")
	if h.HSM == nil || h.HSM.SKUFamily != "B" || h.HSM.SKUName != "Standard_B1" || !h.Premium || !h.SoftDelete || h.RetentionDays != 90 || h.Location != "eastus" || h.ResourceGroup != "Team" {
		t.Errorf("created %+v, %+v", h, h.HSM)
	}
	if h.ResourceID() != "/subscriptions/"+testSub+"/resourceGroups/Team/providers/Microsoft.KeyVault/managedHSMs/Alpha" {
		t.Errorf("its id is %s", h.ResourceID())
	}
	var admins []string
	for _, a := range h.HSM.Local.Assignments {
		if a.Scope != "/" || a.RoleID != access.LocalRoleAdministrator || !validGUID(a.ID) {
			t.Errorf("assignment %+v", a)
		}
		admins = append(admins, a.PrincipalID)
	}
	if !slices.Equal(admins, []string{partOID, ownerOID}) {
		t.Errorf("administrators %v", admins)
	}
	if !w.hsmVisible("alpha") || w.visible("alpha") {
		t.Error("the data plane finds a vault, or no HSM")
	}
	// A vault may have the same name, and neither is the other.
	v := w.vault("team", "alpha")
	if v.ID == h.ID || v.HSM != nil {
		t.Errorf("the vault is %+v", v)
	}
	got, err := w.svc.GetHSM(w.ctx(), owner(), testSub, "TEAM", "ALPHA")
	must(t, err)
	if got.ID != h.ID {
		t.Errorf("found %+v", got)
	}
	if _, err := w.svc.DeleteVault(w.ctx(), owner(), testSub, "team", "alpha"); err != nil || !w.hsmVisible("alpha") {
		t.Errorf("deleting the vault: %v; the HSM is visible: %t", err, w.hsmVisible("alpha"))
	}
	if records := w.audited(); records[len(records)-2].Operation != "ManagedHSMGet" && records[len(records)-3].Operation != "ManagedHSMPut" {
		t.Errorf("audited %+v", records)
	}
}

func TestPutHSMRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.group("Other")
	w.hsm("Team", "taken")
	no := false
	for name, tt := range map[string]struct {
		group, hsm string
		change     func(*HSMSpec)
		kind       fault.Kind
		code, text string
	}{
		"no SKU":               {"Team", "a-b", func(s *HSMSpec) { s.SKUName = "" }, fault.Invalid, "BadRequest", "sku is not specified"},
		"a vault's SKU":        {"Team", "a-b", func(s *HSMSpec) { s.SKUFamily, s.SKUName = "A", "premium" }, fault.Invalid, "BadRequest", "sku.name: premium"},
		"SKU of other family":  {"Team", "a-b", func(s *HSMSpec) { s.SKUFamily = "C" }, fault.Invalid, "BadRequest", "sku.name: standard_b1"},
		"no tenant":            {"Team", "a-b", func(s *HSMSpec) { s.TenantID = "" }, fault.Invalid, "BadRequest", "tenantId is not specified"},
		"another tenant":       {"Team", "a-b", func(s *HSMSpec) { s.TenantID = otherTenant }, fault.Invalid, "BadRequest", "not the tenant of the subscription"},
		"no administrator":     {"Team", "a-b", func(s *HSMSpec) { s.InitialAdmins = nil }, fault.Invalid, "BadRequest", "initialAdminObjectIds is not specified"},
		"what is no GUID":      {"Team", "a-b", func(s *HSMSpec) { s.InitialAdmins = []string{ownerOID, "me"} }, fault.Invalid, "BadRequest", "initialAdminObjectIds[1]: me"},
		"too many":             {"Team", "a-b", func(s *HSMSpec) { s.InitialAdmins = make([]string, 51) }, fault.Invalid, "BadRequest", "51 entries"},
		"no soft delete":       {"Team", "a-b", func(s *HSMSpec) { s.SoftDelete = &no }, fault.Invalid, "BadRequest", "always has soft delete"},
		"retention":            {"Team", "a-b", func(s *HSMSpec) { s.RetentionDays = ptr(int32(6)) }, fault.Invalid, "BadRequest", "from 7 to 90"},
		"name":                 {"Team", "-ab", func(*HSMSpec) {}, fault.Invalid, "ManagedHSMNameNotValid", "'-ab' is invalid"},
		"location":             {"Team", "a-b", func(s *HSMSpec) { s.Location = "moon" }, fault.Invalid, "LocationNotAvailableForResourceType", "Microsoft.KeyVault/managedHSMs"},
		"the name is taken":    {"Other", "TAKEN", func(*HSMSpec) {}, fault.Conflict, "ManagedHSMAlreadyExists", "'TAKEN' is already in use"},
		"another location":     {"Team", "taken", func(s *HSMSpec) { s.Location = "westus" }, fault.Conflict, "InvalidResourceLocation", "already exists in location 'eastus'"},
		"another SKU":          {"Team", "taken", func(s *HSMSpec) { s.SKUName = "Custom_B32" }, fault.Invalid, "BadRequest", "\"sku\" has been set already"},
		"another retention":    {"Team", "taken", func(s *HSMSpec) { s.RetentionDays = ptr(int32(7)) }, fault.Invalid, "BadRequest", "softDeleteRetentionInDays"},
		"purge protection off": {"Team", "taken", func(s *HSMSpec) { s.PurgeProtection = &no }, fault.Invalid, "BadRequest", "enablePurgeProtection"},
		"no such group":        {"none", "a-b", func(*HSMSpec) {}, fault.NotFound, "ResourceGroupNotFound", "'none'"},
		"nothing to recover":   {"Team", "a-b", func(s *HSMSpec) { s.Recover = true }, fault.NotFound, "SoftDeletedManagedHSMDoesNotExist", "'a-b'"},
		"not deleted":          {"Team", "taken", func(s *HSMSpec) { s.Recover = true }, fault.NotFound, "SoftDeletedManagedHSMDoesNotExist", "'taken'"},
	} {
		t.Run(name, func(t *testing.T) {
			w.unchanged(func() {
				_, err := w.svc.PutHSM(w.ctx(), owner(), testSub, tt.group, tt.hsm, hsmSpec(tt.change))
				refused(t, err, tt.kind, tt.code, tt.text)
			})
		})
	}
}

// TestChangeHSM: neither a put nor a patch touches who may do what in an HSM.
func TestChangeHSM(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.hsm("Team", "alpha", func(s *HSMSpec) { s.Tags = map[string]string{"a": "b"} })
	w.clock.add(time.Hour)
	yes := true
	p, err := w.svc.PatchHSM(w.ctx(), owner(), testSub, "Team", "alpha", HSMSpec{
		VaultSpec:     VaultSpec{PurgeProtection: &yes, PublicNetworkAccess: ptr("disabled")},
		InitialAdmins: []string{nobodyOID},
	})
	must(t, err)
	if p.Tags["a"] != "b" || !p.PurgeProtection || p.PublicNetworkAccess != "Disabled" || !p.Modified.At.After(h.Modified.At) {
		t.Errorf("patched %+v", p)
	}
	r := w.hsm("Team", "alpha", func(s *HSMSpec) { s.InitialAdmins = []string{nobodyOID} })
	if len(r.Tags) != 0 || !r.PurgeProtection || r.PublicNetworkAccess != "" || r.ID != h.ID || !r.Premium {
		t.Errorf("put again %+v", r)
	}
	for _, v := range []*catalog.Vault{p, r} {
		if !slices.Equal(v.HSM.Local.Assignments, h.HSM.Local.Assignments) || !slices.Equal(v.HSM.InitialAdmins, h.HSM.InitialAdmins) {
			t.Errorf("the permissions are %+v", v.HSM)
		}
	}
	_, err = w.svc.PatchHSM(w.ctx(), owner(), testSub, "Team", "none", HSMSpec{})
	refused(t, err, fault.NotFound, "ResourceNotFound", "'Microsoft.KeyVault/managedHSMs/none' under resource group 'Team'")
}

func TestDeleteRecoverPurgeHSM(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.hsm("Team", "Alpha", func(s *HSMSpec) { s.RetentionDays = ptr(int32(7)) })
	w.content(h, "key")
	remove := func() {
		t.Helper()
		existed, err := w.svc.DeleteHSM(w.ctx(), owner(), testSub, "team", "ALPHA")
		if err != nil || !existed || w.hsmVisible("alpha") {
			t.Fatalf("DeleteHSM = %t, %v", existed, err)
		}
	}
	remove()
	if existed, err := w.svc.DeleteHSM(w.ctx(), owner(), testSub, "team", "alpha"); existed || err != nil {
		t.Errorf("deleting again = %t, %v", existed, err)
	}
	d, err := w.svc.GetDeletedHSM(w.ctx(), owner(), testSub, "East US", "alpha")
	must(t, err)
	if !d.Deleted.PurgeAt.Equal(testStart.Truncate(time.Second).AddDate(0, 0, 7)) {
		t.Errorf("deletion %+v", d.Deleted)
	}
	_, err = w.svc.GetDeletedHSM(w.ctx(), owner(), testSub, "westus", "alpha")
	refused(t, err, fault.NotFound, "DeletedManagedHSMNotFound", "'alpha'")
	_, err = w.svc.PutHSM(w.ctx(), owner(), testSub, "team", "alpha", hsmSpec())
	refused(t, err, fault.Conflict, "ConflictError", "already exists in deleted state")
	if _, err := w.svc.GetDeletedVault(w.ctx(), owner(), testSub, "eastus", "alpha"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a deleted vault of the HSM's name: %v", err)
	}

	r, err := w.svc.PutHSM(w.ctx(), owner(), testSub, "team", "alpha", HSMSpec{VaultSpec: VaultSpec{Location: "eastus", Recover: true}})
	must(t, err)
	if r.ID != h.ID || r.Deleted != nil || !slices.Equal(r.HSM.Local.Assignments, h.HSM.Local.Assignments) || !w.hsmVisible("alpha") || w.contents(h) != 1 {
		t.Errorf("recovered %+v", r)
	}
	if n := w.below("deletedhsm") + w.below("vaultdue"); n != 0 {
		t.Errorf("%d records of the deletion are left", n)
	}

	remove()
	job, err := w.svc.PurgeHSM(w.ctx(), owner(), testSub, "eastus", "alpha")
	must(t, err)
	must(t, w.svc.RunJobs(w.ctx()))
	if j, err := w.svc.GetJob(w.ctx(), owner(), testSub, job); err != nil || !j.Done() || len(w.compacted) != 1 {
		t.Errorf("the job is %+v, %v, %d ranges compacted", j, err, len(w.compacted))
	}
	if n := w.contents(h) + w.below("mhsmname") + w.below("grouphsm") + w.below("deletedhsm") + w.below("vaultdue"); n != 0 {
		t.Errorf("%d records of a purged HSM are left", n)
	}
	h = w.hsm("Team", "alpha", func(s *HSMSpec) { s.PurgeProtection = ptr(true) })
	remove()
	_, err = w.svc.PurgeHSM(w.ctx(), owner(), testSub, "eastus", "alpha")
	refused(t, err, fault.MethodNotAllowed, "MethodNotAllowed", "'DeletedManagedHSMPurge'")

	w.audited()
	w.clock.add(91 * 24 * time.Hour)
	if n, err := w.svc.PurgeDue(w.ctx()); n != 1 || err != nil || w.below("mhsmname") != 0 {
		t.Errorf("PurgeDue = %d, %v", n, err)
	}
	if records := w.audited(); len(records) != 1 || records[0].Operation != "ManagedHSMPurge" || records[0].Resource != h.ResourceID() {
		t.Errorf("audited %+v", records)
	}
}

// TestDeleteGroupDeletesItsHSMs: nothing that was in a group is left live without
// one.
func TestDeleteGroupDeletesItsHSMs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hsm("Team", "alpha")
	w.vault("Team", "beta")
	_, err := w.svc.DeleteGroup(w.ctx(), owner(), testSub, "team")
	must(t, err)
	w.audited()
	must(t, w.svc.RunJobs(w.ctx()))
	if w.hsmVisible("alpha") || w.visible("beta") || w.below("group") != 0 || w.below("grouphsm") != 0 {
		t.Error("something of the group is left")
	}
	if n := w.below("deletedhsm"); n != 1 {
		t.Errorf("%d HSMs can be recovered", n)
	}
	var audited []string
	for _, r := range w.audited() {
		audited = append(audited, r.Operation+" "+r.Object)
	}
	if !slices.Contains(audited, "ManagedHSMDelete providers/Microsoft.KeyVault/managedHSMs/alpha") {
		t.Errorf("audited %q", audited)
	}
}

// TestListsOfBothKinds: managed HSMs are not among the vaults, nor vaults among
// the HSMs, and a list of resources has both, whatever the size of its pages.
func TestListsOfBothKinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.group("Zoo")
	for _, group := range []string{"Team", "Zoo"} {
		for _, name := range []string{"one", "two"} {
			w.vault(group, name+"-"+group)
			w.hsm(group, name+"-"+group)
		}
	}
	w.hsm("Team", "gone")
	_, err := w.svc.DeleteHSM(w.ctx(), owner(), testSub, "Team", "gone")
	must(t, err)
	kindPath := func(v *catalog.Vault) string {
		if v.HSM != nil {
			return "hsm:" + vaultPath(v)
		}
		return "vault:" + vaultPath(v)
	}
	vaults := []string{"vault:Team/one-Team", "vault:Team/two-Team", "vault:Zoo/one-Zoo", "vault:Zoo/two-Zoo"}
	hsms := []string{"hsm:Team/one-Team", "hsm:Team/two-Team", "hsm:Zoo/one-Zoo", "hsm:Zoo/two-Zoo"}
	for max := 1; max <= 9; max++ {
		for name, tt := range map[string]struct {
			list func(PageRequest) (Page[*catalog.Vault], error)
			want []string
		}{
			"vaults": {func(p PageRequest) (Page[*catalog.Vault], error) {
				return w.svc.ListVaults(w.ctx(), owner(), testSub, "", p)
			}, vaults},
			"HSMs": {func(p PageRequest) (Page[*catalog.Vault], error) {
				return w.svc.ListHSMs(w.ctx(), owner(), testSub, "", p)
			}, hsms},
			"HSMs of a group": {func(p PageRequest) (Page[*catalog.Vault], error) {
				return w.svc.ListHSMs(w.ctx(), owner(), testSub, "zoo", p)
			}, hsms[2:]},
			"resources": {func(p PageRequest) (Page[*catalog.Vault], error) {
				return w.svc.ListResources(w.ctx(), owner(), testSub, "", ResourceFilter{}, p)
			}, slices.Concat(vaults, hsms)},
			"resources of a group": {func(p PageRequest) (Page[*catalog.Vault], error) {
				return w.svc.ListResources(w.ctx(), owner(), testSub, "Zoo", ResourceFilter{}, p)
			}, slices.Concat(vaults[2:], hsms[2:])},
			"by type": {func(p PageRequest) (Page[*catalog.Vault], error) {
				return w.svc.ListResources(w.ctx(), owner(), testSub, "", ResourceFilter{Type: "microsoft.keyvault/MANAGEDHSMS"}, p)
			}, hsms},
			"by name": {func(p PageRequest) (Page[*catalog.Vault], error) {
				return w.svc.ListResources(w.ctx(), owner(), testSub, "", ResourceFilter{Name: "ONE-zoo"}, p)
			}, []string{"vault:Zoo/one-Zoo", "hsm:Zoo/one-Zoo"}},
		} {
			if name == "by name" && max == 1 {
				continue // a name has at most one of each, on one page
			}
			if got, _ := names(t, max, kindPath, tt.list); !slices.Equal(got, tt.want) {
				t.Errorf("%s, pages of %d: %v, want %v", name, max, got, tt.want)
			}
		}
	}
	got, _ := names(t, 1, kindPath, func(p PageRequest) (Page[*catalog.Vault], error) {
		return w.svc.ListDeletedHSMs(w.ctx(), owner(), testSub, p)
	})
	if !slices.Equal(got, []string{"hsm:Team/gone"}) {
		t.Errorf("deleted HSMs %v", got)
	}
}

// TestListsShowWhatTheCallerMaySee: whoever may read vaults alone sees no HSM in a
// list of resources.
func TestListsShowWhatTheCallerMaySee(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v, h := w.vault("Team", "alpha"), w.hsm("Team", "alpha")
	assign(w, "f25e0fa2-a7c8-4377-a976-54943a77a395", "/subscriptions/"+testSub, partOID) // Key Vault Contributor
	assign(w, "18500a29-7fe2-46b2-a342-b16a415e101d", h.ResourceID(), nobodyOID)          // Managed HSM contributor
	for name, tt := range map[string]struct {
		who    string
		filter ResourceFilter
		want   []string
	}{
		"vaults only": {partOID, ResourceFilter{}, []string{v.ResourceID()}},
		"one HSM":     {nobodyOID, ResourceFilter{Type: arm.TypeManagedHSMs}, []string{h.ResourceID()}},
		"all":         {ownerOID, ResourceFilter{}, []string{v.ResourceID(), h.ResourceID()}},
	} {
		page, err := w.svc.ListResources(w.ctx(), caller(tt.who), testSub, "", tt.filter, PageRequest{Max: 10})
		must(t, err)
		var got []string
		for _, item := range page.Items {
			got = append(got, item.ResourceID())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	_, err := w.svc.ListHSMs(w.ctx(), caller(partOID), testSub, "", PageRequest{Max: 10})
	refused(t, err, fault.Forbidden, "AuthorizationFailed", "Microsoft.KeyVault/managedHSMs/read")
}

func TestCheckHSMName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hsm("Team", "alpha")
	w.vault("Team", "beta")
	for name, want := range map[string]NameCheck{
		"ALPHA": {Reason: arm.ReasonAlreadyExists, Message: "The name 'ALPHA' is already in use."},
		"beta":  {Available: true},
	} {
		if got, err := w.svc.CheckHSMName(w.ctx(), owner(), testSub, name); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := w.svc.CheckHSMName(w.ctx(), owner(), testSub, "a--b"); err != nil || got.Reason != arm.ReasonAccountNameInvalid {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestEnsureHSM(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := EnsureHSM{Subscription: testSub, Group: "Team", Name: "alpha", Location: "eastus", TenantID: testTenant,
		Admin: ownerOID, Roles: []string{access.LocalRoleAdministrator, access.LocalRoleCryptoUser}}
	for _, want := range []bool{true, false} {
		if created, err := w.svc.EnsureHSM(w.ctx(), in); err != nil || created != want {
			t.Fatalf("EnsureHSM = %t, %v, want %t", created, err, want)
		}
	}
	h, err := w.svc.GetHSM(w.ctx(), owner(), testSub, "Team", "alpha")
	must(t, err)
	if a := h.HSM.Local.Assignments; len(a) != 2 || a[0].RoleID != in.Roles[0] || a[1].RoleID != in.Roles[1] || a[1].PrincipalID != ownerOID {
		t.Errorf("assignments %+v", a)
	}
	_, err = w.svc.DeleteHSM(w.ctx(), owner(), testSub, "Team", "alpha")
	must(t, err)
	_, err = w.svc.EnsureHSM(w.ctx(), in)
	refused(t, err, fault.Conflict, "ConflictError", "deleted state")
	in.Name = "-"
	_, err = w.svc.EnsureHSM(w.ctx(), in)
	refused(t, err, fault.Invalid, "ManagedHSMNameNotValid", "'-'")
}
