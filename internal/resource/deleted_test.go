package resource

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

const roleContributorID = access.RoleContributor

func assign(w *world, role, scope, principal string) {
	w.t.Helper()
	must(w.t, w.svc.AssignRole(w.ctx(), access.Assignment{Scope: scope, RoleID: role, PrincipalID: principal}))
}

func (w *world) delete(group, name string) {
	w.t.Helper()
	existed, err := w.svc.DeleteVault(w.ctx(), owner(), testSub, group, name)
	if err != nil || !existed {
		w.t.Fatalf("DeleteVault(%s) = %v, %v", name, existed, err)
	}
}

func TestDeleteAndRecover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("Team", "Alpha", func(s *VaultSpec) { s.RetentionDays = ptr(int32(7)) })
	w.content(v, "secret")
	w.delete("team", "ALPHA")
	if w.visible("alpha") {
		t.Error("the data plane finds a deleted vault")
	}
	_, err := w.svc.GetVault(w.ctx(), owner(), testSub, "team", "alpha")
	refused(t, err, fault.NotFound, "ResourceNotFound", "'Microsoft.KeyVault/vaults/alpha' under resource group 'Team'")
	d, err := w.svc.GetDeletedVault(w.ctx(), owner(), testSub, "East US", "alpha")
	must(t, err)
	at := testStart.Truncate(time.Second)
	if d.Deleted == nil || !d.Deleted.At.Equal(at) || !d.Deleted.PurgeAt.Equal(at.AddDate(0, 0, 7)) {
		t.Errorf("deletion %+v", d.Deleted)
	}
	w.unchanged(func() {
		_, _, err := w.svc.PutVault(w.ctx(), owner(), testSub, "team", "alpha", spec())
		refused(t, err, fault.Conflict, "ConflictError", "already exists in deleted state")
		for name, in := range map[string]struct{ group, vault, location string }{
			"another place": {"Team", "alpha", "westus"}, "no such vault": {"Team", "beta", "eastus"}, "no such group": {"none", "alpha", "eastus"},
		} {
			_, _, err := w.svc.PutVault(w.ctx(), owner(), testSub, in.group, in.vault, VaultSpec{Location: in.location, Recover: true})
			if fault.KindOf(err) != fault.NotFound {
				t.Errorf("%s: recovered with %v", name, err)
			}
		}
		existed, err := w.svc.DeleteVault(w.ctx(), owner(), testSub, "team", "alpha")
		if existed || err != nil {
			t.Errorf("deleting again = %v, %v", existed, err)
		}
	})
	w.clock.add(time.Hour)
	r, created, err := w.svc.PutVault(w.ctx(), owner(), testSub, "team", "alpha", VaultSpec{Location: "eastus", Recover: true})
	must(t, err)
	if created || r.ID != v.ID || r.Deleted != nil || r.Name != "Alpha" || len(r.Policies) != 1 || !r.Modified.At.After(v.Modified.At) {
		t.Errorf("recovered %+v", r)
	}
	if !w.visible("alpha") || w.contents(v) != 1 {
		t.Error("the data plane does not find what was recovered")
	}
	if n := w.below("deletedvault") + w.below("vaultdue"); n != 0 {
		t.Errorf("%d records of the deletion are left", n)
	}
	w.clock.add(8 * 24 * time.Hour)
	if n, err := w.svc.PurgeDue(w.ctx()); n != 0 || err != nil || !w.visible("alpha") {
		t.Errorf("a recovered vault was purged: %d, %v", n, err)
	}
	// Live vaults cannot be recovered.
	_, _, err = w.svc.PutVault(w.ctx(), owner(), testSub, "team", "alpha", VaultSpec{Location: "eastus", Recover: true})
	refused(t, err, fault.NotFound, "SoftDeletedVaultDoesNotExist", "alpha")
}

func TestPurge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v, kept := w.vault("Team", "alpha"), w.vault("Team", "kept")
	w.content(v, "a")
	w.content(v, "b")
	w.content(kept, "a")
	w.unchanged(func() {
		_, err := w.svc.PurgeVault(w.ctx(), owner(), testSub, "eastus", "alpha")
		refused(t, err, fault.NotFound, "DeletedVaultNotFound", "alpha")
	})
	w.delete("team", "alpha")
	w.unchanged(func() {
		_, err := w.svc.PurgeVault(w.ctx(), owner(), testSub, "westus", "alpha")
		refused(t, err, fault.NotFound, "DeletedVaultNotFound", "westus")
	})
	id, err := w.svc.PurgeVault(w.ctx(), owner(), testSub, "eastus", "alpha")
	must(t, err)
	if w.contents(v) != 0 || w.contents(kept) != 1 || w.below("v", v.ID) != 0 || w.below("vaultname", "alpha") != 0 ||
		w.below("deletedvault")+w.below("vaultdue") != 0 {
		t.Error("records of the purged vault are left, or others are gone")
	}
	job, err := w.svc.GetJob(w.ctx(), owner(), testSub, id)
	if err != nil || job.Done() {
		t.Errorf("job %+v, %v; want it pending", job, err)
	}
	must(t, w.svc.RunJobs(w.ctx()))
	if job, err = w.svc.GetJob(w.ctx(), owner(), testSub, id); err != nil || !job.Done() {
		t.Errorf("job %+v, %v; want it done", job, err)
	}
	if want := tuple.Prefix(catalog.VaultKey(v.ID)); len(w.compacted) != 1 || !bytes.Equal(w.compacted[0].Start, want.Start) || !bytes.Equal(w.compacted[0].End, want.End) {
		t.Errorf("compacted %v", w.compacted)
	}
	// The name is free, and the new vault is another.
	if again := w.vault("Team", "alpha"); again.ID == v.ID || w.contents(again) != 0 {
		t.Error("the new vault is the old one")
	}
}

func TestPurgeProtection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("Team", "alpha", func(s *VaultSpec) { s.PurgeProtection = ptr(true) })
	w.delete("team", "alpha")
	w.unchanged(func() {
		_, err := w.svc.PurgeVault(w.ctx(), owner(), testSub, "eastus", "alpha")
		refused(t, err, fault.MethodNotAllowed, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
	})
}

func TestPurgeDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var doomed []*catalog.Vault
	for _, name := range []string{"one", "two"} {
		v := w.vault("Team", name, func(s *VaultSpec) { s.RetentionDays, s.PurgeProtection = ptr(int32(7)), ptr(true) })
		w.content(v, "x")
		w.delete("team", name)
		doomed = append(doomed, v)
	}
	w.vault("Team", "later")
	w.delete("team", "later")
	w.audited()
	w.clock.add(7*24*time.Hour - time.Second)
	if n, err := w.svc.PurgeDue(w.ctx()); n != 0 || err != nil {
		t.Errorf("purged too soon: %d, %v", n, err)
	}
	w.clock.add(time.Second)
	// Two processes at once purge each vault once.
	var wg sync.WaitGroup
	var counts [2]int
	for i := range counts {
		wg.Go(func() {
			n, err := w.node(w.store).PurgeDue(w.ctx())
			if err != nil {
				t.Error(err)
			}
			counts[i] = n
		})
	}
	wg.Wait()
	if counts[0]+counts[1] != 2 {
		t.Errorf("purged %v, want two", counts)
	}
	for _, v := range doomed {
		if w.contents(v) != 0 || w.below("vaultname", v.Name) != 0 {
			t.Errorf("%s is not gone", v.Name)
		}
	}
	var purged []string
	for _, r := range w.audited() {
		if r.Operation != "VaultPurge" || r.Caller.ObjectID != "" || r.Code != "" {
			t.Errorf("audited %+v", r)
		}
		purged = append(purged, r.Resource)
	}
	slices.Sort(purged) // two vaults of one second are purged in any order
	if want := []string{doomed[0].ResourceID(), doomed[1].ResourceID()}; !slices.Equal(purged, want) {
		t.Errorf("audited %v, want %v", purged, want)
	}
	if _, err := w.svc.GetDeletedVault(w.ctx(), owner(), testSub, "eastus", "later"); err != nil {
		t.Errorf("a vault that is not due is gone: %v", err)
	}
}

func TestPurgeDueInterrupted(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		w := newWorld(t)
		v := w.vault("Team", "alpha")
		w.delete("team", "alpha")
		w.clock.add(91 * 24 * time.Hour)
		if _, err := w.node(&cutStore{Store: w.store, at: 1, after: after}).PurgeDue(w.ctx()); !errors.Is(err, errCut) {
			t.Errorf("after %t: %v", after, err)
		}
		_, err := w.svc.PurgeDue(w.ctx())
		must(t, err)
		if w.below("v", v.ID)+w.below("vaultdue") != 0 {
			t.Errorf("after %t: the vault is not gone", after)
		}
	}
}

// TestDeleteWithoutSoftDelete is the life of a vault of a client of 2018.
func TestDeleteWithoutSoftDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := owner()
	old.APIVersion = "2018-02-14"
	v, _, err := w.svc.PutVault(w.ctx(), old, testSub, "team", "alpha", spec(func(s *VaultSpec) { s.SoftDelete = ptr(false) }))
	must(t, err)
	if v.SoftDelete {
		t.Fatal("the vault has soft delete")
	}
	w.content(v, "x")
	w.delete("team", "alpha")
	if w.contents(v) != 0 || w.below("vaultname", "alpha") != 0 || w.below("deletedvault") != 0 {
		t.Error("the vault is not gone")
	}
	if _, _, err := w.svc.PutVault(w.ctx(), old, testSub, "team", "alpha", spec()); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
}

// TestNothingUnaudited has the audit log fail: nothing may be done then.
func TestNothingUnaudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("Team", "alpha")
	w.sink.Break()
	_, err := w.svc.GetVault(w.ctx(), owner(), testSub, "team", "alpha")
	refused(t, err, fault.Unavailable, "ServiceUnavailable", "audit")
	w.unchanged(func() {
		_, err := w.svc.DeleteVault(w.ctx(), owner(), testSub, "team", "alpha")
		refused(t, err, fault.Unavailable, "ServiceUnavailable", "audit")
		_, err = w.svc.PurgeDue(w.ctx())
		refused(t, err, fault.Unavailable, "ServiceUnavailable", "audit")
	})
}

func TestCompactIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("Team", "alpha")
	w.delete("team", "alpha")
	id, err := w.svc.PurgeVault(w.ctx(), owner(), testSub, "eastus", "alpha")
	must(t, err)
	broken := w.node(w.store)
	broken.cfg.Compact = func(context.Context, store.Range) error { return errCut }
	if err := broken.RunJobs(w.ctx()); !errors.Is(err, errCut) {
		t.Errorf("got %v", err)
	}
	must(t, w.svc.RunJobs(w.ctx()))
	if job, err := w.svc.GetJob(w.ctx(), owner(), testSub, id); err != nil || !job.Done() {
		t.Errorf("job %+v, %v; want it done", job, err)
	}
}
