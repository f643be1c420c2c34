package management

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// created are the statuses with which a PUT or PATCH begins or ends.
var created = []int{http.StatusOK, http.StatusCreated, http.StatusAccepted}

// CreateOrUpdateVault creates a vault or replaces the properties of an existing
// one, and returns it when it is ready. VaultWithPolicies and VaultWithRoles
// make the usual parameters.
//
// The name is 3 to 24 letters, digits and single hyphens, begins with a letter
// and is unique among all vaults of the cloud. A deleted vault that still holds
// it is a conflict, as is a name that another subscription uses.
func (c *Client) CreateOrUpdateVault(ctx context.Context, group, name string, parameters arm.VaultCreateOrUpdateParameters) (*arm.Vault, error) {
	return c.awaitVault(ctx, operation{
		name: "CreateOrUpdateVault", method: http.MethodPut, path: c.vaultPath(group, name),
		version: c.version, body: parameters, success: created,
	})
}

// UpdateVault changes those properties of a vault that the parameters give.
// Access policies and tags, if given, replace all that there are.
func (c *Client) UpdateVault(ctx context.Context, group, name string, parameters arm.VaultPatchParameters) (*arm.Vault, error) {
	return c.awaitVault(ctx, operation{
		name: "UpdateVault", method: http.MethodPatch, path: c.vaultPath(group, name),
		version: c.version, body: parameters, success: created,
	})
}

// awaitVault performs an operation that ends in a vault. What a vault is, its
// URL above all, is in its properties: without them the answer is none.
func (c *Client) awaitVault(ctx context.Context, op operation) (*arm.Vault, error) {
	vault, err := await[arm.Vault](ctx, c, op)
	if err == nil && vault.Properties == nil {
		return nil, fmt.Errorf("management: %s: the answer is not a vault", op.name)
	}
	return vault, err
}

// GetVault returns a vault.
func (c *Client) GetVault(ctx context.Context, group, name string) (*arm.Vault, error) {
	return call[arm.Vault](ctx, c, operation{
		name: "GetVault", method: http.MethodGet, path: c.vaultPath(group, name), version: c.version,
	})
}

// DeleteVault deletes a vault with all that it holds. With soft delete it can be
// recovered until it is purged. That there is no such vault is no error.
func (c *Client) DeleteVault(ctx context.Context, group, name string) error {
	return c.do(ctx, operation{
		name: "DeleteVault", method: http.MethodDelete, path: c.vaultPath(group, name),
		version: c.version, success: []int{http.StatusOK, http.StatusNoContent},
	}, nil)
}

// ListVaults lists the vaults of the subscription.
func (c *Client) ListVaults(ctx context.Context) iter.Seq2[arm.Vault, error] {
	return list[arm.Vault](ctx, c, operation{
		name: "ListVaults", path: c.inProvider("vaults"), version: c.version,
	})
}

// ListVaultsByGroup lists the vaults of a resource group.
func (c *Client) ListVaultsByGroup(ctx context.Context, group string) iter.Seq2[arm.Vault, error] {
	return list[arm.Vault](ctx, c, operation{
		name:    "ListVaultsByGroup",
		path:    c.inSubscription("resourceGroups", group, "providers", arm.KeyVaultNamespace, "vaults"),
		version: c.version,
	})
}

// ListVaultResources lists the vaults of the subscription as resources: names,
// places and tags without properties. It needs no more than the right to read
// resources, and finds the group of a vault of which only the name is known.
func (c *Client) ListVaultResources(ctx context.Context) iter.Seq2[arm.GenericResource, error] {
	return list[arm.GenericResource](ctx, c, operation{
		name: "ListVaultResources", path: c.inSubscription("resources"), version: arm.ResourceListVersion,
		query: url.Values{"$filter": {"resourceType eq '" + arm.TypeVaults + "'"}},
	})
}

// CheckNameAvailability says whether a new vault could have the name, and why
// not.
func (c *Client) CheckNameAvailability(ctx context.Context, name string) (*arm.CheckNameAvailabilityResult, error) {
	return call[arm.CheckNameAvailabilityResult](ctx, c, operation{
		name: "CheckNameAvailability", method: http.MethodPost, path: c.inProvider("checkNameAvailability"),
		version: c.version, body: arm.CheckNameAvailabilityParameters{Name: name, Type: arm.TypeVaults},
	})
}

// VaultWithPolicies returns the parameters of a vault of the standard tier that
// decides by access policies: the entries, to which more can be added later.
func VaultWithPolicies(location, tenantID string, entries ...arm.AccessPolicyEntry) arm.VaultCreateOrUpdateParameters {
	return newVault(location, tenantID, entries, false)
}

// VaultWithRoles returns the parameters of a vault of the standard tier that
// decides by role assignments. Nobody can use it before a role is assigned.
func VaultWithRoles(location, tenantID string) arm.VaultCreateOrUpdateParameters {
	return newVault(location, tenantID, nil, true)
}

func newVault(location, tenantID string, entries []arm.AccessPolicyEntry, rbac bool) arm.VaultCreateOrUpdateParameters {
	return arm.VaultCreateOrUpdateParameters{
		Location: location,
		Properties: &arm.VaultProperties{
			TenantID:                tenantID,
			SKU:                     &arm.SKU{Family: arm.SKUFamilyA, Name: arm.SKUStandard},
			AccessPolicies:          append([]arm.AccessPolicyEntry{}, entries...),
			EnableRBACAuthorization: &rbac,
		},
	}
}
