package seal

import (
	"context"
	"errors"
	"fmt"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Rotate adds a generation to the keyring of the store: from its return on,
// system records and vault keys are sealed under a new key. Older generations
// stay and open what they have sealed. No root is needed. Other processes must
// Reload before they can open what the new generation seals.
func (k *Keyring) Rotate(ctx context.Context, s store.Store) error {
	err := k.change(ctx, s, func(now *state) (*state, []byte, error) {
		r, err := now.ring.rotated()
		if err != nil {
			return nil, nil, err
		}
		next := &state{header: now.header, outer: now.outer, ring: r}
		record, err := next.record()
		return next, record, err
	})
	if err != nil {
		return fmt.Errorf("rotating the keyring: %w", err)
	}
	return nil
}

// Rewrap makes exactly the given roots able to open the keyring: the key that
// seals it is replaced, so that a root left out, even together with an older
// copy of the record, opens nothing that is written later. Each root is tried
// before anything is written. The keys of the ring stay the same.
func (k *Keyring) Rewrap(ctx context.Context, s store.Store, roots ...Root) error {
	err := k.change(ctx, s, func(now *state) (*state, []byte, error) {
		return wrapAnew(now.header.id, now.ring, roots)
	})
	if err != nil {
		return fmt.Errorf("rewrapping the keyring: %w", err)
	}
	return nil
}

// Reload reads the keyring again, to learn of another process's Rotate. After
// another process's Rewrap it returns an error, and the keyring stays as it is:
// Open it anew with the roots.
func (k *Keyring) Reload(ctx context.Context, s store.Store) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	now, _, err := k.reread(ctx, s)
	if err != nil {
		return fmt.Errorf("reloading the keyring: %w", err)
	}
	k.state.Store(now)
	return nil
}

// change replaces the stored keyring by what next makes of it, and then the one
// in memory: a key never seals before it is durable.
func (k *Keyring) change(ctx context.Context, s store.Store, next func(*state) (*state, []byte, error)) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	for range maxAttempts {
		now, old, err := k.reread(ctx, s)
		if err != nil {
			return err
		}
		changed, record, err := next(now)
		if err != nil {
			return err
		}
		switch err := replace(ctx, s, old, record); {
		case err == nil:
			k.state.Store(changed)
			return nil
		case !errors.Is(err, errChanged):
			return err
		}
	}
	return errChanged
}

// reread returns the stored state, opened with the outer key at hand, and its
// record.
func (k *Keyring) reread(ctx context.Context, s store.Store) (*state, []byte, error) {
	record, err := read(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	if record == nil {
		return nil, nil, errors.New("the store has no keyring")
	}
	e, err := decodeEnvelope(record)
	if err != nil {
		return nil, nil, err
	}
	outer := k.state.Load().outer
	r, err := e.open(outer)
	if err != nil {
		return nil, nil, fmt.Errorf("another process may have rewrapped it: %w", err)
	}
	return &state{header: e.header, outer: outer, ring: r}, record, nil
}
