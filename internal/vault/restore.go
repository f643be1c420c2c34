package vault

import (
	"context"
	"errors"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// One update holds a few dozen versions of a usual size. An object with more is
// restored in several: the first claims the name, the last makes everything
// visible at once. A claim is a deleted head that nobody is shown. Like every
// deleted head it has a due record, so what a restoration leaves that was cut off
// is purged like anything else whose time has come.
const (
	restoreWrites = 80        // of the 100 that an update may have
	restoreBytes  = 700 << 10 // of the 1 MiB
	claimSeconds  = 60 * 60
)

// restoration is one restore on its way.
type restoration struct {
	service  *Service
	kind     *kind
	op       *operation
	scope    catalog.Scope // when the blob was opened
	contents *backupRecord
	claim    *headRecord // nil if one update is enough
}

var errMoved = errors.New("vault: the name means another vault than when the operation began")

func (r *restoration) run(ctx context.Context) (shown, error) {
	chunks, err := r.sealChunks()
	if err != nil {
		return shown{}, r.service.conclude(ctx, r.op, err)
	}
	last := chunks[len(chunks)-1]
	if len(chunks) > 1 {
		if err := r.stage(ctx, chunks[:len(chunks)-1]); err != nil {
			r.withdraw(ctx)
			return shown{}, r.service.conclude(ctx, r.op, err)
		}
	}
	restored, err := r.commit(ctx, last)
	if err != nil {
		r.withdraw(ctx)
	}
	return restored, err
}

// commit writes the last chunk and makes the object visible.
func (r *restoration) commit(ctx context.Context, last *writes) (shown, error) {
	return change(ctx, r.service, r.op, func(sc catalog.Scope, seen *seen) (*effect[shown], error) {
		if sc.Vault.ID != r.scope.Vault.ID {
			return nil, errMoved
		}
		if err := r.admit(sc, seen); err != nil {
			return nil, err
		}
		head := &headRecord{Name: r.contents.Name, Current: *r.contents.current(), Release: r.contents.Release}
		e := &effect[shown]{answer: showHead(sc, head), path: r.op.path + "/" + head.Current.Version}
		e.puts = append(e.puts, last.puts...)
		if r.claim != nil {
			e.deletes = [][]byte{
				r.kind.key(sc.Vault.ID, dead, head.Name),
				r.kind.due(r.claim.Deleted.PurgeAt, sc.Vault.ID, head.Name),
			}
		}
		return e, e.putLive(sc, r.kind, nil, head)
	})
}

// admit makes sure that the name is free, or claimed by this restoration.
func (r *restoration) admit(sc catalog.Scope, seen *seen) error {
	current, err := r.service.head(sc, seen, r.kind, live, r.contents.Name)
	if err != nil {
		return err
	}
	gone, err := r.service.head(sc, seen, r.kind, dead, r.contents.Name)
	if err != nil {
		return err
	}
	claimed := gone != nil && r.claim != nil && gone.Restoring == r.claim.Restoring
	if current != nil || claimed != (r.claim != nil) || gone != nil && !claimed {
		return restoreConflict(r.kind, r.contents.Name, r.contents.Current)
	}
	return nil
}

// sealChunks seals every version, in as many parts as there must be updates.
func (r *restoration) sealChunks() ([]*writes, error) {
	part := new(writes)
	chunks := []*writes{part}
	size := 0
	for i := range r.contents.Versions {
		v := &r.contents.Versions[i]
		next := new(writes)
		plain := encodeBody(v.Body)
		err := firstOf(
			next.putRecord(r.scope, r.kind.key(r.scope.Vault.ID, ver, r.contents.Name, v.Record.Version), &v.Record),
			next.put(r.scope, r.kind.key(r.scope.Vault.ID, body, r.contents.Name, v.Record.Version), plain),
		)
		clear(plain)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, e := range next.puts {
			n += len(e.Key) + len(e.Value)
		}
		if size+n > restoreBytes || len(part.puts)+len(next.puts) > restoreWrites {
			part, size = new(writes), 0
			chunks = append(chunks, part)
		}
		part.puts = append(part.puts, next.puts...)
		size += n
	}
	return chunks, nil
}

// stage claims the name and writes the chunks, which nobody can see.
func (r *restoration) stage(ctx context.Context, chunks []*writes) error {
	now := r.service.now()
	claim := &headRecord{
		Name: r.contents.Name, Current: *r.contents.current(), Restoring: newVersion(),
		Deleted: &deletionRecord{At: now, PurgeAt: now + claimSeconds},
	}
	first := new(writes)
	err := firstOf(
		first.putRecord(r.scope, r.kind.key(r.scope.Vault.ID, dead, claim.Name), claim),
		first.put(r.scope, r.kind.due(claim.Deleted.PurgeAt, r.scope.Vault.ID, claim.Name), []byte{format1}),
	)
	if err != nil {
		return err
	}
	if err := r.write(ctx, first); err != nil {
		return err
	}
	r.claim = claim
	for _, chunk := range chunks {
		if err := r.write(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// write does the writes if the name is free or claimed by this restoration.
func (r *restoration) write(ctx context.Context, w *writes) error {
	s := r.service
	return s.cfg.Catalog.Update(ctx, r.op.call.Vault, r.op.keys, func(tx store.Tx, sc catalog.Scope, recs []store.Record) error {
		if sc.Vault.ID != r.scope.Vault.ID {
			return errMoved
		}
		if err := r.op.authorise(sc); err != nil {
			return err
		}
		if err := r.admit(sc, &seen{tx, r.op.keys(sc.Vault.ID), recs}); err != nil {
			return err
		}
		w.apply(tx)
		return nil
	})
}

// withdraw gives a claimed name back, for a restoration that has failed. If that
// fails as well, the due record of the claim is there.
func (r *restoration) withdraw(ctx context.Context) {
	if r.claim == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	err := r.service.cfg.Catalog.Update(ctx, r.op.call.Vault, r.op.keys, func(tx store.Tx, sc catalog.Scope, recs []store.Record) error {
		if sc.Vault.ID != r.scope.Vault.ID || r.admit(sc, &seen{tx, r.op.keys(sc.Vault.ID), recs}) != nil {
			return nil
		}
		w := r.kind.erase(sc.Vault.ID, r.contents.Name, r.claim.Deleted.PurgeAt)
		w.apply(tx)
		return nil
	})
	if err != nil {
		r.service.cfg.Logger.WarnContext(ctx, "what a failed restoration left is purged within the hour", "vault", r.scope.Vault.ID, "error", err)
	}
}
