package devca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var testNames = []string{"vault.azure.net", "login.microsoftonline.com", "vault.localhost", "localhost"}

func newTest(t testing.TB) *Authority {
	t.Helper()
	a, err := New(testNames)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// pool returns the authority as a client that trusts it sees it: from its PEM.
func pool(t testing.TB, a *Authority) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(a.CertPEM()) {
		t.Fatal("the authority's PEM holds no certificate")
	}
	return p
}

func verify(t testing.TB, a *Authority, leaf *x509.Certificate, host string) error {
	t.Helper()
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: pool(t, a), DNSName: host, CurrentTime: a.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

// addrConn is a connection with nothing but its own address.
type addrConn struct {
	net.Conn
	local net.Addr
}

func (c addrConn) LocalAddr() net.Addr { return c.local }

func local(ip string) net.Conn {
	return addrConn{local: &net.TCPAddr{IP: net.ParseIP(ip), Port: 8443}}
}

func TestAuthorityCertificate(t *testing.T) {
	a := newTest(t)
	block, rest := pem.Decode(a.CertPEM())
	if block == nil || len(rest) != 0 {
		t.Fatal("CertPEM is not one PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !cert.IsCA || !cert.MaxPathLenZero || cert.KeyUsage != x509.KeyUsageCertSign {
		t.Errorf("IsCA %t, MaxPathLenZero %t, KeyUsage %b", cert.IsCA, cert.MaxPathLenZero, cert.KeyUsage)
	}
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("public key is %T, want ECDSA P-256", cert.PublicKey)
	}
	if len(cert.SubjectKeyId) == 0 {
		t.Error("no subject key identifier, which strict verifiers demand")
	}
	if !cert.PermittedDNSDomainsCritical {
		t.Error("the name constraints are not critical")
	}
	want := []string{"localhost", "login.microsoftonline.com", "vault.azure.net", "vault.localhost"}
	if !slices.Equal(cert.PermittedDNSDomains, want) {
		t.Errorf("permitted names %q, want %q", cert.PermittedDNSDomains, want)
	}
	if got := fmt.Sprint(cert.PermittedIPRanges); got != "[127.0.0.0/8 ::1/128]" {
		t.Errorf("permitted addresses %s", got)
	}
}

func TestGetCertificate(t *testing.T) {
	a := newTest(t)
	for _, tc := range []struct {
		name, sni, verifyAs string
		conn                net.Conn
	}{
		{"vault", "dev.vault.azure.net", "dev.vault.azure.net", nil},
		{"folded", "Dev.VAULT.Azure.Net.", "dev.vault.azure.net", nil},
		{"the suffix itself", "vault.azure.net", "vault.azure.net", nil},
		{"login", "login.microsoftonline.com", "login.microsoftonline.com", nil},
		{"localhost", "localhost", "localhost", nil},
		{"below localhost", "x.localhost", "x.localhost", nil},
		{"long labels", strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + ".vault.azure.net", strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + ".vault.azure.net", nil},
		{"loopback literal", "127.0.0.9", "127.0.0.9", nil},
		{"IPv6 loopback literal", "::1", "::1", nil},
		{"no name, IPv4", "", "127.0.0.1", local("127.0.0.1")},
		{"no name, IPv6", "", "::1", local("::1")},
		{"no name, mapped", "", "localhost", local("::ffff:127.0.0.1")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := a.GetCertificate(&tls.ClientHelloInfo{ServerName: tc.sni, Conn: tc.conn})
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(t, a, got.Leaf, tc.verifyAs); err != nil {
				t.Errorf("does not verify: %v", err)
			}
			if err := verify(t, a, got.Leaf, "other.vault.azure.net"); err == nil {
				t.Error("verifies for a name that it was not made for")
			}
			if life := got.Leaf.NotAfter.Sub(got.Leaf.NotBefore); life > 10*24*time.Hour {
				t.Errorf("lives for %v", life)
			}
			if key, ok := got.PrivateKey.(*ecdsa.PrivateKey); !ok || !key.PublicKey.Equal(got.Leaf.PublicKey) {
				t.Error("the private key is not the certificate's")
			}
			if got.Leaf.IsCA {
				t.Error("the leaf is an authority")
			}
		})
	}
}

func TestGetCertificateRefuses(t *testing.T) {
	a := newTest(t)
	for _, tc := range []struct {
		name, sni string
		conn      net.Conn
	}{
		{"another name", "example.com", nil},
		{"a parent", "azure.net", nil},
		{"a suffix without a dot", "evilvault.azure.net", nil},
		{"ours as a prefix", "vault.azure.net.example.com", nil},
		{"a wildcard", "*.vault.azure.net", nil},
		{"an empty label", "a..vault.azure.net", nil},
		{"a long label", strings.Repeat("a", 64) + ".vault.azure.net", nil},
		{"a long name", strings.Repeat("a.", 130) + "vault.azure.net", nil},
		{"another address", "10.0.0.1", nil},
		{"the cache's own key", loopbackName, nil},
		{"no name, no connection", "", nil},
		{"no name, another address", "", local("10.0.0.1")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := a.GetCertificate(&tls.ClientHelloInfo{ServerName: tc.sni, Conn: tc.conn})
			if !errors.Is(err, ErrName) || got != nil {
				t.Errorf("GetCertificate = %v, %v, want an ErrName", got, err)
			}
		})
	}
}

// Whoever steals the key must not get beyond the names: clients refuse what it
// signs for others.
func TestConstraintsHoldAgainstTheKeyItself(t *testing.T) {
	a := newTest(t)
	for _, tc := range []struct {
		host string
		ok   bool
	}{
		{"dev.vault.azure.net", true},
		{"127.9.9.9", true},
		{"example.com", false},
		{"www.microsoftonline.com", false},
		{"10.0.0.1", false},
		{"::2", false},
	} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1),
			NotBefore:    time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Minute),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		if ip := net.ParseIP(tc.host); ip != nil {
			template.IPAddresses = []net.IP{ip}
		} else {
			template.DNSNames = []string{tc.host}
		}
		der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate(), key.Public(), a.key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		err = verify(t, a, leaf, tc.host)
		var invalid x509.CertificateInvalidError
		if refused := errors.As(err, &invalid) && invalid.Reason == x509.CANotAuthorizedForThisName; refused == tc.ok || tc.ok && err != nil {
			t.Errorf("%s: Verify = %v, want ok %t", tc.host, err, tc.ok)
		}
	}
}

func TestLeavesAreCachedAndRenewed(t *testing.T) {
	now := time.Now()
	a, err := create(testNames, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	get := func(name string) *tls.Certificate {
		t.Helper()
		c, err := a.GetCertificate(&tls.ClientHelloInfo{ServerName: name})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := get("dev.vault.azure.net")
	if get("DEV.vault.azure.net") != first {
		t.Error("a second connection made a second certificate")
	}
	if get("other.vault.azure.net") == first {
		t.Error("two names share a certificate")
	}
	now = first.Leaf.NotAfter.Add(-leafMargin)
	second := get("dev.vault.azure.net")
	if second == first {
		t.Fatal("a certificate about to end was given out")
	}
	if err := verify(t, a, second.Leaf, "dev.vault.azure.net"); err != nil {
		t.Error(err)
	}
	now = a.Certificate().NotAfter.Add(-time.Hour)
	if last := get("late.vault.azure.net"); last.Leaf.NotAfter.After(a.Certificate().NotAfter) {
		t.Error("a certificate outlives its authority")
	}
}

func TestLeafCacheIsBounded(t *testing.T) {
	a := newTest(t)
	for i := range maxCachedLeaves + 50 {
		if _, err := a.GetCertificate(&tls.ClientHelloInfo{ServerName: fmt.Sprintf("v%d.vault.azure.net", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.leaves.Len(); n != maxCachedLeaves {
		t.Errorf("%d leaves cached, want %d", n, maxCachedLeaves)
	}
}

func TestConcurrentFirstConnectionsShareOneLeaf(t *testing.T) {
	a := newTest(t)
	got := make([]*tls.Certificate, 32)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			// An error leaves nil, which the comparison below sees.
			got[i], _ = a.GetCertificate(&tls.ClientHelloInfo{ServerName: "dev.vault.azure.net"})
		})
	}
	all.Wait()
	for i := range got {
		if got[i] == nil || got[i] != got[0] {
			t.Fatalf("connection %d got %p, connection 0 %p", i, got[i], got[0])
		}
	}
}

func TestNewRefusesNames(t *testing.T) {
	for _, names := range [][]string{
		{""}, {"*.vault.azure.net"}, {"a b"}, {"10.0.0.1"}, {"vault..net"}, {"-a.net"}, {"vault.1"},
		slices.Repeat([]string{"a.net"}, maxNames+1),
	} {
		if _, err := New(names); err == nil {
			t.Errorf("New(%.40q) made an authority", names)
		}
	}
	if _, err := New([]string{"127.0.0.1", "::1", "Vault.Example.COM."}); err != nil {
		t.Errorf("New refuses loopback literals or a folded name: %v", err)
	}
}

// FuzzServerName: whatever a client asks for, what it gets verifies for that
// under the constraints.
func FuzzServerName(f *testing.F) {
	for _, s := range []string{"dev.vault.azure.net", "localhost", "127.0.0.1", "::ffff:127.0.0.1", "::1%lo", "*.localhost", "a_b.localhost", "-.localhost", "xn--a.localhost", "1.localhost", "..", loopbackName} {
		f.Add(s)
	}
	a := newTest(f)
	f.Fuzz(func(t *testing.T, name string) {
		c, err := a.GetCertificate(&tls.ClientHelloInfo{ServerName: name})
		if err != nil {
			if !errors.Is(err, ErrName) {
				t.Fatalf("%q: %v", name, err)
			}
			return
		}
		if err := verify(t, a, c.Leaf, strings.TrimSuffix(name, ".")); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	})
}
