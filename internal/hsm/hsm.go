// Package hsm is the domain of what a managed HSM has besides its keys: its local
// roles and their assignments, its settings, and its random bytes.
//
// Every operation takes the caller as part of an explicit Call, authorises itself
// against the HSM's own document in the transaction that does the work, and audits
// itself. What it changes takes effect on the next request. The package knows no
// keys, no HTTP and no database driver.
package hsm

import (
	"context"
	"errors"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Config is what a Service works with. All fields are required.
type Config struct {
	// Catalog is that of managed HSMs.
	Catalog *catalog.Catalog
	Audit   *audit.Log
}

// Call is who asks, from where, and of which managed HSM. The zero Caller may do
// nothing.
type Call struct {
	Caller access.Caller
	Origin audit.Origin
	HSM    string // name, compared without case
}

// Service is the operations on managed HSMs. It is safe for concurrent use, and
// for use by several processes over one store.
//
// Errors are *fault.Error where the caller is to be told: Invalid, Forbidden,
// NotFound, Conflict, TooLarge, and Unavailable while nothing can be audited. A
// caller without permission is told so before anything else about the request.
// Every other error is internal.
type Service struct{ cfg Config }

// New returns a service of what the catalog's store holds.
func New(cfg Config) *Service { return &Service{cfg} }

// operation is one call on its way through permission, work and audit.
type operation struct {
	call Call
	name string // in the audit log
	// action, without its prefix, and scope say what the caller must be allowed.
	action, scope string
	// object is what the audit log shows.
	object string
	// invalid is what is wrong with the request whatever the state.
	invalid error

	resource string // of the HSM, once known
}

func (op *operation) authorise(v *catalog.Vault) error {
	op.resource = v.ResourceID()
	a := v.Access()
	if err := access.FromAddress(op.call.Caller, a, op.call.Origin.Address); err != nil {
		return err
	}
	if err := access.Local(op.call.Caller, a, op.action, op.scope); err != nil {
		return err
	}
	return op.invalid
}

func (op *operation) record() *audit.Record {
	return &audit.Record{
		Operation: op.name, Resource: op.resource, Object: op.object, Caller: op.call.Caller, Origin: op.call.Origin,
	}
}

// read calls fn with the HSM, if the caller may do what op says, and audits it.
func (s *Service) read(ctx context.Context, op *operation, fn func(*catalog.Vault) error) error {
	if err := s.cfg.Audit.Ready(); err != nil {
		return err
	}
	err := s.cfg.Catalog.View(ctx, op.call.HSM, nil, func(_ store.View, sc catalog.Scope, _ []store.Record) error {
		if err := op.authorise(sc.Vault); err != nil {
			return err
		}
		return fn(sc.Vault)
	})
	return s.conclude(ctx, op, err)
}

// write has fn change a copy of the HSM's document, if the caller may do what op
// says. The audit record is part of the update.
func (s *Service) write(ctx context.Context, op *operation, fn func(*catalog.Vault) error) error {
	if err := s.cfg.Audit.Ready(); err != nil {
		return err
	}
	err := s.cfg.Catalog.Update(ctx, op.call.HSM, nil, func(tx store.Tx, sc catalog.Scope, _ []store.Record) error {
		if err := op.authorise(sc.Vault); err != nil {
			return err
		}
		v := sc.Vault.Clone()
		if err := fn(v); err != nil {
			return err
		}
		entry, err := s.cfg.Audit.Prepare(op.record())
		if err != nil {
			return err
		}
		key, sealed, err := s.cfg.Catalog.EncodeVault(v)
		if err != nil {
			return err
		}
		tx.Put(key, sealed)
		s.cfg.Audit.Append(tx, entry)
		return nil
	})
	if errors.Is(err, store.ErrTooLarge) {
		err = fault.New(fault.TooLarge, "RequestContentTooLarge",
			"The role definitions and role assignments of the managed HSM would be larger than %d KiB, which is the most that this service stores.", store.MaxValue>>10)
	}
	if err != nil {
		return s.conclude(ctx, op, err)
	}
	return nil
}

// conclude audits a read or a refusal and returns what the caller is told. The
// record is written even when the caller has gone.
func (s *Service) conclude(ctx context.Context, op *operation, err error) error {
	r := op.record()
	if f, ok := fault.As(err); ok {
		r.Code, r.Reason = f.Code, f.Message
	} else if err != nil {
		r.Code = "InternalServerError"
	}
	if failed := s.cfg.Audit.Write(context.WithoutCancel(ctx), r); failed != nil {
		return errors.Join(failed, err)
	}
	return err
}

func badParameter(format string, args ...any) error {
	return fault.New(fault.Invalid, "BadParameter", format, args...)
}

// RandomBytes returns n random bytes, 1 to 128. They come from this machine's
// generator.
func (s *Service) RandomBytes(ctx context.Context, call Call, n int) (random []byte, err error) {
	op := &operation{call: call, name: "GetRandomBytes", action: "rng/action", scope: access.LocalScopeAll, object: "rng"}
	err = s.read(ctx, op, func(*catalog.Vault) error {
		random, err = keyops.Random(n)
		return err
	})
	if err != nil {
		return nil, err
	}
	return random, nil
}
