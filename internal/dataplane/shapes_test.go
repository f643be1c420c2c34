package dataplane

import (
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
)

// shape is how an api-version shows objects of a vault that retains them for 90
// days.
type shape struct {
	version string
	object  string // how the attributes of every object end
	key     string // what those of a key have after that
	curve   string // the name of secp256k1
}

const (
	days     = `,"recoverableDays":90`
	sealed   = `,"exportable":false`
	software = sealed + `,"hsmPlatform":"0"`
)

var shapes = []shape{
	{"2016-10-01", "", "", "SECP256K1"},
	{"7.0-preview", "", "", "P-256K"},
	{"7.0", "", "", "P-256K"},
	{"7.1-preview", days, "", "P-256K"},
	{"7.1", days, "", "P-256K"},
	{"7.2-preview", days, "", "P-256K"},
	{"7.2", days, "", "P-256K"},
	{"7.3-preview", days, sealed, "P-256K"},
	{"7.3", days, sealed, "P-256K"},
	{"7.4-preview.1", days, sealed, "P-256K"},
	{"7.4", days, sealed, "P-256K"},
	{"7.5-preview.1", days, software, "P-256K"},
	{"7.5", days, software, "P-256K"},
	{"7.6-preview.2", days, software, "P-256K"},
	{"7.6", days, software, "P-256K"},
	{"2025-06-01-preview", days, software, "P-256K"},
	{"2025-07-01", days, software, "P-256K"},
	{"2026-01-01-preview", days, software, "P-256K"},
	{"2026-03-01-preview", days, software, "P-256K"},
	{"2026-04-01", days, software, "P-256K"},
	{"2026-05-01-preview", days, software, "P-256K"},
	{"2026-07-01-preview", days, software, "P-256K"},
}

// TestShapesAreOfEveryVersion makes whoever adds a version say how it shows
// objects.
func TestShapesAreOfEveryVersion(t *testing.T) {
	t.Parallel()
	var versions []string
	for _, s := range shapes {
		versions = append(versions, s.version)
	}
	if !slices.Equal(versions, api.Versions()) {
		t.Errorf("shapes of %q, versions are %q", versions, api.Versions())
	}
}

// inOrder returns texts that hold version ids in the order in which a list of
// versions has them.
func inOrder(versions map[string]string) string {
	ids := make([]string, 0, len(versions))
	for id := range versions {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = versions[id]
	}
	return strings.Join(texts, ",")
}
