package api

// Versions of the data plane that change what a vault answers.
const (
	// Version20161001 names the curve P-256K SECP256K1.
	Version20161001 = "2016-10-01"
	Version70       = "7.0"
	// Version71Preview and later answer with attributes.recoverableDays.
	Version71Preview = "7.1-preview"
	// Version73Preview and later know exportable and release_policy.
	Version73Preview = "7.3-preview"
	// Version75Preview1 and later answer with attributes.hsmPlatform.
	Version75Preview1 = "7.5-preview.1"
	// Version20250601Preview and later know previousVersion.
	Version20250601Preview = "2025-06-01-preview"
	// VersionLatest is the newest stable version.
	VersionLatest = "2026-04-01"
)

// Versions returns every api-version of the data plane up to VersionLatest,
// oldest first, a preview before the stable version that it led to. The caller
// owns the slice.
func Versions() []string {
	return []string{
		Version20161001,
		"7.0-preview", Version70,
		Version71Preview, "7.1",
		"7.2-preview", "7.2",
		Version73Preview, "7.3",
		"7.4-preview.1", "7.4",
		Version75Preview1, "7.5",
		"7.6-preview.2", "7.6",
		Version20250601Preview, "2025-07-01",
		"2026-01-01-preview", "2026-03-01-preview", VersionLatest,
	}
}
