package childenv

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestNoProxy(t *testing.T) {
	names := testConfig().Names
	for _, tc := range []struct{ user, want string }{
		{"", ""},
		// Nothing of ours: kept as they are.
		{"corp.example", "corp.example"},
		{".corp.example,*.lan, db:5432 ", ".corp.example,*.lan,db:5432"},
		{"10.0.0.0/8,192.168.1.1,fd00::/8,[fe80::1],10.1.2.3:80", "10.0.0.0/8,192.168.1.1,fd00::/8,[fe80::1],10.1.2.3:80"},
		{"storage.azure.net blob.core.windows.net", "storage.azure.net,blob.core.windows.net"},
		{"a.example,a.example,127.0.0.1", "a.example"},
		{"Corp.Example", "Corp.Example"},
		// Whatever covers one of ours, or is covered.
		{"*", ""},
		{"localhost", ""},
		{"LOCALHOST", ""},
		{"azure.net,.azure.net,*.azure.net", ""},
		{"vault.azure.net,vault.azure.net:443,.vault.azure.net.", ""},
		{"my.vault.azure.net,dev.vault.localhost:8443", ""},
		{"net,.com,com:443", ""},
		{"microsoftonline.com", ""},
		// Suffixes without regard to labels, as some clients compare.
		{"ure.net,t,host", ""},
		// The end of a port, and what nobody can tell.
		{"443,:443,8443", ""},
		{"<local>,10.*,*vault*,foo*bar,.,*., exämple.org,a:b:c", ""},
	} {
		for _, variable := range []string{"NO_PROXY", "no_proxy"} {
			got := noProxy(environment{entries: []string{variable + "=" + tc.user}}, names)
			want := []string{"127.0.0.1", "::1"}
			if tc.want != "" {
				want = append(want, strings.Split(tc.want, ",")...)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s=%s: %q, want %q", variable, tc.user, got, want)
			}
		}
	}
}

func TestProxyForPlainHTTP(t *testing.T) {
	const ours = "http://okv:cred@127.0.0.1:4321"
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		for _, parent := range [][]string{nil, {name + "="}, {name + "=http://user:1"}} {
			cfg := testConfig(parent...)
			env := Build(cfg).Apply(parent)
			want := []string(nil)
			switch {
			case len(parent) == 0:
			case parent[0] == name+"=":
				want = []string{""}
			default:
				want = []string{ours}
			}
			if got := lookup(env, name); !slices.Equal(got, want) {
				t.Errorf("parent %q: %s = %q, want %q", parent, name, got, want)
			}
		}
	}
}

func TestJavaToolOptions(t *testing.T) {
	cfg := testConfig()
	for _, tc := range []struct{ name, parent, store, noProxy, prefix, contains string }{
		{name: "appended", parent: "-Xmx1g", store: "/t.p12", prefix: "-Xmx1g -Djavax.net.ssl.trustStore=/t.p12 ", contains: ""},
		{name: "blanks", parent: "", store: "/a b/t.p12", prefix: `"-Djavax.net.ssl.trustStore=/a b/t.p12" `},
		{name: "a single quote", parent: "", store: "/it's/t.p12", prefix: `"-Djavax.net.ssl.trustStore=/it's/t.p12" `},
		{name: "both quotes", parent: "", store: `/i't"s/t.p12`, prefix: `'-Djavax.net.ssl.trustStore=/i'"'"'t"s/t.p12' `},
		{name: "hosts", store: "/t", noProxy: "corp.example,.lan,*.x.example:80,10.0.0.0/8,192.168.0.1,fd00::1,localhost,azure.net",
			contains: "-Dhttp.nonProxyHosts=localhost|127.*|[::1]|corp.example|*.corp.example|*.lan|*.x.example|192.168.0.1|[fd00::1]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := cfg
			cfg.TrustStore = tc.store
			cfg.Parent = []string{"JAVA_TOOL_OPTIONS=" + tc.parent, "NO_PROXY=" + tc.noProxy}
			got := lookup(Build(cfg).Apply(cfg.Parent), "JAVA_TOOL_OPTIONS")
			if len(got) != 1 || !strings.HasPrefix(got[0], tc.prefix) {
				t.Fatalf("JAVA_TOOL_OPTIONS = %q, want prefix %q", got, tc.prefix)
			}
			if tc.contains != "" && !strings.HasSuffix(got[0], tc.contains) {
				t.Errorf("JAVA_TOOL_OPTIONS = %q, want suffix %q", got, tc.contains)
			}
			// The JVM prints the variable at every start.
			if strings.Contains(got[0], "cred") || strings.Contains(got[0], cfg.ClientSecret) {
				t.Errorf("JAVA_TOOL_OPTIONS shows a credential: %s", got[0])
			}
		})
	}
}

// covers is the most generous reading of an entry that a client has: the end of
// "host" or "host:port", and everything for a star.
func covers(entry, host string) bool {
	e := strings.TrimLeft(strings.ToLower(entry), "*.")
	return e == "" || strings.HasSuffix(host, e) || strings.HasSuffix(host+":443", e) || strings.HasSuffix(host+":8443", e)
}

func FuzzNoProxy(f *testing.F) {
	for _, s := range []string{"", "*", "localhost", "a,b c\td", ".azure.net", "*.net:443", "::1,[::1]:80", "10.0.0.0/8", "43", "vault.azure.net.", "t.:443", "\x00,ÿ"} {
		f.Add(s)
	}
	names := testConfig().Names
	f.Fuzz(func(t *testing.T, user string) {
		got := noProxy(environment{entries: []string{"NO_PROXY=" + user}}, names)
		if len(got) < 2 || got[0] != "127.0.0.1" || got[1] != "::1" {
			t.Fatalf("%q: loopback is missing: %q", user, got)
		}
		for _, entry := range got[2:] {
			if entry == "" || strings.ContainsAny(entry, ", \t\r\n") || !strings.Contains(user, entry) {
				t.Errorf("%q: made up the entry %q", user, entry)
			}
			// An entry that is an address cannot cover a name.
			if _, err := netip.ParsePrefix(entry); err == nil {
				continue
			}
			for _, n := range names {
				for _, host := range []string{n, "dev." + n} {
					if !isAddress(entry) && covers(entry, host) {
						t.Errorf("%q: the entry %q, which covers %s, was kept", user, entry, host)
					}
				}
			}
		}
	})
}
