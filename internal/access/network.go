package access

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Network is what a vault's network rules let through. The zero value is
// everything.
type Network struct {
	// Closed says that public network access is off. There are no private
	// endpoints here, so nobody comes in then.
	Closed bool
	// Deny says that only addresses in Allowed come in. Each is an address or a
	// range: "192.0.2.7", "192.0.2.0/24".
	Deny    bool
	Allowed []string
}

// FromAddress decides whether c may come to v from an IP address, in its text form
// without zone. It returns nil, or a *fault.Error of kind Forbidden in Azure's
// words. Where there are rules, what is no address is refused.
func FromAddress(c Caller, v Vault, address string) error {
	switch {
	case v.Network.Closed:
		return closedNetwork(c, v)
	case v.Network.Deny && !v.Network.allows(address):
		return firewalled(c, v, address)
	}
	return nil
}

func (n Network) allows(address string) bool {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(n.Allowed, func(rule string) bool {
		if strings.Contains(rule, "/") {
			prefix, err := netip.ParsePrefix(rule)
			return err == nil && prefix.Contains(addr)
		}
		allowed, err := netip.ParseAddr(rule)
		return err == nil && allowed == addr
	})
}

func firewalled(c Caller, v Vault, address string) error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Client address is not authorized and caller is not a trusted service.\r\nClient address: %s\r\nCaller: %s\r\nVault: %s;location=%s",
		address, callerText(c), v.Name, v.Location).WithInner("ForbiddenByFirewall")
}

func closedNetwork(c Caller, v Vault) error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\nCaller: %s\r\nVault: %s;location=%s",
		callerText(c), v.Name, v.Location).WithInner("ForbiddenByConnection")
}

func callerText(c Caller) string {
	return "appid=" + c.AppID + ";oid=" + c.ObjectID + ";iss=" + c.Issuer
}
