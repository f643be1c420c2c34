package resource

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Azure's limits of a vault's rules.
const (
	maxPolicies     = 1024
	maxPolicies2015 = 16
	maxIPRules      = 1000
	maxVirtualRules = 200
)

// The closed sets of permissions. A word is accepted whatever the version of
// the request: a client of an old version that reads a vault's policies and
// writes them back must not be refused.
var (
	keyWords = words("all encrypt decrypt wrapKey unwrapKey sign verify get list create update import delete backup restore recover purge release rotate getrotationpolicy setrotationpolicy")

	secretWords = words("all get list set delete backup restore recover purge")

	certificateWords = words("all get list delete create import update managecontacts getissuers listissuers setissuers deleteissuers manageissuers recover purge backup restore")

	storageWords = words("all get list delete set update regeneratekey recover purge backup restore setsas listsas getsas deletesas")
)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		set[fold(w)] = true
	}
	return set
}

func itoa(n int) string { return strconv.Itoa(n) }

func validAddressRange(s string) bool {
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	addr, err := netip.ParseAddr(s)
	return err == nil && addr.Zone() == ""
}

// checkPolicies checks the form of access policies.
func checkPolicies(policies []access.Policy, apiVersion string) error {
	limit := maxPolicies
	if apiVersion == arm.KeyVault20150601 {
		limit = maxPolicies2015
	}
	if len(policies) > limit {
		return badRequest("The parameter accessPolicies has %d entries. A vault has at most %d.", len(policies), limit)
	}
	seen := make(map[[2]string]bool, len(policies))
	for i, p := range policies {
		at := "accessPolicies[" + itoa(i) + "]."
		switch {
		case !validGUID(p.TenantID):
			return invalidValue(at+"TenantId", p.TenantID)
		case !validGUID(p.ObjectID):
			return invalidValue(at+"ObjectId", p.ObjectID)
		case p.ApplicationID != "" && !validGUID(p.ApplicationID):
			return invalidValue(at+"ApplicationId", p.ApplicationID)
		case seen[identityOf(p)] || !validPermissions(p.Permissions):
			return badRequest("An invalid value was provided for 'accessPolicies'.")
		}
		seen[identityOf(p)] = true
	}
	return nil
}

// identityOf is what tells the entries of one vault's policies apart.
func identityOf(p access.Policy) [2]string { return [2]string{fold(p.ObjectID), fold(p.ApplicationID)} }

func validPermissions(p access.Permissions) bool {
	for _, c := range []struct {
		given   []string
		allowed map[string]bool
	}{
		{p.Keys, keyWords}, {p.Secrets, secretWords}, {p.Certificates, certificateWords}, {p.Storage, storageWords},
	} {
		for _, w := range c.given {
			if !c.allowed[fold(w)] {
				return false
			}
		}
	}
	return true
}

// normalPolicies returns policies without repeated words, in memory of their
// own. The spelling of words stays as it was given, which is how Azure answers.
func normalPolicies(policies []access.Policy) []access.Policy {
	if policies == nil {
		return nil
	}
	out := make([]access.Policy, len(policies))
	for i, p := range policies {
		p.Permissions = access.Permissions{
			Keys: unite(nil, p.Permissions.Keys), Secrets: unite(nil, p.Permissions.Secrets),
			Certificates: unite(nil, p.Permissions.Certificates), Storage: unite(nil, p.Permissions.Storage),
		}
		out[i] = p
	}
	return out
}

// checkPolicyTenant wants every policy to be about the vault's tenant.
func checkPolicyTenant(policies []access.Policy, tenant string) error {
	for i, p := range policies {
		if !strings.EqualFold(p.TenantID, tenant) {
			return invalidValue("accessPolicies["+itoa(i)+"].TenantId", p.TenantID)
		}
	}
	return nil
}

// PolicyChange is what ChangePolicies does with the policies that it is given.
type PolicyChange string

// The kinds of change.
const (
	// AddPolicies grants what is listed besides what is granted already.
	AddPolicies PolicyChange = "add"
	// ReplacePolicies has the entries that are named grant what is listed alone.
	ReplacePolicies PolicyChange = "replace"
	// RemovePolicies takes away what is listed, and entries that grant nothing
	// any more.
	RemovePolicies PolicyChange = "remove"
)

// ChangePolicies changes a vault's access policies and returns the vault.
func (s *Service) ChangePolicies(ctx context.Context, call Call, subscription, group, name string, change PolicyChange, policies []access.Policy) (vault *catalog.Vault, err error) {
	op := vaultKind.on(call, "AccessPolicyPut", "Microsoft.KeyVault/vaults/accessPolicies/write", subscription, group, name)
	op.scope += "/accessPolicies/" + string(change)
	if policies == nil {
		op.invalid = notSpecified("accessPolicies")
	} else if !slices.Contains([]PolicyChange{AddPolicies, ReplacePolicies, RemovePolicies}, change) {
		op.invalid = invalidValue("operationKind", string(change))
	} else {
		op.invalid = checkPolicies(policies, call.APIVersion)
	}
	now := call.change(s.now())
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		have, err := s.live(tx, vaultKind, p, name)
		if err != nil {
			return err
		}
		if err := checkPolicyTenant(policies, have.TenantID); err != nil {
			return err
		}
		vault = have.Clone()
		vault.Policies = change.apply(vault.Policies, normalPolicies(policies))
		if err := checkPolicies(vault.Policies, call.APIVersion); err != nil {
			return err
		}
		vault.Modified = now
		return s.putVault(tx, vault)
	})
	return vault, err
}

// apply returns the policies that result. It may change have.
func (c PolicyChange) apply(have, given []access.Policy) []access.Policy {
	for _, g := range given {
		i := slices.IndexFunc(have, func(p access.Policy) bool { return identityOf(p) == identityOf(g) })
		switch {
		case i < 0 && c != RemovePolicies:
			have = append(have, g)
		case i < 0:
		case c == ReplacePolicies:
			have[i] = g
		case c == AddPolicies:
			have[i].Permissions = eachCategory(have[i].Permissions, g.Permissions, unite)
		default:
			have[i].Permissions = eachCategory(have[i].Permissions, g.Permissions, subtract)
			if p := have[i].Permissions; len(p.Keys)+len(p.Secrets)+len(p.Certificates)+len(p.Storage) == 0 {
				have = slices.Delete(have, i, i+1)
			}
		}
	}
	return have
}

func eachCategory(a, b access.Permissions, fn func(have, given []string) []string) access.Permissions {
	return access.Permissions{
		Keys: fn(a.Keys, b.Keys), Secrets: fn(a.Secrets, b.Secrets),
		Certificates: fn(a.Certificates, b.Certificates), Storage: fn(a.Storage, b.Storage),
	}
}

func unite(have, given []string) []string {
	out := slices.Clone(have)
	for _, w := range given {
		if !containsWord(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// subtract takes words away; "all" takes every word.
func subtract(have, given []string) []string {
	if containsWord(given, "all") {
		return nil
	}
	var out []string
	for _, w := range have {
		if !containsWord(given, w) {
			out = append(out, w)
		}
	}
	return out
}

func containsWord(list []string, word string) bool {
	return slices.ContainsFunc(list, func(w string) bool { return strings.EqualFold(w, word) })
}
