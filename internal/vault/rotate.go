package vault

import (
	"context"
	"errors"
	"math/big"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// rotateTries bounds how often a successor is made of a key that meanwhile has
// become another kind of key.
const rotateTries = 4

var errOtherKind = errors.New("vault: the key is of another kind than when its successor was made")

// RotateKey makes a new current version of a key: of the same type and size, with
// the same operations and tags, enabled, and expiring as the rotation policy has
// it. A key whose current version is disabled is Forbidden, as is one that belongs
// to a certificate.
func (s *Service) RotateKey(ctx context.Context, call Call, name string) (*Key, error) {
	op := keyKind.onName(call, "Rotate", access.KeyRotate, name).reads(keyKind.inArea(name, live))
	for range rotateTries {
		made, err := s.rotateOnce(ctx, op, name)
		if errors.Is(err, errOtherKind) {
			continue
		}
		if err != nil {
			return nil, s.conclude(ctx, op, err)
		}
		return asKey(made, nil)
	}
	return nil, s.conclude(ctx, op, fault.New(fault.Conflict, "Conflict",
		"The key %s was given versions of other kinds while it was rotated. Retry when nobody else changes it.", name))
}

// rotateOnce makes a successor of the key as it is, and then the current version
// of the key if it still is of that kind.
func (s *Service) rotateOnce(ctx context.Context, op *operation, name string) (shown, error) {
	now := s.now()
	var spec keyops.Spec
	err := s.look(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) error {
		head, err := s.rotatable(sc, r, name)
		if err == nil {
			spec = specOf(head.Current.Key)
		}
		return err
	})
	if err != nil {
		return shown{}, err
	}
	m, err := newMaterial(ctx, spec)
	if err != nil {
		return shown{}, err
	}
	defer m.private.Zero()
	return tryChange(ctx, s, op, func(sc catalog.Scope, r *seen) (*effect[shown], error) {
		head, err := s.rotatable(sc, r, name)
		if err != nil {
			return nil, err
		}
		if specOf(head.Current.Key) != m.spec {
			return nil, errOtherKind
		}
		e := &effect[shown]{path: pathOf(op.object, m.version)}
		next, err := e.rotate(sc, head, m, now)
		if err != nil {
			return nil, err
		}
		e.answer = showHead(sc, next)
		return e, nil
	})
}

// rotatable returns the head of a key that may be rotated.
func (s *Service) rotatable(sc catalog.Scope, r *seen, name string) (*headRecord, error) {
	head, err := s.liveKey(sc, r, name)
	if err != nil {
		return nil, err
	}
	return head, head.mayRotate(sc.Vault)
}

func (h *headRecord) mayRotate(vault *catalog.Vault) error {
	switch {
	case h.Managed:
		return managedByKeyVault("rotate")
	case h.Current.Disabled:
		return fault.New(fault.Forbidden, "Forbidden", "Operation rotate is not allowed on a disabled key.").WithInner("KeyDisabled")
	case h.Current.Key.HSM && !vault.Premium:
		return hsmNeedsPremium()
	}
	return nil
}

// managedByKeyVault is the refusal to change the key of a certificate by itself.
func managedByKeyVault(operation string) error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Operation %q is not allowed as this object's lifetime is managed by Key Vault.", operation).WithInner("KeyManagedByKeyVault")
}

// specOf returns what makes another key of the same kind.
func specOf(k *keyRecord) keyops.Spec {
	spec := keyops.Spec{Type: k.Type, Curve: k.Curve, Algorithm: k.Alg, Bits: k.Bits}
	if k.Type == keyops.TypeRSA {
		spec.Bits = new(big.Int).SetBytes(k.N).BitLen()
	}
	return spec
}

// material is a new key on its way to become a version.
type material struct {
	spec    keyops.Spec
	version string
	public  keyops.PublicJWK
	private secret.Bytes
}

func newMaterial(ctx context.Context, spec keyops.Spec) (*material, error) {
	key, err := keyops.Generate(ctx, spec)
	if err != nil {
		return nil, err
	}
	private, err := key.MarshalPrivate()
	return &material{spec: spec, version: newVersion(), public: key.Public(), private: private}, err
}

// rotate adds the writes that make m the current version after head's. What else
// the current version has goes on with the new one, but for its dates.
func (w *writes) rotate(sc catalog.Scope, head *headRecord, m *material, now int64) (*headRecord, error) {
	v := head.Current
	v.Version, v.Disabled, v.NotBefore, v.Expires = m.version, false, nil, nil
	v.Created = max(now, head.Current.Created)
	v.Updated = v.Created
	v.Key = newKeyRecord(m.public, head.Current.Key.HSM, head.Current.Key.Ops)
	if head.Policy != nil && head.Policy.Expiry != "" {
		d, ok := parseDuration(head.Policy.Expiry)
		if !ok {
			return nil, errRecord
		}
		expires := min(d.after(v.Created), maxTime)
		v.Expires = &expires
	}
	next := head.followedBy(v)
	return next, w.putVersion(sc, keyKind, head, next, m.private.Reveal())
}
