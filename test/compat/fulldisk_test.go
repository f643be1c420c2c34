package compat

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

const mib = 1 << 20

// TestFullDisk runs the server on a small file system and fills that: by
// somebody else's file, and by secrets. Changes are refused before the disk is
// full, reading goes on until the audit log has no room either, everything works
// again when there is room, and whatever was acknowledged is there after a kill.
func TestFullDisk(t *testing.T) {
	disk := mountDisk(t, 256)
	s := newServer(t, disk)
	s.start()
	s.createVault()
	acknowledged := map[string]string{}
	for i := range 20 {
		name, value := fmt.Sprintf("before-%d", i), randomValue()
		if err := s.set(name, value); err != nil {
			t.Fatal(err)
		}
		acknowledged[name] = value
	}

	// Below the reserve of 64 MiB.
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast, free(t, disk)-40*mib)
	s.awaitReady(http.StatusServiceUnavailable, "the disk has less than 64 MiB of room: changes are refused")
	for i := range 200 {
		s.wantUnavailable(s.set(fmt.Sprintf("late-%d", i%10), "value"), "has no room for more")
	}
	s.verify(acknowledged)

	// Not a byte is left.
	fill(t, ballast+"2", -1)
	s.awaitRead("before-0", "The audit log cannot be written")
	s.awaitReady(http.StatusServiceUnavailable, "the audit log cannot be written: every operation is refused")
	for range 200 {
		s.wantUnavailable(s.set("late", "value"), "The audit log cannot be written")
	}
	remove(t, ballast, ballast+"2")
	s.awaitReady(http.StatusOK, "ok")
	s.verify(acknowledged)

	// It ends cleanly there, too, and says why it cannot start.
	fill(t, ballast, -1)
	s.awaitRead("before-0", "The audit log cannot be written")
	s.terminate()
	s.startFails("and the server needs 8 MiB to start: make room there")
	remove(t, ballast)
	s.start()
	if err := s.set("after", "value"); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	acknowledged["after"] = "value"
	s.verify(acknowledged)

	// The server's own records fill the disk, until it refuses.
	fill(t, ballast, free(t, disk)-120*mib)
	written := s.fillWithSecrets()
	maps.Copy(acknowledged, written)
	// The engine takes and gives back room in the background.
	if left := free(t, disk); len(written) < 100 || left > 100*mib || left < 16*mib {
		t.Errorf("%d secrets were written and %d MiB are left, want about the reserve of 64", len(written), left/mib)
	}
	s.kill()
	s.start()
	s.verify(acknowledged)
	// The restart has thrown away old segments of the log, so there is some room.
	fill(t, ballast+"2", free(t, disk)-40*mib)
	s.kill()
	s.start() // on a disk below the reserve
	s.verify(acknowledged)
	s.wantUnavailable(s.set("late", "value"), "has no room for more")
	remove(t, ballast, ballast+"2")
	s.awaitReady(http.StatusOK, "ok")
	if err := s.set("last", "value"); err != nil {
		t.Errorf("with room again: %v", err)
	}
	for i := range 10 { // what was refused has left nothing
		_, err := s.client.GetSecret(t.Context(), fmt.Sprintf("late-%d", i), "", nil)
		if refused := (*azcore.ResponseError)(nil); !errors.As(err, &refused) || refused.StatusCode != http.StatusNotFound {
			t.Errorf("a secret that was refused: %v", err)
		}
	}
	t.Logf("%d secrets were acknowledged, and all of them are there", len(acknowledged))
}

// mountDisk makes a file system of some MiB in a file.
func mountDisk(t *testing.T, size int) string {
	t.Helper()
	image, dir := filepath.Join(t.TempDir(), "disk"), filepath.Join(t.TempDir(), "mounted")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, int64(size)*mib); err != nil {
		t.Fatal(err)
	}
	// Without blocks that are kept for root: the tests may run as root.
	run(t, "mkfs.ext4", "-q", "-m", "0", image)
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Logf("no loop device, so the disk is one of memory: %v: %s", err, out)
		run(t, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", size), "okv-test", dir)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

func free(t *testing.T, dir string) int64 {
	t.Helper()
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	return int64(stat.Bavail) * stat.Frsize
}

// fill writes a file of a size, or until the disk is full if the size is
// negative.
func fill(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, mib)
	for written := int64(0); size < 0 || written < size; written += int64(len(block)) {
		if size >= 0 {
			block = block[:min(int64(len(block)), size-written)]
		}
		if _, err := f.Write(block); err != nil {
			if size < 0 && errors.Is(err, syscall.ENOSPC) {
				break
			}
			t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// randomValue does not get smaller when it is compressed.
func randomValue() string {
	b := make([]byte, 12<<10)
	rand.Read(b)
	return base64.RawStdEncoding.EncodeToString(b)
}

// server is an installation with its `okv serve`.
type server struct {
	t         *testing.T
	dir       string
	roots     *x509.CertPool
	made      struct{ TenantID, SubscriptionID, ClientID, ClientSecret string }
	cmd       *exec.Cmd
	address   string
	health    string
	transport *http.Transport
	client    *azsecrets.Client
}

const serverDomain = "vault.okv.test"

// newServer makes an installation with its data on the disk.
func newServer(t *testing.T, disk string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), roots: x509.NewCertPool()}
	s.makeCertificate()
	configuration := fmt.Sprintf(`domain = %q
listen = "127.0.0.1:0"
public_url = "https://login.okv.test"
data_dir = %q
root_key = "file:root.key"
[tls]
certificate = "tls.crt"
key = "tls.key"
[health]
listen = "127.0.0.1:0"
[log]
format = "json"
level = "info"
`, serverDomain, filepath.Join(disk, "data"))
	s.write("okv.toml", []byte(configuration))
	out := run(t, okv(t), "init", "--config", s.path("okv.toml"), "--recovery-key", s.path("recovery.key"), "-o", "json")
	if err := json.Unmarshal([]byte(out), &s.made); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return s
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) write(name string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// makeCertificate makes one that signs itself.
func (s *server) makeCertificate() {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"*." + serverDomain, "login.okv.test", "management.okv.test"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.roots.AppendCertsFromPEM(certificate)
	s.write("tls.crt", certificate)
	s.write("tls.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

// start runs okv serve and returns once it serves.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(okv(s.t), "serve", "--config", s.path("okv.toml"))
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd := s.cmd
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(stderr)
	s.address = ""
	for s.address == "" && lines.Scan() {
		var line struct{ Msg, Address, Health string }
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Msg != "serving" {
			s.t.Logf("okv serve: %s", lines.Text())
			continue
		}
		s.address, s.health = line.Address, line.Health
	}
	if s.address == "" {
		s.t.Fatalf("okv serve ended before it served: %v", s.cmd.Wait())
	}
	go func() {
		for lines.Scan() { // what it says later must not fill the pipe
		}
	}()
	s.connect()
}

func (s *server) connect() {
	s.t.Helper()
	address := s.address
	s.transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.roots}, MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	s.t.Cleanup(s.transport.CloseIdleConnections)
	options := azcore.ClientOptions{
		Transport: &http.Client{Transport: s.transport}, Retry: policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: "https://login.okv.test/"},
	}
	credential, err := azidentity.NewClientSecretCredential(s.made.TenantID, s.made.ClientID, s.made.ClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.client, err = azsecrets.NewClient("https://first."+serverDomain, credential, &azsecrets.ClientOptions{ClientOptions: options}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// terminate ends the process as a service manager does.
func (s *server) terminate() {
	s.t.Helper()
	s.transport.CloseIdleConnections()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("after SIGTERM: %v", err)
	}
}

// startFails runs okv serve, which must end by itself and say why.
func (s *server) startFails(words string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, okv(s.t), "serve", "--config", s.path("okv.toml")).CombinedOutput()
	if err == nil || ctx.Err() != nil || !strings.Contains(string(out), words) {
		s.t.Errorf("okv serve: %v, want %q:\n%s", err, words, out)
	}
}

// createVault makes a group and the vault called first.
func (s *server) createVault() {
	s.t.Helper()
	client := &http.Client{Transport: s.transport}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.made.ClientID}, "client_secret": {s.made.ClientSecret},
		"resource": {"https://management.okv.test"},
	}
	resp, err := client.PostForm("https://login.okv.test/"+s.made.TenantID+"/oauth2/token", form)
	if err != nil {
		s.t.Fatal(err)
	}
	var token struct {
		Access string `json:"access_token"`
	}
	err = json.NewDecoder(resp.Body).Decode(&token)
	if resp.Body.Close(); err != nil || token.Access == "" {
		s.t.Fatalf("no token: status %d, %v", resp.StatusCode, err)
	}
	group := "https://management.okv.test/subscriptions/" + s.made.SubscriptionID + "/resourceGroups/first"
	s.put(client, token.Access, group+"?api-version=2022-09-01", `{"location":"eastus"}`)
	s.put(client, token.Access, group+"/providers/Microsoft.KeyVault/vaults/first?api-version=2023-07-01",
		fmt.Sprintf(`{"location":"eastus","properties":{"tenantId":%q,"sku":{"family":"A","name":"standard"},"enableRbacAuthorization":true}}`, s.made.TenantID))
}

func (s *server) put(client *http.Client, token, target, body string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
		s.t.Fatalf("PUT %s: %d: %s", target, resp.StatusCode, answer)
	}
}

func (s *server) set(name, value string) error {
	_, err := s.client.SetSecret(s.t.Context(), name, azsecrets.SetSecretParameters{Value: &value}, nil)
	return err
}

// wantUnavailable wants a refusal with 503 in the service's words.
func (s *server) wantUnavailable(err error, words string) {
	s.t.Helper()
	var refused *azcore.ResponseError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusServiceUnavailable || refused.ErrorCode != "ServiceUnavailable" ||
		!strings.Contains(err.Error(), words) {
		s.t.Fatalf("%v, want a refusal with 503: %s", err, words)
	}
}

// verify wants every secret.
func (s *server) verify(want map[string]string) {
	s.t.Helper()
	verify(s.t, s.client, want)
}

// awaitRead reads a secret until that is refused.
func (s *server) awaitRead(name, words string) {
	s.t.Helper()
	s.await("the refusal of a read", func() bool {
		_, err := s.client.GetSecret(s.t.Context(), name, "", nil)
		if err != nil {
			s.wantUnavailable(err, words)
		}
		return err != nil
	})
}

func (s *server) awaitReady(status int, text string) {
	s.t.Helper()
	last := ""
	s.await(text, func() bool {
		resp, err := http.Get("http://" + s.health + "/readyz")
		if err != nil {
			s.t.Fatalf("the process has ended: %v", err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if now := fmt.Sprintf("%d %s", resp.StatusCode, body); now != last {
			s.t.Logf("readyz: %s", strings.TrimSpace(now))
			last = now
		}
		return resp.StatusCode == status && strings.TrimSpace(string(body)) == text
	})
}

func (s *server) await(what string, reached func() bool) {
	s.t.Helper()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !reached() {
		select {
		case <-again.C:
		case <-deadline.C:
			s.t.Fatalf("%s does not come", what)
		}
	}
}

// fillWithSecrets sets secrets until no more are taken, and returns those that
// were.
func (s *server) fillWithSecrets() map[string]string {
	s.t.Helper()
	const writers = 16
	var mu sync.Mutex // guards written
	written := map[string]string{}
	var wg sync.WaitGroup
	for writer := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				name, value := fmt.Sprintf("w%d-%d", writer, i), randomValue()
				err := s.set(name, value)
				var refused *azcore.ResponseError
				if errors.As(err, &refused) && refused.StatusCode == http.StatusServiceUnavailable && strings.Contains(err.Error(), "has no room for more") {
					return
				}
				if err != nil {
					s.t.Errorf("setting %s: %v", name, err)
					return
				}
				mu.Lock()
				written[name] = value
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return written
}
