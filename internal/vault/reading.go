package vault

import (
	"context"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Reading is what an answer came from: who asked, and every record that decided
// about it or that it shows. While none of them has changed, the same caller gets
// the same answer to the same request. It is never changed.
type Reading struct {
	caller  access.Caller
	vault   string        // as the call named it
	network *access.Vault // shared; whose network rules decide about addresses
	records []store.Stamp
	// operation, resource and path are those of the audit record; object is the path
	// without a version.
	operation, resource, path, object string
}

// Again reports whether the request that led to the reading would have the same
// answer now. If so, it is audited as if it had been made anew, and that answer may
// be given. If not, nothing is audited and nothing is known: the operation decides.
func (s *Service) Again(ctx context.Context, call Call, r *Reading) (bool, error) {
	if holds, err := s.holds(ctx, &call, r); !holds || err != nil {
		return false, err
	}
	return true, s.audit(ctx, &call, r)
}

// audit writes the record of a reading's operation for another call.
func (s *Service) audit(ctx context.Context, call *Call, r *Reading) error {
	return s.cfg.Audit.Write(context.WithoutCancel(ctx), &audit.Record{
		Operation: r.operation, Resource: r.resource, Object: r.path, Caller: call.Caller, Origin: call.Origin,
	})
}

// holds is Again without the audit.
func (s *Service) holds(ctx context.Context, call *Call, r *Reading) (holds bool, err error) {
	if s.cfg.Audit.Ready() != nil || !r.isOf(call) {
		return false, nil
	}
	err = s.cfg.Store.View(ctx, func(v store.View) (err error) {
		holds, err = v.Unchanged(r.records...)
		return err
	})
	return holds, err
}

// isOf reports whether the call is by the same caller to the same vault, from an
// address that may come in.
func (r *Reading) isOf(call *Call) bool {
	return call.Caller.Equal(&r.caller) && strings.EqualFold(r.vault, call.Vault) &&
		access.FromAddress(call.Caller, *r.network, call.Origin.Address) == nil
}

// repeat returns the operation of the reading for another call.
func (r *Reading) repeat(call Call) *operation {
	return &operation{call: call, name: r.operation, resource: r.resource, path: r.path, object: r.object}
}

// finish fills the reading in when its operation is about to succeed.
func (r *Reading) finish(op *operation, sc catalog.Scope) {
	r.caller, r.vault, r.network = op.call.Caller, op.call.Vault, sc.Access
	r.operation, r.resource, r.path, r.object = op.name, op.resource, op.path, op.object
}

// watchedView notes what is got from a view. Scans leave no trace: what looks at
// lists is not read again, and the role assignments are those of their epoch, which
// is got.
type watchedView struct {
	store.View
	reading *Reading
}

// Get implements store.View.
func (v watchedView) Get(keys ...[]byte) ([]store.Record, error) {
	records, err := v.View.Get(keys...)
	for i, r := range records {
		v.reading.records = append(v.reading.records, store.Stamp{Key: keys[i], Revision: r.Revision})
	}
	return records, err
}
