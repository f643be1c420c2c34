package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// The key space of this package, beside the catalog's. Ids and names are folded
// to lower case in keys and keep their case in the records; job ids are compared
// as they are. Every value is sealed.
//
//	directory/<tenant>                              a tenant
//	subscription/<subscription>                     a subscription
//	group/<subscription>/<group>                    a resource group
//	groupvault/<subscription>/<group>/<vault name>  the id of a live vault in the group
//	deletedvault/<subscription>/<vault name>        the id of a deleted vault
//	grouphsm/<subscription>/<group>/<HSM name>      the id of a live managed HSM in the group
//	deletedhsm/<subscription>/<HSM name>            the id of a deleted managed HSM
//	vaultdue/<unix>/<vault id>                      when a deleted vault or managed HSM is purged
//	job/<id>                                        a job, pending or done
//	jobqueue/<unix>/<id>                            when to look at a job: 0 while it is pending
//	rolebinding/<scope>/<role>/<principal>          the id of the role assignment that binds them
var (
	subscriptionRoot = tuple.Key("subscription")
	vaultDueRoot     = tuple.Key("vaultdue")
	jobQueueRoot     = tuple.Key("jobqueue")
)

func fold(s string) string { return strings.ToLower(s) }

func directoryKey(tenant string) []byte { return tuple.Key("directory", fold(tenant)) }

func subscriptionKey(id string) []byte { return tuple.Key("subscription", fold(id)) }

func groupsKey(subscription string) []byte { return tuple.Key("group", fold(subscription)) }

func groupKey(subscription, group string) []byte {
	return tuple.Key("group", fold(subscription), fold(group))
}

// liveIndex returns the root of the index of what is live in a group.
func (k *resourceKind) liveIndex(subscription, group string) []byte {
	return tuple.Key(k.liveRoot, fold(subscription), fold(group))
}

// deletedIndex returns the root of the index of what is deleted.
func (k *resourceKind) deletedIndex(subscription string) []byte {
	return tuple.Key(k.deletedRoot, fold(subscription))
}

// groupVaultKey returns the key of the index entry of a live vault or HSM.
func groupVaultKey(v *catalog.Vault) []byte {
	return tuple.Append(kindOf(v).liveIndex(v.SubscriptionID, v.ResourceGroup), fold(v.Name))
}

// deletedVaultKey returns the key of the index entry of a deleted vault or HSM.
func deletedVaultKey(v *catalog.Vault) []byte {
	return tuple.Append(kindOf(v).deletedIndex(v.SubscriptionID), fold(v.Name))
}

func vaultDueKey(at time.Time, id string) []byte {
	return tuple.Append(tuple.AppendUint(tuple.Key("vaultdue"), uint64(max(at.Unix(), 0))), id)
}

func jobKey(id string) []byte { return tuple.Key("job", id) }

func jobQueueKey(unix int64, id string) []byte {
	return tuple.Append(tuple.AppendUint(tuple.Key("jobqueue"), uint64(max(unix, 0))), id)
}

func bindingKey(scope, role, principal string) []byte {
	return tuple.Key("rolebinding", fold(scope), fold(role), fold(principal))
}

// until returns the part of a root's range whose first element is an integer of
// at most unix.
func until(root []byte, unix int64) store.Range {
	r := tuple.Prefix(root)
	r.End = tuple.AppendUint(root[:len(root):len(root)], uint64(max(unix, 0))+1)
	return r
}

// Tenant is a directory that has subscriptions here.
type Tenant struct {
	ID     string `json:"id"`
	Domain string `json:"domain,omitempty"`
	Name   string `json:"name,omitempty"`
}

// Subscription owns resource groups. Callers of its tenant alone may be given
// roles in it.
type Subscription struct {
	ID       string `json:"id"`
	TenantID string `json:"tenantId"`
	Name     string `json:"name"`
}

// Scope returns the subscription's resource id.
func (s Subscription) Scope() string { return subscriptionScope(s.ID) }

// Group is a resource group.
type Group struct {
	SubscriptionID string            `json:"subscriptionId"`
	Name           string            `json:"name"` // as it was created
	Location       string            `json:"location"`
	ManagedBy      string            `json:"managedBy,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	Created        catalog.Change    `json:"created"`
	Modified       catalog.Change    `json:"modified"`
	// Job is the id of the job that deletes the group, or empty.
	Job string `json:"job,omitempty"`
}

// Scope returns the group's resource id.
func (g *Group) Scope() string { return groupScope(g.SubscriptionID, g.Name) }

// Deleting reports whether the group is on its way out.
func (g *Group) Deleting() bool { return g.Job != "" }

func subscriptionScope(id string) string { return "/subscriptions/" + id }

func groupScope(subscription, group string) string {
	return subscriptionScope(subscription) + "/resourceGroups/" + group
}

func vaultScope(subscription, group, vault string) string {
	return vaultKind.scope(subscription, group, vault)
}

func deletedVaultScope(subscription, location, vault string) string {
	return vaultKind.deletedScope(subscription, location, vault)
}

// put seals v and writes it.
func (s *Service) put(tx store.Tx, key []byte, v any) error {
	plain, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a record: %w", err)
	}
	sealed, err := s.cfg.Keyring.System().Seal(key, plain)
	if err != nil {
		return err
	}
	tx.Put(key, sealed)
	return nil
}

var errMissing = errors.New("the record is missing")

// open decodes a record that put wrote.
func (s *Service) open(key []byte, rec store.Record, v any) error {
	if !rec.Exists() {
		return errMissing
	}
	plain, err := s.cfg.Keyring.System().Open(key, rec.Value)
	if err != nil {
		return fmt.Errorf("opening a record: %w", err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decoding a record: %w", err)
	}
	return nil
}

// putVault writes a vault's document.
func (s *Service) putVault(tx store.Tx, v *catalog.Vault) error {
	key, sealed, err := s.cfg.Catalog.EncodeVault(v)
	if err != nil {
		return err
	}
	tx.Put(key, sealed)
	return nil
}

// vaultsOf returns the vaults that index entries name.
func (s *Service) vaultsOf(g catalog.Getter, entries []store.Entry) ([]*catalog.Vault, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	ids := make([]string, len(entries))
	keys := make([][]byte, len(entries))
	for i, e := range entries {
		if err := s.open(e.Key, e.Record, &ids[i]); err != nil {
			return nil, err
		}
		keys[i] = catalog.VaultKey(ids[i])
	}
	recs, err := g.Get(keys...)
	if err != nil {
		return nil, err
	}
	vaults := make([]*catalog.Vault, len(ids))
	for i, id := range ids {
		if vaults[i], err = s.cfg.Catalog.DecodeVault(id, recs[i]); err != nil {
			return nil, err
		}
	}
	return vaults, nil
}
