package identity

import (
	"context"
	"errors"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// DirectoryConfig is what a Directory works with. All fields are required, and all
// of them use one store.
type DirectoryConfig struct {
	Identity *Service
	// Catalog has the role assignments that decide.
	Catalog *catalog.Catalog
	Audit   *audit.Log
}

// Directory is the operations on applications that callers have. It is safe for
// concurrent use, and for use by several processes over one store.
//
// A caller sees the applications of its own tenant, and needs a role at the scope
// "/" for what it does: one with "microsoft.directory/applications/..." to read,
// and one that assigns roles there too to change anything, because whoever gives
// an application a secret can be that application. A caller may always read itself.
//
// Errors are *fault.Error where the caller is to be told: Invalid, Forbidden,
// NotFound, Conflict, and Unavailable while nothing can be audited. A caller
// without permission is told so before anything else. Every other error is
// internal.
type Directory struct {
	DirectoryConfig
}

// NewDirectory returns the directory of what the store holds.
func NewDirectory(cfg DirectoryConfig) *Directory { return &Directory{cfg} }

// Call is who asks and from where. The zero Caller may do nothing.
type Call struct {
	Caller access.Caller
	Origin audit.Origin
}

// The actions of the directory, in Entra ID's words.
const (
	actRead    = "microsoft.directory/applications/standard/read"
	actCreate  = "microsoft.directory/applications/create"
	actDelete  = "microsoft.directory/applications/delete"
	actSecrets = "microsoft.directory/applications/credentials/update"
	// actAssign is needed for every change, too.
	actAssign = "Microsoft.Authorization/roleAssignments/write"
)

// directoryScope is where permissions for the directory are held: it belongs to no
// subscription.
const directoryScope = "/"

// operation is one call on its way through permission, work and audit.
type operation struct {
	call   Call
	name   string // in the audit log
	object string // there, too
	action string
	denied error // why the caller may not, for the audit log
}

// permit returns nil, or a refusal in the directory's words.
func (op *operation) permit(roles *access.Assignments) error {
	op.denied = access.Control(op.call.Caller, roles, op.action, directoryScope)
	if op.denied == nil && op.action != actRead {
		op.denied = access.Control(op.call.Caller, roles, actAssign, directoryScope)
	}
	if op.denied == nil {
		return nil
	}
	return fault.New(fault.Forbidden, graph.CodeDenied, "Insufficient privileges to complete the operation.")
}

// read calls fn with a view of the store and what the caller is refused with, if
// it is, and audits. It is for fn to refuse: a caller may read itself.
func (d *Directory) read(ctx context.Context, op *operation, fn func(v store.View, refusal error) error) error {
	if err := d.Audit.Ready(); err != nil {
		return err
	}
	err := d.Identity.cfg.Store.View(ctx, func(v store.View) error {
		roles, err := d.Catalog.Roles(v)
		if err != nil {
			return err
		}
		return fn(v, op.permit(roles))
	})
	return d.conclude(ctx, op, err)
}

// write calls fn in an update if the caller may do what op says. The audit record
// of what it does is part of the update.
func (d *Directory) write(ctx context.Context, op *operation, fn func(store.Tx) error) error {
	if err := d.Audit.Ready(); err != nil {
		return err
	}
	entry, err := d.Audit.Prepare(op.record())
	if err != nil {
		return err
	}
	err = d.Catalog.Do(ctx, func(tx store.Tx, roles *access.Assignments) error {
		if err := op.permit(roles); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		d.Audit.Append(tx, entry)
		return nil
	})
	if err != nil {
		return d.conclude(ctx, op, err)
	}
	return nil
}

func (op *operation) record() *audit.Record {
	return &audit.Record{Operation: op.name, Resource: directoryScope, Object: op.object, Caller: op.call.Caller, Origin: op.call.Origin}
}

// conclude audits a read or a refusal and returns what the caller is told. The
// record says which permission is missing. It is written even when the caller has
// gone.
func (d *Directory) conclude(ctx context.Context, op *operation, err error) error {
	r := op.record()
	if f, ok := fault.As(err); ok {
		r.Code, r.Reason = f.Code, f.Message
		if denied, ok := fault.As(op.denied); ok && f.Kind == fault.Forbidden {
			r.Reason = denied.Message
		}
	} else if err != nil {
		r.Code = "InternalServerError"
	}
	if failed := d.Audit.Write(context.WithoutCancel(ctx), r); failed != nil {
		return errors.Join(failed, err)
	}
	return err
}
