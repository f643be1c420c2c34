package dev

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

// Without --strict, what is missing is made, for whoever asks first; what exists
// is guarded as ever.
func TestConveniences(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	in := start(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx := t.Context()
	owner := in.owner(t)
	if err := set(t, in.vault(t, "made-up", owner), "name", "v"); err != nil {
		t.Errorf("a vault that nobody made: %v", err)
	}
	if found, err := in.manager(t, owner).GetVault(ctx, madeGroup, "made-up"); err != nil || found.Name != "made-up" {
		t.Errorf("the management plane knows %+v, %v", found, err)
	}
	// A name that no vault can have stays a refusal.
	refusedWith(t, "a bad name", set(t, in.vault(t, "x", owner), "name", "v"), 400, "VaultNameNotValid")

	stranger := in.credential(t, TenantID, "my-app", "my-secret")
	if err := set(t, in.vault(t, "made-up", stranger), "other", "v"); err != nil {
		t.Errorf("an unknown client, in a vault that was made for a request: %v", err)
	}
	if err := set(t, in.vault(t, "made-too", stranger), "name", "v"); err != nil {
		t.Errorf("an unknown client, in a vault that nobody made: %v", err)
	}
	refusedWith(t, "an unknown client in the vault that was asked for", set(t, in.vault(t, VaultName, stranger), "name", "v"), 403, "ForbiddenByRbac")
	manager := in.manager(t, stranger)
	if _, err := manager.GetVault(ctx, ownGroup, VaultName); err != nil {
		t.Errorf("an unknown client manages the subscription: %v", err)
	}
	created, err := manager.CreateOrUpdateVault(ctx, ownGroup, "by-stranger", management.VaultWithPolicies("eastus", TenantID))
	if err != nil || created.Properties.VaultURI != "https://by-stranger.vault.azure.net/" {
		t.Errorf("an unknown client creates a vault: %+v, %v", created, err)
	}
	elsewhere := in.credential(t, "72f988bf-86f1-41af-91ab-2d7cd011db47", ClientID, string(in.secret.Reveal()))
	if err := set(t, in.vault(t, VaultName, elsewhere), "name", "v"); err == nil {
		t.Error("a client that insists on another tenant takes a challenge for ours")
	}
	if _, err := elsewhere.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}); err != nil {
		t.Errorf("an unknown tenant: %v", err)
	}

	for client, secret := range map[string]string{ClientID: "wrong", "my-app": "another", "MY-APP": "another"} {
		wrong := in.credential(t, TenantID, client, secret)
		refusedWith(t, "a wrong secret of "+client, set(t, in.vault(t, "made-up", wrong), "name", "v"), 401, "AADSTS7000215")
	}
	for _, shown := range []string{"an unknown application was registered", "client_id=my-app", "a vault that did not exist was made", "vault=made-up", "vault=made-too", "--strict"} {
		if !strings.Contains(log.String(), shown) {
			t.Errorf("the log lacks %q:\n%s", shown, &log)
		}
	}
	for _, hidden := range []string{"my-secret", "another", string(in.secret.Reveal())} {
		if strings.Contains(log.String(), hidden) {
			t.Errorf("the log shows %q:\n%s", hidden, &log)
		}
	}
}

// Vaults of one name that many requests ask for at once are made once.
func TestMissingVaultIsMadeOnce(t *testing.T) {
	t.Parallel()
	in := start(t, Options{})
	vault := in.vault(t, "at-once", in.owner(t))
	errs := make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = set(t, vault, "name", "v") })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// A managed HSM is made as a vault is, and only the owner gets into it: its roles
// are its own.
func TestMissingHSM(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	in := start(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx := t.Context()
	owner, stranger := in.hsm(t, "strong", in.owner(t)), in.hsm(t, "strong", in.credential(t, TenantID, "my-app", "my-secret"))
	size := int32(256)
	made, err := owner.CreateKey(ctx, "k", api.KeyCreateParameters{Kty: api.KeyTypeOctHSM, KeySize: &size})
	if err != nil || made.Key.Kty != api.KeyTypeOctHSM || !strings.HasPrefix(made.Key.KID, "https://strong.managedhsm.azure.net/keys/k/") {
		t.Fatalf("made %+v, %v", made, err)
	}
	_, err = stranger.GetKey(ctx, "k", "")
	refusedWith(t, "an unknown client", err, 403, "Not authorized to access Microsoft.KeyVault/managedHsm/keys/read/action on /keys/k")
	if found, err := in.manager(t, in.owner(t)).GetManagedHSM(ctx, madeGroup, "strong"); err != nil || found.Name != "strong" {
		t.Errorf("the management plane knows %+v, %v", found, err)
	}
	if !strings.Contains(log.String(), "a managed HSM that did not exist was made") || !strings.Contains(log.String(), "hsm=strong") {
		t.Errorf("the log is\n%s", &log)
	}
	strict := start(t, Options{Strict: true})
	_, err = strict.hsm(t, "strong", strict.owner(t)).GetKey(ctx, "k", "")
	refusedWith(t, "a missing HSM", err, 404, "ManagedHSMNotFound")
}

func TestStrict(t *testing.T) {
	t.Parallel()
	in := start(t, Options{Strict: true, Vaults: []string{"orders"}})
	owner := in.owner(t)
	for _, name := range []string{VaultName, "orders"} {
		if err := set(t, in.vault(t, name, owner), "name", "v"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	refusedWith(t, "a missing vault", set(t, in.vault(t, "made-up", owner), "name", "v"), 404, "VaultNotFound")
	for name, tc := range map[string]struct{ tenant, client, secret, code string }{
		"an unknown client": {TenantID, "my-app", "my-secret", "AADSTS700016"},
		"a wrong secret":    {TenantID, ClientID, "wrong", "AADSTS7000215"},
		"an unknown tenant": {"72f988bf-86f1-41af-91ab-2d7cd011db47", ClientID, string(in.secret.Reveal()), "AADSTS90002"},
	} {
		_, err := in.credential(t, tc.tenant, tc.client, tc.secret).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
		if err == nil || !strings.Contains(err.Error(), tc.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The vault is reached without the proxy as well, under localhost and under a
// domain of one's own.
func TestWithoutProxy(t *testing.T) {
	t.Parallel()
	in := start(t, Options{Domain: "vault.internal.example"})
	client := in.client(t)
	client.Transport.(*http.Transport).Proxy = nil
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, in.listener.Addr().String())
	}
	_, port, err := net.SplitHostPort(in.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{"https://dev.vault.localhost:" + port, "https://dev.vault.internal.example:" + port} {
		options := &keyvault.ClientOptions{ClientOptions: policy.ClientOptions{Transport: client, Retry: policy.RetryOptions{MaxRetries: -1}}}
		vault, err := keyvault.NewClient(base, in.owner(t), options)
		if err != nil {
			t.Fatal(err)
		}
		if err := set(t, vault, "name", "v"); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

// The managed identity is for this machine, and for who knows the header.
func TestManagedIdentityEndpoint(t *testing.T) {
	t.Parallel()
	in := start(t, Options{})
	ask := func(change func(*http.Request)) (status int, body string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, in.identityEndpoint+"?api-version=2019-08-01&resource=https://vault.azure.net", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-IDENTITY-HEADER", in.identityHeader)
		change(req)
		resp, err := http.DefaultClient.Do(req)
		// Who takes long to send a header that is too long finds the connection closed.
		for range 20 {
			if err == nil {
				break
			}
			resp, err = http.DefaultClient.Do(req)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		content, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(content)
	}
	if status, body := ask(func(*http.Request) {}); status != 200 || !strings.Contains(body, `"client_id":"`+ClientID+`"`) {
		t.Errorf("status %d, %s", status, body)
	}
	for name, change := range map[string]func(*http.Request){
		"another host":  func(r *http.Request) { r.Host = "evil.example" },
		"a browser":     func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"no header":     func(r *http.Request) { r.Header.Del("X-IDENTITY-HEADER") },
		"a long header": func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 32<<10)) },
	} {
		if status, body := ask(change); status < 400 || strings.Contains(body, "access_token") {
			t.Errorf("%s: status %d, %s", name, status, body)
		}
	}
}

// A vault that is in soft-deleted state is not made anew for a request.
func TestMissingVaultThatWasDeleted(t *testing.T) {
	t.Parallel()
	in := start(t, Options{})
	owner := in.owner(t)
	vault := in.vault(t, "made-up", owner)
	if err := set(t, vault, "name", "v"); err != nil {
		t.Fatal(err)
	}
	if err := in.manager(t, owner).DeleteVault(t.Context(), madeGroup, "made-up"); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, "a deleted vault", set(t, vault, "name", "v"), 409, "ConflictError")
	deleted, err := in.manager(t, owner).GetDeletedVault(t.Context(), location, "made-up")
	if err != nil || deleted.Name != "made-up" {
		t.Errorf("%+v, %v", deleted, err)
	}
}
