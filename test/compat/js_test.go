package compat

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// node makes sure that the packages of js/package.json are there, installed once
// and kept beside it.
func node(t *testing.T) {
	t.Helper()
	wanted, err := os.ReadFile(filepath.Join("js", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := filepath.Join("js", "node_modules", "installed.json")
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, wanted) {
		return
	}
	run(t, "npm", "install", "--prefix", "js", "--no-package-lock", "--no-audit", "--no-fund", "--fetch-retries", "10", "--silent")
	if err := os.WriteFile(stamp, wanted, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestJavaScript runs the life of vaults, secrets and keys through today's
// clients for JavaScript.
func TestJavaScript(t *testing.T) {
	node(t)
	dev(t, nil, []string{"ok two vaults", "ok recovered vault", "ok deleted group", "DONE"}, "node", "js/flow.mjs")
}
