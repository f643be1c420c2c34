package resource

import (
	"context"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

const (
	actVaultRead   = "Microsoft.KeyVault/vaults/read"
	actVaultWrite  = "Microsoft.KeyVault/vaults/write"
	actVaultDelete = "Microsoft.KeyVault/vaults/delete"
	actRoleWrite   = "Microsoft.Authorization/roleAssignments/write"
)

// onVault returns an operation on a vault of a group that must exist.
func onVault(call Call, name, action, subscription, group, vault string) *operation {
	return &operation{
		call: call, name: name, subscription: subscription, group: group,
		action: action, scope: vaultScope(subscription, group, vault),
	}
}

// liveVault returns the vault of the place's group that is called name.
func (s *Service) liveVault(g catalog.Getter, p place, name string) (*catalog.Vault, error) {
	v, err := s.vaultByName(g, name)
	if err != nil {
		return nil, err
	}
	if v == nil || v.Deleted != nil || !p.holds(v) {
		return nil, fault.New(fault.NotFound, "ResourceNotFound",
			"The Resource 'Microsoft.KeyVault/vaults/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", name, p.group.Name)
	}
	return v, nil
}

// holds reports whether the vault is, or was, in the group of the place.
func (p place) holds(v *catalog.Vault) bool {
	return strings.EqualFold(v.SubscriptionID, p.subscription.ID) && strings.EqualFold(v.ResourceGroup, p.group.Name)
}

// draft is what has to be chosen before the update that makes a vault.
type draft struct {
	s       *Service
	call    Call
	name    string
	spec    VaultSpec
	id      string
	wrapped []byte
	now     catalog.Change
	orphans []orphan
}

func (s *Service) newDraft(ctx context.Context, call Call, subscription, group, name string, spec VaultSpec) (*draft, error) {
	d := &draft{s: s, call: call, name: name, spec: spec, id: newID(), now: call.change(s.now())}
	d.spec.Policies = normalPolicies(spec.Policies)
	var err error
	// Names that no vault can have may not fit into a key.
	if validVaultName(name) && validGUID(subscription) && checkGroupName(group) == nil {
		if d.orphans, err = s.orphansAt(ctx, vaultScope(subscription, group, name), true); err != nil {
			return nil, err
		}
	}
	d.wrapped, err = s.cfg.Keyring.NewVaultKey(d.id)
	return d, err
}

// PutVault creates a vault, recovers a deleted one, or replaces what can be
// changed of a live one.
func (s *Service) PutVault(ctx context.Context, call Call, subscription, group, name string, spec VaultSpec) (vault *catalog.Vault, created bool, err error) {
	op := onVault(call, "VaultPut", actVaultWrite, subscription, group, name)
	op.invalid = spec.checkNew(name, call.APIVersion)
	if spec.Recover {
		op.name = "VaultRecover"
	}
	d, err := s.newDraft(ctx, call, subscription, group, name, spec)
	if err != nil {
		return nil, false, err
	}
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		created = false
		have, err := s.vaultByName(tx, name)
		switch {
		case err != nil:
		case spec.Recover:
			vault, err = d.recover(tx, p, have)
		case have == nil:
			created = true
			vault, err = d.create(tx, p)
		case have.Deleted != nil && strings.EqualFold(have.SubscriptionID, p.subscription.ID):
			err = nameHeldByDeleted()
		case have.Deleted != nil || !p.holds(have):
			err = nameTaken(name)
		default:
			vault, err = d.replace(tx, p, have)
		}
		return err
	})
	return vault, created, err
}

func nameHeldByDeleted() error {
	return fault.New(fault.Conflict, "ConflictError",
		"A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.")
}

func nameTaken(name string) error {
	return fault.New(fault.Conflict, "VaultAlreadyExists",
		"The vault name '%s' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information about VaultAlreadyExists, soft delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740.", name)
}

// create writes a new vault. The name must be free in the transaction.
func (d *draft) create(tx store.Tx, p place) (*catalog.Vault, error) {
	spec := d.spec
	spec.RBAC = spec.rbacOfNew(d.call.APIVersion)
	v := &catalog.Vault{
		ID: d.id, Name: d.name, TenantID: p.subscription.TenantID, SubscriptionID: p.subscription.ID,
		ResourceGroup: p.group.Name, Location: NormalLocation(spec.Location),
		SoftDelete: spec.softDeleteOfNew(d.call.APIVersion), RetentionDays: defaultRetention,
		Created: d.now, Modified: d.now, WrappedKey: d.wrapped,
	}
	if err := d.shape(v, p, spec, false); err != nil {
		return nil, err
	}
	if err := spec.protect(v, true); err != nil {
		return nil, err
	}
	key, sealed, err := d.s.cfg.Catalog.EncodeName(v.Name, v.ID)
	if err != nil {
		return nil, err
	}
	tx.Put(key, sealed)
	if err := d.s.dropOrphans(tx, d.orphans); err != nil {
		return nil, err
	}
	return v, d.s.putLive(tx, v)
}

// putLive writes the document and the index entry of a live vault.
func (s *Service) putLive(tx store.Tx, v *catalog.Vault) error {
	if err := s.put(tx, groupVaultKey(v), v.ID); err != nil {
		return err
	}
	return s.putVault(tx, v)
}

// shape writes what was given into v.
func (d *draft) shape(v *catalog.Vault, p place, spec VaultSpec, patch bool) error {
	if err := spec.sameTenantAs(p.subscription); err != nil {
		return err
	}
	if err := checkPolicyTenant(spec.Policies, v.TenantID); err != nil {
		return err
	}
	spec.merge(v, patch)
	if spec.Policies == nil && !patch && (v.RBAC == nil || !*v.RBAC) {
		return notSpecified("accessPolicies")
	}
	return nil
}

// replace puts a live vault.
func (d *draft) replace(tx store.Tx, p place, have *catalog.Vault) (*catalog.Vault, error) {
	if err := sameLocation(have, d.spec.Location); err != nil {
		return nil, err
	}
	return d.change(tx, p, have, false)
}

// sameLocation refuses to put what exists into another location.
func sameLocation(have *catalog.Vault, location string) error {
	if NormalLocation(location) == have.Location {
		return nil
	}
	return fault.New(fault.Conflict, "InvalidResourceLocation",
		"The resource '%s' already exists in location '%s' in resource group '%s'. A resource with the same name cannot be created in location '%s'. Please select a new resource name.",
		have.Name, have.Location, have.ResourceGroup, NormalLocation(location))
}

func (d *draft) change(tx store.Tx, p place, have *catalog.Vault, patch bool) (*catalog.Vault, error) {
	v := have.Clone()
	if err := d.spec.protect(v, false); err != nil {
		return nil, err
	}
	if err := d.shape(v, p, d.spec, patch); err != nil {
		return nil, err
	}
	if v.Access().RBAC != have.Access().RBAC {
		if err := mayChangeModel(p, v); err != nil {
			return nil, err
		}
	}
	v.Modified = d.now
	return v, d.s.putVault(tx, v)
}

// mayChangeModel keeps a caller who may change vaults, and not give roles, from
// giving himself access by switching from one permission model to the other.
func mayChangeModel(p place, v *catalog.Vault) error {
	c := p.op.call.Caller
	if access.Control(c, p.roles, actRoleWrite, v.ResourceID()) == nil {
		return nil
	}
	return fault.New(fault.Invalid, "InsufficientPermissions",
		"Caller is not allowed to change permission model. For more information on how to change the permissions model follow this link: https://go.microsoft.com/fwlink/?linkid=2155160. Details: oid=%s; action=%s; resource=%s; decision=NotAllowed; ",
		c.ObjectID, actRoleWrite, v.ResourceID())
}

// PatchVault changes parts of a live vault.
func (s *Service) PatchVault(ctx context.Context, call Call, subscription, group, name string, spec VaultSpec) (vault *catalog.Vault, err error) {
	op := onVault(call, "VaultPatch", actVaultWrite, subscription, group, name)
	op.invalid = spec.check(call.APIVersion)
	d := &draft{s: s, call: call, name: name, spec: spec, now: call.change(s.now())}
	d.spec.Policies = normalPolicies(spec.Policies)
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		have, err := s.liveVault(tx, p, name)
		if err != nil {
			return err
		}
		vault, err = d.change(tx, p, have, true)
		return err
	})
	return vault, err
}

// GetVault returns a live vault, which must not be changed.
func (s *Service) GetVault(ctx context.Context, call Call, subscription, group, name string) (vault *catalog.Vault, err error) {
	op := onVault(call, "VaultGet", actVaultRead, subscription, group, name)
	err = s.read(ctx, op, func(v store.View, p place) (err error) {
		vault, err = s.liveVault(v, p, name)
		return err
	})
	return vault, err
}

// NameCheck says whether a vault's name is free. Message says why not, and
// Reason is one of the arm.Reason constants then.
type NameCheck struct {
	Available       bool
	Reason, Message string
}

// CheckName reports whether a vault may be created under the name.
func (s *Service) CheckName(ctx context.Context, call Call, subscription, name string) (check NameCheck, err error) {
	op := &operation{
		call: call, name: "VaultCheckName", subscription: subscription, object: "vaults",
		action: "Microsoft.KeyVault/checkNameAvailability/read", scope: subscriptionScope(subscription), below: true,
	}
	err = s.read(ctx, op, func(v store.View, _ place) error {
		check, err = nameCheck(v, name, catalog.NameKey(name), checkVaultName(name))
		return err
	})
	return check, err
}

// nameCheck looks a name up under its key, unless it is invalid: it may not fit
// into a key then.
func nameCheck(v store.View, name string, key []byte, invalid error) (NameCheck, error) {
	if f, refused := fault.As(invalid); refused {
		return NameCheck{Reason: arm.ReasonAccountNameInvalid, Message: f.Message}, nil
	}
	recs, err := v.Get(key)
	if err != nil {
		return NameCheck{}, err
	}
	if recs[0].Exists() {
		return NameCheck{Reason: arm.ReasonAlreadyExists, Message: "The name '" + name + "' is already in use."}, nil
	}
	return NameCheck{Available: true}, nil
}
