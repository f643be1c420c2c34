package management

import (
	"context"
	"iter"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// GetDeletedVault returns a deleted vault of a location.
func (c *Client) GetDeletedVault(ctx context.Context, location, name string) (*arm.DeletedVault, error) {
	return call[arm.DeletedVault](ctx, c, operation{
		name: "GetDeletedVault", method: http.MethodGet, path: c.deletedPath(location, name), version: c.version,
	})
}

// ListDeletedVaults lists the deleted vaults of the subscription.
func (c *Client) ListDeletedVaults(ctx context.Context) iter.Seq2[arm.DeletedVault, error] {
	return list[arm.DeletedVault](ctx, c, operation{
		name: "ListDeletedVaults", path: c.inProvider("deletedVaults"), version: c.version,
	})
}

// PurgeDeletedVault destroys a deleted vault and all that it held for good, and
// returns when its name is free. Purge protection forbids it.
func (c *Client) PurgeDeletedVault(ctx context.Context, location, name string) error {
	_, err := await[struct{}](ctx, c, operation{
		name: "PurgeDeletedVault", method: http.MethodPost, path: append(c.deletedPath(location, name), "purge"),
		version: c.version, success: []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent},
	})
	return err
}

// RecoverDeletedVault brings a deleted vault back, with all that it held, into
// the group that it was deleted from, and returns it when it is ready. Location
// and tenant are those that the vault had; its other properties return with it.
func (c *Client) RecoverDeletedVault(ctx context.Context, group, name, location, tenantID string) (*arm.Vault, error) {
	return c.awaitVault(ctx, operation{
		name: "RecoverDeletedVault", method: http.MethodPut, path: c.vaultPath(group, name), version: c.version,
		body: arm.VaultCreateOrUpdateParameters{
			Location: location,
			Properties: &arm.VaultProperties{
				TenantID:   tenantID,
				SKU:        &arm.SKU{Family: arm.SKUFamilyA, Name: arm.SKUStandard},
				CreateMode: arm.CreateModeRecover,
			},
		},
		success: created,
	})
}

func (c *Client) deletedPath(location, name string) []string {
	return c.inProvider("locations", location, "deletedVaults", name)
}
