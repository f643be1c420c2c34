package catalog_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

func TestAChangedRoleIsSeenOnTheNextRequest(t *testing.T) {
	for how, find := range lookups {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			v := w.vault(id1, "name")
			v.RBAC = ptr(true)
			w.save(v)
			w.save(w.vault(id2, "policies"))
			nodes := []*catalog.Catalog{w.cat, w.other}
			check := func(step string, allowed bool) {
				t.Helper()
				for i, c := range nodes {
					sc, _, _ := find(w, c, "name")
					if sc.Roles == nil || mayGet(sc) != allowed {
						t.Errorf("%s, node %d: allowed = %v, want %v", step, i, mayGet(sc), allowed)
					}
					if find(w, c, "name"); w.store.count() != (reads{gets: 1}) {
						t.Errorf("%s, node %d: unchanged roles cost %+v", step, i, w.store.count())
					}
					if sc, _, _ := find(w, c, "policies"); sc.Roles != nil {
						t.Errorf("%s, node %d: a vault of policies has roles", step, i)
					}
				}
			}
			check("before any assignment", false)
			w.assign("a1", v.ResourceID()+"x")
			check("for another vault", false)
			w.assign("a2", "/subscriptions/SUB")
			check("for the subscription", true)
			w.unassign("a2")
			check("taken away", false)
			v = v.Clone()
			v.RBAC = ptr(false)
			v.Policies = []access.Policy{{TenantID: tenant, ObjectID: principal, Permissions: access.Permissions{Secrets: []string{"get"}}}}
			w.save(v)
			if sc, _, _ := find(w, w.cat, "name"); sc.Roles != nil || !mayGet(sc) {
				t.Error("after the change of the model the policies do not decide")
			}
		})
	}
}

// TestManyRoleAssignments has more than one Scan returns.
func TestManyRoleAssignments(t *testing.T) {
	w := newWorld(t)
	const count = store.MaxScan + 1
	for first := 0; first < count; first += store.MaxUpdateWrites - 1 {
		w.update(func(tx store.Tx) {
			for i := first; i < min(count, first+store.MaxUpdateWrites-1); i++ {
				w.put(tx)(w.cat.EncodeAssignment(catalog.RoleAssignment{Assignment: access.Assignment{
					ID: fmt.Sprintf("a%05d", i), Scope: fmt.Sprintf("/subscriptions/%05d", i), RoleID: access.RoleContributor, PrincipalID: principal,
				}}))
			}
			w.put(tx)(w.cat.EncodeEpoch())
		})
	}
	err := w.store.View(t.Context(), func(v store.View) error {
		roles, err := w.cat.Roles(v)
		if err != nil {
			return err
		}
		for i := range count {
			if err := access.Control(caller, roles, "Microsoft.KeyVault/vaults/write", fmt.Sprintf("/subscriptions/%05d", i)); err != nil {
				t.Errorf("assignment %d: %v", i, err)
			}
		}
		w.store.reset()
		again, err := w.cat.Roles(v)
		if again != roles || w.store.count() != (reads{gets: 1}) {
			t.Errorf("a second time the roles cost %+v", w.store.count())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDo: the function runs with the assignments of its own transaction, however
// often they change before it, and never with older ones.
func TestDo(t *testing.T) {
	w := newWorld(t)
	allowed := func(roles *access.Assignments, n int) bool {
		return access.Control(caller, roles, "Microsoft.KeyVault/vaults/read", fmt.Sprintf("/subscriptions/%d", n)) == nil
	}
	changes := 0
	change := func(most int) func() {
		return func() {
			if changes == most {
				return
			}
			changes++
			before := w.store.before
			w.store.before = nil
			w.update(func(tx store.Tx) {
				w.put(tx)(w.cat.EncodeAssignment(catalog.RoleAssignment{Assignment: access.Assignment{
					ID: fmt.Sprint(changes), Scope: fmt.Sprintf("/subscriptions/%d", changes), RoleID: access.RoleContributor, PrincipalID: principal,
				}}))
				w.put(tx)(w.cat.EncodeEpoch())
			})
			w.store.before = before
		}
	}
	for _, most := range []int{0, 1, 5, 15} {
		w.store.before = change(most)
		ran := 0
		err := w.cat.Do(t.Context(), func(tx store.Tx, roles *access.Assignments) error {
			ran++
			for n := 1; n <= changes; n++ {
				if !allowed(roles, n) {
					t.Errorf("after %d changes assignment %d is missing", changes, n)
				}
			}
			if allowed(roles, changes+1) {
				t.Error("roles that nobody has")
			}
			return nil
		})
		if err != nil || ran != 1 || changes != most {
			t.Errorf("after %d changes of %d: ran %d times, %v", changes, most, ran, err)
		}
	}
	w.store.before = change(-1)
	err := w.cat.Do(t.Context(), func(store.Tx, *access.Assignments) error {
		t.Error("ran with roles that had changed")
		return nil
	})
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("while the roles never rest: %v, want ErrConflict", err)
	}
}
