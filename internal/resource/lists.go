package resource

import (
	"bytes"
	"context"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// ResourceFilter selects resources. Members at their zero value select all.
type ResourceFilter struct {
	Type, Name, Group string // compared without case
	TagName           string
	TagValue          *string
}

func (f ResourceFilter) selects(v *catalog.Vault) bool {
	if f.Name != "" && !strings.EqualFold(f.Name, v.Name) ||
		f.Group != "" && !strings.EqualFold(f.Group, v.ResourceGroup) {
		return false
	}
	return GroupFilter{f.TagName, f.TagValue}.selects(&Group{Tags: v.Tags})
}

// ListVaults returns a page of the live vaults of a subscription, or of a group
// of it when one is named: all, or those that the caller may see. They are in
// order of group and name, and must not be changed.
func (s *Service) ListVaults(ctx context.Context, call Call, subscription, group string, page PageRequest) (Page[*catalog.Vault], error) {
	return s.listKind(ctx, vaultKind, call, subscription, group, page)
}

func (s *Service) listKind(ctx context.Context, k *resourceKind, call Call, subscription, group string, page PageRequest) (Page[*catalog.Vault], error) {
	op := &operation{call: call, name: k.noun + "List", subscription: subscription, group: group, action: k.read}
	return s.list(ctx, op, ResourceFilter{Type: k.resourceType}, page)
}

// ListResources returns a page of the resources that the filter selects. Vaults
// and, after them, managed HSMs are the only resources there are.
func (s *Service) ListResources(ctx context.Context, call Call, subscription, group string, filter ResourceFilter, page PageRequest) (Page[*catalog.Vault], error) {
	op := &operation{call: call, name: "ResourceList", subscription: subscription, group: group, action: actVaultRead}
	if strings.EqualFold(filter.Type, arm.TypeManagedHSMs) {
		op.action = actHSMRead
	}
	return s.list(ctx, op, filter, page)
}

// list completes the operation with its scope and lists what the filter selects.
func (s *Service) list(ctx context.Context, op *operation, filter ResourceFilter, page PageRequest) (found Page[*catalog.Vault], err error) {
	op.below, op.invalid = true, checkPage(page, 2)
	op.scope = subscriptionScope(op.subscription)
	if op.group != "" {
		op.scope = groupScope(op.subscription, op.group)
		if filter.Group == "" {
			filter.Group = op.group
		}
	}
	err = s.read(ctx, op, func(v store.View, p place) error {
		if op.group != "" && !strings.EqualFold(filter.Group, op.group) ||
			filter.Group != "" && checkGroupName(filter.Group) != nil {
			return nil
		}
		for _, k := range resourceKinds {
			if filter.Type != "" && !strings.EqualFold(filter.Type, k.resourceType) {
				continue
			}
			look := s.scanKind
			if filter.Name != "" {
				look = s.findNamed
			}
			if err := look(v, p, k, filter, page, &found); err != nil || found.Next != "" {
				return err
			}
		}
		return nil
	})
	return found, err
}

// shows reports whether a list shows the caller an item that the filter selects.
func (k *resourceKind) shows(p place, filter ResourceFilter, v *catalog.Vault) bool {
	if !filter.selects(v) {
		return false
	}
	if k.read == p.op.action {
		return p.sees(v.ResourceID())
	}
	return access.Control(p.op.call.Caller, p.roles, k.read, v.ResourceID()) == nil
}

// findNamed is a list of what has one name: names are unique.
func (s *Service) findNamed(v store.View, p place, k *resourceKind, filter ResourceFilter, _ PageRequest, found *Page[*catalog.Vault]) error {
	vault, err := s.byName(v, k, filter.Name)
	if err != nil || vault == nil {
		return err
	}
	if vault.Deleted == nil && strings.EqualFold(vault.SubscriptionID, p.subscription.ID) && k.shows(p, filter, vault) {
		found.Items = append(found.Items, vault)
	}
	return nil
}

// start returns the range of the index that comes after the marker. It is empty
// after the marker of a later kind.
func (k *resourceKind) start(p place, filter ResourceFilter, marker string) store.Range {
	root := tuple.Key(k.liveRoot, fold(p.subscription.ID))
	r := tuple.Prefix(root)
	if filter.Group != "" {
		r = tuple.Prefix(tuple.Append(root[:len(root):len(root)], fold(filter.Group)))
	}
	group, name, ok := strings.Cut(marker, "/")
	if !ok {
		return r
	}
	name, later := strings.CutSuffix(name, "#")
	switch {
	case later && k.mark == "":
		r.Start = r.End
	case later || k.mark == "":
		after := tuple.After(tuple.Append(tuple.Append(root, fold(group)), fold(name)))
		if bytes.Compare(after, r.Start) > 0 {
			r.Start = after
		}
	}
	return r
}

func (s *Service) scanKind(v store.View, p place, k *resourceKind, filter ResourceFilter, page PageRequest, found *Page[*catalog.Vault]) error {
	r := k.start(p, filter, page.Marker)
	if bytes.Compare(r.Start, r.End) >= 0 {
		return nil
	}
	return scanPage(v, r, page.Max, func(batch []store.Entry) (int, error) {
		vaults, err := s.vaultsOf(v, batch)
		if err != nil {
			return 0, err
		}
		for i, vault := range vaults {
			if !k.shows(p, filter, vault) {
				continue
			}
			if len(found.Items) == page.Max {
				found.Next = markerOf(found.Items[page.Max-1])
				return i, nil
			}
			found.Items = append(found.Items, vault)
		}
		return len(vaults), nil
	})
}

// markerOf returns the marker of a page that ends with v.
func markerOf(v *catalog.Vault) string {
	return fold(v.ResourceGroup+"/"+v.Name) + kindOf(v).mark
}

// ListDeletedVaults returns a page of the deleted vaults of a subscription in
// order of name. They must not be changed.
func (s *Service) ListDeletedVaults(ctx context.Context, call Call, subscription string, page PageRequest) (Page[*catalog.Vault], error) {
	return s.listDeleted(ctx, vaultKind, call, subscription, page)
}

func (s *Service) listDeleted(ctx context.Context, k *resourceKind, call Call, subscription string, page PageRequest) (found Page[*catalog.Vault], err error) {
	op := &operation{
		call: call, name: k.noun + "ListDeleted", subscription: subscription,
		action: k.listDeleted, scope: subscriptionScope(subscription), invalid: checkPage(page, 1),
	}
	index := k.deletedIndex(subscription)
	err = s.read(ctx, op, func(v store.View, p place) error {
		r := tuple.Prefix(index)
		if page.Marker != "" {
			r.Start = tuple.After(tuple.Append(index[:len(index):len(index)], page.Marker))
		}
		batch, err := v.Scan(r, page.Max+1)
		if err != nil {
			return err
		}
		vaults, err := s.vaultsOf(v, batch)
		if err != nil {
			return err
		}
		if len(vaults) > page.Max {
			vaults = vaults[:page.Max]
			found.Next = fold(vaults[page.Max-1].Name)
		}
		found.Items = vaults
		return nil
	})
	return found, err
}
