package resource

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// names returns the names of all pages of a list, and how many pages it took.
func names[T any](t *testing.T, max int, name func(T) string, next func(PageRequest) (Page[T], error)) (all []string, pages int) {
	t.Helper()
	p := PageRequest{Max: max}
	for {
		page, err := next(p)
		must(t, err)
		pages++
		if len(page.Items) > max || pages > 100 {
			t.Fatalf("page %d has %d items", pages, len(page.Items))
		}
		for _, item := range page.Items {
			all = append(all, name(item))
		}
		if p.Marker = page.Next; p.Marker == "" {
			return all, pages
		}
	}
}

func vaultPath(v *catalog.Vault) string { return v.ResourceGroup + "/" + v.Name }

func TestListPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for _, group := range []string{"A", "a.b", "B"} {
		w.group(group)
		for i := range 3 {
			name := fmt.Sprintf("Vault%s%d", strings.ReplaceAll(group, ".", ""), i)
			w.vault(group, name, func(s *VaultSpec) { s.Tags = map[string]string{"n": fmt.Sprint(i)} })
			want = append(want, group+"/"+name)
		}
	}
	must(t, w.svc.Bootstrap(w.ctx(), Bootstrap{TenantID: testTenant, SubscriptionID: otherSub}))
	for _, max := range []int{1, 2, 3, 8, 9, 10, MaxPage} {
		got, pages := names(t, max, vaultPath, func(p PageRequest) (Page[*catalog.Vault], error) {
			return w.svc.ListVaults(w.ctx(), owner(), testSub, "", p)
		})
		if !slices.Equal(got, want) || pages != (len(want)+max-1)/max {
			t.Errorf("pages of %d: %v in %d pages", max, got, pages)
		}
		got, _ = names(t, max, vaultPath, func(p PageRequest) (Page[*catalog.Vault], error) {
			return w.svc.ListVaults(w.ctx(), owner(), testSub, "a.B", p)
		})
		if !slices.Equal(got, want[3:6]) {
			t.Errorf("pages of %d of a group: %v", max, got)
		}
		got, _ = names(t, max, vaultPath, func(p PageRequest) (Page[*catalog.Vault], error) {
			return w.svc.ListResources(w.ctx(), owner(), testSub, "", ResourceFilter{Type: "microsoft.keyvault/VAULTS", TagName: "N", TagValue: ptr("1")}, p)
		})
		if !slices.Equal(got, []string{want[1], want[4], want[7]}) {
			t.Errorf("pages of %d of a tag: %v", max, got)
		}
		groups, _ := names(t, max, func(g *Group) string { return g.Name }, func(p PageRequest) (Page[*Group], error) {
			return w.svc.ListGroups(w.ctx(), owner(), testSub, GroupFilter{}, p)
		})
		if !slices.Equal(groups, []string{"A", "a.b", "B", "Team"}) {
			t.Errorf("pages of %d of groups: %v", max, groups)
		}
	}
	for _, name := range []string{"VaultA1", "VaultB0"} {
		_, err := w.svc.DeleteVault(w.ctx(), owner(), testSub, name[5:6], name)
		must(t, err)
	}
	for _, max := range []int{1, 2, 3} {
		got, _ := names(t, max, func(v *catalog.Vault) string { return v.Name }, func(p PageRequest) (Page[*catalog.Vault], error) {
			return w.svc.ListDeletedVaults(w.ctx(), owner(), testSub, p)
		})
		if !slices.Equal(got, []string{"VaultA1", "VaultB0"}) {
			t.Errorf("pages of %d of deleted vaults: %v", max, got)
		}
	}
}

func TestResourceFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.group("Other")
	w.vault("Team", "alpha")
	w.vault("Other", "beta")
	w.vault("Team", "gone")
	w.delete("team", "gone")
	for _, tc := range []struct {
		group  string
		filter ResourceFilter
		want   string
	}{
		{"", ResourceFilter{}, "Other/beta Team/alpha"},
		{"", ResourceFilter{Type: "Microsoft.Storage/storageAccounts"}, ""},
		{"", ResourceFilter{Name: "ALPHA"}, "Team/alpha"},
		{"", ResourceFilter{Name: "alpha", Group: "team", Type: "Microsoft.KeyVault/vaults"}, "Team/alpha"},
		{"", ResourceFilter{Name: "alpha", Group: "other"}, ""},
		{"", ResourceFilter{Name: "gone"}, ""},
		{"", ResourceFilter{Name: "nothing"}, ""},
		{"", ResourceFilter{Group: "TEAM"}, "Team/alpha"},
		{"team", ResourceFilter{}, "Team/alpha"},
		{"team", ResourceFilter{Name: "beta"}, ""},
		{"team", ResourceFilter{Group: "other"}, ""},
	} {
		got, _ := names(t, 10, vaultPath, func(p PageRequest) (Page[*catalog.Vault], error) {
			return w.svc.ListResources(w.ctx(), owner(), testSub, tc.group, tc.filter, p)
		})
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%q %+v: %v, want %q", tc.group, tc.filter, got, tc.want)
		}
	}
	for _, p := range []PageRequest{{}, {Max: MaxPage + 1}, {Max: 1, Marker: "x"}, {Max: 1, Marker: "a/b/c"}, {Max: 1, Marker: "\xff/a"}} {
		_, err := w.svc.ListVaults(w.ctx(), owner(), testSub, "", p)
		refused(t, err, fault.Invalid, "BadRequest", "value of $")
	}
}

// TestPartView is about callers with a role on a part of a subscription: a list
// shows them that part, and who has none is refused.
func TestPartView(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.group("Other")
	for _, name := range []string{"alpha", "beta", "gamma"} {
		w.vault("Team", name)
	}
	w.vault("Other", "delta")
	assign(w, roleReader, groupScope(testSub, "other"), partOID)
	assign(w, roleReader, vaultScope(testSub, "TEAM", "Beta"), partOID)
	c := caller(partOID)
	for _, max := range []int{1, 10} {
		got, _ := names(t, max, vaultPath, func(p PageRequest) (Page[*catalog.Vault], error) {
			return w.svc.ListVaults(w.ctx(), c, testSub, "", p)
		})
		if !slices.Equal(got, []string{"Other/delta", "Team/beta"}) {
			t.Errorf("pages of %d: %v", max, got)
		}
	}
	page, err := w.svc.ListVaults(w.ctx(), c, testSub, "team", PageRequest{Max: 9})
	if err != nil || len(page.Items) != 1 || page.Items[0].Name != "beta" {
		t.Errorf("in the group: %+v, %v", page, err)
	}
	groups, err := w.svc.ListGroups(w.ctx(), c, testSub, GroupFilter{}, PageRequest{Max: 9})
	if err != nil || len(groups.Items) != 1 || groups.Items[0].Name != "Other" {
		t.Errorf("groups: %+v, %v", groups, err)
	}
	_, err = w.svc.GetGroup(w.ctx(), c, testSub, "team")
	refused(t, err, fault.Forbidden, "AuthorizationFailed", "resourceGroups/read")
	if page, err := w.svc.ListResources(w.ctx(), c, testSub, "", ResourceFilter{Name: "alpha"}, PageRequest{Max: 9}); err != nil || len(page.Items) != 0 {
		t.Errorf("found by name: %+v, %v", page, err)
	}
	if subs, err := w.svc.ListSubscriptions(w.ctx(), c); err != nil || len(subs) != 1 {
		t.Errorf("subscriptions: %+v, %v", subs, err)
	}
	if sub, err := w.svc.GetSubscription(w.ctx(), c, strings.ToUpper(testSub)); err != nil || sub.Name != "Test" {
		t.Errorf("subscription: %+v, %v", sub, err)
	}
	if tenants, err := w.svc.ListTenants(w.ctx(), c); err != nil || len(tenants) != 1 || tenants[0].Domain != "test.example" {
		t.Errorf("tenants: %+v, %v", tenants, err)
	}
	nobody := caller(nobodyOID)
	_, err = w.svc.ListVaults(w.ctx(), nobody, testSub, "", PageRequest{Max: 9})
	refused(t, err, fault.Forbidden, "AuthorizationFailed", "over scope '/subscriptions/"+testSub+"'")
	_, err = w.svc.GetSubscription(w.ctx(), nobody, testSub)
	refused(t, err, fault.Forbidden, "AuthorizationFailed", "subscriptions/read")
	if subs, err := w.svc.ListSubscriptions(w.ctx(), nobody); err != nil || len(subs) != 0 {
		t.Errorf("subscriptions of nobody: %+v, %v", subs, err)
	}
	if tenants, err := w.svc.ListTenants(w.ctx(), nobody); err != nil || len(tenants) != 0 {
		t.Errorf("tenants of nobody: %+v, %v", tenants, err)
	}
	// A role that is given later holds in the next request.
	assign(w, roleReader, vaultScope(testSub, "team", "gamma"), nobodyOID)
	if page, err := w.svc.ListVaults(w.ctx(), nobody, testSub, "", PageRequest{Max: 9}); err != nil || len(page.Items) != 1 {
		t.Errorf("after the role was given: %+v, %v", page, err)
	}
}

// TestOtherTenant keeps a caller out whose object id another tenant has given
// out, too.
func TestOtherTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := owner()
	c.Caller.TenantID, c.Caller.Issuer = otherTenant, "https://sts.windows.net/"+otherTenant+"/"
	_, err := w.svc.GetGroup(w.ctx(), c, testSub, "team")
	refused(t, err, fault.Unauthenticated, "InvalidAuthenticationTokenTenant",
		"wrong issuer 'https://sts.windows.net/"+otherTenant+"/'. It must match the tenant 'https://sts.windows.net/"+testTenant+"/'")
	_, err = w.svc.GetSubscription(w.ctx(), c, testSub)
	refused(t, err, fault.Unauthenticated, "InvalidAuthenticationTokenTenant", testTenant)
	if subs, err := w.svc.ListSubscriptions(w.ctx(), c); err != nil || len(subs) != 0 {
		t.Errorf("subscriptions: %+v, %v", subs, err)
	}
	w.unchanged(func() {
		_, err = w.svc.DeleteGroup(w.ctx(), c, testSub, "team")
		refused(t, err, fault.Unauthenticated, "InvalidAuthenticationTokenTenant", testTenant)
	})
	if tenant, err := w.svc.TenantOf(w.ctx(), testSub); err != nil || tenant != testTenant {
		t.Errorf("TenantOf = %q, %v", tenant, err)
	}
	if tenant, err := w.svc.TenantOf(w.ctx(), otherSub); err != nil || tenant != "" {
		t.Errorf("TenantOf an unknown one = %q, %v", tenant, err)
	}
}

// TestScopeSmuggling has names carry slashes: a role below a group must not
// reach what is beside it.
func TestScopeSmuggling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.group("Mine")
	w.vault("Team", "alpha")
	assign(w, access.RoleOwner, groupScope(testSub, "mine"), partOID)
	c := caller(partOID)
	w.unchanged(func() {
		for _, group := range []string{"mine/../team", "mine/x", "team", "mine/../../resourceGroups/team"} {
			if v, err := w.svc.GetVault(w.ctx(), c, testSub, group, "alpha"); err == nil {
				t.Errorf("group %q: read %s", group, v.Name)
			}
			if _, _, err := w.svc.PutGroup(w.ctx(), c, testSub, group, PutGroup{Location: "eastus"}); err == nil {
				t.Errorf("group %q: written", group)
			}
			if _, err := w.svc.DeleteGroup(w.ctx(), c, testSub, group); err == nil {
				t.Errorf("group %q: deleted", group)
			}
		}
		if _, _, err := w.svc.PutVault(w.ctx(), c, testSub, "mine", "alpha", spec()); fault.KindOf(err) != fault.Conflict {
			t.Errorf("another group's vault was put: %v", err)
		}
		if existed, err := w.svc.DeleteVault(w.ctx(), c, testSub, "mine", "alpha"); existed || err != nil {
			t.Errorf("another group's vault: deleted %v, %v", existed, err)
		}
	})
}

func TestGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, created, err := w.svc.PutGroup(w.ctx(), owner(), testSub, "New-(1).x_y", PutGroup{Location: "West Europe", Tags: map[string]string{"a": "1"}, ManagedBy: "me"})
	if err != nil || !created || g.Location != "westeurope" || g.SubscriptionID != testSub {
		t.Fatalf("%+v, %v, %v", g, created, err)
	}
	g, created, err = w.svc.PutGroup(w.ctx(), owner(), testSub, "NEW-(1).X_Y", PutGroup{Location: "westeurope"})
	if err != nil || created || g.Name != "New-(1).x_y" || len(g.Tags) != 0 || g.ManagedBy != "" {
		t.Errorf("put again: %+v, %v, %v", g, created, err)
	}
	g, err = w.svc.PatchGroup(w.ctx(), owner(), testSub, "new-(1).x_y", PatchGroup{Tags: map[string]string{"b": "2"}, ManagedBy: ptr("you")})
	if err != nil || g.Tags["b"] != "2" || g.ManagedBy != "you" {
		t.Errorf("patched: %+v, %v", g, err)
	}
	if g, err = w.svc.PatchGroup(w.ctx(), owner(), testSub, "new-(1).x_y", PatchGroup{}); err != nil || g.Tags["b"] != "2" {
		t.Errorf("patched with nothing: %+v, %v", g, err)
	}
	for filter, want := range map[GroupFilter]int{{TagName: "B"}: 1, {TagName: "a"}: 0, {}: 2} {
		if page, err := w.svc.ListGroups(w.ctx(), owner(), testSub, filter, PageRequest{Max: 9}); err != nil || len(page.Items) != want {
			t.Errorf("%+v: %+v, %v", filter, page, err)
		}
	}
	w.unchanged(func() {
		_, _, err := w.svc.PutGroup(w.ctx(), owner(), testSub, "team", PutGroup{Location: "westus"})
		refused(t, err, fault.Conflict, "InvalidResourceGroupLocation", "Invalid resource group location 'westus'. The Resource group already exists in location 'eastus'.")
		for name, code := range map[string]string{"": "InvalidResourceGroup", "a b": "InvalidResourceGroup", "a.": "InvalidResourceGroup", "ä": "InvalidResourceGroup", strings.Repeat("a", 91): "InvalidResourceGroup"} {
			_, _, err := w.svc.PutGroup(w.ctx(), owner(), testSub, name, PutGroup{Location: "westus"})
			refused(t, err, fault.Invalid, code, "resource group name")
		}
		_, _, err = w.svc.PutGroup(w.ctx(), owner(), testSub, "x", PutGroup{})
		refused(t, err, fault.Invalid, "LocationRequired", "location")
		_, _, err = w.svc.PutGroup(w.ctx(), owner(), testSub, "x", PutGroup{Location: "moon"})
		refused(t, err, fault.Invalid, "LocationNotAvailableForResourceGroup", "'moon'")
		_, err = w.svc.PatchGroup(w.ctx(), owner(), testSub, "none", PatchGroup{})
		refused(t, err, fault.NotFound, "ResourceGroupNotFound", "Resource group 'none' could not be found.")
		_, err = w.svc.DeleteGroup(w.ctx(), owner(), testSub, "none")
		refused(t, err, fault.NotFound, "ResourceGroupNotFound", "none")
	})
}

func TestSubscriptionRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.svc.GetSubscription(w.ctx(), owner(), "x")
	refused(t, err, fault.Invalid, "InvalidSubscriptionId", "The provided subscription identifier 'x' is malformed or invalid.")
	_, err = w.svc.GetSubscription(w.ctx(), owner(), otherSub)
	refused(t, err, fault.NotFound, "SubscriptionNotFound", "The subscription '"+otherSub+"' could not be found.")
	_, err = w.svc.GetProvider(w.ctx(), owner(), testSub, "no/name")
	refused(t, err, fault.NotFound, "InvalidResourceNamespace", "no/name")
	for namespace, types := range map[string]bool{"microsoft.keyvault": true, "Microsoft.Resources": true, "Microsoft.Storage": false} {
		for _, get := range []func() (Provider, error){
			func() (Provider, error) { return w.svc.GetProvider(w.ctx(), owner(), testSub, namespace) },
			func() (Provider, error) { return w.svc.RegisterProvider(w.ctx(), owner(), testSub, namespace) },
		} {
			if p, err := get(); err != nil || (len(p.Types) > 0) != types {
				t.Errorf("%s: %+v, %v", namespace, p, err)
			}
		}
	}
	all, err := w.svc.ListProviders(w.ctx(), owner(), testSub)
	if err != nil || len(all) != 3 {
		t.Errorf("providers: %d, %v", len(all), err)
	}
}

// TestAudit is about what each operation leaves in the audit log: one record.
func TestAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("Team", "alpha")
	w.audited()
	ctx, page := w.ctx(), PageRequest{Max: 1}
	team := groupScope(testSub, "team")
	alpha := team + "/providers/Microsoft.KeyVault/vaults/alpha"
	sub := subscriptionScope(testSub)
	var job string
	for _, tc := range []struct {
		operation, resource string
		do                  func(Call)
	}{
		{"SubscriptionList", "/", func(c Call) { w.svc.ListSubscriptions(ctx, c) }},
		{"TenantList", "/", func(c Call) { w.svc.ListTenants(ctx, c) }},
		{"SubscriptionGet", sub, func(c Call) { w.svc.GetSubscription(ctx, c, testSub) }},
		{"LocationList", sub, func(c Call) { w.svc.ListLocations(ctx, c, testSub) }},
		{"ProviderList", sub, func(c Call) { w.svc.ListProviders(ctx, c, testSub) }},
		{"ProviderGet", sub, func(c Call) { w.svc.GetProvider(ctx, c, testSub, "Microsoft.KeyVault") }},
		{"ProviderRegister", sub, func(c Call) { w.svc.RegisterProvider(ctx, c, testSub, "Microsoft.KeyVault") }},
		{"ResourceGroupGet", team, func(c Call) { w.svc.GetGroup(ctx, c, testSub, "team") }},
		{"ResourceGroupPut", team, func(c Call) { w.svc.PutGroup(ctx, c, testSub, "team", PutGroup{Location: "eastus"}) }},
		{"ResourceGroupPatch", team, func(c Call) { w.svc.PatchGroup(ctx, c, testSub, "team", PatchGroup{}) }},
		{"ResourceGroupList", sub, func(c Call) { w.svc.ListGroups(ctx, c, testSub, GroupFilter{}, page) }},
		{"VaultGet", alpha, func(c Call) { w.svc.GetVault(ctx, c, testSub, "team", "alpha") }},
		{"VaultPut", alpha, func(c Call) { w.svc.PutVault(ctx, c, testSub, "team", "alpha", spec()) }},
		{"VaultPatch", alpha, func(c Call) { w.svc.PatchVault(ctx, c, testSub, "team", "alpha", VaultSpec{}) }},
		{"VaultAccessPolicyPut", alpha + "/accessPolicies/add", func(c Call) {
			w.svc.ChangePolicies(ctx, c, testSub, "team", "alpha", AddPolicies, []access.Policy{})
		}},
		{"VaultList", sub, func(c Call) { w.svc.ListVaults(ctx, c, testSub, "", page) }},
		{"VaultList", team, func(c Call) { w.svc.ListVaults(ctx, c, testSub, "team", page) }},
		{"ResourceList", sub, func(c Call) { w.svc.ListResources(ctx, c, testSub, "", ResourceFilter{}, page) }},
		{"VaultCheckName", sub, func(c Call) { w.svc.CheckName(ctx, c, testSub, "alpha") }},
		{"VaultListDeleted", sub, func(c Call) { w.svc.ListDeletedVaults(ctx, c, testSub, page) }},
		{"VaultDelete", alpha, func(c Call) { w.svc.DeleteVault(ctx, c, testSub, "team", "alpha") }},
		{"VaultGetDeleted", deletedVaultScope(testSub, "eastus", "alpha"), func(c Call) { w.svc.GetDeletedVault(ctx, c, testSub, "eastus", "alpha") }},
		{"VaultRecover", alpha, func(c Call) {
			w.svc.PutVault(ctx, c, testSub, "team", "alpha", VaultSpec{Location: "eastus", Recover: true})
		}},
		{"VaultDelete", alpha, func(c Call) { w.svc.DeleteVault(ctx, c, testSub, "team", "alpha") }},
		{"VaultPurge", deletedVaultScope(testSub, "eastus", "alpha"), func(c Call) { job, _ = w.svc.PurgeVault(ctx, c, testSub, "eastus", "alpha") }},
		{"OperationResultGet", sub, func(c Call) { w.svc.GetJob(ctx, c, testSub, job) }},
		{"ResourceGroupDelete", team, func(c Call) { w.svc.DeleteGroup(ctx, c, testSub, "team") }},
	} {
		// First who may not, then who may.
		w.unchanged(func() { tc.do(caller(nobodyOID)) })
		public := tc.resource == "/"
		for i, want := range []string{"AuthorizationFailed", ""} {
			if public {
				want = ""
			}
			if i == 1 {
				tc.do(owner())
			}
			records := w.audited()
			if len(records) != 1 || records[0].Operation != tc.operation || records[0].Resource != tc.resource ||
				records[0].Code != want || records[0].Origin.RequestID != "r1" || (records[0].Caller.ObjectID == ownerOID) != (i == 1) {
				t.Errorf("%s: audited %+v", tc.operation, records)
			}
			if want != "" && !strings.Contains(records[0].Reason, nobodyOID) {
				t.Errorf("%s: no reason in %+v", tc.operation, records)
			}
		}
	}
}
