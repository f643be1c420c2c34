package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// matrix is a house with two applications: the owner, who may do everything and
// gives permissions, and the subject, whose permissions are what is tested.
type matrix struct {
	*house
	app     identity.Application
	secret  string
	made    int               // names
	backups map[string]string // by name
	attester
}

const (
	unitGroup   = subscription + "/resourceGroups/unit"
	roleVault   = testVault // that role assignments decide about
	policyVault = "policies"
)

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	attester := newAttester(t)
	m := &matrix{house: newHouse(t, attester.allow), backups: map[string]string{}, attester: attester}
	app, secret, err := m.srv.Identity().CreateApplication(t.Context(), testTenant, "subject")
	if err != nil {
		t.Fatal(err)
	}
	m.app, m.secret = app, string(secret.Reveal())
	body := vaultBody(false, entry(testOwner, everyWord()))
	m.manage(http.MethodPut, vaultPath(policyVault), body).is(200)
	// The keys that sign tokens are in the store from here on.
	m.token(app.ClientID, m.secret, vaultResource)
	return m
}

func vaultPath(name string) string { return unitGroup + provider + "/vaults/" + name }

func vaultBody(rbac bool, entries ...any) string {
	if entries == nil {
		entries = []any{}
	}
	return encode(map[string]any{"location": "eastus", "properties": map[string]any{
		"tenantId": testTenant, "sku": map[string]any{"family": "A", "name": "premium"},
		"enableRbacAuthorization": rbac, "accessPolicies": entries,
	}})
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// words are the permissions of access policies, by category, without "all".
var words = map[string]string{
	"secrets": "get list set delete backup restore recover purge",
	"keys": "get list create import update delete backup restore recover purge encrypt decrypt wrapKey unwrapKey sign verify " +
		"release rotate getrotationpolicy setrotationpolicy",
	"certificates": "get list create import update delete backup restore recover purge managecontacts getissuers listissuers setissuers deleteissuers manageissuers",
	"storage":      "get list set update delete backup restore recover purge regeneratekey setsas listsas getsas deletesas",
}

func everyWord() map[string][]string { return everyWordBut("", "") }

// everyWordBut returns all permissions but one.
func everyWordBut(category, word string) map[string][]string {
	all := map[string][]string{}
	for c, list := range words {
		all[c] = slices.DeleteFunc(strings.Fields(list), func(w string) bool { return c == category && w == word })
	}
	return all
}

func entry(objectID string, permissions map[string][]string) map[string]any {
	return map[string]any{"tenantId": testTenant, "objectId": objectID, "permissions": permissions}
}

// setPolicy gives the subject these permissions in the vault and no others.
func (m *matrix) setPolicy(vault string, permissions map[string][]string) {
	m.t.Helper()
	m.changePolicy(vault, "remove", everyWord())
	m.changePolicy(vault, "remove", map[string][]string{"secrets": {"all"}, "keys": {"all"}, "certificates": {"all"}, "storage": {"all"}})
	if permissions != nil {
		m.changePolicy(vault, "add", permissions)
	}
}

func (m *matrix) changePolicy(vault, change string, permissions map[string][]string) {
	m.t.Helper()
	body := encode(map[string]any{"properties": map[string]any{"accessPolicies": []any{entry(m.app.ObjectID, permissions)}}})
	m.manage(http.MethodPut, vaultPath(vault)+"/accessPolicies/"+change, body).is(200)
}

// grant gives the subject a role.
func (m *matrix) grant(scope string, roles ...access.Role) {
	m.t.Helper()
	for _, role := range roles {
		err := m.srv.Resources().AssignRole(m.t.Context(), access.Assignment{Scope: scope, RoleID: role.ID, PrincipalID: m.app.ObjectID})
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

// revoke takes every role from the subject, also those at scopes that no operation
// has a path for: it writes what the deletion of a role assignment does.
func (m *matrix) revoke() {
	m.t.Helper()
	var gone [][]byte
	m.scan(func(e store.Entry) {
		elements, err := tuple.Decode(e.Key)
		if err != nil {
			m.t.Fatal(err)
		}
		switch elements[0].String {
		case "role":
			a, err := m.srv.data.catalog.DecodeAssignment(e.Key, e.Record)
			if err != nil {
				m.t.Fatal(err)
			}
			if a.PrincipalID == m.app.ObjectID {
				gone = append(gone, e.Key)
			}
		case "rolebinding":
			if elements[len(elements)-1].String == m.app.ObjectID {
				gone = append(gone, e.Key)
			}
		}
	})
	err := m.srv.data.store.Update(m.t.Context(), func(tx store.Tx) error {
		if _, err := tx.Get(gone...); err != nil {
			return err
		}
		for _, key := range gone {
			tx.Delete(key)
		}
		key, sealed, err := m.srv.data.catalog.EncodeEpoch()
		tx.Put(key, sealed)
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// scan calls fn with every record of the store.
func (m *matrix) scan(fn func(store.Entry)) {
	m.t.Helper()
	r := tuple.Prefix(nil)
	err := m.srv.data.store.View(m.t.Context(), func(v store.View) error {
		for {
			batch, err := v.Scan(r, store.MaxScan)
			if err != nil {
				return err
			}
			for _, e := range batch {
				fn(e)
			}
			if len(batch) < store.MaxScan {
				return nil
			}
			r.Start = tuple.After(batch[len(batch)-1].Key)
		}
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// dump returns every record but those that wait for the audit log.
func (m *matrix) dump() map[string]string {
	m.t.Helper()
	all := map[string]string{}
	audit := string(tuple.Key("audit"))
	m.scan(func(e store.Entry) {
		if !strings.HasPrefix(string(e.Key), audit) {
			all[string(e.Key)] = string(e.Value)
		}
	})
	return all
}

// changes reports whether fn has changed a record.
func (m *matrix) changes(fn func()) bool {
	m.t.Helper()
	before := m.dump()
	fn()
	return !maps.Equal(before, m.dump())
}

// fresh returns a name that nothing has had.
func (m *matrix) fresh() string {
	m.made++
	return fmt.Sprintf("m-%d", m.made)
}

// freshGUID is fresh for what is named by a GUID.
func (m *matrix) freshGUID() string {
	m.made++
	return fmt.Sprintf("99999999-0000-4000-8000-%012d", m.made)
}

// split separates the built-in roles that grant an action from those that do
// not. It has a mind of its own about what the stars of a role mean.
func split(patterns func(access.Role) (granted, withheld []string), actions ...string) (granting, others []access.Role) {
	matches := func(list []string) bool {
		return slices.ContainsFunc(list, func(pattern string) bool {
			text := "(?i)^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$"
			return slices.ContainsFunc(actions, regexp.MustCompile(text).MatchString)
		})
	}
	for _, role := range access.Builtin {
		granted, withheld := patterns(role)
		if matches(granted) && !matches(withheld) {
			granting = append(granting, role)
		} else {
			others = append(others, role)
		}
	}
	return granting, others
}

func dataActions(r access.Role) (granted, withheld []string) { return r.DataActions, r.NotDataActions }

func controlActions(r access.Role) (granted, withheld []string) { return r.Actions, r.NotActions }

func roleNamed(t *testing.T, name string) access.Role {
	t.Helper()
	for _, r := range access.Builtin {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("there is no role %q", name)
	return access.Role{}
}
