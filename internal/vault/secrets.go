package vault

import (
	"context"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// SetSecret makes a new version of a secret the current one, and the secret
// itself when the name is free. The answer holds the value. A name that is
// deleted and not yet purged is a Conflict.
func (s *Service) SetSecret(ctx context.Context, call Call, name string, in SetSecret) (*Secret, error) {
	op := secretKind.onName(call, "Set", access.SecretSet, name)
	op.reject(checkValue(in), checkContentType(in.ContentType), checkTags(in.Tags), checkAttributes(in.Attributes))
	v := versionRecord{Version: newVersion(), Tags: in.Tags, ContentType: in.ContentType}
	v.apply(in.Attributes)
	set, err := asSecret(s.addVersion(ctx, op, secretKind, name, v, in.Value.Reveal()))
	if err != nil {
		return nil, err
	}
	set.Value = in.Value
	return set, nil
}

// GetSecret returns a version of a secret with its value; version "" is the
// current one. A version that is disabled is Forbidden. One that is not valid
// yet, or no longer, is returned: its dates are advice to the reader.
func (s *Service) GetSecret(ctx context.Context, call Call, name, version string) (*Secret, error) {
	op, version := secretKind.onVersion(call, "Get", access.SecretGet, name, version)
	op.reads(s.withBody(secretKind, name, version))
	op.reading = new(Reading)
	var got *Secret
	err := s.read(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) error {
		head, v, err := s.lookup(sc, r, secretKind, name, version)
		if err != nil {
			return err
		}
		op.path = pathOf(op.object, v.Version)
		if v.Disabled {
			return secretKind.disabled("get")
		}
		value, err := secretValue(sc, r, name, v.Version)
		if err != nil {
			return err
		}
		if got, err = head.show(sc, v).secret(); err != nil {
			return err
		}
		got.Value, got.Reading = value, op.reading
		return nil
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// secretValue opens the body of a version of a secret.
func secretValue(sc catalog.Scope, r *seen, name, version string) (secret.Bytes, error) {
	key, rec, err := bodyOf(sc, r, secretKind, name, version)
	if err != nil {
		return secret.Bytes{}, err
	}
	value, err := open(sc, key, rec, decodeBody)
	return secret.New(value), err
}

// UpdateSecret changes the metadata of a version; version "" is the current one.
// The answer holds no value.
func (s *Service) UpdateSecret(ctx context.Context, call Call, name, version string, in UpdateSecret) (*Secret, error) {
	op, version := secretKind.onVersion(call, "Update", access.SecretUpdate, name, version)
	op.reject(checkContentType(in.ContentType), checkTags(in.Tags), checkAttributes(in.Attributes))
	return asSecret(s.amend(ctx, op, secretKind, name, version, func(v *versionRecord) error {
		v.apply(in.Attributes)
		if in.ContentType != nil {
			v.ContentType = in.ContentType
		}
		if in.Tags != nil {
			v.Tags = in.Tags
		}
		return nil
	}))
}

// ListSecrets returns a page of the vault's secrets, ordered by folded name, with
// the metadata of their current versions and no values.
func (s *Service) ListSecrets(ctx context.Context, call Call, p PageRequest) (Page[Secret], error) {
	page, err := s.listNames(ctx, call, secretKind, "List", live, p)
	return pageOf(page, err, shown.secret)
}

// ListSecretVersions returns a page of the versions of a secret, ordered by their
// ids, without values. It is empty for a name that is not in use.
func (s *Service) ListSecretVersions(ctx context.Context, call Call, name string, p PageRequest) (Page[Secret], error) {
	page, err := s.listVersions(ctx, call, secretKind, name, p)
	return pageOf(page, err, shown.secret)
}

// DeleteSecret deletes a secret with all its versions. In a vault with soft
// delete the answer's Deleted says until when it can be recovered; in one
// without, the secret is gone.
func (s *Service) DeleteSecret(ctx context.Context, call Call, name string) (*Secret, error) {
	return asSecret(s.delete(ctx, call, secretKind, name))
}

// GetDeletedSecret returns a deleted secret without its value. One that was
// disabled is Forbidden.
func (s *Service) GetDeletedSecret(ctx context.Context, call Call, name string) (*Secret, error) {
	return asSecret(s.getDeleted(ctx, call, secretKind, name))
}

// ListDeletedSecrets is ListSecrets of what is deleted and not yet purged.
func (s *Service) ListDeletedSecrets(ctx context.Context, call Call, p PageRequest) (Page[Secret], error) {
	page, err := s.listNames(ctx, call, secretKind, "ListDeleted", dead, p)
	return pageOf(page, err, shown.secret)
}

// RecoverSecret makes a deleted secret live again, with all its versions as they
// were. The answer holds no value.
func (s *Service) RecoverSecret(ctx context.Context, call Call, name string) (*Secret, error) {
	return asSecret(s.recover(ctx, call, secretKind, name))
}

// PurgeSecret ends a deleted secret before its scheduled purge date. It is
// Forbidden in a vault with purge protection.
func (s *Service) PurgeSecret(ctx context.Context, call Call, name string) error {
	return s.purge(ctx, call, secretKind, name)
}

func asSecret(x shown, err error) (*Secret, error) {
	if err != nil {
		return nil, err
	}
	return x.secret()
}
