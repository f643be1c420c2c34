package dataplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/release/releasetest"
)

// testCertificate returns a certificate for nothing.
func testCertificate(t testing.TB) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// certificateOf knows one host.
func (w *world) certificateOf(name string) (*tls.Certificate, error) {
	if name != host {
		return nil, errors.New("a certificate for " + name)
	}
	return w.certificate, nil
}

// goodPolicy is the policy of exportable keys, in base64url.
func (w *world) goodPolicy() string {
	return base64.RawURLEncoding.EncodeToString(w.authority.Policy(`{"claim":"tee","equals":"good"}`))
}

// exportableKey returns the body of a create with members of the key, and of its
// policy.
func (w *world) exportableKey(members, policy string) string {
	if policy != "" {
		policy = "," + policy
	}
	return fmt.Sprintf(`{%s,"attributes":{"exportable":true},"release_policy":{"data":%q%s}}`, members, w.goodPolicy(), policy)
}

// releaseBody returns the body of a release with a good token and other members.
func (w *world) releaseBody(members ...string) string {
	return fmt.Sprintf(`{%s}`, strings.Join(append(members, fmt.Sprintf(`"target":%q`, w.authority.Token(map[string]any{"tee": "good"}))), ","))
}

// opened returns the payload of a released object, whose signature must be the
// vault's.
func (w *world) opened(a answer) string {
	w.t.Helper()
	var result map[string]string
	a.is(200).decode(&result)
	jws, err := jose.ParseSignedCompact(result["value"], []jose.SignatureAlgorithm{jose.ES256})
	if len(result) != 1 || err != nil {
		w.t.Fatalf("%s: %v", a.body, err)
	}
	payload, err := jws.Verify(w.certificate.PrivateKey.(*ecdsa.PrivateKey).Public())
	must(w.t, err)
	return string(payload)
}

// The payload is formed as recordings of Azure have it: what was asked, with the
// defaults, and the key as a get shows it, with the wrapped key in its key_hsm.
func TestRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	created := w.call("POST", "/keys/My-Key/create", w.exportableKey(`"kty":"EC-HSM","crv":"P-256K","tags":{"a":"b"},"key_ops":["sign"]`, `"immutable":true`)).is(200)
	v := created.version()
	for _, tt := range []struct{ path, version, body, request string }{
		{"/keys/my-key/release", latest, w.releaseBody(), `"enc":"CKM_RSA_AES_KEY_WRAP","kid":"https://` + host + `/keys/My-Key"`},
		{"/keys/MY-KEY//release", "7.3-preview", w.releaseBody(`"nonce":"n-1"`), `"enc":"CKM_RSA_AES_KEY_WRAP","kid":"https://` + host + `/keys/My-Key","nonce":"n-1"`},
		{"/keys/my-key/" + v + "/release", "7.3", w.releaseBody(`"enc":"CKM_RSA_AES_KEY_WRAP"`), `"enc":"CKM_RSA_AES_KEY_WRAP","kid":"https://` + host + `/keys/My-Key/` + v + `"`},
		{"/keys/my-key/" + v + "/release", latest, w.releaseBody(`"enc":"RSA_AES_KEY_WRAP_384"`), `"enc":"RSA_AES_KEY_WRAP_384","kid":"https://` + host + `/keys/My-Key/` + v + `"`},
	} {
		payload := w.opened(w.do(request{method: "POST", path: tt.path, version: tt.version, body: tt.body}))
		var got struct {
			Response struct {
				Key struct {
					Key struct {
						KeyHSM string `json:"key_hsm"`
					}
				}
			}
		}
		must(t, json.Unmarshal([]byte(payload), &got))
		wrapped := got.Response.Key.Key.KeyHSM
		bundle := w.do(request{method: "GET", path: "/keys/my-key", version: tt.version}).is(200).body
		withKey := strings.Replace(bundle, `},"attributes"`, `,"key_hsm":"`+wrapped+`"},"attributes"`, 1)
		if want := `{"request":{"api-version":"` + tt.version + `",` + tt.request + `},"response":{"key":` + withKey + `}}`; payload != want {
			t.Errorf("%s\n got %s\nwant %s", tt.path, payload, want)
		}
		blob, err := base64.RawURLEncoding.DecodeString(wrapped)
		must(t, err)
		if strings.Contains(tt.request, "RSA_AES_KEY_WRAP_384") {
			if !strings.Contains(string(blob), `{"kid":"`+releasetest.RecipientID+`","alg":"dir","enc":"RSA_AES_KEY_WRAP_384"}`) {
				t.Errorf("wrapped as %s", blob)
			}
			continue
		}
		key, err := releasetest.Open(blob, keyops.TypeEC)
		must(t, err)
		if _, public := created.publicKey(); string(key.Public().X) != string(public.X) {
			t.Error("another key arrives")
		}
	}
	if log := w.log.String() + w.audit.String(); strings.Contains(log, "eyJ") {
		t.Error("a token is in the logs")
	}
}

func TestReleaseIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.call("POST", "/keys/k/create", w.exportableKey(`"kty":"EC-HSM"`, "")).is(200)
	w.call("POST", "/keys/off/create", strings.Replace(w.exportableKey(`"kty":"EC-HSM"`, ""), `"exportable"`, `"enabled":false,"exportable"`, 1)).is(200)
	w.create("plain")
	token := func(claims map[string]any) string { return fmt.Sprintf(`{"target":%q}`, w.authority.Token(claims)) }
	const missing = "Property 'target' is required.\r\nIt is the attestation token of the environment that the key is released to."
	for _, tt := range []struct {
		key, body string
		want      refused
	}{
		{"k", `{}`, bad(missing)},
		{"k", `{"target":""}`, bad(missing)},
		{"k", w.releaseBody(`"nonce":"` + strings.Repeat("n", maxNonce+1) + `"`), bad("Invalid length of 'nonce': 1025 bytes. At most 1024 bytes are supported.")},
		{"k", w.releaseBody(`"enc":"dir"`), bad("The parameter enc is not supported. Supported values are CKM_RSA_AES_KEY_WRAP, RSA_AES_KEY_WRAP_256 and RSA_AES_KEY_WRAP_384.")},
		{"k", `{"target":1}`, bad("Property  has invalid value\r\nThe request body is not usable: the member \"target\" is a JSON number, which is the wrong type.")},
		{"k", `{"target":"x"}`, refused{403, "Forbidden", "AccessDenied", "Target environment attestation statement cannot be verified. It is not a JSON Web Token with a signature of RSA or ECDSA."}},
		{"k", token(map[string]any{"tee": "bad"}), refused{403, "Forbidden", "AccessDenied", "Target environment attestation does not meet key release policy requirements."}},
		{"plain", `{}`, refused{403, "Forbidden", "KeyOperationForbidden", "Operation release is not permitted on this key."}},
		{"off", `{}`, refused{403, "Forbidden", "KeyDisabled", "Operation release is not allowed on a disabled key."}},
		{"none", `{}`, notFound("key", "Key", "none")},
	} {
		w.call("POST", "/keys/"+tt.key+"//release", tt.body).refused(tt.want)
	}
	w.call("POST", "/keys/k//release", w.releaseBody(`"nonce":"`+strings.Repeat("n", maxKeyBody)+`"`)).is(413)
	if denied := w.do(request{method: "POST", path: "/keys/k//release", as: "nobody", body: `{}`}).refusal(); denied.inner != "ForbiddenByPolicy" {
		t.Errorf("without permission: %+v", denied)
	}
}

// TestReleasePolicy goes through what recordings of Azure Key Vault say of
// policies.
func TestReleasePolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shown := func(immutable string) string {
		return `"release_policy":{"contentType":"application/json; charset=utf-8","data":"` + w.goodPolicy() + `","immutable":` + immutable + `}}`
	}
	// The members of a policy in the order of a client that sorts them.
	policy := base64.RawURLEncoding.EncodeToString([]byte(`{"anyOf":[{"allOf":[{"claim":"tee","equals":"good"}],"authority":"https://attest.example.com"}],"version":"1.0.0"}`))
	made := w.call("POST", "/keys/k/create", `{"kty":"RSA-HSM","key_ops":["encrypt","decrypt"],"attributes":{"exportable":true},"release_policy":{"immutable":true,"data":"`+policy+`"}}`).is(200)
	if !strings.HasSuffix(made.body, shown("true")) || !strings.Contains(made.body, `"exportable":true`) {
		t.Error(made.body)
	}
	other := `{"attributes":{},"release_policy":{"immutable":true,"data":"` + base64.RawURLEncoding.EncodeToString([]byte(`{"anyOf":[],"version":"1.0"}`)) + `"}}`
	w.call("PATCH", "/keys/k/", other).refused(bad("AKV.SKR.1020: Immutable Key Release Policy cannot be modified."))
	w.call("PATCH", "/keys/k/"+made.version(), other).refused(bad("AKV.SKR.1016: Key Release Policy can only be set on versionless key."))
	w.call("POST", "/keys/none/create", `{"kty":"RSA-HSM","attributes":{"exportable":true}}`).refused(bad("AKV.SKR.1004: Exportable keys must have release policy."))
	w.call("POST", "/keys/none/create", `{"kty":"RSA-HSM","attributes":{},"release_policy":{"data":"`+policy+`"}}`).refused(bad("AKV.SKR.1005: Non-exportable keys must not have release policy."))
	w.call("POST", "/keys/none/create", w.exportableKey(`"kty":"EC"`, "")).refused(bad("AKV.SKR.1006: Exportable keys must be HSM keys."))

	w.call("POST", "/keys/k2/create", w.exportableKey(`"kty":"EC-HSM"`, "")).is(200)
	updated := w.call("PATCH", "/keys/k2", `{"release_policy":{"immutable":true,"data":"`+policy+`"}}`).is(200)
	if !strings.HasSuffix(updated.body, shown("true")) {
		t.Error(updated.body)
	}
	w.call("PUT", "/keys/k3", w.exportableKey(`"key":`+jwk(t, "rfc7517-a2-ec")+`,"Hsm":true`, "")).is(200)
	if got := w.call("GET", "/keys/k3", "").is(200); !strings.HasSuffix(got.body, shown("false")) {
		t.Error(got.body)
	}

	// Versions that know nothing of it, and lists, show no policy.
	for version, want := range map[string]bool{"2016-10-01": false, "7.2": false, "7.3-preview": true, "7.3": true, latest: true} {
		got := w.do(request{method: "GET", path: "/keys/k", version: version}).is(200)
		if strings.Contains(got.body, "release_policy") != want || strings.Contains(got.body, `"exportable":true`) != want {
			t.Errorf("%s: %s", version, got.body)
		}
	}
	for _, path := range []string{"/keys", "/keys/k/versions"} {
		if got := w.call("GET", path, "").is(200); !strings.Contains(got.body, `"exportable":true`) || strings.Contains(got.body, "release_policy") {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	w.call("DELETE", "/keys/k", "").is(200)
	if got := w.call("GET", "/deletedkeys/k", "").is(200); !strings.Contains(got.body, shown("true")) {
		t.Error(got.body)
	}
}

// Without a certificate nothing is said but that something went wrong.
func TestReleaseWithoutCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, cfg *Config) {
		cfg.Certificate = func(string) (*tls.Certificate, error) { return nil, errors.New("gone") }
	})
	w.call("POST", "/keys/k/create", w.exportableKey(`"kty":"EC-HSM"`, "")).is(200)
	if got := w.call("POST", "/keys/k//release", w.releaseBody()).is(500); strings.Contains(got.body, "gone") {
		t.Error(got.body)
	}
}
