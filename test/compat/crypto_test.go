package compat

import (
	"path/filepath"
	"testing"
)

// TestPythonCryptography holds every algorithm of RSA and EC keys against what
// today's library for Python computes by itself.
func TestPythonCryptography(t *testing.T) {
	out := dev(t, nil, []string{"ok RSA 3072", "ok EC P-256K", "ok imported keys", "ok refusals", "DONE"}, python(t, "today"), "python/crypto_today.py")
	t.Log(out)
}

// TestPython2018Cryptography does the same for the library of 2018, at both of its
// API versions, with the package cryptography.
func TestPython2018Cryptography(t *testing.T) {
	dev(t, nil, []string{"ok RSA at 2016-10-01", "ok EC at 2016-10-01", "ok RSA at 7.0", "ok EC at 7.0", "DONE"}, python(t, "2018"), "python/crypto_2018.py")
}

// TestJavaScriptCryptography holds every algorithm against what node computes.
func TestJavaScriptCryptography(t *testing.T) {
	node(t)
	dev(t, nil, []string{"ok RSA 3072", "ok EC P-256K", "ok refusals", "DONE"}, "node", "js/crypto.mjs")
}

// TestAzureCLICryptography has az and okv undo what the other made with a key, and
// print the same.
func TestAzureCLICryptography(t *testing.T) {
	interpreter := python(t, "az")
	keys, err := filepath.Abs(filepath.Join(root, "cmd", "okv", "testdata", "keys"))
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"AZ=" + filepath.Join(filepath.Dir(interpreter), "az"), "PYTHON=" + interpreter, "OKV=" + okv(t), "KEYS=" + keys}
	dev(t, env, []string{"ok encrypt", "ok sign", "ok files", "DONE"}, "az/crypto.sh")
}
