package resource

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

func TestPutVaultRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	policy := func(change func(*access.Policy)) func(*VaultSpec) {
		return func(s *VaultSpec) { change(&s.Policies[0]) }
	}
	for _, tc := range []struct {
		name, vault   string
		change        func(*VaultSpec)
		code, message string
	}{
		{"short name", "ab", nil, "VaultNameNotValid", "The vault name 'ab' is invalid."},
		{"long name", strings.Repeat("a", 25), nil, "VaultNameNotValid", "3-24 alphanumeric"},
		{"digit first", "1abc", nil, "VaultNameNotValid", "begin with a letter"},
		{"hyphen last", "abc-", nil, "VaultNameNotValid", "linkid=2147742"},
		{"two hyphens", "a--b", nil, "VaultNameNotValid", "consecutive"},
		{"slash", "a/b", nil, "VaultNameNotValid", "'a/b'"},
		{"no location", "alpha", func(s *VaultSpec) { s.Location = "" }, "LocationRequired", "location property is required"},
		{"unknown location", "alpha", func(s *VaultSpec) { s.Location = "the moon" }, "LocationNotAvailableForResourceType", "'the moon' is not available for resource type 'Microsoft.KeyVault/vaults'"},
		{"no sku", "alpha", func(s *VaultSpec) { s.SKUName = "" }, "BadRequest", "The parameter sku is not specified."},
		{"unknown sku", "alpha", func(s *VaultSpec) { s.SKUName = "gold" }, "BadRequest", "properties.sku.name: gold"},
		{"unknown family", "alpha", func(s *VaultSpec) { s.SKUFamily = "B" }, "BadRequest", "properties.sku.family: B"},
		{"no tenant", "alpha", func(s *VaultSpec) { s.TenantID = "" }, "BadRequest", "The parameter tenantId is not specified."},
		{"tenant is no GUID", "alpha", func(s *VaultSpec) { s.TenantID = "common" }, "BadRequest", "properties.tenantId: common"},
		{"another tenant", "alpha", func(s *VaultSpec) { s.TenantID = otherTenant }, "BadRequest", "properties.tenantId: " + otherTenant},
		{"no policies", "alpha", func(s *VaultSpec) { s.Policies = nil }, "BadRequest", "The parameter accessPolicies is not specified."},
		{"short retention", "alpha", func(s *VaultSpec) { s.RetentionDays = ptr(int32(6)) }, "BadRequest", "from 7 to 90"},
		{"long retention", "alpha", func(s *VaultSpec) { s.RetentionDays = ptr(int32(91)) }, "BadRequest", "from 7 to 90"},
		{"purge protection off", "alpha", func(s *VaultSpec) { s.PurgeProtection = ptr(false) }, "BadRequest", `The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.`},
		{"public access", "alpha", func(s *VaultSpec) { s.PublicNetworkAccess = ptr("maybe") }, "BadRequest", "publicNetworkAccess: maybe"},
		{"bypass", "alpha", func(s *VaultSpec) { s.Network = &catalog.NetworkACLs{Bypass: "x"} }, "BadRequest", "networkAcls.bypass: x"},
		{"default action", "alpha", func(s *VaultSpec) { s.Network = &catalog.NetworkACLs{DefaultAction: "x"} }, "BadRequest", "networkAcls.defaultAction: x"},
		{"address", "alpha", func(s *VaultSpec) { s.Network = &catalog.NetworkACLs{IPRules: []string{"10.0.0.0/8", "x"}} }, "BadRequest", "ipRules[1].value: x"},
		{"network", "alpha", func(s *VaultSpec) {
			s.Network = &catalog.NetworkACLs{VirtualRules: []catalog.VirtualNetwork{{ID: "x"}}}
		}, "BadRequest", "virtualNetworkRules[0].id: x"},
		{"tag name", "alpha", func(s *VaultSpec) { s.Tags = map[string]string{"a/b": ""} }, "InvalidTagNameCharacters", "none of '<,>,%,&,"},
		{"tag value", "alpha", func(s *VaultSpec) { s.Tags = map[string]string{"a": strings.Repeat("x", 257)} }, "InvalidTagValueLength", "'a'"},
		{"tags alike", "alpha", func(s *VaultSpec) { s.Tags = map[string]string{"a": "", "A": ""} }, "DuplicateTagNames", "more than once"},
		{"policy's tenant", "alpha", policy(func(p *access.Policy) { p.TenantID = otherTenant }), "BadRequest", "accessPolicies[0].TenantId: " + otherTenant},
		{"policy's tenant is no GUID", "alpha", policy(func(p *access.Policy) { p.TenantID = "" }), "BadRequest", "accessPolicies[0].TenantId: "},
		{"policy's object", "alpha", policy(func(p *access.Policy) { p.ObjectID = "me" }), "BadRequest", "Invalid value found at accessPolicies[0].ObjectId: me"},
		{"policy's application", "alpha", policy(func(p *access.Policy) { p.ApplicationID = "it" }), "BadRequest", "accessPolicies[0].ApplicationId: it"},
		{"unknown word", "alpha", policy(func(p *access.Policy) { p.Permissions.Keys = []string{"get", "fly"} }), "BadRequest", "An invalid value was provided for 'accessPolicies'."},
		{"word with a blank", "alpha", policy(func(p *access.Policy) { p.Permissions.Secrets = []string{"get "} }), "BadRequest", "An invalid value was provided for 'accessPolicies'."},
		{"word of another category", "alpha", policy(func(p *access.Policy) { p.Permissions.Secrets = []string{"sign"} }), "BadRequest", "An invalid value was provided for 'accessPolicies'."},
		{"object twice", "alpha", func(s *VaultSpec) {
			p := s.Policies[0]
			p.ObjectID = strings.ToUpper(p.ObjectID)
			s.Policies = append(s.Policies, p)
		}, "BadRequest", "An invalid value was provided for 'accessPolicies'."},
		{"too many policies", "alpha", func(s *VaultSpec) { s.Policies = manyPolicies(1025) }, "BadRequest", "1025 entries. A vault has at most 1024"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := spec()
			if tc.change != nil {
				tc.change(&in)
			}
			w.unchanged(func() {
				_, _, err := w.svc.PutVault(w.ctx(), owner(), testSub, "team", tc.vault, in)
				refused(t, err, fault.Invalid, tc.code, tc.message)
			})
		})
	}
}

func manyPolicies(n int) []access.Policy {
	out := make([]access.Policy, n)
	for i := range out {
		out[i] = access.Policy{
			TenantID: testTenant, ObjectID: fmt.Sprintf("eeeeeeee-0000-4000-8000-%012d", i),
			Permissions: access.Permissions{Secrets: []string{"get"}},
		}
	}
	return out
}

func TestPolicyCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, _, err := w.svc.PutVault(w.ctx(), owner(), testSub, "team", "alpha", spec(func(s *VaultSpec) { s.Policies = manyPolicies(1024) })); err != nil {
		t.Errorf("1024 policies: %v", err)
	}
	first := owner()
	first.APIVersion = "2015-06-01"
	_, _, err := w.svc.PutVault(w.ctx(), first, testSub, "team", "beta", spec(func(s *VaultSpec) { s.Policies = manyPolicies(17) }))
	refused(t, err, fault.Invalid, "BadRequest", "at most 16")
	// More than the store takes is refused, not an internal error.
	w.unchanged(func() {
		_, _, err = w.svc.PutVault(w.ctx(), owner(), testSub, "team", "gamma", spec(func(s *VaultSpec) {
			s.Policies = manyPolicies(1024)
			for i := range s.Policies {
				s.Policies[i].Permissions = access.Permissions{
					Keys: keysOf(keyWords), Secrets: keysOf(secretWords), Certificates: keysOf(certificateWords), Storage: keysOf(storageWords),
				}
			}
		}))
		refused(t, err, fault.TooLarge, "RequestContentTooLarge", "512 KiB")
	})
}

func keysOf(m map[string]bool) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// TestDefaults shows what a new vault gets that nobody asked for.
func TestDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := VaultSpec{Location: "eastus", TenantID: testTenant, SKUName: "Premium", Policies: []access.Policy{}}
	for i, tc := range []struct {
		version    string
		change     func(*VaultSpec)
		rbac       *bool
		softDelete bool
	}{
		{"2026-02-01", func(*VaultSpec) {}, ptr(true), true},
		{"2026-02-01", func(s *VaultSpec) { s.RBAC = ptr(false) }, ptr(false), true},
		{"2026-02-01", func(s *VaultSpec) { s.SoftDelete = ptr(false) }, ptr(true), true},
		{"2025-05-01", func(*VaultSpec) {}, nil, true},
		{"2019-09-01", func(s *VaultSpec) { s.SoftDelete = ptr(false) }, nil, true},
		{"2018-02-14", func(*VaultSpec) {}, nil, true},
		{"2018-02-14", func(s *VaultSpec) { s.SoftDelete = ptr(false) }, nil, false},
	} {
		in := plain
		tc.change(&in)
		call := owner()
		call.APIVersion = tc.version
		v, created, err := w.svc.PutVault(w.ctx(), call, testSub, "team", fmt.Sprintf("vault%d", i), in)
		if err != nil || !created {
			t.Fatalf("%d: %v, %v", i, created, err)
		}
		if (v.RBAC == nil) != (tc.rbac == nil) || v.RBAC != nil && *v.RBAC != *tc.rbac || v.SoftDelete != tc.softDelete ||
			v.RetentionDays != 90 || v.PurgeProtection || !v.Premium || v.Created.By != owner().Caller.AppID || v.Created.Type != "Application" {
			t.Errorf("%d: made %+v", i, v)
		}
	}
}

func TestOneWayRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("Team", "alpha", func(s *VaultSpec) { s.RetentionDays = ptr(int32(30)) })
	for _, tc := range []struct {
		change  func(*VaultSpec)
		message string
	}{
		{func(s *VaultSpec) { s.SoftDelete = ptr(false) }, "irreversible"},
		{func(s *VaultSpec) { s.RetentionDays = ptr(int32(31)) }, `The property "softDeleteRetentionInDays" has been set already and it can't be modified.`},
		{func(s *VaultSpec) { s.PurgeProtection = ptr(false) }, "irreversible"},
	} {
		w.unchanged(func() {
			_, _, err := w.svc.PutVault(w.ctx(), owner(), testSub, "team", "alpha", spec(tc.change))
			refused(t, err, fault.Invalid, "BadRequest", tc.message)
			var patch VaultSpec
			tc.change(&patch)
			_, err = w.svc.PatchVault(w.ctx(), owner(), testSub, "team", "alpha", patch)
			refused(t, err, fault.Invalid, "BadRequest", tc.message)
		})
	}
	// The same values again are no change; purge protection can be switched on
	// and then stays whatever is put.
	v := w.vault("Team", "alpha", func(s *VaultSpec) {
		s.RetentionDays, s.SoftDelete, s.PurgeProtection = ptr(int32(30)), ptr(true), ptr(true)
	})
	if !v.PurgeProtection || v.RetentionDays != 30 {
		t.Errorf("put %+v", v)
	}
	if v = w.vault("Team", "alpha"); !v.PurgeProtection || v.RetentionDays != 30 || !v.SoftDelete {
		t.Errorf("put without: %+v", v)
	}
	old := owner()
	old.APIVersion = "2018-02-14"
	off := spec(func(s *VaultSpec) { s.SoftDelete, s.PurgeProtection = ptr(false), ptr(true) })
	_, _, err := w.svc.PutVault(w.ctx(), old, testSub, "team", "beta", off)
	refused(t, err, fault.Invalid, "BadRequest", `needs "enableSoftDelete"`)
	off.PurgeProtection = nil
	_, _, err = w.svc.PutVault(w.ctx(), old, testSub, "team", "beta", off)
	must(t, err)
	v, err = w.svc.PatchVault(w.ctx(), owner(), testSub, "team", "beta", VaultSpec{SoftDelete: ptr(true), RetentionDays: ptr(int32(10))})
	if err != nil || !v.SoftDelete || v.RetentionDays != 10 {
		t.Errorf("soft delete switched on later: %+v, %v", v, err)
	}
}

// TestPutReplacesAndPatchKeeps is about what a request does not mention.
func TestPutReplacesAndPatchKeeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full := func(s *VaultSpec) {
		s.Tags = map[string]string{"a": "b"}
		s.SKUName = "Premium"
		s.RBAC = ptr(true)
		s.EnabledForDeployment, s.EnabledForDiskEncryption, s.EnabledForTemplateDeployment = ptr(true), ptr(true), ptr(true)
		s.PublicNetworkAccess = ptr("disabled")
		s.Network = &catalog.NetworkACLs{Bypass: "none", DefaultAction: "deny", IPRules: []string{"192.0.2.1"}}
	}
	v := w.vault("Team", "Alpha", full)
	if v.PublicNetworkAccess != "Disabled" || v.Network.Bypass != "None" || v.Network.DefaultAction != "Deny" || !v.Premium {
		t.Errorf("put %+v", v)
	}
	p, err := w.svc.PatchVault(w.ctx(), owner(), testSub, "TEAM", "alpha", VaultSpec{})
	must(t, err)
	p = p.Clone()
	p.Modified = v.Modified
	if a, b := fmt.Sprintf("%+v", *v.Network), fmt.Sprintf("%+v", *p.Network); a != b || p.Tags["a"] != "b" || !p.Premium || !*p.RBAC ||
		!*p.EnabledForDiskEncryption || p.PublicNetworkAccess != "Disabled" || len(p.Policies) != 1 || p.Name != "Alpha" {
		t.Errorf("an empty patch has made %+v of %+v", p, v)
	}
	p, err = w.svc.PatchVault(w.ctx(), owner(), testSub, "team", "alpha", VaultSpec{
		Tags: map[string]string{}, Policies: []access.Policy{}, PublicNetworkAccess: ptr(""), EnabledForDeployment: ptr(false),
	})
	if err != nil || len(p.Tags) != 0 || len(p.Policies) != 0 || p.PublicNetworkAccess != "" || *p.EnabledForDeployment {
		t.Errorf("patched %+v, %v", p, err)
	}
	w.vault("Team", "alpha", full)
	r := w.vault("Team", "alpha", func(s *VaultSpec) { s.RBAC = nil })
	if r.EnabledForDeployment != nil || r.Network != nil || r.PublicNetworkAccess != "" || len(r.Tags) != 0 || r.Premium || r.Name != "Alpha" {
		t.Errorf("a put without has left %+v", r)
	}
	if r.RBAC == nil || !*r.RBAC || r.ID != v.ID {
		t.Errorf("a put without has changed the permission model: %+v", r)
	}
}

func TestNameConflicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.svc.Bootstrap(w.ctx(), Bootstrap{
		TenantID: testTenant, SubscriptionID: otherSub, OwnerObjectID: ownerOID, OwnerRoles: []string{access.RoleOwner},
	}))
	must(t, w.svc.EnsureGroup(w.ctx(), otherSub, "team", "eastus", nil))
	w.group("Other")
	w.vault("Team", "alpha")
	w.vault("Team", "gone")
	w.delete("team", "gone")
	w.unchanged(func() {
		for _, tc := range []struct{ sub, group, name, location, code, message string }{
			{testSub, "other", "ALPHA", "eastus", "VaultAlreadyExists", "The vault name 'ALPHA' is already in use."},
			{otherSub, "team", "alpha", "eastus", "VaultAlreadyExists", "linkid=2147740."},
			{otherSub, "team", "gone", "eastus", "VaultAlreadyExists", "'gone'"},
			{testSub, "other", "gone", "eastus", "ConflictError", "linkid=2149745"},
			{testSub, "team", "alpha", "westus", "InvalidResourceLocation", "already exists in location 'eastus' in resource group 'Team'"},
		} {
			_, _, err := w.svc.PutVault(w.ctx(), owner(), tc.sub, tc.group, tc.name, spec(func(s *VaultSpec) { s.Location = tc.location }))
			refused(t, err, fault.Conflict, tc.code, tc.message)
		}
		_, err := w.svc.GetVault(w.ctx(), owner(), testSub, "other", "alpha")
		refused(t, err, fault.NotFound, "ResourceNotFound", "resource group 'Other'")
	})
	for name, want := range map[string]NameCheck{
		"free":  {Available: true},
		"Alpha": {Reason: "AlreadyExists", Message: "The name 'Alpha' is already in use."},
		"gone":  {Reason: "AlreadyExists", Message: "The name 'gone' is already in use."},
	} {
		if got, err := w.svc.CheckName(w.ctx(), owner(), testSub, name); err != nil || got != want {
			t.Errorf("CheckName(%s) = %+v, %v", name, got, err)
		}
	}
	if got, err := w.svc.CheckName(w.ctx(), owner(), testSub, "a--b"); err != nil || got.Available || got.Reason != "AccountNameInvalid" {
		t.Errorf("CheckName(a--b) = %+v, %v", got, err)
	}
}

// TestPermissionModel keeps who may change vaults from giving himself access.
func TestPermissionModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assign(w, access.RoleContributor, subscriptionScope(testSub), partOID)
	w.vault("Team", "alpha")
	c := caller(partOID)
	on := spec(func(s *VaultSpec) { s.RBAC = ptr(true) })
	w.unchanged(func() {
		_, _, err := w.svc.PutVault(w.ctx(), c, testSub, "team", "alpha", on)
		refused(t, err, fault.Invalid, "InsufficientPermissions", "Caller is not allowed to change permission model.")
		_, err = w.svc.PatchVault(w.ctx(), c, testSub, "team", "alpha", VaultSpec{RBAC: ptr(true)})
		refused(t, err, fault.Invalid, "InsufficientPermissions", "oid="+partOID)
	})
	// Saying again what holds is no change, nor is choosing for a new vault.
	if _, _, err := w.svc.PutVault(w.ctx(), c, testSub, "team", "alpha", spec()); err != nil {
		t.Error(err)
	}
	if _, _, err := w.svc.PutVault(w.ctx(), c, testSub, "team", "beta", on); err != nil {
		t.Error(err)
	}
	if v, _, err := w.svc.PutVault(w.ctx(), owner(), testSub, "team", "alpha", on); err != nil || !*v.RBAC {
		t.Errorf("the owner got %+v, %v", v, err)
	}
}

func TestChangePolicies(t *testing.T) {
	t.Parallel()
	const other = "eeeeeeee-0000-4000-8000-000000000001"
	policy := func(oid string, secrets ...string) access.Policy {
		return access.Policy{TenantID: testTenant, ObjectID: oid, Permissions: access.Permissions{Secrets: secrets}}
	}
	for _, tc := range []struct {
		name   string
		change PolicyChange
		given  access.Policy
		want   string
	}{
		{"add to an entry", AddPolicies, policy(strings.ToUpper(ownerOID), "GET", "list", "set"), "1:get,list,set"},
		{"add an entry", AddPolicies, policy(other, "get", "Get"), "1:get,list 2:get"},
		{"replace an entry", ReplacePolicies, policy(ownerOID, "set"), "1:set"},
		{"replace nothing", ReplacePolicies, policy(other, "set"), "1:get,list 2:set"},
		{"remove a word", RemovePolicies, policy(ownerOID, "LIST", "set"), "1:get"},
		{"remove an entry", RemovePolicies, policy(ownerOID, "list", "get"), ""},
		{"remove all", RemovePolicies, policy(ownerOID, "all"), ""},
		{"remove nothing", RemovePolicies, policy(other, "get"), "1:get,list"},
		{"an application's entry is another", RemovePolicies, access.Policy{TenantID: testTenant, ObjectID: ownerOID, ApplicationID: other, Permissions: access.Permissions{Secrets: []string{"all"}}}, "1:get,list"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vault("Team", "alpha", func(s *VaultSpec) { s.Policies = []access.Policy{policy(ownerOID, "get", "list")} })
			_, err := w.svc.ChangePolicies(w.ctx(), owner(), testSub, "team", "alpha", tc.change, []access.Policy{tc.given})
			must(t, err)
			v, err := w.svc.GetVault(w.ctx(), owner(), testSub, "team", "alpha")
			must(t, err)
			var got []string
			for _, p := range v.Policies {
				who := map[string]string{ownerOID: "1", other: "2"}[strings.ToLower(p.ObjectID)]
				got = append(got, who+":"+strings.Join(p.Permissions.Secrets, ","))
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("policies %q, want %q", got, tc.want)
			}
		})
	}
	w := newWorld(t)
	w.vault("Team", "alpha")
	w.unchanged(func() {
		_, err := w.svc.ChangePolicies(w.ctx(), owner(), testSub, "team", "alpha", "upset", []access.Policy{})
		refused(t, err, fault.Invalid, "BadRequest", "upset")
		_, err = w.svc.ChangePolicies(w.ctx(), owner(), testSub, "team", "alpha", AddPolicies, nil)
		refused(t, err, fault.Invalid, "BadRequest", "The parameter accessPolicies is not specified.")
		_, err = w.svc.ChangePolicies(w.ctx(), owner(), testSub, "team", "beta", AddPolicies, []access.Policy{})
		refused(t, err, fault.NotFound, "ResourceNotFound", "beta")
		foreign := policy(other, "get")
		foreign.TenantID = otherTenant
		_, err = w.svc.ChangePolicies(w.ctx(), owner(), testSub, "team", "alpha", AddPolicies, []access.Policy{foreign})
		refused(t, err, fault.Invalid, "BadRequest", "accessPolicies[0].TenantId")
		_, err = w.svc.ChangePolicies(w.ctx(), owner(), testSub, "team", "alpha", AddPolicies, manyPolicies(1024))
		refused(t, err, fault.Invalid, "BadRequest", "1025 entries")
	})
}
