package server

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/openkeyvault/openkeyvault/internal/egress"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/release/releasetest"
)

// attester is an attestation authority on a TLS server of its own, on loopback.
type attester struct {
	authority *releasetest.Authority
	allow     func(*Config)
}

func newAttester(t *testing.T) attester {
	t.Helper()
	a := attester{authority: releasetest.New("")}
	srv := httptest.NewTLSServer(a.authority)
	t.Cleanup(srv.Close)
	a.authority.Issuer = srv.URL
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	target, err := egress.ParseTarget(strings.TrimPrefix(srv.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	a.allow = func(cfg *Config) {
		cfg.Egress = egress.Config{Allow: []egress.Target{target}, Roots: func() *x509.CertPool { return roots }, Timeout: patience}
	}
	return a
}

func (a attester) exportableKey() string {
	policy := base64.RawURLEncoding.EncodeToString(a.authority.Policy(`{"claim":"tee","equals":"good"}`))
	return fmt.Sprintf(`{"kty":"EC-HSM","attributes":{"exportable":true},"release_policy":{"data":%q}}`, policy)
}

func (a attester) releaseBody() string {
	return fmt.Sprintf(`{"target":%q}`, a.authority.Token(map[string]any{"tee": "good"}))
}

// A key goes to an environment that an authority on a private address attests, if
// the configuration lists it. Who trusts the vault's own authority can verify it.
func TestReleaseOverTLS(t *testing.T) {
	t.Parallel()
	a := newAttester(t)
	h := newHouse(t, a.allow)
	h.data(http.MethodPost, testVault, "/keys/k/create", a.exportableKey()).is(200)
	for range 3 {
		var result struct{ Value string }
		if err := json.Unmarshal([]byte(h.data(http.MethodPost, testVault, "/keys/k//release", a.releaseBody()).is(200).body), &result); err != nil {
			t.Fatal(err)
		}
		jws, err := jose.ParseSignedCompact(result.Value, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		chains, err := jws.Signatures[0].Header.Certificates(x509.VerifyOptions{DNSName: testVault + ".vault.azure.net", Roots: h.roots()})
		if err != nil {
			t.Fatal(err)
		}
		payload, err := jws.Verify(chains[0][0].PublicKey.(*ecdsa.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		var released struct {
			Response struct {
				Key struct {
					Key struct {
						X      string
						KeyHSM string `json:"key_hsm"`
					}
				}
			}
		}
		if err := json.Unmarshal(payload, &released); err != nil {
			t.Fatal(err)
		}
		blob, err := base64.RawURLEncoding.DecodeString(released.Response.Key.Key.KeyHSM)
		if err != nil {
			t.Fatal(err)
		}
		key, err := releasetest.Open(blob, keyops.TypeEC)
		if err != nil || base64.RawURLEncoding.EncodeToString(key.Public().X) != released.Response.Key.Key.X {
			t.Errorf("another key arrives, %v", err)
		}
	}
	if n := a.authority.Asked.Load(); n != 2 {
		t.Errorf("the authority was asked %d times, want 2: for its metadata and its keys", n)
	}
}

// An authority on a private address that is not listed, or whose certificate is
// not trusted, is not asked; the answer does not say why.
func TestReleaseStaysInside(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*Config)
		log    string
	}{
		"not listed":  {func(cfg *Config) { cfg.Egress.Allow = nil }, "is not listed"},
		"not trusted": {func(cfg *Config) { cfg.Egress.Roots = x509.NewCertPool }, "unknown authority"},
	} {
		a := newAttester(t)
		h := newHouse(t, a.allow, tt.change)
		h.data(http.MethodPost, testVault, "/keys/k/create", a.exportableKey()).is(200)
		h.data(http.MethodPost, testVault, "/keys/k//release", a.releaseBody()).refused(403, "Forbidden", "AccessDenied",
			"Target environment attestation statement cannot be verified. The keys of its issuer cannot be fetched at the moment.")
		if a.authority.Asked.Load() != 0 || !strings.Contains(h.log.String(), tt.log) {
			t.Errorf("%s: asked %d times; the log says\n%s", name, a.authority.Asked.Load(), h.log)
		}
	}
}

// What a certificate cannot sign for is an internal failure.
func TestReleaseWithoutCertificate(t *testing.T) {
	t.Parallel()
	a := newAttester(t)
	var broken atomic.Bool
	h := newHouse(t, a.allow, func(cfg *Config) {
		get := cfg.Certificate
		cfg.Certificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if broken.Load() && hello.Conn == nil {
				return nil, fmt.Errorf("no certificate for %s", hello.ServerName)
			}
			return get(hello)
		}
	})
	h.data(http.MethodPost, testVault, "/keys/k/create", a.exportableKey()).is(200)
	broken.Store(true)
	h.data(http.MethodPost, testVault, "/keys/k//release", a.releaseBody()).is(500)
	if !strings.Contains(h.log.String(), "no certificate for "+testVault+".vault.azure.net") {
		t.Errorf("the log says\n%s", h.log)
	}
}
