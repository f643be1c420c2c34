package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

// patience bounds what a test waits for that does not come.
const patience = 20 * time.Second

// installation is a directory with a configuration, for processes of okv.
type installation struct {
	t      *testing.T
	dir    string
	caCert *x509.Certificate
	caKey  *ecdsa.PrivateKey
	made   struct{ TenantID, SubscriptionID, ClientID, ClientSecret string }
}

// newInstallation makes one with okv init. extra are keys of its configuration,
// input is what is typed in.
func newInstallation(t *testing.T, rootKey, input string) *installation {
	t.Helper()
	in := &installation{t: t, dir: t.TempDir()}
	in.makeAuthority()
	in.sign(1, time.Hour)
	in.write("okv.toml", `domain = "vault.okv.test"
listen = "127.0.0.1:0"
public_url = "https://login.okv.test"
data_dir = "data"
root_key = "`+rootKey+`"
[tls]
certificate = "tls.crt"
key = "tls.key"
[health]
listen = "127.0.0.1:0"
[log]
format = "json"
`)
	status, stdout, stderr := in.okv(input, "init", "--config", "okv.toml", "--recovery-key", "recovery.key", "-o", "json")
	if status != 0 {
		t.Fatalf("init: status %d: %s", status, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &in.made); err != nil || in.made.ClientSecret == "" {
		t.Fatalf("init prints %s: %v", stdout, err)
	}
	return in
}

func (in *installation) path(name string) string { return filepath.Join(in.dir, name) }

// write replaces a file at once.
func (in *installation) write(name, text string) {
	in.t.Helper()
	if err := os.WriteFile(in.path(name+".new"), []byte(text), 0o600); err != nil {
		in.t.Fatal(err)
	}
	if err := os.Rename(in.path(name+".new"), in.path(name)); err != nil {
		in.t.Fatal(err)
	}
}

func (in *installation) makeAuthority() {
	in.t.Helper()
	var err error
	if in.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		in.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, in.caKey.Public(), in.caKey)
	if err != nil {
		in.t.Fatal(err)
	}
	if in.caCert, err = x509.ParseCertificate(der); err != nil {
		in.t.Fatal(err)
	}
}

// sign puts a certificate for the server in place.
func (in *installation) sign(serial int64, life time.Duration) {
	in.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		DNSNames: []string{"*.vault.okv.test", "login.okv.test", "management.okv.test"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, in.caCert, in.caKey.Public(), in.caKey)
	if err != nil {
		in.t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(in.caKey)
	if err != nil {
		in.t.Fatal(err)
	}
	in.write("tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	in.write("tls.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// okv runs a command to its end.
func (in *installation) okv(input string, args ...string) (status int, stdout, stderr string) {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "okv", args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = in.dir, strings.NewReader(input), &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		in.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// fails runs a command that must fail with the status and say all of texts.
func (in *installation) fails(status int, input string, args []string, texts ...string) {
	in.t.Helper()
	got, _, stderr := in.okv(input, args...)
	if got != status {
		in.t.Errorf("okv %v: status %d, want %d: %s", args, got, status, stderr)
	}
	for _, text := range texts {
		if !strings.Contains(stderr, text) {
			in.t.Errorf("okv %v lacks %q: %s", args, text, stderr)
		}
	}
}

// process is an okv serve.
type process struct {
	*installation
	cmd             *exec.Cmd
	address, health string
	log             chan string // all of it, once the process has ended
	transport       *http.Transport
}

// serve starts a process and waits until it serves.
func (in *installation) serve(input string) *process {
	in.t.Helper()
	cmd := exec.Command("okv", "serve", "--config", "okv.toml")
	cmd.Dir, cmd.Stdin = in.dir, strings.NewReader(input)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		in.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	p := &process{installation: in, cmd: cmd, log: make(chan string, 1)}
	in.t.Cleanup(func() { p.kill() })
	started := make(chan struct{})
	go p.read(stderr, sync.OnceFunc(func() { close(started) }))
	select {
	case <-started:
	case <-time.After(patience):
	}
	if p.address == "" {
		p.kill()
		in.t.Fatalf("okv serve does not start: %s", <-p.log)
	}
	roots := x509.NewCertPool()
	roots.AddCert(in.caCert)
	p.transport = p.newTransport(roots)
	return p
}

// read follows the log. It says when the address is known or the log has ended.
func (p *process) read(stderr io.Reader, started func()) {
	var all strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		var line struct{ Msg, Address, Health string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			p.address, p.health = line.Address, line.Health
			started()
		}
	}
	p.log <- all.String()
	started()
}

func (p *process) newTransport(roots *x509.CertPool) *http.Transport {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, p.address)
		},
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}
	p.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// end sends a signal to end, and returns the exit status.
func (p *process) end(signal os.Signal) int {
	p.t.Helper()
	p.transport.CloseIdleConnections()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

func (p *process) wait() int {
	p.t.Helper()
	ended := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer ended.Stop()
	log := <-p.log // before Wait, which closes the pipe
	_ = p.cmd.Wait()
	p.log <- log
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) options() azcore.ClientOptions {
	return azcore.ClientOptions{
		Transport: &http.Client{Transport: p.transport, Timeout: patience},
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: "https://login.okv.test/",
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: "https://management.okv.test", Audience: "https://management.okv.test"},
			},
		},
	}
}

func (p *process) credential() azcore.TokenCredential {
	p.t.Helper()
	cred, err := azidentity.NewClientSecretCredential(p.made.TenantID, p.made.ClientID, p.made.ClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: p.options(), DisableInstanceDiscovery: true})
	if err != nil {
		p.t.Fatal(err)
	}
	return cred
}

func (p *process) createVault() {
	p.t.Helper()
	options := &management.ClientOptions{}
	options.ClientOptions.ClientOptions = p.options()
	client, err := management.NewClient(p.made.SubscriptionID, p.credential(), options)
	if err != nil {
		p.t.Fatal(err)
	}
	location := "westeurope"
	if _, err := client.CreateOrUpdateGroup(p.t.Context(), "first", arm.ResourceGroup{Location: location}); err != nil {
		p.t.Fatal(err)
	}
	rbac := true
	_, err = client.CreateOrUpdateVault(p.t.Context(), "first", "first", arm.VaultCreateOrUpdateParameters{
		Location: location,
		Properties: &arm.VaultProperties{
			TenantID: p.made.TenantID, SKU: &arm.SKU{Family: "A", Name: arm.SKUStandard}, EnableRBACAuthorization: &rbac,
		},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) client() *keyvault.Client {
	p.t.Helper()
	client, err := keyvault.NewClient("https://first.vault.okv.test", p.credential(), &keyvault.ClientOptions{ClientOptions: p.options()})
	if err != nil {
		p.t.Fatal(err)
	}
	return client
}

func (p *process) setSecret(name, value string) {
	p.t.Helper()
	if _, err := p.client().SetSecret(p.t.Context(), name, api.SecretSetParameters{Value: &value}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) wantSecret(name, value string) {
	p.t.Helper()
	secret, err := p.client().GetSecret(p.t.Context(), name, "")
	if err != nil || secret.Value == nil || *secret.Value != value {
		p.t.Errorf("the secret %s: %+v, %v, want %q", name, secret, err, value)
	}
}

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
