package server

import (
	"log/slog"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/devca"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

const (
	testTenant       = "11111111-2222-4333-8444-000000000001"
	testSubscription = "11111111-2222-4333-8444-000000000002"
	testClient       = "11111111-2222-4333-8444-000000000003"
	testOwner        = "11111111-2222-4333-8444-000000000004"
	testSecret       = "the owner's client secret, of some length"
	testVault        = "unit"
)

func ownerCall(name string) vault.Call {
	return vault.Call{Caller: access.Caller{TenantID: testTenant, ObjectID: testOwner, AppID: testClient}, Vault: name}
}

// openTest returns a server with a tenant, its owner and one vault. The test
// shuts it down.
func openTest(t *testing.T, data DataConfig) *Server {
	t.Helper()
	hosts := httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow()}
	ca, err := devca.New(hosts.Suffixes())
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	s, err := Open(ctx, Config{
		Data: data, Hosts: hosts, Issuer: "https://sts.windows.net/{tenant}/",
		Certificate: ca.GetCertificate, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	populate(t, s, identity.GivenSecret(testSecret))
	return s
}

// populate makes the tenant, its owner and the vault.
func populate(t *testing.T, s *Server, secret identity.Secret) {
	t.Helper()
	ctx := t.Context()
	for _, step := range []func() error{
		func() error {
			return s.Identity().EnsureTenant(ctx, identity.Tenant{ID: testTenant, Domain: "unit.onmicrosoft.com", Name: "unit"})
		},
		func() error {
			return s.Identity().EnsureApplication(ctx, identity.Application{ClientID: testClient, ObjectID: testOwner, TenantID: testTenant, Name: "owner"}, secret)
		},
		func() error {
			return s.Resources().Bootstrap(ctx, resource.Bootstrap{
				TenantID: testTenant, SubscriptionID: testSubscription, SubscriptionName: "unit",
				OwnerObjectID: testOwner, OwnerRoles: []string{access.RoleOwner, access.RoleKeyVaultAdministrator},
			})
		},
		func() error { return s.Resources().EnsureGroup(ctx, testSubscription, "unit", "eastus", nil) },
		func() error {
			_, err := s.Resources().EnsureVault(ctx, resource.EnsureVault{
				Subscription: testSubscription, Group: "unit", Name: testVault, Location: "eastus", TenantID: testTenant, Premium: true, RBAC: true,
			})
			return err
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}
