package keyvault

import (
	"context"
	"iter"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api"
)

// CreateKey makes a key inside the vault, as a new version that becomes the
// current one. The private key never leaves the vault. It needs the permission
// keys/create. A deleted key that still holds the name is a conflict.
func (c *Client) CreateKey(ctx context.Context, name string, parameters api.KeyCreateParameters) (*api.KeyBundle, error) {
	return onObject[api.KeyBundle](ctx, c, name, operation{
		name: "CreateKey", method: http.MethodPost, path: []string{"keys", name, "create"}, body: parameters,
		akp: isAKP(parameters.Kty),
	})
}

// ImportKey stores a key that was made elsewhere, as a new version that becomes
// the current one. It needs the permission keys/import. A deleted key that still
// holds the name is a conflict.
func (c *Client) ImportKey(ctx context.Context, name string, parameters api.KeyImportParameters) (*api.KeyBundle, error) {
	return onObject[api.KeyBundle](ctx, c, name, operation{
		name: "ImportKey", method: http.MethodPut, path: []string{"keys", name}, body: parameters,
		akp: parameters.Key != nil && isAKP(parameters.Key.Kty),
	})
}

// GetKey returns a version of a key: its public part as a JSON Web Key, and its
// attributes. It needs the permission keys/get.
//
// The public part of an AKP key is in answers of the version that knows such keys,
// in which it is asked for a second time.
func (c *Client) GetKey(ctx context.Context, name, version string) (*api.KeyBundle, error) {
	get := operation{name: "GetKey", method: http.MethodGet, path: []string{"keys", name, version}}
	bundle, err := onVersion[api.KeyBundle](ctx, c, name, version, get)
	if err != nil || c.akp == c.version || bundle.Key == nil || !isAKP(bundle.Key.Kty) || len(bundle.Key.Pub) > 0 {
		return bundle, err
	}
	get.akp = true
	return onVersion[api.KeyBundle](ctx, c, name, version, get)
}

func isAKP(kty api.KeyType) bool { return kty == api.KeyTypeAKP || kty == api.KeyTypeAKPHSM }

// UpdateKey changes what a version of a key may be used for and what it says
// about itself, never the key. It needs the permission keys/update.
func (c *Client) UpdateKey(ctx context.Context, name, version string, parameters api.KeyUpdateParameters) (*api.KeyBundle, error) {
	return onVersion[api.KeyBundle](ctx, c, name, version, operation{
		name: "UpdateKey", method: http.MethodPatch, path: []string{"keys", name, version}, body: parameters,
	})
}

// DeleteKey deletes a key with all its versions. In a vault with soft delete it
// can be recovered until it is purged; Azure may take seconds until
// GetDeletedKey finds it. It needs the permission keys/delete.
func (c *Client) DeleteKey(ctx context.Context, name string) (*api.DeletedKeyBundle, error) {
	return onObject[api.DeletedKeyBundle](ctx, c, name, operation{
		name: "DeleteKey", method: http.MethodDelete, path: []string{"keys", name},
	})
}

// ListKeys lists the keys of the vault, by name. It needs the permission
// keys/list.
func (c *Client) ListKeys(ctx context.Context, options *ListOptions) iter.Seq2[api.KeyItem, error] {
	return list[api.KeyItem](ctx, c, operation{
		name: "ListKeys", path: []string{"keys"}, query: options.query(),
	})
}

// ListKeyVersions lists the versions of a key, by version id. It needs the
// permission keys/list.
func (c *Client) ListKeyVersions(ctx context.Context, name string, options *ListOptions) iter.Seq2[api.KeyItem, error] {
	return listVersions[api.KeyItem](ctx, c, name, operation{
		name: "ListKeyVersions", path: []string{"keys", name, "versions"}, query: options.query(),
	})
}

// GetDeletedKey returns a deleted key. It needs the permission keys/get.
func (c *Client) GetDeletedKey(ctx context.Context, name string) (*api.DeletedKeyBundle, error) {
	return onObject[api.DeletedKeyBundle](ctx, c, name, operation{
		name: "GetDeletedKey", method: http.MethodGet, path: []string{"deletedkeys", name},
	})
}

// ListDeletedKeys lists the deleted keys of the vault. It needs the permission
// keys/list.
func (c *Client) ListDeletedKeys(ctx context.Context, options *ListOptions) iter.Seq2[api.DeletedKeyItem, error] {
	return list[api.DeletedKeyItem](ctx, c, operation{
		name: "ListDeletedKeys", path: []string{"deletedkeys"}, query: options.query(),
	})
}

// RecoverDeletedKey brings a deleted key back with all its versions. Azure may
// take seconds until GetKey finds it. It needs the permission keys/recover.
func (c *Client) RecoverDeletedKey(ctx context.Context, name string) (*api.KeyBundle, error) {
	return onObject[api.KeyBundle](ctx, c, name, operation{
		name: "RecoverDeletedKey", method: http.MethodPost, path: []string{"deletedkeys", name, "recover"},
	})
}

// PurgeDeletedKey destroys a deleted key for good, unless the vault is protected
// against that. What it encrypted is lost with it. It needs the permission
// keys/purge.
func (c *Client) PurgeDeletedKey(ctx context.Context, name string) error {
	return c.purge(ctx, name, operation{name: "PurgeDeletedKey", path: []string{"deletedkeys", name}})
}

// BackupKey returns a key with all its versions, sealed: only the service can
// open it. It needs the permission keys/backup.
func (c *Client) BackupKey(ctx context.Context, name string) ([]byte, error) {
	result, err := onObject[api.BackupResult](ctx, c, name, operation{
		name: "BackupKey", method: http.MethodPost, path: []string{"keys", name, "backup"},
	})
	if err != nil {
		return nil, err
	}
	return result.Value, nil
}

// RestoreKey makes a key of what BackupKey returned, in any vault of the same
// subscription. A name that is in use, deleted or not, is a conflict. It needs the
// permission keys/restore.
func (c *Client) RestoreKey(ctx context.Context, backup []byte) (*api.KeyBundle, error) {
	return call[api.KeyBundle](ctx, c, operation{
		name: "RestoreKey", method: http.MethodPost, path: []string{"keys", "restore"}, body: api.RestoreParameters{Value: backup},
	})
}
