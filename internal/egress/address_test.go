package egress

import (
	"net/netip"
	"strings"
	"testing"
)

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"1.1.1.1": true, "20.42.0.1": true, "100.63.255.255": true, "100.128.0.0": true, "172.15.0.1": true, "172.32.0.1": true,
		"192.167.255.255": true, "198.17.255.255": true, "223.255.255.255": true, "168.63.129.15": true,
		"2606:4700:4700::1111": true, "2a00::1": true, "2001:200::1": true, "::ffff:1.1.1.1": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "10.255.255.255": false, "100.64.0.1": false, "100.100.100.200": false,
		"127.0.0.1": false, "127.255.255.254": false, "169.254.0.1": false, "169.254.169.254": false, "168.63.129.16": false,
		"172.16.0.1": false, "172.31.255.255": false, "192.0.0.1": false, "192.0.0.192": false, "192.0.2.1": false, "192.88.99.1": false,
		"192.168.0.1": false, "198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false, "203.0.113.1": false,
		"224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,

		"::": false, "::1": false, "::127.0.0.1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false,
		"::ffff:0.0.0.0": false, "64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "100::1": false, "2001::1": false, "2001:db8::1": false,
		"2002:7f00:1::1": false, "3fff::1": false, "5f00::1": false, "fc00::1": false, "fd00:ec2::254": false, "fd20:ce::254": false,
		"fe80::1": false, "fe80::1%eth0": false, "2606:4700::1%eth0": false, "fec0::1": false, "ff02::1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %v", text, got)
		}
	}
}

// A name that is listed leads to private addresses, and not to where a machine's
// credentials are: for that, the address has to be listed.
func TestListedAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		target, ip string
		want       bool
	}{
		{"attest.corp.example:443", "10.1.2.3", true},
		{"attest.corp.example:443", "127.0.0.1", true},
		{"attest.corp.example:443", "fd12::1", true},
		{"attest.corp.example:443", "169.254.169.254", false},
		{"attest.corp.example:443", "::ffff:169.254.169.254", false},
		{"attest.corp.example:443", "fe80::1", false},
		{"attest.corp.example:443", "fd00:ec2::254", false},
		{"attest.corp.example:443", "100.100.100.200", false},
		{"attest.corp.example:443", "168.63.129.16", false},
		{"169.254.169.254:443", "169.254.169.254", true},
		{"[::ffff:169.254.169.254]:443", "169.254.169.254", true},
		{"169.254.169.254:443", "169.254.169.253", false},
	} {
		if got := listable(tt.target, netip.MustParseAddr(tt.ip)); got != tt.want {
			t.Errorf("%s at %s: %v", tt.target, tt.ip, got)
		}
	}
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"attest.example.com:443": "attest.example.com:443", "Attest.Example.COM.:8443": "attest.example.com:8443", "localhost:1": "localhost:1",
		"127.0.0.1:8443": "127.0.0.1:8443", "[::1]:8443": "[::1]:8443", "[0:0::1]:8443": "[::1]:8443", "[::ffff:127.0.0.1]:8443": "127.0.0.1:8443",
	} {
		if got, err := ParseTarget(text); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "attest.example.com", ":443", ".:443", "attest.example.com:", "attest.example.com:0", "attest.example.com:65536", "attest.example.com:https",
		"https://attest.example.com:443", "a/b:443", "a@b:443", "*.example.com:443", "a..:443", "..a:443", "a..b:443", "a b:443", "::1:8443", "[fe80::1%eth0]:443", "10.0.0.0/8:443",
	} {
		if got, err := ParseTarget(text); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"a:1", "[::1]:443", "Attest.Example.COM.:8443", "127.0.0.1:8443", "x:99999", "0..:1", "[0:0::1.]:1", "127.0.0.1.:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, err := ParseTarget(text)
		if err != nil {
			return
		}
		if again, err := ParseTarget(target.String()); err != nil || again != target {
			t.Errorf("%q is %s, which is %s, %v", text, target, again, err)
		}
	})
}
