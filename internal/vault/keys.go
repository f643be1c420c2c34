package vault

import (
	"context"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// CreateKey generates a key and makes it the current version of a key object,
// and the object itself when the name is free. A name that is deleted and not
// yet purged is a Conflict, an HSM key in a standard vault is Forbidden. Nothing
// is generated for a caller without permission.
func (s *Service) CreateKey(ctx context.Context, call Call, name string, in CreateKey) (*Key, error) {
	op := keyKind.onName(call, "Create", access.KeyCreate, name)
	op.reject(in.Rejected, in.Spec.Validate())
	return s.newKey(ctx, op, name, newKeyRequest{in.Spec.Type, in.HSM, in.Ops, in.Tags, in.Attributes, in.ReleasePolicy}, func() (*keyops.Key, error) {
		return keyops.Generate(ctx, in.Spec)
	})
}

// ImportKey is CreateKey for a key that somebody else has made. One whose
// numbers do not agree is Invalid. The key that a Transfer was wrapped for must be
// an RSA-HSM key which has "import" among its Ops, is enabled, and may itself be
// named in an import by the caller.
func (s *Service) ImportKey(ctx context.Context, call Call, name string, in ImportKey) (*Key, error) {
	op := keyKind.onName(call, "Import", access.KeyImport, name)
	op.reject(in.Rejected)
	hsm := in.HSM || in.Transfer != nil
	return s.newKey(ctx, op, name, newKeyRequest{in.Key.Type, hsm, in.Ops, in.Tags, in.Attributes, in.ReleasePolicy}, func() (*keyops.Key, error) {
		if in.Transfer != nil {
			return s.openTransfer(ctx, call, in.Transfer, in.Key.Type)
		}
		return keyops.Import(in.Key)
	})
}

// newKeyRequest is what creating and importing a key have in common.
type newKeyRequest struct {
	kind       keyops.Type
	hsm        bool
	ops        []string
	tags       map[string]string
	attributes Attributes
	policy     *ReleasePolicy
}

// newKey adds a version with the key that get returns. It asks for the key only
// once it knows that the caller may have it and that the name can be given.
func (s *Service) newKey(ctx context.Context, op *operation, name string, in newKeyRequest, get func() (*keyops.Key, error)) (*Key, error) {
	op.reads(keyKind.inArea(name, live, dead))
	if in.ops == nil {
		in.ops = keyops.DefaultOps(in.kind)
	}
	op.reject(keyops.ValidOps(in.kind, in.ops), checkTags(in.tags), checkAttributes(in.attributes))
	op.admit = func(sc catalog.Scope) error { return admitKey(sc.Vault, in) }
	op.settle = in.settleRelease
	err := s.look(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) error {
		head, err := s.nameForSet(sc, r, keyKind, name)
		if err != nil {
			return err
		}
		return in.settleRelease(head, new(headRecord))
	})
	if err != nil {
		return nil, s.conclude(ctx, op, err)
	}
	key, err := get()
	if err != nil {
		return nil, s.conclude(ctx, op, err)
	}
	private, err := key.MarshalPrivate()
	if err != nil {
		return nil, s.conclude(ctx, op, err)
	}
	defer private.Zero()
	v := versionRecord{Version: newVersion(), Tags: in.tags, Key: newKeyRecord(key.Public(), in.hsm, in.ops)}
	v.apply(in.attributes)
	return asKey(s.addVersion(ctx, op, keyKind, name, v, private.Reveal()))
}

// admitType decides which types of keys a vault takes: it is asked for every key
// that comes in, by whatever way.
func admitType(vault *catalog.Vault, of keyops.Type, hsm bool) error {
	if vault.HSM != nil {
		if !hsm {
			return notForHSM()
		}
		return nil
	}
	if of == keyops.TypeOct {
		return octNeedsManagedHSM(hsm)
	}
	if hsm && !vault.Premium {
		return hsmNeedsPremium()
	}
	return nil
}

// admitKey checks whether the vault may hold the key.
func admitKey(vault *catalog.Vault, in newKeyRequest) error {
	if err := admitType(vault, in.kind, in.hsm); err != nil {
		return err
	}
	return in.admitRelease(vault)
}

// GetKey returns the public side of a version of a key, disabled or not; version
// "" is the current one.
func (s *Service) GetKey(ctx context.Context, call Call, name, version string) (*Key, error) {
	op, version := keyKind.onVersion(call, "Get", access.KeyGet, name, version)
	op.reads(keyKind.ofVersion(name, version))
	var got shown
	err := s.read(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) error {
		head, v, err := s.lookup(sc, r, keyKind, name, version)
		if err != nil {
			return err
		}
		op.path = pathOf(op.object, v.Version)
		got = head.show(sc, v)
		return nil
	})
	return asKey(got, err)
}

// UpdateKey changes the metadata of a version; version "" is the current one.
func (s *Service) UpdateKey(ctx context.Context, call Call, name, version string, in UpdateKey) (*Key, error) {
	op, version := keyKind.onVersion(call, "Update", access.KeyUpdate, name, version)
	op.reject(checkTags(in.Tags), checkAttributes(in.Attributes))
	op.settle = func(before, next *headRecord) error { return in.settleRelease(version, before, next) }
	return asKey(s.amend(ctx, op, keyKind, name, version, func(v *versionRecord) error {
		if v.Key == nil {
			return errRecord
		}
		if in.Ops != nil {
			if err := keyops.ValidOps(v.Key.Type, in.Ops); err != nil {
				return err
			}
			key := *v.Key
			key.Ops = slices.Clone(in.Ops)
			v.Key = &key
		}
		v.apply(in.Attributes)
		if in.Tags != nil {
			v.Tags = in.Tags
		}
		return nil
	}))
}

// ListKeys returns a page of the vault's keys, ordered by folded name, with the
// metadata of their current versions and no public parts.
func (s *Service) ListKeys(ctx context.Context, call Call, p PageRequest) (Page[Key], error) {
	page, err := s.listNames(ctx, call, keyKind, "List", live, p)
	return pageOf(page, err, shown.keyItem)
}

// ListKeyVersions returns a page of the versions of a key, ordered by their ids,
// without public parts. It is empty for a name that is not in use.
func (s *Service) ListKeyVersions(ctx context.Context, call Call, name string, p PageRequest) (Page[Key], error) {
	page, err := s.listVersions(ctx, call, keyKind, name, p)
	return pageOf(page, err, shown.keyItem)
}

// DeleteKey deletes a key with all its versions, as DeleteSecret does.
func (s *Service) DeleteKey(ctx context.Context, call Call, name string) (*Key, error) {
	return asKey(s.delete(ctx, call, keyKind, name))
}

// GetDeletedKey returns the public side of a deleted key, disabled or not.
func (s *Service) GetDeletedKey(ctx context.Context, call Call, name string) (*Key, error) {
	return asKey(s.getDeleted(ctx, call, keyKind, name))
}

// ListDeletedKeys is ListKeys of what is deleted and not yet purged.
func (s *Service) ListDeletedKeys(ctx context.Context, call Call, p PageRequest) (Page[Key], error) {
	page, err := s.listNames(ctx, call, keyKind, "ListDeleted", dead, p)
	return pageOf(page, err, shown.keyItem)
}

// RecoverKey makes a deleted key live again, with all its versions as they were.
func (s *Service) RecoverKey(ctx context.Context, call Call, name string) (*Key, error) {
	return asKey(s.recover(ctx, call, keyKind, name))
}

// PurgeKey ends a deleted key before its scheduled purge date, as PurgeSecret
// does.
func (s *Service) PurgeKey(ctx context.Context, call Call, name string) error {
	return s.purge(ctx, call, keyKind, name)
}

func asKey(x shown, err error) (*Key, error) {
	if err != nil {
		return nil, err
	}
	return x.key()
}
