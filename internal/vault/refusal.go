package vault

import (
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
)

func (k *kind) notFound(path string) *fault.Error {
	return fault.New(fault.NotFound, k.capital+"NotFound",
		"A %s with (name/id) %s was not found in this key vault. If you recently deleted this %s you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182",
		k.noun, path, k.noun)
}

func (k *kind) deletedNotFound(name string) *fault.Error {
	return fault.New(fault.NotFound, k.capital+"NotFound", "Deleted %s not found: %s", k.capital, name)
}

func (k *kind) recoverable(name string) *fault.Error {
	return fault.New(fault.Conflict, "Conflict",
		"%s %s is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the %s can only be recovered or purged.",
		k.capital, name, k.noun).WithInner("ObjectIsDeletedButRecoverable")
}

// beingRestored is the refusal to make an object of a name while a large backup
// is being restored under it.
func (k *kind) beingRestored(name string) *fault.Error {
	return fault.New(fault.Conflict, "Conflict", "%s %s is currently being recovered and cannot be re-created; retry later.",
		k.capital, name).WithInner("ObjectIsBeingRecovered")
}

func hsmNeedsPremium() *fault.Error {
	return fault.New(fault.Forbidden, "Forbidden", "Hardware key operation not allowed on standard vault")
}

func notForHSM() *fault.Error {
	return fault.New(fault.Invalid, "BadParameter", "A managed HSM takes keys of the -HSM types only.")
}

// octNeedsManagedHSM is the refusal of symmetric keys in a vault.
func octNeedsManagedHSM(hsm bool) *fault.Error {
	if hsm {
		return keyops.UnsupportedType("oct-HSM")
	}
	return keyops.UnsupportedType("oct")
}

// disabled is the refusal to show a disabled object of a kind that hides them,
// or to use a disabled key.
func (k *kind) disabled(operation string) *fault.Error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Operation %s is not allowed on a disabled %s.", operation, k.noun).WithInner(k.capital + "Disabled")
}

func keyNotYetValid(operation string) *fault.Error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Operation %s is not allowed on a key that is not valid yet.", operation).WithInner("KeyNotYetValid")
}

func keyExpired(operation string) *fault.Error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Operation %s is not allowed on an expired key.", operation).WithInner("KeyExpired")
}

func keyOperationForbidden(operation string) *fault.Error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Operation %s is not permitted on this key.", operation).WithInner("KeyOperationForbidden")
}

func purgeProtected(v *catalog.Vault) *fault.Error {
	return fault.New(fault.Forbidden, "Forbidden",
		"Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed. Vault: %s;location=%s",
		v.Name, v.Location)
}
