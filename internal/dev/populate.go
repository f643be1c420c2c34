package dev

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// Names of what every development vault has. They are the same in every run, so
// that scripts may hold them; the application's secret is not.
const (
	TenantID       = "d0d00000-0000-4000-8000-000000000001"
	TenantDomain   = "okv-dev.onmicrosoft.com"
	SubscriptionID = "d0d00000-0000-4000-8000-000000000002"
	ClientID       = "d0d00000-0000-4000-8000-000000000003"
	ObjectID       = "d0d00000-0000-4000-8000-000000000004"
	VaultName      = "dev"

	location = "eastus"
	// ownGroup holds the vaults that were asked for, madeGroup those that a
	// request for an unknown name has made.
	ownGroup  = "okv-dev"
	madeGroup = "okv-dev-made"
)

// populate makes the tenant, the subscription with its owner, who owns the
// directory, too, the vaults and the secrets. All of it may exist from an earlier run.
func (in *instance) populate(ctx context.Context) error {
	in.secret = identity.NewSecret()
	ids, resources := in.srv.Identity(), in.srv.Resources()
	if err := ids.EnsureTenant(ctx, identity.Tenant{ID: TenantID, Domain: TenantDomain, Name: "okv dev"}); err != nil {
		return err
	}
	owner := identity.Application{ClientID: ClientID, ObjectID: ObjectID, TenantID: TenantID, Name: "okv dev owner"}
	if err := ids.EnsureApplication(ctx, owner, in.secret); err != nil {
		return err
	}
	if err := resources.Bootstrap(ctx, resource.Bootstrap{
		TenantID: TenantID, TenantDomain: TenantDomain,
		SubscriptionID: SubscriptionID, SubscriptionName: "okv dev",
		OwnerObjectID: ObjectID, OwnerRoles: []string{access.RoleOwner, access.RoleKeyVaultAdministrator},
	}); err != nil {
		return err
	}
	// The directory belongs to no subscription.
	if err := resources.AssignRole(ctx, access.Assignment{Scope: "/", RoleID: access.RoleOwner, PrincipalID: ObjectID}); err != nil {
		return err
	}
	for _, group := range []string{ownGroup, madeGroup} {
		if err := resources.EnsureGroup(ctx, SubscriptionID, group, location, nil); err != nil {
			return err
		}
	}
	for _, name := range append([]string{VaultName}, in.opts.Vaults...) {
		err := in.ensureVault(ctx, ownGroup, name)
		if fault.KindOf(err) == fault.Conflict {
			// Only a vault that runs can recover it.
			in.opts.Logger.Warn("the vault was deleted in an earlier run; recover or purge it", "vault", name)
		} else if err != nil {
			return fmt.Errorf("vault %s: %w", name, err)
		}
	}
	for _, s := range in.opts.Secrets {
		if err := in.setSecret(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (in *instance) ensureVault(ctx context.Context, group, name string) error {
	_, err := in.srv.Resources().EnsureVault(ctx, resource.EnsureVault{
		Subscription: SubscriptionID, Group: group, Name: name, Location: location, TenantID: TenantID,
		Premium: true, RBAC: true,
	})
	return err
}

// ensureHSM makes a managed HSM that the owner administers and whose keys he uses:
// nobody else could ever be given a role in it.
func (in *instance) ensureHSM(ctx context.Context, group, name string) error {
	_, err := in.srv.Resources().EnsureHSM(ctx, resource.EnsureHSM{
		Subscription: SubscriptionID, Group: group, Name: name, Location: location, TenantID: TenantID, Admin: ObjectID,
		Roles: []string{access.LocalRoleAdministrator, access.LocalRoleCryptoOfficer, access.LocalRoleCryptoUser},
	})
	return err
}

// setSecret sets one --secret. Errors name the option without its value.
func (in *instance) setSecret(ctx context.Context, option string) error {
	path, value, found := strings.Cut(option, "=")
	if !found {
		return fmt.Errorf("--secret: give [VAULT/]NAME=VALUE, or [VAULT/]NAME=@FILE")
	}
	vaultName, name, found := strings.Cut(path, "/")
	if !found {
		vaultName, name = VaultName, path
	}
	content := []byte(value)
	if file, isFile := strings.CutPrefix(value, "@"); isFile {
		var err error
		if content, err = os.ReadFile(file); err != nil {
			return fmt.Errorf("--secret %s: %w", path, err)
		}
	}
	call := vault.Call{
		Caller: access.Caller{TenantID: TenantID, ObjectID: ObjectID, AppID: ClientID},
		Origin: audit.Origin{UserAgent: "okv dev --secret"},
		Vault:  vaultName,
	}
	_, err := in.srv.Vaults().SetSecret(ctx, call, name, vault.SetSecret{Value: secret.New(content)})
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return fmt.Errorf("--secret %s: there is no vault %s, which --vault %[2]s makes: %w", path, vaultName, err)
	case err != nil:
		return fmt.Errorf("--secret %s: %w", path, err)
	}
	return nil
}

// onAdopt returns what an application that nobody registered may do: manage the
// subscription's resources, and use the data of vaults that a request has made.
func (in *instance) onAdopt() func(context.Context, identity.Application) error {
	if in.opts.Strict {
		return nil
	}
	return func(ctx context.Context, app identity.Application) error {
		subscription := "/subscriptions/" + SubscriptionID
		for scope, role := range map[string]string{
			subscription: access.RoleContributor,
			subscription + "/resourceGroups/" + madeGroup: access.RoleKeyVaultAdministrator,
		} {
			if err := in.srv.Resources().AssignRole(ctx, access.Assignment{Scope: scope, RoleID: role, PrincipalID: app.ObjectID}); err != nil {
				return err
			}
		}
		in.opts.Logger.Warn("an unknown application was registered with the secret that it showed; --strict refuses it",
			"client_id", app.ClientID, "object_id", app.ObjectID)
		return nil
	}
}

func (in *instance) onMissingVault() func(context.Context, string) error {
	return in.onMissing("vault", "vault", in.ensureVault)
}

func (in *instance) onMissingHSM() func(context.Context, string) error {
	return in.onMissing("hsm", "managed HSM", in.ensureHSM)
}

// onMissing returns what makes a vault or managed HSM that a request names. The log
// has its name under the key.
func (in *instance) onMissing(key, what string, ensure func(ctx context.Context, group, name string) error) func(context.Context, string) error {
	if in.opts.Strict {
		return nil
	}
	return func(ctx context.Context, name string) error {
		if err := ensure(ctx, madeGroup, name); err != nil {
			if _, refused := fault.As(err); !refused {
				in.opts.Logger.Error("making a "+what+" that a request named", key, name, "error", err)
			}
			return err
		}
		in.opts.Logger.Warn("a "+what+" that did not exist was made for a request; --strict answers 404", key, name)
		return nil
	}
}
