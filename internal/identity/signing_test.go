package identity

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Keys outlive the process: what it signed is believed after a restart, and by
// every other process over the store.
func TestKeysPersist(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	must(t, w.svc.Start(t.Context()))
	must(t, w.svc.EnsureTenant(t.Context(), Tenant{ID: tenantA}))
	app, _, err := w.svc.CreateApplication(t.Context(), tenantA, "app")
	must(t, err)
	// Only this waits for the key, which is being made.
	token, err := w.svc.IssueTo(t.Context(), origin, app.ClientID, vaultResource)
	must(t, err)

	second := w.again()
	caller, err := second.Verify(t.Context(), PlaneVault, string(token.Access.Reveal()))
	must(t, err)
	if caller.ObjectID != app.ObjectID {
		t.Errorf("caller %+v", caller)
	}
	a, err := w.svc.PublicKeys(t.Context())
	must(t, err)
	b, err := second.PublicKeys(t.Context())
	must(t, err)
	if len(a.Keys) != 1 || len(b.Keys) != 1 || a.Keys[0].KeyID != b.Keys[0].KeyID {
		t.Errorf("keys %+v and %+v", a.Keys, b.Keys)
	}
}

// Two processes that find no key make one each, and then agree on that of the
// faster one.
func TestKeysOfTwoFirstProcesses(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	proceed := make(chan struct{})
	cfg := w.cfg
	cfg.Store = storeFunc{Store: cfg.Store, update: func(ctx context.Context) error {
		select {
		case <-proceed:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	slow := New(cfg)
	must(t, slow.Start(t.Context()))
	must(t, w.svc.Start(t.Context()))
	a, err := w.svc.PublicKeys(t.Context())
	must(t, err)
	close(proceed)
	b, err := slow.PublicKeys(t.Context())
	must(t, err)
	if len(a.Keys) != 1 || len(b.Keys) != 1 || a.Keys[0].KeyID != b.Keys[0].KeyID {
		t.Errorf("keys %+v and %+v", a.Keys, b.Keys)
	}
}

// A key that another process has made since is found when a token names it; the
// old one still verifies, and from then on the new one signs.
func TestKeyMadeLater(t *testing.T) {
	t.Parallel()
	reads := 0
	w := newWorld(t, func(c *Config) {
		c.Store = storeFunc{Store: c.Store, view: func(context.Context) error { reads++; return nil }}
	})
	old := w.bearer(vaultResource)
	later := forge(header("kid", thumbprint(&laterKey().PublicKey)), signedBy(rs256(laterKey())))
	_, err := w.svc.Verify(t.Context(), PlaneVault, later)
	checkDisbelief(t, PlaneVault, err, "", badSignatureText)

	w.storeKeys(ownKey(), laterKey())
	caller, err := w.svc.Verify(t.Context(), PlaneVault, later)
	must(t, err)
	if caller.ObjectID != objectID {
		t.Errorf("caller %+v", caller)
	}
	_, err = w.svc.Verify(t.Context(), PlaneVault, old)
	must(t, err)
	set, err := w.svc.PublicKeys(t.Context())
	must(t, err)
	if len(set.Keys) != 2 {
		t.Errorf("%d keys are published", len(set.Keys))
	}
	if head, _ := parts(t, w.bearer(vaultResource)); head["kid"] != thumbprint(&laterKey().PublicKey) {
		t.Errorf("%v signs", head["kid"])
	}
	// A token of a known key costs no read, a cached one neither.
	fresh := w.bearer(vaultResource)
	reads = 0
	for range 2 {
		_, err = w.svc.Verify(t.Context(), PlaneVault, fresh)
		must(t, err)
	}
	if reads != 0 {
		t.Errorf("%d reads", reads)
	}
}

// While the first key is being made, whoever needs it waits as long as he likes,
// and the rest of the service works.
func TestWaitForTheFirstKey(t *testing.T) {
	t.Parallel()
	proceed := make(chan struct{})
	var once sync.Once
	w := emptyWorld(t, func(c *Config) {
		c.Store = storeFunc{Store: c.Store, update: func(ctx context.Context) error {
			select {
			case <-proceed:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
	})
	t.Cleanup(func() { once.Do(func() { close(proceed) }) })
	must(t, w.svc.Start(t.Context()))

	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.svc.Verify(impatient, PlaneVault, forge()); !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Internal {
		t.Errorf("Verify: %v", err)
	}
	if _, err := w.svc.PublicKeys(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("PublicKeys: %v", err)
	}
	if _, err := w.svc.FindTenant(t.Context(), "nodots"); err == nil {
		t.Error("FindTenant does nothing")
	}
	// A token that nobody can believe is refused at once.
	_, err := w.svc.Verify(impatient, PlaneVault, "garbage")
	checkDisbelief(t, PlaneVault, err, "", malformedTokenText)

	patient := make(chan error, 1)
	go func() {
		_, err := w.svc.Verify(t.Context(), PlaneVault, forge())
		patient <- err
	}()
	once.Do(func() { close(proceed) })
	checkDisbelief(t, PlaneVault, <-patient, "", badSignatureText)
}

func TestKeyGenerationStopsWithItsContext(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	w := emptyWorld(t, func(c *Config) {
		c.Store = storeFunc{Store: c.Store, update: func(ctx context.Context) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	must(t, w.svc.Start(ctx))
	<-begun
	cancel()
	if _, err := w.svc.PublicKeys(t.Context()); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "there is no key that signs tokens") {
		t.Errorf("error %v", err)
	}
	if w.log.Len() != 0 {
		t.Errorf("a shutdown is logged as a failure: %s", w.log)
	}
}

// A process that could not keep its first key, as on a disk that is nearly full, tries
// again until it can: once it gave no token before it was started anew.
func TestFirstKeyIsTriedAgain(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	w := emptyWorld(t, func(c *Config) {
		c.Store = storeFunc{Store: c.Store, update: func(context.Context) error {
			if full.Load() {
				return errors.New("no room")
			}
			return nil
		}}
	})
	must(t, w.svc.EnsureTenant(t.Context(), Tenant{ID: tenantA}))
	app, _, err := w.svc.CreateApplication(t.Context(), tenantA, "app")
	must(t, err)
	full.Store(true)
	must(t, w.svc.Start(t.Context()))
	if _, err := w.svc.IssueTo(t.Context(), origin, app.ClientID, vaultResource); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("IssueTo without a key: %v", err)
	}
	if err := w.svc.Maintain(t.Context()); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("Maintain, still without room: %v", err)
	}
	full.Store(false)
	must(t, w.svc.Maintain(t.Context()))
	token, err := w.svc.IssueTo(t.Context(), origin, app.ClientID, vaultResource)
	must(t, err)
	_, err = w.svc.Verify(t.Context(), PlaneVault, string(token.Access.Reveal()))
	must(t, err)
	if ids := publicIDs(t, w.again()); len(ids) != 1 {
		t.Errorf("published %v", ids)
	}
}

func TestKeyFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	t.Run("loading", func(t *testing.T) {
		w := emptyWorld(t, func(c *Config) {
			c.Store = storeFunc{Store: c.Store, view: func(context.Context) error { return broken }}
		})
		if err := w.svc.Start(t.Context()); !errors.Is(err, broken) {
			t.Errorf("Start: %v", err)
		}
	})
	t.Run("making", func(t *testing.T) {
		w := emptyWorld(t, func(c *Config) {
			c.Store = storeFunc{Store: c.Store, update: func(context.Context) error { return broken }}
		})
		must(t, w.svc.Start(t.Context()))
		if _, err := w.svc.PublicKeys(t.Context()); !errors.Is(err, broken) {
			t.Errorf("PublicKeys: %v", err)
		}
		if !strings.Contains(w.log.String(), "the disk is gone") {
			t.Errorf("log %q", w.log)
		}
	})
	t.Run("no keys in the record", func(t *testing.T) {
		w := emptyWorld(t)
		w.storeKeys()
		if err := w.svc.Start(t.Context()); err == nil {
			t.Error("started")
		}
	})
	t.Run("a record that is not ours", func(t *testing.T) {
		w := emptyWorld(t)
		must(t, w.store.Update(t.Context(), func(tx store.Tx) error {
			if _, err := tx.Get(tokenKeysKey); err != nil {
				return err
			}
			return w.svc.put(tx, tokenKeysKey, map[string]any{"keys": []any{map[string]any{"pkcs8": "AAAA"}}})
		}))
		if err := w.svc.Start(t.Context()); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("Start: %v", err)
		}
	})
}
