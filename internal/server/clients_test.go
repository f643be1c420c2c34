package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

// The tests of this file drive the server with Azure's own credentials, which
// nobody here has written, over real connections.

// authority is where a credential finds its token service.
type authority struct {
	name      string
	login     func(*house) string // the authority host; empty is the credential's own
	discovery bool                // asks Microsoft's name about the authority
}

var authorities = []authority{
	{"Azure's name", func(*house) string { return "" }, true},
	{"Azure's name without discovery", func(*house) string { return "" }, false},
	{"localhost with a port", func(h *house) string { return h.at("localhost") }, true},
	{"localhost with a port, without discovery", func(h *house) string { return h.at("localhost") }, false},
	{"an address with a port", func(h *house) string { return h.at("127.0.0.1") }, true},
	{"an older name", func(*house) string { return "https://login.windows.net" }, true},
}

func (h *house) clientOptions(login string) policy.ClientOptions {
	o := policy.ClientOptions{Transport: h.client, Retry: policy.RetryOptions{MaxRetries: -1}}
	if login != "" {
		o.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: login}
	}
	return o
}

func (h *house) credential(a authority, tenant, client, secret string) azcore.TokenCredential {
	h.t.Helper()
	cred, err := azidentity.NewClientSecretCredential(tenant, client, secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: h.clientOptions(a.login(h)), DisableInstanceDiscovery: !a.discovery,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return cred
}

func TestClientSecretCredential(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, a := range authorities {
		for _, tenant := range []string{testTenant, "unit.onmicrosoft.com", "adfs"} {
			if tenant == "adfs" && a.discovery {
				continue // clients know that there is none at Microsoft's names
			}
			discoveries := strings.Count(h.log.String(), "operation=InstanceDiscovery")
			cred := h.credential(a, tenant, testClient, houseSecret)
			for plane, scope := range map[identity.Plane]string{identity.PlaneVault: vaultResource + "/.default", identity.PlaneManagement: "https://management.core.windows.net//.default"} {
				token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}, EnableCAE: true})
				if err != nil {
					t.Errorf("%s, %s: %v", a.name, scope, err)
					continue
				}
				caller, err := h.srv.Identity().Verify(t.Context(), plane, token.Token)
				if err != nil || caller.ObjectID != testOwner {
					t.Errorf("%s, %s: %+v, %v", a.name, scope, caller, err)
				}
			}
			if asked := strings.Count(h.log.String(), "operation=InstanceDiscovery") > discoveries; asked != a.discovery {
				t.Errorf("%s: asked about the authority: %v", a.name, asked)
			}
		}
	}
}

func TestClientSecretCredentialRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, a := range authorities {
		for _, tc := range []struct{ name, tenant, client, secret, code string }{
			{"wrong secret", testTenant, testClient, "wrong", "AADSTS7000215"},
			{"unknown client", testTenant, "nobody", "secret", "AADSTS700016"},
			{"unknown tenant", testSubscription, testClient, houseSecret, "AADSTS90002"},
		} {
			_, err := h.credential(a, tc.tenant, tc.client, tc.secret).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vaultResource + "/.default"}})
			if err == nil || !strings.Contains(err.Error(), tc.code) || strings.Contains(err.Error(), houseSecret) {
				t.Errorf("%s, %s: %v", a.name, tc.name, err)
			}
			if failed := new(azidentity.AuthenticationFailedError); tc.code == "AADSTS7000215" && (!errors.As(err, &failed) || failed.RawResponse == nil || failed.RawResponse.StatusCode != 401) {
				t.Errorf("%s, %s: %T", a.name, tc.name, err)
			}
		}
	}
	_, err := h.credential(authorities[0], testTenant, testClient, houseSecret).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
	if err == nil || !strings.Contains(err.Error(), "AADSTS500011") {
		t.Errorf("an unknown resource: %v", err)
	}
}

// With a credential of Azure's, our clients reach vault and management plane, by
// every name, without an option that weakens what they check.
func TestClientsWithAzureCredentials(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	cred := h.credential(authorities[2], testTenant, testClient, houseSecret)
	for _, vaultURL := range []string{"https://unit.vault.azure.net", h.at("unit.vault.localhost")} {
		client, err := keyvault.NewClient(vaultURL, cred, &keyvault.ClientOptions{ClientOptions: h.clientOptions("")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.SetSecret(t.Context(), "name", api.SecretSetParameters{Value: &vaultURL}); err != nil {
			t.Errorf("%s: %v", vaultURL, err)
			continue
		}
		got, err := client.GetSecret(t.Context(), "name", "")
		if err != nil || got.Value == nil || *got.Value != vaultURL {
			t.Errorf("%s: %+v, %v", vaultURL, got, err)
		}
	}
	for _, endpoint := range []string{"https://management.azure.com", h.at("localhost")} {
		options := &management.ClientOptions{}
		options.ClientOptions.ClientOptions = h.clientOptions("")
		options.Cloud = cloud.Configuration{
			ActiveDirectoryAuthorityHost: "https://login.microsoftonline.com/",
			Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: endpoint, Audience: endpoint}},
		}
		client, err := management.NewClient(testSubscription, cred, options)
		if err != nil {
			t.Fatal(err)
		}
		exists, err := client.GroupExists(t.Context(), "unit")
		if err != nil || !exists {
			t.Errorf("%s: %v, %v", endpoint, exists, err)
		}
	}
}
