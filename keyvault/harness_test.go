package keyvault

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const (
	vaultURL      = "https://contoso.example.com"
	goodChallenge = `Bearer authorization="https://login.example.net/tenant-1", resource="https://example.com"`
)

// request is what arrived at a fakeVault.
type request struct {
	Host, Method, URI, Authorization, ContentType, Body string
	TLS                                                 bool
	Length                                              int64
}

// fakeVault is a server that challenges requests whose token it does not accept
// and answers the others as it is told. It serves every host name and keeps
// what arrived, over TLS and without.
type fakeVault struct {
	tls, plain *httptest.Server

	mu       sync.Mutex // guards all below
	requests []request
	// challenge returns the WWW-Authenticate header for a token, or accepted.
	challenge func(token string) (header string, accepted bool)
	answer    http.HandlerFunc
}

func newFakeVault(t *testing.T) *fakeVault {
	t.Helper()
	f := &fakeVault{
		challenge: func(token string) (string, bool) { return goodChallenge, token != "" },
		answer:    func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) },
	}
	f.tls, f.plain = httptest.NewTLSServer(f), httptest.NewServer(f)
	t.Cleanup(f.tls.Close)
	t.Cleanup(f.plain.Close)
	return f
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

func (f *fakeVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	f.mu.Lock()
	f.requests = append(f.requests, request{
		Host: r.Host, Method: r.Method, URI: r.RequestURI, Authorization: r.Header.Get("Authorization"),
		ContentType: r.Header.Get("Content-Type"), Body: string(body), TLS: r.TLS != nil, Length: r.ContentLength,
	})
	challenge, answer := f.challenge, f.answer
	f.mu.Unlock()
	token := ""
	if a := r.Header.Get("Authorization"); a != "" {
		token = a[len("Bearer "):]
	}
	header, accepted := challenge(token)
	if accepted {
		answer(w, r)
		return
	}
	if header != "" {
		w.Header().Set("WWW-Authenticate", header)
	}
	reply(w, 401, `{"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}`)
}

// seen returns what arrived since the last call.
func (f *fakeVault) seen() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.requests
	f.requests = nil
	return all
}

// httpClient leads every host to the fake, and checks no certificates: whether a
// request is sent to a wrong host must be the client's doing, not TLS's.
func (f *fakeVault) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := f.tls
			if _, port, _ := net.SplitHostPort(address); port == "80" {
				to = f.plain
			}
			return new(net.Dialer).DialContext(ctx, network, to.Listener.Addr().String())
		},
	}}
}

func (f *fakeVault) options() *ClientOptions {
	return &ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: f.httpClient(),
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}}
}

func (f *fakeVault) client(t *testing.T, cred azcore.TokenCredential) *Client {
	t.Helper()
	return newTestClient(t, vaultURL, cred, f.options())
}

func newTestClient(t *testing.T, vaultURL string, cred azcore.TokenCredential, options *ClientOptions) *Client {
	t.Helper()
	client, err := NewClient(vaultURL, cred, options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// fakeCredential hands out token-1, token-2 and so on, unless told otherwise.
type fakeCredential struct {
	mu    sync.Mutex // guards asked
	asked []policy.TokenRequestOptions
	give  func(n int, options policy.TokenRequestOptions) (azcore.AccessToken, error)
}

func (c *fakeCredential) GetToken(_ context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.mu.Lock()
	c.asked = append(c.asked, options)
	n := len(c.asked)
	c.mu.Unlock()
	if c.give != nil {
		return c.give(n, options)
	}
	return token(n), nil
}

func (c *fakeCredential) requests() []policy.TokenRequestOptions {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

func token(n int) azcore.AccessToken {
	return azcore.AccessToken{Token: fmt.Sprintf("token-%d", n), ExpiresOn: time.Now().Add(time.Hour)}
}

func ptr[T any](v T) *T { return &v }

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
