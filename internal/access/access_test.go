package access_test

import (
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

const (
	tenant = "11111111-1111-1111-1111-111111111111"
	oid    = "22222222-2222-2222-2222-222222222222"
	group  = "33333333-3333-3333-3333-333333333333"
	app    = "44444444-4444-4444-4444-444444444444"
	sub    = "/subscriptions/55555555-5555-5555-5555-555555555555"
	rg     = sub + "/resourceGroups/Team"
	id     = rg + "/providers/Microsoft.KeyVault/vaults/V1"
)

var (
	caller = access.Caller{TenantID: tenant, ObjectID: oid, AppID: app, Issuer: "https://sts.windows.net/" + tenant + "/", Groups: []string{group}}
	secretsUser,
	contributor = "4633458b-17de-408a-b874-0445c86b69e6", access.RoleContributor
)

// every action of the package, so that a rule holds for those to come too.
var actions = []access.Action{
	access.SecretSet, access.SecretGet, access.SecretUpdate, access.SecretDelete, access.SecretList,
	access.SecretBackup, access.SecretRestore, access.SecretPurge, access.SecretRecover, access.DeletedSecretGet,
	access.KeyCreate, access.KeyImport, access.KeyGet, access.KeyUpdate, access.KeyDelete, access.KeyList,
	access.KeyBackup, access.KeyRestore, access.KeyPurge, access.KeyRecover,
	access.KeyRotate, access.KeyGetRotationPolicy, access.KeySetRotationPolicy,
}

func vaultWith(policies ...access.Policy) access.Vault {
	return access.Vault{Name: "V1", TenantID: tenant, Location: "eastus", ResourceID: id, Policies: policies}
}

func grant(category string, words ...string) access.Permissions {
	switch category {
	case "keys":
		return access.Permissions{Keys: words}
	case "secrets":
		return access.Permissions{Secrets: words}
	case "certificates":
		return access.Permissions{Certificates: words}
	default:
		return access.Permissions{Storage: words}
	}
}

func TestPolicyGrantsExactlyItsWord(t *testing.T) {
	for _, want := range actions {
		v := vaultWith(access.Policy{TenantID: tenant, ObjectID: oid, Permissions: grant(want.Category, strings.ToUpper(want.Permission))})
		for _, act := range actions {
			err := access.Data(caller, v, nil, act, "")
			allowed := act.Category == want.Category && act.Permission == want.Permission
			if (err == nil) != allowed {
				t.Errorf("policy %s/%s, action %+v: %v", want.Category, want.Permission, act, err)
			}
		}
	}
}

func TestPolicyMatching(t *testing.T) {
	get := grant("secrets", "get")
	tests := []struct {
		name   string
		policy access.Policy
		act    access.Action
		want   bool
	}{
		{"object id without case", access.Policy{TenantID: strings.ToUpper(tenant), ObjectID: strings.ToUpper(oid), Permissions: get}, access.SecretGet, true},
		{"group", access.Policy{TenantID: tenant, ObjectID: group, Permissions: get}, access.SecretGet, true},
		{"other object", access.Policy{TenantID: tenant, ObjectID: app, Permissions: get}, access.SecretGet, false},
		{"other tenant", access.Policy{TenantID: app, ObjectID: oid, Permissions: get}, access.SecretGet, false},
		{"application", access.Policy{TenantID: tenant, ObjectID: oid, ApplicationID: app, Permissions: get}, access.SecretGet, true},
		{"other application", access.Policy{TenantID: tenant, ObjectID: oid, ApplicationID: oid, Permissions: get}, access.SecretGet, false},
		{"all", access.Policy{TenantID: tenant, ObjectID: oid, Permissions: grant("secrets", "all")}, access.SecretDelete, true},
		{"all is not purge", access.Policy{TenantID: tenant, ObjectID: oid, Permissions: grant("secrets", "All")}, access.SecretPurge, false},
		{"all and purge", access.Policy{TenantID: tenant, ObjectID: oid, Permissions: grant("secrets", "all", "purge")}, access.SecretPurge, true},
		{"other category", access.Policy{TenantID: tenant, ObjectID: oid, Permissions: grant("keys", "all")}, access.SecretGet, false},
		{"zero action", access.Policy{TenantID: tenant, ObjectID: oid, Permissions: grant("", "")}, access.Action{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := access.Data(caller, vaultWith(tt.policy), nil, tt.act, ""); (err == nil) != tt.want {
				t.Errorf("Data = %v, want allowed %v", err, tt.want)
			}
		})
	}
}

func TestNobodyIsNobody(t *testing.T) {
	v := vaultWith(access.Policy{Permissions: grant("secrets", "all")})
	if err := access.Data(access.Caller{}, v, nil, access.SecretGet, ""); err == nil {
		t.Error("the zero caller matched a policy with empty ids")
	}
	roles := access.NewAssignments([]access.Assignment{{Scope: "/", RoleID: access.RoleKeyVaultAdministrator}})
	v.RBAC, v.TenantID = true, ""
	if err := access.Data(access.Caller{}, v, roles, access.SecretGet, ""); err == nil {
		t.Error("the zero caller matched an assignment without a principal")
	}
	if err := access.Control(access.Caller{}, roles, "x/read", "/"); err == nil {
		t.Error("the zero caller passed the management plane")
	}
}

func TestRolesByScope(t *testing.T) {
	v := vaultWith(access.Policy{TenantID: tenant, ObjectID: oid, Permissions: grant("secrets", "all", "purge")})
	v.RBAC = true
	tests := []struct {
		name, scope, object string
		want                bool
	}{
		{"root", "/", "secrets/a", true},
		{"subscription", sub, "secrets/a", true},
		{"subscription in capitals, trailing slash", strings.ToUpper(sub) + "/", "secrets/a", true},
		{"group", rg, "secrets/a", true},
		{"vault", id, "secrets/a", true},
		{"object", id + "/secrets/a", "secrets/a", true},
		{"other object", id + "/secrets/a", "secrets/ab", false},
		{"vault of a longer name", id + "2", "secrets/a", false},
		{"group of a shorter name", rg[:len(rg)-1], "secrets/a", false},
		{"object scope does not list", id + "/secrets/a", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			roles := access.NewAssignments([]access.Assignment{{ID: "x", Scope: tt.scope, RoleID: "/p/" + strings.ToUpper(secretsUser), PrincipalID: oid}})
			err := access.Data(caller, v, roles, access.SecretGet, tt.object)
			if (err == nil) != tt.want {
				t.Errorf("Data = %v, want allowed %v", err, tt.want)
			}
		})
	}
	if err := access.Data(caller, v, nil, access.SecretGet, "secrets/a"); err == nil {
		t.Error("access policies decided in a vault that roles decide about")
	}
}

func TestControlRolesCarryNoData(t *testing.T) {
	v := vaultWith()
	v.RBAC = true
	roles := access.NewAssignments([]access.Assignment{
		{ID: "1", Scope: sub, RoleID: access.RoleOwner, PrincipalID: oid},
		{ID: "2", Scope: sub, RoleID: contributor, PrincipalID: group},
	})
	if err := access.Data(caller, v, roles, access.SecretGet, "secrets/a"); err == nil {
		t.Error("Owner read a secret")
	}
	if err := access.Control(caller, roles, "Microsoft.KeyVault/vaults/write", id); err != nil {
		t.Errorf("Owner may not write a vault: %v", err)
	}
}

func TestContributorAssignsNoRoles(t *testing.T) {
	roles := access.NewAssignments([]access.Assignment{{ID: "1", Scope: sub, RoleID: contributor, PrincipalID: oid}})
	for action, want := range map[string]bool{
		"Microsoft.KeyVault/vaults/write":               true,
		"Microsoft.Authorization/roleAssignments/read":  true,
		"Microsoft.Authorization/roleAssignments/write": false,
		"microsoft.authorization/roleassignments/WRITE": false,
		"Microsoft.Authorization/elevateAccess/action":  false,
	} {
		if err := access.Control(caller, roles, action, rg); (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", action, err, want)
		}
	}
	if err := access.Control(caller, roles, "x/read", "/subscriptions/other"); err == nil {
		t.Error("an assignment reached another subscription")
	}
}

func TestRefusalsInAzuresWords(t *testing.T) {
	err := access.Data(caller, vaultWith(), nil, access.SecretGet, "secrets/a")
	e, ok := fault.As(err)
	want := "The user, group or application 'appid=" + app + ";oid=" + oid + ";numgroups=1;iss=https://sts.windows.net/" + tenant +
		"/' does not have secrets get permission on key vault 'V1;location=eastus'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287"
	if !ok || e.Kind != fault.Forbidden || e.Code != "Forbidden" || e.Inner != "ForbiddenByPolicy" || e.Message != want {
		t.Errorf("by policy: %+v", e)
	}

	v := vaultWith()
	v.RBAC = true
	e, ok = fault.As(access.Data(caller, v, nil, access.SecretGet, "secrets/A"))
	if !ok || e.Kind != fault.Forbidden || e.Inner != "ForbiddenByRbac" ||
		!strings.Contains(e.Message, "\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nResource: '"+strings.ToLower(id)+"/secrets/A'\r\nAssignment: (not found)\r\n") ||
		!strings.HasSuffix(e.Message, "\r\nVault: V1;location=eastus\r\n") {
		t.Errorf("by role: %+v", e)
	}

	e, ok = fault.As(access.Control(caller, nil, "Microsoft.KeyVault/vaults/read", id))
	if !ok || e.Kind != fault.Forbidden || e.Code != "AuthorizationFailed" ||
		!strings.HasPrefix(e.Message, "The client '"+app+"' with object id '"+oid+"' does not have authorization to perform action 'Microsoft.KeyVault/vaults/read' over scope '"+id+"'") {
		t.Errorf("management: %+v", e)
	}
}

func TestEveryDataRoleIsWhatItsNameSays(t *testing.T) {
	v := vaultWith()
	v.RBAC = true
	may := func(role string, act access.Action) bool {
		roles := access.NewAssignments([]access.Assignment{{ID: "1", Scope: id, RoleID: role, PrincipalID: oid}})
		return access.Data(caller, v, roles, act, "") == nil
	}
	for _, role := range access.Builtin {
		var granted []string
		for _, act := range actions {
			if may(role.ID, act) {
				granted = append(granted, act.DataAction)
			}
		}
		want, ok := dataActionsByRole[role.Name]
		if !ok {
			t.Errorf("no expectation for role %s", role.Name)
		}
		if got := strings.Join(granted, " "); got != want {
			t.Errorf("%s grants %q, want %q", role.Name, got, want)
		}
	}
}

const (
	allSecrets = "secrets/setSecret/action secrets/getSecret/action secrets/update/action secrets/delete secrets/readMetadata/action secrets/backup/action secrets/restore/action secrets/purge/action secrets/recover/action secrets/readMetadata/action"
	allKeys    = "keys/create/action keys/import/action keys/read keys/update/action keys/delete keys/read keys/backup/action keys/restore/action keys/purge/action keys/recover/action" +
		" keys/rotate/action keyrotationpolicies/read keyrotationpolicies/write"
)

var dataActionsByRole = map[string]string{
	"Key Vault Administrator":                  allSecrets + " " + allKeys,
	"Key Vault Certificates Officer":           "",
	"Key Vault Certificate User":               "secrets/getSecret/action secrets/readMetadata/action secrets/readMetadata/action keys/read keys/read",
	"Key Vault Contributor":                    "",
	"Key Vault Crypto Officer":                 allKeys,
	"Key Vault Crypto Service Encryption User": "keys/read keys/read",
	"Key Vault Crypto Service Release User":    "",
	"Key Vault Crypto User":                    "keys/read keys/update/action keys/read keys/backup/action",
	"Key Vault Reader":                         "secrets/readMetadata/action secrets/readMetadata/action keys/read keys/read keyrotationpolicies/read",
	"Key Vault Secrets Officer":                allSecrets,
	"Key Vault Secrets User":                   "secrets/getSecret/action secrets/readMetadata/action secrets/readMetadata/action",
	"Managed HSM contributor":                  "",
	"Owner":                                    "",
	"Contributor":                              "",
	"Reader":                                   "",
	"User Access Administrator":                "",
	"Role Based Access Control Administrator":  "",
}
