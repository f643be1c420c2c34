package loopback

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
)

// What is given out can be listened at, and is loopback's.
func TestFree(t *testing.T) {
	t.Parallel()
	hosts := map[netip.Addr]bool{}
	for range 20 {
		address, err := Free()
		if err != nil {
			t.Fatal(err)
		}
		at, err := netip.ParseAddrPort(address)
		if err != nil || !at.Addr().IsLoopback() || at.Port() == 0 {
			t.Fatalf("%s, %v", address, err)
		}
		ln, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		hosts[at.Addr()] = true
	}
	if runtime.GOOS == "linux" && len(hosts) < 10 {
		t.Errorf("20 addresses are of %d hosts", len(hosts))
	}
}
