package keyvault

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/gate"
)

// TestRedirects checks that neither token nor value follow a redirect.
func TestRedirects(t *testing.T) {
	for _, location := range []string{"http://contoso.example.com/secrets/s", "https://evil.net/", "https://contoso.example.com/other", "/other"} {
		for _, code := range []int{301, 302, 303, 307, 308} {
			f := newFakeVault(t)
			f.answer = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, location, code) }
			cred := &fakeCredential{}
			_, err := f.client(t, cred).SetSecret(t.Context(), "s", api.SecretSetParameters{Value: ptr("v")})
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.StatusCode != code {
				t.Errorf("%d to %s: %v", code, location, err)
			}
			if seen := f.seen(); len(seen) != 2 || seen[1].URI != "/secrets/s?api-version="+api.VersionLatest {
				t.Errorf("%d to %s: sent %+v", code, location, seen)
			}
		}
	}
}

// TestCallersRedirects checks that a caller's own rule for redirects stays, and
// even then nothing leaves for another host.
func TestCallersRedirects(t *testing.T) {
	f := newFakeVault(t)
	f.challenge = func(string) (string, bool) { return "", true }
	f.answer = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://evil.net/", http.StatusFound)
	}
	asked := errors.New("the caller's rule")
	options := f.options()
	client := f.httpClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return asked }
	options.Transport = client
	if _, err := newTestClient(t, vaultURL, &fakeCredential{}, options).GetKey(t.Context(), "k", ""); !errors.Is(err, asked) {
		t.Errorf("the error is %v", err)
	}
}

// TestGate leads requests away below the client's own policies: the transport is
// the last that can refuse, and it does.
func TestGate(t *testing.T) {
	for _, to := range []string{"http://contoso.example.com/", "http://contoso.example.com:443/", "https://evil.net/", "https://contoso.example.com:8443/"} {
		f := newFakeVault(t)
		target, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		options := f.options()
		options.PerRetryPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
			r.Raw().URL = target
			return r.Next()
		})}
		options.Retry = policy.RetryOptions{} // a retry would take seconds
		cred := &fakeCredential{}
		if _, err := newTestClient(t, vaultURL, cred, options).GetKey(t.Context(), "k", ""); err == nil || !strings.Contains(err.Error(), "refusing") {
			t.Errorf("%s: %v", to, err)
		}
		if seen := f.seen(); len(seen) != 0 {
			t.Errorf("%s: sent %+v", to, seen)
		}
	}
}

// endless is a transport whose answers do not end.
type endless struct{ read int64 }

func (e *endless) Do(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") == "" {
		return &http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": {goodChallenge}}, Body: http.NoBody, Request: r}, nil
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(e), Request: r}, nil
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += int64(len(p))
	return len(p), nil
}

func TestEndlessAnswer(t *testing.T) {
	e := &endless{}
	options := &ClientOptions{ClientOptions: policy.ClientOptions{Transport: e}}
	_, err := newTestClient(t, vaultURL, &fakeCredential{}, options).GetSecret(t.Context(), "s", "")
	if !errors.Is(err, gate.ErrAnswerTooLarge) {
		t.Errorf("the error is %v", err)
	}
	if e.read > maxAnswer+1 {
		t.Errorf("%d bytes were read, over more than one attempt", e.read)
	}
}
