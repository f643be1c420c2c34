package childenv

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func testConfig(parent ...string) Config {
	return Config{
		Parent: parent,
		Names: []string{
			"vault.azure.net", "managedhsm.azure.net", "login.microsoftonline.com", "management.azure.com",
			"vault.localhost", "localhost",
		},
		Proxy:    &url.URL{Scheme: "http", User: url.UserPassword("okv", "cred"), Host: "127.0.0.1:4321"},
		CABundle: "/run/ca.pem", TrustStore: "/run/trust.p12", TrustStorePassword: "changeit",
		TenantID: "tenant", ClientID: "client", ClientSecret: "client-secret", ObjectID: "object", SubscriptionID: "subscription",
		IdentityEndpoint: "http://127.0.0.1:5/msi/token", IdentityHeader: "header",
		VaultURL: "https://dev.vault.azure.net",
		GOOS:     "linux",
	}
}

// printEnv is the variable that makes the test's program print its environment,
// each entry with a NUL at its end.
const printEnv = "OKV_TEST_PRINT_ENV"

func TestMain(m *testing.M) {
	if os.Getenv(printEnv) == "" {
		os.Exit(m.Run())
	}
	for _, e := range os.Environ() {
		fmt.Print(e, "\x00")
	}
}

// lookup returns all values of a name, so that a variable set twice shows.
func lookup(env []string, name string) []string {
	var values []string
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			values = append(values, v)
		}
	}
	return values
}

func TestBuildSets(t *testing.T) {
	cfg := testConfig(
		"PATH=/bin", "AZURE_TENANT_ID=real", "AZURE_CLIENT_SECRET=real", "SSL_CERT_FILE=/real.pem",
		"https_proxy=http://real:1", "IDENTITY_ENDPOINT=http://real", "AZURE_KEYVAULT_URL=https://real.vault.azure.net",
	)
	env := Build(cfg).Apply(cfg.Parent)
	const proxy = "http://okv:cred@127.0.0.1:4321"
	for name, want := range map[string]string{
		"PATH":                  "/bin",
		"HTTPS_PROXY":           proxy,
		"https_proxy":           proxy,
		"NO_PROXY":              "127.0.0.1,::1",
		"no_proxy":              "127.0.0.1,::1",
		"NODE_USE_ENV_PROXY":    "1",
		"SSL_CERT_FILE":         "/run/ca.pem",
		"REQUESTS_CA_BUNDLE":    "/run/ca.pem",
		"CURL_CA_BUNDLE":        "/run/ca.pem",
		"NODE_EXTRA_CA_CERTS":   "/run/ca.pem",
		"AZURE_TENANT_ID":       "tenant",
		"AZURE_CLIENT_ID":       "client",
		"AZURE_CLIENT_SECRET":   "client-secret",
		"AZURE_CLIENT_OID":      "object",
		"AZURE_SUBSCRIPTION_ID": "subscription",
		"IDENTITY_ENDPOINT":     "http://127.0.0.1:5/msi/token",
		"IDENTITY_HEADER":       "header",
		"AZURE_KEYVAULT_URL":    "https://dev.vault.azure.net",
		"JAVA_TOOL_OPTIONS": "-Djavax.net.ssl.trustStore=/run/trust.p12 -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit " +
			"-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4321 -Dhttp.nonProxyHosts=localhost|127.*|[::1]",
	} {
		if got := lookup(env, name); len(got) != 1 || got[0] != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		if got := lookup(env, name); got != nil {
			t.Errorf("%s = %q, but the parent has none", name, got)
		}
	}
	if want := 19; len(env) != want {
		t.Errorf("%d variables, want %d: %q", len(env), want, env)
	}
}

func TestBuildClears(t *testing.T) {
	cleared := []string{
		"AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME", "AZURE_CLOUD_NAME", "AZURE_ENVIRONMENT",
		"AZURE_TOKEN_CREDENTIALS", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_SOMETHING_NEW", "AZURE_FEDERATED_TOKEN_FILE",
		"AZURE_USERNAME", "AZURE_PASSWORD", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "AZURE_KUBERNETES_TOKEN_PROXY",
		"AZURE_IDENTITY_DISABLE_MULTITENANTAUTH", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET", "ARM_TENANT_ID", "ARM_SUBSCRIPTION_ID",
		"ARM_USE_MSI", "ARM_METADATA_HOSTNAME", "ARM_CLOUD_METADATA_URL", "ARM_OIDC_REQUEST_URL", "MSI_ENDPOINT", "MSI_SECRET",
		"MSI_ANYTHING", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "OKV_CLOUD",
	}
	kept := []string{
		"AZURE_CONFIG_DIR", "AZURE_LOG_LEVEL", "AZURE_CORE_OUTPUT", "AZURE_STORAGE_ACCOUNT", "AZURE_OPENAI_ENDPOINT",
		"AZURE_OPENAI_API_KEY", "AZURE_KEYVAULT_NAME", "AZURE_SDK_TRACING_IMPLEMENTATION", "ARM_ACCESS_KEY", "ARM_PARTNER_ID",
		"IDENTITY", "MSI", "azure_authority_host",
	}
	var parent []string
	for _, name := range slices.Concat(cleared, kept) {
		parent = append(parent, name+"=real")
	}
	c := Build(testConfig(parent...))
	env := c.Apply(parent)
	for _, name := range cleared {
		if got := lookup(env, name); got != nil {
			t.Errorf("%s = %q, want it cleared", name, got)
		}
		if !slices.Contains(c.Clear, name) {
			t.Errorf("Clear does not name %s", name)
		}
	}
	for _, name := range kept {
		if got := lookup(env, name); !slices.Equal(got, []string{"real"}) {
			t.Errorf("%s = %q, want it kept", name, got)
		}
	}
	if !slices.IsSorted(c.Clear) || len(slices.Compact(slices.Clone(c.Clear))) != len(c.Clear) {
		t.Errorf("Clear is not sorted or has duplicates: %q", c.Clear)
	}
	for _, v := range c.Set {
		if slices.Contains(c.Clear, v.Name) {
			t.Errorf("%s is both set and cleared", v.Name)
		}
	}
}

func TestBuildWithoutManagedIdentityClearsTheRealOne(t *testing.T) {
	cfg := testConfig("IDENTITY_ENDPOINT=http://real", "IDENTITY_HEADER=real")
	cfg.IdentityEndpoint, cfg.IdentityHeader = "", ""
	env := Build(cfg).Apply(cfg.Parent)
	for _, name := range []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER"} {
		if got := lookup(env, name); got != nil {
			t.Errorf("%s = %q", name, got)
		}
	}
}

func TestNamesOnWindows(t *testing.T) {
	parent := []string{
		`=C:=C:\work`, "Path=C:\\bin", "azure_authority_host=real", "Azure_Client_Certificate_Path=real", "Msi_Secret=real",
		"Https_Proxy=http://real:1", "http_proxy=http://real:1", "No_Proxy=corp.example", "ssl_cert_file=real", "junk",
	}
	cfg := testConfig(parent...)
	cfg.GOOS = "windows"
	env := Build(cfg).Apply(parent)
	seen := make(map[string]string)
	for _, e := range env {
		if name, value, ok := split(e); ok {
			if _, twice := seen[strings.ToUpper(name)]; twice {
				t.Errorf("%s is there twice", name)
			}
			seen[strings.ToUpper(name)] = value
		}
	}
	for name, want := range map[string]string{
		"PATH": `C:\bin`, "=C:": `C:\work`, "NO_PROXY": "127.0.0.1,::1,corp.example", "SSL_CERT_FILE": "/run/ca.pem",
		"HTTPS_PROXY": "http://okv:cred@127.0.0.1:4321", "HTTP_PROXY": "http://okv:cred@127.0.0.1:4321",
	} {
		if got, ok := seen[name]; !ok || got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"AZURE_AUTHORITY_HOST", "AZURE_CLIENT_CERTIFICATE_PATH", "MSI_SECRET"} {
		if got, ok := seen[name]; ok {
			t.Errorf("%s = %q, want it cleared", name, got)
		}
	}
	if !slices.Contains(env, "junk") {
		t.Error("an entry that is no variable was lost")
	}
}

func TestBuildIsPure(t *testing.T) {
	parent := []string{"A=1", "NO_PROXY=localhost,corp.example", "AZURE_TENANT_ID=real"}
	cfg := testConfig(slices.Clone(parent)...)
	first, second := Build(cfg), Build(cfg)
	if !slices.Equal(first.Set, second.Set) || !slices.Equal(first.Clear, second.Clear) {
		t.Error("two builds of one configuration differ")
	}
	first.Apply(cfg.Parent)
	if !slices.Equal(cfg.Parent, parent) {
		t.Errorf("the parent was changed: %q", cfg.Parent)
	}
	if !slices.IsSortedFunc(first.Set, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("Set is not sorted")
	}
}

func TestEnvFile(t *testing.T) {
	cfg := testConfig("MSI_NEW=real", "AZURE_CLIENT_odd-name=x")
	cfg.ClientSecret = `it's "$HOME" \ ` + "`id`\nnext"
	got := string(Build(cfg).EnvFile())
	for _, line := range []string{
		"export AZURE_TENANT_ID='tenant'\n",
		"export AZURE_CLIENT_SECRET='it'\\''s \"$HOME\" \\ `id`\nnext'\n",
		"unset AZURE_AUTHORITY_HOST\n",
		"unset MSI_NEW\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("the file lacks %q:\n%s", line, got)
		}
	}
	if strings.Contains(got, "odd-name") {
		t.Error("the file has a name that a shell does not take")
	}
}

// A shell that sources the file must have the environment that a child gets.
func TestEnvFileInAShell(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no POSIX shell belongs to it
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(printEnv+"=1", "PATH="+os.Getenv("PATH"), "AZURE_AUTHORITY_HOST=real", "MSI_SECRET=real", "NO_PROXY=localhost", "KEPT=1")
	cfg.GOOS = "" // the shell's own
	cfg.ClientSecret = `q'u"o\t$e` + "`s`\nx\t!"
	c := Build(cfg)
	path := filepath.Join(t.TempDir(), "it's an env file")
	if err := os.WriteFile(path, c.EnvFile(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `set -eu; . "$1"; exec "$2"`, "sh", path, self)
	cmd.Env = cfg.Parent
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "PWD", "OLDPWD", "SHLVL", "_": // the shell's
		default:
			got = append(got, e)
		}
	}
	want := c.Apply(cfg.Parent)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("sourced:\n%q\nwant:\n%q", got, want)
	}
}
