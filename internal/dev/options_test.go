package dev

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/logtest"
)

func TestVaultsAndSecrets(t *testing.T) {
	t.Parallel()
	needsBundle(t)
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("from a file\nof two lines\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := run(t, Options{
		Vaults:  []string{"orders", "Billing", "dev"},
		Secrets: []string{"plain=v", "equals=a=b=", "empty=", "orders/password=hunter2", "file=@" + file, "BILLING/File=@" + file, "at-sign=x@y"},
	}, "secret", "plain", "equals", "empty", "orders/password", "file", "billing/file", "at-sign", "orders/plain").ok(t)
	want := `plain "v"
equals "a=b="
empty ""
orders/password "hunter2"
file "from a file\nof two lines\n"
billing/file "from a file\nof two lines\n"
at-sign "x@y"
orders/plain error SecretNotFound
`
	if o.stdout != want {
		t.Errorf("the child saw\n%s\nwant\n%s", o.stdout, want)
	}
	if strings.Contains(o.log+o.stderr, "hunter2") {
		t.Errorf("the value of a secret is shown:\n%s%s", o.log, o.stderr)
	}
}

// What is wrong with an option is said without the value.
func TestBadOptions(t *testing.T) {
	t.Parallel()
	const value = "hunter2-hunter2"
	for _, tc := range []struct {
		name string
		opts Options
		want string
	}{
		{"a secret without a value", Options{Secrets: []string{"name"}}, "--secret: give [VAULT/]NAME=VALUE, or [VAULT/]NAME=@FILE"},
		{"a secret of a missing file", Options{Secrets: []string{"name=@" + filepath.Join(t.TempDir(), "missing")}}, "--secret name: open "},
		{"a secret of a missing vault", Options{Secrets: []string{"nowhere/name=" + value}}, "--secret nowhere/name: there is no vault nowhere, which --vault nowhere makes: VaultNotFound: "},
		{"a secret with a bad name", Options{Secrets: []string{"a_b=" + value}}, "--secret a_b: BadParameter: "},
		{"a secret that is too long", Options{Secrets: []string{"name=" + strings.Repeat(value, 2000)}}, "--secret name: BadParameter: "},
		{"a vault with a bad name", Options{Vaults: []string{"x"}}, "vault x: "},
		{"a bad domain", Options{Domain: "localhost"}, "--domain: "},
		{"an address in no form", Options{Listen: "8443"}, "--listen 8443: give HOST:PORT, such as 127.0.0.1:8443"},
		{"a target without a port", Options{AllowEgress: []string{"127.0.0.1:8443", "localhost"}}, "--allow-egress localhost: give HOST:PORT, such as "},
		{"an environment file nowhere", Options{EnvFile: filepath.Join(t.TempDir(), "missing", "env")}, "--env-file: "},
		{"a data directory that is a file", Options{DataDir: os.Args[0]}, ""},
	} {
		if tc.opts.Listen == "" {
			tc.opts.Listen = "127.0.0.1:0"
		}
		o := runOptions(t.Context(), tc.opts)
		if o.status != 0 || o.err == nil || !strings.HasPrefix(o.err.Error(), tc.want) || o.stdout != "" {
			t.Errorf("%s: %d, %v, %s\nwant %s", tc.name, o.status, o.err, o.stdout, tc.want)
			continue
		}
		if strings.Contains(o.err.Error()+o.log, value) {
			t.Errorf("%s: the value is shown: %v\n%s", tc.name, o.err, o.log)
		}
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		listen  string
		command bool
		strict  bool
		want    string // the listener, or empty when it is refused
	}{
		{"", false, false, "127.0.0.1:8443"},
		{"", true, false, "127.0.0.1:0"},
		{"127.0.0.1:9443", true, false, "127.0.0.1:9443"},
		{"localhost:9443", false, false, "localhost:9443"},
		{"127.1.2.3:9443", false, false, "127.1.2.3:9443"},
		{"[::1]:9443", false, false, "[::1]:9443"},
		{":9443", false, false, ""},
		{"0.0.0.0:9443", false, false, ""},
		{"[::]:9443", true, false, ""},
		{"10.0.0.1:9443", false, false, ""},
		{"vault.example.com:9443", false, false, ""},
		{"localhost.example.com:9443", false, false, ""},
		{":9443", false, true, ":9443"},
		{"0.0.0.0:9443", true, true, "0.0.0.0:9443"},
	} {
		o := Options{Listen: tc.listen, Strict: tc.strict}
		if tc.command {
			o.Command = []string{"true"}
		}
		err := o.check()
		if tc.want != "" && (err != nil || o.Listen != tc.want) {
			t.Errorf("%+v: %s, %v", tc, o.Listen, err)
		}
		if tc.want == "" && (err == nil || err.Error() != "--listen "+tc.listen+" can be reached from other machines: add --strict, so that no application or vault is made for whoever asks") {
			t.Errorf("%+v: %v", tc, err)
		}
	}
	taken := start(t, Options{})
	o := runOptions(t.Context(), Options{Listen: taken.listener.Addr().String()})
	if o.err == nil || !strings.Contains(o.err.Error(), "address already in use; choose another address with --listen") && runtime.GOOS != "windows" {
		t.Errorf("an address that is taken: %v", o.err)
	}
}

// upstream is a proxy of the user's, which takes nobody anywhere.
func upstream(t *testing.T) (proxy string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var hosts []string
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		hosts = append(hosts, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusTeapot)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() { server.Close(); <-served })
	return "http://" + ln.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return hosts
	}
}

// Other hosts are reached as the user has always reached them, and with --offline
// not at all.
func TestOffline(t *testing.T) {
	t.Parallel()
	needsBundle(t)
	for _, offline := range []bool{false, true} {
		proxy, asked := upstream(t)
		var opts Options
		command(&opts, "get", "https://other.example/x", "http://other.example/y", "https://dev.vault.azure.net/secrets?api-version=7.4")
		opts.Environ = append(opts.Environ, "HTTPS_PROXY="+proxy, "https_proxy="+proxy, "HTTP_PROXY="+proxy, "http_proxy="+proxy, "NO_PROXY=", "no_proxy=")
		opts.Offline = offline
		lines := strings.Split(runOptions(t.Context(), opts).ok(t).stdout, "\n")
		if len(lines) != 4 || !strings.HasPrefix(lines[2], "401 ") {
			t.Fatalf("offline %v: the child saw %q", offline, lines)
		}
		if offline {
			if len(asked()) != 0 || !strings.Contains(lines[0], "Forbidden") || !strings.HasPrefix(lines[1], "403 okv dev was started with --offline: other.example") {
				t.Errorf("offline: asked for %q, the child saw %q", asked(), lines)
			}
			continue
		}
		if got := asked(); len(got) != 2 || got[0] != "CONNECT other.example:443" || got[1] != "GET other.example" || !strings.HasPrefix(lines[0], "error:") || !strings.HasPrefix(lines[1], "418") {
			t.Errorf("online: asked for %q, the child saw %q", got, lines)
		}
	}
}

// A data directory keeps what is in the vaults, and no credential of an earlier
// run.
func TestDataDir(t *testing.T) {
	t.Parallel()
	needsBundle(t)
	opts := Options{DataDir: filepath.Join(t.TempDir(), "data"), Secrets: []string{"kept=v"}}
	env := func(o outcome) func(string) string {
		var environ []string
		for line := range strings.SplitSeq(strings.Trim(o.stdout, "[]\n"), ",") {
			environ = append(environ, strings.Trim(line, `"`))
		}
		return getenv(environ)
	}
	first := run(t, opts, "environment").ok(t)
	old := env(first)("AZURE_CLIENT_SECRET")
	opts.Secrets = nil
	if o := run(t, opts, "secret", "kept").ok(t); o.stdout != "kept \"v\"\n" {
		t.Errorf("the child saw %s", o.stdout)
	}
	if o := run(t, opts, "own", old).ok(t); o.stdout != "refused 7000215\n" || len(old) < 26 {
		t.Errorf("the old secret: %s", o.stdout)
	}
	fresh := env(run(t, opts, "environment").ok(t))("AZURE_CLIENT_SECRET")
	if fresh == old || len(fresh) < 26 {
		t.Error("the client secret is that of an earlier run")
	}
	err := filepath.WalkDir(opts.DataDir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		// The directories keep others out, and the files that stand beside the
		// database each for itself too.
		inStore := strings.HasPrefix(path, filepath.Join(opts.DataDir, "store"))
		public := strings.HasSuffix(path, bundleFile) || strings.HasSuffix(path, trustStoreFile) || strings.HasSuffix(path, ".crt") || strings.HasSuffix(path, ".pem") && !strings.Contains(path, "key")
		if (entry.IsDir() || !inStore && !public) && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if entry.IsDir() {
			return nil
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), old) || strings.Contains(string(content), fresh) {
			t.Errorf("%s holds a client secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// Two at once would be two writers.
	in := start(t, opts)
	o := runOptions(t.Context(), Options{DataDir: opts.DataDir, Listen: "127.0.0.1:0"})
	if o.err == nil || !strings.Contains(o.err.Error(), "in use by another process") {
		t.Errorf("a second instance: %v", o.err)
	}
	if err := set(t, in.vault(t, VaultName, in.owner(t)), "name", "v"); err != nil {
		t.Errorf("the first one: %v", err)
	}
}

// A vault that was deleted in an earlier run must not keep the next one from
// starting: only there can it be recovered.
func TestDataDirWithADeletedVault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, Options{DataDir: dir, Secrets: []string{"kept=v"}})
	if err := first.manager(t, first.owner(t)).DeleteVault(t.Context(), ownGroup, VaultName); err != nil {
		t.Fatal(err)
	}
	first.stop()

	var log logtest.Buffer
	in := start(t, Options{DataDir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "the vault was deleted in an earlier run") {
		t.Errorf("log %s", &log)
	}
	if _, err := in.manager(t, in.owner(t)).RecoverDeletedVault(t.Context(), ownGroup, VaultName, location, TenantID); err != nil {
		t.Fatal(err)
	}
	got, err := in.vault(t, VaultName, in.owner(t)).GetSecret(t.Context(), "kept", "")
	if err != nil || got.Value == nil || *got.Value != "v" {
		t.Errorf("the secret is %+v, %v", got, err)
	}
}

// The environment file is for its owner alone from the beginning, gives a shell
// what a child has, and is gone at the end.
func TestEnvFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "okv's env")
	public := filepath.Join(dir, "public")
	// What is there, and what it may be a link to, is not written into.
	for _, name := range []string{path, public} {
		if err := os.WriteFile(name, []byte("echo kept"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	linked := filepath.Join(dir, "linked")
	if err := os.Symlink(public, linked); err != nil {
		lacks(t, "symbolic links", err)
	}
	for _, file := range []string{path, linked} {
		in := start(t, Options{EnvFile: file, Environ: os.Environ()})
		info, err := os.Lstat(file)
		if err != nil || info.Mode() != 0o600 && runtime.GOOS != "windows" {
			t.Errorf("%s: mode %v, %v", file, info.Mode(), err)
		}
		content, err := os.ReadFile(file)
		if err != nil || string(content) != string(in.environment.EnvFile()) || !strings.Contains(string(content), string(in.secret.Reveal())) {
			t.Errorf("%s: %s, %v", file, content, err)
		}
		got := commandLine(t, `. "$1"; printf '%s\n' "$AZURE_CLIENT_SECRET" "$HTTPS_PROXY" "$AZURE_KEYVAULT_URL" "$IDENTITY_HEADER"`, file)
		want := strings.Join([]string{string(in.secret.Reveal()), in.proxy.String(), "https://dev.vault.azure.net", in.identityHeader, ""}, "\n")
		if got != want {
			t.Errorf("a shell has\n%s\nwant\n%s", got, want)
		}
		in.stop()
		if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", file, err)
		}
	}
	if kept, err := os.ReadFile(public); err != nil || string(kept) != "echo kept" {
		t.Errorf("the link's target: %s, %v", kept, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v are left, %v", entries, err)
	}
}
