package resource

import (
	"bytes"
	"context"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
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
	return s.listVaults(ctx, call, "VaultList", subscription, group, ResourceFilter{}, page)
}

// ListResources returns a page of the resources that the filter selects. Vaults
// are the only resources there are.
func (s *Service) ListResources(ctx context.Context, call Call, subscription, group string, filter ResourceFilter, page PageRequest) (Page[*catalog.Vault], error) {
	return s.listVaults(ctx, call, "ResourceList", subscription, group, filter, page)
}

func (s *Service) listVaults(ctx context.Context, call Call, name, subscription, group string, filter ResourceFilter, page PageRequest) (found Page[*catalog.Vault], err error) {
	op := &operation{
		call: call, name: name, subscription: subscription, group: group,
		action: actVaultRead, scope: subscriptionScope(subscription), below: true, invalid: checkPage(page, 2),
	}
	if group != "" {
		op.scope = groupScope(subscription, group)
		if filter.Group == "" {
			filter.Group = group
		}
	}
	err = s.read(ctx, op, func(v store.View, p place) error {
		switch {
		case filter.Type != "" && !strings.EqualFold(filter.Type, arm.TypeVaults),
			group != "" && !strings.EqualFold(filter.Group, group),
			filter.Group != "" && checkGroupName(filter.Group) != nil:
			return nil
		case filter.Name != "":
			return s.findNamed(v, p, filter, &found)
		default:
			return s.scanVaults(v, p, filter, page, &found)
		}
	})
	return found, err
}

// findNamed is a list of what has one name: names are unique.
func (s *Service) findNamed(v store.View, p place, filter ResourceFilter, found *Page[*catalog.Vault]) error {
	vault, err := s.vaultByName(v, filter.Name)
	if err != nil || vault == nil {
		return err
	}
	if vault.Deleted == nil && strings.EqualFold(vault.SubscriptionID, p.subscription.ID) && filter.selects(vault) && p.sees(vault.ResourceID()) {
		found.Items = append(found.Items, vault)
	}
	return nil
}

func (s *Service) scanVaults(v store.View, p place, filter ResourceFilter, page PageRequest, found *Page[*catalog.Vault]) error {
	r := tuple.Prefix(tuple.Key("groupvault", fold(p.subscription.ID)))
	if filter.Group != "" {
		r = tuple.Prefix(groupVaultsKey(p.subscription.ID, filter.Group))
	}
	if group, name, ok := strings.Cut(page.Marker, "/"); ok {
		after := tuple.After(tuple.Append(groupVaultsKey(p.subscription.ID, group), fold(name)))
		if bytes.Compare(after, r.Start) > 0 {
			r.Start = after
		}
	}
	if bytes.Compare(r.Start, r.End) >= 0 {
		return nil
	}
	return scanPage(v, r, page.Max, func(batch []store.Entry) (int, error) {
		vaults, err := s.vaultsOf(v, batch)
		if err != nil {
			return 0, err
		}
		for i, vault := range vaults {
			if !filter.selects(vault) || !p.sees(vault.ResourceID()) {
				continue
			}
			if len(found.Items) == page.Max {
				last := found.Items[page.Max-1]
				found.Next = fold(last.ResourceGroup + "/" + last.Name)
				return i, nil
			}
			found.Items = append(found.Items, vault)
		}
		return len(vaults), nil
	})
}

// ListDeletedVaults returns a page of the deleted vaults of a subscription in
// order of name. They must not be changed.
func (s *Service) ListDeletedVaults(ctx context.Context, call Call, subscription string, page PageRequest) (found Page[*catalog.Vault], err error) {
	op := &operation{
		call: call, name: "VaultListDeleted", subscription: subscription,
		action: actDeletedList, scope: subscriptionScope(subscription), invalid: checkPage(page, 1),
	}
	err = s.read(ctx, op, func(v store.View, p place) error {
		r := tuple.Prefix(deletedVaultsKey(subscription))
		if page.Marker != "" {
			r.Start = tuple.After(tuple.Append(deletedVaultsKey(subscription), page.Marker))
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
