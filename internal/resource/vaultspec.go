package resource

import (
	"maps"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Retention of deleted vaults and of what is deleted in them, in days.
const (
	minRetention     = 7
	maxRetention     = 90
	defaultRetention = 90
)

// VaultSpec is what a request says of a vault. Members at their zero value were
// not given. When a vault is put, what was not given is unset, except that soft
// delete, its retention, purge protection and the permission model stay; in a
// patch everything stays.
type VaultSpec struct {
	Location string
	Tags     map[string]string
	TenantID string
	// SKUFamily is "A"; SKUName is "standard" or "premium".
	SKUFamily, SKUName string
	Policies           []access.Policy // nil: not given

	RBAC                         *bool
	EnabledForDeployment         *bool
	EnabledForDiskEncryption     *bool
	EnabledForTemplateDeployment *bool
	SoftDelete                   *bool
	PurgeProtection              *bool
	RetentionDays                *int32
	PublicNetworkAccess          *string
	Network                      *catalog.NetworkACLs
	// Recover asks for the deleted vault of this name, as it was.
	Recover bool
}

// checkNew is what a put must satisfy whatever the state.
func (in VaultSpec) checkNew(name, apiVersion string) error {
	if err := in.checkRequired(vaultKind, name); err != nil || in.Recover {
		return err
	}
	return in.check(apiVersion)
}

// checkRequired is what every put must say of either kind.
func (in VaultSpec) checkRequired(k *resourceKind, name string) error {
	if err := k.validName(name); err != nil {
		return err
	}
	if err := checkLocation(in.Location, k.resourceType); err != nil {
		return err
	}
	if in.Recover {
		return nil
	}
	if in.SKUName == "" {
		return notSpecified("sku")
	}
	if in.TenantID == "" {
		return notSpecified("tenantId")
	}
	return nil
}

// check is what the members that were given must satisfy.
func (in VaultSpec) check(apiVersion string) error {
	if in.SKUFamily != "" && !strings.EqualFold(in.SKUFamily, arm.SKUFamilyA) {
		return invalidValue("properties.sku.family", in.SKUFamily)
	}
	if in.SKUName != "" && !strings.EqualFold(in.SKUName, arm.SKUStandard) && !strings.EqualFold(in.SKUName, arm.SKUPremium) {
		return invalidValue("properties.sku.name", in.SKUName)
	}
	if in.TenantID != "" && !validGUID(in.TenantID) {
		return invalidValue("properties.tenantId", in.TenantID)
	}
	if d := in.RetentionDays; d != nil && (*d < minRetention || *d > maxRetention) {
		return badRequest("The property \"softDeleteRetentionInDays\" must be from %d to %d.", minRetention, maxRetention)
	}
	if p := in.PurgeProtection; p != nil && !*p {
		return badRequest("The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.")
	}
	if a := in.PublicNetworkAccess; a != nil && *a != "" && oneOf(*a, arm.PublicAccessEnabled, arm.PublicAccessDisabled) == "" {
		return invalidValue("properties.publicNetworkAccess", *a)
	}
	if err := checkNetwork(in.Network); err != nil {
		return err
	}
	if err := checkTags(in.Tags); err != nil {
		return err
	}
	return checkPolicies(in.Policies, apiVersion)
}

func notSpecified(parameter string) error {
	return badRequest("The parameter %s is not specified.", parameter)
}

func invalidValue(where, value string) error {
	return badRequest("Invalid value found at %s: %s", where, value)
}

// oneOf returns the word that s is, compared without case, or nothing.
func oneOf(s string, words ...string) string {
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return w
		}
	}
	return ""
}

// normalNetwork returns network rules in the spelling of the closed sets.
func normalNetwork(n *catalog.NetworkACLs) *catalog.NetworkACLs {
	if n == nil {
		return nil
	}
	c := *n
	if c.Bypass = oneOf(n.Bypass, arm.BypassNone); c.Bypass == "" {
		c.Bypass = arm.BypassAzureServices
	}
	if c.DefaultAction = oneOf(n.DefaultAction, arm.ActionDeny); c.DefaultAction == "" {
		c.DefaultAction = arm.ActionAllow
	}
	return &c
}

// merge writes what was given into v, and for a put unsets what was not.
func (in VaultSpec) merge(v *catalog.Vault, patch bool) {
	if in.Tags != nil || !patch {
		v.Tags = maps.Clone(in.Tags)
	}
	if in.SKUName != "" {
		v.Premium = strings.EqualFold(in.SKUName, arm.SKUPremium)
	}
	if in.Policies != nil {
		v.Policies = in.Policies
	}
	for _, flag := range []struct{ have, given **bool }{
		{&v.EnabledForDeployment, &in.EnabledForDeployment},
		{&v.EnabledForDiskEncryption, &in.EnabledForDiskEncryption},
		{&v.EnabledForTemplateDeployment, &in.EnabledForTemplateDeployment},
	} {
		if *flag.given != nil || !patch {
			*flag.have = *flag.given
		}
	}
	if in.Network != nil || !patch {
		v.Network = normalNetwork(in.Network)
	}
	if in.PublicNetworkAccess != nil {
		v.PublicNetworkAccess = oneOf(*in.PublicNetworkAccess, arm.PublicAccessEnabled, arm.PublicAccessDisabled)
	} else if !patch {
		v.PublicNetworkAccess = ""
	}
	if in.RBAC != nil {
		v.RBAC = in.RBAC
	}
}

// protect applies the rules of what goes one way only. v is as it is stored, or
// new.
func (in VaultSpec) protect(v *catalog.Vault, isNew bool) error {
	if in.SoftDelete != nil && !*in.SoftDelete && v.SoftDelete && !isNew {
		return badRequest("The property \"enableSoftDelete\" can be set to false only for creating new vault. Enabling the 'soft delete' functionality is an irreversible action.")
	}
	if d := in.RetentionDays; d != nil {
		if !isNew && v.SoftDelete && int(*d) != v.RetentionDays {
			return badRequest("The property \"softDeleteRetentionInDays\" has been set already and it can't be modified.")
		}
		v.RetentionDays = int(*d)
	}
	if in.SoftDelete != nil && *in.SoftDelete {
		v.SoftDelete = true
	}
	if in.PurgeProtection != nil {
		if !v.SoftDelete {
			return badRequest("The property \"enablePurgeProtection\" needs \"enableSoftDelete\" to be true.")
		}
		v.PurgeProtection = true
	}
	return nil
}

// softDeleteOfNew decides whether a new vault has soft delete. Since 2020 every
// new vault in Azure has it, whatever the request says; only a caller of a
// version from before 2019-09-01 who says no is taken at his word.
func (in VaultSpec) softDeleteOfNew(apiVersion string) bool {
	old := apiVersion != "" && apiVersion < arm.KeyVault20190901
	return !old || in.SoftDelete == nil || *in.SoftDelete
}

// rbacOfNew decides what says who may use a new vault: from version 2026-02-01
// on role assignments, unless the request says otherwise.
func (in VaultSpec) rbacOfNew(apiVersion string) *bool {
	if in.RBAC == nil && apiVersion >= arm.KeyVault20260201 {
		yes := true
		return &yes
	}
	return in.RBAC
}

func checkNetwork(n *catalog.NetworkACLs) error {
	if n == nil {
		return nil
	}
	if n.Bypass != "" && oneOf(n.Bypass, arm.BypassAzureServices, arm.BypassNone) == "" {
		return invalidValue("properties.networkAcls.bypass", n.Bypass)
	}
	if n.DefaultAction != "" && oneOf(n.DefaultAction, arm.ActionAllow, arm.ActionDeny) == "" {
		return invalidValue("properties.networkAcls.defaultAction", n.DefaultAction)
	}
	if len(n.IPRules) > maxIPRules || len(n.VirtualRules) > maxVirtualRules {
		return badRequest("A vault has at most %d IP rules and %d virtual network rules.", maxIPRules, maxVirtualRules)
	}
	for i, rule := range n.IPRules {
		if !validAddressRange(rule) {
			return invalidValue("properties.networkAcls.ipRules["+itoa(i)+"].value", rule)
		}
	}
	for i, rule := range n.VirtualRules {
		if !strings.HasPrefix(rule.ID, "/subscriptions/") || len(rule.ID) > 1024 {
			return invalidValue("properties.networkAcls.virtualNetworkRules["+itoa(i)+"].id", rule.ID)
		}
	}
	return nil
}

// sameTenantAs wants the vault's tenant to be its subscription's: callers of
// another could never be given a role there.
func (in VaultSpec) sameTenantAs(sub Subscription) error {
	if in.TenantID != "" && !strings.EqualFold(in.TenantID, sub.TenantID) {
		return fault.New(fault.Invalid, "BadRequest",
			"Invalid value found at properties.tenantId: %s. It is not the tenant of the subscription, which is %s.", in.TenantID, sub.TenantID)
	}
	return nil
}
