package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/egress"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// least is a file with no more than it needs.
const least = `domain = "vault.example.com"
data_dir = "data"
root_key = "file:root.key"
[tls]
certificate = "tls.crt"
key = "/etc/tls.key"
`

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse(text, "/etc/okv")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func exampleRow(t *testing.T, domain, login, management string) httpx.Row {
	t.Helper()
	row, err := httpx.DomainRow(domain, login, management)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func target(t *testing.T, text string) egress.Target {
	t.Helper()
	target, err := egress.ParseTarget(text)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	want := &Config{
		Hosts: httpx.Hosts{exampleRow(t, "vault.example.com", "", "")}, Domain: "vault.example.com",
		Listen: ":443", PublicURL: "https://login.example.com",
		DataDir: "/etc/okv/data", RootKey: "file:/etc/okv/root.key", DiskReserve: 64 << 20,
		Certificate: "/etc/okv/tls.crt", Key: "/etc/tls.key", AuditFile: "/etc/okv/data/audit.log",
		LogLevel: slog.LevelInfo, Grace: 30 * time.Second,
	}
	if got := parse(t, least); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEveryKey(t *testing.T) {
	t.Parallel()
	got := parse(t, `domain = "Vault.Corp.Example."
login_host = "id.corp.example"
management_host = "arm.corp.example"
azure_names = true
listen = "10.0.0.1:8443"
public_url = "https://ID.corp.example/"
data_dir = "/var/lib/okv"
root_key = "passphrase:../secrets/passphrase"
disk_reserve_mib = 1024
[tls]
certificate = "/tls.crt"
key = "/tls.key"
[health]
listen = "127.0.0.1:8081"
[audit]
file = "/var/log/audit.log"
[egress]
allow = ["Attest.corp.example:8443", "10.1.2.3:443"]
[log]
level = "WARN"
format = "json"
[shutdown]
grace = "1m"
delay = "5s"
`)
	want := &Config{
		Hosts:  httpx.Hosts{exampleRow(t, "vault.corp.example", "id.corp.example", "arm.corp.example"), httpx.AzureRow()},
		Domain: "vault.corp.example", Listen: "10.0.0.1:8443", PublicURL: "https://id.corp.example",
		DataDir: "/var/lib/okv", RootKey: "passphrase:/etc/secrets/passphrase", DiskReserve: 1 << 30,
		Certificate: "/tls.crt", Key: "/tls.key", Health: "127.0.0.1:8081", AuditFile: "/var/log/audit.log",
		Egress:   []egress.Target{target(t, "attest.corp.example:8443"), target(t, "10.1.2.3:443")},
		LogLevel: slog.LevelWarn, LogJSON: true, Grace: time.Minute, Delay: 5 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.Issuer() != "https://id.corp.example/{tenant}/" {
		t.Errorf("the issuer is %s", got.Issuer())
	}
	if names := strings.Join(got.Names(), " "); names != "any-vault.vault.corp.example id.corp.example arm.corp.example "+
		"any-vault.vault.azure.net login.microsoftonline.com management.azure.com graph.microsoft.com" {
		t.Errorf("names %s", names)
	}
	if ports := got.Ports(8443); !reflect.DeepEqual(ports, []int{8443}) {
		t.Errorf("ports %v", ports)
	}
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		keys, want string
		ports      []int
	}{
		{`listen = ":443"`, "https://login.example.com", []int{443}},
		{`listen = ":0443"`, "https://login.example.com", []int{443}},
		{`listen = "127.0.0.1:8443"`, "https://login.example.com:8443", []int{8443}},
		{"listen = \"[::]:8443\"\nlogin_host = \"x.org\"", "https://x.org:8443", []int{8443}},
		{"listen = \":8443\"\npublic_url = \"https://login.example.com\"", "https://login.example.com", []int{8443}},
		{"listen = \":8443\"\npublic_url = \"https://login.example.com:9443\"", "https://login.example.com:9443", []int{8443, 9443}},
		{"listen = \":0\"\npublic_url = \"https://login.example.com:443/\"", "https://login.example.com", []int{1234}},
		{"azure_names = true\npublic_url = \"https://sts.windows.net\"", "https://sts.windows.net", []int{443}},
	} {
		c := parse(t, tc.keys+"\n"+least)
		port, _ := address(c.Listen)
		if port == 0 {
			port = 1234
		}
		if c.PublicURL != tc.want || !reflect.DeepEqual(c.Ports(port), tc.ports) {
			t.Errorf("%s: %s and ports %v, want %s and %v", tc.keys, c.PublicURL, c.Ports(port), tc.want, tc.ports)
		}
	}
}

// Each message names the key, and what to do.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, old, new, want string }{
		{"a slip", `domain =`, `domian =`, "there is no key domian; the keys are domain, login_host, management_host, azure_names, listen, public_url, data_dir, root_key, disk_reserve_mib, tls, health, audit, egress, log, shutdown"},
		{"a slip in a table", `certificate =`, `cert =`, "there is no key tls.cert; the keys are tls.certificate, tls.key"},
		{"an unknown table", `[tls]`, "[https]\nport = 1\n[tls]", "there is no key https"},
		{"a table below a key", `[tls]`, "[tls.key.x]\n[tls]", "tls.key"},
		{"not TOML", `domain =`, `domain`, "line 1"},
		{"twice", `domain =`, "domain = \"a.b\"\ndomain =", "line 2"},
		{"a number for a text", `"vault.example.com"`, `443`, "domain"},

		{"no domain", `domain = "vault.example.com"`, ``, "domain is missing: give the domain below which"},
		{"a domain without parent", `"vault.example.com"`, `"vault"`, `the domain "vault" has no parent: give one like vault.example.com`},
		{"a wildcard", `"vault.example.com"`, `"*.example.com"`, "domain"},
		{"a host with a port", `domain =`, "login_host = \"login.example.com:443\"\ndomain =", `"login.example.com:443" is not a host name`},
		{"one name for all", `domain =`, "login_host = \"vault.example.com\"\ndomain =", "domain: vault.example.com is also login_host"},

		{"a port alone", `domain =`, "listen = \"443\"\ndomain =", `listen: "443": give HOST:PORT`},
		{"a port by name", `domain =`, "listen = \":https\"\ndomain =", `listen: ":https": give HOST:PORT`},
		{"port 0", `domain =`, "listen = \":0\"\ndomain =", "listen: with port 0 the port is another at each start"},
		{"plain HTTP", `domain =`, "public_url = \"http://login.example.com\"\ndomain =", "public_url: give https:// and a host, with a port if need be, such as https://login.example.com"},
		{"a path", `domain =`, "public_url = \"https://login.example.com/x\"\ndomain =", "public_url: give https://"},
		{"a tenant", `domain =`, "public_url = \"https://{tenant}.example.com\"\ndomain =", "public_url: "},
		{"another's URL", `domain =`, "public_url = \"https://sts.windows.net\"\ndomain =", "public_url: sts.windows.net is not a host of the token service: use login.example.com, or change login_host"},
		{"a vault's URL", `domain =`, "public_url = \"https://a.vault.example.com\"\ndomain =", "public_url: a.vault.example.com is not a host of the token service"},

		{"no data", `data_dir = "data"`, ``, "data_dir is missing: give a directory"},
		{"no certificate", `certificate = "tls.crt"`, ``, "tls.certificate is missing: give the file"},
		{"no private key", `key = "/etc/tls.key"`, ``, "tls.key is missing: give the file"},
		{"no root key", `root_key = "file:root.key"`, ``, "root_key is missing: give file:/path"},
		{"a path as the root key", `"file:root.key"`, `"root.key"`, `root_key: "root.key" is no kind of root key that there is: use file:PATH`},
		{"an empty path", `"file:root.key"`, `"file:"`, `root_key: "file:" has no path`},
		{"a host in the root key", `"file:root.key"`, `"file://host/root.key"`, `root_key: "file://host/root.key" is not a URI of a file`},
		{"the key beside the data", `"file:root.key"`, `"file:data/keys/root.key"`, "root_key: /etc/okv/data/keys/root.key lies in data_dir, so that each copy of the data would have its key with it: keep it elsewhere"},

		{"no health port", `[tls]`, "[health]\nlisten = \"localhost\"\n[tls]", `health.listen: "localhost": give HOST:PORT`},
		{"one listener for both", `[tls]`, "[health]\nlisten = \":443\"\n[tls]", "health.listen: :443 is the address of listen"},
		{"no reserve", `domain =`, "disk_reserve_mib = 0\ndomain =", "disk_reserve_mib: 0 is not from 64 to 1048576"},
		{"a target without port", `[tls]`, "[egress]\nallow = [\"a.example:443\", \"b.example\"]\n[tls]", `egress.allow: "b.example": give HOST:PORT`},
		{"a URL as a target", `[tls]`, "[egress]\nallow = [\"https://a.example:443\"]\n[tls]", `egress.allow: "https://a.example:443": give HOST:PORT`},
		{"a range as a target", `[tls]`, "[egress]\nallow = [\"10.0.0.0/8:443\"]\n[tls]", `egress.allow: "10.0.0.0/8:443": give HOST:PORT`},
		{"one target", `[tls]`, "[egress]\nallow = \"a.example:443\"\n[tls]", "egress.allow"},
		{"a level", `[tls]`, "[log]\nlevel = \"loud\"\n[tls]", `"loud" is none of debug, info, warn, error`},
		{"a format", `[tls]`, "[log]\nformat = \"xml\"\n[tls]", `log.format: "xml" is none of text, json`},
		{"a bare number", `[tls]`, "[shutdown]\ngrace = \"30\"\n[tls]", `"30" is not a duration such as 30s or 1m`},
		{"a negative time", `[tls]`, "[shutdown]\ndelay = \"-1s\"\n[tls]", `shutdown.delay`},
	} {
		if !strings.Contains(least, tc.old) {
			t.Fatalf("%s changes nothing", tc.name)
		}
		c, err := Parse(strings.Replace(least, tc.old, tc.new, 1), "/etc/okv")
		if err == nil || c != nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v\nwant %s", tc.name, err, tc.want)
		}
	}
}

func TestRootKeyURI(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"file:root.key": "file:/d/root.key", "file:a b%": "file:/d/a%20b%25", "file:/etc/a%20b": "file:/etc/a%20b",
		"passphrase:": "passphrase:", "passphrase:p": "passphrase:/d/p", "passphrase:/p": "passphrase:/p",
	} {
		if got, err := RootKeyURI("/d", text); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "okv.toml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("no file: %v", err)
	}
	for text, want := range map[string]string{
		least: "", "domian = 1": path + ": there is no key domian", strings.Repeat("#\n", maxFile): "is over 1048576 bytes long",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path)
		if want == "" && (err != nil || c.DataDir != filepath.Join(dir, "data")) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.20q: %+v, %v, want %q", text, c, err, want)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	n := New{Domain: "vault.corp.example", Listen: ":8443", DataDir: `C:\"data" ü`, RootKey: "file:root.key", Certificate: "a.pem", Key: "b.pem"}
	text, err := n.Text()
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, text)
	if c.Domain != n.Domain || c.Listen != n.Listen || filepath.Base(c.DataDir) != n.DataDir || c.RootKey != "file:/etc/okv/root.key" ||
		c.Certificate != "/etc/okv/a.pem" || c.Key != "/etc/okv/b.pem" || c.Health != "127.0.0.1:8081" {
		t.Errorf("%s\nis read as %+v", text, c)
	}
	// What is commented out is right, too: it shows the defaults.
	shown := text
	for _, key := range []string{"login_host", "management_host", "azure_names", "public_url", "disk_reserve_mib", "file", "allow", "level", "format", "grace", "delay"} {
		before := shown
		if shown = strings.Replace(shown, "\n#"+key+" =", "\n"+key+" =", 1); shown == before {
			t.Errorf("%s is not shown", key)
		}
	}
	want := *c
	want.AuditFile = "/var/log/okv/audit.log"
	want.PublicURL = "https://login.corp.example"
	want.Egress = []egress.Target{target(t, "attest.corp.example:8443")}
	if got := parse(t, shown); !reflect.DeepEqual(got, &want) {
		t.Errorf("with all that it shows, it is\n %+v\nwant\n %+v", got, want)
	}
	n.DataDir = "a\nb"
	if text, err := n.Text(); err == nil {
		t.Errorf("a line end in a path: %s", text)
	}
}

// The example that is deployed is the file that okv init writes, so that its
// comments are kept once.
func TestExample(t *testing.T) {
	t.Parallel()
	const path = "../../deploy/okv.toml"
	text, err := New{
		Domain: "vault.example.com", Listen: ":443", DataDir: "/var/lib/okv", RootKey: "file:/etc/okv/root.key",
		Certificate: "/etc/okv/tls.crt", Key: "/etc/okv/tls.key",
	}.Text()
	if err != nil {
		t.Fatal(err)
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != text {
		t.Errorf("%s is not what okv init writes (%v):\n%s", path, err, text)
	}
	if _, err := Load(path); err != nil {
		t.Error(err)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "okv.toml")
	if err := os.WriteFile(path+".tmp", []byte("left by an earlier one that was interrupted, and longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Create(path, "text"); err != nil {
			t.Fatal(err)
		}
	}
	if err := Create(path, "other"); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("over another file: %v", err)
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != "text" {
		t.Errorf("%q, %v", have, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}
	if err := Create(filepath.Join(dir, "gone", "okv.toml"), "text"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(least)
	f.Add("listen = ':0'\npublic_url = 'https://login.example.com:1'\n" + least)
	f.Add("azure_names = true\n" + least + "[log]\nlevel='debug'")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text, "/etc/okv")
		if err != nil {
			if c != nil {
				t.Fatal("a configuration with an error")
			}
			return
		}
		for _, path := range []string{c.DataDir, c.Certificate, c.Key, c.AuditFile} {
			if !filepath.IsAbs(path) {
				t.Fatalf("the path %q is not absolute", path)
			}
		}
		site, ok := c.Hosts.Lookup(strings.TrimPrefix(c.PublicURL, "https://"))
		if !ok || !site.Login || strings.HasSuffix(c.PublicURL, "/") || c.DiskReserve == 0 || len(c.Ports(443)) == 0 {
			t.Fatalf("%+v", c)
		}
	})
}
