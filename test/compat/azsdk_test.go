package compat

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const azureModules = "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/"

// TestAzureGoSuites runs the tests that Microsoft ships with its Go clients, in
// their live mode, against a vault and a managed HSM.
func TestAzureGoSuites(t *testing.T) {
	attester := serveAttestation(t)
	for _, suite := range []struct {
		module string
		passes int // that there must be at least
	}{
		{"azsecrets@v1.5.1", 13},
		{"azkeys@v1.5.0", 17},
	} {
		t.Run(suite.module, func(t *testing.T) {
			dir := copyModule(t, azureModules+suite.module)
			binary := filepath.Join(dir, "suite")
			runIn(t, dir, "go", "test", "-c", "-o", binary, ".")
			args := []string{"dev", "--allow-egress", attester.target(), "--", binary, "-test.v", "-test.timeout", "10m"}
			cmd := exec.CommandContext(t.Context(), okv(t), args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "AZURE_RECORD_MODE=live", "AZURE_MANAGEDHSM_URL=https://suite.managedhsm.azure.net/")
			cmd.Env = append(cmd.Env, attester.environment()...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			passed := regexp.MustCompile(`(?m)^--- PASS: (\S+)`).FindAllStringSubmatch(string(out), -1)
			skipped := regexp.MustCompile(`(?m)^\s*--- SKIP: \S+`).FindAllString(string(out), -1)
			if len(passed) < suite.passes {
				t.Errorf("%d tests passed, want %d at least:\n%s", len(passed), suite.passes, out)
			}
			t.Logf("passed %d, skipped by themselves: %v", len(passed), skipped)
		})
	}
}

// copyModule downloads a module and returns a copy that can be written to.
func copyModule(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module).Output()
	if err != nil {
		t.Fatalf("downloading %s: %v\n%s", module, err, out)
	}
	var info struct{ Dir string }
	if err := json.Unmarshal(out, &info); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "module")
	if err := os.CopyFS(dir, os.DirFS(info.Dir)); err != nil {
		t.Fatal(err)
	}
	// The files of the module cache, and so their copies, are read-only.
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, 0o755)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func runIn(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
