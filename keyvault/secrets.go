package keyvault

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api"
)

// SetSecret stores a value under a name, as a new version that becomes the
// current one. It needs the permission secrets/set. A deleted secret that still
// holds the name is a conflict.
func (c *Client) SetSecret(ctx context.Context, name string, parameters api.SecretSetParameters) (*api.SecretBundle, error) {
	return onObject[api.SecretBundle](ctx, c, name, operation{
		name: "SetSecret", method: http.MethodPut, path: []string{"secrets", name}, body: parameters,
	})
}

// GetSecret returns a version of a secret with its value. It needs the
// permission secrets/get.
func (c *Client) GetSecret(ctx context.Context, name, version string) (*api.SecretBundle, error) {
	return onVersion[api.SecretBundle](ctx, c, name, version, operation{
		name: "GetSecret", method: http.MethodGet, path: []string{"secrets", name, version},
	})
}

// UpdateSecret changes what a version of a secret says about itself, never its
// value, which the answer leaves out. It needs the permission secrets/set.
func (c *Client) UpdateSecret(ctx context.Context, name, version string, parameters api.SecretUpdateParameters) (*api.SecretBundle, error) {
	return onVersion[api.SecretBundle](ctx, c, name, version, operation{
		name: "UpdateSecret", method: http.MethodPatch, path: []string{"secrets", name, version}, body: parameters,
	})
}

// DeleteSecret deletes a secret with all its versions. In a vault with soft
// delete it can be recovered until it is purged; Azure may take seconds until
// GetDeletedSecret finds it. It needs the permission secrets/delete.
func (c *Client) DeleteSecret(ctx context.Context, name string) (*api.DeletedSecretBundle, error) {
	return onObject[api.DeletedSecretBundle](ctx, c, name, operation{
		name: "DeleteSecret", method: http.MethodDelete, path: []string{"secrets", name},
	})
}

// ListSecrets lists the secrets of the vault, by name and without values. It
// needs the permission secrets/list.
func (c *Client) ListSecrets(ctx context.Context, options *ListOptions) iter.Seq2[api.SecretItem, error] {
	return list[api.SecretItem](ctx, c, operation{
		name: "ListSecrets", path: []string{"secrets"}, query: options.query(),
	})
}

// ListSecretVersions lists the versions of a secret, by version id and without
// values. It needs the permission secrets/list.
func (c *Client) ListSecretVersions(ctx context.Context, name string, options *ListOptions) iter.Seq2[api.SecretItem, error] {
	return listVersions[api.SecretItem](ctx, c, name, operation{
		name: "ListSecretVersions", path: []string{"secrets", name, "versions"}, query: options.query(),
	})
}

// GetDeletedSecret returns a deleted secret without its value. It needs the
// permission secrets/get.
func (c *Client) GetDeletedSecret(ctx context.Context, name string) (*api.DeletedSecretBundle, error) {
	return onObject[api.DeletedSecretBundle](ctx, c, name, operation{
		name: "GetDeletedSecret", method: http.MethodGet, path: []string{"deletedsecrets", name},
	})
}

// ListDeletedSecrets lists the deleted secrets of the vault. It needs the
// permission secrets/list.
func (c *Client) ListDeletedSecrets(ctx context.Context, options *ListOptions) iter.Seq2[api.DeletedSecretItem, error] {
	return list[api.DeletedSecretItem](ctx, c, operation{
		name: "ListDeletedSecrets", path: []string{"deletedsecrets"}, query: options.query(),
	})
}

// RecoverDeletedSecret brings a deleted secret back with all its versions. Azure
// may take seconds until GetSecret finds it. It needs the permission
// secrets/recover.
func (c *Client) RecoverDeletedSecret(ctx context.Context, name string) (*api.SecretBundle, error) {
	return onObject[api.SecretBundle](ctx, c, name, operation{
		name: "RecoverDeletedSecret", method: http.MethodPost, path: []string{"deletedsecrets", name, "recover"},
	})
}

// PurgeDeletedSecret destroys a deleted secret for good, unless the vault is
// protected against that. It needs the permission secrets/purge.
func (c *Client) PurgeDeletedSecret(ctx context.Context, name string) error {
	return c.purge(ctx, name, operation{name: "PurgeDeletedSecret", path: []string{"deletedsecrets", name}})
}

// onObject performs an operation on a name.
func onObject[T any](ctx context.Context, c *Client, name string, op operation) (*T, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("keyvault: %s: %w", op.name, err)
	}
	return call[T](ctx, c, op)
}

// onVersion performs an operation on a version of a name. An empty version
// leaves a trailing slash, which is how Azure's own clients ask for the current
// one.
func onVersion[T any](ctx context.Context, c *Client, name, version string, op operation) (*T, error) {
	if err := checkVersion(version); err != nil {
		return nil, fmt.Errorf("keyvault: %s: %w", op.name, err)
	}
	return onObject[T](ctx, c, name, op)
}

func listVersions[T any](ctx context.Context, c *Client, name string, op operation) iter.Seq2[T, error] {
	if err := checkName(name); err != nil {
		return failed[T](op.name, err)
	}
	return list[T](ctx, c, op)
}

func (c *Client) purge(ctx context.Context, name string, op operation) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("keyvault: %s: %w", op.name, err)
	}
	op.method, op.status = http.MethodDelete, http.StatusNoContent
	return c.do(ctx, op, nil)
}

// BackupSecret returns a secret with all its versions, sealed: only the service can
// open it. It needs the permission secrets/backup.
func (c *Client) BackupSecret(ctx context.Context, name string) ([]byte, error) {
	result, err := onObject[api.BackupResult](ctx, c, name, operation{
		name: "BackupSecret", method: http.MethodPost, path: []string{"secrets", name, "backup"},
	})
	if err != nil {
		return nil, err
	}
	return result.Value, nil
}

// RestoreSecret makes a secret of what BackupSecret returned, in any vault of the same
// subscription. A name that is in use, deleted or not, is a conflict. It needs the
// permission secrets/restore.
func (c *Client) RestoreSecret(ctx context.Context, backup []byte) (*api.SecretBundle, error) {
	return call[api.SecretBundle](ctx, c, operation{
		name: "RestoreSecret", method: http.MethodPost, path: []string{"secrets", "restore"}, body: api.RestoreParameters{Value: backup},
	})
}
