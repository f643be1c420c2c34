package vault

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// eachKind runs a test for secrets and for keys, each in its own world.
func eachKind(t *testing.T, test func(t *testing.T, w *world, c collection)) {
	for i, name := range []string{"secrets", "keys"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test(t, w, w.collections(w.svc)[i])
		})
	}
}

func withoutSoftDelete(v *catalog.Vault)   { v.SoftDelete = false } // whatever its RetentionDays say
func withPurgeProtection(v *catalog.Vault) { v.PurgeProtection = true }

func retention(days int) func(*catalog.Vault) {
	return func(v *catalog.Vault) { v.RetentionDays = days }
}

// An object goes all ways that there are: deleted, recovered as it was, deleted
// again, purged, and made anew.
func TestLife(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		v := w.vault("v")
		attributes := Attributes{NotBefore: ptr(int64(1)), Expires: ptr(int64(2))}
		old := must(c.set(call("v"), "Name", setting{Tags: map[string]string{"n": "1"}, Attributes: attributes}))(t)
		w.clock.add(1)
		current := must(c.set(call("v"), "name", setting{Tags: map[string]string{"n": "2"}}))(t)
		content := w.below("v", v.ID)

		deletedAt := w.clock.add(10)
		want := current
		want.Deleted = &Deletion{At: deletedAt, PurgeAt: deletedAt + 90*day}
		if got := must(c.delete(call("v"), "NAME"))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("delete answers %+v, want %+v", got, want)
		}
		w.clock.add(10)
		if got := must(c.getDeleted(call("v"), "nAME"))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("the deleted one is %+v, want %+v", got, want)
		}
		checkGone(t, w, c, "v", "NAME", current.Version)
		_, err := c.set(call("v"), "NaMe")
		c.wantTaken("NaMe").check(t, err)
		_, err = c.delete(call("v"), "NAME")
		c.wantNotFound("NAME").check(t, err)

		if got := must(c.recover(call("v"), "NAME"))(t); !reflect.DeepEqual(got, current) {
			t.Errorf("recover answers %+v, want %+v", got, current)
		}
		checkNotDeleted(t, w, c, "v", "NAME")
		for version, want := range map[string]Object{"": current, old.Version: old, current.Version: current} {
			if got := must(c.get(call("v"), "name", version))(t); !reflect.DeepEqual(got, want) {
				t.Errorf("recovered version %q is %+v, want %+v", version, got, want)
			}
		}
		if w.below("v", v.ID) != content || w.below("due") != 0 {
			t.Errorf("%d records after recovery, %d before; %d due", w.below("v", v.ID), content, w.below("due"))
		}

		must(c.delete(call("v"), "name"))(t)
		if err := c.purge(call("v"), "NAME"); err != nil {
			t.Fatal(err)
		}
		if w.below("v", v.ID) != 0 || w.below("due") != 0 {
			t.Errorf("%d records left, %d due", w.below("v", v.ID), w.below("due"))
		}
		checkGone(t, w, c, "v", "name", current.Version)
		checkNotDeleted(t, w, c, "v", "name")
		again := must(c.set(call("v"), "NAME"))(t)
		if again.Name != "NAME" || again.Version == current.Version || again.Tags != nil {
			t.Errorf("made anew: %+v", again)
		}
		if all := w.walk(25, func(p PageRequest) (Page[Object], error) { return c.versions(call("v"), "name", p) }); len(all) != 1 {
			t.Errorf("made anew, it has %d versions", len(all))
		}
	})
}

// checkGone checks that a name that is not in use shows nothing.
func checkGone(t *testing.T, w *world, c collection, vault, name, version string) {
	t.Helper()
	_, err := c.get(call(vault), name, "")
	c.wantNotFound(name).check(t, err)
	_, err = c.get(call(vault), name, version)
	c.wantNotFound(name+"/"+version).check(t, err)
	_, err = c.update(call(vault), name, version, setting{})
	c.wantNotFound(name+"/"+version).check(t, err)
	if page := must(c.versions(call(vault), name, onePage))(t); len(page.Items) != 0 || page.Next != "" {
		t.Errorf("a name that is not in use has the versions %+v", page)
	}
	if page := must(c.list(call(vault), onePage))(t); len(page.Items) != 0 {
		t.Errorf("the list shows %+v", page.Items)
	}
}

// checkNotDeleted checks that nothing can be done with a name among the deleted.
func checkNotDeleted(t *testing.T, w *world, c collection, vault, name string) {
	t.Helper()
	before := w.dump()
	_, err := c.getDeleted(call(vault), name)
	c.wantDeletedNotFound(name).check(t, err)
	_, err = c.recover(call(vault), name)
	c.wantDeletedNotFound(name).check(t, err)
	c.wantDeletedNotFound(name).check(t, c.purge(call(vault), name))
	if page := must(c.listDeleted(call(vault), onePage))(t); len(page.Items) != 0 {
		t.Errorf("the list of the deleted shows %+v", page.Items)
	}
	if diff := sameRecords(before, w.dump()); diff != nil {
		t.Error(diff)
	}
}

func TestRecoveryLevels(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		for _, tt := range []struct {
			name   string
			change func(*catalog.Vault)
			level  string
			days   int
		}{
			{"v1", retention(7), "CustomizedRecoverable+Purgeable", 7},
			{"v2", retention(89), "CustomizedRecoverable+Purgeable", 89},
			{"v3", retention(90), "Recoverable+Purgeable", 90},
			{"v4", withPurgeProtection, "Recoverable", 90},
			{"v5", func(v *catalog.Vault) { v.RetentionDays, v.PurgeProtection = 30, true }, "CustomizedRecoverable", 30},
			{"v6", withoutSoftDelete, "Purgeable", 0},
		} {
			w.vault(tt.name, tt.change)
			check := func(where string, o Object) {
				t.Helper()
				if o.RecoveryLevel != tt.level || o.RecoverableDays != tt.days {
					t.Errorf("%s: %s shows %s, %d days; want %s, %d", tt.name, where, o.RecoveryLevel, o.RecoverableDays, tt.level, tt.days)
				}
			}
			check("set", must(c.set(call(tt.name), "n"))(t))
			check("get", must(c.get(call(tt.name), "n", ""))(t))
			check("list", must(c.list(call(tt.name), onePage))(t).Items[0])
			gone := must(c.delete(call(tt.name), "n"))(t)
			check("delete", gone)
			if (gone.Deleted != nil) != (tt.days != 0) || gone.Deleted != nil && gone.Deleted.PurgeAt-gone.Deleted.At != int64(tt.days)*day {
				t.Errorf("%s: deleted %+v", tt.name, gone.Deleted)
			}
		}
	})
}

// Without soft delete an object that is deleted is gone, and its name is free.
func TestLifeWithoutSoftDelete(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		v := w.vault("v", withoutSoftDelete)
		must(c.set(call("v"), "n"))(t)
		made := must(c.set(call("v"), "n"))(t)
		if got := must(c.delete(call("v"), "N"))(t); !reflect.DeepEqual(got, made) || got.Deleted != nil {
			t.Errorf("delete answers %+v, want %+v", got, made)
		}
		checkGone(t, w, c, "v", "n", made.Version)
		checkNotDeleted(t, w, c, "v", "n")
		if w.below("v", v.ID) != 0 || w.below("due") != 0 {
			t.Errorf("%d records left, %d due", w.below("v", v.ID), w.below("due"))
		}
		must(c.set(call("v"), "N"))(t)
	})
}

var purgeRefused = refused{fault.Forbidden, "Forbidden", "", "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed. Vault: v;location=eastus"}

// With purge protection nobody purges before the date, whatever he may do else.
func TestPurgeProtection(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v", withPurgeProtection)
		made := must(c.set(call("v"), "n"))(t)
		must(c.delete(call("v"), "n"))(t)
		before := w.dump()
		purgeRefused.check(t, c.purge(call("v"), "n"))
		// What there is not is told first.
		c.wantDeletedNotFound("nobody").check(t, c.purge(call("v"), "nobody"))
		if diff := sameRecords(before, w.dump()); diff != nil {
			t.Error(diff)
		}
		if got := must(c.recover(call("v"), "n"))(t); !reflect.DeepEqual(got, made) {
			t.Errorf("recovered %+v, want %+v", got, made)
		}
	})
}

func TestDeletedSecretThatWasDisabledIsNotShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	c := w.secrets(w.svc)
	made := must(c.set(call("v"), "n", setting{Attributes: Attributes{Enabled: ptr(false)}}))(t)
	must(c.delete(call("v"), "n"))(t)
	_, err := c.getDeleted(call("v"), "n")
	secretDisabled.check(t, err)
	if page := must(c.listDeleted(call("v"), onePage))(t); len(page.Items) != 1 || page.Items[0].Enabled {
		t.Errorf("the list of the deleted shows %+v", page.Items)
	}
	if got := must(c.recover(call("v"), "n"))(t); !reflect.DeepEqual(got, made) {
		t.Errorf("recovered %+v, want %+v", got, made)
	}
}

// A recovered secret has its values again, which no answer about the deleted one
// shows.
func TestValuesOutliveDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	values := map[string]string{w.set("v", "n", "one").Version: "one", w.set("v", "n", "two").Version: "two", "": "two"}
	for name, answer := range map[string]func() (*Secret, error){
		"delete":      func() (*Secret, error) { return w.svc.DeleteSecret(w.ctx(), call("v"), "n") },
		"get deleted": func() (*Secret, error) { return w.svc.GetDeletedSecret(w.ctx(), call("v"), "n") },
		"recover":     func() (*Secret, error) { return w.svc.RecoverSecret(w.ctx(), call("v"), "n") },
	} {
		w.prepareDeleted(t, name != "delete")
		if got := must(answer())(t); got.Value.Reveal() != nil {
			t.Errorf("%s shows the value %q", name, got.Value.Reveal())
		}
	}
	w.prepareDeleted(t, false)
	for version, value := range values {
		if got := must(w.svc.GetSecret(w.ctx(), call("v"), "n", version))(t); string(got.Value.Reveal()) != value {
			t.Errorf("version %q has the value %q, want %q", version, got.Value.Reveal(), value)
		}
	}
}

// prepareDeleted deletes or recovers the secret n of the vault v as wanted.
func (w *world) prepareDeleted(t *testing.T, deleted bool) {
	t.Helper()
	_, err := w.svc.GetDeletedSecret(w.ctx(), call("v"), "n")
	switch is := err == nil; {
	case deleted && !is:
		must(w.svc.DeleteSecret(w.ctx(), call("v"), "n"))(t)
	case !deleted && is:
		must(w.svc.RecoverSecret(w.ctx(), call("v"), "n"))(t)
	}
}

// What happens to one object leaves all others alone: those whose names begin
// with its name, those of the other kind, those of another vault.
func TestObjectsAreApart(t *testing.T) {
	t.Parallel()
	for _, soft := range []bool{true, false} {
		t.Run(map[bool]string{true: "soft delete", false: "no soft delete"}[soft], func(t *testing.T) {
			t.Parallel()
			eachKind(t, func(t *testing.T, w *world, c collection) {
				change := func(*catalog.Vault) {}
				if !soft {
					change = withoutSoftDelete
				}
				v := w.vault("v", change)
				w.vault("other", change)
				for _, any := range w.collections(w.svc) {
					for _, name := range []string{"a", "A-", "a0", "aa", "b"} {
						must(any.set(call("v"), name))(t)
						must(any.set(call("v"), name))(t)
						must(any.set(call("other"), name))(t)
					}
				}
				before := w.dump()
				must(c.delete(call("v"), "a"))(t)
				if soft {
					if err := c.purge(call("v"), "a"); err != nil {
						t.Fatal(err)
					}
				}
				maps.DeleteFunc(before, func(key, _ string) bool {
					return slices.ContainsFunc([]string{live, ver, body}, func(area string) bool {
						return strings.HasPrefix(key, string(c.key(v.ID, area, "a")))
					})
				})
				if diff := sameRecords(before, w.dump()); diff != nil {
					t.Error(diff)
				}
			})
		})
	}
}
