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
	"strings"
	"sync"
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

// patience bounds what a test waits for that does not come. A busy machine may take
// long for what does come.
const patience = 2 * time.Minute

// installation is a directory with a configuration, for processes of okv.
type installation struct {
	t      *testing.T
	dir    string
	caCert *x509.Certificate
	caKey  *ecdsa.PrivateKey
	made   struct{ TenantID, SubscriptionID, ClientID, ClientSecret string }
}

// newInstallation makes one with okv init; input is what is typed in.
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
