package mgmtplane

import (
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

// family is the api-versions that the operations of one resource type have.
type family struct {
	versions []string
	// kind is the resource type in its provider, or empty for Resource Manager's
	// own, which has other words for an unknown version.
	kind string
}

var (
	coreVersions     = &family{versions: resource.ResourcesVersions()}
	metadataVersions = &family{versions: []string{metadata2015, metadata2019, metadata2022}}
	// anyVersion is of operations that exist by name only.
	anyVersion = &family{}

	vaultVersions     = keyVaultFamily("vaults")
	policyVersions    = keyVaultFamily("vaults/accessPolicies")
	nameVersions      = keyVaultFamily("checkNameAvailability")
	deletedVersions   = keyVaultFamily("deletedVaults")
	resultVersions    = keyVaultFamily("locations/operationResults")
	operationVersions = keyVaultFamily("operations")

	hsmVersions        = keyVaultFamily("managedHSMs")
	hsmNameVersions    = keyVaultFamily("checkMhsmNameAvailability")
	deletedHSMVersions = keyVaultFamily("deletedManagedHSMs")

	assignmentVersions = &family{arm.RoleAssignmentVersions(), "roleAssignments"}
	definitionVersions = &family{arm.RoleDefinitionVersions(), "roleDefinitions"}
)

func keyVaultFamily(kind string) *family { return &family{arm.KeyVaultVersions(), kind} }

// versionOrder gives each version of the Key Vault provider its place in time.
var versionOrder = func() map[string]int {
	order := map[string]int{}
	for i, v := range arm.KeyVaultVersions() {
		order[v] = i
	}
	return order
}()

// since reports whether the request asks for version v of the Key Vault
// provider or a later one.
func since(x *httpx.Exchange, v string) bool {
	return versionOrder[x.APIVersion] >= versionOrder[v]
}

func checkVersionGiven(x *httpx.Exchange) error {
	if asked, _ := x.QueryValue("api-version"); asked != "" {
		return nil
	}
	return fault.New(fault.Invalid, arm.CodeMissingAPIVersionParameter,
		"The api-version query parameter (?api-version=) is required for all requests.")
}

// checkVersion wants an api-version that the operation has: there is no
// default.
func checkVersion(x *httpx.Exchange, f *family) error {
	if err := checkVersionGiven(x); err != nil {
		return err
	}
	asked, _ := x.QueryValue("api-version")
	v := strings.ToLower(asked)
	if f == anyVersion || slices.Contains(f.versions, v) {
		x.APIVersion = clip(v, 64)
		return nil
	}
	if f.kind == "" {
		return fault.New(fault.Invalid, arm.CodeInvalidAPIVersionParameter,
			"The api-version '%s' is invalid. The supported versions are '%s'.", clip(asked, 64), strings.Join(f.versions, ","))
	}
	return fault.New(fault.Invalid, arm.CodeNoRegisteredProviderFound,
		"No registered resource provider found for location '%s' and API version '%s' for type '%s'. The supported api-versions are '%s'. The supported locations are '%s'.",
		clip(resource.NormalLocation(x.Params["location"]), 64), clip(asked, 64), f.kind,
		strings.Join(f.versions, ", "), strings.Join(resource.LocationNames(), ", "))
}

// clip shortens the caller's text to what may be repeated of it.
func clip(s string, max int) string {
	if len(s) > max {
		s = s[:max]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
