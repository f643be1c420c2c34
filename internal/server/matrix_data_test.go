package server

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// dataRow is one operation of the data plane with what it needs.
type dataRow struct {
	operation    string
	method, path string // {name} is an object in the state
	body         string
	state        string // of the object
	permission   string // "secrets get"
	action       string // of roles, without its prefix
	status       int
	writes       bool
}

// The states of an object. Of one that is backed up, nothing is left but the
// backup, which is then the body of the request.
const (
	live     = "live"
	deleted  = "deleted"
	none     = "none"
	backedUp = "backed up"
	// exportable is live, and a key whose request has a token in its body.
	exportable = "exportable"
)

var dataRows = []dataRow{
	{"SecretSet", "PUT", "/secrets/{name}", `{"value":"new"}`, none, "secrets set", "secrets/setSecret/action", 200, true},
	{"SecretGet", "GET", "/secrets/{name}/", "", live, "secrets get", "secrets/getSecret/action", 200, false},
	{"SecretUpdate", "PATCH", "/secrets/{name}/", `{"tags":{"a":"b"}}`, live, "secrets set", "secrets/update/action", 200, true},
	{"SecretDelete", "DELETE", "/secrets/{name}", "", live, "secrets delete", "secrets/delete", 200, true},
	{"SecretList", "GET", "/secrets", "", live, "secrets list", "secrets/readMetadata/action", 200, false},
	{"SecretListVersions", "GET", "/secrets/{name}/versions", "", live, "secrets list", "secrets/readMetadata/action", 200, false},
	{"SecretListDeleted", "GET", "/deletedsecrets", "", deleted, "secrets list", "secrets/readMetadata/action", 200, false},
	{"SecretGetDeleted", "GET", "/deletedsecrets/{name}", "", deleted, "secrets get", "secrets/readMetadata/action", 200, false},
	{"SecretPurge", "DELETE", "/deletedsecrets/{name}", "", deleted, "secrets purge", "secrets/purge/action", 204, true},
	{"SecretRecover", "POST", "/deletedsecrets/{name}/recover", "", deleted, "secrets recover", "secrets/recover/action", 200, true},
	{"SecretBackup", "POST", "/secrets/{name}/backup", "", live, "secrets backup", "secrets/backup/action", 200, false},
	{"SecretRestore", "POST", "/secrets/restore", "", backedUp, "secrets restore", "secrets/restore/action", 200, true},

	{"KeyCreate", "POST", "/keys/{name}/create", `{"kty":"EC"}`, none, "keys create", "keys/create/action", 200, true},
	{"KeyImport", "PUT", "/keys/{name}", importedKey, none, "keys import", "keys/import/action", 200, true},
	{"KeyGet", "GET", "/keys/{name}/", "", live, "keys get", "keys/read", 200, false},
	{"KeyUpdate", "PATCH", "/keys/{name}/", `{"tags":{"a":"b"}}`, live, "keys update", "keys/update/action", 200, true},
	{"KeyDelete", "DELETE", "/keys/{name}", "", live, "keys delete", "keys/delete", 200, true},
	{"KeyList", "GET", "/keys", "", live, "keys list", "keys/read", 200, false},
	{"KeyListVersions", "GET", "/keys/{name}/versions", "", live, "keys list", "keys/read", 200, false},
	{"KeyListDeleted", "GET", "/deletedkeys", "", deleted, "keys list", "keys/read", 200, false},
	{"KeyGetDeleted", "GET", "/deletedkeys/{name}", "", deleted, "keys get", "keys/read", 200, false},
	{"KeyPurge", "DELETE", "/deletedkeys/{name}", "", deleted, "keys purge", "keys/purge/action", 204, true},
	{"KeyRecover", "POST", "/deletedkeys/{name}/recover", "", deleted, "keys recover", "keys/recover/action", 200, true},
	{"KeyBackup", "POST", "/keys/{name}/backup", "", live, "keys backup", "keys/backup/action", 200, false},
	{"KeyRestore", "POST", "/keys/restore", "", backedUp, "keys restore", "keys/restore/action", 200, true},
	{"KeyRotate", "POST", "/keys/{name}/rotate", "", live, "keys rotate", "keys/rotate/action", 200, true},
	{"KeyRotationPolicyGet", "GET", "/keys/{name}/rotationpolicy", "", live, "keys getrotationpolicy", "keyrotationpolicies/read", 200, false},
	{"KeyRotationPolicySet", "PUT", "/keys/{name}/rotationpolicy", `{}`, live, "keys setrotationpolicy", "keyrotationpolicies/write", 200, true},

	{"KeyEncrypt", "POST", "/keys/{name}//encrypt", `{"alg":"RSA-OAEP","value":"AA"}`, live, "keys encrypt", "keys/encrypt/action", 200, false},
	{"KeyDecrypt", "POST", "/keys/{name}//decrypt", closedForRSAKey, live, "keys decrypt", "keys/decrypt/action", 200, false},
	{"KeyWrap", "POST", "/keys/{name}//wrapkey", `{"alg":"RSA-OAEP","value":"AA"}`, live, "keys wrapKey", "keys/wrap/action", 200, false},
	{"KeyUnwrap", "POST", "/keys/{name}//unwrapkey", closedForRSAKey, live, "keys unwrapKey", "keys/unwrap/action", 200, false},
	{"KeySign", "POST", "/keys/{name}//sign", `{"alg":"RS256","value":"` + digest + `"}`, live, "keys sign", "keys/sign/action", 200, false},
	{"KeyVerify", "POST", "/keys/{name}//verify", `{"alg":"RS256","digest":"` + digest + `","value":"AA"}`, live, "keys verify", "keys/verify/action", 200, false},
	{"KeyRelease", "POST", "/keys/{name}//release", "", exportable, "keys release", "keys/release/action", 200, false},
}

// grantedBy returns the data actions any of which is enough with roles: who may
// read a key that is not symmetric may do with it what its public part is for.
func (r dataRow) grantedBy() []string {
	actions := []string{"Microsoft.KeyVault/vaults/" + r.action}
	switch r.operation {
	case "KeyEncrypt", "KeyWrap", "KeyVerify":
		return append(actions, "Microsoft.KeyVault/vaults/keys/read")
	}
	return actions
}

func (r dataRow) kind() string {
	kind, _, _ := strings.Cut(r.permission, " ")
	return kind
}

// object returns the path whose permission is asked for, or nothing for the
// collection.
func (r dataRow) object(name string) string {
	if !strings.Contains(r.path, "{name}") {
		return ""
	}
	return "/" + r.kind() + "/" + name
}

func TestDataMatrixIsComplete(t *testing.T) {
	t.Parallel()
	rows := map[string][]request{}
	for _, r := range dataRows {
		rows[r.operation] = append(rows[r.operation], request{r.method, strings.ReplaceAll(r.path, "{name}", "x")})
	}
	ofVaults := slices.DeleteFunc(planeRoutes(t, "../dataplane"), func(r httpx.Route) bool {
		return rows[r.Name] == nil && slices.ContainsFunc(hsmRows, func(row hsmRow) bool { return row.operation == r.Name })
	})
	checkComplete(t, ofVaults, rows)
}

// prepare returns the name of a new object in the state of the row.
func (m *matrix) prepare(vault string, row dataRow) string {
	m.t.Helper()
	name := m.fresh()
	if row.state == none {
		return name
	}
	if row.kind() == "secrets" {
		m.data(http.MethodPut, vault, "/secrets/"+name, `{"value":"old"}`).is(200)
	} else if row.state == exportable {
		m.data(http.MethodPost, vault, "/keys/"+name+"/create", m.exportableKey()).is(200)
	} else {
		m.data(http.MethodPut, vault, "/keys/"+name, rsaKey()).is(200)
	}
	object := row.kind() + "/" + name
	if row.state == backedUp {
		m.backups[name] = m.data(http.MethodPost, vault, "/"+object+"/backup", "").is(200).body
	}
	if row.state == live || row.state == exportable {
		return name
	}
	m.data(http.MethodDelete, vault, "/"+object, "").is(200)
	if row.state == backedUp {
		m.data(http.MethodDelete, vault, "/deleted"+object, "").is(204)
	}
	return name
}

// try does the operation as the subject.
func (m *matrix) try(vault string, row dataRow, name string) answer {
	m.t.Helper()
	body := row.body
	switch row.state {
	case backedUp:
		body = m.backups[name]
	case exportable:
		body = m.releaseBody()
	}
	return m.data(row.method, vault, strings.ReplaceAll(row.path, "{name}", name), body, m.token(m.app.ClientID, m.secret, vaultResource))
}

// allowed checks that the operation succeeds and does what it is there for.
func (m *matrix) allowed(what, vault string, row dataRow, name string) {
	m.t.Helper()
	var a answer
	changed := m.changes(func() { a = m.try(vault, row, name) })
	if a.status != row.status || changed != row.writes {
		m.t.Errorf("%s, with %s: status %d, records changed: %v: %s", row.operation, what, a.status, changed, a.body)
	}
}

// denied checks that the operation is refused in Azure's words and does nothing.
func (m *matrix) denied(what, vault string, row dataRow, name string) {
	m.t.Helper()
	if m.changes(func() {
		a := m.try(vault, row, name)
		a.what = row.operation + ", with " + what
		inner, message := m.denial(vault, row, name)
		a.refused(http.StatusForbidden, "Forbidden", inner, message)
	}) {
		m.t.Errorf("%s, with %s: records have changed", row.operation, what)
	}
}

func (m *matrix) denial(vault string, row dataRow, name string) (inner, message string) {
	issuer := "https://sts.windows.net/" + testTenant + "/"
	if vault == policyVault {
		return "ForbiddenByPolicy", fmt.Sprintf("The user, group or application 'appid=%s;oid=%s;numgroups=0;iss=%s' does not have %s permission on key vault '%s;location=eastus'. "+
			"For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287", m.app.ClientID, m.app.ObjectID, issuer, row.permission, vault)
	}
	return "ForbiddenByRbac", fmt.Sprintf("Caller is not authorized to perform action on resource.\r\n"+
		"If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n"+
		"Caller: appid=%s;oid=%s;iss=%s\r\nAction: 'Microsoft.KeyVault/vaults/%s'\r\nResource: '%s%s'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\n"+
		"DecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: %s;location=eastus\r\n", m.app.ClientID, m.app.ObjectID, issuer, row.action, strings.ToLower(vaultPath(vault)), row.object(name), vault)
}

// Every operation, in a vault that access policies decide about: refused without
// its permission, whatever else is permitted; done with that permission alone;
// and refused again on the request after the permission is taken away.
func TestDataMatrixByPolicy(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	for _, row := range dataRows {
		category, word, _ := strings.Cut(row.permission, " ")
		first, second := m.prepare(policyVault, row), m.prepare(policyVault, row)

		m.denied("nothing", policyVault, row, first)
		others := everyWordBut(category, word)
		if word == "purge" {
			// Destroying for good has to be permitted by name.
			others[category] = append(others[category], "all")
		}
		m.setPolicy(policyVault, others)
		m.denied("every other permission", policyVault, row, first)

		m.setPolicy(policyVault, map[string][]string{category: {word}})
		m.allowed("the permission alone", policyVault, row, first)
		m.changePolicy(policyVault, "remove", map[string][]string{category: {word}})
		m.denied("the permission taken away", policyVault, row, second)

		if word != "purge" {
			m.setPolicy(policyVault, map[string][]string{category: {"all"}})
			m.allowed("all permissions", policyVault, row, second)
			m.setPolicy(policyVault, nil)
		}
	}
}

// The same in a vault that role assignments decide about, for every built-in
// role.
func TestDataMatrixByRole(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	for _, row := range dataRows {
		granting, others := split(dataActions, row.grantedBy()...)
		if len(granting) < 2 || len(others) < 10 {
			t.Fatalf("%s: %d roles grant it", row.operation, len(granting))
		}
		name := m.prepare(roleVault, row)
		m.denied("nothing", roleVault, row, name)
		m.grant(vaultPath(roleVault), others...)
		m.denied("every other role", roleVault, row, name)
		m.revoke()

		for i, role := range granting {
			first, second := m.prepare(roleVault, row), m.prepare(roleVault, row)
			// The scopes are those of all levels, in turn.
			scope := []string{vaultPath(roleVault), unitGroup, subscription, "/"}[i%4]
			m.grant(scope, role)
			m.allowed(role.Name+" at "+scope, roleVault, row, first)
			m.revoke()
			m.denied(role.Name+" taken away", roleVault, row, second)
		}
		if row.object("x") != "" {
			m.onOneObject(row, granting[0])
		}
	}
}

// onOneObject checks that a role at one object is about no other, nor about the
// same name in another collection.
func (m *matrix) onOneObject(row dataRow, role access.Role) {
	m.t.Helper()
	first, second := m.prepare(roleVault, row), m.prepare(roleVault, row)
	other := map[string]string{"secrets": "keys", "keys": "secrets"}[row.kind()]
	m.grant(vaultPath(roleVault)+"/"+other+"/"+first, role)
	m.grant(vaultPath(roleVault)+"/"+row.kind()+"/"+first[:len(first)-1], role)
	m.denied(role.Name+" at other objects", roleVault, row, first)
	m.grant(vaultPath(roleVault)+row.object(first), role)
	m.denied(role.Name+" at another object", roleVault, row, second)
	m.allowed(role.Name+" at the object", roleVault, row, first)
	m.revoke()
}

// A vault is decided about by one model. What the other one would permit counts
// for nothing.
func TestOneModelAtATime(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	m.grant(subscription, roleNamed(t, "Owner"), roleNamed(t, "Key Vault Administrator"))
	for _, row := range dataRows {
		m.denied("roles in a vault of policies", policyVault, row, m.prepare(policyVault, row))
	}
	m.revoke()
	m.setPolicy(roleVault, everyWord())
	for _, row := range dataRows {
		m.denied("policies in a vault of roles", roleVault, row, m.prepare(roleVault, row))
	}

	// Changing the model changes who may, from the next request on.
	get := dataRows[1]
	name := m.prepare(roleVault, get)
	m.manage(http.MethodPatch, vaultPath(roleVault), `{"properties":{"enableRbacAuthorization":false}}`).is(200)
	m.allowed("the policies in force", roleVault, get, name)
	m.manage(http.MethodPatch, vaultPath(roleVault), `{"properties":{"enableRbacAuthorization":true}}`).is(200)
	m.denied("the policies out of force", roleVault, get, name)
}

// Permissions in one vault are none in another.
func TestPermissionsOfAnotherVault(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	m.manage(http.MethodPut, vaultPath("other"), vaultBody(false)).is(200)
	m.manage(http.MethodPut, vaultPath("unit2"), vaultBody(true)).is(200)
	m.setPolicy("other", everyWord())
	m.grant(vaultPath("unit2"), roleNamed(t, "Key Vault Administrator"))
	m.grant(vaultPath("uni"), roleNamed(t, "Key Vault Administrator"))
	for _, row := range dataRows {
		m.denied("policies of another vault", policyVault, row, m.prepare(policyVault, row))
		m.denied("roles at another vault", roleVault, row, m.prepare(roleVault, row))
	}
}

// importedKey is the key of RFC 7517, appendix A.2, in the body of an import.
const importedKey = `{"key":{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}}`

// rsaKey returns the key of RFC 7516, appendix A.1, in the body of an import.
var rsaKey = sync.OnceValue(func() string {
	jwk, err := os.ReadFile("../keyops/testdata/jwk/rfc7516-a1.json")
	if err != nil {
		panic(err)
	}
	return `{"key":` + string(jwk) + `}`
})

const (
	// closedForRSAKey is what the same appendix has encrypted with that key.
	closedForRSAKey = `{"alg":"RSA-OAEP","value":"OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHzg"}`
	// digest is 32 bytes.
	digest = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
