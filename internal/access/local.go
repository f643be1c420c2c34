package access

import (
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// A managed HSM decides by roles of its own, which nobody outside it can assign:
// not the access policies of vaults, and not the role assignments of the
// subscription that it is in.

// LocalActionPrefix begins the name of every data action of a managed HSM.
const LocalActionPrefix = "Microsoft.KeyVault/managedHsm/"

// Scopes of local role assignments: the HSM, all its keys, and, below the latter,
// one key.
const (
	LocalScopeAll  = "/"
	LocalScopeKeys = "/keys"
)

// Ids of the built-in local roles that the program itself assigns.
const (
	LocalRoleAdministrator = "a290e904-7015-4bba-90c8-60543313cdb4"
	LocalRoleCryptoOfficer = "515eb02d-2335-4d2d-92f2-b1cbdf9c3778"
	LocalRoleCryptoUser    = "21dbd100-6940-42c2-9190-5d6cb909625b"
)

// Azure's limits of the local permissions of a managed HSM.
const (
	MaxLocalRoles          = 50
	MaxLocalAssignments    = 50 // at the HSM, and at all keys
	MaxKeyLocalAssignments = 10 // at one key
)

// LocalRole is a role definition of a managed HSM.
type LocalRole struct {
	ID          string            `json:"id"` // a GUID
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Permissions []LocalPermission `json:"permissions,omitempty"`
}

// LocalPermission is one part of a local role. Entries of DataActions and
// NotDataActions are whole names of data actions. Actions of the management plane
// mean nothing in an HSM; they are kept as they were given.
type LocalPermission struct {
	Actions        []string `json:"actions,omitempty"`
	NotActions     []string `json:"notActions,omitempty"`
	DataActions    []string `json:"dataActions,omitempty"`
	NotDataActions []string `json:"notDataActions,omitempty"`
}

// LocalAssignment gives a local role to a principal at a scope and below.
type LocalAssignment struct {
	ID          string `json:"id"`    // a GUID, unique in the HSM
	Scope       string `json:"scope"` // "/", "/keys" or "/keys/<name>"
	RoleID      string `json:"roleId"`
	PrincipalID string `json:"principalId"`
}

// LocalRoles are the permissions that a managed HSM holds: its own roles beside
// the built-in ones, and who has which role.
type LocalRoles struct {
	Custom      []LocalRole       `json:"custom,omitempty"`
	Assignments []LocalAssignment `json:"assignments,omitempty"`
}

// Role returns the role, built-in or custom, whose id is or ends with the GUID, or
// nil.
func (l *LocalRoles) Role(id string) *LocalRole {
	if role := LocalBuiltinByID(id); role != nil {
		return role
	}
	return localRoleByID(l.Custom, id)
}

// LocalBuiltinByID is LocalRoles.Role for built-in roles alone.
func LocalBuiltinByID(id string) *LocalRole { return localRoleByID(LocalBuiltin, id) }

func localRoleByID(roles []LocalRole, id string) *LocalRole {
	id = id[strings.LastIndexByte(id, '/')+1:]
	i := slices.IndexFunc(roles, func(r LocalRole) bool { return strings.EqualFold(r.ID, id) })
	if i < 0 {
		return nil
	}
	return &roles[i]
}

// Clone returns a copy that shares nothing with l.
func (l *LocalRoles) Clone() LocalRoles {
	c := LocalRoles{Custom: slices.Clone(l.Custom), Assignments: slices.Clone(l.Assignments)}
	for i, role := range c.Custom {
		c.Custom[i].Permissions = slices.Clone(role.Permissions)
		for j, p := range role.Permissions {
			c.Custom[i].Permissions[j] = LocalPermission{
				Actions: slices.Clone(p.Actions), NotActions: slices.Clone(p.NotActions),
				DataActions: slices.Clone(p.DataActions), NotDataActions: slices.Clone(p.NotDataActions),
			}
		}
	}
	return c
}

// Local decides whether c may perform a data action, named without
// LocalActionPrefix, in a managed HSM at a local scope. It returns nil, or a
// *fault.Error of kind Forbidden in the service's words.
func Local(c Caller, v Vault, action, scope string) error {
	if action != "" && c.ObjectID != "" && v.Local != nil && strings.EqualFold(c.TenantID, v.TenantID) {
		for _, a := range v.Local.Assignments {
			if !c.is(a.PrincipalID) || !within(foldScope(scope), foldScope(a.Scope)) {
				continue
			}
			if role := v.Local.Role(a.RoleID); role != nil && role.allows(LocalActionPrefix+action) {
				return nil
			}
		}
	}
	return fault.New(fault.Forbidden, "AccessDenied", "Not authorized to access %s on %s", LocalActionPrefix+action, scope)
}

// allows reports whether one part of the role lists the action and none withholds
// it.
func (r *LocalRole) allows(action string) bool {
	listed := false
	for _, p := range r.Permissions {
		if containsAction(p.NotDataActions, action) {
			return false
		}
		listed = listed || containsAction(p.DataActions, action)
	}
	return listed
}

func containsAction(names []string, action string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, action) })
}

// localKeyActions are the data actions of a managed HSM for what a vault calls by
// the permissions of keys. The names differ in spelling and in grain: there is
// none for a rotation policy, which is part of its key.
var localKeyActions = map[string]string{
	"create":            "keys/create",
	"import":            "keys/import/action",
	"get":               "keys/read/action",
	"list":              "keys/read/action",
	"update":            "keys/write/action",
	"delete":            "keys/delete",
	"backup":            "keys/backup/action",
	"restore":           "keys/restore/action",
	"purge":             "keys/deletedKeys/delete",
	"recover":           "keys/deletedKeys/recover/action",
	"encrypt":           "keys/encrypt/action",
	"decrypt":           "keys/decrypt/action",
	"wrapKey":           "keys/wrap/action",
	"unwrapKey":         "keys/unwrap/action",
	"sign":              "keys/sign/action",
	"verify":            "keys/verify/action",
	"rotate":            "keys/rotate/action",
	"getrotationpolicy": "keys/read/action",
	"setrotationpolicy": "keys/write/action",
	"release":           "keys/release/action",
}

// deletedKeyRead is the data action for looking at deleted keys, which in an HSM
// is not that for looking at others.
const deletedKeyRead = "keys/deletedKeys/read/action"

// DeletedData is Data for looking at what is deleted, which in a managed HSM is a
// permission of its own.
func DeletedData(c Caller, v Vault, roles *Assignments, act Action, object string) error {
	if v.Local == nil {
		return Data(c, v, roles, act, object)
	}
	return Local(c, v, deletedKeyRead, localScope(object))
}

// localData is Data for a managed HSM, where nothing but keys can be acted upon.
func localData(c Caller, v Vault, act Action, object string) error {
	action := ""
	if act.Category == "keys" {
		action = localKeyActions[act.Permission]
	}
	return Local(c, v, action, localScope(object))
}

func localScope(object string) string {
	if object == "" {
		return LocalScopeKeys
	}
	return "/" + object
}
