package resource

import (
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Scope is where a role assignment holds: there and below. The zero value is the
// root of the tenant, "/"; each further member narrows it.
type Scope struct {
	Subscription, Group, Vault string
	// Kind is one of ScopeKinds and Object the name of one in the vault, which
	// need not exist. Both are empty for all that is above.
	Kind, Object string
}

// ScopeKinds are the kinds of objects that roles can be assigned at.
var ScopeKinds = []string{"secrets", "keys", "certificates"}

const maxObjectName = 127

// String returns the resource id of the scope.
func (at Scope) String() string {
	switch {
	case at.Subscription == "":
		return "/"
	case at.Group == "":
		return subscriptionScope(at.Subscription)
	case at.Vault == "":
		return groupScope(at.Subscription, at.Group)
	case at.Kind == "":
		return vaultScope(at.Subscription, at.Group, at.Vault)
	default:
		return vaultScope(at.Subscription, at.Group, at.Vault) + "/" + at.Kind + "/" + at.Object
	}
}

// atScope returns an operation at a scope. Nothing below the subscription need
// exist.
func atScope(call Call, name, action string, at Scope, object string) *operation {
	return &operation{
		call: call, name: name, subscription: at.Subscription, root: at == Scope{},
		action: action, scope: at.String(), object: object,
	}
}

// inScope is atScope for operations for which the scope must exist down to the
// vault; existing says whether it does.
func inScope(call Call, name, action string, at Scope, object string) *operation {
	op := atScope(call, name, action, at, object)
	op.group, op.invalid = at.Group, at.check()
	return op
}

// check is what a scope must satisfy whatever the state.
func (at Scope) check() error {
	if at.Kind == "" {
		return nil
	}
	name := at.Object
	if !slices.Contains(ScopeKinds, fold(at.Kind)) || name == "" || len(name) > maxObjectName || !isAlphanumeric(strings.ReplaceAll(name, "-", "")) {
		return fault.New(fault.Invalid, "InvalidScope", "The scope '%s' is not one of an object of a key vault.", at)
	}
	return nil
}

// existing returns the scope with the names of what there is, as they were
// created, or why there is no such place.
func (s *Service) existing(g catalog.Getter, p place, at Scope) (Scope, error) {
	if p.op.root {
		return at, nil
	}
	at.Subscription, at.Kind = p.subscription.ID, fold(at.Kind)
	if p.group == nil {
		return at, nil
	}
	at.Group = p.group.Name
	if at.Vault == "" {
		return at, nil
	}
	v, err := s.live(g, vaultKind, p, at.Vault)
	if err != nil {
		return at, err
	}
	at.Vault = v.Name
	return at, nil
}
