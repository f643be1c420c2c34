package management

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// CreateOrUpdateManagedHSM creates a managed HSM or replaces the properties of an
// existing one, and returns it when it is ready. NewManagedHSM makes the usual
// parameters. In Azure an HSM that was created has to be activated before its keys
// can be used, which takes its administrators and is done elsewhere.
func (c *Client) CreateOrUpdateManagedHSM(ctx context.Context, group, name string, parameters arm.ManagedHSM) (*arm.ManagedHSM, error) {
	return c.awaitHSM(ctx, operation{
		name: "CreateOrUpdateManagedHSM", method: http.MethodPut, path: c.hsmPath(group, name),
		version: c.version, body: parameters, success: created,
	})
}

// UpdateManagedHSM changes those properties of a managed HSM that the parameters
// give. Tags, if given, replace all that there are.
func (c *Client) UpdateManagedHSM(ctx context.Context, group, name string, parameters arm.ManagedHSM) (*arm.ManagedHSM, error) {
	return c.awaitHSM(ctx, operation{
		name: "UpdateManagedHSM", method: http.MethodPatch, path: c.hsmPath(group, name),
		version: c.version, body: parameters, success: created,
	})
}

// awaitHSM performs an operation that ends in a managed HSM.
func (c *Client) awaitHSM(ctx context.Context, op operation) (*arm.ManagedHSM, error) {
	hsm, err := await[arm.ManagedHSM](ctx, c, op)
	if err == nil && hsm.Properties == nil {
		return nil, fmt.Errorf("management: %s: the answer is not a managed HSM", op.name)
	}
	return hsm, err
}

// GetManagedHSM returns a managed HSM.
func (c *Client) GetManagedHSM(ctx context.Context, group, name string) (*arm.ManagedHSM, error) {
	return call[arm.ManagedHSM](ctx, c, operation{
		name: "GetManagedHSM", method: http.MethodGet, path: c.hsmPath(group, name), version: c.version,
	})
}

// DeleteManagedHSM deletes a managed HSM with all that it holds, and returns when
// it is done. It can be recovered until it is purged. That there is no such HSM is
// no error.
func (c *Client) DeleteManagedHSM(ctx context.Context, group, name string) error {
	_, err := await[struct{}](ctx, c, operation{
		name: "DeleteManagedHSM", method: http.MethodDelete, path: c.hsmPath(group, name),
		version: c.version, success: []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent},
	})
	return err
}

// ListManagedHSMs lists the managed HSMs of the subscription.
func (c *Client) ListManagedHSMs(ctx context.Context) iter.Seq2[arm.ManagedHSM, error] {
	return list[arm.ManagedHSM](ctx, c, operation{
		name: "ListManagedHSMs", path: c.inProvider("managedHSMs"), version: c.version,
	})
}

// ListManagedHSMsByGroup lists the managed HSMs of a resource group.
func (c *Client) ListManagedHSMsByGroup(ctx context.Context, group string) iter.Seq2[arm.ManagedHSM, error] {
	return list[arm.ManagedHSM](ctx, c, operation{
		name:    "ListManagedHSMsByGroup",
		path:    c.inSubscription("resourceGroups", group, "providers", arm.KeyVaultNamespace, "managedHSMs"),
		version: c.version,
	})
}

// CheckManagedHSMName says whether a new managed HSM could have the name, and why
// not.
func (c *Client) CheckManagedHSMName(ctx context.Context, name string) (*arm.CheckNameAvailabilityResult, error) {
	return call[arm.CheckNameAvailabilityResult](ctx, c, operation{
		name: "CheckManagedHSMName", method: http.MethodPost, path: c.inProvider("checkMhsmNameAvailability"),
		version: c.version, body: arm.CheckNameAvailabilityParameters{Name: name},
	})
}

// GetDeletedManagedHSM returns a deleted managed HSM of a location.
func (c *Client) GetDeletedManagedHSM(ctx context.Context, location, name string) (*arm.DeletedManagedHSM, error) {
	return call[arm.DeletedManagedHSM](ctx, c, operation{
		name: "GetDeletedManagedHSM", method: http.MethodGet, path: c.deletedHSMPath(location, name), version: c.version,
	})
}

// ListDeletedManagedHSMs lists the deleted managed HSMs of the subscription.
func (c *Client) ListDeletedManagedHSMs(ctx context.Context) iter.Seq2[arm.DeletedManagedHSM, error] {
	return list[arm.DeletedManagedHSM](ctx, c, operation{
		name: "ListDeletedManagedHSMs", path: c.inProvider("deletedManagedHSMs"), version: c.version,
	})
}

// PurgeDeletedManagedHSM destroys a deleted managed HSM and all that it held for
// good, and returns when its name is free. Purge protection forbids it.
func (c *Client) PurgeDeletedManagedHSM(ctx context.Context, location, name string) error {
	_, err := await[struct{}](ctx, c, operation{
		name: "PurgeDeletedManagedHSM", method: http.MethodPost, path: append(c.deletedHSMPath(location, name), "purge"),
		version: c.version, success: []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent},
	})
	return err
}

// RecoverDeletedManagedHSM brings a deleted managed HSM back, with all that it
// held, into the group that it was deleted from, and returns it when it is ready.
func (c *Client) RecoverDeletedManagedHSM(ctx context.Context, group, name, location, tenantID string) (*arm.ManagedHSM, error) {
	parameters := NewManagedHSM(location, tenantID)
	parameters.Properties.CreateMode = arm.CreateModeRecover
	return c.awaitHSM(ctx, operation{
		name: "RecoverDeletedManagedHSM", method: http.MethodPut, path: c.hsmPath(group, name), version: c.version,
		body: parameters, success: created,
	})
}

// NewManagedHSM returns the parameters of a managed HSM of the smallest tier that
// the principals with the object ids administer. They cannot use its keys before
// they give themselves, or others, a role for it.
func NewManagedHSM(location, tenantID string, administrators ...string) arm.ManagedHSM {
	return arm.ManagedHSM{
		Location:   location,
		SKU:        &arm.SKU{Family: arm.HSMSKUFamilyB, Name: arm.HSMSKUStandardB1},
		Properties: &arm.ManagedHSMProperties{TenantID: tenantID, InitialAdminObjectIDs: administrators},
	}
}

func (c *Client) hsmPath(group, name string) []string {
	return c.inSubscription("resourceGroups", group, "providers", arm.KeyVaultNamespace, "managedHSMs", name)
}

func (c *Client) deletedHSMPath(location, name string) []string {
	return c.inProvider("locations", location, "deletedManagedHSMs", name)
}
