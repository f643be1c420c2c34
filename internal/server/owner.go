package server

import (
	"context"
	"log/slog"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// MakeOwner registers one more application that has the role Owner at the root of
// the tenant, as the first one has, and returns it with its secret, which nobody
// learns again. It is for an installation whose owners are all gone. It works on a
// data directory that no server uses, with its root key. When it fails, what it has
// made has no role.
func MakeOwner(ctx context.Context, cfg DataConfig, logger *slog.Logger) (owner identity.Application, password identity.Secret, err error) {
	err = onKeyring(ctx, cfg, logger, func(s store.Store) error {
		_, keyring, err := cfg.openKeyring(ctx, s)
		if err != nil {
			return err
		}
		if err := noteOperator(ctx, s, keyring, "OwnerCreate", logger); err != nil {
			return err
		}
		ids, resources := offline(s, keyring, logger)
		tenant, err := ids.FindTenant(ctx, "common")
		if err != nil {
			return err
		}
		if owner, password, err = ids.CreateApplication(ctx, tenant.ID, "owner"); err != nil {
			return err
		}
		return own(ctx, resources, owner)
	})
	return owner, password, err
}

// own lets an application assign every role, at every scope, to itself and others.
func own(ctx context.Context, resources *resource.Service, app identity.Application) error {
	return resources.AssignRole(ctx, access.Assignment{Scope: "/", RoleID: access.RoleOwner, PrincipalID: app.ObjectID})
}

// offline returns the parts of the domain that make owners, without a server.
func offline(s store.Store, keyring *seal.Keyring, logger *slog.Logger) (*identity.Service, *resource.Service) {
	return identity.New(identity.Config{Store: s, Sealer: keyring.System(), Now: wallClock, Logger: logger}),
		resource.New(resource.Config{
			Store: s, Catalog: catalog.New(catalog.Config{Store: s, Keyring: keyring}), Keyring: keyring, Now: wallClock, Logger: logger,
			Audit: waitingAudit(s, keyring, logger),
		})
}

// waitingAudit returns a log whose records of changes wait in the store for the next
// server.
func waitingAudit(s store.Store, keyring *seal.Keyring, logger *slog.Logger) *audit.Log {
	return audit.New(audit.Config{Store: s, Sealer: keyring.System(), Sink: audit.Discard{}, Now: wallClock, Logger: logger})
}
