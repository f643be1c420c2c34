// Package childenv computes the environment in which a program believes that it
// talks to Azure.
//
// It is a pure function of its input: it reads no environment, no file and no
// clock. What it guarantees is that no variable of the parent leads the program
// to another cloud, another credential or past the proxy. It knows no server.
package childenv

import (
	"net/url"
	"runtime"
	"slices"
	"strings"
)

// Config says what the environment should lead to. All fields but Names, GOOS
// and what is said to be optional are required.
type Config struct {
	// Parent is the environment to start from, in the form of os.Environ.
	Parent []string
	// Names are the domains and hosts that the proxy answers for, in lower case.
	// No entry of NO_PROXY that covers one of them, something below it or
	// something above it is kept.
	Names []string
	// Proxy is the URL of the proxy, with its credential.
	Proxy *url.URL
	// CABundle and TrustStore are absolute paths of a PEM bundle and of a
	// PKCS#12 trust store, and TrustStorePassword opens the latter.
	CABundle, TrustStore, TrustStorePassword string

	TenantID, ClientID, ClientSecret, ObjectID, SubscriptionID string

	// IdentityEndpoint and IdentityHeader are the managed identity of App
	// Service. Optional, but only together.
	IdentityEndpoint, IdentityHeader string
	// MetadataHost is the URL of a host with the managed identity of a virtual
	// machine. Optional.
	MetadataHost string
	// VaultURL is the address of the default vault.
	VaultURL string

	// GOOS decides whether names of variables differ by case. Empty means the
	// running system.
	GOOS string
}

// Variable is one variable of an environment.
type Variable struct{ Name, Value string }

// Changes are what distinguishes the environment from its parent. Their values
// include secrets.
type Changes struct {
	// Set are the variables to set, sorted by name.
	Set []Variable
	// Clear are the names to remove, sorted: all that have a known bad effect,
	// whether the parent has them or not, and those that the parent has.
	Clear []string

	fold bool // names that differ by case alone are the same
}

// Build computes the changes.
func Build(cfg Config) Changes {
	if cfg.GOOS == "" {
		cfg.GOOS = runtime.GOOS
	}
	c := Changes{fold: cfg.GOOS == "windows"}
	parent := environment{entries: cfg.Parent, fold: c.fold}
	set := map[string]string{
		"NODE_USE_ENV_PROXY":  "1",
		"SSL_CERT_FILE":       cfg.CABundle,
		"REQUESTS_CA_BUNDLE":  cfg.CABundle,
		"CURL_CA_BUNDLE":      cfg.CABundle,
		"NODE_EXTRA_CA_CERTS": cfg.CABundle,

		"AZURE_TENANT_ID":       cfg.TenantID,
		"AZURE_CLIENT_ID":       cfg.ClientID,
		"AZURE_CLIENT_SECRET":   cfg.ClientSecret,
		"AZURE_CLIENT_OID":      cfg.ObjectID,
		"AZURE_SUBSCRIPTION_ID": cfg.SubscriptionID,
		"AZURE_KEYVAULT_URL":    cfg.VaultURL,
	}
	if cfg.IdentityEndpoint != "" {
		set["IDENTITY_ENDPOINT"] = cfg.IdentityEndpoint
		set["IDENTITY_HEADER"] = cfg.IdentityHeader
	}
	if cfg.MetadataHost != "" {
		set["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = cfg.MetadataHost
	}
	direct := noProxy(parent, cfg.Names)
	proxyVariables(set, parent, cfg.Proxy, direct)
	set["JAVA_TOOL_OPTIONS"] = javaOptions(parent.get("JAVA_TOOL_OPTIONS"), cfg, direct)
	c.Set = variables(set, c.fold)
	c.Clear = cleared(parent, set)
	return c
}

// Apply returns parent with the changes made, each variable once.
func (c Changes) Apply(parent []string) []string {
	gone := make(map[string]bool)
	for _, name := range c.Clear {
		gone[foldName(name, c.fold)] = true
	}
	for _, v := range c.Set {
		gone[foldName(v.Name, c.fold)] = true
	}
	var env []string
	for _, entry := range parent {
		if name, _, ok := split(entry); !ok || !gone[foldName(name, c.fold)] {
			env = append(env, entry)
		}
	}
	for _, v := range c.Set {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}

// EnvFile renders the changes for a POSIX shell to source. It holds secrets:
// the file it goes to should be readable by its owner alone.
func (c Changes) EnvFile() []byte {
	var b strings.Builder
	b.WriteString("# The environment of okv dev. It holds a secret. Use it with: . FILE\n")
	for _, name := range c.Clear {
		// A name that no shell can hold, which Windows allows, is not there to
		// be unset.
		if shellName(name) {
			b.WriteString("unset " + name + "\n")
		}
	}
	for _, v := range c.Set {
		b.WriteString("export " + v.Name + "=" + shellQuote(v.Value) + "\n")
	}
	return []byte(b.String())
}

// shellQuote quotes s so that a POSIX shell takes it as it is. In single quotes
// only the single quote itself means something.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func shellName(s string) bool {
	for i, c := range s {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// variables sorts set. Where case does not distinguish names, of two spellings
// the one in upper case stays.
func variables(set map[string]string, fold bool) []Variable {
	var vs []Variable
	for name, value := range set {
		if upper := strings.ToUpper(name); fold && upper != name {
			if _, twice := set[upper]; twice {
				continue
			}
		}
		vs = append(vs, Variable{name, value})
	}
	slices.SortFunc(vs, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	return vs
}

// environment looks variables up in the form of os.Environ.
type environment struct {
	entries []string
	fold    bool
}

// get returns the value of a variable, the last one if it is there twice, or "".
func (e environment) get(name string) string {
	for _, entry := range slices.Backward(e.entries) {
		if n, v, ok := split(entry); ok && foldName(n, e.fold) == foldName(name, e.fold) {
			return v
		}
	}
	return ""
}

// split separates an entry. Windows has entries for the current directories of
// drives, "=C:=C:\dir": their names begin with the sign.
func split(entry string) (name, value string, ok bool) {
	if entry == "" {
		return "", "", false
	}
	i := strings.IndexByte(entry[1:], '=')
	if i < 0 {
		return "", "", false
	}
	return entry[:i+1], entry[i+2:], true
}

func foldName(name string, fold bool) string {
	if fold {
		return strings.ToUpper(name)
	}
	return name
}
