package dev

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/openkeyvault/openkeyvault/internal/release/releasetest"
)

// An attestation authority of the developer's own, on loopback, is asked if a
// flag names it, and trusted as the child would trust it.
func TestRelease(t *testing.T) {
	t.Parallel()
	authority := releasetest.New("")
	srv := httptest.NewTLSServer(authority)
	t.Cleanup(srv.Close)
	authority.Issuer = srv.URL
	bundle := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	target := strings.TrimPrefix(srv.URL, "https://")
	document := base64.RawURLEncoding.EncodeToString(authority.Policy(`{"claim":"tee","equals":"good"}`))
	for name, tt := range map[string]struct {
		opts   Options
		status int
	}{
		"named and trusted": {Options{AllowEgress: []string{target}, Environ: []string{"SSL_CERT_FILE=" + bundle}}, http.StatusOK},
		"not named":         {Options{Environ: []string{"SSL_CERT_FILE=" + bundle}}, http.StatusForbidden},
		"not trusted":       {Options{AllowEgress: []string{target}}, http.StatusForbidden},
	} {
		asked := authority.Asked.Load()
		in := start(t, tt.opts)
		token, err := in.owner(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
		if err != nil {
			t.Fatal(err)
		}
		do := func(method, path, body string) (int, string) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), method, "https://dev.vault.azure.net"+path+"?api-version=7.5", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token.Token)
			req.Header.Set("Content-Type", "application/json")
			resp, err := in.client(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return resp.StatusCode, string(answer)
		}
		if status, answer := do(http.MethodPost, "/keys/k/create", fmt.Sprintf(`{"kty":"EC-HSM","attributes":{"exportable":true},"release_policy":{"data":%q}}`, document)); status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, status, answer)
		}
		status, answer := do(http.MethodPost, "/keys/k/release", fmt.Sprintf(`{"target":%q}`, authority.Token(map[string]any{"tee": "good"})))
		if status != tt.status || (authority.Asked.Load() > asked) != (status == http.StatusOK) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		in.stop()
	}
}
