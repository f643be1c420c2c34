// Package config is the configuration file of the server: its keys, what they
// default to, and what is wrong with them.
//
// It guarantees that a Config that Load returns is complete and consistent: paths
// are absolute, hosts and addresses are well-formed, and no key of the file was
// ignored. It opens no other file: whether a certificate or a root key is there
// is found out by who uses it. Secrets stand in files of their own, never here.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/egress"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// Config is a configuration file, checked and completed.
type Config struct {
	// Hosts is the host table: the private domain's row, then Azure's if the
	// file asks for it.
	Hosts httpx.Hosts
	// Domain is the suffix of vaults: "vault.example.com".
	Domain string
	// Listen is the address of the HTTPS listener.
	Listen string
	// PublicURL is the base of the token issuer, without a trailing slash.
	PublicURL string
	// DataDir is where records are kept.
	DataDir string
	// RootKey is the URI of the root key.
	RootKey string
	// DiskReserve is how many bytes are left free on the disk: with less, changes
	// are refused.
	DiskReserve uint64
	// Certificate and Key are the files of the TLS certificate's chain and of its
	// private key, in PEM.
	Certificate, Key string
	// Health is the address of the HTTP listener of /livez and /readyz; empty
	// means none.
	Health string
	// AuditFile is the audit log.
	AuditFile string
	// Egress lists the targets that requests which users ask for may go to although
	// they are not public.
	Egress []egress.Target
	// LogLevel and LogJSON are of the server's own log.
	LogLevel slog.Level
	LogJSON  bool
	// Grace is how long running requests may take to finish at the end, and Delay
	// how long requests are served as before, while the server already says that
	// it is not ready.
	Grace, Delay time.Duration
}

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Load reads a configuration file. Errors name the file, the key and what to do.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the configuration: %w; okv init makes one, with --domain and --data-dir", err)
	} else if err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("the configuration %s is over %d bytes long", path, maxFile)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	c, err := Parse(string(text), dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse is Load for the text of a file in the directory, which is absolute.
func Parse(text, dir string) (*Config, error) {
	f, err := decode(text)
	if err != nil {
		return nil, err
	}
	c := &Config{LogLevel: slog.Level(f.Log.Level), LogJSON: f.Log.Format == "json", Grace: time.Duration(f.Shutdown.Grace), Delay: time.Duration(f.Shutdown.Delay)}
	for _, take := range []func(*file, string) error{
		c.takeHosts, c.takeListen, c.takePublicURL, c.takeFiles, c.takeRootKey, c.takeHealth, c.takeEgress, c.takeRest,
	} {
		if err := take(f, dir); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Issuer returns the iss of tokens, with {tenant} for the tenant's id.
func (c *Config) Issuer() string { return c.PublicURL + "/{tenant}/" }

// Names returns a host name of each kind that the certificate must be good for.
func (c *Config) Names() []string {
	var names []string
	for _, row := range c.Hosts {
		names = append(names, "any-vault."+row.VaultSuffix)
		for _, hosts := range [][]string{row.Login, row.Management, row.Directory} {
			if len(hosts) > 0 && !slices.Contains(names, hosts[0]) {
				names = append(names, hosts[0])
			}
		}
	}
	return names
}

// Ports returns the ports that clients use, besides 443: that of the public URL
// and that of the listener, which is given because the system may have chosen it.
func (c *Config) Ports(listener int) []int {
	ports := []int{listener}
	if p := portOf(c.PublicURL); p != listener && p != 443 {
		ports = append(ports, p)
	}
	return ports
}

// address checks a HOST:PORT to listen on and returns its port.
func address(text string) (port int, err error) {
	_, p, err := net.SplitHostPort(text)
	if err == nil {
		var n uint64
		if n, err = strconv.ParseUint(p, 10, 16); err == nil {
			return int(n), nil
		}
	}
	return 0, errors.New("give HOST:PORT, or :PORT for every address of this machine")
}
