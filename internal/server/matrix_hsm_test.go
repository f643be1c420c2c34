package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
)

// hsmRow is one operation of a managed HSM with what it needs.
type hsmRow struct {
	operation    string
	method, path string // {name} is a key in the state, or a role, or an assignment
	body         string
	state        string
	action       string // a data action, without its prefix
	scope        string // that it is asked for at: "/", "/keys" or "/keys/{name}"
	status       int
	writes       bool
}

const (
	unitHSM     = "unit"
	hsmResource = "https://managedhsm.azure.net"
	localRoles  = "///providers/Microsoft.Authorization/"

	aRole        = "role"
	anAssignment = "assignment"
	someID       = "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa"
	subjectRole  = "bbbbbbbb-1111-4111-8111-bbbbbbbbbbbb" // that the subject is given
	roleBody     = `{"properties":{"roleName":"some","permissions":[{"dataActions":["Microsoft.KeyVault/managedHsm/keys/create"]}]}}`
	assignBody   = `{"properties":{"roleDefinitionId":"` + access.LocalRoleCryptoUser + `","principalId":"` + someID + `"}}`
)

var hsmRows = []hsmRow{
	{"KeyCreate", "POST", "/keys/{name}/create", `{"kty":"oct-HSM"}`, none, "keys/create", "/keys/{name}", 200, true},
	{"KeyImport", "PUT", "/keys/{name}", importedKey, none, "keys/import/action", "/keys/{name}", 200, true},
	{"KeyGet", "GET", "/keys/{name}/", "", live, "keys/read/action", "/keys/{name}", 200, false},
	{"KeyUpdate", "PATCH", "/keys/{name}/", `{"tags":{"a":"b"}}`, live, "keys/write/action", "/keys/{name}", 200, true},
	{"KeyDelete", "DELETE", "/keys/{name}", "", live, "keys/delete", "/keys/{name}", 200, true},
	{"KeyList", "GET", "/keys", "", live, "keys/read/action", "/keys", 200, false},
	{"KeyListVersions", "GET", "/keys/{name}/versions", "", live, "keys/read/action", "/keys/{name}", 200, false},
	{"KeyListDeleted", "GET", "/deletedkeys", "", deleted, "keys/deletedKeys/read/action", "/keys", 200, false},
	{"KeyGetDeleted", "GET", "/deletedkeys/{name}", "", deleted, "keys/deletedKeys/read/action", "/keys/{name}", 200, false},
	{"KeyPurge", "DELETE", "/deletedkeys/{name}", "", deleted, "keys/deletedKeys/delete", "/keys/{name}", 204, true},
	{"KeyRecover", "POST", "/deletedkeys/{name}/recover", "", deleted, "keys/deletedKeys/recover/action", "/keys/{name}", 200, true},
	{"KeyBackup", "POST", "/keys/{name}/backup", "", live, "keys/backup/action", "/keys/{name}", 200, false},
	{"KeyRestore", "POST", "/keys/restore", "", backedUp, "keys/restore/action", "/keys", 200, true},
	{"KeyEncrypt", "POST", "/keys/{name}//encrypt", `{"alg":"RSA-OAEP","value":"AA"}`, live, "keys/encrypt/action", "/keys/{name}", 200, false},
	{"KeyDecrypt", "POST", "/keys/{name}//decrypt", closedForRSAKey, live, "keys/decrypt/action", "/keys/{name}", 200, false},
	{"KeyWrap", "POST", "/keys/{name}//wrapkey", `{"alg":"RSA-OAEP","value":"AA"}`, live, "keys/wrap/action", "/keys/{name}", 200, false},
	{"KeyUnwrap", "POST", "/keys/{name}//unwrapkey", closedForRSAKey, live, "keys/unwrap/action", "/keys/{name}", 200, false},
	{"KeySign", "POST", "/keys/{name}//sign", `{"alg":"RS256","value":"` + digest + `"}`, live, "keys/sign/action", "/keys/{name}", 200, false},
	{"KeyVerify", "POST", "/keys/{name}//verify", `{"alg":"RS256","digest":"` + digest + `","value":"AA"}`, live, "keys/verify/action", "/keys/{name}", 200, false},
	{"KeyRelease", "POST", "/keys/{name}//release", "", exportable, "keys/release/action", "/keys/{name}", 200, false},
	{"KeyRotate", "POST", "/keys/{name}/rotate", "", live, "keys/rotate/action", "/keys/{name}", 200, true},
	{"KeyRotationPolicyGet", "GET", "/keys/{name}/rotationpolicy", "", live, "keys/read/action", "/keys/{name}", 200, false},
	{"KeyRotationPolicySet", "PUT", "/keys/{name}/rotationpolicy", `{}`, live, "keys/write/action", "/keys/{name}", 200, true},

	{"GetRandomBytes", "POST", "/rng", `{"count":8}`, none, "rng/action", "/", 200, false},
	{"SettingList", "GET", "/settings", "", none, "settings/read/action", "/", 200, false},
	{"SettingGet", "GET", "/settings/AllowKeyManagementOperationsThroughARM", "", none, "settings/read/action", "/", 200, false},
	{"SettingUpdate", "PATCH", "/settings/AllowKeyManagementOperationsThroughARM", `{"value":"true"}`, none, "settings/write/action", "/", 200, true},
	{"RoleDefinitionList", "GET", localRoles + "roleDefinitions", "", none, "roleDefinitions/read/action", "/", 200, false},
	{"RoleDefinitionGet", "GET", localRoles + "roleDefinitions/{name}", "", aRole, "roleDefinitions/read/action", "/", 200, false},
	{"RoleDefinitionPut", "PUT", localRoles + "roleDefinitions/{name}", roleBody, none, "roleDefinitions/write/action", "/", 201, true},
	{"RoleDefinitionDelete", "DELETE", localRoles + "roleDefinitions/{name}", "", aRole, "roleDefinitions/delete/action", "/", 200, true},
	{"RoleAssignmentList", "GET", localRoles + "roleAssignments", "", none, "roleAssignments/read/action", "/", 200, false},
	{"RoleAssignmentGet", "GET", localRoles + "roleAssignments/{name}", "", anAssignment, "roleAssignments/read/action", "/", 200, false},
	{"RoleAssignmentPut", "PUT", localRoles + "roleAssignments/{name}", assignBody, none, "roleAssignments/write/action", "/", 201, true},
	{"RoleAssignmentDelete", "DELETE", localRoles + "roleAssignments/{name}", "", anAssignment, "roleAssignments/delete/action", "/", 200, true},
}

// isRole reports whether the row names a role or an assignment, by a GUID.
func (r hsmRow) isRole() bool { return strings.HasPrefix(r.path, localRoles) }

// TestHSMMatrixIsComplete: every operation of a vault on keys, and every one that
// only managed HSMs have, has its row.
func TestHSMMatrixIsComplete(t *testing.T) {
	t.Parallel()
	var have []string
	for _, row := range hsmRows {
		have = append(have, row.operation)
	}
	for _, r := range planeRoutes(t, "../dataplane") {
		ofVault := slices.ContainsFunc(dataRows, func(row dataRow) bool { return row.operation == r.Name })
		if wanted := !ofVault || strings.HasPrefix(r.Name, "Key"); wanted != slices.Contains(have, r.Name) {
			t.Errorf("%s: it should have a row: %t", r.Name, wanted)
		}
	}
}

// hsmMatrix is a matrix with a managed HSM that the owner administers and uses.
func newHSMMatrix(t *testing.T) *matrix {
	t.Helper()
	m := newMatrix(t)
	m.manage(http.MethodPut, unitGroup+provider+"/managedHSMs/"+unitHSM, hsmBody).is(200)
	for i, role := range []string{access.LocalRoleCryptoOfficer, access.LocalRoleCryptoUser} {
		id := strings.Replace(someID, "1111-4", "111"+string(rune('2'+i))+"-4", 1)
		m.asOwner(http.MethodPut, localRoles+"roleAssignments/"+id, `{"properties":{"roleDefinitionId":"`+role+`","principalId":"`+testOwner+`"}}`).is(201)
	}
	return m
}

func (m *matrix) onHSM(method, path, body, token string) answer {
	m.t.Helper()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return m.do(method, "https://"+unitHSM+".managedhsm.azure.net"+path+separator+"api-version=7.6", token, body)
}

func (m *matrix) asOwner(method, path, body string) answer {
	m.t.Helper()
	return m.onHSM(method, path, body, m.token(testClient, houseSecret, hsmResource))
}

// prepareHSM returns the name of what the row is about.
func (m *matrix) prepareHSM(row hsmRow) string {
	m.t.Helper()
	name := m.fresh()
	if row.isRole() {
		name = strings.Replace(someID, "aaaaaaaaaaaa", strings.Repeat("0", 14-len(name))+strings.TrimPrefix(name, "m-"), 1)
	}
	path := strings.ReplaceAll(row.path, "{name}", name)
	switch row.state {
	case none:
		return name
	case aRole:
		m.asOwner(http.MethodPut, path, roleBody).is(201)
		return name
	case anAssignment:
		m.asOwner(http.MethodPut, path, strings.Replace(assignBody, someID, name, 1)).is(201)
		return name
	}
	if row.state == exportable {
		m.asOwner(http.MethodPost, "/keys/"+name+"/create", m.exportableKey()).is(200)
		return name
	}
	m.asOwner(http.MethodPut, "/keys/"+name, rsaKey()).is(200)
	if row.state == backedUp {
		m.backups[name] = m.asOwner(http.MethodPost, "/keys/"+name+"/backup", "").is(200).body
	}
	if row.state != live {
		m.asOwner(http.MethodDelete, "/keys/"+name, "").is(200)
	}
	if row.state == backedUp {
		m.asOwner(http.MethodDelete, "/deletedkeys/"+name, "").is(204)
	}
	return name
}

// tryHSM does the operation as the subject.
func (m *matrix) tryHSM(row hsmRow, name string) answer {
	m.t.Helper()
	body := row.body
	switch row.state {
	case backedUp:
		body = m.backups[name]
	case exportable:
		body = m.releaseBody()
	}
	if row.operation == "RoleAssignmentPut" {
		body = strings.Replace(body, someID, name, 1) // the same to the same is a conflict
	}
	return m.onHSM(row.method, strings.ReplaceAll(row.path, "{name}", name), body, m.token(m.app.ClientID, m.secret, hsmResource))
}

func (m *matrix) allowedHSM(what string, row hsmRow, name string) {
	m.t.Helper()
	var a answer
	changed := m.changes(func() { a = m.tryHSM(row, name) })
	if a.status != row.status || changed != row.writes {
		m.t.Errorf("%s, with %s: status %d, records changed: %v: %s", row.operation, what, a.status, changed, a.body)
	}
}

func (m *matrix) deniedHSM(what string, row hsmRow, name string) {
	m.t.Helper()
	if m.changes(func() {
		a := m.tryHSM(row, name)
		a.what = row.operation + ", with " + what
		a.refused(http.StatusForbidden, "AccessDenied", "", "Not authorized to access Microsoft.KeyVault/managedHsm/"+row.action+" on "+
			strings.ReplaceAll(row.scope, "{name}", name)+" (Activity ID: "+a.header.Get("X-Ms-Request-Id")+")")
	}) {
		m.t.Errorf("%s, with %s: records have changed", row.operation, what)
	}
}

// localAssign gives the subject a role at a scope, and returns what takes it away.
func (m *matrix) localAssign(scope, role string) (revoke func()) {
	m.t.Helper()
	path := "/" + strings.TrimSuffix(scope, "/") + "/providers/Microsoft.Authorization/roleAssignments/" + subjectRole
	if scope == "/" {
		path = localRoles + "roleAssignments/" + subjectRole
	}
	m.asOwner(http.MethodPut, path, `{"properties":{"roleDefinitionId":"`+role+`","principalId":"`+m.app.ObjectID+`"}}`).is(201)
	return func() {
		m.t.Helper()
		m.asOwner(http.MethodDelete, path, "").is(200)
	}
}

// define makes the custom role of the subject grant exactly these actions.
func (m *matrix) define(actions ...string) string {
	m.t.Helper()
	m.asOwner(http.MethodPut, localRoles+"roleDefinitions/"+subjectRole, encode(map[string]any{"properties": map[string]any{
		"roleName": "of the subject", "permissions": []any{map[string]any{"dataActions": actions}},
	}})).is(201)
	return subjectRole
}

func allLocalActions() (all []string) {
	for _, role := range access.LocalBuiltin {
		for _, a := range role.Permissions[0].DataActions {
			if !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all
}

// Every operation of a managed HSM: refused to those without a role, with every
// role but one that grants it, and with every data action but its own; done with
// that action alone, at every scope that covers it; refused again once it is taken
// away.
func TestHSMMatrix(t *testing.T) {
	t.Parallel()
	m := newHSMMatrix(t)
	// What would permit everything elsewhere permits nothing here.
	m.grant("/", roleNamed(t, "Owner"), roleNamed(t, "Key Vault Administrator"), roleNamed(t, "Managed HSM contributor"))
	for _, row := range hsmRows {
		full := access.LocalActionPrefix + row.action
		name := m.prepareHSM(row)
		m.deniedHSM("nothing", row, name)
		others := slices.DeleteFunc(allLocalActions(), func(a string) bool { return a == full })
		revoke := m.localAssign("/", m.define(others...))
		m.deniedHSM("every other action", row, name)
		revoke()

		for _, scope := range coveringScopes(row.scope) {
			first, second := m.prepareHSM(row), m.prepareHSM(row)
			revoke := m.localAssign(strings.ReplaceAll(scope, "{name}", first), m.define(full))
			m.allowedHSM("the action at "+scope, row, first)
			if strings.Contains(scope, "{name}") {
				m.deniedHSM("the action at another key", row, second)
			}
			revoke()
			m.deniedHSM("the action taken away", row, second)
		}
		m.builtinRoles(row, full)
	}
}

// coveringScopes returns the scopes at which a role holds at the scope, too.
func coveringScopes(scope string) []string {
	all := []string{"/", "/keys", "/keys/{name}"}
	return all[:slices.Index(all, scope)+1]
}

// builtinRoles walks the built-in roles over the row.
func (m *matrix) builtinRoles(row hsmRow, action string) {
	m.t.Helper()
	granting := 0
	for _, role := range access.LocalBuiltin {
		name := m.prepareHSM(row)
		revoke := m.localAssign("/", role.ID)
		if slices.Contains(role.Permissions[0].DataActions, action) {
			granting++
			m.allowedHSM(role.Name, row, name)
		} else {
			m.deniedHSM(role.Name, row, name)
		}
		revoke()
	}
	if granting == 0 {
		m.t.Errorf("%s: no built-in role grants it", row.operation)
	}
}

// TestHSMAudiences: a token for vaults opens no managed HSM, nor the other way.
func TestHSMAudiences(t *testing.T) {
	t.Parallel()
	m := newHSMMatrix(t)
	a := m.onHSM(http.MethodGet, "/keys", "", m.token(testClient, houseSecret, vaultResource)).is(401)
	if !strings.Contains(a.body, "AKV10022: Invalid audience.") || !strings.Contains(a.header.Get("WWW-Authenticate"), `resource="https://managedhsm.azure.net"`) {
		t.Errorf("%s, %s", a.body, a.header.Get("WWW-Authenticate"))
	}
	m.data(http.MethodGet, testVault, "/keys", "", m.token(testClient, houseSecret, hsmResource)).is(401)
	m.asOwner(http.MethodGet, "/keys", "").is(200)
}
