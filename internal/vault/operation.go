package vault

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// operation is one call of the service on its way through permission, work and
// audit.
type operation struct {
	call   Call
	name   string // in the audit log
	action access.Action
	// ofPublic, if it is not zero, is another action that is enough where roles
	// decide and the key turns out to be one with a public part.
	ofPublic access.Action
	// unlessPublic is the refusal of a caller who has only ofPublic: it stands
	// unless the key is such a one.
	unlessPublic error
	// ofDeleted says that the operation only looks at what is deleted.
	ofDeleted bool
	// object is the path whose permission is asked for, "secrets/name", or
	// empty for the collection.
	object string
	// path is what the audit log shows: object, and the version once known.
	path string
	// invalid is what is wrong with the request whatever the state. It is told
	// to callers that have the permission only.
	invalid error
	// admit decides whether the vault may hold what is asked for. It may be nil.
	admit func(catalog.Scope) error
	// settle decides what else of a head changes with the version that is added or
	// amended: next becomes the head after before, which is nil for a new object. It
	// may be nil.
	settle func(before, next *headRecord) error
	// keys names the records that the operation begins with. It may be nil.
	keys func(vaultID string) [][]byte

	resource string // of the vault, once known
	// reading, if not nil, is filled in by what the operation reads.
	reading *Reading
}

// onName returns an operation on an object of the kind.
func (k *kind) onName(call Call, name string, action access.Action, object string) *operation {
	op := &operation{call: call, name: k.capital + name, action: action, path: k.collection}
	if op.invalid = checkName(object); op.invalid == nil {
		op.object = k.collection + "/" + object
		op.path = op.object
	}
	return op
}

// onAll returns an operation on the collection.
func (k *kind) onAll(call Call, name string, action access.Action) *operation {
	return &operation{call: call, name: k.capital + name, action: action, path: k.collection}
}

// reject adds to what is wrong with the request; what was found first stays.
func (op *operation) reject(errs ...error) {
	op.invalid = firstOf(op.invalid, firstOf(errs...))
}

// reads has the operation begin with records of the named object.
func (op *operation) reads(keys func(vaultID string) [][]byte) *operation {
	op.keys = keys
	return op
}

// authorise decides in the transaction whose scope it is given.
func (op *operation) authorise(sc catalog.Scope) error {
	if err := access.FromAddress(op.call.Caller, *sc.Access, op.call.Origin.Address); err != nil {
		return err
	}
	if err := op.permit(*sc.Access, sc.Roles); err != nil {
		return err
	}
	if op.invalid != nil || op.admit == nil {
		return op.invalid
	}
	return op.admit(sc)
}

// permit decides about the permission, as far as the key does not matter.
func (op *operation) permit(v access.Vault, roles *access.Assignments) error {
	op.unlessPublic = nil
	decide := access.Data
	if op.ofDeleted {
		decide = access.DeletedData
	}
	err := decide(op.call.Caller, v, roles, op.action, op.object)
	if err == nil || !v.RBAC || access.Data(op.call.Caller, v, roles, op.ofPublic, op.object) != nil {
		return err
	}
	op.unlessPublic = err
	return nil
}

func (op *operation) settleHead(before, next *headRecord) error {
	if op.settle == nil {
		return nil
	}
	return op.settle(before, next)
}

func (op *operation) record(path string) *audit.Record {
	return &audit.Record{
		Operation: op.name, Resource: op.resource, Object: path,
		Caller: op.call.Caller, Origin: op.call.Origin,
	}
}

// seen is the part of the store that an operation has looked at: what it has
// read once is not read again.
type seen struct {
	from catalog.Getter
	keys [][]byte
	recs []store.Record
}

// get returns one record per key, reading those that are new in one round trip.
func (s *seen) get(keys ...[]byte) ([]store.Record, error) {
	var missing [][]byte
	for _, key := range keys {
		if s.find(key) < 0 {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		recs, err := s.from.Get(missing...)
		if err != nil {
			return nil, err
		}
		s.keys = append(slices.Clip(s.keys), missing...)
		s.recs = append(slices.Clip(s.recs), recs...)
	}
	found := make([]store.Record, len(keys))
	for i, key := range keys {
		found[i] = s.recs[s.find(key)]
	}
	return found, nil
}

func (s *seen) one(key []byte) (store.Record, error) {
	if i := s.find(key); i >= 0 {
		return s.recs[i], nil
	}
	recs, err := s.get(key)
	if err != nil {
		return store.Record{}, err
	}
	return recs[0], nil
}

func (s *seen) find(key []byte) int {
	for i, k := range s.keys {
		if bytes.Equal(k, key) {
			return i
		}
	}
	return -1
}

// same reports whether both saw the same records in the same state.
func (s *seen) same(o *seen) bool {
	return slices.EqualFunc(s.keys, o.keys, bytes.Equal) &&
		slices.EqualFunc(s.recs, o.recs, func(a, b store.Record) bool { return a.Revision == b.Revision })
}

// look calls fn with the vault, if the caller may do what op says. It audits
// nothing.
func (s *Service) look(ctx context.Context, op *operation, fn func(store.View, catalog.Scope, *seen) error) error {
	if err := s.cfg.Audit.Ready(); err != nil {
		return err
	}
	var asked [][]byte
	keys := func(vaultID string) [][]byte {
		asked = nil
		if op.invalid == nil && op.keys != nil {
			asked = op.keys(vaultID)
		}
		return asked
	}
	return s.cfg.Store.View(ctx, func(v store.View) error {
		if op.reading != nil {
			v = watchedView{v, op.reading}
		}
		return s.cfg.Catalog.In(v, op.call.Vault, keys, func(sc catalog.Scope, recs []store.Record) error {
			op.resource = sc.Access.ResourceID
			if err := op.authorise(sc); err != nil {
				return err
			}
			if err := fn(v, sc, &seen{v, asked, recs}); err != nil || op.reading == nil {
				return err
			}
			op.reading.finish(op, sc)
			return nil
		})
	})
}

// read is look, audited.
func (s *Service) read(ctx context.Context, op *operation, fn func(store.View, catalog.Scope, *seen) error) error {
	return s.conclude(ctx, op, s.look(ctx, op, fn))
}

// conclude audits a read or a refusal and returns what the caller is told. The
// record is written even when the caller has gone.
func (s *Service) conclude(ctx context.Context, op *operation, err error) error {
	if s.cfg.Audit.Ready() != nil && fault.KindOf(err) == fault.Unavailable {
		return err
	}
	r := op.record(op.path)
	if f, ok := fault.As(err); ok {
		r.Code, r.Reason = f.Code, f.Message
		if f.Inner != "" {
			r.Code += "/" + f.Inner
		}
	} else if err != nil {
		r.Code = "InternalServerError"
	}
	if failed := s.cfg.Audit.Write(context.WithoutCancel(ctx), r); failed != nil {
		return errors.Join(failed, err)
	}
	return err
}

// effect is what a plan has decided: the answer, and the writes of one update.
type effect[T any] struct {
	answer T
	path   string // for the audit log
	writes
}

type writes struct {
	puts    []store.Entry
	deletes [][]byte
	ranges  []store.Range
	heads   []committedHead // among the puts
}

// put seals a record and adds it to the writes.
func (w *writes) put(sc catalog.Scope, key, plain []byte) error {
	sealed, err := sc.Sealer.Seal(key, plain)
	if err != nil {
		return err
	}
	w.puts = append(w.puts, store.Entry{Key: key, Record: store.Record{Value: sealed}})
	return nil
}

// putRecord is put of a head or a version's metadata.
func (w *writes) putRecord(sc catalog.Scope, key []byte, record any) error {
	plain, err := encodeRecord(record)
	if err != nil {
		return err
	}
	if err := w.put(sc, key, plain); err != nil {
		return err
	}
	if head, ok := record.(*headRecord); ok {
		w.heads = append(w.heads, committedHead{key, w.puts[len(w.puts)-1].Value, head})
	}
	return nil
}

func (w *writes) apply(tx store.Tx) {
	for _, r := range w.ranges {
		tx.DeleteRange(r)
	}
	for _, key := range w.deletes {
		tx.Delete(key)
	}
	for _, e := range w.puts {
		tx.Put(e.Key, e.Value)
	}
}

// plan decides about a change. It is a function of the vault and of what it
// reads through seen, and of nothing that may differ between two calls.
type plan[T any] func(catalog.Scope, *seen) (*effect[T], error)

// draft is a plan made ahead of the update.
type draft[T any] struct {
	scope  catalog.Scope
	seen   *seen
	effect *effect[T]
	entry  audit.Entry
}

// makeDraft plans, and prepares the audit record of what is planned.
func makeDraft[T any](s *Service, op *operation, sc catalog.Scope, r *seen, p plan[T]) (*draft[T], error) {
	e, err := p(sc, r)
	if err != nil {
		return nil, err
	}
	entry, err := s.cfg.Audit.Prepare(op.record(e.path))
	if err != nil {
		return nil, err
	}
	return &draft[T]{sc, r, e, entry}, nil
}

// change carries out a mutation. The plan is first made in a view: there the
// caller without permission is turned away, and records are decoded and sealed
// while no other writer waits. The update then decides about the permission
// again, and does as planned if every record is still as the plan has seen it;
// else it plans anew.
func change[T any](ctx context.Context, s *Service, op *operation, p plan[T]) (T, error) {
	answer, err := tryChange(ctx, s, op, p)
	if err != nil {
		var zero T
		return zero, s.conclude(ctx, op, err)
	}
	return answer, nil
}

// tryChange is change for a caller that audits the refusal.
func tryChange[T any](ctx context.Context, s *Service, op *operation, p plan[T]) (answer T, err error) {
	var ahead *draft[T]
	err = s.look(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) (err error) {
		ahead, err = makeDraft(s, op, sc, r, p)
		return err
	})
	if err != nil {
		return answer, err
	}
	return commit(ctx, s, op, ahead, p)
}

// commit runs the update of a change.
func commit[T any](ctx context.Context, s *Service, op *operation, ahead *draft[T], p plan[T]) (answer T, err error) {
	var asked [][]byte
	keys := func(vaultID string) [][]byte {
		// The name may mean another vault by now.
		if asked = ahead.seen.keys; vaultID != ahead.scope.Vault.ID && op.keys != nil {
			asked = op.keys(vaultID)
		}
		return asked
	}
	var done *draft[T]
	err = s.cfg.Catalog.Update(ctx, op.call.Vault, keys, func(tx store.Tx, sc catalog.Scope, recs []store.Record) error {
		op.resource = sc.Access.ResourceID
		err := op.authorise(sc)
		if err != nil {
			return err
		}
		d, r := ahead, &seen{tx, asked, recs}
		if sc.Vault != ahead.scope.Vault || !r.same(ahead.seen) {
			if d, err = makeDraft(s, op, sc, r, p); err != nil {
				return err
			}
		}
		d.effect.apply(tx)
		s.cfg.Audit.Append(tx, d.entry)
		done = d
		return nil
	})
	if err != nil {
		return answer, err
	}
	s.remember(done.effect.heads)
	return done.effect.answer, nil
}
