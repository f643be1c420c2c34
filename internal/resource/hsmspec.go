package resource

import (
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
)

// maxAdmins is how many role assignments a managed HSM has at its own scope.
const maxAdmins = access.MaxLocalAssignments

// HSMSpec is what a request says of a managed HSM, as VaultSpec. Of the latter's
// members those of permissions and of deployment mean nothing here.
type HSMSpec struct {
	VaultSpec
	// InitialAdmins are the object ids of those who administer a new HSM. When an
	// HSM exists, its own role assignments say who does, and these are ignored.
	InitialAdmins []string
}

// hsmSKUs are the tiers, by family.
var hsmSKUs = map[string][]string{
	"B": {arm.HSMSKUStandardB1, "Custom_B6", "Custom_B32"},
	"C": {"Custom_C10", "Custom_C42"},
}

// hsmSKU returns the tier in the spelling of the closed set, or false.
func hsmSKU(family, name string) (string, string, bool) {
	family = strings.ToUpper(family)
	name = oneOf(name, hsmSKUs[family]...)
	return family, name, name != ""
}

// checkNew is what a put must satisfy whatever the state.
func (in HSMSpec) checkNew(name, apiVersion string) error {
	if err := in.checkRequired(hsmKind, name); err != nil || in.Recover {
		return err
	}
	return in.check(apiVersion)
}

// check is what the members that were given must satisfy.
func (in HSMSpec) check(apiVersion string) error {
	if in.SKUName != "" || in.SKUFamily != "" {
		if _, _, known := hsmSKU(in.SKUFamily, in.SKUName); !known {
			return invalidValue("sku.name", in.SKUName)
		}
	}
	if len(in.InitialAdmins) > maxAdmins {
		return badRequest("The parameter initialAdminObjectIds has %d entries. A managed HSM has at most %d.", len(in.InitialAdmins), maxAdmins)
	}
	for i, id := range in.InitialAdmins {
		if !validGUID(id) {
			return invalidValue("properties.initialAdminObjectIds["+itoa(i)+"]", id)
		}
	}
	if in.SoftDelete != nil && !*in.SoftDelete {
		return badRequest("The property \"enableSoftDelete\" cannot be set to false: a managed HSM always has soft delete.")
	}
	common := in.VaultSpec
	common.SKUFamily, common.SKUName = "", ""
	return common.check(apiVersion)
}

// begin makes v, which is new, a managed HSM.
func (in HSMSpec) begin(v *catalog.Vault, local access.LocalRoles) error {
	if len(in.InitialAdmins) == 0 {
		return notSpecified("initialAdminObjectIds")
	}
	family, sku, _ := hsmSKU(in.SKUFamily, in.SKUName)
	v.Premium = true
	v.HSM = &catalog.HSM{SKUFamily: family, SKUName: sku, InitialAdmins: in.InitialAdmins, Local: local}
	return nil
}

// merge writes what was given into v, and for a put unsets what was not. The tier
// and the administrators of an HSM stay as they were created.
func (in HSMSpec) merge(v *catalog.Vault, patch bool) error {
	if family, name, given := hsmSKU(in.SKUFamily, in.SKUName); given && (family != v.HSM.SKUFamily || name != v.HSM.SKUName) {
		return badRequest("The property \"sku\" has been set already and it can't be modified.")
	}
	common := in.VaultSpec
	common.SKUFamily, common.SKUName, common.Policies, common.RBAC = "", "", nil, nil
	common.merge(v, patch)
	return nil
}

// administrators returns the role assignments of a new HSM: everyone of the list
// administers it.
func administrators(ids []string) []access.LocalAssignment {
	return assignLocal(ids, access.LocalRoleAdministrator)
}

// assignLocal returns assignments of each role to each principal at the whole HSM.
func assignLocal(principals []string, roles ...string) []access.LocalAssignment {
	var all []access.LocalAssignment
	seen := map[string]bool{}
	for _, id := range principals {
		if seen[fold(id)] {
			continue
		}
		seen[fold(id)] = true
		for _, role := range roles {
			all = append(all, access.LocalAssignment{
				ID: newGUID(), Scope: access.LocalScopeAll, RoleID: role, PrincipalID: id,
			})
		}
	}
	return all
}
