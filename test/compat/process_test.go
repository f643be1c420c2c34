package compat

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// process is an `okv dev` that runs beside the test and can be killed.
type process struct {
	cmd  *exec.Cmd
	env  map[string]string
	port string
}

// start runs okv on a data directory and returns once it serves.
func start(t *testing.T, dataDir string) *process {
	t.Helper()
	envFile := filepath.Join(t.TempDir(), "env")
	cmd := exec.Command(okv(t), "dev", "--strict", "--data-dir", dataDir, "--listen", "127.0.0.1:0", "--env-file", envFile)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd}
	t.Cleanup(func() { p.kill() })
	// It says where it listens once everything is ready.
	lines := bufio.NewScanner(stdout)
	for p.port == "" && lines.Scan() {
		if _, address, found := strings.Cut(lines.Text(), "https://dev.vault.localhost:"); found {
			p.port = strings.TrimSpace(address)
		}
	}
	if p.port == "" {
		t.Fatalf("okv dev ended before it served: %v", cmd.Wait())
	}
	go func() {
		for lines.Scan() { // what it says later must not fill the pipe
		}
	}()
	p.env = readEnvFile(t, envFile)
	return p
}

// kill ends the process as a power cut would, and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// readEnvFile reads lines of the form export NAME='VALUE'.
func readEnvFile(t *testing.T, path string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(content)) {
		assignment, ok := strings.CutPrefix(strings.TrimSpace(line), "export ")
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(assignment, "=")
		env[name] = strings.Trim(value, "'")
	}
	if env["AZURE_CLIENT_SECRET"] == "" {
		t.Fatalf("%s holds no client secret", path)
	}
	return env
}

// secrets returns the official client for the vault called dev, by its name on
// the listener: nothing but name resolution and the trusted authority is ours.
func (p *process) secrets(t *testing.T) *azsecrets.Client {
	t.Helper()
	pem, err := os.ReadFile(p.env["SSL_CERT_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		MaxIdleConnsPerHost: 128,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+p.port)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	options := azcore.ClientOptions{
		Transport: &http.Client{Transport: transport},
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: fmt.Sprintf("https://localhost:%s/", p.port)},
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}
	credential, err := azidentity.NewClientSecretCredential(
		p.env["AZURE_TENANT_ID"], p.env["AZURE_CLIENT_ID"], p.env["AZURE_CLIENT_SECRET"],
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	client, err := azsecrets.NewClient("https://dev.vault.localhost:"+p.port, credential, &azsecrets.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
