package resource

import (
	"context"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

func (s *Service) newHSMDraft(call Call, name string, spec HSMSpec) (*draft, error) {
	d := s.draftOf(hsmKind, call, name, spec)
	d.local = access.LocalRoles{Assignments: administrators(spec.InitialAdmins)}
	return d.withKey()
}

// PutHSM creates a managed HSM, recovers a deleted one, or replaces what can be
// changed of a live one.
func (s *Service) PutHSM(ctx context.Context, call Call, subscription, group, name string, spec HSMSpec) (*catalog.Vault, error) {
	d, err := s.newHSMDraft(call, name, spec)
	if err != nil {
		return nil, err
	}
	hsm, _, err := d.put(ctx, subscription, group, spec.checkNew(name, call.APIVersion))
	return hsm, err
}

func hsmNameHeldByDeleted() error {
	return fault.New(fault.Conflict, "ConflictError",
		"A managed HSM with the same name already exists in deleted state. You need to either recover or purge existing managed HSM.")
}

func hsmNameTaken(name string) error {
	return fault.New(fault.Conflict, "ManagedHSMAlreadyExists",
		"The managed HSM name '%s' is already in use. Managed HSM names are globally unique. A managed HSM of the name that was deleted has to be purged before the name can be used again.", name)
}

// PatchHSM changes parts of a live managed HSM.
func (s *Service) PatchHSM(ctx context.Context, call Call, subscription, group, name string, spec HSMSpec) (*catalog.Vault, error) {
	return s.draftOf(hsmKind, call, name, spec).patch(ctx, subscription, group, spec.check(call.APIVersion))
}

// GetHSM returns a live managed HSM, which must not be changed.
func (s *Service) GetHSM(ctx context.Context, call Call, subscription, group, name string) (*catalog.Vault, error) {
	return s.get(ctx, hsmKind, call, subscription, group, name)
}

// DeleteHSM deletes a managed HSM, which can be recovered until its scheduled
// purge date. It reports whether there was one.
func (s *Service) DeleteHSM(ctx context.Context, call Call, subscription, group, name string) (existed bool, err error) {
	return s.delete(ctx, hsmKind, call, subscription, group, name)
}

// CheckHSMName is CheckName for managed HSMs.
func (s *Service) CheckHSMName(ctx context.Context, call Call, subscription, name string) (NameCheck, error) {
	return s.checkName(ctx, hsmKind, call, subscription, name)
}

// GetDeletedHSM returns a deleted managed HSM, which must not be changed.
func (s *Service) GetDeletedHSM(ctx context.Context, call Call, subscription, location, name string) (*catalog.Vault, error) {
	return s.getDeleted(ctx, hsmKind, call, subscription, location, name)
}

// PurgeHSM is PurgeVault for a deleted managed HSM.
func (s *Service) PurgeHSM(ctx context.Context, call Call, subscription, location, name string) (jobID string, err error) {
	return s.purge(ctx, hsmKind, call, subscription, location, name)
}

// ListHSMs is ListVaults for managed HSMs.
func (s *Service) ListHSMs(ctx context.Context, call Call, subscription, group string, page PageRequest) (Page[*catalog.Vault], error) {
	return s.listKind(ctx, hsmKind, call, subscription, group, page)
}

// ListDeletedHSMs is ListDeletedVaults for managed HSMs.
func (s *Service) ListDeletedHSMs(ctx context.Context, call Call, subscription string, page PageRequest) (Page[*catalog.Vault], error) {
	return s.listDeleted(ctx, hsmKind, call, subscription, page)
}
