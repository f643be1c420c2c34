package resource

import (
	"context"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// EnsureHSM says which managed HSM there must be.
type EnsureHSM struct {
	Subscription, Group string
	Name, Location      string
	TenantID            string
	// Admin is the object id of the principal that gets each of Roles, built-in
	// local roles, at the whole HSM.
	Admin string
	Roles []string
}

// EnsureHSM is EnsureVault for a managed HSM. Like the other functions without a
// caller it is for what the operator's own configuration asks.
func (s *Service) EnsureHSM(ctx context.Context, in EnsureHSM) (created bool, err error) {
	spec := HSMSpec{
		VaultSpec:     VaultSpec{Location: in.Location, TenantID: in.TenantID, SKUFamily: "B", SKUName: "Standard_B1"},
		InitialAdmins: []string{in.Admin},
	}
	if err := spec.checkNew(in.Name, ""); err != nil {
		return false, err
	}
	draft, err := s.newHSMDraft(Call{}, in.Name, spec)
	if err != nil {
		return false, err
	}
	draft.local = access.LocalRoles{Assignments: assignLocal(spec.InitialAdmins, in.Roles...)}
	entry, err := s.cfg.Audit.Prepare(&audit.Record{
		Operation: "ManagedHSMPut", Resource: hsmScope(in.Subscription, in.Group, in.Name),
	})
	if err != nil {
		return false, err
	}
	err = s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		created = false
		p, err := s.locate(tx, in.Subscription, in.Group)
		if err != nil {
			return err
		}
		existing, err := s.hsmByName(tx, in.Name)
		switch {
		case err != nil:
			return err
		case existing != nil && existing.Deleted != nil:
			return hsmNameHeldByDeleted()
		case existing != nil:
			return nil
		case p.group.Deleting():
			return groupBeingDeleted(p.group.Name)
		}
		if _, err := draft.create(tx, p); err != nil {
			return err
		}
		s.cfg.Audit.Append(tx, entry)
		created = true
		return nil
	})
	return created && err == nil, err
}
