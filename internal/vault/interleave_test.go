package vault

import (
	"fmt"
	"slices"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

func (s state) String() string { return [...]string{"absent", "active", "deleted"}[s] }

// changesOf returns the operations that change objects of the kind.
func changesOf(k *kind) (all []testOperation) {
	for _, op := range testOperations {
		if op.changes && op.kind() == k {
			all = append(all, op)
		}
	}
	return all
}

// summary is what there is of the object obj, without what is random.
func (w *world) summary(c collection) string {
	w.t.Helper()
	show := func(o Object, err error) string {
		if err != nil {
			f, _ := fault.As(err)
			return fmt.Sprint(f)
		}
		return fmt.Sprintf("%s enabled=%t created=%d updated=%d tags=%v deleted=%+v", o.Name, o.Enabled, o.Created, o.Updated, o.Tags, o.Deleted)
	}
	versions, err := c.versions(call("v"), "obj", onePage)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("live: %s; deleted: %s; %d versions, %d records, due %d", show(c.get(call("v"), "obj", "")),
		show(c.getDeleted(call("v"), "obj")), len(versions.Items), w.below("v"), w.below("due"))
}

func outcome(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Error()
	}
	return fmt.Sprint(err)
}

// A change plans in a view and commits later. Whatever another process does to
// the object in between, the outcome is that of doing it first: for every two
// changes, in every state.
func TestChangeBetweenPlanAndCommit(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, _ *world, c collection) {
		for _, from := range []state{absent, active, deleted} {
			for _, first := range changesOf(c.kind) {
				for _, second := range changesOf(c.kind) {
					var outcomes, states []string
					for _, between := range []bool{false, true} {
						out, state := runBoth(t, c.kind, from, first, second, between)
						outcomes, states = append(outcomes, out), append(states, state)
					}
					if outcomes[0] != outcomes[1] || states[0] != states[1] {
						t.Errorf("%s: %s\n done before %s gives %s\n   %s\n done within gives %s\n   %s", from, first.method, second.method,
							outcomes[0], states[0], outcomes[1], states[1])
					}
				}
			}
		}
	})
}

// runBoth does first before second, or between second's plan and its commit, and
// returns the outcome of both, and what there is then.
func runBoth(t *testing.T, k *kind, from state, first, second testOperation, between bool) (outcomes, then string) {
	t.Helper()
	w := newWorld(t)
	w.vault("v", retention(7))
	w.prepare("v", k, "obj", from)
	w.clock.add(5)
	hook := &hookStore{Store: w.store}
	one, two := w.svc, w.node(hook)
	var firstErr error
	do := func() {
		w.svc = one
		_, firstErr = first.run(w, call("v"), "obj")
		w.svc = two
	}
	if between {
		hook.before = do
	} else {
		do()
	}
	w.svc = two
	_, err := second.run(w, call("v"), "obj")
	w.svc = one
	if between && hook.before != nil {
		// It was refused in its plan already, so the other comes after it.
		hook.before = nil
		do()
		w.svc = one
		_, err = second.run(w, call("v"), "obj")
	}
	return outcome(firstErr) + " | " + outcome(err), w.summary(w.collections(w.svc)[slices.Index([]*kind{secretKind, keyKind}, k)])
}

// What is done to the vault between plan and commit counts too.
func TestVaultChangesBetweenPlanAndCommit(t *testing.T) {
	t.Parallel()
	for _, op := range testOperations {
		if !op.changes {
			continue
		}
		t.Run(op.audit, func(t *testing.T) {
			t.Parallel()
			for name, between := range vaultChanges {
				w := newWorld(t)
				v := w.vault("v")
				w.prepare("v", op.kind(), "obj", op.state)
				hook := &hookStore{Store: w.store}
				w.svc = w.node(hook)
				granted := v.Clone()
				granted.RBAC = ptr(between.byRole)
				granted.Policies = append(granted.Policies, access.Policy{TenantID: testTenant, ObjectID: userOID, Permissions: everything})
				w.putVault(granted)
				w.assign(access.Assignment{ID: "a", RoleID: access.RoleKeyVaultAdministrator, PrincipalID: userOID, Scope: v.ResourceID()})
				if _, err := w.svc.GetKey(w.ctx(), user("v"), "nobody", ""); fault.KindOf(err) != fault.NotFound {
					t.Fatal(err) // and the roles are known
				}
				before := w.dump()
				hook.before = func() {
					between.do(w, granted.Clone())
					before = w.dump()
				}
				_, err := op.run(w, user("v"), "obj")
				between.want(op, v).check(t, err)
				if diff := sameRecords(before, w.dump()); diff != nil {
					t.Errorf("%s: %v", name, diff)
				}
				w.assign()
			}
		})
	}
}

var vaultChanges = map[string]struct {
	byRole bool
	do     func(*world, *catalog.Vault)
	want   func(testOperation, *catalog.Vault) refused
}{
	"the policy is taken away": {
		do:   func(w *world, v *catalog.Vault) { v.Policies = nil; w.putVault(v) },
		want: func(op testOperation, _ *catalog.Vault) refused { return deniedByPolicy(op, user("v")) },
	},
	"the role is taken away": {
		byRole: true,
		do:     func(w *world, _ *catalog.Vault) { w.assign() },
		want:   func(op testOperation, v *catalog.Vault) refused { return deniedByRole(op, user("v"), v, "obj") },
	},
	"roles decide from now on": {
		do:   func(w *world, v *catalog.Vault) { v.RBAC = ptr(true); w.putVault(v); w.assign() },
		want: func(op testOperation, v *catalog.Vault) refused { return deniedByRole(op, user("v"), v, "obj") },
	},
	"the vault is deleted": {
		do: func(w *world, v *catalog.Vault) {
			v.Deleted = &catalog.Deletion{At: w.clock.Now(), PurgeAt: w.clock.Now()}
			w.putVault(v)
		},
		want: func(testOperation, *catalog.Vault) refused {
			return refused{fault.NotFound, "VaultNotFound", "",
				"There is no key vault named 'v' here. Check the name in the URL, create the vault, or recover it if it has been deleted."}
		},
	},
}

// The name of a vault may mean another vault by the time of the commit: that one
// gets the change, sealed with its own key, and the old one is left alone.
func TestAnotherVaultBetweenPlanAndCommit(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		old := w.vault("v")
		must(c.set(call("v"), "obj"))(t)
		next := old.Clone()
		next.ID = "11111111111111111111111111111111"
		var err error
		if next.WrappedKey, err = w.ring.NewVaultKey(next.ID); err != nil {
			t.Fatal(err)
		}
		var contents map[string]string
		hook := &hookStore{Store: w.store}
		c = w.collections(w.node(hook))[slices.Index([]*kind{secretKind, keyKind}, c.kind)]
		replace := func() {
			w.putVault(next)
			contents = w.dump()
		}
		hook.before = replace
		_, err = c.delete(call("v"), "obj")
		c.wantNotFound("obj").check(t, err)
		if diff := sameRecords(contents, w.dump()); diff != nil {
			t.Error(diff)
		}
		w.putVault(old)
		hook.before = replace
		made := must(c.set(call("v"), "OBJ"))(t)
		if made.Name != "OBJ" {
			t.Errorf("made in the other vault: %+v", made)
		}
		for key, value := range contents {
			if w.dump()[key] != value {
				t.Errorf("%q has changed", key)
			}
		}
		if n := w.below("v", next.ID); n != 3 {
			t.Errorf("%d records in the other vault, want 3", n)
		}
		if got := must(c.get(call("v"), "obj", ""))(t); got.Version != made.Version {
			t.Errorf("got %+v, want %+v", got, made)
		}
	})
}

// A vault's rules at the commit are those that hold.
func TestRulesBetweenPlanAndCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v", premium)
	hook := &hookStore{Store: w.store}
	w.svc = w.node(hook)
	during := func(change func(*catalog.Vault)) {
		hook.before = func() {
			changed := v.Clone()
			change(changed)
			w.putVault(changed)
		}
	}
	w.prepare("v", secretKind, "obj", active)
	during(retention(7))
	if gone := must(w.svc.DeleteSecret(w.ctx(), call("v"), "obj"))(t); gone.Deleted.PurgeAt != gone.Deleted.At+7*day || gone.RecoverableDays != 7 {
		t.Errorf("deleted %+v, %d days", gone.Deleted, gone.RecoverableDays)
	}
	during(withPurgeProtection)
	if f, ok := fault.As(w.svc.PurgeSecret(w.ctx(), call("v"), "obj")); !ok || f.Kind != fault.Forbidden {
		t.Errorf("purged with purge protection: %v", f)
	}
	during(func(v *catalog.Vault) { v.Premium = false })
	_, err := w.svc.CreateKey(w.ctx(), call("v"), "hsm", CreateKey{Spec: newECKey.Spec, HSM: true})
	refused{fault.Forbidden, "Forbidden", "", "Hardware key operation not allowed on standard vault"}.check(t, err)
	must(w.svc.RecoverSecret(w.ctx(), call("v"), "obj"))(t)
	during(withoutSoftDelete)
	if gone := must(w.svc.DeleteSecret(w.ctx(), call("v"), "obj"))(t); gone.Deleted != nil || w.below("v", v.ID) != 0 {
		t.Errorf("deleted %+v, %d records left", gone.Deleted, w.below("v", v.ID))
	}
}

// What was read once in a plan and is gone in the commit is planned anew, however
// often that happens.
func TestPlansAreMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	made := w.set("v", "n", "x")
	hook := &hookStore{Store: w.store}
	other := w.node(hook)
	hook.before = func() {
		w.update(func(tx store.Tx) {
			for _, r := range append(secretKind.contents(v.ID, "n"), tuple.Prefix(secretKind.key(v.ID, live))) {
				tx.DeleteRange(r)
			}
		})
	}
	_, err := other.UpdateSecret(w.ctx(), call("v"), "n", made.Version, UpdateSecret{})
	notFound("secret", "n/"+made.Version).check(t, err)
	if n := w.below("v", v.ID); n != 0 {
		t.Errorf("%d records are back", n)
	}
}
