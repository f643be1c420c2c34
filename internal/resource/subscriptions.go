package resource

import (
	"context"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

const actSubscriptionRead = "Microsoft.Resources/subscriptions/read"

// visibleBy are the actions of which one, anywhere in a subscription, lets a
// caller see that the subscription exists.
var visibleBy = []string{actSubscriptionRead, actGroupRead, actVaultRead}

// ListSubscriptions returns the subscriptions in which the caller may see
// anything. Any caller may ask.
func (s *Service) ListSubscriptions(ctx context.Context, call Call) ([]Subscription, error) {
	op := &operation{call: call, name: "SubscriptionList", scope: "/"}
	if err := s.cfg.Audit.Ready(); err != nil {
		return nil, err
	}
	var found []Subscription
	err := s.cfg.Store.View(ctx, func(v store.View) (err error) {
		found, err = s.visibleSubscriptions(v, call.Caller)
		return err
	})
	if err := s.conclude(ctx, op, err); err != nil {
		return nil, err
	}
	return found, nil
}

func (s *Service) visibleSubscriptions(v store.View, c access.Caller) ([]Subscription, error) {
	roles, err := s.cfg.Catalog.Roles(v)
	if err != nil {
		return nil, err
	}
	var found []Subscription
	err = scanAll(v, tuple.Prefix(subscriptionRoot), func(e store.Entry) error {
		var sub Subscription
		if err := s.open(e.Key, e.Record, &sub); err != nil {
			return err
		}
		visible, err := s.visible(v, roles, c, sub)
		if visible {
			found = append(found, sub)
		}
		return err
	})
	return found, err
}

func (s *Service) visible(v store.View, roles *access.Assignments, c access.Caller, sub Subscription) (bool, error) {
	if sameTenant(c, sub) != nil {
		return false, nil
	}
	below, err := s.scopesBelow(v, c, sub.Scope())
	if err != nil {
		return false, err
	}
	for _, scope := range append([]string{sub.Scope()}, below...) {
		for _, action := range visibleBy {
			if access.Control(c, roles, action, scope) == nil {
				return true, nil
			}
		}
	}
	return false, nil
}

// GetSubscription returns a subscription in which the caller may see anything.
func (s *Service) GetSubscription(ctx context.Context, call Call, id string) (found Subscription, err error) {
	op := &operation{call: call, name: "SubscriptionGet", subscription: id, action: actSubscriptionRead, scope: subscriptionScope(id)}
	if err := s.cfg.Audit.Ready(); err != nil {
		return Subscription{}, err
	}
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		roles, err := s.cfg.Catalog.Roles(v)
		if err != nil {
			return err
		}
		p, denied := s.enter(v, roles, op)
		found = p.subscription
		if denied == nil || found.ID == "" {
			return denied
		}
		if visible, err := s.visible(v, roles, call.Caller, found); err != nil || visible {
			return err
		}
		return denied
	})
	if err := s.conclude(ctx, op, err); err != nil {
		return Subscription{}, err
	}
	return found, nil
}

// TenantOf returns the tenant of a subscription, or nothing when there is no
// such subscription. Anyone may know it: it is where tokens for the
// subscription come from.
func (s *Service) TenantOf(ctx context.Context, subscription string) (tenant string, err error) {
	if !validGUID(subscription) {
		return "", nil
	}
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		key := subscriptionKey(subscription)
		recs, err := v.Get(key)
		if err != nil || !recs[0].Exists() {
			return err
		}
		var sub Subscription
		err = s.open(key, recs[0], &sub)
		tenant = sub.TenantID
		return err
	})
	return tenant, err
}

// ListTenants returns the tenants of the subscriptions that the caller sees.
func (s *Service) ListTenants(ctx context.Context, call Call) ([]Tenant, error) {
	op := &operation{call: call, name: "TenantList", scope: "/"}
	if err := s.cfg.Audit.Ready(); err != nil {
		return nil, err
	}
	var found []Tenant
	err := s.cfg.Store.View(ctx, func(v store.View) error {
		subs, err := s.visibleSubscriptions(v, call.Caller)
		if err != nil {
			return err
		}
		found, err = s.tenantsOf(v, subs)
		return err
	})
	if err := s.conclude(ctx, op, err); err != nil {
		return nil, err
	}
	return found, nil
}

func (s *Service) tenantsOf(g catalog.Getter, subs []Subscription) ([]Tenant, error) {
	var found []Tenant
	for _, sub := range subs {
		if slices.ContainsFunc(found, func(t Tenant) bool { return fold(t.ID) == fold(sub.TenantID) }) {
			continue
		}
		key := directoryKey(sub.TenantID)
		recs, err := g.Get(key)
		if err != nil {
			return nil, err
		}
		var t Tenant
		if err := s.open(key, recs[0], &t); err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	return found, nil
}

// ListLocations returns the regions that resources of the subscription may have.
func (s *Service) ListLocations(ctx context.Context, call Call, subscription string) ([]Location, error) {
	err := s.Authorize(ctx, call, "LocationList", subscription, "", "Microsoft.Resources/subscriptions/locations/read")
	if err != nil {
		return nil, err
	}
	return slices.Clone(locations), nil
}

// Authorize audits, as the operation called name, whether the caller may do
// action at the subscription, or at the group if one is named, which must exist.
// It is for operations that touch no record, such as listing what there cannot
// be.
func (s *Service) Authorize(ctx context.Context, call Call, name, subscription, group, action string) error {
	op := &operation{call: call, name: name, subscription: subscription, group: group, action: action, scope: subscriptionScope(subscription), below: true}
	if group != "" {
		op.scope = groupScope(subscription, group)
	}
	return s.read(ctx, op, func(store.View, place) error { return nil })
}
