package keyvault

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/openkeyvault/openkeyvault/api"
)

// TestFirstRequest checks that nothing is told to a host before it has shown
// itself to be the vault, and everything afterwards.
func TestFirstRequest(t *testing.T) {
	f := newFakeVault(t)
	cred := &fakeCredential{}
	c := f.client(t, cred)
	for range 2 {
		if _, err := c.SetSecret(t.Context(), "s", api.SecretSetParameters{Value: ptr("hunter2")}); err != nil {
			t.Fatal(err)
		}
	}
	bare := request{Host: "contoso.example.com", Method: "PUT", URI: "/secrets/s?api-version=" + api.VersionLatest, TLS: true}
	full := bare
	full.Authorization, full.ContentType, full.Body, full.Length = "Bearer token-1", "application/json", `{"value":"hunter2"}`, 19
	if seen := f.seen(); !slices.Equal(seen, []request{bare, full, full}) {
		t.Errorf("sent %+v", seen)
	}
	asked := cred.requests()
	if len(asked) != 1 || !slices.Equal(asked[0].Scopes, []string{"https://example.com/.default"}) ||
		asked[0].TenantID != "tenant-1" || asked[0].Claims != "" || !asked[0].EnableCAE {
		t.Errorf("asked the credential for %+v", asked)
	}
}

// TestRefusedChallenges holds out challenges as a hostile or broken server might.
// None of them may bring the credential to give a token.
func TestRefusedChallenges(t *testing.T) {
	const authority = `Bearer authorization="https://login.example.net/t", `
	tests := []struct{ name, vault, header, want string }{
		{"another domain", vaultURL, authority + `resource="https://vault.azure.net"`, "not a parent domain"},
		{"another domain as scope", vaultURL, authority + `resource="https://example.com", scope="https://vault.azure.net/.default"`, "not a parent domain"},
		{"a part of a label", vaultURL, authority + `resource="https://oso.example.com"`, "not a parent domain"},
		{"the vault itself", vaultURL, authority + `resource="https://contoso.example.com"`, "not a parent domain"},
		{"below the vault", vaultURL, authority + `resource="https://a.contoso.example.com"`, "not a parent domain"},
		{"the vault's name in front", vaultURL, authority + `resource="https://example.com.evil.net"`, "not a parent domain"},
		{"another port", vaultURL, authority + `resource="https://example.com:8443"`, "not a parent domain"},
		{"no port", vaultURL + ":8443", authority + `resource="https://example.com"`, "not a parent domain"},
		{"an address", "https://127.0.0.1", authority + `resource="https://0.0.1"`, "not a parent domain"},
		{"a user before the domain", vaultURL, authority + `resource="https://example.com@evil.net"`, "not an https URL"},
		{"a domain as user", vaultURL, authority + `resource="https://evil.net@example.com"`, "not an https URL"},
		{"a resource without TLS", vaultURL, authority + `resource="http://example.com"`, "not an https URL"},
		{"a resource that is no URL", vaultURL, authority + `resource="example.com"`, "not an https URL"},
		{"a bare domain", vaultURL, authority + `resource="https://"`, "not an https URL"},
		{"no resource", vaultURL, authority + `realm=""`, "names no resource"},
		{"an authority without TLS", vaultURL, `Bearer authorization="http://login.example.net/t", resource="https://example.com"`, "authority"},
		{"an authority that is no URL", vaultURL, `Bearer authorization="t", resource="https://example.com"`, "authority"},
		{"an authority with a user", vaultURL, `Bearer authorization="https://a:b@login.example.net/t", resource="https://example.com"`, "authority"},
		{"no authority", vaultURL, `Bearer resource="https://example.com"`, "where to get a token"},
		{"another scheme", vaultURL, `Basic realm="https://example.com"`, "where to get a token"},
		{"no header", vaultURL, ``, "where to get a token"},
		{"a parameter twice", vaultURL, authority + `resource="https://example.com", resource="https://vault.azure.net"`, "twice"},
		{"no end", vaultURL, authority + `resource="https://example.com`, "without end"},
		{"claims that are not base64", vaultURL, authority + `resource="https://example.com", error="insufficient_claims", claims="{}"`, "base64"},
		{"9 KiB", vaultURL, authority + `resource="https://example.com", x="` + strings.Repeat("x", 9<<10) + `"`, "longer than"},
		{"512 KiB", vaultURL, strings.Repeat("Bearer ", 512<<10/7), "longer than"},
		{"many challenges", vaultURL, strings.Repeat("a,", 100) + authority + `resource="https://example.com"`, "more than"},
	}
	f := newFakeVault(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.challenge = func(token string) (string, bool) { return tt.header, token != "" }
			cred := &fakeCredential{}
			c := newTestClient(t, tt.vault, cred, f.options())
			_, err := c.SetSecret(t.Context(), "s", api.SecretSetParameters{Value: ptr("hunter2")})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
			if asked := cred.requests(); len(asked) != 0 {
				t.Errorf("the credential was asked for %+v", asked)
			}
			for _, r := range f.seen() {
				if r.Authorization != "" || r.Body != "" {
					t.Errorf("sent %+v", r)
				}
			}
		})
	}
}

func TestAcceptedChallenges(t *testing.T) {
	const authority = `Bearer authorization="https://login.example.net/t", `
	tests := []struct {
		name, vault, header string
		unverified          bool
		scope, tenant       string
	}{
		{"a scope before a resource", vaultURL, authority + `resource="https://x.example.com", scope="https://example.com/.default"`, false, "https://example.com/.default", "t"},
		{"a resource with a slash", vaultURL, authority + `resource="https://example.com/"`, false, "https://example.com//.default", "t"},
		{"a resource that is a scope", vaultURL, authority + `resource="https://example.com/.default"`, false, "https://example.com/.default", "t"},
		{"capitals", "https://Contoso.EXAMPLE.com", authority + `resource="https://Example.com"`, false, "https://Example.com/.default", "t"},
		{"a port", vaultURL + ":8443", authority + `resource="https://example.com:8443"`, false, "https://example.com:8443/.default", "t"},
		{"the default port", vaultURL + ":443", authority + `resource="https://example.com"`, false, "https://example.com/.default", "t"},
		{"a grandparent", "https://a.contoso.example.com", authority + `resource="https://example.com"`, false, "https://example.com/.default", "t"},
		{"another domain, trusted", vaultURL, authority + `resource="https://vault.azure.net"`, true, "https://vault.azure.net/.default", "t"},
		{"the older name of the authority", vaultURL, `Bearer authorization_uri="https://login.example.net/t/oauth2", resource=https://example.com`, false, "https://example.com/.default", "t"},
		{"no tenant", vaultURL, `bearer authorization="https://login.example.net", resource="https://example.com"`, false, "https://example.com/.default", ""},
		{"after others", vaultURL, `Negotiate YII/+w==, Basic realm="a, b", PoP authorization="x" , ` + authority + `resource="https://example.com"`, false, "https://example.com/.default", "t"},
	}
	f := newFakeVault(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.challenge = func(token string) (string, bool) { return tt.header, token != "" }
			cred, options := &fakeCredential{}, f.options()
			options.DisableChallengeResourceVerification = tt.unverified
			if _, err := newTestClient(t, tt.vault, cred, options).GetKey(t.Context(), "k", ""); err != nil {
				t.Fatal(err)
			}
			if asked := cred.requests(); len(asked) != 1 || asked[0].Scopes[0] != tt.scope || asked[0].TenantID != tt.tenant {
				t.Errorf("the credential was asked for %+v", asked)
			}
		})
	}
}

// authorizations returns the tokens of the requests, without the scheme.
func authorizations(seen []request) []string {
	var all []string
	for _, r := range seen {
		all = append(all, strings.TrimPrefix(r.Authorization, "Bearer "))
	}
	return all
}

// TestChallengedAgain lets the vault turn against tokens that it accepted.
func TestChallengedAgain(t *testing.T) {
	const claims = `, error="insufficient_claims", claims="eyJuYmYiOjF9"`
	elsewhere := strings.Replace(goodChallenge, "tenant-1", "tenant-2", 1)
	same := func(int, policy.TokenRequestOptions) (azcore.AccessToken, error) { return token(1), nil }
	tests := []struct {
		name    string
		header  string
		accepts string // the only token that is accepted
		give    func(int, policy.TokenRequestOptions) (azcore.AccessToken, error)
		sent    []string // after the first call, which token-1 served
		asked   policy.TokenRequestOptions
		status  int
	}{
		{"a new token", goodChallenge, "token-2", nil, []string{"token-1", "token-2"}, policy.TokenRequestOptions{TenantID: "tenant-1"}, 0},
		{"another tenant", elsewhere, "token-2", nil, []string{"token-1", "token-2"}, policy.TokenRequestOptions{TenantID: "tenant-2"}, 0},
		{"claims", goodChallenge + claims, "token-2", nil, []string{"token-1", "token-2"}, policy.TokenRequestOptions{TenantID: "tenant-1", Claims: `{"nbf":1}`}, 0},
		{"a third token", goodChallenge, "token-3", nil, []string{"token-1", "token-2", "token-3"}, policy.TokenRequestOptions{TenantID: "tenant-1"}, 0},
		{"no token is good", goodChallenge, "none", nil, []string{"token-1", "token-2", "token-3"}, policy.TokenRequestOptions{TenantID: "tenant-1"}, 401},
		{"no other token", goodChallenge, "none", same, []string{"token-1"}, policy.TokenRequestOptions{TenantID: "tenant-1"}, 401},
		{"no challenge", "", "none", nil, []string{"token-1"}, policy.TokenRequestOptions{TenantID: "tenant-1"}, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeVault(t)
			cred := &fakeCredential{give: tt.give}
			c := f.client(t, cred)
			set := func() error {
				_, err := c.SetSecret(t.Context(), "s", api.SecretSetParameters{Value: ptr("v")})
				return err
			}
			if err := set(); err != nil {
				t.Fatal(err)
			}
			f.seen()
			f.challenge = func(token string) (string, bool) { return tt.header, token == tt.accepts }
			err := set()
			if (tt.status == 0) != (err == nil) || IsUnauthorized(err) != (tt.status == 401) {
				t.Errorf("the error is %v", err)
			}
			seen := f.seen()
			if sent := authorizations(seen); !slices.Equal(sent, tt.sent) {
				t.Errorf("sent %q, want %q", sent, tt.sent)
			}
			for _, r := range seen {
				if r.Body != `{"value":"v"}` {
					t.Errorf("sent the body %q", r.Body)
				}
			}
			asked := cred.requests()
			if last := asked[len(asked)-1]; last.TenantID != tt.asked.TenantID || last.Claims != tt.asked.Claims {
				t.Errorf("asked for %+v", last)
			}
			if tt.status != 0 {
				return
			}
			if err := set(); err != nil {
				t.Error(err)
			}
			if sent := authorizations(f.seen()); !slices.Equal(sent, []string{tt.accepts}) {
				t.Errorf("then sent %q", sent)
			}
		})
	}
}

// TestChallengedAwayLater checks that a vault that once was believed gets no
// token for another domain either.
func TestChallengedAwayLater(t *testing.T) {
	f := newFakeVault(t)
	cred := &fakeCredential{}
	c := f.client(t, cred)
	if _, err := c.GetKey(t.Context(), "k", ""); err != nil {
		t.Fatal(err)
	}
	f.challenge = func(string) (string, bool) {
		return `Bearer authorization="https://login.example.net/t", resource="https://vault.azure.net"`, false
	}
	if _, err := c.GetKey(t.Context(), "k", ""); err == nil || !strings.Contains(err.Error(), "not a parent domain") {
		t.Errorf("the error is %v", err)
	}
	if asked := cred.requests(); len(asked) != 1 {
		t.Errorf("the credential was asked for %+v", asked)
	}
}

// TestOpenHost checks that a host that answers without asking for a token is not
// taken for a vault: it would not have got the body.
func TestOpenHost(t *testing.T) {
	f := newFakeVault(t)
	f.challenge = func(string) (string, bool) { return "", true }
	cred := &fakeCredential{}
	_, err := f.client(t, cred).SetSecret(t.Context(), "s", api.SecretSetParameters{Value: ptr("v")})
	if err == nil || !strings.Contains(err.Error(), "not a vault") || len(cred.requests()) != 0 {
		t.Errorf("the error is %v", err)
	}
	// A refusal is passed on.
	f.answer = func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 404, `{"error":{"code":"VaultNotFound","message":"m"}}`)
	}
	if _, err := f.client(t, cred).GetKey(t.Context(), "k", ""); !IsNotFound(err) {
		t.Errorf("the error is %v", err)
	}
}

func TestCredentialFails(t *testing.T) {
	broken := errors.New("no credential")
	f := newFakeVault(t)
	options := f.options()
	options.Retry = policy.RetryOptions{MaxRetries: 5, RetryDelay: time.Hour} // a retry would hang
	for name, give := range map[string]func(int, policy.TokenRequestOptions) (azcore.AccessToken, error){
		"no credential": func(int, policy.TokenRequestOptions) (azcore.AccessToken, error) { return azcore.AccessToken{}, broken },
		"empty token":   func(int, policy.TokenRequestOptions) (azcore.AccessToken, error) { return azcore.AccessToken{}, nil },
	} {
		cred := &fakeCredential{give: give}
		_, err := newTestClient(t, vaultURL, cred, options).GetKey(t.Context(), "k", "")
		if err == nil || !strings.Contains(err.Error(), name) || len(cred.requests()) != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if name == "no credential" && !errors.Is(err, broken) {
			t.Errorf("%v does not wrap the credential's error", err)
		}
	}
}

// TestRenewal looks at tokens that near their end.
func TestRenewal(t *testing.T) {
	now := time.Now()
	broken := errors.New("the authority is away")
	old := azcore.AccessToken{Token: "old"}
	expiring := func(at, refresh time.Time) azcore.AccessToken {
		t := old
		t.ExpiresOn, t.RefreshOn = at, refresh
		return t
	}
	tests := []struct {
		name  string
		first azcore.AccessToken
		fails bool
		sent  []string // by three calls after the first
		asked int
		err   bool
	}{
		{"fresh", expiring(now.Add(time.Hour), time.Time{}), false, []string{"old", "old", "old"}, 1, false},
		{"no expiry", old, false, []string{"old", "old", "old"}, 1, false},
		{"near the end", expiring(now.Add(4*time.Minute), time.Time{}), false, []string{"token-2", "token-2", "token-2"}, 2, false},
		{"past the refresh", expiring(now.Add(time.Hour), now.Add(-time.Second)), false, []string{"token-2", "token-2", "token-2"}, 2, false},
		{"before the refresh", expiring(now.Add(4*time.Minute), now.Add(3*time.Minute)), false, []string{"old", "old", "old"}, 1, false},
		{"expired", expiring(now.Add(-time.Second), time.Time{}), false, []string{"token-2", "token-2", "token-2"}, 2, false},
		{"near the end, no other", expiring(now.Add(4*time.Minute), time.Time{}), true, []string{"old", "old", "old"}, 2, false},
		{"expired, no other", expiring(now.Add(-time.Second), time.Time{}), true, nil, 4, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeVault(t)
			cred := &fakeCredential{give: func(n int, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
				switch {
				case n == 1:
					return tt.first, nil
				case tt.fails:
					return azcore.AccessToken{}, broken
				}
				return token(n), nil
			}}
			c := f.client(t, cred)
			if _, err := c.GetKey(t.Context(), "k", ""); err != nil {
				t.Fatal(err)
			}
			f.seen()
			for range 3 {
				if _, err := c.GetKey(t.Context(), "k", ""); errors.Is(err, broken) != tt.err {
					t.Errorf("the error is %v", err)
				}
			}
			if sent := authorizations(f.seen()); !slices.Equal(sent, tt.sent) {
				t.Errorf("sent %q, want %q", sent, tt.sent)
			}
			if asked := len(cred.requests()); asked != tt.asked {
				t.Errorf("asked the credential %d times, want %d", asked, tt.asked)
			}
		})
	}
}

func TestDue(t *testing.T) {
	now := time.Now()
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	never := time.Time{}
	tests := []struct {
		name                       string
		expires, refresh, notUntil time.Time
		want                       bool
	}{
		{"fresh", at(6), never, never, false},
		{"near the end", at(4), never, never, true},
		{"near the end, just failed", at(4), never, at(1), false},
		{"near the end, failed a while ago", at(4), never, at(-1), true},
		{"expired, just failed", at(0), never, at(1), true},
		{"expired before its refresh", at(-1), at(1), never, true},
		{"refresh", at(60), at(-1), never, true},
		{"no refresh yet", at(1), at(1), never, false},
		{"no expiry", never, at(-1), never, false},
	}
	for _, tt := range tests {
		a := &authenticator{token: azcore.AccessToken{Token: "t", ExpiresOn: tt.expires, RefreshOn: tt.refresh}, renewAt: tt.notUntil}
		if got := a.dueLocked(now); got != tt.want {
			t.Errorf("%s: due is %v", tt.name, got)
		}
	}
}

// TestConcurrentRequests checks that a token is asked for once, however many
// requests need it.
func TestConcurrentRequests(t *testing.T) {
	f := newFakeVault(t)
	cred := &fakeCredential{}
	c := f.client(t, cred)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.SetSecret(t.Context(), "s", api.SecretSetParameters{Value: ptr("v")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if asked := cred.requests(); len(asked) != 1 {
		t.Errorf("the credential was asked %d times", len(asked))
	}
}

// TestGivingUp checks that a request does not outlive its context because
// another one waits for the credential.
func TestGivingUp(t *testing.T) {
	f := newFakeVault(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	cred := &fakeCredential{give: func(n int, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
		close(entered)
		<-leave
		return token(n), nil
	}}
	c := f.client(t, cred)
	first := make(chan error, 1)
	go func() {
		_, err := c.GetKey(t.Context(), "k", "")
		first <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.GetKey(ctx, "k", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	close(leave)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// TestCredentialContext checks that what azcore puts into a context for one
// request does not reach the requests of the credential.
func TestCredentialContext(t *testing.T) {
	f := newFakeVault(t)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "value")
	cred := contextCredential(func(ctx context.Context) {
		if ctx.Value(key{}) != nil {
			t.Error("the credential sees the values of the request's context")
		}
		if ctx.Done() == nil {
			t.Error("the credential does not see the end of the request's context")
		}
	})
	if _, err := f.client(t, cred).GetKey(ctx, "k", ""); err != nil {
		t.Error(err)
	}
}

type contextCredential func(context.Context)

func (c contextCredential) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c(ctx)
	return token(1), nil
}
