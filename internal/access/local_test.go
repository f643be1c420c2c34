package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// hsmWith returns a managed HSM with local assignments, and one custom role.
func hsmWith(assignments ...access.LocalAssignment) access.Vault {
	return access.Vault{
		Name: "h", TenantID: tenant, Location: "eastus", ResourceID: "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/managedHSMs/h",
		Local: &access.LocalRoles{
			Custom: []access.LocalRole{{ID: "c1", Name: "most of signing", Permissions: []access.LocalPermission{
				{DataActions: []string{access.LocalActionPrefix + "keys/sign/action", access.LocalActionPrefix + "keys/verify/action"}},
				{NotDataActions: []string{access.LocalActionPrefix + "keys/VERIFY/action"}},
			}}},
			Assignments: assignments,
		},
	}
}

func at(scope, role string) access.LocalAssignment {
	return access.LocalAssignment{ID: "a", Scope: scope, RoleID: role, PrincipalID: strings.ToUpper(oid)}
}

func TestLocalScopes(t *testing.T) {
	all, keys, one := access.LocalRoleCryptoUser, access.LocalRoleCryptoUser, access.LocalRoleCryptoUser
	for _, tt := range []struct {
		name       string
		assignment access.LocalAssignment
		action     string
		allowed    []string // of the scopes /, /keys, /keys/K, /keys/k2, /keysx
	}{
		{"the HSM", at("/", all), "keys/read/action", []string{"/", "/keys", "/keys/K", "/keys/k2", "/keysx"}},
		{"all keys", at("/keys", keys), "keys/read/action", []string{"/keys", "/keys/K", "/keys/k2"}},
		{"one key", at("/keys/k", one), "keys/read/action", []string{"/keys/K"}},
		{"another action", at("/", access.LocalRoleAdministrator), "keys/read/action", nil},
		{"no such role", at("/", "00482a5a-887f-4fb3-b363-3b7fe8e74483"), "keys/read/action", nil},
		{"custom", at("/", "C1"), "keys/sign/action", []string{"/", "/keys", "/keys/K", "/keys/k2", "/keysx"}},
		{"withheld by another part", at("/", "c1"), "keys/verify/action", nil},
		{"no action", at("/", all), "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := hsmWith(tt.assignment)
			var allowed []string
			for _, scope := range []string{"/", "/keys", "/keys/K", "/keys/k2", "/keysx"} {
				err := access.Local(caller, v, tt.action, scope)
				if err == nil {
					allowed = append(allowed, scope)
					continue
				}
				want := "Not authorized to access Microsoft.KeyVault/managedHsm/" + tt.action + " on " + scope
				if f, ok := fault.As(err); !ok || f.Kind != fault.Forbidden || f.Code != "AccessDenied" || f.Message != want {
					t.Errorf("refused with %v, want %q", err, want)
				}
			}
			if !slices.Equal(allowed, tt.allowed) {
				t.Errorf("allowed at %v, want %v", allowed, tt.allowed)
			}
		})
	}
}

func TestLocalCallers(t *testing.T) {
	v := hsmWith(at("/", access.LocalRoleCryptoUser))
	for name, tt := range map[string]struct {
		change  func(*access.Caller)
		vault   access.Vault
		allowed bool
	}{
		"the principal":  {func(*access.Caller) {}, v, true},
		"by a group":     {func(c *access.Caller) { c.ObjectID, c.Groups = "other", []string{"x", oid} }, v, true},
		"somebody else":  {func(c *access.Caller) { c.ObjectID = "other" }, v, false},
		"another tenant": {func(c *access.Caller) { c.TenantID = "other" }, v, false},
		"nobody":         {func(c *access.Caller) { c.ObjectID = "" }, v, false},
		"a vault":        {func(*access.Caller) {}, vaultWith(), false},
	} {
		c := caller
		c.Groups = nil
		tt.change(&c)
		if err := access.Local(c, tt.vault, "keys/read/action", "/"); (err == nil) != tt.allowed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHSMDecidesByLocalRolesAlone: in a managed HSM neither access policies nor
// role assignments of the subscription mean anything, and no vault looks at local
// roles.
func TestHSMDecidesByLocalRolesAlone(t *testing.T) {
	h := hsmWith()
	h.RBAC = true
	h.Policies = []access.Policy{{TenantID: tenant, ObjectID: oid, Permissions: grant("keys", "all")}}
	roles := access.NewAssignments([]access.Assignment{{Scope: "/", RoleID: access.RoleKeyVaultAdministrator, PrincipalID: oid}})
	for _, act := range actions {
		if access.Data(caller, h, roles, act, "keys/k") == nil || access.DeletedData(caller, h, roles, act, "keys/k") == nil {
			t.Errorf("%v is allowed by what is not a local role", act)
		}
	}
	h.Local.Assignments = []access.LocalAssignment{at("/", access.LocalRoleCryptoUser), at("/", access.LocalRoleCryptoOfficer)}
	for _, act := range actions {
		err := access.Data(caller, h, nil, act, "keys/k")
		if allowed := err == nil; allowed != (act.Category == "keys") {
			t.Errorf("%v: %v", act, err)
		}
	}
}

// TestKeyActionsOfAnHSM walks what a vault calls by a word, and which of an HSM's
// data actions it takes.
func TestKeyActionsOfAnHSM(t *testing.T) {
	for _, tt := range []struct{ permission, object, action, scope string }{
		{"create", "keys/k", "keys/create", "/keys/k"},
		{"import", "keys/k", "keys/import/action", "/keys/k"},
		{"get", "keys/k", "keys/read/action", "/keys/k"},
		{"list", "", "keys/read/action", "/keys"},
		{"update", "keys/k", "keys/write/action", "/keys/k"},
		{"delete", "keys/k", "keys/delete", "/keys/k"},
		{"backup", "keys/k", "keys/backup/action", "/keys/k"},
		{"restore", "", "keys/restore/action", "/keys"},
		{"purge", "keys/k", "keys/deletedKeys/delete", "/keys/k"},
		{"recover", "keys/k", "keys/deletedKeys/recover/action", "/keys/k"},
		{"encrypt", "keys/k", "keys/encrypt/action", "/keys/k"},
		{"decrypt", "keys/k", "keys/decrypt/action", "/keys/k"},
		{"wrapKey", "keys/k", "keys/wrap/action", "/keys/k"},
		{"unwrapKey", "keys/k", "keys/unwrap/action", "/keys/k"},
		{"sign", "keys/k", "keys/sign/action", "/keys/k"},
		{"verify", "keys/k", "keys/verify/action", "/keys/k"},
		{"rotate", "keys/k", "keys/rotate/action", "/keys/k"},
		{"getrotationpolicy", "keys/k", "keys/read/action", "/keys/k"},
		{"setrotationpolicy", "keys/k", "keys/write/action", "/keys/k"},
		{"release", "keys/k", "keys/release/action", "/keys/k"},
	} {
		want := "Not authorized to access Microsoft.KeyVault/managedHsm/" + tt.action + " on " + tt.scope
		err := access.Data(caller, hsmWith(), nil, access.Action{Category: "keys", Permission: tt.permission}, tt.object)
		if f, ok := fault.As(err); !ok || f.Message != want {
			t.Errorf("%s: %v, want %q", tt.permission, err, want)
		}
		if !access.IsLocalAction(access.LocalActionPrefix + tt.action) {
			t.Errorf("%s: no role grants %s", tt.permission, tt.action)
		}
	}
	const want = "Not authorized to access Microsoft.KeyVault/managedHsm/keys/deletedKeys/read/action on /keys"
	if f, ok := fault.As(access.DeletedData(caller, hsmWith(), nil, access.KeyList, "")); !ok || f.Message != want {
		t.Errorf("looking at deleted keys: %v", f)
	}
	if access.IsLocalAction("Microsoft.KeyVault/managedHsm/*") || access.IsLocalAction("keys/create") {
		t.Error("a pattern, or part of a name, passes for a data action")
	}
}

// TestLocalRolesAreWhatTheirNamesSay walks the built-in roles over what can be
// done with keys.
func TestLocalRolesAreWhatTheirNamesSay(t *testing.T) {
	const use = "keys/encrypt/action keys/decrypt/action keys/wrap/action keys/unwrap/action keys/sign/action keys/verify/action"
	const manage = "roleAssignments/read/action roleAssignments/write/action roleAssignments/delete/action" +
		" roleDefinitions/read/action roleDefinitions/write/action roleDefinitions/delete/action"
	const look = "roleAssignments/read/action roleDefinitions/read/action"
	want := map[string]string{
		"Managed HSM Administrator":                  manage + " settings/read/action settings/write/action",
		"Managed HSM Crypto Officer":                 manage + " keys/deletedKeys/read/action keys/deletedKeys/delete keys/deletedKeys/recover/action",
		"Managed HSM Crypto User":                    look + " keys/create keys/import/action keys/read/action keys/write/action keys/delete keys/backup/action keys/restore/action keys/rotate/action keys/release/action rng/action " + use,
		"Managed HSM Policy Administrator":           manage,
		"Managed HSM Crypto Auditor":                 look + " keys/read/action keys/deletedKeys/read/action",
		"Managed HSM Crypto Service Encryption User": "keys/read/action keys/wrap/action keys/unwrap/action",
		"Managed HSM Crypto Service Release User":    "keys/release/action",
		"Managed HSM Backup User":                    "keys/backup/action",
		"Managed HSM Restore User":                   "keys/restore/action",
	}
	var all []string
	for _, words := range want {
		for w := range strings.FieldsSeq(words) {
			if !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
	}
	for _, role := range access.LocalBuiltin {
		expected, known := want[role.Name]
		if !known {
			t.Errorf("no expectation for role %s", role.Name)
		}
		delete(want, role.Name)
		for _, action := range all {
			err := access.Local(caller, hsmWith(at("/", "/x/roleDefinitions/"+role.ID)), action, "/")
			if allowed := err == nil; allowed != slices.Contains(strings.Fields(expected), action) {
				t.Errorf("%s: %s is allowed: %t", role.Name, action, allowed)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("roles that are missing: %v", want)
	}
}
