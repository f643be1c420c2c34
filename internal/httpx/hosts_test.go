package httpx

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// testHosts has a row of each sort. The private row's login host lies below its
// own vault suffix, and its HSM suffix below nothing that is ours.
func testHosts(t testing.TB) Hosts {
	t.Helper()
	private, err := DomainRow("Vault.Example.COM.", "login.vault.example.com", "Manage.example.com")
	if err != nil {
		t.Fatal(err)
	}
	return Hosts{AzureRow(), LocalhostRow(), private}
}

// place is what a Site says, in a form that a table can hold.
func place(s Site) string {
	var parts []string
	for _, p := range []struct {
		name string
		on   bool
	}{{"vault=" + s.Vault, s.Vault != ""}, {"hsm=" + s.HSM, s.HSM != ""}, {"login", s.Login}, {"management", s.Management}, {"directory", s.Directory}} {
		if p.on {
			parts = append(parts, p.name)
		}
	}
	return strings.Join(parts, " ")
}

func TestLookup(t *testing.T) {
	t.Parallel()
	hosts := testHosts(t)
	for _, tt := range []struct{ hostport, place, suffix string }{
		{"unit.vault.azure.net", "vault=unit", "vault.azure.net"},
		{"UNIT.Vault.Azure.Net", "vault=unit", "vault.azure.net"},
		{"unit.vault.azure.net.", "vault=unit", "vault.azure.net"},
		{"unit.vault.azure.net:443", "vault=unit", "vault.azure.net"},
		{"unit.vault.azure.net:0443", "vault=unit", "vault.azure.net"},
		{"unit.vault.azure.net:8443", "vault=unit", "vault.azure.net:8443"},
		{"unit.vault.azure.net.:8443", "vault=unit", "vault.azure.net:8443"},
		{"unit.vault.azure.net:65535", "vault=unit", "vault.azure.net:65535"},
		{"u-1.vault.azure.net", "vault=u-1", "vault.azure.net"},
		{"vault.vault.azure.net", "vault=vault", "vault.azure.net"},
		{"h.managedhsm.azure.net:1", "hsm=h", "vault.azure.net:1"},
		{"login.microsoftonline.com", "login", "vault.azure.net"},
		{"Login.Windows.Net:443", "login", "vault.azure.net"},
		{"login.microsoft.com", "login", "vault.azure.net"},
		{"sts.windows.net", "login", "vault.azure.net"},
		{"management.azure.com.", "management", "vault.azure.net"},
		{"management.core.windows.net:444", "management", "vault.azure.net:444"},

		{"graph.microsoft.com", "directory", "vault.azure.net"},
		{"Graph.Microsoft.Com:8443", "directory", "vault.azure.net:8443"},

		{"unit.vault.localhost:8443", "vault=unit", "vault.localhost:8443"},
		{"h.managedhsm.localhost", "hsm=h", "vault.localhost"},
		{"localhost:8443", "login management directory", "vault.localhost:8443"},
		{"LOCALHOST.", "login management directory", "vault.localhost"},
		{"127.0.0.1", "login management directory", "vault.localhost"},
		{"127.0.0.1:8443", "login management directory", "vault.localhost:8443"},
		{"127.255.0.9:8443", "login management directory", "vault.localhost:8443"},
		{"127.0.0.1.:8443", "login management directory", "vault.localhost:8443"},
		{"[::1]", "login management directory", "vault.localhost"},
		{"[::1]:8443", "login management directory", "vault.localhost:8443"},
		{"[0:0:0:0:0:0:0:1]:8443", "login management directory", "vault.localhost:8443"},
		{"[::FFFF:127.0.0.1]:8443", "login management directory", "vault.localhost:8443"},

		{"unit.vault.example.com", "vault=unit", "vault.example.com"},
		{"h.managedhsm.example.com", "hsm=h", "vault.example.com"},
		{"manage.example.com", "management directory", "vault.example.com"},
		// A name of a row is that row's even where it could be a vault.
		{"login.vault.example.com", "login", "vault.example.com"},
		{"login.vault.azure.net", "vault=login", "vault.azure.net"},
	} {
		s, ok := hosts.Lookup(tt.hostport)
		if !ok || place(s) != tt.place || s.VaultSuffix() != tt.suffix {
			t.Errorf("%q: %v, %q under %q, want %q under %q", tt.hostport, ok, place(s), s.VaultSuffix(), tt.place, tt.suffix)
		}
	}
}

func TestLookupRefuses(t *testing.T) {
	t.Parallel()
	hosts := testHosts(t)
	label63 := strings.Repeat("x", 63)
	if _, ok := hosts.Lookup(label63 + ".vault.azure.net"); !ok {
		t.Error("a label of 63 characters was refused")
	}
	for _, hostport := range []string{
		"", ".", ":443", "443",
		// Not in the table.
		"vault.azure.net", "managedhsm.azure.net", "azure.net", "a.b.vault.azure.net", "evilvault.azure.net", "unit.vault.azure.net.evil.com",
		"example.com", "vault.example.com", "login.example.com", "foo.localhost", "192.0.2.1", "0.0.0.0", "[2001:db8::1]", "[::]", "[fe80::1]",
		"localhost.evil.com", "management.azure.com.vault.azure.net",
		// Not hosts.
		"unit.vault.azure.net..", "unit..vault.azure.net", ".vault.azure.net", "-unit.vault.azure.net", "unit-.vault.azure.net", "un_it.vault.azure.net",
		"un it.vault.azure.net", "unit.vault.azure.net/", "unit@vault.azure.net", "user@unit.vault.azure.net", "unit%2Evault.azure.net", "ünit.vault.azure.net",
		"unit\x00.vault.azure.net", label63 + "x.vault.azure.net", strings.Repeat("x.", 130) + "vault.azure.net",
		"*.vault.azure.net",
		// Not ports.
		"unit.vault.azure.net:", "unit.vault.azure.net:0", "unit.vault.azure.net:65536", "unit.vault.azure.net:https", "unit.vault.azure.net:+443",
		"unit.vault.azure.net:-1", "unit.vault.azure.net:8443:8443", "localhost:8443x", "localhost: 8443", "[::1]:", "[::1]:x",
		// A zone is free text; brackets belong around an IPv6 address.
		"[::1%lo]", "[::1%25lo]:8443", "[fe80::1%eth0]:8443", "::1", "::1:8443", "[::1", "::1]", "[::1]x", "[[::1]]", "[]", "[]:8443",
		"[127.0.0.1]", "[127.0.0.1]:8443", "[localhost]", "[localhost]:8443", "[unit.vault.azure.net]:8443", "[localhost", "[unit.vault.azure.net",
	} {
		if s, ok := hosts.Lookup(hostport); ok {
			t.Errorf("%q was found: %q", hostport, place(s))
		}
	}
	if _, ok := (Hosts{}).Lookup("localhost"); ok {
		t.Error("an empty table has a host")
	}
}

// TestLoopbackIsForTheRowThatSaysSo keeps loopback literals out of tables that
// do not name them.
func TestLoopbackIsForTheRowThatSaysSo(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		if _, ok := (Hosts{AzureRow()}).Lookup(host); ok {
			t.Errorf("%s is in Azure's row", host)
		}
	}
}

// TestURLs renders every URL of a site, under each port that the request may
// have named.
func TestURLs(t *testing.T) {
	t.Parallel()
	hosts := testHosts(t)
	for _, tt := range []struct {
		host                           string
		login, management, vault, mhsm string // without scheme and port
		directory                      string
		aliases                        []string
	}{
		{"unit.vault.azure.net", "login.microsoftonline.com", "management.azure.com", "vault.azure.net", "managedhsm.azure.net", "graph.microsoft.com",
			[]string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}},
		{"sts.windows.net", "sts.windows.net", "management.azure.com", "vault.azure.net", "managedhsm.azure.net", "graph.microsoft.com",
			[]string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}},
		{"management.core.windows.net", "login.microsoftonline.com", "management.core.windows.net", "vault.azure.net", "managedhsm.azure.net", "graph.microsoft.com",
			[]string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}},
		{"unit.vault.localhost", "localhost", "localhost", "vault.localhost", "managedhsm.localhost", "localhost", []string{"localhost"}},
		{"LocalHost.", "localhost", "localhost", "vault.localhost", "managedhsm.localhost", "localhost", []string{"localhost"}},
		{"127.0.0.1", "127.0.0.1", "127.0.0.1", "vault.localhost", "managedhsm.localhost", "127.0.0.1", []string{"localhost", "127.0.0.1"}},
		{"[::1]", "[::1]", "[::1]", "vault.localhost", "managedhsm.localhost", "[::1]", []string{"localhost", "[::1]"}},
		{"h.managedhsm.example.com", "login.vault.example.com", "manage.example.com", "vault.example.com", "managedhsm.example.com", "manage.example.com", []string{"login.vault.example.com"}},
	} {
		for _, port := range []string{"", ":443", ":8443"} {
			s, ok := hosts.Lookup(tt.host + port)
			if !ok {
				t.Errorf("%s%s is not in the table", tt.host, port)
				continue
			}
			shown := port
			if port == ":443" {
				shown = ""
			}
			for what, urls := range map[string][2]string{
				"LoginURL":      {s.LoginURL(), "https://" + tt.login},
				"ManagementURL": {s.ManagementURL(), "https://" + tt.management},
				"DirectoryURL":  {s.DirectoryURL(), "https://" + tt.directory},
				"VaultURL":      {s.VaultURL("Other-1"), "https://other-1." + tt.vault},
				"Resource":      {s.Resource(), "https://" + tt.vault},
				"HSMResource":   {s.HSMResource(), "https://" + tt.mhsm},
				"VaultSuffix":   {s.VaultSuffix(), tt.vault},
				"HSMSuffix":     {s.HSMSuffix(), tt.mhsm},
			} {
				if urls[0] != urls[1]+shown {
					t.Errorf("%s%s: %s is %s, want %s", tt.host, port, what, urls[0], urls[1]+shown)
				}
			}
			want := slices.Clone(tt.aliases)
			for i := range want {
				want[i] += shown
			}
			if got := s.LoginAliases(); !slices.Equal(got, want) {
				t.Errorf("%s%s: LoginAliases are %q, want %q", tt.host, port, got, want)
			}
			if host := strings.Trim(strings.ToLower(tt.host), "[]."); s.Host() != host {
				t.Errorf("%s%s: Host is %q", tt.host, port, s.Host())
			}
		}
	}
}

// TestLoginAliasesAreCopies makes sure that nobody can change the table through
// an answer.
func TestLoginAliasesAreCopies(t *testing.T) {
	t.Parallel()
	hosts := testHosts(t)
	s, _ := hosts.Lookup("unit.vault.azure.net:8443")
	s.LoginAliases()[0] = "evil.example"
	if again := s.LoginAliases()[0]; again != "login.microsoftonline.com:8443" {
		t.Errorf("the alias is now %q", again)
	}
}

func TestSuffixes(t *testing.T) {
	t.Parallel()
	want := []string{
		"vault.azure.net", "managedhsm.azure.net", "login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net",
		"management.azure.com", "management.core.windows.net", "graph.microsoft.com",
		"vault.localhost", "managedhsm.localhost", "localhost",
		"vault.example.com", "managedhsm.example.com", "login.vault.example.com", "manage.example.com",
	}
	if got := testHosts(t).Suffixes(); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestDomainRow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ domain, login, management, want string }{
		{"vault.example.com", "", "", "vault.example.com managedhsm.example.com [login.example.com] [management.example.com] false"},
		{"VAULT.Example.com.", "", "M.example.org", "vault.example.com managedhsm.example.com [login.example.com] [m.example.org] false"},
		{"kv.corp", "One.Corp", "one.corp", "kv.corp managedhsm.corp [one.corp] [one.corp] false"},
		{"kv.corp", "localhost", "", "kv.corp managedhsm.corp [localhost] [management.corp] false"},
	} {
		row, err := DomainRow(tt.domain, tt.login, tt.management)
		got := fmt.Sprint(row.VaultSuffix, " ", row.HSMSuffix, " ", row.Login, " ", row.Management, " ", row.Loopback)
		if err != nil || got != tt.want {
			t.Errorf("DomainRow(%q, %q, %q) = %s, %v; want %s", tt.domain, tt.login, tt.management, got, err, tt.want)
		}
	}
	// A name has at most 253 characters.
	longest := strings.Repeat("x.", 125) + "com"
	if _, err := DomainRow(longest, longest, longest); err != nil {
		t.Errorf("%d characters: %v", len(longest), err)
	}
	for _, tt := range []struct{ domain, login, management, want string }{
		{"x" + longest, "", "", `has no parent`},
		{"vault.example.com", "x" + longest, "", `is not a host name`},
		{"", "", "", `the domain "" has no parent`},
		{"vault", "", "", `the domain "vault" has no parent: give one like vault.example.com`},
		{"vault.", "", "", `has no parent`},
		{".example.com", "", "", `has no parent`},
		{"vault..com", "", "", `has no parent`},
		{"va_ult.example.com", "", "", `has no parent`},
		{"https://vault.example.com", "", "", `has no parent`},
		{"vault.example.com:8443", "", "", `has no parent`},
		{"vault.example.com", "https://login.example.com", "", `"https://login.example.com" is not a host name`},
		{"vault.example.com", "login.example.com:8443", "", `"login.example.com:8443" is not a host name`},
		{"vault.example.com", "", "-m.example.com", `"-m.example.com" is not a host name`},
	} {
		if _, err := DomainRow(tt.domain, tt.login, tt.management); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("DomainRow(%q, %q, %q): %v, want %q", tt.domain, tt.login, tt.management, err, tt.want)
		}
	}
}

// TestFirstRowWins covers a table in which two rows have a name.
func TestFirstRowWins(t *testing.T) {
	t.Parallel()
	a := Row{VaultSuffix: "vault.a", HSMSuffix: "hsm.a", Login: []string{"x.vault.b", "both.example"}, Management: []string{"m.a"}}
	b := Row{VaultSuffix: "vault.b", HSMSuffix: "hsm.b", Login: []string{"both.example"}, Management: []string{"y.vault.a"}}
	for _, tt := range []struct{ host, place, suffix string }{
		{"x.vault.b", "login", "vault.a"}, {"y.vault.a", "management directory", "vault.b"}, {"both.example", "login", "vault.a"},
		{"z.vault.a", "vault=z", "vault.a"}, {"z.hsm.b", "hsm=z", "vault.b"},
	} {
		s, ok := (Hosts{a, b}).Lookup(tt.host)
		if !ok || place(s) != tt.place || s.VaultSuffix() != tt.suffix {
			t.Errorf("%s: %v, %q under %q, want %q under %q", tt.host, ok, place(s), s.VaultSuffix(), tt.place, tt.suffix)
		}
	}
}
