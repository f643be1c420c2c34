package mgmtplane

import (
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

// keyVault20250501 and later show who changed a deleted vault.
const keyVault20250501 = "2025-05-01"

// vaultSpec is what a body says of a vault. Members that are read-only are
// ignored: clients send back what they were answered.
func vaultSpec(in *arm.VaultProperties) (resource.VaultSpec, error) {
	if in == nil {
		return resource.VaultSpec{}, nil
	}
	spec := resource.VaultSpec{
		TenantID: in.TenantID, Policies: policies(in.AccessPolicies), RBAC: in.EnableRBACAuthorization,
		EnabledForDeployment: in.EnabledForDeployment, EnabledForDiskEncryption: in.EnabledForDiskEncryption,
		EnabledForTemplateDeployment: in.EnabledForTemplateDeployment,
		SoftDelete:                   in.EnableSoftDelete, PurgeProtection: in.EnablePurgeProtection,
		RetentionDays: in.SoftDeleteRetentionInDays, PublicNetworkAccess: in.PublicNetworkAccess,
	}
	if in.SKU != nil {
		spec.SKUFamily, spec.SKUName = in.SKU.Family, in.SKU.Name
	}
	if in.NetworkACLs != nil {
		spec.Network = network(in.NetworkACLs)
	}
	var err error
	spec.Recover, err = recovers(in.CreateMode)
	return spec, err
}

func network(in *arm.NetworkACLs) *catalog.NetworkACLs {
	out := &catalog.NetworkACLs{Bypass: in.Bypass, DefaultAction: in.DefaultAction}
	for _, r := range in.IPRules {
		out.IPRules = append(out.IPRules, r.Value)
	}
	for _, r := range in.VirtualNetworkRules {
		out.VirtualRules = append(out.VirtualRules, catalog.VirtualNetwork{
			ID: r.ID, IgnoreMissingVnetServiceEndpoint: r.IgnoreMissingVnetServiceEndpoint,
		})
	}
	return out
}

// policies keeps nil, which means not given, apart from none.
func policies(in []arm.AccessPolicyEntry) []access.Policy {
	if in == nil {
		return nil
	}
	out := make([]access.Policy, len(in))
	for i, e := range in {
		out[i] = access.Policy{TenantID: e.TenantID, ObjectID: e.ObjectID, ApplicationID: e.ApplicationID}
		if p := e.Permissions; p != nil {
			out[i].Permissions = access.Permissions{Keys: p.Keys, Secrets: p.Secrets, Certificates: p.Certificates, Storage: p.Storage}
		}
	}
	return out
}

func policyChange(segment string) resource.PolicyChange {
	return resource.PolicyChange(strings.ToLower(segment))
}

func renderPolicies(x *httpx.Exchange, in []access.Policy) []arm.AccessPolicyEntry {
	out := make([]arm.AccessPolicyEntry, len(in))
	for i, p := range in {
		permissions := &arm.Permissions{
			Keys: list(p.Permissions.Keys), Secrets: list(p.Permissions.Secrets), Certificates: list(p.Permissions.Certificates),
		}
		// The first version knows no storage accounts.
		if since(x, arm.KeyVault20161001) {
			permissions.Storage = p.Permissions.Storage
		}
		out[i] = arm.AccessPolicyEntry{TenantID: p.TenantID, ObjectID: p.ObjectID, ApplicationID: p.ApplicationID, Permissions: permissions}
	}
	return out
}

func list(words []string) []string {
	if words == nil {
		return []string{}
	}
	return words
}

func renderVault(x *httpx.Exchange, v *catalog.Vault) arm.Vault {
	out := arm.Vault{
		ID: v.ResourceID(), Name: v.Name, Type: arm.TypeVaults, Location: v.Location, Tags: tags(v.Tags),
		Properties: renderProperties(x, v),
	}
	if since(x, arm.KeyVault20210401Preview) {
		out.SystemData = renderSystemData(v)
	}
	return out
}

func renderProperties(x *httpx.Exchange, v *catalog.Vault) *arm.VaultProperties {
	p := &arm.VaultProperties{
		SKU: &arm.SKU{Family: arm.SKUFamilyA, Name: skuName(v)}, TenantID: v.TenantID,
		AccessPolicies:       renderPolicies(x, v.Policies),
		EnabledForDeployment: v.EnabledForDeployment, EnabledForDiskEncryption: v.EnabledForDiskEncryption,
		EnabledForTemplateDeployment: v.EnabledForTemplateDeployment,
		VaultURI:                     x.Site.VaultURL(v.Name) + "/", ProvisioningState: arm.StateSucceeded,
	}
	if p.EnabledForDeployment == nil {
		p.EnabledForDeployment = new(bool)
	}
	if since(x, arm.KeyVault20161001) {
		p.EnableSoftDelete = &v.SoftDelete
	}
	if since(x, arm.KeyVault20180214) {
		p.NetworkACLs = renderNetwork(v.Network)
		if v.PurgeProtection {
			p.EnablePurgeProtection = &v.PurgeProtection
		}
	}
	if since(x, arm.KeyVault20190901) {
		p.EnableRBACAuthorization = v.RBAC
		days := int32(v.RetentionDays) // from 7 to 90
		p.SoftDeleteRetentionInDays = &days
	}
	if since(x, arm.KeyVault20210601Preview) {
		p.PublicNetworkAccess = publicAccess(v)
	}
	return p
}

func skuName(v *catalog.Vault) string {
	if v.Premium {
		return arm.SKUPremium
	}
	return arm.SKUStandard
}

func tags(t map[string]string) map[string]string {
	if t == nil {
		return map[string]string{}
	}
	return t
}

// renderNetwork leaves out rules that say nothing but the defaults, as the
// service does.
func renderNetwork(n *catalog.NetworkACLs) *arm.NetworkACLs {
	if n == nil || n.Bypass == arm.BypassAzureServices && n.DefaultAction == arm.ActionAllow && len(n.IPRules)+len(n.VirtualRules) == 0 {
		return nil
	}
	out := &arm.NetworkACLs{
		Bypass: n.Bypass, DefaultAction: n.DefaultAction,
		IPRules: make([]arm.IPRule, len(n.IPRules)), VirtualNetworkRules: make([]arm.VirtualNetworkRule, len(n.VirtualRules)),
	}
	for i, r := range n.IPRules {
		out.IPRules[i] = arm.IPRule{Value: r}
	}
	for i, r := range n.VirtualRules {
		out.VirtualNetworkRules[i] = arm.VirtualNetworkRule{ID: r.ID, IgnoreMissingVnetServiceEndpoint: r.IgnoreMissingVnetServiceEndpoint}
	}
	return out
}

func renderSystemData(v *catalog.Vault) *arm.SystemData {
	return &arm.SystemData{
		CreatedBy: v.Created.By, CreatedByType: v.Created.Type, CreatedAt: moment(v.Created.At),
		LastModifiedBy: v.Modified.By, LastModifiedByType: v.Modified.Type, LastModifiedAt: moment(v.Modified.At),
	}
}

// moment returns a time as it is shown, nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func renderDeleted(x *httpx.Exchange, v *catalog.Vault) arm.DeletedVault {
	out := arm.DeletedVault{
		ID:   "/subscriptions/" + v.SubscriptionID + "/providers/Microsoft.KeyVault/locations/" + v.Location + "/deletedVaults/" + v.Name,
		Name: v.Name, Type: arm.TypeDeletedVaults,
		Properties: &arm.DeletedVaultProperties{
			VaultID: v.ResourceID(), Location: v.Location, Tags: tags(v.Tags),
			DeletionDate: moment(v.Deleted.At), ScheduledPurgeDate: moment(v.Deleted.PurgeAt),
		},
	}
	if v.PurgeProtection {
		out.Properties.PurgeProtectionEnabled = &v.PurgeProtection
	}
	if since(x, keyVault20250501) {
		out.SystemData = renderSystemData(v)
	}
	return out
}

// expansion says which members of a generic resource were asked for.
type expansion struct{ created, changed, state bool }

func expansions(x *httpx.Exchange) (e expansion) {
	text, _ := x.QueryValue("$expand")
	for word := range strings.SplitSeq(text, ",") {
		switch strings.ToLower(strings.TrimSpace(word)) {
		case "createdtime":
			e.created = true
		case "changedtime":
			e.changed = true
		case "provisioningstate":
			e.state = true
		}
	}
	return e
}

func renderGeneric(v *catalog.Vault, e expansion) arm.GenericResource {
	out := arm.GenericResource{ID: v.ResourceID(), Name: v.Name, Type: arm.TypeVaults, Location: v.Location, Tags: tags(v.Tags)}
	if v.HSM != nil {
		out.Type = arm.TypeManagedHSMs
	}
	if e.created {
		out.CreatedTime = moment(v.Created.At)
	}
	if e.changed {
		out.ChangedTime = moment(v.Modified.At)
	}
	if e.state {
		out.ProvisioningState = arm.StateSucceeded
	}
	return out
}
