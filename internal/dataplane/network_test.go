package dataplane

import (
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
)

// TestNetworkRules has the vault's rules decide before its permissions do, from
// the address of the connection alone.
func TestNetworkRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		change func(*catalog.Vault)
		inner  string
	}{
		"this machine allowed": {func(v *catalog.Vault) {
			v.Network = &catalog.NetworkACLs{DefaultAction: "Deny", IPRules: []string{"127.0.0.0/8"}}
		}, ""},
		"others allowed": {func(v *catalog.Vault) {
			v.Network = &catalog.NetworkACLs{DefaultAction: "Deny", Bypass: "AzureServices", IPRules: []string{"192.0.2.0/24"}}
		}, "ForbiddenByFirewall"},
		"rules that deny nobody": {func(v *catalog.Vault) {
			v.Network = &catalog.NetworkACLs{DefaultAction: "Allow", IPRules: []string{"192.0.2.0/24"}}
		}, ""},
		"public access off": {func(v *catalog.Vault) { v.PublicNetworkAccess = "Disabled" }, "ForbiddenByConnection"},
	} {
		w.vault("unit", tc.change)
		got := w.do(request{method: "GET", path: "/secrets", header: map[string]string{"X-Forwarded-For": "192.0.2.1"}})
		if tc.inner == "" {
			got.is(200)
			continue
		}
		got.is(403)
		if !strings.Contains(got.body, `"innererror":{"code":"`+tc.inner+`"}`) {
			t.Errorf("%s: %s", name, got.body)
		}
	}
}
