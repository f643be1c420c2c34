package devproxy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

func TestParseTarget(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"example.com:443", "example.com:443"},
		{"Example.COM.:0443", "example.com:443"},
		{"a_b.internal:1", "a_b.internal:1"},
		{"192.0.2.1:65535", "192.0.2.1:65535"},
		{"[2001:DB8::1]:443", "[2001:db8::1]:443"},
		{"[::ffff:192.0.2.1]:443", "192.0.2.1:443"},
		{"", ""}, {":443", ""}, {"example.com", ""}, {"example.com:", ""}, {"example.com:65536", ""}, {"example.com:-1", ""},
		{"example.com:+1", ""}, {"example.com:http", ""}, {"2001:db8::1:443", ""}, {"[192.0.2.1]:443", ""}, {"[example.com]:443", ""},
		{"[fe80::1%eth0]:443", ""}, {"a b:443", ""}, {"a@b:443", ""}, {"a..b:443", ""}, {".:443", ""}, {"a/b:443", ""},
		{"exämple.org:443", ""}, {strings.Repeat("a", 64) + ".com:443", ""}, {strings.Repeat("a.", 127) + "a.com:443", ""},
		{"http://example.com:443", ""}, {"example.com:443\r\nX: y", ""},
	} {
		got, err := parseTarget(tc.in)
		if tc.want == "" {
			if err == nil {
				t.Errorf("parseTarget(%q) = %s, want an error", tc.in, got)
			}
			continue
		}
		if err != nil || got.String() != tc.want {
			t.Errorf("parseTarget(%q) = %s, %v, want %s", tc.in, got, err, tc.want)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"example.com:443", "[::1]:1", "[::ffff:1.2.3.4]:80", "[fe80::1%a]:1", "a:0", "A.:01", "::1:2", "[a]:1", "a_:9\n", "\x00:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := parseTarget(in)
		if err != nil {
			return
		}
		s := got.String()
		if got.port == 0 || s != strings.ToLower(s) || strings.ContainsAny(s, " \t\r\n@/%\x00") {
			t.Fatalf("%q: %q", in, s)
		}
		// What is checked must be what is used: one form, that reads as itself.
		if again, err := parseTarget(s); err != nil || again != got {
			t.Fatalf("%q: %q reads as %v, %v", in, s, again, err)
		}
		if addr, err := netip.ParseAddr(got.host); err == nil && addr.Is4In6() {
			t.Fatalf("%q: %q hides an IPv4 address", in, s)
		}
	})
}

func TestNames(t *testing.T) {
	private, err := httpx.DomainRow("vault.example.com", "", "")
	if err != nil {
		t.Fatal(err)
	}
	ours := Names(httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow(), private}, 8443)
	for hostport, want := range map[string]bool{
		"dev.vault.azure.net:443":       true,
		"dev.vault.azure.net:8443":      true,
		"dev.managedhsm.azure.net:443":  true,
		"login.microsoftonline.com:443": true,
		"management.azure.com:443":      true,
		"dev.vault.localhost:443":       true,
		"dev.vault.localhost:8443":      true,
		"dev.vault.example.com:443":     true,
		"localhost:8443":                true,
		"127.0.0.1:8443":                true,
		"[::1]:8443":                    true,

		// A neighbour's service on this machine.
		"localhost:443":  false,
		"localhost:5001": false,
		"127.0.0.1:5001": false,

		"vault.azure.net:443":     false,
		"a.b.vault.azure.net:443": false,
		"example.com:443":         false,
		"10.0.0.1:8443":           false,
	} {
		if got := ours(hostport); got != want {
			t.Errorf("Names(%s) = %t", hostport, got)
		}
	}
}

func TestForbidden(t *testing.T) {
	for addr, want := range map[string]bool{
		"169.254.0.1": true, "169.254.169.254": true, "169.254.170.2": true, "fe80::1": true, "febf::1%eth0": true,
		"::ffff:169.254.169.254": true, "64:ff9b::a9fe:a9fe": true, "64:ff9b:1:a9fe:a9:fe00::": true, "64:ff9b:1::a9fe:a9fe": true, "64:ff9b:1:1::a9fe:a9fe": true, "2002:a9fe:a9fe::1": true,
		"fd00:ec2::254": true, "fd20:ce::254": true, "168.63.129.16": true, "100.100.100.200": true, "192.0.0.192": true,
		"0.0.0.0": true, "::": true, "224.0.0.1": true, "ff02::1": true,

		"127.0.0.1": false, "::1": false, "10.0.0.1": false, "192.0.2.1": false, "fd00::1": false, "2001:db8::1": false,
		"169.253.255.255": false, "169.255.0.0": false, "64:ff9b::c000:201": false, "64:ff9b:1:c000:2:100::": false, "64:ff9b:1::c000:201": false, "2002:c000:201::1": false,
	} {
		if got := forbidden(netip.MustParseAddr(addr)); got != want {
			t.Errorf("forbidden(%s) = %t", addr, got)
		}
	}
	if !forbidden(netip.Addr{}) {
		t.Error("no address is an address to connect to")
	}
}
