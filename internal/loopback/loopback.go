// Package loopback finds addresses of this machine that are one's own.
//
// Whoever needs a port before there is a listener on it, or looks at a port after
// its listener has closed, shares the ports of 127.0.0.1 with every other program:
// each of them may have been given that very port meanwhile. Of the addresses of
// 127.0.0.0/8, millions in number, an arbitrary one is nobody else's.
package loopback

import (
	"crypto/rand"
	"net"
	"net/netip"
)

// Host returns an address of loopback that nobody else is using. Where the system
// has no other than 127.0.0.1, it is that one.
func Host() string {
	var random [3]byte
	rand.Read(random[:])
	// Neither 127.0.0.0/16, of which some addresses have a use, nor broadcast.
	host := netip.AddrFrom4([4]byte{127, 1 + random[0]%254, random[1], random[2]}).String()
	if _, err := free(host); err != nil {
		return "127.0.0.1"
	}
	return host
}

// Free returns an address, HOST:PORT, that nobody listens at and nobody else will.
func Free() (string, error) { return free(Host()) }

func free(host string) (string, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
