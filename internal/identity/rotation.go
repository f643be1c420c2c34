package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

const (
	keyLife   = 90 * 24 * time.Hour
	keyNotice = time.Hour
	// keyGrace is for clocks of other processes that are behind.
	keyGrace = backdate
)

// RotateSigningKey makes a key that is published at once and signs after the
// configured notice, from when on the one before it only verifies. While a key
// waits for its time already, it makes none.
func (s *Service) RotateSigningKey(ctx context.Context) error {
	return s.rotateKeys(ctx, func([]keyRecord, time.Time) bool { return true })
}

// maintainKeys makes the next key if it is time, forgets those of which no token
// is good any more, and takes over what other processes have done of this.
func (s *Service) maintainKeys(ctx context.Context) error {
	keys, err := s.reloadKeys(ctx)
	if err != nil {
		return err
	}
	if keys == nil {
		return s.retryFirstKey(ctx)
	}
	return s.rotateKeys(ctx, func(keys []keyRecord, now time.Time) bool {
		// So that the next key signs when the life of this one ends.
		return !now.Add(s.cfg.KeyNotice).Before(keys[len(keys)-1].begin().Add(s.cfg.KeyLife))
	})
}

// rotateKeys drops keys that have served their time and adds one if due says so. Of
// several processes that do it at once, one does: the update looks again.
func (s *Service) rotateKeys(ctx context.Context, due func([]keyRecord, time.Time) bool) error {
	now := s.cfg.Now().UTC()
	var have keysRecord
	err := s.cfg.Store.View(ctx, func(v store.View) error {
		recs, err := v.Get(tokenKeysKey)
		if err == nil {
			err = s.open(tokenKeysKey, recs[0], &have)
		}
		return err
	})
	defer have.clear()
	if err != nil {
		return fmt.Errorf("loading the keys that sign tokens: %w", err)
	}
	wanted := func(keys []keyRecord) bool {
		return !keys[len(keys)-1].Signs.After(now) && due(keys, now)
	}
	add := wanted(have.Keys)
	if !add && spent(have.Keys, now) == 0 {
		return nil
	}
	next := keyRecord{Created: now, Signs: now.Add(s.cfg.KeyNotice)}
	if add {
		// Slow, so that it is done before the update.
		if next.PKCS8, err = generateKey(); err != nil {
			return err
		}
		defer clear(next.PKCS8)
	}
	added := false
	err = s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		recs, err := tx.Get(tokenKeysKey)
		if err != nil {
			return err
		}
		var stored keysRecord
		if err := s.open(tokenKeysKey, recs[0], &stored); err != nil {
			return err
		}
		defer stored.clear()
		n := spent(stored.Keys, now)
		keys := stored.Keys[n:]
		if added = add && wanted(keys); added {
			keys = append(slices.Clip(keys), next)
		}
		if n == 0 && !added {
			return nil
		}
		return s.put(tx, tokenKeysKey, keysRecord{keys})
	})
	if err != nil {
		return fmt.Errorf("rotating the keys that sign tokens: %w", err)
	}
	if added {
		s.cfg.Logger.InfoContext(ctx, "a new key will sign tokens", "from", next.Signs)
	}
	_, err = s.reloadKeys(ctx)
	return err
}

// spent returns how many of the keys, which are the first, have signed no token
// that is still good: their successor has signed for longer than a token lives.
func spent(keys []keyRecord, now time.Time) (n int) {
	for n+1 < len(keys) && !now.Before(keys[n+1].begin().Add(lifetime+keyGrace)) {
		n++
	}
	return n
}

// begin is from when on the key signs.
func (k keyRecord) begin() time.Time {
	if k.Signs.IsZero() {
		return k.Created
	}
	return k.Signs
}

func (r *keysRecord) clear() {
	for _, k := range r.Keys {
		clear(k.PKCS8)
	}
}
