package vault

import (
	"context"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// importOp is the word of key_ops that makes a key a key exchange key.
const importOp = "import"

// openTransfer returns the key of the type that was wrapped for a key of the same
// vault.
func (s *Service) openTransfer(ctx context.Context, call Call, t *Transfer, of keyops.Type) (*keyops.Key, error) {
	exchange, err := s.exchangeKey(ctx, call, t.Name, t.Version)
	if err != nil {
		return nil, err
	}
	return t.Blob.Open(exchange, of)
}

// exchangeKey returns the private part of a key exchange key. It is part of an
// import, whose record in the audit log stands for it.
func (s *Service) exchangeKey(ctx context.Context, call Call, name, version string) (*keyops.Key, error) {
	op, version := keyKind.onVersion(call, "Import", access.KeyImport, name, version)
	op.reads(s.withBody(keyKind, name, version))
	var private func() (*keyops.Key, error)
	err := s.look(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) error {
		_, v, err := s.lookup(sc, r, keyKind, name, version)
		if err != nil {
			return err
		}
		if err := admitExchange(v); err != nil {
			return err
		}
		private, _, err = s.privateKey(sc, r, name, v.Version)
		return err
	})
	if err != nil {
		return nil, err
	}
	return private()
}

// admitExchange decides whether other keys may be imported by the version. Its
// dates are not looked at: as unwrapping does, importing undoes what was done
// while the key was valid.
func admitExchange(v *versionRecord) error {
	switch {
	case v.Key == nil:
		return errRecord
	case v.Disabled:
		return keyKind.disabled(importOp)
	case !slices.Contains(v.Key.Ops, importOp):
		return keyOperationForbidden(importOp)
	case v.Key.Type != keyops.TypeRSA || !v.Key.HSM:
		return fault.New(fault.Invalid, "BadParameter", "The key exchange key is not of type RSA-HSM.")
	}
	return nil
}
