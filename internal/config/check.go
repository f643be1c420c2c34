package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/egress"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/seal"
)

// The functions of this file take some keys of the file each. They are called in
// order.

func (c *Config) takeHosts(f *file, _ string) error {
	if f.Domain == "" {
		return missing("domain", "the domain below which each vault has its name, such as vault.example.com")
	}
	row, err := httpx.DomainRow(f.Domain, f.LoginHost, f.ManagementHost)
	if err != nil {
		return fmt.Errorf("domain, login_host, management_host: %w", err)
	}
	if row.VaultSuffix == row.Login[0] || row.VaultSuffix == row.Management[0] {
		return fmt.Errorf("domain: %s is also login_host or management_host: give those names of their own", row.VaultSuffix)
	}
	c.Domain, c.Hosts = row.VaultSuffix, httpx.Hosts{row}
	if f.AzureNames {
		c.Hosts = append(c.Hosts, httpx.AzureRow())
	}
	return nil
}

func (c *Config) takeListen(f *file, _ string) error {
	port, err := address(f.Listen)
	if err != nil {
		return fmt.Errorf("listen: %q: %w", f.Listen, err)
	}
	if port == 0 && f.PublicURL == "" {
		return fmt.Errorf("listen: with port 0 the port is another at each start, and with it the issuer of tokens: give public_url, or a port")
	}
	c.Listen = f.Listen
	return nil
}

// takePublicURL checks what becomes the issuer. It must not depend on how a
// request arrives, or tokens would be good under one name and not another.
func (c *Config) takePublicURL(f *file, _ string) error {
	if f.PublicURL == "" {
		c.PublicURL = "https://" + c.Hosts[0].Login[0]
		if port, _ := address(c.Listen); port != 443 {
			c.PublicURL += ":" + strconv.Itoa(port)
		}
		return nil
	}
	u, err := url.Parse(f.PublicURL)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") != "" || strings.Contains(u.Host, "{") {
		return fmt.Errorf("public_url: give https:// and a host, with a port if need be, such as https://%s", c.Hosts[0].Login[0])
	}
	site, ours := c.Hosts.Lookup(u.Host)
	if !ours || !site.Login {
		return fmt.Errorf("public_url: %s is not a host of the token service: use %s, or change login_host", u.Hostname(), c.Hosts[0].Login[0])
	}
	c.PublicURL = site.LoginURL()
	return nil
}

func (c *Config) takeFiles(f *file, dir string) error {
	for _, p := range []struct {
		to             *string
		key, path, use string
	}{
		{&c.DataDir, "data_dir", f.DataDir, "a directory of the server's own, such as /var/lib/okv"},
		{&c.Certificate, "tls.certificate", f.TLS.Certificate, "the file of the certificate and those that lead to its authority, in PEM"},
		{&c.Key, "tls.key", f.TLS.Key, "the file of the certificate's private key, in PEM"},
	} {
		if p.path == "" {
			return missing(p.key, p.use)
		}
		*p.to = absolute(dir, p.path)
	}
	c.AuditFile = filepath.Join(c.DataDir, "audit.log")
	if f.Audit.File != "" {
		c.AuditFile = absolute(dir, f.Audit.File)
	}
	return nil
}

// takeRootKey refuses a key that lies in the data directory: every copy of the
// data would have its key with it.
func (c *Config) takeRootKey(f *file, dir string) error {
	const use = "file:/path or passphrase:/path for a file, or passphrase: for one that is typed in"
	if f.RootKey == "" {
		return missing("root_key", use)
	}
	uri, err := RootKeyURI(dir, f.RootKey)
	if err != nil {
		return fmt.Errorf("root_key: %w", err)
	}
	if path := seal.PathOfURI(uri); path != "" && within(c.DataDir, path) {
		return fmt.Errorf("root_key: %s lies in data_dir, so that each copy of the data would have its key with it: keep it elsewhere", path)
	}
	c.RootKey = uri
	return nil
}

func (c *Config) takeHealth(f *file, _ string) error {
	if f.Health.Listen == "" {
		return nil
	}
	if _, err := address(f.Health.Listen); err != nil {
		return fmt.Errorf("health.listen: %q: %w", f.Health.Listen, err)
	}
	if f.Health.Listen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		return fmt.Errorf("health.listen: %s is the address of listen: health is served without TLS and needs one of its own", f.Health.Listen)
	}
	c.Health = f.Health.Listen
	return nil
}

func (c *Config) takeEgress(f *file, _ string) error {
	for _, text := range f.Egress.Allow {
		target, err := egress.ParseTarget(text)
		if err != nil {
			return fmt.Errorf("egress.allow: %q: %w", text, err)
		}
		c.Egress = append(c.Egress, target)
	}
	return nil
}

// With the least reserve, the eighth part that a start needs has room for a
// memtable and a segment of the log.
const (
	minReserve = 64
	maxReserve = 1 << 20
)

func (c *Config) takeRest(f *file, _ string) error {
	if f.DiskReserveMiB < minReserve || f.DiskReserveMiB > maxReserve {
		return fmt.Errorf("disk_reserve_mib: %d is not from %d to %d", f.DiskReserveMiB, minReserve, maxReserve)
	}
	c.DiskReserve = uint64(f.DiskReserveMiB) << 20
	switch f.Log.Format {
	case "text", "json":
	default:
		return fmt.Errorf("log.format: %q is none of text, json", f.Log.Format)
	}
	return nil
}

func missing(key, use string) error { return fmt.Errorf("%s is missing: give %s", key, use) }

// absolute returns the path that a file in dir means.
func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// within reports whether the path is below the directory.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func portOf(base string) int {
	u, err := url.Parse(base)
	if err != nil || u.Port() == "" {
		return 443
	}
	port, _ := strconv.Atoi(u.Port())
	return port
}
