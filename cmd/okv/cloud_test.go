package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The commands work against a server under its own names, given no more than
// the host of its management plane.
func TestPrivateCloud(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "file:root.key", "")
	p := in.serve("")
	in.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: in.caCert.Raw})))
	env := append(os.Environ(), "HTTPS_PROXY="+proxyTo(t, p.address), "https_proxy=", "NO_PROXY=", "no_proxy=", "SSL_CERT_FILE="+in.path("ca.pem"),
		"OKV_CLOUD=management.okv.test", "AZURE_TENANT_ID="+in.made.TenantID, "AZURE_CLIENT_ID="+in.made.ClientID,
		"AZURE_CLIENT_SECRET="+in.made.ClientSecret, "AZURE_SUBSCRIPTION_ID="+in.made.SubscriptionID)
	okv := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, "okv", args...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = in.dir, env, &out, &errs
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), out.String(), errs.String()
	}
	for _, args := range [][]string{
		{"vault", "create", "--name", "orders", "--resource-group", "web", "--create-group", "--location", "westeurope", "--enable-rbac-authorization", "false"},
		{"secret", "set", "--vault-name", "orders", "--name", "password", "--value", "hunter2"},
		{"app", "create", "--name", "billing"},
	} {
		if status, _, stderr := okv(args...); status != 0 {
			t.Fatalf("okv %v: status %d: %s", args, status, stderr)
		}
	}
	status, stdout, stderr := okv("secret", "show", "--vault-name", "orders", "--name", "password", "-o", "json")
	var shown struct{ ID, Value string }
	if err := json.Unmarshal([]byte(stdout), &shown); err != nil || shown.Value != "hunter2" || !strings.HasPrefix(shown.ID, "https://orders.vault.okv.test/secrets/password/") {
		t.Errorf("show: status %d: %s %s", status, stdout, stderr)
	}
	if status, stdout, stderr = okv("app", "list"); status != 0 || !strings.Contains(stdout, "billing") {
		t.Errorf("app list: status %d: %s %s", status, stdout, stderr)
	}
	// A hint names the vault by the name that commands take.
	if _, _, stderr = okv("secret", "show", "--vault-name", "orders", "--name", "none"); !strings.Contains(stderr, "--vault-name orders") {
		t.Errorf("the hint is %s", stderr)
	}
	env = append(env, "OKV_CLOUD=https://orders.vault.okv.test")
	if status, _, stderr = okv("secret", "list", "--vault-name", "orders"); status != 1 || !strings.Contains(stderr, "give the address of a management plane") {
		t.Errorf("a cloud that is a vault: status %d: %s", status, stderr)
	}
}

// proxyTo returns the URL of a proxy that connects everything to one address.
func proxyTo(t *testing.T, address string) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		up, err := net.Dial("tcp", address)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer up.Close()
		w.WriteHeader(http.StatusOK)
		down, rest, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer down.Close()
		go func() {
			_, _ = io.Copy(up, rest)
			_ = up.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(down, up)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func TestCloudURL(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"management.example.com":            "https://management.example.com",
		"management.example.com:8443":       "https://management.example.com:8443",
		"https://management.example.com/":   "https://management.example.com",
		"http://management.example.com":     "",
		"https://u:p@management.example":    "",
		"https://management.example/x":      "",
		"https://management.example.com?q=": "",
		"":                                  "",
	} {
		if got, err := cloudURL(given); got != want || (err != nil) != (want == "") {
			t.Errorf("cloudURL(%q) = %q, %v", given, got, err)
		}
	}
}

func TestReadCloud(t *testing.T) {
	t.Parallel()
	whole := `{"resourceManager":"https://m.example","microsoftGraphResourceId":"https://g.example/","authentication":{"loginEndpoint":"https://l.example","audiences":["https://m.example"]},"suffixes":{"keyVaultDns":"v.example:8443","mhsmDns":".h.example"}}`
	c, err := readCloud([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if c.vaultSuffix != ".v.example:8443" || c.hsmSuffix != ".h.example" || c.scope != "https://m.example/.default" || c.directory != "https://g.example" || !c.private {
		t.Errorf("got %+v", c)
	}
	if c, err := readCloud([]byte(strings.Replace(whole, ".h.example", "h.example/x", 1))); err != nil || c.hsmSuffix != "" {
		t.Errorf("managed HSMs with a path: %+v, %v", c, err)
	}
	for name, changed := range map[string]string{
		"no JSON":              "<html>",
		"no vaults":            strings.Replace(whole, "v.example:8443", "", 1),
		"vaults with a path":   strings.Replace(whole, "v.example:8443", "v.example/x", 1),
		"a login without TLS":  strings.Replace(whole, "https://l.example", "http://l.example", 1),
		"a manager by itself":  strings.Replace(whole, `"https://m.example","micro`, `"m.example","micro`, 1),
		"no audience":          strings.Replace(whole, `["https://m.example"]`, `[]`, 1),
		"no directory at all":  strings.Replace(whole, "https://g.example/", "", 1),
		"a number for a cloud": "1",
	} {
		if c, err := readCloud([]byte(changed)); err == nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
}

func FuzzReadCloud(f *testing.F) {
	f.Add([]byte(`{"resourceManager":"https://m","microsoftGraphResourceId":"https://g","authentication":{"loginEndpoint":"https://l","audiences":["a"]},"suffixes":{"keyVaultDns":"v"}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, err := readCloud(body); err == nil && (len(c.vaultSuffix) < 2 || !strings.HasPrefix(c.configuration.ActiveDirectoryAuthorityHost, "https://")) {
			t.Errorf("%q: %+v", body, c)
		}
	})
}
