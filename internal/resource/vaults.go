package resource

import (
	"context"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

func (s *Service) newDraft(ctx context.Context, call Call, subscription, group, name string, spec VaultSpec) (*draft, error) {
	d := s.draftOf(vaultKind, call, name, HSMSpec{VaultSpec: spec})
	// Names that no vault can have may not fit into a key.
	if validVaultName(name) && validGUID(subscription) && checkGroupName(group) == nil {
		var err error
		if d.orphans, err = s.orphansAt(ctx, vaultScope(subscription, group, name), true); err != nil {
			return nil, err
		}
	}
	return d.withKey()
}

// PutVault creates a vault, recovers a deleted one, or replaces what can be
// changed of a live one.
func (s *Service) PutVault(ctx context.Context, call Call, subscription, group, name string, spec VaultSpec) (vault *catalog.Vault, created bool, err error) {
	d, err := s.newDraft(ctx, call, subscription, group, name, spec)
	if err != nil {
		return nil, false, err
	}
	return d.put(ctx, subscription, group, spec.checkNew(name, call.APIVersion))
}

func nameHeldByDeleted() error {
	return fault.New(fault.Conflict, "ConflictError",
		"A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.")
}

func nameTaken(name string) error {
	return fault.New(fault.Conflict, "VaultAlreadyExists",
		"The vault name '%s' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information about VaultAlreadyExists, soft delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740.", name)
}

// PatchVault changes parts of a live vault.
func (s *Service) PatchVault(ctx context.Context, call Call, subscription, group, name string, spec VaultSpec) (*catalog.Vault, error) {
	d := s.draftOf(vaultKind, call, name, HSMSpec{VaultSpec: spec})
	return d.patch(ctx, subscription, group, spec.check(call.APIVersion))
}

// GetVault returns a live vault, which must not be changed.
func (s *Service) GetVault(ctx context.Context, call Call, subscription, group, name string) (*catalog.Vault, error) {
	return s.get(ctx, vaultKind, call, subscription, group, name)
}

func (s *Service) get(ctx context.Context, k *resourceKind, call Call, subscription, group, name string) (found *catalog.Vault, err error) {
	op := k.on(call, "Get", k.read, subscription, group, name)
	err = s.read(ctx, op, func(v store.View, p place) (err error) {
		found, err = s.live(v, k, p, name)
		return err
	})
	return found, err
}

// NameCheck says whether a vault's name is free. Message says why not, and
// Reason is one of the arm.Reason constants then.
type NameCheck struct {
	Available       bool
	Reason, Message string
}

// CheckName reports whether a vault may be created under the name.
func (s *Service) CheckName(ctx context.Context, call Call, subscription, name string) (NameCheck, error) {
	return s.checkName(ctx, vaultKind, call, subscription, name)
}

func (s *Service) checkName(ctx context.Context, k *resourceKind, call Call, subscription, name string) (check NameCheck, err error) {
	op := &operation{
		call: call, name: k.noun + "CheckName", subscription: subscription,
		object: strings.TrimPrefix(k.resourceType, arm.KeyVaultNamespace+"/"),
		action: k.checkName, scope: subscriptionScope(subscription), below: true,
	}
	err = s.read(ctx, op, func(v store.View, _ place) error {
		check, err = nameCheck(v, k, name)
		return err
	})
	return check, err
}

// nameCheck looks a name up unless it is invalid: it may not fit into a key then.
func nameCheck(v store.View, k *resourceKind, name string) (NameCheck, error) {
	if f, refused := fault.As(k.validName(name)); refused {
		return NameCheck{Reason: arm.ReasonAccountNameInvalid, Message: f.Message}, nil
	}
	recs, err := v.Get(k.nameKey(name))
	if err != nil {
		return NameCheck{}, err
	}
	if recs[0].Exists() {
		return NameCheck{Reason: arm.ReasonAlreadyExists, Message: "The name '" + name + "' is already in use."}, nil
	}
	return NameCheck{Available: true}, nil
}
