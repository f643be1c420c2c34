package vault

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// largeUpdates is how many updates the restoration of world.large takes: a claim,
// two chunks that nobody sees, and the last with the head.
const largeUpdates = 4

// TestFailedRestoreWithdraws has a restoration fail before each of its updates,
// because the permission is taken away or the caller goes. It stops there and
// takes back what it has written.
func TestFailedRestoreWithdraws(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fail func(w *world, stolen *catalog.Vault, cancel context.CancelFunc)
		want func(error) bool
	}{
		"no permission": {
			func(w *world, stolen *catalog.Vault, _ context.CancelFunc) { w.putVault(stolen) },
			func(err error) bool { return fault.KindOf(err) == fault.Forbidden },
		},
		"caller gone": {
			func(_ *world, _ *catalog.Vault, cancel context.CancelFunc) { cancel() },
			func(err error) bool { return errors.Is(err, context.Canceled) },
		},
	} {
		for at := 1; at <= largeUpdates; at++ {
			w := newWorld(t)
			v := w.vault("v")
			blob := w.large("name")
			stolen := v.Clone()
			stolen.Policies = nil
			ctx, cancel := context.WithCancel(w.ctx())
			defer cancel()
			hooked := &limitedStore{Store: w.store, left: 1 << 30, before: func(n int) {
				if n == at {
					tt.fail(w, stolen, cancel)
				}
			}}
			w.audited()
			_, err := w.node(hooked).RestoreSecret(ctx, call("v"), blob)
			if !tt.want(err) {
				t.Errorf("%s at %d: %v", name, at, err)
			}
			withdrawn := map[bool]int{true: 1}[at > 1]
			if hooked.count != at+withdrawn {
				t.Errorf("%s at %d: %d updates, want %d", name, at, hooked.count, at+withdrawn)
			}
			if n := w.below("v", v.ID) + w.below("due"); n != 0 {
				t.Errorf("%s at %d: %d records are left", name, at, n)
			}
			if records := w.audited(); len(records) != 1 || records[0].Operation != "SecretRestore" || records[0].Code == "" {
				t.Errorf("%s at %d: audited as %+v", name, at, records)
			}
		}
	}
}

// TestRestoreOutlivesItsClaim has the claim fall due in the middle, as when the
// clock is shifted: the restoration fails, leaves nothing of itself, and does not
// touch what has taken the name meanwhile.
func TestRestoreOutlivesItsClaim(t *testing.T) {
	t.Parallel()
	for _, taken := range []bool{false, true} {
		for at := 2; at <= 4; at++ {
			w := newWorld(t)
			w.vault("v")
			blob := w.large("name")
			s := &limitedStore{Store: w.store, left: 1 << 30}
			s.before = func(n int) {
				if n != at {
					return
				}
				w.clock.add(claimSeconds - 1)
				if n, err := w.svc.PurgeDue(w.ctx()); n != 0 || err != nil {
					t.Errorf("a claim that holds was purged: %d, %v", n, err)
				}
				w.clock.add(1)
				if _, err := w.svc.PurgeDue(w.ctx()); err != nil {
					t.Error(err)
				}
				if taken {
					w.set("v", "name", "another's")
				}
			}
			_, err := w.node(s).RestoreSecret(w.ctx(), call("v"), blob)
			if fault.KindOf(err) != fault.Conflict {
				t.Errorf("cut at %d: %v", at, err)
			}
			want := map[bool]int{false: 0, true: 1}[taken]
			if n := len(w.versionsOf("v", "name")); n != want || w.below("due") != 0 {
				t.Errorf("cut at %d: %d versions, want %d; %d due", at, n, want, w.below("due"))
			}
		}
	}
}

// TestRestoreOfALostClaim has another restoration, cut off later, claim the name
// after the first one's claim was lost. To the first it is as taken as any other.
func TestRestoreOfALostClaim(t *testing.T) {
	t.Parallel()
	for at := 2; at <= largeUpdates; at++ {
		w := newWorld(t)
		w.vault("v")
		blob := w.large("name")
		var held map[string]string
		s := &limitedStore{Store: w.store, left: 1 << 30, before: func(n int) {
			if n != at {
				return
			}
			w.clock.add(claimSeconds)
			if n, err := w.svc.PurgeDue(w.ctx()); n != 1 || err != nil {
				t.Errorf("purged %d, %v", n, err)
			}
			if _, err := w.node(&limitedStore{Store: w.store, left: 3}).RestoreSecret(w.ctx(), call("v"), blob); !errors.Is(err, errCut) {
				t.Errorf("the other restoration: %v", err)
			}
			held = w.dump()
		}}
		_, err := w.node(s).RestoreSecret(w.ctx(), call("v"), blob)
		if fault.KindOf(err) != fault.Conflict {
			t.Errorf("at %d: %v", at, err)
		}
		if diff := sameRecords(held, w.dump()); diff != nil {
			t.Errorf("at %d: %v", at, diff)
		}
		w.clock.add(claimSeconds)
		if n, err := w.svc.PurgeDue(w.ctx()); n != 1 || err != nil || w.below("v") != 1 {
			t.Errorf("at %d: purged %d, %v; %d records", at, n, err, w.below("v"))
		}
	}
}

// TestRestoreIntoAnotherVault has the vault's name mean another vault in the
// middle. What is sealed for the first must not get into the second, and is
// purged from the first when its claim falls due.
func TestRestoreIntoAnotherVault(t *testing.T) {
	t.Parallel()
	for at := 1; at <= largeUpdates; at++ {
		w := newWorld(t)
		old := w.vault("v")
		blob := w.large("name")
		next := old.Clone()
		next.ID = strings.Repeat("1", 32)
		var err error
		if next.WrappedKey, err = w.ring.NewVaultKey(next.ID); err != nil {
			t.Fatal(err)
		}
		s := &limitedStore{Store: w.store, left: 1 << 30, before: func(n int) {
			if n == at {
				w.putVault(next)
			}
		}}
		if _, err = w.node(s).RestoreSecret(w.ctx(), call("v"), blob); err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("at %d: %v", at, err)
		}
		if n := w.below("v", next.ID); n != 0 {
			t.Errorf("at %d: %d records in the other vault", at, n)
		}
		w.check()
		w.clock.add(claimSeconds)
		if _, err := w.svc.PurgeDue(w.ctx()); err != nil || w.below("v", old.ID)+w.below("due") != 0 {
			t.Errorf("at %d: %v; %d records are left", at, err, w.below("v", old.ID))
		}
	}
}

// TestMalformedBackups has blobs that only this installation can have sealed, and
// that hold what it never seals.
func TestMalformedBackups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	one := func(change func(*versionRecord)) []backupVersion {
		v := versionRecord{Version: storedID, Created: 1, Updated: 1}
		change(&v)
		return []backupVersion{{v, []byte("x")}}
	}
	same := func(*versionRecord) {}
	many := make([]backupVersion, MaxBackupVersions+1)
	for i := range many {
		many[i].Record = versionRecord{Version: newVersion()}
	}
	for name, contents := range map[string]any{
		"nothing":             struct{}{},
		"not an object":       "text",
		"no name":             backupRecord{Current: storedID, Versions: one(same)},
		"an invalid name":     backupRecord{Name: "a/b", Current: storedID, Versions: one(same)},
		"no current version":  backupRecord{Name: "n", Current: strings.Repeat("0", 32), Versions: one(same)},
		"no versions":         backupRecord{Name: "n", Current: storedID},
		"too many versions":   backupRecord{Name: "n", Current: many[0].Record.Version, Versions: many},
		"an invalid version":  backupRecord{Name: "n", Current: "latest", Versions: one(func(v *versionRecord) { v.Version = "latest" })},
		"a key in a secret's": backupRecord{Name: "n", Current: storedID, Versions: one(func(v *versionRecord) { v.Key = &keyRecord{} })},
	} {
		w.audited()
		_, err := w.svc.RestoreSecret(w.ctx(), call("v"), w.sealBlob(secretKind, contents, nil))
		if !errors.Is(err, errRecord) || fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: %v", name, err)
		}
		if records := w.audited(); len(records) != 1 || records[0].Code != "InternalServerError" {
			t.Errorf("%s is audited as %+v", name, records)
		}
	}
	_, err := w.svc.RestoreKey(w.ctx(), call("v"), w.sealBlob(keyKind, backupRecord{Name: "n", Current: storedID, Versions: one(same)}, nil))
	if !errors.Is(err, errRecord) {
		t.Errorf("a secret in a key's: %v", err)
	}
	if n := w.below("v"); n != 1 {
		t.Errorf("%d records", n)
	}
}
