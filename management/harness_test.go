package management

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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const (
	endpoint     = "https://management.example.com"
	subscription = "00000000-0000-0000-0000-00000000000a"
	inSub        = "/subscriptions/" + subscription
	inProvider   = inSub + "/providers/Microsoft.KeyVault"
	aVaultPath   = inSub + "/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"
	aVault       = `{"name":"v","properties":{"provisioningState":"Succeeded"}}`
)

// request is what arrived at a fakeManager.
type request struct{ Method, URI, Body, Authorization string }

// fakeManager answers requests from a script, one answer after the other, and
// keeps what arrived. It serves over HTTP, and as a transport without any
// network, for tests whose clock stands still while they wait.
type fakeManager struct {
	t        *testing.T
	mu       sync.Mutex // guards all below
	requests []request
	script   []http.HandlerFunc
}

func (f *fakeManager) then(answers ...http.HandlerFunc) { f.script = append(f.script, answers...) }

func (f *fakeManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, request{r.Method, r.URL.RequestURI(), string(body), r.Header.Get("Authorization")})
	if len(f.script) == 0 {
		f.t.Errorf("%s %s was not expected", r.Method, r.URL)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	f.script[0](w, r)
	f.script = f.script[1:]
}

// Do makes a fakeManager a transport.
func (f *fakeManager) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, r)
	resp := recorder.Result()
	resp.Request = r
	return resp, nil
}

// seen returns the method and URI of what arrived since the last call.
func (f *fakeManager) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, r := range f.requests {
		all = append(all, r.Method+" "+r.URI)
	}
	f.requests = nil
	return all
}

// wantSeen checks what arrived, each without the api-version.
func (f *fakeManager) wantSeen(want ...string) {
	f.t.Helper()
	var got []string
	for _, line := range f.seen() {
		line, _, _ = strings.Cut(line, "?")
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("asked for %q, want %q", got, want)
	}
	if len(f.script) != 0 {
		f.t.Errorf("%d answers were not asked for", len(f.script))
	}
}

// answer returns a handler that gives one answer. The header has names and
// values in turn.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func (f *fakeManager) options(transport policy.Transporter) *ClientOptions {
	return &ClientOptions{ClientOptions: azarm.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: transport,
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: "https://login.example.com/",
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: endpoint + "/", Audience: "https://audience.example.com"},
			},
		},
	}}}
}

// newFake returns a fake and a client of it over TLS.
func newFake(t *testing.T) (*fakeManager, *Client) {
	t.Helper()
	f := &fakeManager{t: t}
	server := httptest.NewTLSServer(f)
	t.Cleanup(server.Close)
	// Every host leads to the fake and no certificate is checked: whether a
	// request is sent to a wrong host must be the client's doing, not TLS's.
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}}
	return f, newTestClient(t, &fakeCredential{}, f.options(client))
}

// newUnplugged returns a fake and a client of it without any network.
func newUnplugged(t *testing.T) (*fakeManager, *Client) {
	t.Helper()
	f := &fakeManager{t: t}
	return f, newTestClient(t, &fakeCredential{}, f.options(f))
}

func newTestClient(t *testing.T, cred azcore.TokenCredential, options *ClientOptions) *Client {
	t.Helper()
	client, err := NewClient(subscription, cred, options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

type fakeCredential struct {
	mu     sync.Mutex // guards scopes
	scopes []string
}

func (c *fakeCredential) GetToken(_ context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scopes = append(c.scopes, options.Scopes...)
	return azcore.AccessToken{Token: "token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
