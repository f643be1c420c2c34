package vault

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/secret"
)

const (
	userOID  = "33333333-3333-3333-3333-333333333333"
	userApp  = "66666666-6666-6666-6666-666666666666"
	otherApp = "77777777-7777-7777-7777-777777777777"
)

// user is a caller whose permissions the tests give and take.
func user(vault string) Call {
	return Call{Vault: vault, Caller: access.Caller{
		TenantID: testTenant, ObjectID: userOID, AppID: userApp, Issuer: testCaller.Issuer,
	}}
}

// words returns the permissions of one word.
func words(category string, permissions ...string) access.Permissions {
	if category == "keys" {
		return access.Permissions{Keys: permissions}
	}
	return access.Permissions{Secrets: permissions}
}

// allBut returns every permission of both categories but one.
func allBut(category, permission string) access.Permissions {
	p := access.Permissions{
		Secrets: []string{"get", "list", "set", "delete", "backup", "restore", "recover", "purge"},
		Keys: []string{"get", "list", "create", "update", "import", "delete", "backup", "restore", "recover", "purge",
			"encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify"},
	}
	without := func(list []string) (kept []string) {
		for _, w := range list {
			if w != permission {
				kept = append(kept, w)
			}
		}
		return kept
	}
	if category == "keys" {
		p.Keys = without(p.Keys)
	} else {
		p.Secrets = without(p.Secrets)
	}
	return p
}

// deniedByPolicy is Azure's answer to a caller whom no access policy of the vault v
// gives what the operation needs.
func deniedByPolicy(op testOperation, c Call) refused {
	return refused{fault.Forbidden, "Forbidden", "ForbiddenByPolicy", fmt.Sprintf(
		"The user, group or application 'appid=%s;oid=%s;numgroups=%d;iss=%s' does not have %s %s permission on key vault 'v;location=eastus'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
		c.Caller.AppID, c.Caller.ObjectID, len(c.Caller.Groups), c.Caller.Issuer, op.category, op.permission)}
}

// deniedByRole is Azure's answer to a caller whom no role gives what the operation
// on the object needs.
func deniedByRole(op testOperation, c Call, v *catalog.Vault, object string) refused {
	scope := strings.ToLower(v.ResourceID())
	if op.named() {
		scope += "/" + op.category + "/" + object
	}
	return refused{fault.Forbidden, "Forbidden", "ForbiddenByRbac", fmt.Sprintf(
		"Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=%s;oid=%s;iss=%s\r\nAction: 'Microsoft.KeyVault/vaults/%s'\r\nResource: '%s'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: v;location=eastus\r\n",
		c.Caller.AppID, c.Caller.ObjectID, c.Caller.Issuer, op.dataAction, scope)}
}

// checkDenied runs an operation that must be refused, and that must neither
// change nor reveal anything.
func checkDenied(t *testing.T, w *world, op testOperation, c Call, want refused) {
	t.Helper()
	before := w.dump()
	w.audited()
	answer, err := op.run(w, c, "obj")
	want.check(t, err)
	if v := reflect.ValueOf(answer); v.IsValid() && !v.IsZero() {
		t.Errorf("a refused operation answers %+v", answer)
	}
	if diff := sameRecords(before, w.dump()); diff != nil {
		t.Errorf("a refused operation has written: %v", diff)
	}
	records := w.audited()
	if len(records) != 1 || records[0].Operation != op.audit || records[0].Code != want.code+"/"+want.inner ||
		records[0].Reason != want.message || records[0].Caller.ObjectID != c.Caller.ObjectID {
		t.Errorf("audited as %+v", records)
	}
}

func checkAllowed(t *testing.T, w *world, op testOperation, c Call) {
	t.Helper()
	before := w.dump()
	if _, err := op.run(w, c, "obj"); err != nil {
		t.Errorf("with permission: %v", err)
	}
	if changed := sameRecords(before, w.dump()) != nil; changed != op.changes {
		t.Errorf("the operation has written: %t, want %t", changed, op.changes)
	}
}

func TestPermissionByPolicy(t *testing.T) {
	t.Parallel()
	for _, op := range testOperations {
		t.Run(op.audit, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			grant := func(p access.Permissions) func(*catalog.Vault) {
				return func(v *catalog.Vault) {
					v.Policies = append(v.Policies, access.Policy{TenantID: testTenant, ObjectID: userOID, Permissions: p})
				}
			}
			v := w.vault("v")
			w.prepare("v", op.kind(), "obj", op.state)
			give := func(p access.Permissions) {
				granted := v.Clone()
				grant(p)(granted)
				w.putVault(granted)
			}
			denied := deniedByPolicy(op, user("v"))
			checkDenied(t, w, op, user("v"), denied)
			give(allBut(op.category, op.permission))
			checkDenied(t, w, op, user("v"), denied)
			give(words(op.category, op.permission))
			stranger := user("v")
			stranger.Caller.TenantID = otherApp
			checkDenied(t, w, op, stranger, denied)
			checkDenied(t, w, op, Call{Vault: "v"}, deniedByPolicy(op, Call{}))
			checkAllowed(t, w, op, user("v"))
			w.putVault(v)
			checkDenied(t, w, op, user("v"), denied)
		})
	}
}

func TestPermissionByRole(t *testing.T) {
	t.Parallel()
	for _, op := range testOperations {
		t.Run(op.audit, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.vault("v", func(v *catalog.Vault) {
				v.RBAC = ptr(true)
				// With roles, policies grant nothing.
				v.Policies = append(v.Policies, access.Policy{TenantID: testTenant, ObjectID: userOID, Permissions: everything})
			})
			role := func(id, roleID, principal, scope string) access.Assignment {
				return access.Assignment{ID: id, RoleID: roleID, PrincipalID: principal, Scope: scope}
			}
			admin := role("a", access.RoleKeyVaultAdministrator, testOID, v.ResourceID())
			w.assign(admin)
			w.prepare("v", op.kind(), "obj", op.state)

			denied := deniedByRole(op, user("v"), v, "obj")
			checkDenied(t, w, op, user("v"), denied)
			wrong := map[string]string{"keys": secretsOfficer, "secrets": cryptoOfficer}[op.category]
			w.assign(admin, role("b", wrong, userOID, v.ResourceID()))
			checkDenied(t, w, op, user("v"), denied)
			elsewhere := v.ResourceID() + "/" + op.category + "/other"
			w.assign(admin, role("b", op.role, userOID, elsewhere), role("c", op.role, otherApp, v.ResourceID()))
			checkDenied(t, w, op, user("v"), denied)
			scope := v.ResourceID()
			if op.named() {
				scope += "/" + op.category + "/OBJ"
			}
			w.assign(admin, role("b", op.role, userOID, scope))
			checkAllowed(t, w, op, user("v"))
			w.assign(admin)
			checkDenied(t, w, op, user("v"), denied)
		})
	}
}

// What each built-in role may do with the contents of a vault. Those that are not
// named may do nothing there, however much they may do with the vault itself.
var rolePowers = map[string][]string{
	access.RoleKeyVaultAdministrator: {
		"SetSecret", "GetSecret", "UpdateSecret", "ListSecrets", "ListSecretVersions",
		"DeleteSecret", "GetDeletedSecret", "ListDeletedSecrets", "RecoverSecret", "PurgeSecret", "BackupSecret", "RestoreSecret",
		"CreateKey", "ImportKey", "GetKey", "UpdateKey", "ListKeys", "ListKeyVersions",
		"DeleteKey", "GetDeletedKey", "ListDeletedKeys", "RecoverKey", "PurgeKey", "BackupKey", "RestoreKey",
		"RotateKey", "GetRotationPolicy", "SetRotationPolicy",
		"Encrypt", "Decrypt", "WrapKey", "UnwrapKey", "Sign", "Verify", "ReleaseKey",
	},
	secretsOfficer: {
		"SetSecret", "GetSecret", "UpdateSecret", "ListSecrets", "ListSecretVersions",
		"DeleteSecret", "GetDeletedSecret", "ListDeletedSecrets", "RecoverSecret", "PurgeSecret", "BackupSecret", "RestoreSecret",
	},
	secretsUser: {"GetSecret", "ListSecrets", "ListSecretVersions", "GetDeletedSecret", "ListDeletedSecrets"},
	cryptoOfficer: {
		"CreateKey", "ImportKey", "GetKey", "UpdateKey", "ListKeys", "ListKeyVersions",
		"DeleteKey", "GetDeletedKey", "ListDeletedKeys", "RecoverKey", "PurgeKey", "BackupKey", "RestoreKey",
		"RotateKey", "GetRotationPolicy", "SetRotationPolicy",
		"Encrypt", "Decrypt", "WrapKey", "UnwrapKey", "Sign", "Verify", "ReleaseKey",
	},
	cryptoUser: {
		"GetKey", "UpdateKey", "BackupKey", "ListKeys", "ListKeyVersions", "GetDeletedKey", "ListDeletedKeys",
		"Encrypt", "Decrypt", "WrapKey", "UnwrapKey", "Sign", "Verify",
	},
	encryptionUser: {
		"GetKey", "ListKeys", "ListKeyVersions", "GetDeletedKey", "ListDeletedKeys", "WrapKey", "UnwrapKey",
		"Encrypt", "Verify", // because it may read keys, and the key is asymmetric
	},
	reader: {
		"ListSecrets", "ListSecretVersions", "GetDeletedSecret", "ListDeletedSecrets",
		"GetKey", "ListKeys", "ListKeyVersions", "GetDeletedKey", "ListDeletedKeys", "GetRotationPolicy", "Encrypt", "WrapKey", "Verify",
	},
	releaseUser: {"ReleaseKey"},
	// Key Vault Certificate User
	"db79e9a7-68ee-4b58-9aeb-b90e7c24fcba": {
		"GetSecret", "ListSecrets", "ListSecretVersions", "GetDeletedSecret", "ListDeletedSecrets",
		"GetKey", "ListKeys", "ListKeyVersions", "GetDeletedKey", "ListDeletedKeys", "Encrypt", "WrapKey", "Verify",
	},
}

func TestRolePowers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v", func(v *catalog.Vault) { v.RBAC = ptr(true) })
	admin := access.Assignment{ID: "a", RoleID: access.RoleKeyVaultAdministrator, PrincipalID: testOID, Scope: v.ResourceID()}
	for _, role := range access.Builtin {
		w.assign(admin, access.Assignment{ID: "b", RoleID: role.ID, PrincipalID: userOID, Scope: "/subscriptions/" + testSub})
		for _, op := range testOperations {
			w.prepare("v", op.kind(), "obj", op.state)
			_, err := op.run(w, user("v"), "obj")
			if slices.Contains(rolePowers[role.ID], op.method) {
				if err != nil {
					t.Errorf("%s, %s: %v", role.Name, op.method, err)
				}
				continue
			}
			deniedByRole(op, user("v"), v, "obj").check(t, err)
		}
	}
}

// A policy may name a group, or one application of a principal.
func TestPermissionOfGroupsAndApplications(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	op := testOperations[slices.IndexFunc(testOperations, func(o testOperation) bool { return o.method == "GetSecret" })]
	policy := access.Policy{TenantID: testTenant, ObjectID: userOID, Permissions: words("secrets", "GET")}
	ofGroup, ofApp := policy, policy
	ofGroup.ObjectID = otherApp
	ofApp.ApplicationID = userApp
	member, outsider := user("v"), user("v")
	member.Caller.ObjectID, member.Caller.Groups = strings.Repeat("8", 36), []string{testApp, otherApp}
	outsider.Caller.AppID = otherApp
	v := w.vault("v").Clone()
	w.prepare("v", secretKind, "obj", active)
	v.Policies = append(v.Policies, ofGroup, ofApp)
	w.putVault(v)
	checkAllowed(t, w, op, user("v"))
	checkAllowed(t, w, op, member)
	checkDenied(t, w, op, outsider, deniedByPolicy(op, outsider))
	member.Caller.Groups = []string{testApp}
	checkDenied(t, w, op, member, deniedByPolicy(op, member))
}

// Whoever lacks the permission learns nothing else: neither that a name is
// invalid, unknown or deleted, nor that a value is too long or a key cannot be
// made.
func TestPermissionComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	byRole := v.Clone()
	byRole.RBAC = ptr(true)
	for _, op := range testOperations {
		for _, state := range []state{absent, active, deleted} {
			w.putVault(v)
			w.prepare("v", op.kind(), "obj", state)
			checkDenied(t, w, op, user("v"), deniedByPolicy(op, user("v")))
			w.putVault(byRole)
			checkDenied(t, w, op, user("v"), deniedByRole(op, user("v"), v, "obj"))
		}
		w.putVault(v)
		_, err := op.run(w, user("v"), "in_valid")
		deniedByPolicy(op, user("v")).check(t, err)
	}
	for name, run := range map[string]func() error{
		"a value too long": func() error {
			_, err := w.svc.SetSecret(w.ctx(), user("v"), "n", SetSecret{Value: secret.New(make([]byte, MaxSecretValue+1))})
			return err
		},
		"an HSM key of no type": func() error {
			_, err := w.svc.CreateKey(w.ctx(), user("v"), "k", CreateKey{HSM: true})
			return err
		},
		"a version that is none": func() error {
			_, err := w.svc.GetSecret(w.ctx(), user("v"), "n", "latest")
			return err
		},
		"a page of no size": func() error {
			_, err := w.svc.ListKeys(w.ctx(), user("v"), PageRequest{})
			return err
		},
	} {
		if f, ok := fault.As(run()); !ok || f.Inner != "ForbiddenByPolicy" {
			t.Errorf("%s: %v", name, run())
		}
	}
}
