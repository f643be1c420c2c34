package resource

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// The functions of this file have no caller and ask for no permission: they are
// what the operator's own configuration does.

// Bootstrap says which tenant and subscription there are, and who owns the
// latter.
type Bootstrap struct {
	TenantID     string
	TenantDomain string // may be empty
	// SubscriptionName is what lists show.
	SubscriptionID, SubscriptionName string
	// OwnerObjectID is given OwnerRoles, ids of role definitions, at the
	// subscription. Both may be empty.
	OwnerObjectID string
	OwnerRoles    []string
}

// Bootstrap makes the tenant, the subscription and the owner's role assignments
// that do not exist yet. A subscription that exists in another tenant is an
// error.
func (s *Service) Bootstrap(ctx context.Context, b Bootstrap) error {
	if !validGUID(b.TenantID) || !validGUID(b.SubscriptionID) {
		return errors.New("bootstrap: the tenant's and the subscription's id must be GUIDs")
	}
	err := s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		recs, err := tx.Get(directoryKey(b.TenantID), subscriptionKey(b.SubscriptionID))
		if err != nil {
			return err
		}
		if !recs[0].Exists() {
			t := Tenant{ID: b.TenantID, Domain: b.TenantDomain, Name: b.TenantDomain}
			if err := s.put(tx, directoryKey(b.TenantID), t); err != nil {
				return err
			}
		}
		if recs[1].Exists() {
			var have Subscription
			if err := s.open(subscriptionKey(b.SubscriptionID), recs[1], &have); err != nil {
				return err
			}
			if !strings.EqualFold(have.TenantID, b.TenantID) {
				return fmt.Errorf("bootstrap: the subscription %s belongs to another tenant", b.SubscriptionID)
			}
			return nil
		}
		return s.put(tx, subscriptionKey(b.SubscriptionID),
			Subscription{ID: b.SubscriptionID, TenantID: b.TenantID, Name: b.SubscriptionName})
	})
	if err != nil {
		return err
	}
	for _, role := range b.OwnerRoles {
		err := s.AssignRole(ctx, access.Assignment{
			Scope: subscriptionScope(b.SubscriptionID), RoleID: role, PrincipalID: b.OwnerObjectID,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// AssignRole makes a role assignment unless the principal has the role at the
// scope already. The scope is "/" or a resource id; RoleID is that of a role
// definition, which may be a whole resource id. An empty ID is chosen from the
// rest.
func (s *Service) AssignRole(ctx context.Context, a access.Assignment) error {
	role := access.RoleByID(a.RoleID)
	if role == nil {
		return fmt.Errorf("assigning a role: there is no role %q", a.RoleID)
	}
	if !validGUID(a.PrincipalID) || !strings.HasPrefix(a.Scope, "/") {
		return errors.New("assigning a role: the principal must be a GUID and the scope a resource id")
	}
	a.RoleID = role.ID
	if a.Scope != "/" {
		a.Scope = strings.TrimRight(a.Scope, "/")
	}
	if a.ID == "" {
		a.ID = assignmentID(a)
	}
	entry, err := s.cfg.Audit.Prepare(&audit.Record{Operation: "RoleAssignmentPut", Resource: a.Scope, Object: a.ID})
	if err != nil {
		return err
	}
	now := s.now()
	binding := bindingKey(a.Scope, a.RoleID, a.PrincipalID)
	return s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		recs, err := tx.Get(binding, catalog.AuthzKey, catalog.RoleKey(a.ID))
		if err != nil || recs[0].Exists() {
			return err
		}
		if recs[2].Exists() {
			return fmt.Errorf("assigning a role: the assignment %s exists and says something else", a.ID)
		}
		s.cfg.Audit.Append(tx, entry)
		return s.putAssignment(tx, catalog.RoleAssignment{Assignment: a, CreatedOn: now, UpdatedOn: now})
	})
}

// assignmentID returns a GUID that is always the same for the same assignment.
func assignmentID(a access.Assignment) string {
	sum := sha256.Sum256(bindingKey(a.Scope, a.RoleID, a.PrincipalID))
	sum[6] = sum[6]&0x0f | 0x80 // RFC 9562: version 8, a hash of our own making
	sum[8] = sum[8]&0x3f | 0x80
	text := hex.EncodeToString(sum[:16])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// EnsureGroup makes a resource group that does not exist yet. One that does is
// left as it is.
func (s *Service) EnsureGroup(ctx context.Context, subscription, group, location string, tags map[string]string) error {
	now := s.now()
	in := PutGroup{Location: location, Tags: tags}
	if err := errors.Join(checkGroupName(group), in.check()); err != nil {
		return err
	}
	entry, err := s.cfg.Audit.Prepare(&audit.Record{Operation: "ResourceGroupPut", Resource: groupScope(subscription, group)})
	if err != nil {
		return err
	}
	return s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		recs, err := tx.Get(subscriptionKey(subscription), groupKey(subscription, group))
		if err != nil || recs[1].Exists() {
			return err
		}
		if !recs[0].Exists() {
			return subscriptionNotFound(subscription)
		}
		s.cfg.Audit.Append(tx, entry)
		return s.put(tx, groupKey(subscription, group), in.group(subscription, group, Call{}.change(now)))
	})
}

// EnsureVault says which vault there must be.
type EnsureVault struct {
	Subscription, Group string
	Name, Location      string
	TenantID            string
	Premium, RBAC       bool
}

// EnsureVault makes a vault if no vault has the name; a live vault of that name
// is left as it is, wherever it is. It returns a *fault.Error of kind Conflict
// while a deleted vault holds the name, and Invalid for a name that no vault may
// have.
func (s *Service) EnsureVault(ctx context.Context, in EnsureVault) (created bool, err error) {
	spec := VaultSpec{
		Location: in.Location, TenantID: in.TenantID, SKUFamily: "A", SKUName: "standard",
		RBAC: &in.RBAC, Policies: []access.Policy{},
	}
	if in.Premium {
		spec.SKUName = "premium"
	}
	if err := spec.checkNew(in.Name, ""); err != nil {
		return false, err
	}
	draft, err := s.newDraft(ctx, Call{}, in.Subscription, in.Group, in.Name, spec)
	if err != nil {
		return false, err
	}
	return draft.ensure(ctx, in.Subscription, in.Group)
}

// locate is enter without a caller: the subscription and the group must exist.
func (s *Service) locate(g catalog.Getter, subscription, group string) (place, error) {
	keys := [][]byte{subscriptionKey(subscription), groupKey(subscription, group)}
	recs, err := g.Get(keys...)
	if err != nil {
		return place{}, err
	}
	if !recs[0].Exists() {
		return place{}, subscriptionNotFound(subscription)
	}
	if !recs[1].Exists() {
		return place{}, groupNotFound(group)
	}
	p := place{group: new(Group)}
	return p, errors.Join(s.open(keys[0], recs[0], &p.subscription), s.open(keys[1], recs[1], p.group))
}
