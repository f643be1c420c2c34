package resource

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

const (
	actGroupRead   = "Microsoft.Resources/subscriptions/resourceGroups/read"
	actGroupWrite  = "Microsoft.Resources/subscriptions/resourceGroups/write"
	actGroupDelete = "Microsoft.Resources/subscriptions/resourceGroups/delete"
)

const maxGroupName = 90

// PutGroup is what a group is to be. Nil tags are none.
type PutGroup struct {
	Location, ManagedBy string
	Tags                map[string]string
}

// PatchGroup is what is to change of a group. Nil members leave it as it is; a
// map of tags replaces all of them.
type PatchGroup struct {
	Tags      map[string]string
	ManagedBy *string
}

// GroupFilter selects groups by a tag. The zero value selects all.
type GroupFilter struct {
	TagName  string
	TagValue *string // nil: any
}

func (f GroupFilter) selects(g *Group) bool {
	if f.TagName == "" {
		return true
	}
	for name, value := range g.Tags {
		if strings.EqualFold(name, f.TagName) {
			return f.TagValue == nil || value == *f.TagValue
		}
	}
	return false
}

func (in PutGroup) check() error {
	if err := checkLocation(in.Location, ""); err != nil {
		return err
	}
	return checkTags(in.Tags)
}

func (in PutGroup) group(subscription, name string, made catalog.Change) *Group {
	return &Group{
		SubscriptionID: subscription, Name: name, Location: NormalLocation(in.Location),
		ManagedBy: in.ManagedBy, Tags: maps.Clone(in.Tags), Created: made, Modified: made,
	}
}

// checkGroupName wants 1 to 90 letters, digits and _ . ( ) -, no period last.
func checkGroupName(name string) error {
	if name == "" || utf8.RuneCountInString(name) > maxGroupName {
		return fault.New(fault.Invalid, "InvalidResourceGroup",
			"The provided resource group name has %d characters. A name has 1 to %d.", utf8.RuneCountInString(name), maxGroupName)
	}
	wrong := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (isAlphanumeric(string(r)) || strings.ContainsRune("_.()-", r)) {
			return -1
		}
		return r
	}, name)
	if wrong != "" {
		return fault.New(fault.Invalid, "InvalidResourceGroup",
			"The provided resource group name '%s' has these invalid characters: '%s'. The name can only be a letter, digit, '-', '.', '(', ')' or '_'.", name, wrong)
	}
	if strings.HasSuffix(name, ".") {
		return fault.New(fault.Invalid, "InvalidResourceGroup", "The provided resource group name '%s' ends with a period, which it cannot.", name)
	}
	return nil
}

// onGroup returns an operation on a group that need not exist.
func onGroup(call Call, name, action, subscription, group string) *operation {
	return &operation{call: call, name: name, subscription: subscription, action: action, scope: groupScope(subscription, group)}
}

// PutGroup creates a group or replaces what can be changed of it: its tags and
// who manages it.
func (s *Service) PutGroup(ctx context.Context, call Call, subscription, name string, in PutGroup) (group *Group, created bool, err error) {
	op := onGroup(call, "ResourceGroupPut", actGroupWrite, subscription, name)
	if op.invalid = checkGroupName(name); op.invalid == nil {
		op.invalid = in.check()
	}
	var orphans []orphan
	if op.invalid == nil && validGUID(subscription) {
		if orphans, err = s.orphansAt(ctx, op.scope, false); err != nil {
			return nil, false, s.conclude(ctx, op, err)
		}
	}
	now := call.change(s.now())
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		key := groupKey(subscription, name)
		have, err := s.groupIn(tx, key)
		if err != nil {
			return err
		}
		created = have == nil
		if group = in.group(p.subscription.ID, name, now); have == nil {
			if err := s.dropOrphans(tx, orphans); err != nil {
				return err
			}
			return s.put(tx, key, group)
		}
		if have.Deleting() {
			return groupBeingDeleted(have.Name)
		}
		if have.Location != group.Location {
			return fault.New(fault.Conflict, "InvalidResourceGroupLocation",
				"Invalid resource group location '%s'. The Resource group already exists in location '%s'.", in.Location, have.Location)
		}
		group.Name, group.Created = have.Name, have.Created
		return s.put(tx, key, group)
	})
	return group, created, err
}

// groupIn returns the group at a key, or nil.
func (s *Service) groupIn(g catalog.Getter, key []byte) (*Group, error) {
	recs, err := g.Get(key)
	if err != nil || !recs[0].Exists() {
		return nil, err
	}
	group := new(Group)
	return group, s.open(key, recs[0], group)
}

// PatchGroup changes parts of a group.
func (s *Service) PatchGroup(ctx context.Context, call Call, subscription, name string, in PatchGroup) (group *Group, err error) {
	op := onGroup(call, "ResourceGroupPatch", actGroupWrite, subscription, name)
	op.group, op.invalid = name, checkTags(in.Tags)
	now := call.change(s.now())
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		group = p.group
		if in.Tags != nil {
			group.Tags = maps.Clone(in.Tags)
		}
		if in.ManagedBy != nil {
			group.ManagedBy = *in.ManagedBy
		}
		group.Modified = now
		return s.put(tx, groupKey(subscription, name), group)
	})
	return group, err
}

// GetGroup returns a group, one that is being deleted too.
func (s *Service) GetGroup(ctx context.Context, call Call, subscription, name string) (group *Group, err error) {
	op := onGroup(call, "ResourceGroupGet", actGroupRead, subscription, name)
	op.group = name
	err = s.read(ctx, op, func(_ store.View, p place) error {
		group = p.group
		return nil
	})
	return group, err
}

// ListGroups returns a page of the groups of a subscription in order of name:
// all of them, or those that the caller may see.
func (s *Service) ListGroups(ctx context.Context, call Call, subscription string, filter GroupFilter, page PageRequest) (Page[*Group], error) {
	op := &operation{
		call: call, name: "ResourceGroupList", subscription: subscription,
		action: actGroupRead, scope: subscriptionScope(subscription), below: true, invalid: checkPage(page, 1),
	}
	var found Page[*Group]
	err := s.read(ctx, op, func(v store.View, p place) error {
		r := tuple.Prefix(groupsKey(subscription))
		if page.Marker != "" {
			r.Start = tuple.After(groupKey(subscription, page.Marker))
		}
		return scanPage(v, r, page.Max, func(batch []store.Entry) (int, error) {
			for i, e := range batch {
				group := new(Group)
				if err := s.open(e.Key, e.Record, group); err != nil {
					return 0, err
				}
				if !filter.selects(group) || !p.sees(group.Scope()) {
					continue
				}
				if len(found.Items) == page.Max {
					found.Next = fold(found.Items[page.Max-1].Name)
					return i, nil
				}
				found.Items = append(found.Items, group)
			}
			return len(batch), nil
		})
	})
	return found, err
}

// scanPage calls take with successive batches of a range until it takes less
// than all of one, or nothing is left. The first batch is one more than a page,
// so that a page of which nothing is filtered out takes one scan.
func scanPage(v store.View, r store.Range, max int, take func([]store.Entry) (int, error)) error {
	size := max + 1
	for {
		batch, err := v.Scan(r, size)
		if err != nil {
			return err
		}
		taken, err := take(batch)
		if err != nil || taken < len(batch) || len(batch) < size {
			return err
		}
		r.Start = tuple.After(batch[len(batch)-1].Key)
		size = store.MaxScan
	}
}
