package arm

// Versions of the Key Vault provider that change what it does.
const (
	// KeyVault20150601 allows 16 access policies and has no storage permissions.
	KeyVault20150601 = "2015-06-01"
	KeyVault20161001 = "2016-10-01"
	KeyVault20180214 = "2018-02-14"
	KeyVault20190901 = "2019-09-01"
	// KeyVault20210401Preview and later answer with systemData.
	KeyVault20210401Preview = "2021-04-01-preview"
	// KeyVault20210601Preview and later answer with publicNetworkAccess.
	KeyVault20210601Preview = "2021-06-01-preview"
	// KeyVault20260201 and later make role assignments the default of a new
	// vault.
	KeyVault20260201 = "2026-02-01"
	// KeyVaultLatest is the newest stable version. What it adds is about managed
	// HSMs.
	KeyVaultLatest = "2026-05-15"
)

// KeyVaultVersions returns every api-version of Microsoft.KeyVault, oldest
// first. The caller owns the slice.
func KeyVaultVersions() []string {
	return []string{
		KeyVault20150601, KeyVault20161001, KeyVault20180214, KeyVault20190901,
		"2020-04-01-preview", KeyVault20210401Preview, KeyVault20210601Preview,
		"2021-10-01", "2021-11-01-preview", "2022-07-01", "2022-11-01",
		"2023-02-01", "2023-07-01", "2024-11-01", "2025-05-01", KeyVault20260201, KeyVaultLatest,
	}
}

// Versions of Resource Manager's own resource types that clients use today.
const (
	// ResourcesLatest is for resource groups and providers.
	ResourcesLatest = "2022-09-01"
	// SubscriptionsLatest is for subscriptions and tenants.
	SubscriptionsLatest = "2022-12-01"
	// ResourceListVersion is the version with which Key Vault's clients list
	// vaults as generic resources.
	ResourceListVersion = "2015-11-01"
)

// AuthorizationLatest is the newest version of role assignments and definitions
// that is stable.
const AuthorizationLatest = "2022-04-01"

// RoleAssignmentUpdates is the first version in which a PUT answers 200 for an
// assignment that was there.
const RoleAssignmentUpdates = "2020-04-01-preview"

// RoleAssignmentVersions returns the api-versions of role assignments, oldest
// first. The caller owns the slice.
func RoleAssignmentVersions() []string {
	return []string{
		"2015-07-01", "2018-01-01-preview", "2018-09-01-preview", RoleAssignmentUpdates, "2020-08-01-preview",
		"2020-10-01-preview", AuthorizationLatest,
	}
}

// RoleDefinitionVersions returns the api-versions of role definitions, oldest
// first. The caller owns the slice.
func RoleDefinitionVersions() []string {
	return []string{"2015-07-01", "2018-01-01-preview", AuthorizationLatest, "2022-05-01-preview"}
}
