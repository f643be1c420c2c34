package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

// patience bounds what a test waits for that does not come. A busy machine may take
// long for what does come.
const patience = 2 * time.Minute

// The child of a run is this test binary, which then is the program that
// children names by this variable, with the command's arguments.
const childVariable = "OKV_DEV_TEST_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		if err := children[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var children = map[string]func(args []string) error{
	"exit": func(args []string) error {
		status, err := strconv.Atoi(args[0])
		if err == nil {
			os.Exit(status)
		}
		return err
	},
	"environment": func([]string) error { return json.NewEncoder(os.Stdout).Encode(os.Environ()) },
	"copy": func([]string) error {
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	},
	"print": func(args []string) error {
		fmt.Fprint(os.Stdout, args[0])
		fmt.Fprint(os.Stderr, args[1])
		return nil
	},
	"wait":   waitForSignal,
	"get":    get,
	"azure":  useAzure,
	"own":    ownSecret,
	"secret": printSecrets,
}

// waitForSignal says that it is ready and ends with status 7 once it is told to.
func waitForSignal([]string) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, terminate)
	fmt.Println("ready")
	<-told
	os.Exit(7)
	return nil
}

// get prints what a plain client of HTTP gets from each URL.
func get(args []string) error {
	for _, url := range args {
		resp, err := http.Get(url)
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		fmt.Println(resp.StatusCode, strings.TrimSpace(string(body)))
	}
	return nil
}

// useAzure is a program that was written for Azure: its credentials, its vault
// and its subscription are what the environment says, and it sets no option.
func useAzure(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	fromEnvironment, err := azidentity.NewEnvironmentCredential(nil)
	if err != nil {
		return err
	}
	managed, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		return err
	}
	whatever, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return err
	}
	for name, cred := range map[string]azcore.TokenCredential{"environment": fromEnvironment, "managed": managed, "default": whatever} {
		vault, err := keyvault.NewClient(os.Getenv("AZURE_KEYVAULT_URL"), cred, nil)
		if err != nil {
			return err
		}
		value := args[0] + name
		if _, err := vault.SetSecret(ctx, name, api.SecretSetParameters{Value: &value}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		got, err := vault.GetSecret(ctx, name, "")
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Println(got.ID[:strings.LastIndex(got.ID, "/")], *got.Value)
		manager, err := management.NewClient(os.Getenv("AZURE_SUBSCRIPTION_ID"), cred, nil)
		if err != nil {
			return err
		}
		found, err := manager.GetVault(ctx, ownGroup, VaultName)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Println(found.Properties.VaultURI)
	}
	return nil
}

// ownSecret tries a client secret that may be of another run.
func ownSecret(args []string) error {
	cred, err := azidentity.NewClientSecretCredential(os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID"), args[0], nil)
	if err != nil {
		return err
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	if err != nil {
		_, code, _ := strings.Cut(err.Error(), `"error_codes": [`)
		code, _, _ = strings.Cut(code, "]")
		fmt.Println("refused", strings.TrimSpace(code))
		return nil
	}
	fmt.Println("taken")
	return nil
}

// printSecrets prints the value of each [VAULT/]NAME.
func printSecrets(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cred, err := azidentity.NewEnvironmentCredential(nil)
	if err != nil {
		return err
	}
	for _, path := range args {
		vault, name, found := strings.Cut(path, "/")
		if !found {
			vault, name = VaultName, path
		}
		client, err := keyvault.NewClient("https://"+vault+".vault.azure.net", cred, nil)
		if err != nil {
			return err
		}
		got, err := client.GetSecret(ctx, name, "")
		if err != nil {
			fmt.Println(path, "error", errorCode(err))
			continue
		}
		fmt.Printf("%s %q\n", path, *got.Value)
	}
	return nil
}

func errorCode(err error) string {
	var refused *keyvault.Error
	if errors.As(err, &refused) {
		return refused.Code
	}
	return err.Error()
}

// outcome is what a run has left.
type outcome struct {
	status              int
	err                 error
	stdout, stderr, log string
}

// command has a run's child be one of children.
func command(opts *Options, child string, args ...string) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	opts.Command = append([]string{self}, args...)
	opts.Environ = append(os.Environ(), childVariable+"="+child)
}

// run runs a child in an instance of its own.
func run(t *testing.T, opts Options, child string, args ...string) outcome {
	t.Helper()
	command(&opts, child, args...)
	return runOptions(t.Context(), opts)
}

func runOptions(ctx context.Context, opts Options) outcome {
	var stdout, stderr, log logtest.Buffer
	opts.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opts.Stdout, opts.Stderr = &stdout, &stderr
	status, err := Run(ctx, opts)
	return outcome{status, err, stdout.String(), stderr.String(), log.String()}
}

// ok checks that the run and its child have succeeded.
func (o outcome) ok(t *testing.T) outcome {
	t.Helper()
	if o.status != 0 || o.err != nil {
		t.Fatalf("status %d, %v\n%s%s\n%s", o.status, o.err, o.stdout, o.stderr, o.log)
	}
	return o
}

// lacks skips a test on a machine that has not what the test needs. In CI that is
// a failure.
func lacks(t *testing.T, what string, err error) {
	t.Helper()
	skip(t, fmt.Sprintf("this machine lacks %s: %v", what, err))
}

// skip skips a test, but not in CI.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// needsBundle skips a test whose child trusts no other certificates than those
// of the system, whatever the environment says.
func needsBundle(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		skip(t, "programs in Go ignore SSL_CERT_FILE on this system")
	}
}

// TestZeroChange is what the command is for: a program that knows of nothing but
// Azure runs against the vault.
func TestZeroChange(t *testing.T) {
	t.Parallel()
	needsBundle(t)
	var opts Options
	command(&opts, "azure", "value-")
	// What the user has set to reach the real Azure leads nowhere.
	opts.Environ = append(opts.Environ, "AZURE_AUTHORITY_HOST=https://login.evil.example", "AZURE_CLIENT_ID=somebody", "AZURE_CLIENT_SECRET=else",
		"AZURE_FEDERATED_TOKEN_FILE=/nowhere", "MSI_ENDPOINT=http://127.0.0.1:1/", "MSI_SECRET=x", "NO_PROXY=.azure.net,.microsoftonline.com", "AZURE_TOKEN_CREDENTIALS=AzureCLICredential")
	o := runOptions(t.Context(), opts).ok(t)
	for _, name := range []string{"environment", "managed", "default"} {
		want := "https://dev.vault.azure.net/secrets/" + name + " value-" + name + "\n"
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no line %q in\n%s", want, o.stdout)
		}
	}
	if n := strings.Count(o.stdout, "https://dev.vault.azure.net/\n"); n != 3 {
		t.Errorf("the management plane names the vault %d times:\n%s", n, o.stdout)
	}
	for _, shown := range []string{"operation=SecretSet", "operation=VaultGet", "operation=TokenV2"} {
		if !strings.Contains(o.log, shown) {
			t.Errorf("the log lacks %s:\n%s", shown, o.log)
		}
	}
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 1, 3, 255} {
		if o := run(t, Options{}, "exit", strconv.Itoa(status)); o.status != status || o.err != nil {
			t.Errorf("a child that ends with %d: %d, %v", status, o.status, o.err)
		}
	}
	for _, tc := range []struct {
		name    string
		command []string
		status  int
		err     string
	}{
		{"not found", []string{"okv-no-such-command", "x"}, 127, "okv-no-such-command: command not found"},
		{"no such file", []string{filepath.Join(t.TempDir(), "missing")}, 127, "missing: command not found"},
	} {
		o := runOptions(t.Context(), Options{Command: tc.command})
		if o.status != tc.status || o.err == nil || !strings.HasSuffix(o.err.Error(), tc.err) {
			t.Errorf("%s: %d, %v", tc.name, o.status, o.err)
		}
	}
}

// The child's input and output are its own.
func TestChildStreams(t *testing.T) {
	t.Parallel()
	o := run(t, Options{Stdin: strings.NewReader("from outside")}, "copy").ok(t)
	if o.stdout != "from outside" || o.stderr != "" {
		t.Errorf("stdout %q, stderr %q", o.stdout, o.stderr)
	}
	o = run(t, Options{}, "print", "out", "err").ok(t)
	if o.stdout != "out" || o.stderr != "err" {
		t.Errorf("stdout %q, stderr %q", o.stdout, o.stderr)
	}
}

// readyWriter calls once something is written.
type readyWriter struct {
	logtest.Buffer
	once sync.Once
	call func()
}

func (w *readyWriter) Write(p []byte) (int, error) {
	defer w.once.Do(w.call)
	return w.Buffer.Write(p)
}

// A run that is told to end tells its child, waits for it, and ends with the
// child's status.
func TestEndOfContext(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		skip(t, "there is no request to end that a child could see")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opts := Options{Logger: slog.New(slog.DiscardHandler), Stdout: &readyWriter{call: cancel}, Stderr: io.Discard}
	command(&opts, "wait")
	if status, err := Run(ctx, opts); status != 7 || err != nil {
		t.Errorf("Run: %d, %v", status, err)
	}
	if status, err := Run(ctx, opts); err == nil {
		t.Errorf("a run that is over before it begins: %d, %v", status, err)
	}
}

// A child whose vault has failed is not left alone with it.
func TestFailureEndsTheChild(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		skip(t, "there is no request to end that a child could see")
	}
	opts := Options{Logger: slog.New(slog.DiscardHandler), Stderr: io.Discard}
	command(&opts, "wait")
	in := start(t, opts)
	broken := errors.New("the listener is gone")
	in.opts.Stdout = &readyWriter{call: func() { in.failed <- broken }}
	if status, err := in.runChild(t.Context()); status != 7 || !errors.Is(err, broken) {
		t.Errorf("runChild: %d, %v", status, err)
	}
}

// The child has the user's environment, but for what would lead elsewhere.
func TestChildEnvironment(t *testing.T) {
	t.Parallel()
	var opts Options
	command(&opts, "environment")
	opts.Environ = append(opts.Environ, "KEPT=a b", "AZURE_AUTHORITY_HOST=https://login.evil.example", "ARM_CLIENT_SECRET=x", "AZURE_KEYVAULT_NAME=kept")
	o := runOptions(t.Context(), opts).ok(t)
	var environ []string
	if err := json.Unmarshal([]byte(o.stdout), &environ); err != nil {
		t.Fatal(err)
	}
	value := getenv(environ)
	for name, want := range map[string]string{
		"KEPT": "a b", "AZURE_KEYVAULT_NAME": "kept", "AZURE_AUTHORITY_HOST": "", "ARM_CLIENT_SECRET": "",
		"AZURE_TENANT_ID": TenantID, "AZURE_CLIENT_ID": ClientID, "AZURE_CLIENT_OID": ObjectID, "AZURE_SUBSCRIPTION_ID": SubscriptionID,
		"AZURE_KEYVAULT_URL": "https://dev.vault.azure.net", "NODE_USE_ENV_PROXY": "1",
	} {
		if got := value(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if len(value("AZURE_CLIENT_SECRET")) < 26 || len(value("IDENTITY_HEADER")) != 64 || !strings.HasPrefix(value("IDENTITY_ENDPOINT"), "http://127.0.0.1:") ||
		!strings.HasPrefix(value("HTTPS_PROXY"), "http://") || value("HTTPS_PROXY") != value("https_proxy") || !filepath.IsAbs(value("SSL_CERT_FILE")) ||
		value("SSL_CERT_FILE") != value("REQUESTS_CA_BUNDLE") || !strings.Contains(value("JAVA_TOOL_OPTIONS"), "trustStore") {
		t.Errorf("environment %q", environ)
	}
	for _, hidden := range []string{value("AZURE_CLIENT_SECRET"), value("IDENTITY_HEADER"), value("HTTPS_PROXY")} {
		if strings.Contains(o.log, hidden) || strings.Contains(o.stderr, hidden) {
			t.Errorf("the log or the error output shows %s:\n%s%s", hidden, o.log, o.stderr)
		}
	}
}

// commandLine is an environment as a shell has it, for tests of the environment
// file.
func commandLine(t *testing.T, script string, args ...string) string {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		lacks(t, "a shell", err)
	}
	cmd := exec.CommandContext(t.Context(), shell, append([]string{"-c", script, "sh"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	return string(out)
}
