package compat

import (
	"path/filepath"
	"testing"
)

// TestAzureCLI runs Azure's own command line: vaults, secrets, keys, an
// application of the directory, what that may not do, and roles that let it.
func TestAzureCLI(t *testing.T) {
	az := filepath.Join(filepath.Dir(python(t, "az")), "az")
	out := dev(t, []string{"AZ=" + az}, []string{"ok vault", "ok secrets", "ok keys", "ok application", "ok roles", "DONE"}, "az/flow.sh")
	t.Log(out)
}
