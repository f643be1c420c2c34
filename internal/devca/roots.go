package devca

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

// Bounds on what is read of the user's files.
const (
	maxBundle      = 16 << 20 // bytes a file
	maxDirEntries  = 4096
	maxCertificate = 10000
)

// systemBundles are the places where systems keep their roots in one file. All
// that exist are read: they are mostly links to one another.
var systemBundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Gentoo
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7 and later
	"/etc/ssl/ca-bundle.pem",                            // SUSE
	"/etc/ssl/cert.pem",                                 // Alpine, macOS, OpenBSD, FreeBSD
	"/usr/local/etc/ssl/cert.pem",                       // FreeBSD
	"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD, DragonFly
	"/etc/openssl/certs/ca-certificates.crt",            // NetBSD
	"/opt/homebrew/etc/ca-certificates/cert.pem",        // Homebrew
	"/usr/local/etc/ca-certificates/cert.pem",           // Homebrew on Intel
	"/system/etc/security/cacerts",                      // Android, a directory
}

// Roots is a set of certificates to trust. It is not safe for concurrent use.
type Roots struct {
	certs [][]byte // DER, in the order in which they were added
	seen  map[[sha256.Size]byte]bool
	// Skipped are the files that a variable names and that could not be used;
	// each says why. Missing files of the system are none.
	Skipped []error
}

// CollectRoots returns what a program should trust: the authority, the files and directories that the environment
// names (SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE,
// NODE_EXTRA_CA_CERTS) and the system's roots, each certificate once. getenv
// looks the environment up, as os.Getenv does.
func CollectRoots(a *Authority, getenv func(string) string) *Roots {
	r := collect(a, getenv, systemBundles)
	for _, der := range storeRoots() {
		r.add(der)
	}
	return r
}

func collect(a *Authority, getenv func(string) string, system []string) *Roots {
	r := &Roots{seen: make(map[[sha256.Size]byte]bool)}
	r.add(a.cert.Raw)
	for _, variable := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"} {
		if path := getenv(variable); path != "" {
			r.addNamed(variable, path)
		}
	}
	for _, dir := range filepath.SplitList(getenv("SSL_CERT_DIR")) {
		if dir != "" {
			r.addNamed("SSL_CERT_DIR", dir)
		}
	}
	for _, path := range system {
		// Systems have some of these and no others; what cannot be read is
		// as good as missing.
		_ = r.addPath(path)
	}
	return r
}

// Pool returns the certificates for a client of this process. Those that Go cannot
// parse are left out.
func (r *Roots) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, der := range r.certs {
		if cert, err := x509.ParseCertificate(der); err == nil {
			pool.AddCert(cert)
		}
	}
	return pool
}

// WriteBundle writes the certificates to path as PEM, replacing it in one step.
func (r *Roots) WriteBundle(path string) error {
	var b bytes.Buffer
	for _, der := range r.certs {
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return err
		}
	}
	return writeFile(path, b.Bytes(), 0o644)
}

// WriteTrustStore writes the certificates to path as a PKCS#12 trust store that
// the JVM reads, replacing it in one step. The certificates are public: the
// password protects nothing, but the JVM wants one. Certificates that Go cannot
// parse are left out.
func (r *Roots) WriteTrustStore(path, password string) error {
	var entries []pkcs12.TrustStoreEntry
	for i, der := range r.certs {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		// The JVM keeps one certificate per alias, and subjects repeat.
		entries = append(entries, pkcs12.TrustStoreEntry{Cert: cert, FriendlyName: fmt.Sprintf("okv-%05d", i)})
	}
	// The old encryption, because Java 8 before update 301 reads no other.
	b, err := pkcs12.LegacyDES.WithRand(rand.Reader).EncodeTrustStoreEntries(entries, password)
	if err != nil {
		return fmt.Errorf("encoding the trust store: %w", err)
	}
	return writeFile(path, b, 0o644)
}

// Len returns the number of certificates.
func (r *Roots) Len() int { return len(r.certs) }

func (r *Roots) add(der []byte) {
	sum := sha256.Sum256(der)
	if r.seen[sum] || len(r.certs) >= maxCertificate {
		return
	}
	r.seen[sum] = true
	r.certs = append(r.certs, der)
}

func (r *Roots) addNamed(variable, path string) {
	if err := r.addPath(path); err != nil {
		r.Skipped = append(r.Skipped, fmt.Errorf("%s: %w", variable, err))
	}
}

// addPath adds the certificates of a file, or of the files of a directory. In a
// directory, files that hold none are no errors: OpenSSL's have lists of revoked
// certificates beside the roots.
func (r *Roots) addPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return r.addDir(f)
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxBundle+1))
	if err != nil {
		return err
	}
	if len(b) > maxBundle {
		return &fs.PathError{Op: "read", Path: path, Err: errors.New("too large for a bundle of certificates")}
	}
	if r.addPEM(b) == 0 {
		return &fs.PathError{Op: "read", Path: path, Err: errors.New("no PEM certificate in it")}
	}
	return nil
}

func (r *Roots) addDir(dir *os.File) error {
	names, err := dir.Readdirnames(maxDirEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir.Name(), name)
		// Not through addPath, which would descend.
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxBundle {
			continue
		}
		if b, err := os.ReadFile(path); err == nil {
			r.addPEM(b)
		}
	}
	return nil
}

// addPEM adds the certificates among the PEM blocks of b and returns how many
// there were.
func (r *Roots) addPEM(b []byte) (found int) {
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return found
		}
		if block.Type == "CERTIFICATE" && len(block.Bytes) > 0 {
			r.add(block.Bytes)
			found++
		}
	}
}
