package resource

import (
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
)

const (
	actVaultRead = "Microsoft.KeyVault/vaults/read"
	actHSMRead   = "Microsoft.KeyVault/managedHSMs/read"
	actRoleWrite = "Microsoft.Authorization/roleAssignments/write"
)

// resourceKind is what tells vaults and managed HSMs apart: what is done to both is
// written once, in the words and with the keys of the kind. A managed HSM is a
// vault's document with a part of its own, under names and in indexes of its own. It
// is ready when it has been created: there is no security domain to be taken over
// first, because there is no hardware that would hold one.
type resourceKind struct {
	// noun is part of codes and of the names of operations, words of messages.
	noun, words  string
	resourceType string
	deletedType  string // what a path below a location has for the type

	// What the caller must be allowed to do.
	read, write, delete            string
	listDeleted, getDeleted, purge string
	checkName                      string

	// The roots of the indexes of what is live and what is deleted.
	liveRoot, deletedRoot string
	// mark ends the marker of a page whose last item is of the kind. No name has it.
	mark    string
	nameKey func(name string) []byte

	validName    func(name string) error
	taken        func(name string) error
	nameReserved func() error // by a deleted one of the subscription
}

var vaultKind = &resourceKind{
	noun: "Vault", words: "vault", resourceType: arm.TypeVaults, deletedType: "deletedVaults",
	read: actVaultRead, write: "Microsoft.KeyVault/vaults/write", delete: "Microsoft.KeyVault/vaults/delete",
	listDeleted: "Microsoft.KeyVault/deletedVaults/read",
	getDeleted:  "Microsoft.KeyVault/locations/deletedVaults/read",
	purge:       "Microsoft.KeyVault/locations/deletedVaults/purge/action",
	checkName:   "Microsoft.KeyVault/checkNameAvailability/read",
	liveRoot:    "groupvault", deletedRoot: "deletedvault", nameKey: catalog.NameKey,
	validName: checkVaultName, taken: nameTaken, nameReserved: nameHeldByDeleted,
}

var hsmKind = &resourceKind{
	noun: "ManagedHSM", words: "managed HSM", resourceType: arm.TypeManagedHSMs, deletedType: "deletedManagedHSMs",
	read: actHSMRead, write: "Microsoft.KeyVault/managedHSMs/write", delete: "Microsoft.KeyVault/managedHSMs/delete",
	listDeleted: "Microsoft.KeyVault/deletedManagedHsms/read",
	getDeleted:  "Microsoft.KeyVault/locations/deletedManagedHsms/read",
	purge:       "Microsoft.KeyVault/locations/deletedManagedHsms/purge/action",
	checkName:   "Microsoft.KeyVault/checkMhsmNameAvailability/read",
	liveRoot:    "grouphsm", deletedRoot: "deletedhsm", mark: "#", nameKey: catalog.HSMNameKey,
	validName: checkHSMName, taken: hsmNameTaken, nameReserved: hsmNameHeldByDeleted,
}

// resourceKinds are in the order in which they are listed.
var resourceKinds = []*resourceKind{vaultKind, hsmKind}

func kindOf(v *catalog.Vault) *resourceKind {
	if v.HSM != nil {
		return hsmKind
	}
	return vaultKind
}

// on returns an operation on what is, or is to be, in a group that must exist.
func (k *resourceKind) on(call Call, verb, action, subscription, group, name string) *operation {
	return &operation{
		call: call, name: k.noun + verb, subscription: subscription, group: group,
		action: action, scope: k.scope(subscription, group, name),
	}
}

// onDeleted returns an operation on what is deleted.
func (k *resourceKind) onDeleted(call Call, verb, action, subscription, location, name string) *operation {
	return &operation{
		call: call, name: k.noun + verb, subscription: subscription, action: action,
		scope: k.deletedScope(subscription, NormalLocation(location), name),
	}
}

func (k *resourceKind) deletedScope(subscription, location, name string) string {
	return subscriptionScope(subscription) + "/providers/Microsoft.KeyVault/locations/" + location + "/" + k.deletedType + "/" + name
}

// path is below the resource id of a group.
func (k *resourceKind) path(name string) string { return "providers/" + k.resourceType + "/" + name }

func (k *resourceKind) scope(subscription, group, name string) string {
	return groupScope(subscription, group) + "/" + k.path(name)
}

// byName returns what holds the name, live or deleted, or nil. A name that nothing
// can have is not looked up: it may not fit into a key.
func (s *Service) byName(g catalog.Getter, k *resourceKind, name string) (*catalog.Vault, error) {
	if !validVaultName(name) {
		return nil, nil
	}
	recs, err := g.Get(k.nameKey(name))
	if err != nil || !recs[0].Exists() {
		return nil, err
	}
	id, err := s.names(k).DecodeName(name, recs[0])
	if err != nil {
		return nil, err
	}
	if recs, err = g.Get(catalog.VaultKey(id)); err != nil {
		return nil, err
	}
	return s.cfg.Catalog.DecodeVault(id, recs[0])
}

func (s *Service) names(k *resourceKind) *catalog.Catalog {
	if k == hsmKind {
		return s.hsms
	}
	return s.cfg.Catalog
}

// live returns what is called name in the place's group.
func (s *Service) live(g catalog.Getter, k *resourceKind, p place, name string) (*catalog.Vault, error) {
	v, err := s.byName(g, k, name)
	if err != nil {
		return nil, err
	}
	if v == nil || v.Deleted != nil || !p.holds(v) {
		return nil, fault.New(fault.NotFound, "ResourceNotFound",
			"The Resource '%s/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", k.resourceType, name, p.group.Name)
	}
	return v, nil
}

// holds reports whether v is, or was, in the group of the place.
func (p place) holds(v *catalog.Vault) bool {
	return strings.EqualFold(v.SubscriptionID, p.subscription.ID) && strings.EqualFold(v.ResourceGroup, p.group.Name)
}

// deleted returns what was called name in the location of the subscription.
func (s *Service) deleted(g catalog.Getter, k *resourceKind, p place, location, name string) (*catalog.Vault, error) {
	v, err := s.byName(g, k, name)
	if err != nil {
		return nil, err
	}
	if v == nil || v.Deleted == nil || v.Location != NormalLocation(location) || !strings.EqualFold(v.SubscriptionID, p.subscription.ID) {
		return nil, fault.New(fault.NotFound, "Deleted"+k.noun+"NotFound",
			"The deleted %s '%s' could not be found in location '%s'.", k.words, name, location)
	}
	return v, nil
}
