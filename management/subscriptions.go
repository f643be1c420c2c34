package management

import (
	"context"
	"iter"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// ListSubscriptions lists the subscriptions that the caller can see, of
// whichever the client was made for.
func (c *Client) ListSubscriptions(ctx context.Context) iter.Seq2[arm.Subscription, error] {
	return list[arm.Subscription](ctx, c, operation{
		name: "ListSubscriptions", path: []string{"subscriptions"}, version: arm.SubscriptionsLatest,
	})
}

// GetSubscription returns the subscription that the client was made for.
func (c *Client) GetSubscription(ctx context.Context) (*arm.Subscription, error) {
	return call[arm.Subscription](ctx, c, operation{
		name: "GetSubscription", method: http.MethodGet, path: c.inSubscription(), version: arm.SubscriptionsLatest,
	})
}

// ListTenants lists the directories that the caller can see.
func (c *Client) ListTenants(ctx context.Context) iter.Seq2[arm.Tenant, error] {
	return list[arm.Tenant](ctx, c, operation{
		name: "ListTenants", path: []string{"tenants"}, version: arm.SubscriptionsLatest,
	})
}

// GetProvider returns a resource provider, such as arm.KeyVaultNamespace, and
// whether the subscription is registered with it.
func (c *Client) GetProvider(ctx context.Context, namespace string) (*arm.Provider, error) {
	return call[arm.Provider](ctx, c, operation{
		name: "GetProvider", method: http.MethodGet, path: c.inSubscription("providers", namespace),
		version: arm.ResourcesLatest,
	})
}

// RegisterProvider registers the subscription with a resource provider. Azure
// does the work after it has answered: RegistrationState says when it is done.
// A Client does this by itself when Azure asks for it, unless told not to by
// ClientOptions.DisableRPRegistration.
func (c *Client) RegisterProvider(ctx context.Context, namespace string) (*arm.Provider, error) {
	return call[arm.Provider](ctx, c, operation{
		name: "RegisterProvider", method: http.MethodPost, path: c.inSubscription("providers", namespace, "register"),
		version: arm.ResourcesLatest,
	})
}
