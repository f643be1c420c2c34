package httpx

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Row is one line of the host table: the names under which one set of planes
// is reached. Names are lower case, without port and without trailing dot.
type Row struct {
	// VaultSuffix is the name below which every vault has a label of its own:
	// "vault.azure.net".
	VaultSuffix string
	// HSMSuffix is the same for managed HSMs: "managedhsm.azure.net".
	HSMSuffix string
	// Login and Management are the hosts of the token service and of the
	// management plane. The first of each is its canonical name. One name may
	// be in both lists.
	Login, Management []string
	// Directory are the hosts of the directory's API (Microsoft Graph). If there
	// are none, the management hosts have it, below /v1.0.
	Directory []string
	// Loopback says that Login and Management also include the loopback
	// addresses, as literals.
	Loopback bool
}

// Hosts is the host table. It is immutable once in use.
type Hosts []Row

// AzureRow returns the row of Azure's own names.
func AzureRow() Row {
	return Row{
		VaultSuffix: "vault.azure.net",
		HSMSuffix:   "managedhsm.azure.net",
		Login:       []string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"},
		Management:  []string{"management.azure.com", "management.core.windows.net"},
		Directory:   []string{"graph.microsoft.com"},
	}
}

// LocalhostRow returns the row that reaches a development vault by name,
// without a proxy.
func LocalhostRow() Row {
	return Row{
		VaultSuffix: "vault.localhost",
		HSMSuffix:   "managedhsm.localhost",
		Login:       []string{"localhost"},
		Management:  []string{"localhost"},
		Loopback:    true,
	}
}

// DomainRow returns the row of a private domain such as "vault.example.com":
// vaults are "NAME.vault.example.com", and the token service and the management
// plane stand beside the vault domain unless login or management name others.
func DomainRow(domain, login, management string) (Row, error) {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	first, parent, found := strings.Cut(domain, ".")
	if !found || first == "" || parent == "" || !validHost(domain) {
		return Row{}, fmt.Errorf("the domain %q has no parent: give one like vault.example.com", domain)
	}
	if login == "" {
		login = "login." + parent
	}
	if management == "" {
		management = "management." + parent
	}
	for _, h := range []string{login, management} {
		if !validHost(strings.ToLower(h)) {
			return Row{}, fmt.Errorf("%q is not a host name", h)
		}
	}
	return Row{
		VaultSuffix: domain,
		HSMSuffix:   "managedhsm." + parent,
		Login:       []string{strings.ToLower(login)},
		Management:  []string{strings.ToLower(management)},
	}, nil
}

// validHost reports whether name is a lower-case DNS name.
func validHost(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// Site is the place in the host table that a request came to. All absolute
// URLs of the answer are rendered from it, so that an address is never stored.
type Site struct {
	row  *Row
	host string // as requested, lower case, without port
	port string // explicit and not 443, or empty

	// Vault is the label before the vault suffix, lower case, or empty.
	Vault string
	// HSM is the label before the HSM suffix, lower case, or empty.
	HSM string
	// Login and Management say which of these planes the host serves; both, on
	// a host that they share.
	Login, Management bool
	// Directory says that the host serves the directory's API, alone or, if it
	// serves other planes, below /v1.0.
	Directory bool
}

// Lookup finds the row of a Host header. It reports false for a host that is
// not in the table. A host that a row names is that row's, even where it lies
// below a vault suffix.
func (h Hosts) Lookup(hostport string) (Site, bool) {
	host, port, ok := splitHost(hostport)
	if !ok {
		return Site{}, false
	}
	for i := range h {
		row := &h[i]
		loopback := row.Loopback && isLoopback(host)
		s := Site{row: row, host: host, port: port}
		s.Login = loopback || slices.Contains(row.Login, host)
		s.Management = loopback || slices.Contains(row.Management, host)
		s.Directory = slices.Contains(row.Directory, host) || s.Management && len(row.Directory) == 0
		if s.Login || s.Management || s.Directory {
			return s, true
		}
	}
	for i := range h {
		s := Site{row: &h[i], host: host, port: port}
		s.Vault, _ = labelBelow(host, s.row.VaultSuffix)
		s.HSM, _ = labelBelow(host, s.row.HSMSuffix)
		if s.Vault != "" || s.HSM != "" {
			return s, true
		}
	}
	return Site{}, false
}

// LoginAliases returns the names under which the row's token service is reached,
// with the request's port; the canonical one is first.
func (s Site) LoginAliases() []string {
	names := slices.Clone(s.row.Login)
	if s.Login && !slices.Contains(names, s.host) {
		names = append(names, bracket(s.host))
	}
	for i := range names {
		names[i] += s.portSuffix()
	}
	return names
}

// Suffixes returns every domain and host of the table, in table order: what a
// development certificate authority may sign for, and what a proxy must not
// send elsewhere.
func (h Hosts) Suffixes() []string {
	var names []string
	for _, row := range h {
		names = append(names, row.VaultSuffix, row.HSMSuffix)
		names = append(names, row.Login...)
		for _, m := range append(slices.Clip(row.Management), row.Directory...) {
			if !slices.Contains(names, m) {
				names = append(names, m)
			}
		}
	}
	return names
}

// VaultURL returns the base URL of the vault called name, without a trailing
// slash.
func (s Site) VaultURL(name string) string {
	return string(s.appendURL(nil, name, s.row.VaultSuffix))
}

func (s Site) appendURL(dst []byte, name, suffix string) []byte {
	dst = append(dst, "https://"...)
	dst = append(dst, strings.ToLower(name)...)
	dst = append(dst, '.')
	dst = append(dst, suffix...)
	if s.port != "" {
		dst = append(append(dst, ':'), s.port...)
	}
	return dst
}

// HSMURL is VaultURL for managed HSMs.
func (s Site) HSMURL(name string) string {
	return string(s.appendURL(nil, name, s.row.HSMSuffix))
}

// Resource returns the token audience of the vaults of this row: what a
// challenge advertises. It carries the request's port, because the official
// clients compare it with the host and port that they called.
func (s Site) Resource() string { return "https://" + s.row.VaultSuffix + s.portSuffix() }

// HSMResource is Resource for managed HSMs.
func (s Site) HSMResource() string { return "https://" + s.row.HSMSuffix + s.portSuffix() }

// Container returns the label of the vault or managed HSM that the request is for.
func (s Site) Container() string { return s.Vault + s.HSM }

// ContainerURL returns the base URL of the vault or managed HSM that the request is
// for, without a trailing slash.
func (s Site) ContainerURL() string { return string(s.AppendContainerURL(nil)) }

// AppendContainerURL appends ContainerURL to dst.
func (s Site) AppendContainerURL(dst []byte) []byte {
	if s.HSM != "" {
		return s.appendURL(dst, s.HSM, s.row.HSMSuffix)
	}
	return s.appendURL(dst, s.Vault, s.row.VaultSuffix)
}

// ContainerResource is Resource or HSMResource, by what the request is for.
func (s Site) ContainerResource() string {
	if s.HSM != "" {
		return s.HSMResource()
	}
	return s.Resource()
}

// VaultSuffix returns the row's vault suffix with the request's port.
func (s Site) VaultSuffix() string { return s.row.VaultSuffix + s.portSuffix() }

// HSMSuffix returns the row's HSM suffix with the request's port.
func (s Site) HSMSuffix() string { return s.row.HSMSuffix + s.portSuffix() }

// LoginURL returns the base URL of the row's token service, without a trailing
// slash: under the name that the request used if it came there.
func (s Site) LoginURL() string {
	if s.Login {
		return "https://" + bracket(s.host) + s.portSuffix()
	}
	return "https://" + s.row.Login[0] + s.portSuffix()
}

// ManagementURL is LoginURL for the management plane.
func (s Site) ManagementURL() string {
	if s.Management {
		return "https://" + bracket(s.host) + s.portSuffix()
	}
	return "https://" + s.row.Management[0] + s.portSuffix()
}

// DirectoryURL is LoginURL for the directory's API. What comes below it begins
// with /v1.0.
func (s Site) DirectoryURL() string {
	switch {
	case s.Directory:
		return "https://" + bracket(s.host) + s.portSuffix()
	case len(s.row.Directory) == 0:
		return s.ManagementURL()
	}
	return "https://" + s.row.Directory[0] + s.portSuffix()
}

// Host returns the host that the request named, lower case, without port.
func (s Site) Host() string { return s.host }

func (s Site) portSuffix() string {
	if s.port == "" {
		return ""
	}
	return ":" + s.port
}

// cutPort is net.SplitHostPort.
func cutPort(hostport string) (host, port string, found bool) {
	if !strings.Contains(hostport, ":") {
		return "", "", false
	}
	host, port, err := net.SplitHostPort(hostport)
	return host, port, err == nil
}

// address returns the address that a host is the text of, if it is.
func address(host string) (_ netip.Addr, ok bool) {
	last := host[max(0, len(host)-1):]
	if !strings.Contains(host, ":") && (last < "0" || last > "9") {
		return netip.Addr{}, false // as most hosts, which are names
	}
	addr, err := netip.ParseAddr(host)
	return addr, err == nil
}

// splitHost separates a Host header into lower-case host and port. Port 443
// is dropped: it is the default of every URL that is rendered. Brackets stand
// around an IPv6 address and around nothing else (RFC 3986, section 3.2.2).
func splitHost(hostport string) (host, port string, ok bool) {
	host = hostport
	bracketed := strings.HasPrefix(hostport, "[")
	// The common form, a name without a port, is no error that is worth its text.
	if h, p, found := cutPort(hostport); found {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return "", "", false
		}
		host = h
		if n != 443 {
			port = strings.TrimLeft(p, "0")
		}
	} else if bracketed {
		var closed bool
		if host, closed = strings.CutSuffix(host[1:], "]"); !closed {
			return "", "", false
		}
	}
	host = strings.ToLower(host)
	if addr, ok := address(host); ok {
		// A zone is free text and would be rendered into URLs.
		return host, port, addr.Zone() == "" && addr.Is6() == bracketed
	}
	host = strings.TrimSuffix(host, ".")
	return host, port, !bracketed && validHost(host)
}

// labelBelow returns the single label that stands before suffix in host.
func labelBelow(host, suffix string) (string, bool) {
	label, found := strings.CutSuffix(host, suffix)
	if found {
		label, found = strings.CutSuffix(label, ".")
	}
	if !found || label == "" || strings.Contains(label, ".") {
		return "", false
	}
	return label, true
}

func isLoopback(host string) bool {
	addr, ok := address(host)
	return ok && addr.IsLoopback()
}

func bracket(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
