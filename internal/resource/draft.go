package resource

import (
	"context"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// draft is what has to be chosen before the update that makes or changes a vault
// or a managed HSM.
type draft struct {
	s    *Service
	kind *resourceKind
	call Call
	name string
	spec HSMSpec // of a vault, the VaultSpec alone
	now  catalog.Change

	// What only a new one needs.
	id      string
	wrapped []byte
	local   access.LocalRoles // of a managed HSM
	orphans []orphan          // of a vault
}

// draftOf returns a draft that changes what exists.
func (s *Service) draftOf(k *resourceKind, call Call, name string, spec HSMSpec) *draft {
	spec.Policies = normalPolicies(spec.Policies)
	return &draft{s: s, kind: k, call: call, name: name, spec: spec, now: call.change(s.now())}
}

// withKey adds what a new one needs in any case.
func (d *draft) withKey() (_ *draft, err error) {
	d.id = newID()
	d.wrapped, err = d.s.cfg.Keyring.NewVaultKey(d.id)
	return d, err
}

// put creates, recovers what was deleted, or replaces what can be changed of what
// is live.
func (d *draft) put(ctx context.Context, subscription, group string, invalid error) (v *catalog.Vault, created bool, err error) {
	op := d.kind.on(d.call, "Put", d.kind.write, subscription, group, d.name)
	op.invalid = invalid
	if d.spec.Recover {
		op.name = d.kind.noun + "Recover"
	}
	err = d.s.write(ctx, op, func(tx store.Tx, p place) error {
		created = false
		have, err := d.s.byName(tx, d.kind, d.name)
		switch {
		case err != nil:
		case d.spec.Recover:
			v, err = d.recover(tx, p, have)
		case have == nil:
			created = true
			v, err = d.create(tx, p)
		case have.Deleted != nil && strings.EqualFold(have.SubscriptionID, p.subscription.ID):
			err = d.kind.nameReserved()
		case have.Deleted != nil || !p.holds(have):
			err = d.kind.taken(d.name)
		default:
			v, err = d.replace(tx, p, have)
		}
		return err
	})
	return v, created, err
}

// patch changes parts of what is live.
func (d *draft) patch(ctx context.Context, subscription, group string, invalid error) (v *catalog.Vault, err error) {
	op := d.kind.on(d.call, "Patch", d.kind.write, subscription, group, d.name)
	op.invalid = invalid
	err = d.s.write(ctx, op, func(tx store.Tx, p place) error {
		have, err := d.s.live(tx, d.kind, p, d.name)
		if err != nil {
			return err
		}
		v, err = d.change(tx, p, have, true)
		return err
	})
	return v, err
}

// ensure creates unless something live has the name. It asks for no permission.
func (d *draft) ensure(ctx context.Context, subscription, group string) (created bool, err error) {
	entry, err := d.s.cfg.Audit.Prepare(&audit.Record{
		Operation: d.kind.noun + "Put", Resource: d.kind.scope(subscription, group, d.name),
	})
	if err != nil {
		return false, err
	}
	err = d.s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		created = false
		p, err := d.s.locate(tx, subscription, group)
		if err != nil {
			return err
		}
		existing, err := d.s.byName(tx, d.kind, d.name)
		switch {
		case err != nil:
			return err
		case existing != nil && existing.Deleted != nil:
			return d.kind.nameReserved()
		case existing != nil:
			return nil
		case p.group.Deleting():
			return groupBeingDeleted(p.group.Name)
		}
		if _, err := d.create(tx, p); err != nil {
			return err
		}
		d.s.cfg.Audit.Append(tx, entry)
		created = true
		return nil
	})
	return created && err == nil, err
}

// create writes a new vault or managed HSM. The name must be free in the
// transaction.
func (d *draft) create(tx store.Tx, p place) (*catalog.Vault, error) {
	spec := d.spec
	spec.RBAC = spec.rbacOfNew(d.call.APIVersion)
	v := &catalog.Vault{
		ID: d.id, Name: d.name, TenantID: p.subscription.TenantID, SubscriptionID: p.subscription.ID,
		ResourceGroup: p.group.Name, Location: NormalLocation(spec.Location),
		SoftDelete: spec.softDeleteOfNew(d.call.APIVersion), RetentionDays: defaultRetention,
		Created: d.now, Modified: d.now, WrappedKey: d.wrapped,
	}
	if d.kind == hsmKind {
		if err := spec.begin(v, d.local); err != nil {
			return nil, err
		}
	}
	if err := d.shape(v, p, spec, false); err != nil {
		return nil, err
	}
	if err := spec.protect(v, true); err != nil {
		return nil, err
	}
	key, sealed, err := d.s.names(d.kind).EncodeName(v.Name, v.ID)
	if err != nil {
		return nil, err
	}
	tx.Put(key, sealed)
	if err := d.s.dropOrphans(tx, d.orphans); err != nil {
		return nil, err
	}
	return v, d.s.putLive(tx, v)
}

// putLive writes the document and the index entry of what is live.
func (s *Service) putLive(tx store.Tx, v *catalog.Vault) error {
	if err := s.put(tx, groupVaultKey(v), v.ID); err != nil {
		return err
	}
	return s.putVault(tx, v)
}

// shape writes what was given into v.
func (d *draft) shape(v *catalog.Vault, p place, spec HSMSpec, patch bool) error {
	if err := spec.sameTenantAs(p.subscription); err != nil {
		return err
	}
	if v.HSM != nil {
		return spec.merge(v, patch)
	}
	if err := checkPolicyTenant(spec.Policies, v.TenantID); err != nil {
		return err
	}
	spec.VaultSpec.merge(v, patch)
	if spec.Policies == nil && !patch && (v.RBAC == nil || !*v.RBAC) {
		return notSpecified("accessPolicies")
	}
	return nil
}

// replace puts what is live.
func (d *draft) replace(tx store.Tx, p place, have *catalog.Vault) (*catalog.Vault, error) {
	if location := NormalLocation(d.spec.Location); location != have.Location {
		return nil, fault.New(fault.Conflict, "InvalidResourceLocation",
			"The resource '%s' already exists in location '%s' in resource group '%s'. A resource with the same name cannot be created in location '%s'. Please select a new resource name.",
			have.Name, have.Location, have.ResourceGroup, location)
	}
	return d.change(tx, p, have, false)
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

// recover makes what was deleted live again, as it was, with the role assignments
// that it had, in the group that it was in.
func (d *draft) recover(tx store.Tx, p place, have *catalog.Vault) (*catalog.Vault, error) {
	if have == nil || have.Deleted == nil || !p.holds(have) || have.Location != NormalLocation(d.spec.Location) {
		return nil, fault.New(fault.NotFound, "SoftDeleted"+d.kind.noun+"DoesNotExist",
			"There is no deleted %s '%s' of the resource group '%s' in location '%s' to be recovered.", d.kind.words, d.name, p.group.Name, d.spec.Location)
	}
	v := have.Clone()
	tx.Delete(deletedVaultKey(v))
	tx.Delete(vaultDueKey(v.Deleted.PurgeAt, v.ID))
	v.Deleted, v.ResourceGroup, v.Modified = nil, p.group.Name, d.now
	return v, d.s.putLive(tx, v)
}
