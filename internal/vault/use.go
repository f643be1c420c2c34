package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// keyUse is one way to use a key.
type keyUse struct {
	name   string // in the audit log
	op     string // in key_ops, and in messages
	action access.Action
	// public is true where the public part of a key is all that it takes: Azure
	// lets those do it who may read that part.
	public bool
	// makes is true for what goes on only while the key is valid. The others undo
	// or check what was made in that time, and go on for ever.
	makes bool
}

var (
	useEncrypt = &keyUse{name: "Encrypt", op: "encrypt", action: access.KeyEncrypt, public: true, makes: true}
	useDecrypt = &keyUse{name: "Decrypt", op: "decrypt", action: access.KeyDecrypt}
	useWrap    = &keyUse{name: "Wrap", op: "wrapKey", action: access.KeyWrap, public: true, makes: true}
	useUnwrap  = &keyUse{name: "Unwrap", op: "unwrapKey", action: access.KeyUnwrap}
	useSign    = &keyUse{name: "Sign", op: "sign", action: access.KeySign, makes: true}
	useVerify  = &keyUse{name: "Verify", op: "verify", action: access.KeyVerify, public: true}
)

// ClockLeeway is how far the dates of a key may be missed, in seconds, before its
// use is refused: clocks differ.
const ClockLeeway = 5 * 60

// Encrypt encrypts a value with a version of a key; version "" is the current
// one. A version that is disabled, that is not valid yet or no longer, or whose
// Ops lack the operation is Forbidden; what its type or the algorithm cannot do
// is Invalid. An algorithm for another curve is a *CurveMismatch.
func (s *Service) Encrypt(ctx context.Context, call Call, name, version string, in CipherRequest) (*KeyResult, error) {
	return s.cipher(ctx, call, useEncrypt, name, version, in, (*keyops.Key).Encrypt)
}

// Decrypt is Encrypt for what undoes it, which a version that is no longer valid
// still does.
func (s *Service) Decrypt(ctx context.Context, call Call, name, version string, in CipherRequest) (*KeyResult, error) {
	return s.cipher(ctx, call, useDecrypt, name, version, in, (*keyops.Key).Decrypt)
}

// WrapKey is Encrypt of a key.
func (s *Service) WrapKey(ctx context.Context, call Call, name, version string, in CipherRequest) (*KeyResult, error) {
	return s.cipher(ctx, call, useWrap, name, version, in, (*keyops.Key).Wrap)
}

// UnwrapKey is Decrypt of a key.
func (s *Service) UnwrapKey(ctx context.Context, call Call, name, version string, in CipherRequest) (*KeyResult, error) {
	return s.cipher(ctx, call, useUnwrap, name, version, in, (*keyops.Key).Unwrap)
}

// Sign signs a message, refusing as Encrypt does.
func (s *Service) Sign(ctx context.Context, call Call, name, version string, in SignRequest) (*KeyResult, error) {
	return s.use(ctx, call, useSign, name, version, in.Rejected, func(k *keyops.Key) (keyops.Output, error) {
		signature, err := k.SignMessage(in.Algorithm, in.Message)
		return keyops.Output{Value: signature}, err
	})
}

// Verify reports whether the signature is one of the message, refusing as Decrypt
// does.
func (s *Service) Verify(ctx context.Context, call Call, name, version string, in VerifyRequest) (bool, error) {
	valid := false
	_, err := s.use(ctx, call, useVerify, name, version, in.Rejected, func(k *keyops.Key) (_ keyops.Output, err error) {
		valid, err = k.VerifyMessage(in.Algorithm, in.Message, in.Signature)
		return keyops.Output{}, err
	})
	return valid && err == nil, err
}

func (s *Service) cipher(ctx context.Context, call Call, u *keyUse, name, version string, in CipherRequest,
	work func(*keyops.Key, keyops.Algorithm, keyops.Input) (keyops.Output, error),
) (*KeyResult, error) {
	return s.use(ctx, call, u, name, version, in.Rejected, func(k *keyops.Key) (keyops.Output, error) {
		return work(k, in.Algorithm, in.Input)
	})
}

// use does the work with a version of a key. The work is done when the view is
// closed: the store is not kept waiting for arithmetic.
func (s *Service) use(ctx context.Context, call Call, u *keyUse, name, version string, rejected error,
	work func(*keyops.Key) (keyops.Output, error),
) (*KeyResult, error) {
	admitted, op, err := s.admitUse(ctx, call, u, name, version)
	result := new(KeyResult)
	if err == nil {
		result.Name, result.Version = admitted.name, admitted.version.Version
		result.Output, err = finish(result, rejected, admitted.private, work)
	}
	if err = s.conclude(ctx, op, err); err != nil {
		return nil, err
	}
	return result, nil
}

// admittedUse is a use of a key that a caller has been admitted to.
type admittedUse struct {
	name    string
	version *versionRecord
	private func() (*keyops.Key, error)
	reading *Reading
}

// usePlace is where an admitted use is kept.
type usePlace struct {
	use                          *keyUse
	vault, name, version, caller string
}

// cachedUses bounds the uses that are kept, each with a few records' keys.
const cachedUses = 1024

// admitUse decides whether the caller may use a version of the key so, as the records
// are now, and returns the operation for the audit log. What it has decided before
// holds while the records that it came from do; whether the key is valid at this
// time does not come from them.
func (s *Service) admitUse(ctx context.Context, call Call, u *keyUse, name, version string) (*admittedUse, *operation, error) {
	place := usePlace{u, call.Vault, name, version, call.Caller.ObjectID}
	if known, ok := s.uses.Get(place); ok {
		if holds, err := s.holds(ctx, &call, known.reading); holds || err != nil {
			op := known.reading.repeat(call)
			if err == nil {
				err = u.admit(op, known.version, s.now())
			}
			return known, op, err
		}
	}
	op, version := keyKind.onVersion(call, u.name, u.action, name, version)
	if u.public {
		op.ofPublic = access.KeyGet
	}
	op.reads(s.withBody(keyKind, name, version))
	op.reading = new(Reading)
	admitted, parsed := &admittedUse{reading: op.reading}, false
	err := s.look(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) error {
		head, v, err := s.lookup(sc, r, keyKind, name, version)
		if err != nil {
			return err
		}
		if err := u.admit(op, v, s.now()); err != nil {
			return err
		}
		admitted.name, admitted.version = head.Name, v
		admitted.private, parsed, err = s.privateKey(sc, r, name, v.Version)
		return err
	})
	if err == nil && parsed {
		s.uses.Put(place, admitted)
	}
	return admitted, op, err
}

// admit decides whether the version may be used so, and has the audit log name
// it.
func (u *keyUse) admit(op *operation, v *versionRecord, now int64) error {
	if v.Key == nil {
		return errRecord
	}
	if op.unlessPublic != nil && v.Key.Type == keyops.TypeOct {
		return op.unlessPublic
	}
	op.path = pathOf(op.object, v.Version)
	switch {
	case v.Disabled:
		return keyKind.disabled(u.op)
	case u.makes && v.NotBefore != nil && now+ClockLeeway < *v.NotBefore:
		return keyNotYetValid(u.op)
	case u.makes && v.Expires != nil && now-ClockLeeway >= *v.Expires:
		return keyExpired(u.op)
	case !slices.Contains(v.Key.Ops, u.op):
		return keyOperationForbidden(u.op)
	}
	return nil
}

// finish does what a use of a key comes to once it is admitted.
func finish(of *KeyResult, rejected error, private func() (*keyops.Key, error), work func(*keyops.Key) (keyops.Output, error)) (keyops.Output, error) {
	if rejected != nil {
		return keyops.Output{}, rejected
	}
	key, err := private()
	if err != nil {
		return keyops.Output{}, err
	}
	out, err := work(key)
	var mismatch *keyops.CurveMismatchError
	if errors.As(err, &mismatch) {
		path := keyKind.collection + "/" + of.Name + "/" + of.Version
		err = &CurveMismatch{path, mismatch.Fault(path)}
	}
	return out, err
}

// CurveMismatch says that an algorithm is for another curve than the key's. It
// wraps a *fault.Error.
type CurveMismatch struct {
	// Path is the key's, with its version, as it stands in the message:
	// "keys/name/version".
	Path  string
	cause *fault.Error
}

// Error returns the text of the *fault.Error.
func (e *CurveMismatch) Error() string { return e.cause.Error() }

// Unwrap returns the *fault.Error.
func (e *CurveMismatch) Unwrap() error { return e.cause }

// cachedKeys bounds the cache of private keys. With RSA keys of 2048 bits it takes
// some 2 MB, and at worst, with those of ML-DSA, 50.
const cachedKeys = 512

// cachedKey is a parsed private key, under the revision of its record. Whether it
// may be used is not kept here: every use reads that anew. The record of a key
// that is deleted and purged never comes back under the same revision, so what
// stays of it here until it is pushed out cannot be reached.
type cachedKey struct {
	revision store.Revision
	key      *keyops.Key
}

// privateKey returns what gives the private key of a version, to be called when
// the view is closed: parsing a key takes longer than all that is done in one. If it
// is parsed already, it may be called again.
func (s *Service) privateKey(sc catalog.Scope, r *seen, name, version string) (get func() (*keyops.Key, error), parsed bool, err error) {
	key, rec, err := bodyOf(sc, r, keyKind, name, version)
	if err != nil {
		return nil, false, err
	}
	if cached, ok := s.keys.Get(string(key)); ok && cached.revision == rec.Revision {
		return func() (*keyops.Key, error) { return cached.key, nil }, true, nil
	}
	stored, err := open(sc, key, rec, decodeBody)
	if err != nil {
		return nil, false, err
	}
	get = func() (*keyops.Key, error) {
		defer clear(stored)
		private, err := keyops.ParsePrivate(stored)
		if err != nil {
			return nil, fmt.Errorf("reading a key of vault %s: %w", sc.Vault.ID, err)
		}
		s.keys.Put(string(key), cachedKey{rec.Revision, private})
		return private, nil
	}
	return get, false, nil
}
