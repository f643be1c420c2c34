package vault

import (
	"context"
	"fmt"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/release"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Attestation verifies attestation tokens, as *release.Verifier does. It may ask
// the token's issuer, if the policy trusts it, and so take some time.
type Attestation interface {
	Verify(ctx context.Context, token string, policy *release.Policy) (*release.Statement, error)
}

// ReleaseKey is the request of Service.ReleaseKey.
type ReleaseKey struct {
	// Target is an attestation token of the environment that the key goes to.
	Target string
	// Encryption is how the key is wrapped; empty means RSAAESKeyWrap.
	Encryption keyops.ReleaseEncryption
	// Rejected is as in CreateKey, and is told once the key's state, too, allows the
	// operation.
	Rejected error
}

// ReleasedKey is a key with its private part, wrapped.
type ReleasedKey struct {
	Key
	// Wrapped is the object of JSON that Key.ReleaseTo of package keyops returns.
	Wrapped []byte
}

// operationRelease is what refusals call it. key_ops has no word for it: what lets a
// key be released is its policy.
const operationRelease = "release"

// ReleaseKey returns the private part of a version of an exportable key, wrapped
// for the environment that the token is of; version "" is the current one. A
// version that is disabled or not exportable is Forbidden, and so is a token that
// is not right, or does not meet the key's release policy.
//
// An expired version is released all the same: what it has encrypted is not
// expired.
func (s *Service) ReleaseKey(ctx context.Context, call Call, name, version string, in ReleaseKey) (*ReleasedKey, error) {
	if in.Encryption == "" {
		in.Encryption = keyops.RSAAESKeyWrap
	}
	op, version := keyKind.onVersion(call, "Release", access.KeyRelease, name, version)
	op.reads(s.withBody(keyKind, name, version))
	released, err := s.release(ctx, op, name, version, in)
	if err = s.conclude(ctx, op, err); err != nil {
		return nil, err
	}
	return released, nil
}

// release looks at the key twice: the token is verified in between, without the
// store being kept waiting, and what holds then decides.
func (s *Service) release(ctx context.Context, op *operation, name, version string, in ReleaseKey) (*ReleasedKey, error) {
	var policy *release.Policy
	err := s.look(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) (err error) {
		_, policy, err = s.releasable(op, sc, r, name, version)
		return err
	})
	if err == nil {
		err = firstOf(in.Rejected, in.Encryption.Validate())
	}
	if err != nil {
		return nil, err
	}
	statement, err := s.cfg.Attestation.Verify(ctx, in.Target, policy)
	if err != nil {
		return nil, err
	}
	var found shown
	var private func() (*keyops.Key, error)
	err = s.look(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) (err error) {
		if found, policy, err = s.releasable(op, sc, r, name, version); err != nil {
			return err
		}
		if !policy.Permits(statement) {
			return release.NotPermitted()
		}
		private, _, err = s.privateKey(sc, r, name, found.version.Version)
		return err
	})
	if err != nil {
		return nil, err
	}
	return wrapFor(statement, found, private, in.Encryption)
}

// releasable returns a version that may be released to whom the policy permits.
func (s *Service) releasable(op *operation, sc catalog.Scope, r *seen, name, version string) (shown, *release.Policy, error) {
	head, v, err := s.lookup(sc, r, keyKind, name, version)
	if err != nil {
		return shown{}, nil, err
	}
	if v.Key == nil {
		return shown{}, nil, errRecord
	}
	op.path = pathOf(op.object, v.Version)
	switch {
	case v.Disabled:
		return shown{}, nil, keyKind.disabled(operationRelease)
	case head.Release == nil:
		return shown{}, nil, keyOperationForbidden(operationRelease)
	}
	policy, err := release.ParsePolicy(head.Release.Policy)
	if err != nil {
		return shown{}, nil, fmt.Errorf("%w: a release policy", errRecord)
	}
	return head.show(sc, v), policy, nil
}

func wrapFor(to *release.Statement, found shown, private func() (*keyops.Key, error), e keyops.ReleaseEncryption) (*ReleasedKey, error) {
	shown, err := found.key()
	if err != nil {
		return nil, err
	}
	key, err := private()
	if err != nil {
		return nil, err
	}
	wrapped, err := key.ReleaseTo(to.Recipient, to.RecipientID, e)
	if err != nil {
		return nil, err
	}
	return &ReleasedKey{*shown, wrapped}, nil
}
