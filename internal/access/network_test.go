package access_test

import (
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

func TestFromAddress(t *testing.T) {
	rules := access.Network{Deny: true, Allowed: []string{"192.0.2.7", "198.51.100.0/24", "2001:db8::/32", "nonsense", "1.2.3.4/99"}}
	tests := []struct {
		name    string
		network access.Network
		address string
		inner   string
	}{
		{"no rules", access.Network{}, "203.0.113.1", ""},
		{"no rules, no address", access.Network{}, "", ""},
		{"rules that do not deny", access.Network{Allowed: []string{"192.0.2.7"}}, "203.0.113.1", ""},
		{"closed", access.Network{Closed: true, Allowed: []string{"203.0.113.1"}}, "203.0.113.1", "ForbiddenByConnection"},
		{"an address of the rules", rules, "192.0.2.7", ""},
		{"its neighbour", rules, "192.0.2.8", "ForbiddenByFirewall"},
		{"in a range", rules, "198.51.100.255", ""},
		{"beside the range", rules, "198.51.101.0", "ForbiddenByFirewall"},
		{"in a range of version 6", rules, "2001:db8::1", ""},
		{"no address", rules, "", "ForbiddenByFirewall"},
		{"what no rule is", rules, "nonsense", "ForbiddenByFirewall"},
		{"nothing allowed", access.Network{Deny: true}, "127.0.0.1", "ForbiddenByFirewall"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := vaultWith()
			v.Network = tt.network
			err := access.FromAddress(caller, v, tt.address)
			if tt.inner == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.Forbidden || f.Code != "Forbidden" || f.Inner != tt.inner {
				t.Fatalf("got %v", err)
			}
			want := "\r\nCaller: appid=" + app + ";oid=" + oid + ";iss=https://sts.windows.net/" + tenant + "/\r\nVault: V1;location=eastus"
			if !strings.HasSuffix(f.Message, want) {
				t.Errorf("message %q, want the end %q", f.Message, want)
			}
			if tt.inner == "ForbiddenByFirewall" && !strings.Contains(f.Message, "\r\nClient address: "+tt.address+"\r\n") {
				t.Errorf("message %q lacks the address", f.Message)
			}
		})
	}
}
