package dev

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/internal/loopback"
	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

// running is an instance that a test uses from the outside.
type running struct {
	*instance
	transports []*http.Transport
}

// stop ends the instance as Run does.
func (in *running) stop() {
	for _, transport := range in.transports {
		// A connection of h2 that its client keeps holds the end up for a second.
		transport.CloseIdleConnections()
	}
	in.close()
	in.closers = nil
}

// start starts an instance without a child, which is stopped at the end of the
// test, at the latest.
func start(t *testing.T, opts Options) *running {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if err := opts.check(); err != nil {
		t.Fatal(err)
	}
	in := &running{instance: &instance{opts: opts, failed: make(chan error, 4)}}
	t.Cleanup(in.stop)
	if err := in.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return in
}

// client is what a program in the instance's environment makes by default.
func (in *running) client(t *testing.T) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(in.ca.Certificate())
	transport := &http.Transport{Proxy: http.ProxyURL(in.proxy), TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	in.transports = append(in.transports, transport)
	return &http.Client{Transport: transport, Timeout: patience}
}

func (in *running) options(t *testing.T) policy.ClientOptions {
	return policy.ClientOptions{Transport: in.client(t), Retry: policy.RetryOptions{MaxRetries: -1}}
}

func (in *running) credential(t *testing.T, tenant, client, secret string) azcore.TokenCredential {
	t.Helper()
	cred, err := azidentity.NewClientSecretCredential(tenant, client, secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: in.options(t)})
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

func (in *running) owner(t *testing.T) azcore.TokenCredential {
	return in.credential(t, TenantID, ClientID, string(in.secret.Reveal()))
}

// vault returns a client of a vault under Azure's name.
func (in *running) vault(t *testing.T, name string, cred azcore.TokenCredential) *keyvault.Client {
	t.Helper()
	client, err := keyvault.NewClient("https://"+name+".vault.azure.net", cred, &keyvault.ClientOptions{ClientOptions: in.options(t)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (in *running) hsm(t *testing.T, name string, cred azcore.TokenCredential) *keyvault.Client {
	t.Helper()
	client, err := keyvault.NewClient("https://"+name+".managedhsm.azure.net", cred, &keyvault.ClientOptions{ClientOptions: in.options(t)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (in *running) manager(t *testing.T, cred azcore.TokenCredential) *management.Client {
	t.Helper()
	options := &management.ClientOptions{}
	options.ClientOptions.ClientOptions = in.options(t)
	client, err := management.NewClient(SubscriptionID, cred, options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func set(t *testing.T, vault *keyvault.Client, name, value string) error {
	t.Helper()
	_, err := vault.SetSecret(t.Context(), name, api.SecretSetParameters{Value: &value})
	return err
}

// refusedWith checks the status and a part of the text of an error of either
// client library.
func refusedWith(t *testing.T, what string, err error, status int, text string) {
	t.Helper()
	got := 0
	var azure *azcore.ResponseError
	if errors.As(err, &azure) {
		got = azure.StatusCode
	}
	if failed := new(azidentity.AuthenticationFailedError); errors.As(err, &failed) && failed.RawResponse != nil {
		got = failed.RawResponse.StatusCode
	}
	if err == nil || got != status || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: status %d, %v\nwant %d and %q", what, got, err, status, text)
	}
}

// What is printed without a child says where everything is, and no secret.
func TestDescribe(t *testing.T) {
	t.Parallel()
	for _, opts := range []Options{
		{Vaults: []string{"Orders"}},
		{Strict: true},
		{EnvFile: filepath.Join(t.TempDir(), "env"), DataDir: t.TempDir(), Secrets: []string{"name=hunter2-hunter2"}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var log logtest.Buffer
		printed := &readyWriter{}
		secret := ""
		printed.call = func() {
			if opts.EnvFile != "" {
				content, _ := os.ReadFile(opts.EnvFile)
				_, rest, _ := strings.Cut(string(content), "AZURE_CLIENT_SECRET='")
				secret, _, _ = strings.Cut(rest, "'")
			}
			cancel()
		}
		opts.Listen, opts.Stdout, opts.Stderr = "127.0.0.1:0", printed, io.Discard
		opts.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		if status, err := Run(ctx, opts); status != 0 || err != nil {
			t.Errorf("Run: %d, %v", status, err)
		}
		text := printed.String()
		port := regexp.MustCompile(`dev\.vault\.localhost:(\d+)\n`).FindStringSubmatch(text)
		if port == nil {
			t.Fatalf("no address in\n%s", text)
		}
		want := "vault          https://dev.vault.localhost:" + port[1] + "\n"
		if opts.Vaults != nil {
			want += "vault          https://orders.vault.localhost:" + port[1] + "\n"
		}
		want += "management     https://localhost:" + port[1] + "\n" +
			"tokens         https://localhost:" + port[1] + "/" + TenantID + "\n" +
			"tenant         " + TenantID + "\nsubscription   " + SubscriptionID + "\nclient id      " + ClientID + "\n"
		bundle := regexp.MustCompile(`CA bundle      (.*ca-bundle\.pem)\n`).FindStringSubmatch(text)
		if bundle == nil || !filepath.IsAbs(bundle[1]) {
			t.Fatalf("no bundle in\n%s", text)
		}
		want += bundle[0]
		switch {
		case opts.EnvFile != "":
			want += "environment    . " + opts.EnvFile + "\ndata           " + opts.DataDir + "\n"
		case opts.Strict:
			want += "client secret  write it to a file with --env-file FILE\ndata           in memory, gone at the end\n"
		default:
			want += "environment    write it with --env-file FILE, or run a program with okv dev -- COMMAND\ndata           in memory, gone at the end\n"
		}
		if text != want+"Stop with Ctrl-C.\n" {
			t.Errorf("printed\n%s\nwant\n%s", text, want)
		}
		if opts.EnvFile != "" && len(secret) < 26 {
			t.Fatal("the client secret was not found, so that this test would see nothing")
		}
		for _, hidden := range []string{secret, "hunter2-hunter2"} {
			if hidden != "" && strings.Contains(text+log.String(), hidden) {
				t.Errorf("%q is shown:\n%s\n%s", hidden, text, &log)
			}
		}
	}
}

// Many instances run side by side, know nothing of each other, and leave nothing
// behind.
func TestSideBySide(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("TMP", temporary)
	const many = 4
	instances := make([]*running, many)
	for i := range instances {
		// Where nobody else listens, once it is stopped.
		host := loopback.Host()
		instances[i] = start(t, Options{Listen: host + ":0", inner: host, Secrets: []string{"whose=" + string(rune('a'+i))}})
	}
	if entries, err := os.ReadDir(temporary); err != nil || len(entries) != many {
		t.Fatalf("%d temporary directories, %v, so that this test would see nothing", len(entries), err)
	}
	for i, in := range instances {
		got, err := in.vault(t, VaultName, in.owner(t)).GetSecret(t.Context(), "whose", "")
		if err != nil || got.Value == nil || *got.Value != string(rune('a'+i)) {
			t.Errorf("instance %d: %+v, %v", i, got, err)
		}
		// What another one has issued is worth nothing here.
		next := instances[(i+1)%many]
		_, err = in.vault(t, VaultName, in.credential(t, TenantID, ClientID, string(next.secret.Reveal()))).GetSecret(t.Context(), "whose", "")
		refusedWith(t, "another instance's secret", err, 401, "AADSTS7000215")
	}
	for _, in := range instances {
		address := in.listener.Addr().String()
		in.stop()
		for _, a := range []string{address, in.proxy.Host, hostOf(t, in.identityEndpoint)} {
			if conn, err := net.Dial("tcp", a); err == nil {
				conn.Close()
				t.Errorf("%s is still served", a)
			}
		}
	}
	o := run(t, Options{}, "exit", "3")
	if o.status != 3 || o.err != nil {
		t.Errorf("Run: %d, %v", o.status, o.err)
	}
	if o := runOptions(t.Context(), Options{Listen: "127.0.0.1:0", Secrets: []string{"bad"}}); o.err == nil {
		t.Error("a bad option is taken")
	}
	entries, err := os.ReadDir(temporary)
	if err != nil || len(entries) != 0 {
		t.Errorf("%v are left in the temporary directory, %v", entries, err)
	}
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
