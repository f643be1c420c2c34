package management

import (
	"context"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// AddAccessPolicies grants the permissions of the entries in addition to what
// their objects have already. It returns all entries of the vault.
func (c *Client) AddAccessPolicies(ctx context.Context, group, name string, entries ...arm.AccessPolicyEntry) ([]arm.AccessPolicyEntry, error) {
	return c.changePolicies(ctx, group, name, "AddAccessPolicies", "add", entries)
}

// ReplaceAccessPolicies grants the permissions of the entries instead of what
// their objects have; entries of other objects stay. It returns all entries of
// the vault.
func (c *Client) ReplaceAccessPolicies(ctx context.Context, group, name string, entries ...arm.AccessPolicyEntry) ([]arm.AccessPolicyEntry, error) {
	return c.changePolicies(ctx, group, name, "ReplaceAccessPolicies", "replace", entries)
}

// RemoveAccessPolicies takes the permissions of the entries away from their
// objects. It returns the entries that remain.
func (c *Client) RemoveAccessPolicies(ctx context.Context, group, name string, entries ...arm.AccessPolicyEntry) ([]arm.AccessPolicyEntry, error) {
	return c.changePolicies(ctx, group, name, "RemoveAccessPolicies", "remove", entries)
}

func (c *Client) changePolicies(ctx context.Context, group, name, operationName, kind string, entries []arm.AccessPolicyEntry) ([]arm.AccessPolicyEntry, error) {
	answer, err := call[arm.VaultAccessPolicyParameters](ctx, c, operation{
		name: operationName, method: http.MethodPut, path: c.vaultPath(group, name, "accessPolicies", kind),
		version: c.version,
		body: arm.VaultAccessPolicyParameters{Properties: &arm.VaultAccessPolicyProperties{
			AccessPolicies: append([]arm.AccessPolicyEntry{}, entries...),
		}},
		success: []int{http.StatusOK, http.StatusCreated},
	})
	if err != nil {
		return nil, err
	}
	if answer.Properties == nil {
		return nil, nil
	}
	return answer.Properties.AccessPolicies, nil
}

// AllPermissions returns what the portal calls all: every permission on keys,
// secrets, certificates and storage accounts except to purge.
func AllPermissions() *arm.Permissions {
	all := func() []string { return []string{arm.PermissionAll} }
	return &arm.Permissions{Keys: all(), Secrets: all(), Certificates: all(), Storage: all()}
}
