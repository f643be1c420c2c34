package compat

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// attestation is a service as Azure's live suites expect it: it attests whatever
// it is asked for, and publishes the key that it signs with.
type attestation struct {
	t            *testing.T
	url          string // with a slash at the end, as the suites have it
	signing, enc *rsa.PrivateKey
	bundle       string // a file with its certificate
}

func serveAttestation(t *testing.T) *attestation {
	t.Helper()
	a := &attestation{t: t}
	for _, key := range []**rsa.PrivateKey{&a.signing, &a.enc} {
		made, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		*key = made
	}
	srv := httptest.NewTLSServer(a)
	t.Cleanup(srv.Close)
	a.url = srv.URL + "/"
	a.bundle = filepath.Join(t.TempDir(), "attestation.pem")
	if err := os.WriteFile(a.bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// target is its HOST:PORT.
func (a *attestation) target() string {
	return strings.Trim(strings.TrimPrefix(a.url, "https:"), "/")
}

// environment is what a vault, and a suite in it, need to know of the service.
func (a *attestation) environment() []string {
	return []string{"AZURE_KEYVAULT_ATTESTATION_URL=" + a.url, "SSL_CERT_FILE=" + a.bundle}
}

// ServeHTTP answers paths as the suites write them, with two slashes.
func (a *attestation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer any
	switch path.Clean(r.URL.Path) {
	case "/.well-known/openid-configuration":
		answer = map[string]any{"jwks_uri": a.url + "keys"}
	case "/keys":
		answer = map[string]any{"keys": []any{publicJWK(&a.signing.PublicKey, "signing", "sig")}}
	case "/generate-test-token":
		answer = map[string]any{"token": a.token()}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.t.Error(err)
	}
}

func publicJWK(key *rsa.PublicKey, kid, use string) map[string]any {
	return map[string]any{
		"kty": "RSA", "kid": kid, "use": use, "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(key.N.FillBytes(make([]byte, key.Size()))),
	}
}

// token signs what the service of Azure's own pipelines puts into its tokens.
func (a *attestation) token() string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			a.t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	now := time.Now()
	signed := part(map[string]any{"alg": "RS256", "typ": "JWT", "kid": "signing", "jku": a.url + "keys"}) + "." + part(map[string]any{
		"iss": a.url, "sdk-test": true, "x-ms-inittime": map[string]any{}, "maa-ehd": "sdk-test", "iat": now.Unix(), "exp": now.Add(7 * 24 * time.Hour).Unix(),
		"x-ms-runtime": map[string]any{"keys": []any{publicJWK(&a.enc.PublicKey, "fake-release-key", "enc")}},
	})
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.signing, crypto.SHA256, digest[:])
	if err != nil {
		a.t.Error(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// TestReleaseInPython opens released keys with Python's cryptography, which shares
// nothing with us.
func TestReleaseInPython(t *testing.T) {
	attester := serveAttestation(t)
	der, err := x509.MarshalPKCS8PrivateKey(attester.enc)
	if err != nil {
		t.Fatal(err)
	}
	recipient := filepath.Join(t.TempDir(), "recipient.pem")
	if err := os.WriteFile(recipient, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(attester.environment(), "RECIPIENT_KEY="+recipient)
	out := runWith(t, env, okv(t), "dev", "--allow-egress", attester.target(), "--", python(t, "today"), "python/release.py")
	for _, want := range []string{"ok release-rsa", "ok release-p256k", "ok release-p521", "ok policy", "DONE"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}
