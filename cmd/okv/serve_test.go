package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/openkeyvault/openkeyvault/api"
)

// What was acknowledged is there after a kill, after a lost root key, and after a
// clean end.
func TestServeProcess(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "file:root.key", "")
	p := in.serve("")
	p.createVault()
	p.setSecret("a", "value")
	in.fails(1, "", []string{"serve", "--config", "okv.toml"}, "opening the data directory "+in.path("data"), "in use by another process")
	in.fails(1, "", []string{"operator", "recover", "--config", "okv.toml", "--recovery-key", "recovery.key"}, "stop okv serve first")
	p.kill()

	p = in.serve("")
	p.wantSecret("a", "value")
	p.setSecret("b", "second")
	p.kill()

	if err := os.Remove(in.path("root.key")); err != nil {
		t.Fatal(err)
	}
	in.fails(1, "", []string{"serve", "--config", "okv.toml"}, "root key file "+in.path("root.key")+" does not exist", "okv operator recover makes a new one")
	if status, _, stderr := in.okv("", "operator", "recover", "--config", "okv.toml", "--recovery-key", "recovery.key"); status != 0 {
		t.Fatalf("recover: status %d: %s", status, stderr)
	}
	p = in.serve("")
	p.wantSecret("a", "value")
	p.wantSecret("b", "second")
	if runtime.GOOS == "windows" {
		return // no signals
	}
	if status := p.end(syscall.SIGTERM); status != 0 {
		t.Errorf("status %d after SIGTERM", status)
	}
	log := <-p.log
	for _, line := range []string{"serving", "shutting down", "everything is finished"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log lacks %q:\n%s", line, log)
		}
	}
	if strings.Contains(log, in.made.ClientSecret) {
		t.Errorf("the log shows the client secret:\n%s", log)
	}
}

func TestServePassphrase(t *testing.T) {
	t.Parallel()
	const right, wrong = "correct horse battery staple\n", "correct horse battery stable\n"
	in := newInstallation(t, "passphrase:", right)
	in.fails(1, wrong, []string{"serve", "--config", "okv.toml"}, "the passphrase is wrong")
	in.fails(1, "", []string{"serve", "--config", "okv.toml"}, "standard input has ended")
	p := in.serve(right)
	p.createVault()
	p.setSecret("a", "value")
	p.kill()
	p = in.serve(right)
	p.wantSecret("a", "value")
}

// The certificate is replaced without a restart and without a signal.
func TestServeCertificate(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "file:root.key", "")
	p := in.serve("")
	p.createVault()
	if got := p.serial(); got != 1 {
		t.Fatalf("certificate %d", got)
	}
	in.sign(2, time.Hour)
	p.eventually("the new certificate", func() bool { return p.serial() == 2 })
	p.setSecret("a", "value") // on the connection of before
	p.wantSecret("a", "value")
}

// serial is that of the certificate of a new connection.
func (p *process) serial() int64 {
	p.t.Helper()
	config := p.transport.TLSClientConfig.Clone()
	config.ServerName = "first.vault.okv.test"
	conn, err := (&tls.Dialer{Config: config}).DialContext(p.t.Context(), "tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// A running request keeps the process from ending, until a second signal.
func TestServeSignals(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // no signals
	}
	in := newInstallation(t, "file:root.key", "")
	p := in.serve("")
	p.createVault()
	p.setSecret("kept", "value")
	conn := p.beginRequest()
	defer conn.Close()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.awaitNotReady()
	if status := p.end(syscall.SIGINT); status != statusSignalled {
		t.Errorf("status %d after the second signal, want %d", status, statusSignalled)
	}
	p = in.serve("")
	p.wantSecret("kept", "value")

	// Moved away, the audit log is begun anew.
	if err := os.Rename(in.path("data/audit.log"), in.path("data/audit.log.1")); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.eventually("a new audit log", func() bool {
		p.wantSecret("kept", "value")
		text, err := os.ReadFile(in.path("data/audit.log"))
		return err == nil && strings.Contains(string(text), `"SecretGet"`)
	})
	before, err := os.ReadFile(in.path("data/audit.log.1"))
	if err != nil || !strings.Contains(string(before), `"ServicePrincipalSignIn"`) {
		t.Errorf("the audit log of before has no sign-in: %v\n%s", err, before)
	}
	if status := p.end(os.Interrupt); status != 0 {
		t.Errorf("status %d after SIGINT", status)
	}
}

// beginRequest sends a request whose body does not come, and returns once it is
// asked for.
func (p *process) beginRequest() net.Conn {
	p.t.Helper()
	token, err := p.credential().GetToken(p.t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.okv.test/.default"}})
	if err != nil {
		p.t.Fatal(err)
	}
	config := p.transport.TLSClientConfig.Clone()
	config.ServerName = "first.vault.okv.test"
	conn, err := (&tls.Dialer{Config: config}).DialContext(p.t.Context(), "tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = io.WriteString(conn, "PUT /secrets/never?api-version="+api.VersionLatest+" HTTP/1.1\r\nHost: first.vault.okv.test\r\nAuthorization: Bearer "+
		token.Token+"\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if err != nil {
		p.t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, " 100 ") {
		p.t.Fatalf("the body is not asked for: %q, %v", line, err)
	}
	return conn
}

func (p *process) awaitNotReady() {
	p.t.Helper()
	p.eventually("the end of readiness", func() bool {
		resp, err := http.Get("http://" + p.health + "/readyz")
		if err != nil {
			p.t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == http.StatusServiceUnavailable && string(body) == "the server is shutting down\n"
	})
}

// eventually calls reached until it reports true.
func (p *process) eventually(what string, reached func() bool) {
	p.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !reached() {
		select {
		case <-again.C:
		case <-deadline.C:
			p.kill()
			p.t.Fatalf("%s does not come:\n%s", what, <-p.log)
		}
	}
}

// The command lines of what is deployed are right.
func TestServeDeployed(t *testing.T) {
	t.Parallel()
	for file, begin := range map[string]string{
		"../../deploy/okv.service": "ExecStart=/usr/bin/okv ", "../../deploy/Containerfile": "CMD ",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for line := range strings.Lines(string(text)) {
			command, ok := strings.CutPrefix(line, begin)
			if !ok {
				continue
			}
			found = true
			command = strings.NewReplacer(`["`, "", `", "`, " ", `"]`, "").Replace(command)
			if err := parse(strings.Fields(command)); err != nil {
				t.Errorf("%s: %s: %v", file, command, err)
			}
		}
		if !found {
			t.Errorf("%s has no line that begins with %q", file, begin)
		}
	}
}
