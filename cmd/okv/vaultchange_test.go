package main

import (
	"reflect"
	"slices"
	"testing"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// Of permissions that are not given nothing changes; none at all is something
// else.
func TestPermissionsOver(t *testing.T) {
	t.Parallel()
	have := &arm.Permissions{Keys: []string{"get"}, Secrets: []string{"get"}, Storage: []string{"get"}}
	var p permissionFlags
	cmd := &cobra.Command{}
	p.add(cmd)
	for name, value := range map[string]string{"secret-permissions": "SET", "certificate-permissions": "list", "storage-permissions": ""} {
		if err := cmd.Flags().Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	want := &arm.Permissions{Keys: []string{"get"}, Secrets: []string{"set"}, Certificates: []string{"list"}, Storage: []string{}}
	if got := p.over(have); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if !slices.Equal(have.Secrets, []string{"get"}) {
		t.Errorf("what was there is %+v", have)
	}
	if got := p.over(nil); got.Keys != nil || !slices.Equal(got.Secrets, []string{"set"}) {
		t.Errorf("of nothing got %+v", got)
	}
}

func TestPolicyOf(t *testing.T) {
	t.Parallel()
	vault := &arm.Vault{Properties: &arm.VaultProperties{AccessPolicies: []arm.AccessPolicyEntry{
		{ObjectID: "AB", ApplicationID: "app"}, {ObjectID: "ab"}, {ObjectID: "cd"},
	}}}
	for _, tc := range []struct {
		who  principal
		want int // index, or -1
	}{
		{principal{objectID: "Ab"}, 1},
		{principal{objectID: "ab", applicationID: "APP"}, 0},
		{principal{objectID: "CD", applicationID: "app"}, -1},
		{principal{}, -1},
	} {
		got := tc.who.policyOf(vault)
		if tc.want < 0 && got != nil || tc.want >= 0 && got != &vault.Properties.AccessPolicies[tc.want] {
			t.Errorf("%+v has %+v", tc.who, got)
		}
	}
}

func TestAddressRange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b addressRange
		want bool
	}{
		{"198.51.100.7", "198.51.100.7/32", true},
		{"198.51.100.7/24", "198.51.100.0/24", true},
		{"2001:DB8::1", "2001:db8:0::1/128", true},
		{"198.51.100.7", "198.51.100.8", false},
		{"198.51.100.0/24", "198.51.100.0/25", false},
		{"198.51.100.0", "nonsense", false},
		{"nonsense", "nonsense", true},
	} {
		if tc.a.same(tc.b) != tc.want || tc.b.same(tc.a) != tc.want {
			t.Errorf("%s and %s are the same: %v", tc.a, tc.b, !tc.want)
		}
	}
}

func TestAddressRanges(t *testing.T) {
	t.Parallel()
	var a addressRanges
	for _, text := range []string{"198.51.100.7", "2001:db8::/32"} {
		if err := a.Set(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "198.51.100", "198.51.100.7/33", "fe80::1%eth0", "example.com"} {
		if a.Set(text) == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	if a.String() != "198.51.100.7 2001:db8::/32" {
		t.Errorf("the ranges are %q", a)
	}
}

func FuzzAddressRange(f *testing.F) {
	for _, seed := range []string{"198.51.100.7", "198.51.100.7/33", "fe80::1%eth0", "::/0", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var a addressRanges
		if err := a.Set(text); err != nil {
			if len(a) != 0 {
				t.Errorf("%q is refused and kept", text)
			}
			return
		}
		p, err := a[0].prefix()
		if err != nil {
			t.Fatalf("%q is accepted: %v", text, err)
		}
		if !a[0].same(addressRange(p.String())) {
			t.Errorf("%q is not %v", text, p)
		}
	})
}

func TestPropertyFlags(t *testing.T) {
	t.Parallel()
	var p propertyFlags
	cmd := &cobra.Command{}
	p.add(cmd)
	properties := &arm.VaultProperties{}
	p.apply(properties, &arm.NetworkACLs{DefaultAction: arm.ActionDeny})
	if !reflect.DeepEqual(properties, &arm.VaultProperties{}) {
		t.Errorf("without flags there is %+v", properties)
	}
	// The rules go together: a change of one must not lose the others.
	if err := cmd.Flags().Set("bypass", "none"); err != nil {
		t.Fatal(err)
	}
	have := arm.NetworkACLs{DefaultAction: arm.ActionDeny, IPRules: []arm.IPRule{{Value: "198.51.100.7"}}}
	p.apply(properties, &have)
	want := have
	want.Bypass = arm.BypassNone
	if properties.NetworkACLs == nil || !reflect.DeepEqual(*properties.NetworkACLs, want) || have.Bypass != "" {
		t.Errorf("the rules are %+v", properties.NetworkACLs)
	}
	for name := range slices.Values(p.names()) {
		if cmd.Flags().Lookup(name) == nil {
			t.Errorf("there is no flag %s", name)
		}
	}
}

func TestNetworkOfVault(t *testing.T) {
	t.Parallel()
	enabled, disabled := "Enabled", "disabled"
	deny := &arm.NetworkACLs{DefaultAction: "deny", IPRules: []arm.IPRule{{}}, VirtualNetworkRules: []arm.VirtualNetworkRule{{}}}
	for want, p := range map[string]*arm.VaultProperties{
		"":                       {PublicNetworkAccess: &enabled, NetworkACLs: &arm.NetworkACLs{DefaultAction: "Allow", IPRules: deny.IPRules}},
		"rules only (2)":         {NetworkACLs: deny},
		"private endpoints only": {PublicNetworkAccess: &disabled, NetworkACLs: deny},
	} {
		if got := networkOfVault(p); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := networkOfVault(&arm.VaultProperties{}); got != "" {
		t.Errorf("of nothing got %q", got)
	}
}
