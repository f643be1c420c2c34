package management

import (
	"context"
	"iter"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// CreateOrUpdateGroup creates a resource group or replaces the tags of an
// existing one, whose location cannot change. Of the group, Location, ManagedBy
// and Tags are sent.
func (c *Client) CreateOrUpdateGroup(ctx context.Context, name string, group arm.ResourceGroup) (*arm.ResourceGroup, error) {
	return call[arm.ResourceGroup](ctx, c, operation{
		name: "CreateOrUpdateGroup", method: http.MethodPut, path: c.groupPath(name), version: arm.ResourcesLatest,
		body:    arm.ResourceGroup{Location: group.Location, ManagedBy: group.ManagedBy, Tags: group.Tags},
		success: []int{http.StatusOK, http.StatusCreated},
	})
}

// GetGroup returns a resource group.
func (c *Client) GetGroup(ctx context.Context, name string) (*arm.ResourceGroup, error) {
	return call[arm.ResourceGroup](ctx, c, operation{
		name: "GetGroup", method: http.MethodGet, path: c.groupPath(name), version: arm.ResourcesLatest,
	})
}

// GroupExists reports whether there is a resource group of the name.
func (c *Client) GroupExists(ctx context.Context, name string) (bool, error) {
	err := c.do(ctx, operation{
		name: "GroupExists", method: http.MethodHead, path: c.groupPath(name), version: arm.ResourcesLatest,
		success: []int{http.StatusNoContent},
	}, nil)
	if IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// DeleteGroup deletes a resource group and all that it holds, and returns when
// that is done. Vaults with soft delete can be recovered once there is a group
// of the name again.
func (c *Client) DeleteGroup(ctx context.Context, name string) error {
	_, err := await[struct{}](ctx, c, operation{
		name: "DeleteGroup", method: http.MethodDelete, path: c.groupPath(name), version: arm.ResourcesLatest,
		success: []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent},
	})
	return err
}

// ListGroups lists the resource groups of the subscription.
func (c *Client) ListGroups(ctx context.Context) iter.Seq2[arm.ResourceGroup, error] {
	return list[arm.ResourceGroup](ctx, c, operation{
		name: "ListGroups", path: c.inSubscription("resourcegroups"), version: arm.ResourcesLatest,
	})
}

func (c *Client) groupPath(name string) []string {
	return c.inSubscription("resourcegroups", name)
}
