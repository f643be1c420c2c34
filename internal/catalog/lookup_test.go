package catalog_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// lookups are the two ways to find a vault; they must agree.
var lookups = map[string]func(w *world, c *catalog.Catalog, name string, names ...string) (catalog.Scope, []string, int){
	"View":   (*world).view,
	"Update": (*world).written,
}

func TestFind(t *testing.T) {
	for how, find := range lookups {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			w.save(w.vault(id1, "MyVault"))
			w.save(w.vault(id2, "other"))
			w.content(id1, "a", "b")
			w.content(id2, "a")
			for i, name := range []string{"MyVault", "myvault", "MYVAULT"} {
				sc, values, gets := find(w, w.cat, name, "b", "absent", "a")
				if sc.Vault.ID != id1 || sc.Vault.Name != "MyVault" || sc.Roles != nil {
					t.Errorf("%s finds %+v", name, sc)
				}
				if want := sc.Vault.Access(); !reflect.DeepEqual(*sc.Access, want) {
					t.Errorf("%s: decisions see %+v, want %+v", name, *sc.Access, want)
				}
				if want := []string{id1 + "/b", "", id1 + "/a"}; !slices.Equal(values, want) {
					t.Errorf("%s: contents %q, want %q", name, values, want)
				}
				if want := max(1, 2-i); gets != want {
					t.Errorf("%s: %d round trips, want %d", name, gets, want)
				}
				sealed, err := sc.Sealer.Seal([]byte("record"), []byte("value"))
				if err != nil {
					t.Fatal(err)
				}
				same, err := w.ring.Vault(id1, sc.Vault.WrappedKey)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := same.Open([]byte("record"), sealed); err != nil || string(got) != "value" {
					t.Errorf("the scope's sealer is not the vault's: %v", err)
				}
			}
			if sc, values, _ := find(w, w.cat, "other"); sc.Vault.ID != id2 || len(values) != 0 {
				t.Errorf("without contents: %s, %q", sc.Vault.ID, values)
			}
		})
	}
}

func TestNilKeys(t *testing.T) {
	w := newWorld(t)
	w.save(w.vault(id1, "name"))
	for range 2 {
		err := w.cat.View(t.Context(), "name", nil, func(_ store.View, sc catalog.Scope, recs []store.Record) error {
			if sc.Vault.ID != id1 || len(recs) != 0 {
				t.Errorf("%s with %d records", sc.Vault.ID, len(recs))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestCachedUnderTheRevision: an unchanged document is decoded once, a changed
// one is seen at once, also by a node that did not change it.
func TestCachedUnderTheRevision(t *testing.T) {
	for how, find := range lookups {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			w.save(w.vault(id1, "name"))
			nodes := []*catalog.Catalog{w.cat, w.other}
			before := make([]catalog.Scope, len(nodes))
			for i, c := range nodes {
				before[i], _, _ = find(w, c, "name")
				again, _, gets := find(w, c, "NAME", "content")
				if again.Vault != before[i].Vault || again.Sealer != before[i].Sealer || gets != 1 {
					t.Errorf("node %d: decoded anew, in %d round trips", i, gets)
				}
			}
			changed := before[0].Vault.Clone()
			changed.Location = "westus"
			w.update(func(tx store.Tx) { w.put(tx)(w.cat.EncodeVault(changed)) })
			for i, c := range nodes {
				after, _, gets := find(w, c, "name", "content")
				if after.Vault == before[i].Vault || after.Vault.Location != "westus" || before[i].Vault.Location != "eastus" || gets != 1 {
					t.Errorf("node %d: after the change %s, before %s, in %d round trips", i, after.Vault.Location, before[i].Vault.Location, gets)
				}
			}
		})
	}
}

// TestFindSeesChangesAtOnce: every node has found the vault before it changes, and
// finds the new document without having looked in another way.
func TestFindSeesChangesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.save(w.vault(id1, "name"))
	nodes := []*catalog.Catalog{w.cat, w.other}
	want := func(id, location string) {
		t.Helper()
		for i, c := range nodes {
			for range 2 {
				if v, err := c.Find(t.Context(), "NAME"); err != nil || v.ID != id || v.Location != location {
					t.Errorf("node %d finds %+v, %v, want %s in %s", i, v, err, id, location)
				}
			}
		}
	}
	want(id1, "eastus")
	changed := w.vault(id1, "name")
	changed.Location = "westus"
	w.update(func(tx store.Tx) { w.put(tx)(w.cat.EncodeVault(changed)) })
	want(id1, "westus")
	changed.Deleted = &catalog.Deletion{At: at(1), PurgeAt: at(2)}
	w.update(func(tx store.Tx) { w.put(tx)(w.cat.EncodeVault(changed)) })
	w.checkNoVault("name")
	w.save(w.vault(id2, "name"))
	want(id2, "eastus")
	w.update(func(tx store.Tx) { tx.Delete(catalog.NameKey("name")) })
	w.checkNoVault("name")
}

// TestARotatedVaultKeyIsUsedAtOnce: the sealer belongs to the document.
func TestARotatedVaultKeyIsUsedAtOnce(t *testing.T) {
	w := newWorld(t)
	w.save(w.vault(id1, "name"))
	sc, _, _ := w.view(w.cat, "name")
	rotated := sc.Vault.Clone()
	var err error
	if rotated.WrappedKey, err = w.ring.RotateVaultKey(id1, rotated.WrappedKey); err != nil {
		t.Fatal(err)
	}
	w.save(rotated)
	fresh, _, _ := w.view(w.cat, "name")
	sealed, err := fresh.Sealer.Seal([]byte("record"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sc.Sealer.Open([]byte("record"), sealed); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("after the rotation the vault's old key still seals: %v", err)
	}
}

func TestAChangedPolicyIsSeenOnTheNextRequest(t *testing.T) {
	for how, find := range lookups {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			v := w.vault(id1, "name")
			w.save(v)
			steps := []struct {
				policies []access.Policy
				allowed  bool
			}{
				{nil, false},
				{[]access.Policy{{TenantID: tenant, ObjectID: principal, Permissions: access.Permissions{Secrets: []string{"get"}}}}, true},
				{[]access.Policy{{TenantID: tenant, ObjectID: principal, Permissions: access.Permissions{Secrets: []string{"list"}}}}, false},
				{[]access.Policy{{TenantID: tenant, ObjectID: principal, Permissions: access.Permissions{Secrets: []string{"all"}}}}, true},
				{nil, false},
			}
			for i, step := range steps {
				v = v.Clone()
				v.Policies = step.policies
				w.save(v)
				for node, c := range []*catalog.Catalog{w.cat, w.other} {
					if sc, _, _ := find(w, c, "name"); mayGet(sc) != step.allowed {
						t.Errorf("step %d, node %d: allowed = %v, want %v", i, node, mayGet(sc), step.allowed)
					}
				}
			}
		})
	}
}

func TestNoSuchVault(t *testing.T) {
	w := newWorld(t)
	w.checkNoVault("name")
	w.checkNoVault("")
	v := w.vault(id1, "name")
	w.save(v)
	w.view(w.cat, "name")
	w.view(w.other, "name")

	deleted := v.Clone()
	deleted.Deleted = &catalog.Deletion{At: at(1), PurgeAt: at(8)}
	w.save(deleted)
	w.checkNoVault("name")

	w.save(v)
	for _, c := range []*catalog.Catalog{w.cat, w.other} {
		if sc, _, _ := w.view(c, "name"); sc.Vault.ID != id1 {
			t.Errorf("after the recovery: %s", sc.Vault.ID)
		}
	}

	w.update(func(tx store.Tx) {
		tx.Delete(catalog.NameKey("name"))
		tx.Delete(catalog.VaultKey(id1))
	})
	w.checkNoVault("name")
}

// TestARecreatedVault: a node that knew the name as another vault's must not
// show that vault, nor its contents, when the name has moved.
func TestARecreatedVault(t *testing.T) {
	for how, find := range lookups {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			w.save(w.vault(id1, "name"))
			w.content(id1, "a", "b")
			for _, c := range []*catalog.Catalog{w.cat, w.other} {
				find(w, c, "name", "a", "b")
			}
			// The first vault is still there, under no name: a hint leads to it.
			w.save(w.vault(id2, "Name"))
			w.content(id2, "a")
			for i, c := range []*catalog.Catalog{w.cat, w.other} {
				for _, wantGets := range []int{2, 1} {
					sc, values, gets := find(w, c, "name", "a", "b")
					if sc.Vault.ID != id2 || !slices.Equal(values, []string{id2 + "/a", ""}) || gets != wantGets {
						t.Errorf("node %d: vault %s, contents %q in %d round trips, want the new vault's in %d", i, sc.Vault.ID, values, gets, wantGets)
					}
				}
			}
		})
	}
}

// TestARenamedRecord: the name record is written anew and means the same vault.
func TestARenamedRecord(t *testing.T) {
	w := newWorld(t)
	v := w.vault(id1, "name")
	w.save(v)
	w.content(id1, "a")
	before, _, _ := w.view(w.cat, "name")
	w.update(func(tx store.Tx) { w.put(tx)(w.cat.EncodeName("NAME", id1)) })
	sc, values, gets := w.view(w.cat, "name", "a")
	if sc.Vault != before.Vault || !slices.Equal(values, []string{id1 + "/a"}) || gets != 1 {
		t.Errorf("vault %s, contents %q in %d round trips, want the same in 1", sc.Vault.ID, values, gets)
	}
}

// TestAnAbandonedUpdateLeavesNoTrace: a transaction sees what it wrote itself
// under the revision that it replaces. Caching what it decodes once showed every
// later request the vault that the abandoned transaction had meant.
func TestAnAbandonedUpdateLeavesNoTrace(t *testing.T) {
	w := newWorld(t)
	w.save(w.vault(id1, "name"))
	w.save(w.vault(id2, "other"))
	abandoned := errors.New("abandoned")
	changed := w.vault(id1, "name")
	changed.Location = "westus"
	err := w.cat.Update(t.Context(), "name", nil, func(tx store.Tx, _ catalog.Scope, _ []store.Record) error {
		w.put(tx)(w.cat.EncodeName("name", id2))
		w.put(tx)(w.cat.EncodeVault(changed))
		recs, err := tx.Get(catalog.NameKey("name"), catalog.VaultKey(id1))
		if err != nil {
			return err
		}
		if id, err := w.cat.DecodeName("name", recs[0]); err != nil || id != id2 {
			t.Errorf("within the transaction the name means %s, %v", id, err)
		}
		if v, err := w.cat.DecodeVault(id1, recs[1]); err != nil || v.Location != "westus" {
			t.Errorf("within the transaction the vault is %+v, %v", v, err)
		}
		return abandoned
	})
	if err != abandoned {
		t.Fatalf("Update: %v, want its function's error", err)
	}
	for range 2 {
		if sc, _, _ := w.view(w.cat, "name"); sc.Vault.ID != id1 || sc.Vault.Location != "eastus" {
			t.Fatalf("found %s in %s, want what is stored", sc.Vault.ID, sc.Vault.Location)
		}
	}
}

func TestFunctionErrorsComeBack(t *testing.T) {
	w := newWorld(t)
	w.save(w.vault(id1, "name"))
	refused := fault.New(fault.Conflict, "Conflict", "no")
	for how, call := range map[string]func() error{
		"View": func() error {
			return w.cat.View(t.Context(), "name", nil, func(store.View, catalog.Scope, []store.Record) error { return refused })
		},
		"Update": func() error {
			return w.cat.Update(t.Context(), "name", nil, func(tx store.Tx, _ catalog.Scope, _ []store.Record) error {
				tx.Put(contentKey(id1, "a"), []byte("written"))
				return refused
			})
		},
		"Do": func() error {
			return w.cat.Do(t.Context(), func(tx store.Tx, _ *access.Assignments) error {
				tx.Put(contentKey(id1, "a"), []byte("written"))
				return refused
			})
		},
	} {
		if err := call(); err != error(refused) {
			t.Errorf("%s: %v, want the function's error as it is", how, err)
		}
	}
	if _, values, _ := w.view(w.cat, "name", "a"); values[0] != "" {
		t.Error("a refused update has written")
	}
}

func TestUpdateWrites(t *testing.T) {
	w := newWorld(t)
	w.save(w.vault(id1, "name"))
	err := w.cat.Update(t.Context(), "name", contents("a"), func(tx store.Tx, sc catalog.Scope, recs []store.Record) error {
		if recs[0].Exists() {
			t.Error("a record before it was written")
		}
		tx.Put(contentKey(sc.Vault.ID, "a"), []byte("written"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, values, _ := w.view(w.other, "name", "a"); values[0] != "written" {
		t.Errorf("another node reads %q", values[0])
	}
}

// TestBrokenRecords: what cannot be opened is an internal failure, not an absent
// vault.
func TestBrokenRecords(t *testing.T) {
	tests := map[string]struct {
		breaks func(*world, store.Tx)
		rbac   bool
		want   string
	}{
		"the document is missing":    {func(w *world, tx store.Tx) { tx.Delete(catalog.VaultKey(id1)) }, false, "missing"},
		"the document is damaged":    {func(w *world, tx store.Tx) { tx.Put(catalog.VaultKey(id1), []byte("damaged")) }, false, "vault " + id1},
		"the name is damaged":        {func(w *world, tx store.Tx) { tx.Put(catalog.NameKey("name"), []byte("damaged")) }, false, `name record of vault "name"`},
		"the name means no vault":    {func(w *world, tx store.Tx) { w.put(tx)(w.cat.EncodeName("name", id2)) }, false, "vault " + id2 + ": the record is missing"},
		"the key is another vault's": {func(w *world, tx store.Tx) { v := w.vault(id2, "name"); v.ID = id1; w.put(tx)(w.cat.EncodeVault(v)) }, false, "unwrapping the key of vault " + id1},
		"an assignment is damaged": {func(w *world, tx store.Tx) {
			tx.Put(catalog.RoleKey("a1"), []byte("damaged"))
			w.put(tx)(w.cat.EncodeEpoch())
		}, true, "role assignments"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.vault(id1, "name")
			v.RBAC = ptr(tt.rbac)
			w.save(v)
			w.view(w.cat, "name")
			w.update(func(tx store.Tx) { tt.breaks(w, tx) })
			for i, c := range []*catalog.Catalog{w.cat, w.other} {
				viewed := c.View(t.Context(), "name", nil, func(store.View, catalog.Scope, []store.Record) error { return nil })
				updated := c.Update(t.Context(), "name", nil, func(store.Tx, catalog.Scope, []store.Record) error { return nil })
				for _, err := range []error{viewed, updated} {
					if err == nil || fault.KindOf(err) != fault.Internal || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("node %d: %v, want an internal failure with %q", i, err, tt.want)
					}
				}
			}
		})
	}
}

// TestConcurrently changes a vault and its roles while both nodes look. Every
// look must see one state: the location and the assignment change together.
func TestConcurrently(t *testing.T) {
	w := newWorld(t)
	v := w.vault(id1, "name")
	v.RBAC, v.Location = ptr(true), "0"
	w.save(v)
	done := make(chan struct{})
	var looking sync.WaitGroup
	for i, c := range []*catalog.Catalog{w.cat, w.other, w.cat, w.other} {
		looking.Go(func() {
			look := func(sc catalog.Scope) error {
				if granted := mayGet(sc); granted != (sc.Vault.Location == "1") {
					t.Errorf("look %d: location %s with granted = %v", i, sc.Vault.Location, granted)
				}
				return nil
			}
			for {
				select {
				case <-done:
					return
				default:
				}
				var err error
				if i < 2 {
					err = c.View(t.Context(), "name", nil, func(_ store.View, sc catalog.Scope, _ []store.Record) error { return look(sc) })
				} else {
					err = c.Update(t.Context(), "name", nil, func(_ store.Tx, sc catalog.Scope, _ []store.Record) error { return look(sc) })
				}
				if err != nil && !errors.Is(err, store.ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	for n := range 100 {
		changed := v.Clone()
		changed.Location = fmt.Sprint((n + 1) % 2)
		w.update(func(tx store.Tx) {
			w.put(tx)(w.cat.EncodeVault(changed))
			if changed.Location == "1" {
				w.put(tx)(w.cat.EncodeAssignment(catalog.RoleAssignment{Assignment: access.Assignment{ID: "a", Scope: v.ResourceID(), RoleID: roleSecretsUser, PrincipalID: principal}}))
			} else {
				tx.Delete(catalog.RoleKey("a"))
			}
			w.put(tx)(w.cat.EncodeEpoch())
		})
	}
	close(done)
	looking.Wait()
}
