package access

import (
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

const dataActionPrefix = "Microsoft.KeyVault/vaults/"

// Data decides whether c may perform act in v. The object is the path of the
// object within the vault, "secrets/name", or empty when the action is on the
// collection. It returns nil, or a *fault.Error of kind Forbidden that says in
// Azure's words what is missing.
func Data(c Caller, v Vault, roles *Assignments, act Action, object string) error {
	if v.Local != nil {
		return localData(c, v, act, object)
	}
	if act == (Action{}) || c.ObjectID == "" {
		return deniedByPolicy(c, v, act)
	}
	if !v.RBAC {
		if allowedByPolicy(c, v, act) {
			return nil
		}
		return deniedByPolicy(c, v, act)
	}
	if strings.EqualFold(c.TenantID, v.TenantID) && roles.dataAllowed(c, v.ResourceID, object, dataActionPrefix+act.DataAction) {
		return nil
	}
	scope := strings.ToLower(v.ResourceID) // as in Azure's answers
	if object != "" {
		scope += "/" + object
	}
	return deniedByRole(c, v, act, scope)
}

// Control decides whether c may perform an action of the management plane,
// such as "Microsoft.KeyVault/vaults/write", at a scope: "/" or a resource id.
func Control(c Caller, roles *Assignments, action, scope string) error {
	if c.ObjectID != "" && roles.controlAllowed(c, scope, action) {
		return nil
	}
	return fault.New(fault.Forbidden, "AuthorizationFailed",
		"The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		c.AppID, c.ObjectID, action, scope)
}

func allowedByPolicy(c Caller, v Vault, act Action) bool {
	if !strings.EqualFold(c.TenantID, v.TenantID) {
		return false
	}
	for _, p := range v.Policies {
		if p.names(c) && grants(p.Permissions.of(act.Category), act.Permission) {
			return true
		}
	}
	return false
}

// names reports whether the policy is about the caller, directly or through a
// group. A policy with an application id is for that application alone.
func (p Policy) names(c Caller) bool {
	if !strings.EqualFold(p.TenantID, c.TenantID) {
		return false
	}
	if p.ApplicationID != "" && !strings.EqualFold(p.ApplicationID, c.AppID) {
		return false
	}
	return c.is(p.ObjectID)
}

// is reports whether id is the caller's object id or one of its groups.
func (c Caller) is(id string) bool {
	if strings.EqualFold(id, c.ObjectID) {
		return true
	}
	return slices.ContainsFunc(c.Groups, func(g string) bool { return strings.EqualFold(id, g) })
}

func (p Permissions) of(category string) []string {
	switch category {
	case "keys":
		return p.Keys
	case "secrets":
		return p.Secrets
	case "certificates":
		return p.Certificates
	case "storage":
		return p.Storage
	}
	return nil
}

// grants reports whether words hold the permission. The word "all" stands for
// every permission but purge, which has to be given by name.
func grants(words []string, permission string) bool {
	for _, w := range words {
		if strings.EqualFold(w, permission) || strings.EqualFold(w, "all") && permission != "purge" {
			return true
		}
	}
	return false
}

func deniedByPolicy(c Caller, v Vault, act Action) error {
	return fault.New(fault.Forbidden, "Forbidden",
		"The user, group or application 'appid=%s;oid=%s;numgroups=%d;iss=%s' does not have %s %s permission on key vault '%s;location=%s'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
		c.AppID, c.ObjectID, len(c.Groups), c.Issuer, act.Category, act.Permission, v.Name, v.Location).WithInner("ForbiddenByPolicy")
}

func deniedByRole(c Caller, v Vault, act Action, scope string) error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=%s;oid=%s;iss=%s\r\nAction: '%s'\r\nResource: '%s'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: %s;location=%s\r\n",
		c.AppID, c.ObjectID, c.Issuer, dataActionPrefix+act.DataAction, scope, v.Name, v.Location).WithInner("ForbiddenByRbac")
}
