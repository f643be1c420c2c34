package keyvault

import (
	"context"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api"
)

// RotateKey gives a key a new version of the same type and size, which becomes
// the current one and expires when the rotation policy says. Older versions stay
// as they are. It needs the permission keys/rotate.
func (c *Client) RotateKey(ctx context.Context, name string) (*api.KeyBundle, error) {
	return onObject[api.KeyBundle](ctx, c, name, operation{
		name: "RotateKey", method: http.MethodPost, path: []string{"keys", name, "rotate"},
	})
}

// GetKeyRotationPolicy returns when a key is rotated by itself. It needs the
// permission keys/getrotationpolicy.
func (c *Client) GetKeyRotationPolicy(ctx context.Context, name string) (*api.KeyRotationPolicy, error) {
	return onObject[api.KeyRotationPolicy](ctx, c, name, operation{
		name: "GetKeyRotationPolicy", method: http.MethodGet, path: []string{"keys", name, "rotationpolicy"},
	})
}

// UpdateKeyRotationPolicy replaces a key's rotation policy. What it says about
// the expiry is for the versions to come. It needs the permission
// keys/setrotationpolicy.
func (c *Client) UpdateKeyRotationPolicy(ctx context.Context, name string, policy api.KeyRotationPolicy) (*api.KeyRotationPolicy, error) {
	return onObject[api.KeyRotationPolicy](ctx, c, name, operation{
		name: "UpdateKeyRotationPolicy", method: http.MethodPut, path: []string{"keys", name, "rotationpolicy"}, body: policy,
	})
}

// ReleaseKey returns an exportable key to whoever the token in Target attests, if
// the key's release policy admits them: in a signed object in compact form, RFC
// 7515, with the key wrapped for them. It needs the permission keys/release.
func (c *Client) ReleaseKey(ctx context.Context, name, version string, parameters api.KeyReleaseParameters) (string, error) {
	result, err := onVersion[api.KeyReleaseResult](ctx, c, name, version, operation{
		name: "ReleaseKey", method: http.MethodPost, path: []string{"keys", name, version, "release"}, body: parameters,
	})
	if err != nil {
		return "", err
	}
	return result.Value, nil
}
