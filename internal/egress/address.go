package egress

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Target is a host and a port that requests may go to wherever the host is.
type Target struct {
	host string // folded, or an address in its shortest form
	port uint16
}

// ParseTarget reads HOST:PORT, where HOST is a name or an address. An address of
// IPv6 stands in brackets.
func ParseTarget(text string) (Target, error) {
	host, port, err := net.SplitHostPort(text)
	n, portErr := strconv.ParseUint(port, 10, 16)
	host = strings.TrimSuffix(host, ".") // of the root
	if err != nil || portErr != nil || n == 0 || !validHost(host) {
		return Target{}, errors.New("give HOST:PORT, such as attest.example.com:443")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return Target{strings.ToLower(host), uint16(n)}, nil
}

func validHost(host string) bool {
	return !slices.Contains(strings.Split(host, "."), "") && !strings.ContainsAny(host, "/?#@%*\\ \t\r\n[]")
}

// String returns the target as ParseTarget reads it.
func (t Target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// special are the ranges that are global by their form and are not the public
// internet's hosts: RFC 6890 and the registries that follow it. The translations
// of IPv4 are among them, because they would lead to any address of IPv4.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"168.63.129.16/32", // the host of a virtual machine in Azure, for its guest
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// unicast6 is all of IPv6 that is given out as public addresses.
var unicast6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// public reports whether the address is one of the public internet.
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	if ip.Zone() != "" || !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.Is6() && !unicast6.Contains(ip) {
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

// listable reports whether a listed target may lead to an address that is not
// public. Where machines have the services that tell them who they are, their
// credentials among it, only a target leads that names the address itself: a
// name does not have to mean for ever what it means to whoever lists it.
func listable(hostport string, ip netip.Addr) bool {
	ip = ip.Unmap()
	if !ip.IsLinkLocalUnicast() && !metadata[ip] {
		return true
	}
	host, _, _ := net.SplitHostPort(hostport)
	named, err := netip.ParseAddr(host)
	return err == nil && named.Unmap() == ip
}

// metadata are such addresses that are not link-local.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("100.100.100.200"): true,
	netip.MustParseAddr("168.63.129.16"):   true,
	netip.MustParseAddr("192.0.0.192"):     true,
	netip.MustParseAddr("fd00:ec2::254"):   true,
	netip.MustParseAddr("fd20:ce::254"):    true,
}
