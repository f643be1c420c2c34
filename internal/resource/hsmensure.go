package resource

import (
	"context"

	"github.com/openkeyvault/openkeyvault/internal/access"
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
	return draft.ensure(ctx, in.Subscription, in.Group)
}
