package compat

import "testing"

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
