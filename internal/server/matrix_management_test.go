package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
)

// managementRow is one operation of the management plane with what it needs.
type managementRow struct {
	operation    string
	method, path string // {x} is what prepare has made
	body         string
	state        state
	action       string
	scope        string // that the action is asked for at
	role         string // a built-in role that grants it
	status       int
	writes       bool
}

// state is what there is before the operation.
type state string

const (
	nothing      state = ""
	aGroup       state = "group"
	aVault       state = "vault"
	aDeleted     state = "deleted vault"
	aGroupJob    state = "job of a group's deletion"
	aPurgeJob    state = "job of a vault's purge"
	anHSM        state = "managed HSM"
	aDeletedHSM  state = "deleted managed HSM"
	aGUID        state = "no assignment of this name"
	resourcesAct       = "Microsoft.Resources/subscriptions/"
	keyVaultAct        = "Microsoft.KeyVault/"

	groupX   = subscription + "/resourceGroups/{x}"
	vaultX   = unitGroup + provider + "/vaults/{x}"
	deletedX = subscription + provider + "/locations/eastus/deletedVaults/{x}"

	hsmX             = unitGroup + provider + "/managedHSMs/{x}"
	deletedHSMX      = subscription + provider + "/locations/eastus/deletedManagedHSMs/{x}"
	hsmBody          = `{"location":"eastus","sku":{"family":"B","name":"Standard_B1"},"properties":{"tenantId":"` + testTenant + `","initialAdminObjectIds":["` + testOwner + `"]}}`
	authorization    = "/providers/Microsoft.Authorization"
	authorizationAPI = "2022-04-01"
	authorizationAct = "Microsoft.Authorization/"
	assignments      = authorization + "/roleAssignments"
	assignmentX      = assignments + "/{x}"
	definitions      = authorization + "/roleDefinitions"
	roleVaultID      = unitGroup + provider + "/vaults/" + roleVault
	roleSecretID     = roleVaultID + "/secrets/pw"
)

// anAssignmentAt is the state in which {x} is the name of an assignment there.
func anAssignmentAt(scope string) state { return state("assignment at " + scope) }

// assignmentBody assigns a role to somebody whose object id is {x}.
const assignmentBody = `{"properties":{"roleDefinitionId":"` + access.RoleKeyVaultAdministrator + `","principalId":"{x}","principalType":"Group"}}`

var subjectPolicy = `{"properties":{"accessPolicies":[` + encode(entry(testOwner, map[string][]string{"secrets": {"get"}})) + `]}}`

var managementRows = []managementRow{
	{"SubscriptionGet", "GET", subscription, "", nothing, resourcesAct + "read", subscription, "Reader", 200, false},
	{"LocationList", "GET", subscription + "/locations", "", nothing, resourcesAct + "locations/read", subscription, "Reader", 200, false},
	{"ProviderList", "GET", subscription + "/providers", "", nothing, resourcesAct + "providers/read", subscription, "Reader", 200, false},
	{"ProviderGet", "GET", subscription + "/providers/Microsoft.KeyVault", "", nothing, resourcesAct + "providers/read", subscription, "Reader", 200, false},
	{"ProviderRegister", "POST", subscription + "/providers/Microsoft.KeyVault/register", "", nothing, keyVaultAct + "register/action", subscription, "Key Vault Contributor", 200, false},
	{"ResourceList", "GET", subscription + "/resources", "", aVault, keyVaultAct + "vaults/read", subscription, "Reader", 200, false},
	{"ResourceListInGroup", "GET", unitGroup + "/resources", "", aVault, keyVaultAct + "vaults/read", unitGroup, "Reader", 200, false},
	{"OperationResultGet", "GET", subscription + "/operationresults/{x}", "", aGroupJob, resourcesAct + "operationresults/read", subscription, "Reader", 200, false},

	{"ResourceGroupList", "GET", subscription + "/resourceGroups", "", nothing, resourcesAct + "resourceGroups/read", subscription, "Key Vault Reader", 200, false},
	{"ResourceGroupPut", "PUT", groupX, `{"location":"eastus"}`, nothing, resourcesAct + "resourceGroups/write", groupX, "Contributor", 201, true},
	{"ResourceGroupPut", "PUT", groupX, `{"location":"eastus","tags":{"a":"b"}}`, aGroup, resourcesAct + "resourceGroups/write", groupX, "Contributor", 200, true},
	{"ResourceGroupPatch", "PATCH", groupX, `{"tags":{"a":"b"}}`, aGroup, resourcesAct + "resourceGroups/write", groupX, "Contributor", 200, true},
	{"ResourceGroupGet", "GET", groupX, "", aGroup, resourcesAct + "resourceGroups/read", groupX, "Key Vault Reader", 200, false},
	{"ResourceGroupExists", "HEAD", groupX, "", aGroup, resourcesAct + "resourceGroups/read", groupX, "Key Vault Reader", 204, false},
	{"ResourceGroupDelete", "DELETE", groupX, "", aGroup, resourcesAct + "resourceGroups/delete", groupX, "Contributor", 202, true},

	{"VaultListInGroup", "GET", unitGroup + provider + "/vaults", "", aVault, keyVaultAct + "vaults/read", unitGroup, "Reader", 200, false},
	{"VaultList", "GET", subscription + provider + "/vaults", "", aVault, keyVaultAct + "vaults/read", subscription, "Key Vault Contributor", 200, false},
	{"VaultPut", "PUT", vaultX, vaultBody(false), nothing, keyVaultAct + "vaults/write", vaultX, "Key Vault Contributor", 200, true},
	{"VaultPut", "PUT", vaultX, vaultBody(false, entry(testOwner, everyWord())), aVault, keyVaultAct + "vaults/write", vaultX, "Key Vault Contributor", 200, true},
	{"VaultPut", "PUT", vaultX, strings.Replace(vaultBody(false), `{"accessPolicies"`, `{"createMode":"recover","accessPolicies"`, 1), aDeleted, keyVaultAct + "vaults/write", vaultX, "Key Vault Contributor", 200, true},
	{"VaultPatch", "PATCH", vaultX, `{"tags":{"a":"b"}}`, aVault, keyVaultAct + "vaults/write", vaultX, "Key Vault Contributor", 200, true},
	{"VaultGet", "GET", vaultX, "", aVault, keyVaultAct + "vaults/read", vaultX, "Reader", 200, false},
	{"VaultDelete", "DELETE", vaultX, "", aVault, keyVaultAct + "vaults/delete", vaultX, "Key Vault Contributor", 200, true},
	{"VaultAccessPolicyPut", "PUT", vaultX + "/accessPolicies/add", subjectPolicy, aVault, keyVaultAct + "vaults/accessPolicies/write", vaultX + "/accessPolicies/add", "Key Vault Contributor", 200, true},
	{"VaultCheckName", "POST", subscription + provider + "/checkNameAvailability", `{"name":"some-name","type":"Microsoft.KeyVault/vaults"}`, nothing, keyVaultAct + "checkNameAvailability/read", subscription, "Key Vault Reader", 200, false},
	{"VaultListDeleted", "GET", subscription + provider + "/deletedVaults", "", aDeleted, keyVaultAct + "deletedVaults/read", subscription, "Key Vault Reader", 200, false},
	{"VaultGetDeleted", "GET", deletedX, "", aDeleted, keyVaultAct + "locations/deletedVaults/read", deletedX, "Key Vault Reader", 200, false},
	{"VaultPurge", "POST", deletedX + "/purge", "", aDeleted, keyVaultAct + "locations/deletedVaults/purge/action", deletedX, "Contributor", 202, true},
	{"VaultOperationResultGet", "GET", subscription + provider + "/locations/eastus/operationResults/{x}", "", aPurgeJob, resourcesAct + "operationresults/read", subscription, "Reader", 200, false},

	{"ManagedHSMListInGroup", "GET", unitGroup + provider + "/managedHSMs", "", anHSM, keyVaultAct + "managedHSMs/read", unitGroup, "Reader", 200, false},
	{"ManagedHSMList", "GET", subscription + provider + "/managedHSMs", "", anHSM, keyVaultAct + "managedHSMs/read", subscription, "Managed HSM contributor", 200, false},
	{"ManagedHSMPut", "PUT", hsmX, hsmBody, nothing, keyVaultAct + "managedHSMs/write", hsmX, "Managed HSM contributor", 200, true},
	{"ManagedHSMPut", "PUT", hsmX, strings.Replace(hsmBody, `"eastus",`, `"eastus","tags":{"a":"b"},`, 1), anHSM, keyVaultAct + "managedHSMs/write", hsmX, "Contributor", 200, true},
	{"ManagedHSMPut", "PUT", hsmX, `{"location":"eastus","properties":{"createMode":"recover"}}`, aDeletedHSM, keyVaultAct + "managedHSMs/write", hsmX, "Managed HSM contributor", 200, true},
	{"ManagedHSMPatch", "PATCH", hsmX, `{"tags":{"a":"b"}}`, anHSM, keyVaultAct + "managedHSMs/write", hsmX, "Managed HSM contributor", 200, true},
	{"ManagedHSMGet", "GET", hsmX, "", anHSM, keyVaultAct + "managedHSMs/read", hsmX, "Reader", 200, false},
	{"ManagedHSMDelete", "DELETE", hsmX, "", anHSM, keyVaultAct + "managedHSMs/delete", hsmX, "Managed HSM contributor", 200, true},
	{"ManagedHSMCheckName", "POST", subscription + provider + "/checkMhsmNameAvailability", `{"name":"some-name"}`, nothing, keyVaultAct + "checkMhsmNameAvailability/read", subscription, "Reader", 200, false},
	{"ManagedHSMListDeleted", "GET", subscription + provider + "/deletedManagedHSMs", "", aDeletedHSM, keyVaultAct + "deletedManagedHsms/read", subscription, "Managed HSM contributor", 200, false},
	{"ManagedHSMGetDeleted", "GET", deletedHSMX, "", aDeletedHSM, keyVaultAct + "locations/deletedManagedHsms/read", deletedHSMX, "Managed HSM contributor", 200, false},
	{"ManagedHSMPurge", "POST", deletedHSMX + "/purge", "", aDeletedHSM, keyVaultAct + "locations/deletedManagedHsms/purge/action", deletedHSMX, "Managed HSM contributor", 202, true},

	{"RoleAssignmentList", "GET", subscription + assignments, "", nothing, authorizationAct + "roleAssignments/read", subscription, "Key Vault Reader", 200, false},
	{"RoleAssignmentList", "GET", unitGroup + assignments, "", nothing, authorizationAct + "roleAssignments/read", unitGroup, "Key Vault Reader", 200, false},
	{"RoleAssignmentList", "GET", roleVaultID + assignments, "", nothing, authorizationAct + "roleAssignments/read", roleVaultID, "Reader", 200, false},
	{"RoleAssignmentList", "GET", roleSecretID + assignments, "", nothing, authorizationAct + "roleAssignments/read", roleSecretID, "Reader", 200, false},
	{"RoleAssignmentPut", "PUT", subscription + assignmentX, assignmentBody, aGUID, authorizationAct + "roleAssignments/write", subscription, "Owner", 201, true},
	{"RoleAssignmentPut", "PUT", unitGroup + assignmentX, assignmentBody, aGUID, authorizationAct + "roleAssignments/write", unitGroup, "User Access Administrator", 201, true},
	{"RoleAssignmentPut", "PUT", roleVaultID + assignmentX, assignmentBody, aGUID, authorizationAct + "roleAssignments/write", roleVaultID, "Role Based Access Control Administrator", 201, true},
	{"RoleAssignmentPut", "PUT", roleSecretID + assignmentX, assignmentBody, aGUID, authorizationAct + "roleAssignments/write", roleSecretID, "Owner", 201, true},
	{"RoleAssignmentPut", "PUT", roleVaultID + "/keys/k" + assignmentX, assignmentBody, aGUID, authorizationAct + "roleAssignments/write", roleVaultID + "/keys/k", "Owner", 201, true},
	{"RoleAssignmentPut", "PUT", roleVaultID + "/certificates/c" + assignmentX, assignmentBody, aGUID, authorizationAct + "roleAssignments/write", roleVaultID + "/certificates/c", "Owner", 201, true},
	{"RoleAssignmentGet", "GET", subscription + assignmentX, "", anAssignmentAt(subscription), authorizationAct + "roleAssignments/read", subscription, "Key Vault Contributor", 200, false},
	{"RoleAssignmentGet", "GET", roleVaultID + assignmentX, "", anAssignmentAt(roleVaultID), authorizationAct + "roleAssignments/read", roleVaultID, "Reader", 200, false},
	{"RoleAssignmentDelete", "DELETE", subscription + assignmentX, "", anAssignmentAt(subscription), authorizationAct + "roleAssignments/delete", subscription, "Owner", 200, true},
	{"RoleAssignmentDelete", "DELETE", unitGroup + assignmentX, "", anAssignmentAt(unitGroup), authorizationAct + "roleAssignments/delete", unitGroup, "Role Based Access Control Administrator", 200, true},
	{"RoleAssignmentDelete", "DELETE", roleSecretID + assignmentX, "", anAssignmentAt(roleSecretID), authorizationAct + "roleAssignments/delete", roleSecretID, "User Access Administrator", 200, true},
	{"RoleDefinitionList", "GET", subscription + definitions, "", nothing, authorizationAct + "roleDefinitions/read", subscription, "Key Vault Reader", 200, false},
	{"RoleDefinitionList", "GET", roleVaultID + definitions, "", nothing, authorizationAct + "roleDefinitions/read", roleVaultID, "Reader", 200, false},
	{"RoleDefinitionGet", "GET", subscription + definitions + "/" + access.RoleOwner, "", nothing, authorizationAct + "roleDefinitions/read", subscription, "Reader", 200, false},
}

// openRows are the operations that anyone may do who has a token, or not even
// that. What they show, TestOpenOperations checks.
var openRows = map[string]request{
	"MetadataEndpoints": {"GET", "/metadata/endpoints"},
	"OperationList":     {"GET", "/providers/Microsoft.KeyVault/operations"},
	"SubscriptionList":  {"GET", "/subscriptions"},
	"TenantList":        {"GET", "/tenants"},
}

func (r managementRow) at(pattern, x string) string { return strings.ReplaceAll(pattern, "{x}", x) }

func TestManagementMatrixIsComplete(t *testing.T) {
	t.Parallel()
	rows := map[string][]request{}
	for _, r := range managementRows {
		rows[r.operation] = append(rows[r.operation], request{r.method, r.at(r.path, "x")})
	}
	for name, r := range openRows {
		rows[name] = append(rows[name], r)
	}
	checkComplete(t, planeRoutes(t, "../mgmtplane"), rows)
}

// prepareResource makes what the row needs and returns the name of it.
func (m *matrix) prepareResource(s state) string {
	m.t.Helper()
	x := m.fresh()
	if scope, ok := strings.CutPrefix(string(s), string(anAssignmentAt(""))); ok {
		x = m.freshGUID()
		m.manage(http.MethodPut, scope+assignments+"/"+x, strings.ReplaceAll(assignmentBody, "{x}", x)).is(201)
		return x
	}
	switch s {
	case aGUID:
		return m.freshGUID()
	case aGroup, aGroupJob:
		m.manage(http.MethodPut, subscription+"/resourceGroups/"+x, `{"location":"eastus"}`).is(201)
		if s == aGroupJob {
			return m.finished(m.manage(http.MethodDelete, subscription+"/resourceGroups/"+x, "").is(202))
		}
	case aVault, aDeleted, aPurgeJob:
		m.manage(http.MethodPut, vaultPath(x), vaultBody(false)).is(200)
		if s == aVault {
			break
		}
		m.manage(http.MethodDelete, vaultPath(x), "").is(200)
		if s == aPurgeJob {
			return m.finished(m.manage(http.MethodPost, subscription+provider+"/locations/eastus/deletedVaults/"+x+"/purge", "").is(202))
		}
	case anHSM, aDeletedHSM:
		m.manage(http.MethodPut, unitGroup+provider+"/managedHSMs/"+x, hsmBody).is(200)
		if s == aDeletedHSM {
			m.manage(http.MethodDelete, unitGroup+provider+"/managedHSMs/"+x, "").is(200)
		}
	}
	return x
}

// finished waits for the job that an answer has begun, and returns its id.
func (m *matrix) finished(a answer) string {
	m.t.Helper()
	location := a.header.Get("Location")
	path, _, _ := strings.Cut(strings.TrimPrefix(location, "https://"+managementHost), "?")
	m.eventually("the end of a job", func() bool { return m.manage(http.MethodGet, path, "").status == 200 })
	return path[strings.LastIndex(path, "/")+1:]
}

func (m *matrix) tryResource(row managementRow, x string) answer {
	m.t.Helper()
	return m.manage(row.method, row.at(row.path, x), row.at(row.body, x), m.token(m.app.ClientID, m.secret, managementResource))
}

func (m *matrix) deniedResource(what string, row managementRow, x string) {
	m.t.Helper()
	if m.changes(func() {
		a := m.tryResource(row, x)
		a.what = row.operation + ", with " + what
		if row.method == http.MethodHead {
			if a.status != http.StatusForbidden {
				m.t.Errorf("%s: status %d", a.what, a.status)
			}
			return
		}
		a.refused(http.StatusForbidden, "AuthorizationFailed", "", fmt.Sprintf(
			"The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
			m.app.ClientID, m.app.ObjectID, row.action, row.at(row.scope, x)))
	}) {
		m.t.Errorf("%s, with %s: records have changed", row.operation, what)
	}
}

func (m *matrix) allowedResource(what string, row managementRow, x string) {
	m.t.Helper()
	var a answer
	changed := m.changes(func() { a = m.tryResource(row, x) })
	if a.status != row.status || changed != row.writes {
		m.t.Fatalf("%s, with %s: status %d, records changed: %v: %s", row.operation, what, a.status, changed, a.body)
	}
	if a.status == http.StatusAccepted {
		m.finished(a)
	}
}

// Every operation of the management plane: refused without its action, whatever
// else is granted; done by a caller with a built-in role that has it; and refused
// again on the request after the role is taken away.
func TestManagementMatrix(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	m.token(m.app.ClientID, m.secret, managementResource)
	for _, row := range managementRows {
		role := roleNamed(t, row.role)
		actions := []string{row.action}
		if row.operation == "SubscriptionGet" {
			// Whoever sees anything in a subscription sees that it exists.
			actions = append(actions, resourcesAct+"resourceGroups/read", keyVaultAct+"vaults/read")
		}
		granting, others := split(controlActions, actions...)
		if !hasRole(granting, role) {
			t.Fatalf("%s: the role %s does not grant it", row.operation, row.role)
		}
		first, second := m.prepareResource(row.state), m.prepareResource(row.state)

		m.deniedResource("nothing", row, first)
		m.grant(subscription, others...)
		m.deniedResource("every other role", row, first)
		m.revoke()
		// A role of the right kind at the wrong place.
		m.grant(subscription+"/resourceGroups/elsewhere", role)
		if row.scope != subscription {
			m.deniedResource(role.Name+" elsewhere", row, first)
		}
		m.revoke()

		m.grant(subscription, role)
		m.allowedResource(role.Name, row, first)
		m.revoke()
		m.deniedResource(role.Name+" taken away", row, second)

		// At the scope itself, which has to be the one that the refusal names.
		m.grant(row.at(row.scope, second), role)
		m.allowedResource(role.Name+" at the scope", row, second)
		m.revoke()
	}
}

func hasRole(roles []access.Role, role access.Role) bool {
	for _, r := range roles {
		if r.ID == role.ID {
			return true
		}
	}
	return false
}

// The operations that need no permission need a token, but for what clients ask
// before they have one, and they show nothing that the caller may not see.
func TestOpenOperations(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	subject := m.token(m.app.ClientID, m.secret, managementResource)
	for name, r := range openRows {
		status := http.StatusUnauthorized
		if name == "MetadataEndpoints" {
			status = http.StatusOK
		}
		if a := m.do(r.method, managementURL(r.path), "", ""); a.status != status {
			t.Errorf("%s without a token: status %d, want %d: %s", name, a.status, status, a.body)
		}
		m.manage(r.method, r.path, "", subject).is(200)
	}
	names := func(path string) int {
		t.Helper()
		var list struct{ Value []json.RawMessage }
		if err := json.Unmarshal([]byte(m.manage(http.MethodGet, path, "", subject).is(200).body), &list); err != nil {
			t.Fatal(err)
		}
		return len(list.Value)
	}
	for _, path := range []string{"/subscriptions", "/tenants"} {
		if n := names(path); n != 0 {
			t.Errorf("%s shows %d to a caller without a role", path, n)
		}
		m.grant(vaultPath(testVault), roleNamed(t, "Reader"))
		if n := names(path); n != 1 {
			t.Errorf("%s shows %d to a reader of one vault", path, n)
		}
		m.revoke()
		if n := names(path); n != 0 {
			t.Errorf("%s shows %d after the role is taken away", path, n)
		}
	}
	if n := names("/providers/Microsoft.KeyVault/operations"); n < 10 {
		t.Errorf("%d operations", n)
	}
}
