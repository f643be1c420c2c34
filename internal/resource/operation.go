package resource

import (
	"context"
	"errors"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// operation is one call of the service on its way through permission, work and
// audit.
type operation struct {
	call Call
	name string // in the audit log
	// subscription that the operation is in, unless it is at the root of a tenant.
	subscription string
	root         bool
	// group that must exist, or empty.
	group string
	// action and scope say what the caller must be allowed to do, and where.
	action, scope string
	// object is what the audit log shows besides the scope.
	object string
	// below lets callers in who are allowed the action somewhere below the
	// scope: a list then shows them that part.
	below bool
	// starter, if not nil, lets this caller in without the permission.
	starter *access.Caller
	// invalid is what is wrong with the request whatever the state. It is told
	// to callers that have the permission only.
	invalid error
}

// place is where an operation has found itself to be.
type place struct {
	roles        *access.Assignments
	subscription Subscription
	group        *Group // nil unless the operation named one
	// part says that the caller may see only what filter allows.
	part bool
	op   *operation
}

// sees reports whether a list shows what is at the scope.
func (p place) sees(scope string) bool {
	return !p.part || access.Control(p.op.call.Caller, p.roles, p.op.action, scope) == nil
}

// enter reads where the operation is, and decides whether the caller may.
func (s *Service) enter(g catalog.Getter, roles *access.Assignments, op *operation) (place, error) {
	p := place{roles: roles, op: op}
	if op.root {
		return p, s.enterRoot(g, &p)
	}
	if !validGUID(op.subscription) {
		return p, fault.New(fault.Invalid, "InvalidSubscriptionId",
			"The provided subscription identifier '%s' is malformed or invalid.", op.subscription)
	}
	keys := [][]byte{subscriptionKey(op.subscription)}
	// A name that no group can have may not fit into a key.
	lookUp := op.group != "" && checkGroupName(op.group) == nil
	if lookUp {
		keys = append(keys, groupKey(op.subscription, op.group))
	}
	recs, err := g.Get(keys...)
	if err != nil {
		return p, err
	}
	if !recs[0].Exists() {
		return p, subscriptionNotFound(op.subscription)
	}
	if err := s.open(keys[0], recs[0], &p.subscription); err != nil {
		return p, err
	}
	if err := sameTenant(op.call.Caller, p.subscription); err != nil {
		return p, err
	}
	if err := s.permit(g, op, &p); err != nil {
		return p, err
	}
	if op.invalid != nil {
		return p, op.invalid
	}
	if op.group == "" {
		return p, nil
	}
	if !lookUp || !recs[1].Exists() {
		return p, groupNotFound(op.group)
	}
	p.group = new(Group)
	return p, s.open(keys[1], recs[1], p.group)
}

// enterRoot is enter for what is above all subscriptions.
func (s *Service) enterRoot(g catalog.Getter, p *place) error {
	caller := p.op.call.Caller
	known := validGUID(caller.TenantID)
	if known {
		recs, err := g.Get(directoryKey(caller.TenantID))
		if err != nil {
			return err
		}
		known = recs[0].Exists()
	}
	if !known {
		return fault.New(fault.Unauthenticated, "InvalidAuthenticationTokenTenant",
			"The access token is from the wrong issuer '%s'. It must be of a tenant that has subscriptions here.", caller.Issuer)
	}
	if err := s.permit(g, p.op, p); err != nil {
		return err
	}
	return p.op.invalid
}

// permit decides about the action, and whether at the scope or in parts of it.
func (s *Service) permit(g catalog.Getter, op *operation, p *place) error {
	if op.starter != nil && op.call.Caller.ObjectID != "" && strings.EqualFold(op.starter.ObjectID, op.call.Caller.ObjectID) {
		return nil
	}
	denied := access.Control(op.call.Caller, p.roles, op.action, op.scope)
	if denied == nil {
		return nil
	}
	if v, ok := g.(store.View); ok && op.below {
		scopes, err := s.scopesBelow(v, op.call.Caller, op.scope)
		if err != nil {
			return err
		}
		for _, scope := range scopes {
			if access.Control(op.call.Caller, p.roles, op.action, scope) == nil {
				p.part = true
				return nil
			}
		}
	}
	return denied
}

// sameTenant keeps callers of other tenants out: object ids are unique in their
// tenant only.
func sameTenant(c access.Caller, sub Subscription) error {
	if strings.EqualFold(c.TenantID, sub.TenantID) {
		return nil
	}
	wanted := "https://sts.windows.net/" + sub.TenantID + "/"
	if c.TenantID != "" && strings.Contains(c.Issuer, c.TenantID) {
		wanted = strings.ReplaceAll(c.Issuer, c.TenantID, sub.TenantID)
	}
	return fault.New(fault.Unauthenticated, "InvalidAuthenticationTokenTenant",
		"The access token is from the wrong issuer '%s'. It must match the tenant '%s' associated with this subscription. Please use the authority (URL) 'https://login.windows.net/%s' to get the token. Note, if the subscription is transferred to another tenant there is no impact to the services, but information about new tenant could take time to propagate (up to an hour). If you just transferred your subscription and see this error message, please try back later.",
		c.Issuer, wanted, sub.TenantID)
}

func subscriptionNotFound(id string) error {
	return fault.New(fault.NotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", id)
}

func groupNotFound(name string) error {
	return fault.New(fault.NotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", name)
}

func groupBeingDeleted(name string) error {
	return fault.New(fault.Conflict, "ResourceGroupBeingDeleted",
		"The resource group '%s' is in deprovisioning state and cannot perform this operation.", name)
}

// read calls fn with a view of the store if the caller may do what op says, and
// audits it.
func (s *Service) read(ctx context.Context, op *operation, fn func(store.View, place) error) error {
	err := s.cfg.Audit.Ready()
	if err != nil {
		return err
	}
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		roles, err := s.cfg.Catalog.Roles(v)
		if err != nil {
			return err
		}
		p, err := s.enter(v, roles, op)
		if err != nil {
			return err
		}
		return fn(v, p)
	})
	return s.conclude(ctx, op, err)
}

// write calls fn in an update if the caller may do what op says. The audit
// record of what it does is part of the update. Nothing is written into a group
// that is being deleted.
func (s *Service) write(ctx context.Context, op *operation, fn func(store.Tx, place) error) error {
	if err := s.cfg.Audit.Ready(); err != nil {
		return err
	}
	entry, err := s.cfg.Audit.Prepare(op.record())
	if err != nil {
		return err
	}
	err = s.cfg.Catalog.Do(ctx, func(tx store.Tx, roles *access.Assignments) error {
		p, err := s.enter(tx, roles, op)
		if err != nil {
			return err
		}
		if p.group != nil && p.group.Deleting() {
			return groupBeingDeleted(p.group.Name)
		}
		if err := fn(tx, p); err != nil {
			return err
		}
		s.cfg.Audit.Append(tx, entry)
		return nil
	})
	if errors.Is(err, store.ErrTooLarge) {
		err = fault.New(fault.TooLarge, "RequestContentTooLarge",
			"The resource would be larger than %d KiB, which is the most that this service stores.", store.MaxValue>>10)
	}
	if err != nil {
		return s.conclude(ctx, op, err)
	}
	return nil
}

func (op *operation) record() *audit.Record {
	return &audit.Record{Operation: op.name, Resource: op.scope, Object: op.object, Caller: op.call.Caller, Origin: op.call.Origin}
}

// conclude audits a read or a refusal and returns what the caller is told. The
// record is written even when the caller has gone.
func (s *Service) conclude(ctx context.Context, op *operation, err error) error {
	r := op.record()
	if f, ok := fault.As(err); ok {
		r.Code, r.Reason = f.Code, f.Message
	} else if err != nil {
		r.Code = "InternalServerError"
	}
	if failed := s.cfg.Audit.Write(context.WithoutCancel(ctx), r); failed != nil {
		return errors.Join(failed, err)
	}
	return err
}

// roleScopes are the scopes at which principals hold roles, under the revision
// of the authorisation epoch.
type roleScopes struct {
	revision    store.Revision
	byPrincipal map[string][]string // both folded
}

// scopesBelow returns the scopes strictly below scope at which the caller holds
// a role.
func (s *Service) scopesBelow(v store.View, c access.Caller, scope string) ([]string, error) {
	index, err := s.roleScopesAt(v)
	if err != nil {
		return nil, err
	}
	prefix := strings.TrimRight(fold(scope), "/") + "/"
	var found []string
	for _, principal := range append([]string{c.ObjectID}, c.Groups...) {
		for _, at := range index.byPrincipal[fold(principal)] {
			if strings.HasPrefix(at, prefix) && len(at) > len(prefix) {
				found = append(found, at)
			}
		}
	}
	return found, nil
}

func (s *Service) roleScopesAt(v store.View) (*roleScopes, error) {
	recs, err := v.Get(catalog.AuthzKey)
	if err != nil {
		return nil, err
	}
	if cached := s.roles.Load(); cached != nil && cached.revision == recs[0].Revision {
		return cached, nil
	}
	index := &roleScopes{revision: recs[0].Revision, byPrincipal: map[string][]string{}}
	err = scanAll(v, tuple.Prefix(tuple.Key("role")), func(e store.Entry) error {
		a, err := s.cfg.Catalog.DecodeAssignment(e.Key, e.Record)
		if err != nil {
			return err
		}
		principal := fold(a.PrincipalID)
		index.byPrincipal[principal] = append(index.byPrincipal[principal], fold(a.Scope))
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.roles.Store(index)
	return index, nil
}

// scanAll calls fn with every entry of a range.
func scanAll(v store.View, r store.Range, fn func(store.Entry) error) error {
	for {
		batch, err := v.Scan(r, store.MaxScan)
		if err != nil {
			return err
		}
		for _, e := range batch {
			if err := fn(e); err != nil {
				return err
			}
		}
		if len(batch) < store.MaxScan {
			return nil
		}
		r.Start = tuple.After(batch[len(batch)-1].Key)
	}
}
