package vault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// maxFailures is how many keys may fail before a run gives up. Those that failed
// wait a while, so that the next run gets to the others.
const maxFailures = 50

// RunLifetimeActions does what is due about the current versions of keys by the
// domain clock: it rotates those that their policy has rotated, and announces in
// the audit log those that will expire soon or have expired. Any number of
// processes may call it at any time: each thing is done and audited once, by the
// update that still finds it due. A key that cannot be rotated is part of the
// error and is tried again later, by and by less often. The keys of a deleted
// vault wait for its recovery.
func (s *Service) RunLifetimeActions(ctx context.Context) error {
	if err := s.cfg.Audit.Ready(); err != nil {
		return err
	}
	now := s.now()
	if now < 0 {
		return nil
	}
	r := tuple.Prefix(lifetimeRoot)
	r.End = tuple.AppendUint(lifetimeRoot[:len(lifetimeRoot):len(lifetimeRoot)], uint64(now)+1)
	var failed []error
	for {
		batch, vaults, err := s.scanDue(ctx, r)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		// Two processes that begin at the same record would do everything twice,
		// one of them for nothing.
		for _, i := range rand.Perm(len(batch)) {
			err := s.tryLifetime(ctx, batch[i], vaults, now)
			if ctx.Err() != nil {
				return errors.Join(append(failed, ctx.Err())...)
			}
			if err != nil {
				failed = append(failed, err)
			}
			// Without room or an audit log, every other key would fail as well.
			if len(failed) == maxFailures || fault.KindOf(err) == fault.Unavailable {
				return errors.Join(failed...)
			}
		}
		if len(batch) < dueBatch {
			return errors.Join(failed...)
		}
		r.Start = tuple.After(batch[len(batch)-1])
	}
}

// tryLifetime does what a lifetime record is there for, unless it has failed not
// long ago.
func (s *Service) tryLifetime(ctx context.Context, key []byte, vaults map[string]*catalog.Vault, now int64) error {
	object := string(key)
	d, err := parseDue(key)
	if err == nil {
		// Its record is another when something else is due.
		object = string(d.kind.key(d.vaultID, live, d.name))
	}
	if s.retries.waiting(object) {
		return nil
	}
	if err == nil {
		err = s.runLifetime(ctx, key, d, vaults[d.vaultID], now)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.retries.note(object, err)
	if err != nil {
		return fmt.Errorf("doing what is due about a key of vault %s: %w", d.vaultID, err)
	}
	return nil
}

func (s *Service) runLifetime(ctx context.Context, key []byte, d dueKey, vault *catalog.Vault, now int64) error {
	if vault == nil {
		return s.dropLifetime(ctx, key, d)
	}
	if vault.Deleted != nil {
		return nil
	}
	t, err := s.takeTurn(ctx, key, d, vault)
	if err != nil || t == nil {
		return err
	}
	a, err := t.head.agenda()
	if err != nil {
		return err
	}
	if a.rotate <= now {
		err := t.rotate(ctx, now)
		if err == nil {
			return nil
		}
		// That a key expires is all the more worth telling where it cannot be
		// rotated.
		return errors.Join(err, t.announce(ctx, a, now))
	}
	return t.announce(ctx, a, now)
}

// dropLifetime removes the record of a key that went with its vault.
func (s *Service) dropLifetime(ctx context.Context, key []byte, d dueKey) error {
	return s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		recs, err := tx.Get(key, catalog.VaultKey(d.vaultID), d.kind.key(d.vaultID, live, d.name))
		if err != nil || !recs[0].Exists() {
			return err
		}
		if recs[1].Exists() {
			return errors.New("the document of the vault cannot be read")
		}
		tx.Delete(key)
		return nil
	})
}

// turn is one key about which something is due, as it was when that was found
// out. What is decided about it holds only if it is still so in the update.
type turn struct {
	service *Service
	scope   catalog.Scope
	seen    *seen
	kind    *kind
	head    *headRecord
}

// takeTurn looks at what a lifetime record is about. It returns nil if the record
// is no longer there.
func (s *Service) takeTurn(ctx context.Context, key []byte, d dueKey, vault *catalog.Vault) (t *turn, err error) {
	headKey := d.kind.key(d.vaultID, live, d.name)
	keys := func(string) [][]byte { return [][]byte{key, headKey} }
	err = s.cfg.Catalog.View(ctx, vault.Name, keys, func(v store.View, sc catalog.Scope, recs []store.Record) error {
		// The name may mean another vault by now.
		if sc.Vault.ID != d.vaultID || !recs[0].Exists() {
			return nil
		}
		head, err := s.openHead(sc, headKey, recs[1])
		if err != nil {
			return err
		}
		if head == nil {
			return errRecord
		}
		t = &turn{s, sc, &seen{v, keys(""), recs}, d.kind, head}
		return nil
	})
	return t, unlessGone(err)
}

// writes returns writes without the record that was found due: whatever the head
// says of it, it is done with.
func (t *turn) writes() *writes { return &writes{deletes: [][]byte{t.seen.keys[0]}} }

// unlessGone returns err, or nil if it says that the vault was deleted meanwhile.
func unlessGone(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

// commit does the writes if nothing has changed since the turn was taken, and
// reports whether they were done: otherwise, what is due is due to somebody else.
func (t *turn) commit(ctx context.Context, w *writes, entry *audit.Entry) (done bool, err error) {
	s := t.service
	keys := func(string) [][]byte { return t.seen.keys }
	err = s.cfg.Catalog.Update(ctx, t.scope.Vault.Name, keys, func(tx store.Tx, sc catalog.Scope, recs []store.Record) error {
		done = false
		if sc.Vault.ID != t.scope.Vault.ID || !(&seen{tx, t.seen.keys, recs}).same(t.seen) {
			return nil
		}
		w.apply(tx)
		if entry != nil {
			s.cfg.Audit.Append(tx, *entry)
		}
		done = true
		return nil
	})
	if err = unlessGone(err); err != nil {
		return false, err
	}
	return done, nil
}

// record prepares the audit record of the service's own work: its caller is
// nobody.
func (t *turn) record(operation, version string) (*audit.Entry, error) {
	entry, err := t.service.cfg.Audit.Prepare(&audit.Record{
		Operation: operation, Resource: t.scope.Vault.ResourceID(), Object: t.kind.collection + "/" + pathOf(t.head.Name, version),
	})
	return &entry, err
}

// rotate makes a new current version. The key is made outside of any transaction.
func (t *turn) rotate(ctx context.Context, now int64) error {
	if err := t.head.mayRotate(t.scope.Vault); err != nil {
		return err
	}
	m, err := newMaterial(ctx, specOf(t.head.Current.Key))
	if err != nil {
		return err
	}
	defer m.private.Zero()
	w := t.writes()
	next, err := w.rotate(t.scope, t.head, m, now)
	if err != nil {
		return err
	}
	entry, err := t.record("KeyRotateIfDue", m.version)
	if err != nil {
		return err
	}
	done, err := t.commit(ctx, w, entry)
	if done {
		t.service.cfg.Logger.InfoContext(ctx, "a key was rotated by its policy",
			"vault", t.scope.Vault.Name, "key", next.Name, "version", m.version, "was", t.head.Current.Version)
	}
	return err
}

// announce tells that the current version has expired, or else that it will soon,
// if that is due; and in any case sets when something is due next.
func (t *turn) announce(ctx context.Context, a agenda, now int64) error {
	next := *t.head
	var lifetime lifetimeRecord
	if next.Lifetime != nil {
		lifetime = *next.Lifetime
	}
	next.Lifetime = &lifetime
	operation, message := "", ""
	switch {
	case a.expire <= now:
		lifetime.Expired = next.Current.Expires
		operation, message = "KeyExpiredEventGridNotification", "a key has expired"
	case a.notify <= now:
		lifetime.NearExpiry = next.Current.Expires
		operation, message = "KeyNearExpiryEventGridNotification", "a key expires soon"
	case a.rotate <= now:
		return nil // was announced before, and waits to be rotated
	}
	w := t.writes()
	if err := w.putLive(t.scope, t.kind, t.head, &next); err != nil {
		return err
	}
	if operation == "" {
		_, err := t.commit(ctx, w, nil)
		return err
	}
	entry, err := t.record(operation, next.Current.Version)
	if err != nil {
		return err
	}
	done, err := t.commit(ctx, w, entry)
	if done {
		t.service.cfg.Logger.WarnContext(ctx, message,
			"vault", t.scope.Vault.Name, "key", next.Name, "version", next.Current.Version, "exp", *next.Current.Expires)
	}
	return err
}
