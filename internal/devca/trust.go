package devca

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Commands are programs with their arguments, to be run in order.
type Commands [][]string

// host is what the commands depend on.
type host struct {
	goos   string
	home   string
	root   bool
	exists func(path string) bool
}

func thisHost() (host, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return host{}, err
	}
	return host{
		goos: runtime.GOOS, home: home, root: os.Geteuid() == 0,
		exists: func(path string) bool { _, err := os.Stat(path); return err == nil },
	}, nil
}

// Trust returns the commands that make the operating system trust the authority
// of a certificate file that Open keeps. It changes nothing itself.
func Trust(certFile string) (Commands, error) {
	h, err := thisHost()
	if err != nil {
		return nil, err
	}
	return h.trust(certFile)
}

// Untrust returns the commands that undo those of Trust.
func Untrust(certFile string) (Commands, error) {
	h, err := thisHost()
	if err != nil {
		return nil, err
	}
	b, _, err := readSmall(certFile)
	if err != nil {
		return nil, err
	}
	cert, err := parseCert(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	// Both systems name a certificate by its SHA-1 thumbprint.
	sum := sha1.Sum(cert.Raw)
	return h.untrust(certFile, strings.ToUpper(hex.EncodeToString(sum[:])))
}

// Run prints each command to w and runs it, until one fails.
func (c Commands) Run(ctx context.Context, w io.Writer) error {
	for _, args := range c {
		if _, err := fmt.Fprintln(w, "+", strings.Join(args, " ")); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, w, w
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
	}
	return nil
}

// anchors are the directories of Linux distributions for additional roots, with
// the command that takes changes in.
var anchors = []struct {
	dir    string
	update []string
}{
	{"/usr/local/share/ca-certificates", []string{"update-ca-certificates", "--fresh"}}, // Debian, Ubuntu, Alpine
	{"/etc/pki/ca-trust/source/anchors", []string{"update-ca-trust", "extract"}},        // Fedora, RHEL
	{"/etc/ca-certificates/trust-source/anchors", []string{"trust", "extract-compat"}},  // Arch
	{"/etc/pki/trust/anchors", []string{"update-ca-certificates", "--fresh"}},           // SUSE
}

// anchorFile ends in .crt because Debian's tool takes no other.
const anchorFile = "okv-development.crt"

func (h host) trust(certFile string) (Commands, error) {
	switch h.goos {
	case "darwin":
		return Commands{{"security", "add-trusted-cert", "-r", "trustRoot", "-p", "ssl", "-k", h.keychain(), certFile}}, nil
	case "windows":
		return Commands{{"certutil", "-user", "-addstore", "Root", certFile}}, nil
	}
	dir, update, err := h.anchor()
	if err != nil {
		return nil, err
	}
	return h.asRoot(Commands{{"install", "-m", "0644", certFile, filepath.Join(dir, anchorFile)}, update}), nil
}

func (h host) untrust(certFile, thumbprint string) (Commands, error) {
	switch h.goos {
	case "darwin":
		return Commands{
			{"security", "remove-trusted-cert", certFile},
			{"security", "delete-certificate", "-Z", thumbprint, h.keychain()},
		}, nil
	case "windows":
		return Commands{{"certutil", "-user", "-delstore", "Root", thumbprint}}, nil
	}
	dir, update, err := h.anchor()
	if err != nil {
		return nil, err
	}
	return h.asRoot(Commands{{"rm", "-f", filepath.Join(dir, anchorFile)}, update}), nil
}

func (h host) keychain() string {
	return filepath.Join(h.home, "Library", "Keychains", "login.keychain-db")
}

func (h host) anchor() (dir string, update []string, err error) {
	for _, a := range anchors {
		if h.exists(a.dir) {
			return a.dir, a.update, nil
		}
	}
	return "", nil, errors.New("this system has no known directory for additional roots: add the certificate by hand")
}

func (h host) asRoot(c Commands) Commands {
	if h.root {
		return c
	}
	for i := range c {
		c[i] = append([]string{"sudo"}, c[i]...)
	}
	return c
}
