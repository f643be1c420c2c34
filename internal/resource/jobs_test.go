package resource

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

var errCut = errors.New("the process ended here")

// cutStore is a store whose process ends at the update with the given number:
// before it is committed, or after, when the caller does not learn of it.
type cutStore struct {
	store.Store
	at    int
	after bool
	seen  int
}

func (c *cutStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	c.seen++
	if c.seen > c.at || c.seen == c.at && !c.after {
		return errCut
	}
	err := c.Store.Update(ctx, fn)
	if c.seen == c.at {
		return errors.Join(err, errCut)
	}
	return err
}

func (w *world) getGroup(name string) (*Group, error) {
	return w.svc.GetGroup(w.ctx(), owner(), testSub, name)
}

// fillGroup makes a group of three vaults: with soft delete, with purge
// protection as well, and without either; and a vault beside the group.
func fillGroup(w *world) {
	w.group("Doomed")
	w.vault("Doomed", "soft")
	w.vault("Doomed", "held", func(s *VaultSpec) { s.PurgeProtection = ptr(true) })
	old := owner()
	old.APIVersion = "2018-02-14"
	_, _, err := w.svc.PutVault(w.ctx(), old, testSub, "doomed", "hard", spec(func(s *VaultSpec) { s.SoftDelete = ptr(false) }))
	must(w.t, err)
	w.vault("Team", "kept")
}

// checkGroupGone checks that the job is done, whatever happened on the way.
func checkGroupGone(t *testing.T, w *world, job string) {
	t.Helper()
	_, err := w.getGroup("doomed")
	refused(t, err, fault.NotFound, "ResourceGroupNotFound", "doomed")
	j, err := w.svc.GetJob(w.ctx(), owner(), testSub, job)
	if err != nil || !j.Done() {
		t.Errorf("job %+v, %v; want it done", j, err)
	}
	for name, deleted := range map[string]bool{"soft": true, "held": true, "hard": false} {
		_, err := w.svc.GetDeletedVault(w.ctx(), owner(), testSub, "eastus", name)
		if (err == nil) != deleted {
			t.Errorf("deleted vault %s: %v", name, err)
		}
		if w.visible(name) {
			t.Errorf("the data plane finds %s", name)
		}
	}
	if !w.visible("kept") {
		t.Error("a vault of another group is gone")
	}
	if n := w.below("groupvault", testSub, "doomed"); n != 0 {
		t.Errorf("%d index entries of the group are left", n)
	}
}

func TestDeleteGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fillGroup(w)
	job, err := w.svc.DeleteGroup(w.ctx(), owner(), testSub, "DOOMED")
	must(t, err)
	select {
	case <-w.svc.JobsWaiting():
	default:
		t.Error("nobody was told that a job waits")
	}
	if g, err := w.getGroup("doomed"); err != nil || !g.Deleting() {
		t.Errorf("group %+v, %v; want it deleting", g, err)
	}
	again, err := w.svc.DeleteGroup(w.ctx(), owner(), testSub, "doomed")
	if err != nil || again != job {
		t.Errorf("deleting again gives job %s, %v; want %s", again, err, job)
	}
	w.unchanged(func() { writesAreRefused(t, w) })
	if j, err := w.svc.GetJob(w.ctx(), owner(), testSub, job); err != nil || j.Done() {
		t.Errorf("job %+v, %v; want it pending", j, err)
	}
	must(t, w.svc.RunJobs(w.ctx()))
	checkGroupGone(t, w, job)
	w.unchanged(func() { must(t, w.svc.RunJobs(w.ctx())) })

	// The name is free, and what was deleted comes back into the new group only.
	w.group("doomed")
	recoverable := spec(func(s *VaultSpec) { s.Recover = true })
	v, _, err := w.svc.PutVault(w.ctx(), owner(), testSub, "doomed", "soft", recoverable)
	must(t, err)
	if v.ResourceGroup != "doomed" || !w.visible("soft") {
		t.Errorf("recovered into %q", v.ResourceGroup)
	}
}

func writesAreRefused(t *testing.T, w *world) {
	t.Helper()
	ctx, c := w.ctx(), owner()
	_, _, put := w.svc.PutVault(ctx, c, testSub, "doomed", "fresh", spec())
	_, _, update := w.svc.PutVault(ctx, c, testSub, "doomed", "soft", spec())
	_, patch := w.svc.PatchVault(ctx, c, testSub, "doomed", "soft", VaultSpec{})
	_, policies := w.svc.ChangePolicies(ctx, c, testSub, "doomed", "soft", AddPolicies, spec().Policies)
	_, del := w.svc.DeleteVault(ctx, c, testSub, "doomed", "soft")
	_, _, group := w.svc.PutGroup(ctx, c, testSub, "doomed", PutGroup{Location: "eastus"})
	_, tags := w.svc.PatchGroup(ctx, c, testSub, "doomed", PatchGroup{})
	_, ensure := w.svc.EnsureVault(ctx, EnsureVault{Subscription: testSub, Group: "doomed", Name: "fresh", Location: "eastus", TenantID: testTenant})
	for _, err := range []error{put, update, patch, policies, del, group, tags, ensure} {
		refused(t, err, fault.Conflict, "ResourceGroupBeingDeleted", "The resource group 'Doomed' is in deprovisioning state")
	}
}

// TestDeleteGroupInterrupted ends the process at every update of the job, once
// before and once after its commit, and lets another process go on.
func TestDeleteGroupInterrupted(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			w := newWorld(t)
			fillGroup(w)
			job, err := w.svc.DeleteGroup(w.ctx(), owner(), testSub, "doomed")
			must(t, err)
			cut := &cutStore{Store: w.store, at: at, after: after}
			err = w.node(cut).RunJobs(w.ctx())
			if cut.seen < at {
				must(t, err)
				if at < 5 {
					t.Errorf("the job took only %d updates", at-1)
				}
				break
			}
			if !errors.Is(err, errCut) {
				t.Errorf("update %d: the first process saw %v", at, err)
			}
			must(t, w.svc.RunJobs(w.ctx()))
			t.Run(fmt.Sprintf("at %d after %t", at, after), func(t *testing.T) { checkGroupGone(t, w, job) })
		}
	}
}

// TestLateWorker is about a process that has read the vaults of a group, and
// goes on when the job is done and the group has been made again.
func TestLateWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.group("Doomed")
	w.vault("Doomed", "first")
	id, err := w.svc.DeleteGroup(w.ctx(), owner(), testSub, "doomed")
	must(t, err)
	job, err := w.svc.GetJob(w.ctx(), owner(), testSub, id)
	must(t, err)
	must(t, w.svc.RunJobs(w.ctx()))
	w.group("doomed")
	w.vault("doomed", "second")
	w.unchanged(func() { must(t, w.svc.runDeleteGroup(w.ctx(), job)) })
	if !w.visible("second") {
		t.Error("the vault of the new group is gone")
	}
}

func TestJobVisibility(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assign(w, roleContributorID, groupScope(testSub, "Team"), partOID)
	id, err := w.svc.DeleteGroup(w.ctx(), caller(partOID), testSub, "team")
	must(t, err)
	if _, err := w.svc.GetJob(w.ctx(), caller(partOID), testSub, id); err != nil {
		t.Errorf("who started the job may not ask about it: %v", err)
	}
	_, err = w.svc.GetJob(w.ctx(), caller(nobodyOID), testSub, id)
	refused(t, err, fault.Forbidden, "AuthorizationFailed", "operationresults/read")
	_, err = w.svc.GetJob(w.ctx(), caller(partOID), testSub, "unknown")
	refused(t, err, fault.Forbidden, "AuthorizationFailed", "operationresults/read")
	_, err = w.svc.GetJob(w.ctx(), owner(), testSub, "unknown")
	refused(t, err, fault.NotFound, "NotFound", "operation")
	// Ids of jobs compare as they are.
	_, err = w.svc.GetJob(w.ctx(), owner(), testSub, "X"+id)
	refused(t, err, fault.NotFound, "NotFound", "operation")
}

func TestFinishedJobsAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.group("Doomed")
	id, err := w.svc.DeleteGroup(w.ctx(), owner(), testSub, "doomed")
	must(t, err)
	must(t, w.svc.RunJobs(w.ctx()))
	w.clock.add(jobKept - time.Second)
	must(t, w.svc.RunJobs(w.ctx()))
	if _, err := w.svc.GetJob(w.ctx(), owner(), testSub, id); err != nil {
		t.Errorf("forgotten too soon: %v", err)
	}
	w.clock.add(2 * time.Second)
	must(t, w.svc.RunJobs(w.ctx()))
	if n := w.below("job") + w.below("jobqueue"); n != 0 {
		t.Errorf("%d records of jobs are left", n)
	}
}

// TestBrokenJobBlocksNoOther puts a job before another that cannot be done.
func TestBrokenJobBlocksNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.store.Update(w.ctx(), func(tx store.Tx) error {
		tx.Put(tuple.Append(tuple.AppendUint(tuple.Key("jobqueue"), 0), "!"), []byte("x"))
		tx.Put(jobKey("!"), []byte("not a job"))
		return nil
	}))
	w.group("Doomed")
	if _, err := w.svc.DeleteGroup(w.ctx(), owner(), testSub, "doomed"); err != nil {
		t.Fatal(err)
	}
	if err := w.svc.RunJobs(w.ctx()); err == nil {
		t.Error("the broken job is not part of the error")
	}
	_, err := w.getGroup("doomed")
	refused(t, err, fault.NotFound, "ResourceGroupNotFound", "doomed")
}
