package identity

import (
	"context"
	"sync"
	"testing"
	"time"
)

func publicIDs(t *testing.T, s *Service) (ids []string) {
	t.Helper()
	set, err := s.PublicKeys(t.Context())
	must(t, err)
	for _, k := range set.Keys {
		ids = append(ids, k.KeyID)
	}
	return ids
}

// issued returns a token of a service and the key that signed it.
func issued(t *testing.T, s *Service) (bearer, key string) {
	t.Helper()
	token, err := s.IssueTo(t.Context(), origin, clientID, vaultResource)
	must(t, err)
	bearer = string(token.Access.Reveal())
	head, _ := parts(t, bearer)
	return bearer, head["kid"].(string)
}

// A key is published, then signs, then verifies, then is gone, in every process,
// whichever of them rotates.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.svc, w.again()
	old, first := issued(t, a)
	must(t, a.RotateSigningKey(t.Context()))
	ids := publicIDs(t, b)
	if len(ids) != 2 || ids[0] != first || len(publicIDs(t, a)) != 2 {
		t.Fatalf("published %v", ids)
	}
	second := ids[1]
	// While one waits for its time there is no other.
	must(t, b.RotateSigningKey(t.Context()))
	if ids := publicIDs(t, a); len(ids) != 2 {
		t.Errorf("published %v", ids)
	}
	w.now = now0.Add(keyNotice - time.Second)
	for _, s := range []*Service{a, b} {
		if _, key := issued(t, s); key != first {
			t.Error("the new key signs too early")
		}
	}
	last, _ := issued(t, b)
	w.now = now0.Add(keyNotice)
	fresh := ""
	for _, s := range []*Service{a, b} {
		key := ""
		if fresh, key = issued(t, s); key != second {
			t.Error("the new key does not sign")
		}
	}
	// The last token of the old key is good to its end, everywhere.
	w.now = now0.Add(keyNotice + lifetime - 2*time.Second)
	for _, s := range []*Service{a, b, w.again()} {
		must(t, s.Maintain(t.Context()))
		for _, bearer := range []string{last, fresh} {
			_, err := s.Verify(t.Context(), PlaneVault, bearer)
			must(t, err)
		}
		if _, err := s.Verify(t.Context(), PlaneVault, old); err == nil {
			t.Error("a token outlived its time")
		}
	}
	w.now = now0.Add(keyNotice + lifetime + keyGrace - time.Second)
	must(t, a.Maintain(t.Context()))
	if ids := publicIDs(t, a); len(ids) != 2 {
		t.Errorf("dropped too early: %v", ids)
	}
	w.now = w.now.Add(time.Second)
	must(t, a.Maintain(t.Context()))
	for _, s := range []*Service{a, b} {
		if ids := publicIDs(t, s); len(ids) != 1 || ids[0] != second {
			t.Errorf("published %v", ids)
		}
	}
}

// A key signs for its life, and the next one is published in time. Of many
// processes that see so at once, one makes it.
func TestScheduledRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.KeyLife, c.KeyNotice = 10*time.Hour, 2*time.Hour })
	services := []*Service{w.svc, w.again(), w.again()}
	maintain := func() {
		var all sync.WaitGroup
		for _, s := range services {
			all.Go(func() {
				if err := s.Maintain(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	w.now = now0.Add(8*time.Hour - time.Second)
	maintain()
	if ids := publicIDs(t, w.svc); len(ids) != 1 {
		t.Fatalf("published %v", ids)
	}
	w.now = now0.Add(8 * time.Hour)
	maintain()
	ids := publicIDs(t, w.svc)
	if len(ids) != 2 {
		t.Fatalf("published %v", ids)
	}
	w.now = now0.Add(10 * time.Hour)
	if _, key := issued(t, services[1]); key != ids[1] {
		t.Error("the new key does not sign")
	}
	// After a long sleep there is one new key, not one for each life slept through.
	w.now = now0.Add(100 * time.Hour)
	maintain()
	maintain()
	if after := publicIDs(t, w.svc); len(after) != 2 || after[0] != ids[1] {
		t.Errorf("published %v after %v", after, ids)
	}
}

// What is known of a token goes with its key, also if its time is not over.
func TestCachedTokensDieWithTheirKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bearer := w.bearer(vaultResource)
	_, err := w.svc.Verify(t.Context(), PlaneVault, bearer)
	must(t, err)
	w.storeKeys(laterKey())
	must(t, w.svc.Maintain(t.Context()))
	for range 2 {
		_, err = w.svc.Verify(t.Context(), PlaneVault, bearer)
		checkDisbelief(t, PlaneVault, err, bearer, badSignatureText)
	}
}

// The first key is the business of Start alone.
func TestMaintainBeforeTheFirstKey(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	must(t, w.svc.Maintain(t.Context()))
	if len(w.dump()) > 2 {
		t.Errorf("records %d", len(w.dump()))
	}
	broken := emptyWorld(t, func(c *Config) {
		c.Store = storeFunc{Store: c.Store, view: func(context.Context) error { return context.DeadlineExceeded }}
	})
	if err := broken.svc.Maintain(t.Context()); err == nil {
		t.Error("a failure is hidden")
	}
}
