package vault

import (
	"context"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// delete moves an object to the deleted ones, or ends it in a vault without soft
// delete.
func (s *Service) delete(ctx context.Context, call Call, k *kind, name string) (shown, error) {
	now := s.now()
	op := k.onName(call, "Delete", k.delete, name).reads(k.inArea(name, live))
	return change(ctx, s, op, func(sc catalog.Scope, r *seen) (*effect[shown], error) {
		head, err := s.head(sc, r, k, live, name)
		if err != nil {
			return nil, err
		}
		if head == nil {
			return nil, k.notFound(name)
		}
		e := &effect[shown]{path: op.object}
		e.deletes = [][]byte{k.key(sc.Vault.ID, live, name)}
		e.forget(sc, k, head)
		if !sc.Vault.SoftDelete {
			e.answer = showHead(sc, head)
			e.ranges = k.contents(sc.Vault.ID, name)
			return e, nil
		}
		gone := *head
		gone.Deleted = &deletionRecord{At: now, PurgeAt: now + int64(sc.Vault.RetentionDays)*secondsPerDay}
		if gone.Lifetime != nil {
			gone.Lifetime = &lifetimeRecord{NearExpiry: head.Lifetime.NearExpiry, Expired: head.Lifetime.Expired}
		}
		e.answer = showHead(sc, &gone)
		return e, firstOf(
			e.putRecord(sc, k.key(sc.Vault.ID, dead, name), &gone),
			e.put(sc, k.due(gone.Deleted.PurgeAt, sc.Vault.ID, name), []byte{format1}),
		)
	})
}

// getDeleted returns a deleted object.
func (s *Service) getDeleted(ctx context.Context, call Call, k *kind, name string) (shown, error) {
	op := k.onName(call, "GetDeleted", k.getDeleted, name).reads(k.inArea(name, dead))
	op.ofDeleted = true
	var found shown
	err := s.read(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) error {
		head, err := s.deletedHead(sc, r, k, name)
		if err != nil {
			return err
		}
		if k.hidesDisabled && head.Current.Disabled {
			return k.disabled("get")
		}
		found = showHead(sc, head)
		return nil
	})
	return found, err
}

func (s *Service) deletedHead(sc catalog.Scope, r *seen, k *kind, name string) (*headRecord, error) {
	head, err := s.head(sc, r, k, dead, name)
	if err != nil {
		return nil, err
	}
	if head == nil || head.Restoring != "" {
		return nil, k.deletedNotFound(name)
	}
	if head.Deleted == nil {
		return nil, errRecord
	}
	return head, nil
}

// recover makes a deleted object live again, as it was.
func (s *Service) recover(ctx context.Context, call Call, k *kind, name string) (shown, error) {
	op := k.onName(call, "Recover", k.recover, name).reads(k.inArea(name, dead))
	return change(ctx, s, op, func(sc catalog.Scope, r *seen) (*effect[shown], error) {
		head, err := s.deletedHead(sc, r, k, name)
		if err != nil {
			return nil, err
		}
		back := *head
		back.Deleted = nil
		e := &effect[shown]{answer: showHead(sc, &back), path: op.object}
		e.deletes = [][]byte{
			k.key(sc.Vault.ID, dead, name),
			k.due(head.Deleted.PurgeAt, sc.Vault.ID, name),
		}
		return e, e.putLive(sc, k, nil, &back)
	})
}

// purge ends a deleted object before its time.
func (s *Service) purge(ctx context.Context, call Call, k *kind, name string) error {
	op := k.onName(call, "Purge", k.purge, name).reads(k.inArea(name, dead))
	_, err := change(ctx, s, op, func(sc catalog.Scope, r *seen) (*effect[struct{}], error) {
		head, err := s.deletedHead(sc, r, k, name)
		if err != nil {
			return nil, err
		}
		if sc.Vault.PurgeProtection {
			return nil, purgeProtected(sc.Vault)
		}
		e := &effect[struct{}]{path: op.object}
		e.writes = k.erase(sc.Vault.ID, name, head.Deleted.PurgeAt)
		return e, nil
	})
	return err
}

// erase returns the writes that leave nothing of a deleted object.
func (k *kind) erase(vaultID, name string, purgeAt int64) writes {
	return writes{
		deletes: [][]byte{k.key(vaultID, dead, name), k.due(purgeAt, vaultID, name)},
		ranges:  k.contents(vaultID, name),
	}
}
