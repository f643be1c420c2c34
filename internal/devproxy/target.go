package devproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// errForbidden is wrapped by the errors of dialing an address that the proxy
// reaches for nobody.
var errForbidden = errors.New("the address is link-local, a cloud's metadata service or no address of a host")

// target is where a client wants to go.
type target struct {
	host string // lower case: a name without final dot, or an address
	port uint16
}

func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// local reports whether t is this machine by its name.
func (t target) local() bool {
	addr, err := netip.ParseAddr(t.host)
	return t.host == "localhost" || err == nil && addr.IsLoopback()
}

// parseTarget reads the authority of a CONNECT request (RFC 9110, section
// 9.3.6): a host and a port, both given.
func parseTarget(authority string) (target, error) {
	malformed := errors.New("a CONNECT request names host:port")
	host, port, err := net.SplitHostPort(authority)
	if err != nil || len(authority) > 300 {
		return target{}, malformed
	}
	if strings.HasPrefix(authority, "[") != strings.Contains(host, ":") {
		return target{}, malformed
	}
	return makeTarget(host, port)
}

// makeTarget checks host and port and brings them to one form.
func makeTarget(host, port string) (target, error) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return target{}, errors.New("the port is no number between 1 and 65535")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return target{}, errForbidden // only link-local addresses have zones
		}
		return target{addr.Unmap().String(), uint16(n)}, nil
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if !validHost(host) {
		return target{}, errors.New("the host is neither a name nor an address")
	}
	return target{host, uint16(n)}, nil
}

// validHost accepts what resolvers take for a name, including the underscores
// of some internal ones. Other scripts are sent in their ASCII form.
func validHost(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// Names returns the Ours of a host table. Names below a vault suffix and the
// hosts of the planes are ours on any port; but localhost and the loopback
// addresses are everybody's, so they are ours on port alone, which is the
// vault's own.
func Names(hosts httpx.Hosts, port int) func(hostport string) bool {
	return func(hostport string) bool {
		site, ok := hosts.Lookup(hostport)
		if !ok {
			return false
		}
		if addr, err := netip.ParseAddr(site.Host()); site.Host() != "localhost" && (err != nil || !addr.IsLoopback()) {
			return true
		}
		_, p, err := net.SplitHostPort(hostport)
		return err == nil && p == strconv.Itoa(port)
	}
}

// Prefixes whose addresses embed IPv4 addresses (RFC 6052, RFC 8215, RFC 3056), and
// are judged by those. A network may use the local one as it is or a longer one in
// it, which puts the IPv4 address elsewhere.
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// metadata are the addresses of clouds' metadata services that are not
// link-local.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google
	netip.MustParseAddr("168.63.129.16"),   // Azure's WireServer
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("192.0.0.192"),     // Oracle
}

// forbidden reports whether the proxy does not connect to an address.
func forbidden(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	if addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() || !addr.IsValid() {
		return true
	}
	for _, m := range metadata {
		if addr == m {
			return true
		}
	}
	b := addr.As16()
	switch {
	case nat64.Contains(addr):
		return forbidden(netip.AddrFrom4([4]byte(b[12:16])))
	case localNAT64.Contains(addr):
		last, first := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]})
		return forbidden(last) && !last.IsUnspecified() || forbidden(first) && !first.IsUnspecified()
	case sixToFour.Contains(addr):
		return forbidden(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return false
}

// refuseForbidden is the control function of a dialer: it sees the address that
// is about to be connected to, after any resolution, so that no answer of a name
// server can change between check and use.
func refuseForbidden(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", errForbidden, address)
	}
	if forbidden(ap.Addr()) {
		return fmt.Errorf("%w: %s", errForbidden, ap.Addr())
	}
	return nil
}
