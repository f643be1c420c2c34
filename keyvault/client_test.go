package keyvault

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/openkeyvault/openkeyvault/api"
)

const version32 = "0123456789abcdef0123456789ABCDEF"

// TestRequests holds every operation against the request that it sends and the
// answer that it returns.
func TestRequests(t *testing.T) {
	secret := `{"value":"v","contentType":"c","id":"https://contoso.example.com/secrets/s/1","attributes":{"enabled":true,"exp":7},"tags":{"a":"b"}}`
	deletedSecret := `{"recoveryId":"https://contoso.example.com/deletedsecrets/s","deletedDate":1,"scheduledPurgeDate":2,"id":"https://contoso.example.com/secrets/s/1"}`
	key := `{"key":{"kid":"https://contoso.example.com/keys/k/1","kty":"RSA","key_ops":["sign"],"n":"AQAB","e":"AQAB"},"attributes":{"enabled":true}}`
	deletedKey := `{"recoveryId":"https://contoso.example.com/deletedkeys/k","deletedDate":1,"scheduledPurgeDate":2,"key":{"kid":"https://contoso.example.com/keys/k/1"}}`
	used := `{"kid":"https://contoso.example.com/keys/k/1","value":"AQ","iv":"Ag","tag":"Aw","aad":"BA"}`
	policy := `{"id":"https://contoso.example.com/keys/k/rotationpolicy","lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}}],"attributes":{"expiryTime":"P90D","created":1,"updated":2}}`
	gcm := api.KeyOperationParameters{Algorithm: api.AlgorithmA256GCM, Value: []byte{1}, IV: []byte{2}, AAD: []byte{3}, Tag: []byte{4}}
	gcmBody := `{"alg":"A256GCM","value":"AQ","iv":"Ag","aad":"Aw","tag":"BA"}`
	attributes := &api.Attributes{Enabled: ptr(false), Expires: ptr(api.UnixTime(7))}
	tests := []struct {
		name   string
		call   func(context.Context, *Client) (any, error)
		method string
		uri    string // without the query
		body   string
		status int
		answer string
	}{
		{"SetSecret", func(ctx context.Context, c *Client) (any, error) {
			return c.SetSecret(ctx, "s", api.SecretSetParameters{Value: ptr("v"), ContentType: ptr("c"), Attributes: attributes, Tags: map[string]string{"a": "b"}})
		}, "PUT", "/secrets/s", `{"value":"v","contentType":"c","attributes":{"enabled":false,"exp":7},"tags":{"a":"b"}}`, 200, secret},
		{"GetSecret", func(ctx context.Context, c *Client) (any, error) { return c.GetSecret(ctx, "s", "") },
			"GET", "/secrets/s/", "", 200, secret},
		{"GetSecret", func(ctx context.Context, c *Client) (any, error) { return c.GetSecret(ctx, "s", version32) },
			"GET", "/secrets/s/" + version32, "", 200, secret},
		{"UpdateSecret", func(ctx context.Context, c *Client) (any, error) {
			return c.UpdateSecret(ctx, "s", "", api.SecretUpdateParameters{Tags: map[string]string{}})
		}, "PATCH", "/secrets/s/", `{"tags":{}}`, 200, secret},
		{"DeleteSecret", func(ctx context.Context, c *Client) (any, error) { return c.DeleteSecret(ctx, "s") },
			"DELETE", "/secrets/s", "", 200, deletedSecret},
		{"GetDeletedSecret", func(ctx context.Context, c *Client) (any, error) { return c.GetDeletedSecret(ctx, "s") },
			"GET", "/deletedsecrets/s", "", 200, deletedSecret},
		{"RecoverDeletedSecret", func(ctx context.Context, c *Client) (any, error) { return c.RecoverDeletedSecret(ctx, "s") },
			"POST", "/deletedsecrets/s/recover", "", 200, `{"id":"https://contoso.example.com/secrets/s/1"}`},
		{"PurgeDeletedSecret", func(ctx context.Context, c *Client) (any, error) { return nil, c.PurgeDeletedSecret(ctx, "s") },
			"DELETE", "/deletedsecrets/s", "", 204, ""},
		{"CreateKey", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateKey(ctx, "k", api.KeyCreateParameters{Kty: api.KeyTypeEC, Crv: api.CurveP384, KeyOps: []api.KeyOperation{api.OperationSign}})
		}, "POST", "/keys/k/create", `{"kty":"EC","key_ops":["sign"],"crv":"P-384"}`, 200, key},
		{"GetKey", func(ctx context.Context, c *Client) (any, error) { return c.GetKey(ctx, "k", "") },
			"GET", "/keys/k/", "", 200, key},
		{"GetKey", func(ctx context.Context, c *Client) (any, error) { return c.GetKey(ctx, "k", version32) },
			"GET", "/keys/k/" + version32, "", 200, key},
		{"UpdateKey", func(ctx context.Context, c *Client) (any, error) {
			return c.UpdateKey(ctx, "k", version32, api.KeyUpdateParameters{Attributes: attributes})
		}, "PATCH", "/keys/k/" + version32, `{"attributes":{"enabled":false,"exp":7}}`, 200, key},
		{"DeleteKey", func(ctx context.Context, c *Client) (any, error) { return c.DeleteKey(ctx, "k") },
			"DELETE", "/keys/k", "", 200, deletedKey},
		{"GetDeletedKey", func(ctx context.Context, c *Client) (any, error) { return c.GetDeletedKey(ctx, "k") },
			"GET", "/deletedkeys/k", "", 200, deletedKey},
		{"RecoverDeletedKey", func(ctx context.Context, c *Client) (any, error) { return c.RecoverDeletedKey(ctx, "k") },
			"POST", "/deletedkeys/k/recover", "", 200, key},
		{"PurgeDeletedKey", func(ctx context.Context, c *Client) (any, error) { return nil, c.PurgeDeletedKey(ctx, "k") },
			"DELETE", "/deletedkeys/k", "", 204, ""},
		{"Encrypt", func(ctx context.Context, c *Client) (any, error) { return c.Encrypt(ctx, "k", "", gcm) },
			"POST", "/keys/k//encrypt", gcmBody, 200, used},
		{"Decrypt", func(ctx context.Context, c *Client) (any, error) { return c.Decrypt(ctx, "k", version32, gcm) },
			"POST", "/keys/k/" + version32 + "/decrypt", gcmBody, 200, used},
		{"WrapKey", func(ctx context.Context, c *Client) (any, error) {
			return c.WrapKey(ctx, "k", version32, api.KeyOperationParameters{Algorithm: api.AlgorithmRSAOAEP256, Value: []byte{0xff}})
		}, "POST", "/keys/k/" + version32 + "/wrapkey", `{"alg":"RSA-OAEP-256","value":"_w"}`, 200, used},
		{"UnwrapKey", func(ctx context.Context, c *Client) (any, error) {
			return c.UnwrapKey(ctx, "k", "", api.KeyOperationParameters{Algorithm: api.AlgorithmRSA15, Value: []byte{1}})
		}, "POST", "/keys/k//unwrapkey", `{"alg":"RSA1_5","value":"AQ"}`, 200, used},
		{"Sign", func(ctx context.Context, c *Client) (any, error) {
			return c.Sign(ctx, "k", version32, api.KeySignParameters{Algorithm: api.AlgorithmES256, Value: []byte("d")})
		}, "POST", "/keys/k/" + version32 + "/sign", `{"alg":"ES256","value":"ZA"}`, 200, used},
		{"Verify", func(ctx context.Context, c *Client) (any, error) {
			valid, err := c.Verify(ctx, "k", version32, api.KeyVerifyParameters{Algorithm: api.AlgorithmES256, Digest: []byte("d"), Value: []byte("s")})
			return api.KeyVerifyResult{Value: valid}, err
		}, "POST", "/keys/k/" + version32 + "/verify", `{"alg":"ES256","digest":"ZA","value":"cw"}`, 200, `{"value":true}`},
		{"Verify", func(ctx context.Context, c *Client) (any, error) {
			valid, err := c.Verify(ctx, "k", "", api.KeyVerifyParameters{Algorithm: api.AlgorithmES256, Digest: []byte("d"), Value: []byte("s")})
			return api.KeyVerifyResult{Value: valid}, err
		}, "POST", "/keys/k//verify", `{"alg":"ES256","digest":"ZA","value":"cw"}`, 200, `{"value":false}`},
		{"RotateKey", func(ctx context.Context, c *Client) (any, error) { return c.RotateKey(ctx, "k") },
			"POST", "/keys/k/rotate", "", 200, key},
		{"GetKeyRotationPolicy", func(ctx context.Context, c *Client) (any, error) { return c.GetKeyRotationPolicy(ctx, "k") },
			"GET", "/keys/k/rotationpolicy", "", 200, policy},
		{"UpdateKeyRotationPolicy", func(ctx context.Context, c *Client) (any, error) {
			return c.UpdateKeyRotationPolicy(ctx, "k", api.KeyRotationPolicy{Attributes: &api.KeyRotationPolicyAttributes{ExpiryTime: "P90D"}})
		}, "PUT", "/keys/k/rotationpolicy", `{"attributes":{"expiryTime":"P90D"}}`, 200, policy},
		{"ReleaseKey", func(ctx context.Context, c *Client) (any, error) {
			signed, err := c.ReleaseKey(ctx, "k", "", api.KeyReleaseParameters{Target: "a.b.c", Nonce: "n", Enc: "RSA_AES_KEY_WRAP_256"})
			return api.KeyReleaseResult{Value: signed}, err
		}, "POST", "/keys/k//release", `{"target":"a.b.c","nonce":"n","enc":"RSA_AES_KEY_WRAP_256"}`, 200, `{"value":"d.e.f"}`},
		{"GetRandomBytes", func(ctx context.Context, c *Client) (any, error) {
			b, err := c.GetRandomBytes(ctx, 2)
			return api.RandomBytes{Value: b}, err
		}, "POST", "/rng", `{"count":2}`, 200, `{"value":"AQI"}`},
		{"name with a slash", func(ctx context.Context, c *Client) (any, error) { return c.GetDeletedKey(ctx, "../a b?") },
			"GET", "/deletedkeys/..%2Fa%20b%3F", "", 200, deletedKey},
	}
	f := newFakeVault(t)
	client := f.client(t, &fakeCredential{})
	if _, err := client.GetKey(t.Context(), "first", ""); err != nil {
		t.Fatal(err)
	}
	f.seen()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.answer = func(w http.ResponseWriter, r *http.Request) {
				if accept := r.Header.Get("Accept"); accept != "application/json" {
					t.Errorf("Accept is %q", accept)
				}
				reply(w, tt.status, tt.answer)
			}
			got, err := tt.call(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			want := request{
				Host: "contoso.example.com", Method: tt.method, URI: tt.uri + "?api-version=" + api.VersionLatest,
				Authorization: "Bearer token-1", Body: tt.body, TLS: true, Length: int64(len(tt.body)),
			}
			if tt.body != "" {
				want.ContentType = "application/json"
			}
			if seen := f.seen(); !slices.Equal(seen, []request{want}) {
				t.Errorf("sent %+v, want %+v", seen, want)
			}
			if tt.answer != "" && mustJSON(t, got) != tt.answer {
				t.Errorf("returned %s, want %s", mustJSON(t, got), tt.answer)
			}
			// Any other status, a success among them, is an error.
			f.answer = func(w http.ResponseWriter, _ *http.Request) { reply(w, 202, tt.answer) }
			var refusal *Error
			if _, err := tt.call(t.Context(), client); !errors.As(err, &refusal) || refusal.StatusCode != 202 || !strings.Contains(err.Error(), refusal.Operation) {
				t.Errorf("with status 202: %v", err)
			}
			f.seen()
		})
	}
}

// TestNoSuchAddress checks that names and versions that would address something
// else are refused before anything is sent.
func TestNoSuchAddress(t *testing.T) {
	f := newFakeVault(t)
	c, ctx := f.client(t, &fakeCredential{}), t.Context()
	for _, name := range []string{"", ".", ".."} {
		_, set := c.SetSecret(ctx, name, api.SecretSetParameters{})
		_, get := c.GetKey(ctx, name, "")
		_, del := c.DeleteSecret(ctx, name)
		_, sign := c.Sign(ctx, name, "", api.KeySignParameters{})
		_, rotate := c.RotateKey(ctx, name)
		var list error
		for _, list = range c.ListKeyVersions(ctx, name, nil) {
		}
		for i, err := range []error{set, get, del, sign, rotate, list, c.PurgeDeletedKey(ctx, name)} {
			if err == nil {
				t.Errorf("name %q was accepted by call %d", name, i)
			}
		}
	}
	for _, version := range []string{"versions", "..", "a/b", "rotationpolicy", " ", "g"} {
		_, get := c.GetSecret(ctx, "s", version)
		_, update := c.UpdateKey(ctx, "k", version, api.KeyUpdateParameters{})
		_, decrypt := c.Decrypt(ctx, "k", version, api.KeyOperationParameters{})
		_, release := c.ReleaseKey(ctx, "k", version, api.KeyReleaseParameters{})
		if get == nil || update == nil || decrypt == nil || release == nil {
			t.Errorf("version %q was accepted: %v, %v, %v, %v", version, get, update, decrypt, release)
		}
	}
	if seen := f.seen(); len(seen) != 0 {
		t.Errorf("sent %+v", seen)
	}
}

func TestNewClient(t *testing.T) {
	for _, text := range []string{
		"", "contoso.vault.azure.net", "http://contoso.vault.azure.net", "https://", "https://:443", "https:contoso", "ftp://contoso.vault.azure.net",
		"https://user:hunter2@contoso.vault.azure.net", "https://contoso.vault.azure.net/secrets", "https://contoso.vault.azure.net?a=b",
		"https://contoso.vault.azure.net#a", "https://contoso:port", "https://hunter2\x7f",
	} {
		c, err := NewClient(text, &fakeCredential{}, nil)
		if err == nil {
			t.Errorf("%q was accepted: %+v", text, c)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q shows in: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"https://contoso.vault.azure.net":       "https://contoso.vault.azure.net",
		"https://contoso.vault.azure.net/":      "https://contoso.vault.azure.net",
		"https://contoso.vault.localhost:8443/": "https://contoso.vault.localhost:8443",
	} {
		if c := newTestClient(t, text, &fakeCredential{}, nil); c.VaultURL() != want {
			t.Errorf("%q has the vault URL %q", text, c.VaultURL())
		}
	}
	if _, err := NewClient(vaultURL, nil, nil); err == nil {
		t.Error("a nil credential was accepted")
	}
}

func TestAPIVersion(t *testing.T) {
	f := newFakeVault(t)
	options := f.options()
	options.APIVersion = "7.4"
	c := newTestClient(t, vaultURL, &fakeCredential{}, options)
	if _, err := c.GetSecret(t.Context(), "s", ""); err != nil {
		t.Fatal(err)
	}
	for _, r := range f.seen() {
		if r.URI != "/secrets/s/?api-version=7.4" {
			t.Errorf("asked for %s", r.URI)
		}
	}
	if options.APIVersion != "7.4" || options.Transport.(*http.Client).CheckRedirect != nil {
		t.Error("the caller's options were changed")
	}
}

// TestVersionOfAKPKeys checks that what only AKP keys have is asked for in the
// version that knows them, unless the program chose one.
func TestVersionOfAKPKeys(t *testing.T) {
	f := newFakeVault(t)
	f.answer = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.RawQuery, "-preview") {
			reply(w, 200, `{"value":true,"key":{"kid":"https://contoso.example.com/keys/k/1","kty":"AKP","alg":"ML-DSA-44","pub":"AQ"}}`)
			return
		}
		reply(w, 200, `{"value":true,"key":{"kid":"https://contoso.example.com/keys/k/1","kty":"AKP"}}`)
	}
	calls := map[string]func(context.Context, *Client) error{
		"create": func(ctx context.Context, c *Client) error {
			_, err := c.CreateKey(ctx, "k", api.KeyCreateParameters{Kty: api.KeyTypeAKPHSM})
			return err
		},
		"import": func(ctx context.Context, c *Client) error {
			_, err := c.ImportKey(ctx, "k", api.KeyImportParameters{Key: &api.JSONWebKey{Kty: api.KeyTypeAKP}})
			return err
		},
		"verify": func(ctx context.Context, c *Client) error {
			_, err := c.Verify(ctx, "k", "", api.KeyVerifyParameters{Algorithm: api.AlgorithmMLDSA87})
			return err
		},
		"verify by the key's own algorithm": func(ctx context.Context, c *Client) error {
			_, err := c.Verify(ctx, "k", "", api.KeyVerifyParameters{})
			return err
		},
		"get": func(ctx context.Context, c *Client) error {
			bundle, err := c.GetKey(ctx, "k", "")
			if err == nil && (len(bundle.Key.Pub) == 0) != (c.akp == "7.4") {
				err = errors.New("the wrong public part")
			}
			return err
		},
	}
	for name, call := range calls {
		for chosen, want := range map[string]string{"": api.Version20260501Preview, "7.4": "7.4"} {
			options := f.options()
			options.APIVersion = chosen
			if err := call(t.Context(), newTestClient(t, vaultURL, &fakeCredential{}, options)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			seen := f.seen()
			if last := seen[len(seen)-1].URI; !strings.HasSuffix(last, "?api-version="+want) {
				t.Errorf("%s, with %q chosen: asked for %s", name, chosen, last)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   Error
		text   string
	}{
		{"refined", 403, `{"error":{"code":"Forbidden","message":"The user\r\n does not","innererror":{"code":"ForbiddenByPolicy"}}}`,
			Error{Code: api.CodeForbidden, InnerCode: api.InnerForbiddenByPolicy, Message: "The user\r\n does not"},
			"keyvault: GetSecret: 403 Forbidden (Forbidden: ForbiddenByPolicy): The user does not"},
		{"plain", 404, `{"error":{"code":"SecretNotFound","message":"none"}}`,
			Error{Code: api.CodeSecretNotFound, Message: "none"}, "keyvault: GetSecret: 404 Not Found (SecretNotFound): none"},
		{"deleted", 409, `{"error":{"code":"Conflict","message":"m","innererror":{"code":"ObjectIsDeletedButRecoverable"}}}`,
			Error{Code: api.CodeConflict, InnerCode: api.InnerObjectIsDeletedButRecoverable, Message: "m"},
			"keyvault: GetSecret: 409 Conflict (Conflict: ObjectIsDeletedButRecoverable): m"},
		{"empty", 400, ``, Error{}, "keyvault: GetSecret: 400 Bad Request"},
		{"a proxy's page", 421, `<html>no</html>`, Error{}, "keyvault: GetSecret: 421 Misdirected Request"},
		{"another document", 400, `{"error":"x"}`, Error{}, "keyvault: GetSecret: 400 Bad Request"},
	}
	f := newFakeVault(t)
	c := f.client(t, &fakeCredential{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("x-ms-request-id", "request-1")
				reply(w, tt.status, tt.body)
			}
			_, err := c.GetSecret(t.Context(), "s", "")
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("the error is a %T: %v", err, err)
			}
			want := tt.want
			want.Operation, want.StatusCode, want.RequestID, want.response = "GetSecret", tt.status, "request-1", got.response
			if *got != want {
				t.Errorf("got %+v, want %+v", *got, want)
			}
			if err.Error() != tt.text {
				t.Errorf("it says %q, want %q", err, tt.text)
			}
			var response *azcore.ResponseError
			if !errors.As(err, &response) || response.StatusCode != tt.status || response.ErrorCode != tt.want.Code {
				t.Errorf("it wraps %+v", response)
			}
			for name, is := range map[string][2]bool{
				"IsNotFound":              {IsNotFound(err), tt.status == 404},
				"IsForbidden":             {IsForbidden(err), tt.status == 403},
				"IsConflict":              {IsConflict(err), tt.status == 409},
				"IsDeletedButRecoverable": {IsDeletedButRecoverable(err), tt.name == "deleted"},
				"IsUnauthorized":          {IsUnauthorized(err), false},
			} {
				if is[0] != is[1] {
					t.Errorf("%s is %v", name, is[0])
				}
			}
		})
	}
	if IsNotFound(nil) || IsNotFound(errors.New("404")) || IsDeletedButRecoverable(nil) {
		t.Error("an error that is not the vault's was recognised")
	}
}

// TestBrokenAnswers checks that a success that cannot be understood is an error
// that does not repeat the secret.
func TestBrokenAnswers(t *testing.T) {
	f := newFakeVault(t)
	c := f.client(t, &fakeCredential{})
	for _, body := range []string{``, `{"value":"hunter2"`, `["hunter2"]`, `{"value":["hunter2"]}`, `hunter2`} {
		f.answer = func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, body) }
		if s, err := c.GetSecret(t.Context(), "s", ""); err == nil || s != nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, %v", body, s, err)
		}
	}
}

// TestPerCallPolicies checks that azcore's extension points are the caller's.
func TestPerCallPolicies(t *testing.T) {
	f := newFakeVault(t)
	options := f.options()
	calls := 0
	options.PerCallPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
		calls++
		return r.Next()
	})}
	if _, err := newTestClient(t, vaultURL, &fakeCredential{}, options).GetKey(t.Context(), "k", ""); err != nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

type policyFunc func(*policy.Request) (*http.Response, error)

func (f policyFunc) Do(r *policy.Request) (*http.Response, error) { return f(r) }
