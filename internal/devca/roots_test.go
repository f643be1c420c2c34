package devca

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

// parseBundle returns the certificates of a PEM file.
func parseBundle(t *testing.T, path string) []*x509.Certificate {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	return certs
}

// rootsFixture is a file system with certificates at all the places that
// CollectRoots looks at.
type rootsFixture struct {
	authority *Authority
	env       map[string]string
	system    []string
	want      []*Authority // all that must be trusted
}

func newRootsFixture(t *testing.T) *rootsFixture {
	f := &rootsFixture{authority: newTest(t), env: make(map[string]string)}
	f.want = append(f.want, f.authority)
	dir := t.TempDir()
	write := func(name string, content ...[]byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, c := range content {
			all = append(all, c...)
		}
		if err := os.WriteFile(path, all, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root := func() []byte {
		a := newTest(t)
		f.want = append(f.want, a)
		return a.CertPEM()
	}
	shared := root()
	f.env["SSL_CERT_FILE"] = write("user.pem", []byte("# a comment\n"), root(), shared)
	f.env["REQUESTS_CA_BUNDLE"] = write("requests.pem", shared, root())
	f.env["CURL_CA_BUNDLE"] = f.env["REQUESTS_CA_BUNDLE"]
	f.env["NODE_EXTRA_CA_CERTS"] = write("node.pem", root(), f.authority.CertPEM())
	write("one/a.0", root())
	write("one/README", []byte("no certificate"))
	write("one/deeper/not-read.pem", newTest(t).CertPEM())
	write("two/b.0", root())
	f.env["SSL_CERT_DIR"] = filepath.Join(dir, "one") + string(filepath.ListSeparator) + filepath.Join(dir, "two")
	f.system = []string{filepath.Join(dir, "missing.pem"), write("system.pem", root(), shared)}
	return f
}

func (f *rootsFixture) collect() *Roots {
	return collect(f.authority, func(name string) string { return f.env[name] }, f.system)
}

func assertTrusted(t *testing.T, got []*x509.Certificate, want []*Authority) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d certificates, want %d", len(got), len(want))
	}
	if len(got) == 0 || !got[0].Equal(want[0].Certificate()) {
		t.Error("the development authority is not the first")
	}
	have := make(map[string]int)
	for _, c := range got {
		have[string(c.Raw)]++
	}
	for i, a := range want {
		if n := have[string(a.Certificate().Raw)]; n != 1 {
			t.Errorf("certificate %d is there %d times", i, n)
		}
	}
}

func TestBundleIsTheUnion(t *testing.T) {
	f := newRootsFixture(t)
	r := f.collect()
	if len(r.Skipped) != 0 {
		t.Errorf("skipped %v", r.Skipped)
	}
	path := filepath.Join(t.TempDir(), "bundle.pem")
	for range 2 { // the second replaces the first
		if err := r.WriteBundle(path); err != nil {
			t.Fatal(err)
		}
	}
	assertTrusted(t, parseBundle(t, path), f.want)
	if r.Len() != len(f.want) {
		t.Errorf("Len = %d, want %d", r.Len(), len(f.want))
	}
	if err := r.WriteBundle(filepath.Join(t.TempDir(), "missing", "bundle.pem")); err == nil {
		t.Error("WriteBundle wrote into a directory that does not exist")
	}
}

func TestTrustStoreIsTheUnion(t *testing.T) {
	f := newRootsFixture(t)
	path := filepath.Join(t.TempDir(), "trust.p12")
	if err := f.collect().WriteTrustStore(path, "changeit"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pkcs12.DecodeTrustStore(b, "changeit")
	if err != nil {
		t.Fatal(err)
	}
	assertTrusted(t, certs, f.want)
	if _, err := pkcs12.DecodeTrustStore(b, "other"); err == nil {
		t.Error("the trust store opens with another password")
	}
}

func TestUnusableFilesAreSkipped(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	huge := filepath.Join(dir, "huge.pem")
	for path, size := range map[string]int64{empty: 0, huge: maxBundle + 1} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
	a := newTest(t)
	env := map[string]string{
		"SSL_CERT_FILE": filepath.Join(dir, "missing.pem"), "REQUESTS_CA_BUNDLE": empty,
		"NODE_EXTRA_CA_CERTS": huge, "SSL_CERT_DIR": filepath.Join(dir, "nowhere"),
	}
	r := collect(a, func(name string) string { return env[name] }, nil)
	if len(r.Skipped) != len(env) {
		t.Errorf("skipped %v, want %d files", r.Skipped, len(env))
	}
	for variable, path := range env {
		found := false
		for _, err := range r.Skipped {
			found = found || strings.HasPrefix(err.Error(), variable+": ") && strings.Contains(err.Error(), path)
		}
		if !found {
			t.Errorf("nothing says that %s = %s was skipped: %v", variable, path, r.Skipped)
		}
	}
	path := filepath.Join(dir, "bundle.pem")
	if err := r.WriteBundle(path); err != nil {
		t.Fatal(err)
	}
	assertTrusted(t, parseBundle(t, path), []*Authority{a})
}

// The system's own roots must come through whole, on every machine that has
// some: a child must reach the rest of the world as before.
func TestCollectRootsKeepsTheSystems(t *testing.T) {
	a := newTest(t)
	r := CollectRoots(a, func(string) string { return "" })
	have := make(map[string]bool)
	for _, der := range r.certs {
		have[string(der)] = true
	}
	for _, path := range systemBundles {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		for _, cert := range parseBundle(t, path) {
			if !have[string(cert.Raw)] {
				t.Errorf("%s: %s is missing", path, cert.Subject)
			}
		}
	}
	if !have[string(a.Certificate().Raw)] {
		t.Error("the authority itself is missing")
	}
}
