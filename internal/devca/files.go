package devca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// Names of the files that Open keeps in its directory.
const (
	CertFile = "ca.pem"
	KeyFile  = "ca-key.pem"
)

// Open returns the authority that dir keeps, so that what was told to trust it
// once goes on doing so. It makes a new one, and the directory if need be, when
// there is none, when names are not those that it signs for, when it ends within
// a month, or when certificate and key are not a pair.
//
// The key is in clear, in a file that only its owner can read; Open refuses one
// that others can. Two processes must not open the same directory at once.
func Open(dir string, names []string) (*Authority, error) { return open(dir, names, time.Now) }

func open(dir string, names []string, now func() time.Time) (*Authority, error) {
	names, err := normalize(names)
	if err != nil {
		return nil, err
	}
	cert, key, err := load(dir)
	if err != nil {
		return nil, err
	}
	if cert != nil && usable(cert, key, names, now()) {
		return newAuthority(cert, key, names, now), nil
	}
	a, err := create(names, now)
	if err != nil {
		return nil, err
	}
	if err := a.save(dir); err != nil {
		return nil, err
	}
	return a, nil
}

// load reads the files. Without an error and without a certificate, at least
// one of them is missing.
func load(dir string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	keyFile, certFile := filepath.Join(dir, KeyFile), filepath.Join(dir, CertFile)
	keyPEM, mode, err := readSmall(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer clear(keyPEM)
	// Windows has no such bits; there the directory's own protection counts.
	if runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 {
		return nil, nil, fmt.Errorf("%s can be read by others (mode %04o): whoever has it can sign for your vaults' names; remove it to have a new one made", keyFile, mode.Perm())
	}
	certPEM, _, err := readSmall(certFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is not the key of a development authority: remove it to have a new one made", keyFile)
	}
	cert, err := parseCert(certPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is not the certificate of a development authority: remove it to have a new one made", certFile)
	}
	return cert, key, nil
}

// usable reports whether the authority is one that create would make for names,
// with enough of its life left.
func usable(cert *x509.Certificate, key *ecdsa.PrivateKey, names []string, now time.Time) bool {
	have := slices.Sorted(slices.Values(cert.PermittedDNSDomains))
	return key.PublicKey.Equal(cert.PublicKey) &&
		cert.IsCA && cert.PermittedDNSDomainsCritical && slices.Equal(have, names) &&
		sameRanges(cert) &&
		now.After(cert.NotBefore) && now.Before(cert.NotAfter.Add(-authorityMargin))
}

func sameRanges(cert *x509.Certificate) bool {
	want := loopbackRanges()
	if len(cert.PermittedIPRanges) != len(want) {
		return false
	}
	for i, r := range cert.PermittedIPRanges {
		if r.String() != want[i].String() {
			return false
		}
	}
	return true
}

// save writes the key first: a certificate without its key would be trusted for
// nothing, and a pair that does not match is made again.
func (a *Authority) save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return err
	}
	defer clear(der)
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(keyPEM)
	if err := writeFile(filepath.Join(dir, KeyFile), keyPEM, 0o600); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, CertFile), a.CertPEM(), 0o644)
}

func parseKey(b []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("no PEM block of a private key")
	}
	defer clear(block.Bytes)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not an ECDSA P-256 key")
	}
	return key, nil
}

func parseCert(b []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no PEM block of a certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

// readSmall reads a file of at most 64 KiB and returns its mode, of the same
// file even if it is replaced meanwhile.
func readSmall(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	const limit = 64 << 10
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, 0, err
	}
	if len(b) > limit {
		return nil, 0, fmt.Errorf("%s is too large", path)
	}
	return b, info.Mode(), nil
}

// writeFile replaces path in one step: readers see the old file or the new one,
// and the new one has its mode from its first byte on.
func writeFile(path string, content []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
