package devca

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTrustCommands(t *testing.T) {
	const cert, print = "/data/ca.pem", "AB12"
	onLinux := func(root bool, dirs ...string) host {
		return host{goos: "linux", home: "/home/u", root: root, exists: func(p string) bool { return slices.Contains(dirs, p) }}
	}
	for _, tc := range []struct {
		name           string
		host           host
		trust, untrust string
	}{
		{
			"macOS", host{goos: "darwin", home: "/Users/u"},
			"security add-trusted-cert -r trustRoot -p ssl -k /Users/u/Library/Keychains/login.keychain-db /data/ca.pem",
			"security remove-trusted-cert /data/ca.pem; security delete-certificate -Z AB12 /Users/u/Library/Keychains/login.keychain-db",
		},
		{
			"Windows", host{goos: "windows"},
			"certutil -user -addstore Root /data/ca.pem",
			"certutil -user -delstore Root AB12",
		},
		{
			"Debian", onLinux(true, "/usr/local/share/ca-certificates"),
			"install -m 0644 /data/ca.pem /usr/local/share/ca-certificates/okv-development.crt; update-ca-certificates --fresh",
			"rm -f /usr/local/share/ca-certificates/okv-development.crt; update-ca-certificates --fresh",
		},
		{
			"Fedora, not root", onLinux(false, "/etc/pki/ca-trust/source/anchors"),
			"sudo install -m 0644 /data/ca.pem /etc/pki/ca-trust/source/anchors/okv-development.crt; sudo update-ca-trust extract",
			"sudo rm -f /etc/pki/ca-trust/source/anchors/okv-development.crt; sudo update-ca-trust extract",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			trust, err := tc.host.trust(cert)
			if err != nil {
				t.Fatal(err)
			}
			untrust, err := tc.host.untrust(cert, print)
			if err != nil {
				t.Fatal(err)
			}
			if got := join(trust); got != tc.trust {
				t.Errorf("trust:\n got %s\nwant %s", got, tc.trust)
			}
			if got := join(untrust); got != tc.untrust {
				t.Errorf("untrust:\n got %s\nwant %s", got, tc.untrust)
			}
		})
	}
	if _, err := onLinux(true).trust(cert); err == nil {
		t.Error("trust knows what to do on a system without a directory for roots")
	}
	if _, err := onLinux(true).untrust(cert, print); err == nil {
		t.Error("untrust knows what to do on a system without a directory for roots")
	}
}

func join(c Commands) string {
	var lines []string
	for _, args := range c {
		lines = append(lines, strings.Join(args, " "))
	}
	return strings.Join(lines, "; ")
}

func TestUntrustReadsTheCertificate(t *testing.T) {
	dir := t.TempDir()
	if _, err := Untrust(filepath.Join(dir, CertFile)); err == nil {
		t.Error("Untrust of a file that does not exist")
	}
	reopen(t, dir, testNames, time.Now())
	if _, err := Untrust(filepath.Join(dir, KeyFile)); err == nil {
		t.Error("Untrust of a file that is no certificate")
	}
}

// The test's own program stands in for the system's tools.
func TestRunPrintsAndStopsAtAFailure(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	good := []string{self, "-test.run=^$"}
	bad := []string{self, "-no-such-flag"}
	var out bytes.Buffer
	if err := (Commands{good, bad, good}).Run(t.Context(), &out); err == nil {
		t.Error("Run hides a failure")
	}
	got := out.String()
	if n := strings.Count(got, "+ "+strings.Join(good, " ")+"\n"); n != 1 {
		t.Errorf("%d good commands printed, want only the one before the failure:\n%s", n, got)
	}
	if !strings.Contains(got, "+ "+strings.Join(bad, " ")+"\n") {
		t.Errorf("the command that failed was not printed:\n%s", got)
	}
	if err := (Commands{good}).Run(t.Context(), &out); err != nil {
		t.Errorf("Run = %v", err)
	}
}
