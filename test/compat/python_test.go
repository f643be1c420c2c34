package compat

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// namesUs finds what a program for Azure has no reason to hold.
var namesUs = regexp.MustCompile(`(?i)openkeyvault|\bokv\b|localhost|127\.0\.0\.1`)

// TestMission2018 runs the two examples of the Azure documentation of 2018 as
// they stand under examples/python, with the libraries of that year and of the
// year before.
func TestMission2018(t *testing.T) {
	examples := []struct {
		file  string
		wants []string
	}{
		{"create_vault.py", []string{"vault.azure.net"}},
		{"get_key.py", []string{`"kty"`, `"n"`, `"e"`}},
	}
	for _, libraries := range []string{"2018", "2017"} {
		for _, x := range examples {
			t.Run(libraries+"/"+x.file, func(t *testing.T) {
				path := filepath.Join(root, "examples", "python", x.file)
				source, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if found := namesUs.Find(source); found != nil {
					t.Errorf("%s names us: %s", path, found)
				}
				dev(t, nil, x.wants, python(t, libraries), path)
			})
		}
	}
}

// TestPython2018 runs everything that the libraries of 2017 and 2018 can do with
// what is built.
func TestPython2018(t *testing.T) {
	for _, libraries := range []string{"2018", "2017"} {
		t.Run(libraries, func(t *testing.T) {
			dev(t, []string{"FLOW_VAULT=flow" + libraries}, []string{"DONE"}, python(t, libraries), "python/flow_2018.py")
		})
	}
}

// TestPythonToday runs the life of vaults, secrets and keys through today's
// libraries.
func TestPythonToday(t *testing.T) {
	out := dev(t, nil, []string{"ok two vaults", "ok recovered vault", "ok role assignments", "ok deleted group", "DONE"}, python(t, "today"), "python/flow_today.py")
	t.Log(out)
}

// TestPythonExampleToday runs the example for today's libraries.
func TestPythonExampleToday(t *testing.T) {
	dev(t, nil, nil, python(t, "today"), filepath.Join(root, "examples", "python", "today.py"))
}

// TestPythonHSM runs the life of a managed HSM, its roles, settings and keys,
// through today's libraries.
func TestPythonHSM(t *testing.T) {
	dev(t, nil, []string{"ok administrators use no keys", "ok keys used", "ok custom roles", "ok settings", "ok recovered hsm", "ok purged hsm", "DONE"},
		python(t, "today"), "python/hsm_today.py")
}
