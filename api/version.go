package api

// Versions of the data plane that change what a vault answers.
const (
	// Version20161001 names the curve P-256K SECP256K1.
	Version20161001 = "2016-10-01"
	Version70       = "7.0"
	// Version71Preview and later answer with attributes.recoverableDays.
	Version71Preview = "7.1-preview"
	// Version72Preview and later know symmetric keys: their algorithms, and the
	// members iv, aad and tag.
	Version72Preview = "7.2-preview"
	// Version73Preview and later know exportable and release_policy.
	Version73Preview = "7.3-preview"
	// Version75Preview1 and later answer with attributes.hsmPlatform.
	Version75Preview1 = "7.5-preview.1"
	// Version76Preview2 and later know the HMACs and the wrapping of PKCS #11.
	Version76Preview2 = "7.6-preview.2"
	// Version20250601Preview and later know previousVersion.
	Version20250601Preview = "2025-06-01-preview"
	// VersionLatest is the newest stable version.
	VersionLatest = "2026-04-01"
	// Version20260501Preview knows AKP keys.
	Version20260501Preview = "2026-05-01-preview"
	Version20260701Preview = "2026-07-01-preview"
)

// Versions returns every api-version of the data plane that is known, oldest
// first, a preview before the stable version that it led to. The last ones are
// previews of what comes after VersionLatest. The caller owns the slice.
func Versions() []string {
	return []string{
		Version20161001,
		"7.0-preview", Version70,
		Version71Preview, "7.1",
		Version72Preview, "7.2",
		Version73Preview, "7.3",
		"7.4-preview.1", "7.4",
		Version75Preview1, "7.5",
		Version76Preview2, "7.6",
		Version20250601Preview, "2025-07-01",
		"2026-01-01-preview", "2026-03-01-preview", VersionLatest,
		Version20260501Preview, Version20260701Preview,
	}
}
