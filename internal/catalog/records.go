package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Clone returns a copy of v that shares nothing with it.
func (v *Vault) Clone() *Vault {
	c := *v
	c.Tags = maps.Clone(v.Tags)
	c.Policies = slices.Clone(v.Policies)
	for i, p := range c.Policies {
		c.Policies[i].Permissions = access.Permissions{
			Keys:         slices.Clone(p.Permissions.Keys),
			Secrets:      slices.Clone(p.Permissions.Secrets),
			Certificates: slices.Clone(p.Permissions.Certificates),
			Storage:      slices.Clone(p.Permissions.Storage),
		}
	}
	c.RBAC = clone(v.RBAC)
	c.EnabledForDeployment = clone(v.EnabledForDeployment)
	c.EnabledForDiskEncryption = clone(v.EnabledForDiskEncryption)
	c.EnabledForTemplateDeployment = clone(v.EnabledForTemplateDeployment)
	if v.Network != nil {
		n := *v.Network
		n.IPRules = slices.Clone(n.IPRules)
		n.VirtualRules = slices.Clone(n.VirtualRules)
		for i, r := range n.VirtualRules {
			n.VirtualRules[i].IgnoreMissingVnetServiceEndpoint = clone(r.IgnoreMissingVnetServiceEndpoint)
		}
		c.Network = &n
	}
	c.Deleted = clone(v.Deleted)
	if v.HSM != nil {
		h := *v.HSM
		h.InitialAdmins = slices.Clone(h.InitialAdmins)
		h.Local = h.Local.Clone()
		c.HSM = &h
	}
	c.WrappedKey = slices.Clone(v.WrappedKey)
	return &c
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// EncodeVault returns the record of v as it is to be stored.
func (c *Catalog) EncodeVault(v *Vault) (key, sealed []byte, err error) {
	return c.encode(VaultKey(v.ID), v)
}

// DecodeVault opens the document of the vault with the id.
func (c *Catalog) DecodeVault(id string, rec store.Record) (*Vault, error) {
	v := new(Vault)
	if err := c.decode(VaultKey(id), rec, v); err != nil {
		return nil, fmt.Errorf("vault %s: %w", id, err)
	}
	return v, nil
}

// EncodeName returns the record that makes name mean the vault with the id.
func (c *Catalog) EncodeName(name, id string) (key, sealed []byte, err error) {
	key = c.space.key(name)
	sealed, err = c.keyring.System().Seal(key, []byte(id))
	return key, sealed, err
}

// DecodeName returns the id that a name record holds. Like DecodeVault it caches
// nothing, because a transaction sees its own writes under the revision of the
// record that they replace, and may yet be abandoned.
func (c *Catalog) DecodeName(name string, rec store.Record) (id string, err error) {
	plain, err := c.keyring.System().Open(c.space.key(name), rec.Value)
	if err != nil {
		return "", fmt.Errorf("opening the name record of vault %q: %w", name, err)
	}
	return string(plain), nil
}

// EncodeAssignment returns the record of a role assignment. Whoever writes it
// also writes AuthzKey in the same update, with EncodeEpoch's value.
func (c *Catalog) EncodeAssignment(a RoleAssignment) (key, sealed []byte, err error) {
	return c.encode(RoleKey(a.ID), a)
}

// DecodeAssignment opens a role assignment.
func (c *Catalog) DecodeAssignment(key []byte, rec store.Record) (RoleAssignment, error) {
	var a RoleAssignment
	err := c.decode(key, rec, &a)
	return a, err
}

// EncodeEpoch returns a record for AuthzKey. Only its revision means anything.
func (c *Catalog) EncodeEpoch() (key, sealed []byte, err error) {
	return c.encode(AuthzKey, struct{}{})
}

func (c *Catalog) encode(key []byte, v any) (_, sealed []byte, err error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a record: %w", err)
	}
	sealed, err = c.keyring.System().Seal(key, plain)
	return key, sealed, err
}

func (c *Catalog) decode(key []byte, rec store.Record, v any) error {
	if !rec.Exists() {
		return errors.New("the record is missing")
	}
	plain, err := c.keyring.System().Open(key, rec.Value)
	if err != nil {
		return fmt.Errorf("opening a record: %w", err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decoding a record: %w", err)
	}
	return nil
}
