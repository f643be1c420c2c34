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

// A managed HSM is a vault's document with a part of its own, under names and in
// indexes of its own. It is ready when it has been created: there is no security
// domain to be taken over first, because there is no hardware that would hold one.

const (
	actHSMRead         = "Microsoft.KeyVault/managedHSMs/read"
	actHSMWrite        = "Microsoft.KeyVault/managedHSMs/write"
	actHSMDelete       = "Microsoft.KeyVault/managedHSMs/delete"
	actDeletedHSMList  = "Microsoft.KeyVault/deletedManagedHsms/read"
	actDeletedHSMRead  = "Microsoft.KeyVault/locations/deletedManagedHsms/read"
	actDeletedHSMPurge = "Microsoft.KeyVault/locations/deletedManagedHsms/purge/action"
)

// onHSM returns an operation on a managed HSM of a group that must exist.
func onHSM(call Call, name, action, subscription, group, hsm string) *operation {
	return &operation{
		call: call, name: name, subscription: subscription, group: group,
		action: action, scope: hsmScope(subscription, group, hsm),
	}
}

// liveHSM returns the managed HSM of the place's group that is called name.
func (s *Service) liveHSM(g catalog.Getter, p place, name string) (*catalog.Vault, error) {
	v, err := s.hsmByName(g, name)
	if err != nil {
		return nil, err
	}
	if v == nil || v.Deleted != nil || !p.holds(v) {
		return nil, fault.New(fault.NotFound, "ResourceNotFound",
			"The Resource 'Microsoft.KeyVault/managedHSMs/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", name, p.group.Name)
	}
	return v, nil
}

// hsmDraft is what has to be chosen before the update that makes a managed HSM.
type hsmDraft struct {
	s       *Service
	name    string
	spec    HSMSpec
	id      string
	wrapped []byte
	local   access.LocalRoles
	now     catalog.Change
}

func (s *Service) newHSMDraft(call Call, name string, spec HSMSpec) (*hsmDraft, error) {
	d := &hsmDraft{
		s: s, name: name, spec: spec, id: newID(), now: call.change(s.now()),
		local: access.LocalRoles{Assignments: administrators(spec.InitialAdmins)},
	}
	var err error
	d.wrapped, err = s.cfg.Keyring.NewVaultKey(d.id)
	return d, err
}

// PutHSM creates a managed HSM, recovers a deleted one, or replaces what can be
// changed of a live one.
func (s *Service) PutHSM(ctx context.Context, call Call, subscription, group, name string, spec HSMSpec) (hsm *catalog.Vault, err error) {
	op := onHSM(call, "ManagedHSMPut", actHSMWrite, subscription, group, name)
	op.invalid = spec.checkNew(name, call.APIVersion)
	if spec.Recover {
		op.name = "ManagedHSMRecover"
	}
	d, err := s.newHSMDraft(call, name, spec)
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		have, err := s.hsmByName(tx, name)
		switch {
		case err != nil:
		case spec.Recover:
			hsm, err = d.recover(tx, p, have)
		case have == nil:
			hsm, err = d.create(tx, p)
		case have.Deleted != nil && strings.EqualFold(have.SubscriptionID, p.subscription.ID):
			err = hsmNameHeldByDeleted()
		case have.Deleted != nil || !p.holds(have):
			err = hsmNameTaken(name)
		default:
			hsm, err = d.replace(tx, p, have)
		}
		return err
	})
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

// create writes a new managed HSM. The name must be free in the transaction.
func (d *hsmDraft) create(tx store.Tx, p place) (*catalog.Vault, error) {
	if len(d.spec.InitialAdmins) == 0 {
		return nil, notSpecified("initialAdminObjectIds")
	}
	family, sku, _ := hsmSKU(d.spec.SKUFamily, d.spec.SKUName)
	v := &catalog.Vault{
		ID: d.id, Name: d.name, TenantID: p.subscription.TenantID, SubscriptionID: p.subscription.ID,
		ResourceGroup: p.group.Name, Location: NormalLocation(d.spec.Location), Premium: true,
		SoftDelete: true, RetentionDays: defaultRetention,
		Created: d.now, Modified: d.now, WrappedKey: d.wrapped,
		HSM: &catalog.HSM{SKUFamily: family, SKUName: sku, InitialAdmins: d.spec.InitialAdmins, Local: d.local},
	}
	if err := d.shape(v, p, false); err != nil {
		return nil, err
	}
	if err := d.spec.protect(v, true); err != nil {
		return nil, err
	}
	key, sealed, err := d.s.hsms.EncodeName(v.Name, v.ID)
	if err != nil {
		return nil, err
	}
	tx.Put(key, sealed)
	return v, d.s.putLive(tx, v)
}

// shape writes what was given into v.
func (d *hsmDraft) shape(v *catalog.Vault, p place, patch bool) error {
	if err := d.spec.sameTenantAs(p.subscription); err != nil {
		return err
	}
	return d.spec.merge(v, patch)
}

// replace puts a live managed HSM.
func (d *hsmDraft) replace(tx store.Tx, p place, have *catalog.Vault) (*catalog.Vault, error) {
	if err := sameLocation(have, d.spec.Location); err != nil {
		return nil, err
	}
	return d.change(tx, p, have, false)
}

func (d *hsmDraft) change(tx store.Tx, p place, have *catalog.Vault, patch bool) (*catalog.Vault, error) {
	v := have.Clone()
	if err := d.spec.protect(v, false); err != nil {
		return nil, err
	}
	if err := d.shape(v, p, patch); err != nil {
		return nil, err
	}
	v.Modified = d.now
	return v, d.s.putVault(tx, v)
}

// recover makes a deleted managed HSM live again, as it was, with its role
// assignments.
func (d *hsmDraft) recover(tx store.Tx, p place, have *catalog.Vault) (*catalog.Vault, error) {
	if have == nil || have.Deleted == nil || !p.holds(have) || have.Location != NormalLocation(d.spec.Location) {
		return nil, fault.New(fault.NotFound, "SoftDeletedManagedHSMDoesNotExist",
			"There is no deleted managed HSM '%s' of the resource group '%s' in location '%s' to be recovered.", d.name, p.group.Name, d.spec.Location)
	}
	return d.s.revive(tx, p, have, d.now)
}

// PatchHSM changes parts of a live managed HSM.
func (s *Service) PatchHSM(ctx context.Context, call Call, subscription, group, name string, spec HSMSpec) (hsm *catalog.Vault, err error) {
	op := onHSM(call, "ManagedHSMPatch", actHSMWrite, subscription, group, name)
	op.invalid = spec.check(call.APIVersion)
	d := &hsmDraft{s: s, name: name, spec: spec, now: call.change(s.now())}
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		have, err := s.liveHSM(tx, p, name)
		if err != nil {
			return err
		}
		hsm, err = d.change(tx, p, have, true)
		return err
	})
	return hsm, err
}

// GetHSM returns a live managed HSM, which must not be changed.
func (s *Service) GetHSM(ctx context.Context, call Call, subscription, group, name string) (hsm *catalog.Vault, err error) {
	op := onHSM(call, "ManagedHSMGet", actHSMRead, subscription, group, name)
	err = s.read(ctx, op, func(v store.View, p place) (err error) {
		hsm, err = s.liveHSM(v, p, name)
		return err
	})
	return hsm, err
}

// DeleteHSM deletes a managed HSM, which can be recovered until its scheduled
// purge date. It reports whether there was one.
func (s *Service) DeleteHSM(ctx context.Context, call Call, subscription, group, name string) (existed bool, err error) {
	op := onHSM(call, "ManagedHSMDelete", actHSMDelete, subscription, group, name)
	rm := s.newRemoval(call)
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		v, err := s.liveHSM(tx, p, name)
		if existed = err == nil; existed {
			return rm.remove(tx, v)
		}
		if fault.KindOf(err) == fault.NotFound {
			return nil
		}
		return err
	})
	return existed, err
}

// CheckHSMName is CheckName for managed HSMs.
func (s *Service) CheckHSMName(ctx context.Context, call Call, subscription, name string) (check NameCheck, err error) {
	op := &operation{
		call: call, name: "ManagedHSMCheckName", subscription: subscription, object: "managedHSMs",
		action: "Microsoft.KeyVault/checkMhsmNameAvailability/read", scope: subscriptionScope(subscription), below: true,
	}
	err = s.read(ctx, op, func(v store.View, _ place) error {
		check, err = nameCheck(v, name, catalog.HSMNameKey(name), checkHSMName(name))
		return err
	})
	return check, err
}

// onDeletedHSM returns an operation on a deleted managed HSM.
func onDeletedHSM(call Call, name, action, subscription, location, hsm string) *operation {
	return &operation{
		call: call, name: name, subscription: subscription, action: action,
		scope: deletedHSMScope(subscription, NormalLocation(location), hsm),
	}
}

// deletedHSM returns the deleted managed HSM of the subscription that had the
// name, in the location.
func (s *Service) deletedHSM(g catalog.Getter, p place, location, name string) (*catalog.Vault, error) {
	v, err := s.hsmByName(g, name)
	if err != nil {
		return nil, err
	}
	if v == nil || !p.holdsDeleted(v, location) {
		return nil, fault.New(fault.NotFound, "DeletedManagedHSMNotFound",
			"The deleted managed HSM '%s' could not be found in location '%s'.", name, location)
	}
	return v, nil
}

// GetDeletedHSM returns a deleted managed HSM, which must not be changed.
func (s *Service) GetDeletedHSM(ctx context.Context, call Call, subscription, location, name string) (hsm *catalog.Vault, err error) {
	op := onDeletedHSM(call, "ManagedHSMGetDeleted", actDeletedHSMRead, subscription, location, name)
	err = s.read(ctx, op, func(v store.View, p place) (err error) {
		hsm, err = s.deletedHSM(v, p, location, name)
		return err
	})
	return hsm, err
}

// PurgeHSM is PurgeVault for a deleted managed HSM.
func (s *Service) PurgeHSM(ctx context.Context, call Call, subscription, location, name string) (jobID string, err error) {
	op := onDeletedHSM(call, "ManagedHSMPurge", actDeletedHSMPurge, subscription, location, name)
	rm := s.newRemoval(call)
	err = s.write(ctx, op, func(tx store.Tx, p place) error {
		v, err := s.deletedHSM(tx, p, location, name)
		if err != nil {
			return err
		}
		if v.PurgeProtection {
			return fault.New(fault.MethodNotAllowed, "MethodNotAllowed", "Operation 'DeletedManagedHSMPurge' is not allowed.")
		}
		return rm.erase(tx, v)
	})
	if err != nil {
		return "", err
	}
	s.wakeJobs()
	return rm.job.ID, nil
}

// ListHSMs is ListVaults for managed HSMs.
func (s *Service) ListHSMs(ctx context.Context, call Call, subscription, group string, page PageRequest) (Page[*catalog.Vault], error) {
	op := &operation{call: call, name: "ManagedHSMList", subscription: subscription, group: group, action: actHSMRead}
	return s.list(ctx, op, ResourceFilter{Type: arm.TypeManagedHSMs}, page)
}

// ListDeletedHSMs is ListDeletedVaults for managed HSMs.
func (s *Service) ListDeletedHSMs(ctx context.Context, call Call, subscription string, page PageRequest) (Page[*catalog.Vault], error) {
	return s.listDeleted(ctx, call, "ManagedHSMListDeleted", actDeletedHSMList, subscription, deletedHSMsKey(subscription), page)
}
