// Package devca is the certificate authority of development: it signs, on
// demand, for the names of the host table and for loopback, and for nothing
// else.
//
// It guarantees that whoever trusts an authority of this package trusts it for
// those names only: the limits are critical name constraints in its own
// certificate, and signing checks them as well. It also writes the files through
// which programs are told to trust it. It knows no HTTP and no vaults.
package devca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/cache"
)

// Lifetimes. A leaf is short and is made again well before its end; the
// authority is made again by Open long enough before its own end that no leaf
// has to be cut short.
const (
	authorityLifetime = 365 * 24 * time.Hour
	authorityMargin   = 30 * 24 * time.Hour
	leafLifetime      = 7 * 24 * time.Hour
	leafMargin        = 24 * time.Hour
	// backdating lets clients whose clock is a little behind, as in a virtual
	// machine, accept what was just made.
	backdating = time.Hour

	maxCachedLeaves = 1024
	maxNames        = 256
)

// loopbackName is the cache key of the leaf for clients that name no host. It
// is no host name itself.
const loopbackName = "(loopback)"

// ErrName is wrapped by the error of GetCertificate for a host that the
// authority may not sign for.
var ErrName = errors.New("the development certificate authority does not sign for this host")

// Authority is a certificate authority whose key is an ECDSA P-256 key. It is
// safe for concurrent use.
type Authority struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	names []string // sorted, folded, unique
	now   func() time.Time

	leaves *cache.Map[string, *tls.Certificate]
	// minting makes one leaf at a time, so that many first connections to one
	// name cost one signature. A signature takes well under a millisecond.
	minting sync.Mutex
}

// New makes an authority that lives in memory. It signs for each of names and
// everything below it, for localhost and everything below it, and for loopback
// addresses. Names are DNS names without a wildcard; loopback address literals
// among them are allowed and add nothing.
func New(names []string) (*Authority, error) { return create(names, time.Now) }

func create(names []string, now func() time.Time) (*Authority, error) {
	names, err := normalize(names)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	start := now()
	template := &x509.Certificate{
		Subject: pkix.Name{
			Organization: []string{"OpenKeyVault"},
			CommonName:   "OpenKeyVault development " + rand.Text()[:8],
		},
		NotBefore:             start.Add(-backdating),
		NotAfter:              start.Add(authorityLifetime),
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         names,
		PermittedIPRanges:           loopbackRanges(),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing the development authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return newAuthority(cert, key, names, now), nil
}

func newAuthority(cert *x509.Certificate, key *ecdsa.PrivateKey, names []string, now func() time.Time) *Authority {
	return &Authority{cert: cert, key: key, names: names, now: now, leaves: cache.New[string, *tls.Certificate](maxCachedLeaves)}
}

// CertPEM returns the authority's certificate, PEM encoded.
func (a *Authority) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Certificate returns the authority's certificate, which the caller does not
// change.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// GetCertificate returns a certificate for the name that the client asks for,
// made now unless one is at hand. A client that names no host gets one for
// localhost and the loopback addresses if it reached a loopback address. The
// error wraps ErrName when the authority may not sign for the name. It has the
// type of tls.Config.GetCertificate; the protocols of ALPN are the caller's.
func (a *Authority) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if name == "" {
		if hello.Conn == nil || !loopbackAddress(hello.Conn.LocalAddr()) {
			return nil, fmt.Errorf("%w: it names none", ErrName)
		}
		name = loopbackName
	} else if !a.signsFor(name) {
		return nil, fmt.Errorf("%w: %q", ErrName, name)
	}
	if leaf, ok := a.fresh(name); ok {
		return leaf, nil
	}
	a.minting.Lock()
	defer a.minting.Unlock()
	if leaf, ok := a.fresh(name); ok {
		return leaf, nil
	}
	leaf, err := a.mint(name)
	if err != nil {
		return nil, err
	}
	a.leaves.Put(name, leaf)
	return leaf, nil
}

func (a *Authority) fresh(name string) (*tls.Certificate, bool) {
	leaf, ok := a.leaves.Get(name)
	return leaf, ok && a.now().Before(leaf.Leaf.NotAfter.Add(-leafMargin))
}

// mint signs a leaf. Its subject has no common name: that one is limited to 64
// characters, and OpenSSL holds it against the name constraints.
func (a *Authority) mint(name string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	start := a.now()
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"OpenKeyVault"}, OrganizationalUnit: []string{"Development"}},
		NotBefore:             start.Add(-backdating),
		NotAfter:              start.Add(leafLifetime),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		template.IPAddresses = []net.IP{ip.AsSlice()}
	} else if name != loopbackName {
		template.DNSNames = []string{name}
	} else {
		template.DNSNames = []string{"localhost"}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("signing a development certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// signsFor reports whether host, folded, is within the authority's constraints.
func (a *Authority) signsFor(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Zone() == "" && ip.Unmap().IsLoopback()
	}
	if !validName(host) {
		return false
	}
	return slices.ContainsFunc(a.names, func(n string) bool {
		return host == n || strings.HasSuffix(host, "."+n)
	})
}

// normalize folds, checks, sorts and completes the names of an authority.
func normalize(names []string) ([]string, error) {
	if len(names) > maxNames {
		return nil, fmt.Errorf("a development authority has at most %d names", maxNames)
	}
	all := []string{"localhost"}
	for _, n := range names {
		folded := strings.TrimSuffix(strings.ToLower(n), ".")
		if ip, err := netip.ParseAddr(folded); err == nil && ip.IsLoopback() {
			continue
		}
		if !validName(folded) {
			return nil, fmt.Errorf("%q is not a name that a development authority can sign for", n)
		}
		all = append(all, folded)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// validName reports whether name is a lower-case DNS name of letters, digits,
// hyphens and underscores. The last label has a letter, so that no address is
// taken for a name.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	letters := false
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		letters = false
		for i := range len(label) {
			switch c := label[i]; {
			case 'a' <= c && c <= 'z', c == '_':
				letters = true
			case '0' <= c && c <= '9', c == '-' && i > 0 && i < len(label)-1:
			default:
				return false
			}
		}
	}
	return letters
}

func loopbackRanges() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
}

func loopbackAddress(addr net.Addr) bool {
	ap, err := netip.ParseAddrPort(addr.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
