package catalog

import (
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// The key space of the catalog. Names are folded to lower case in keys and
// keep their case in the records.
//
//	vaultname/<folded name>   the id of the vault that holds the name, also while deleted
//	mhsmname/<folded name>    the same for managed HSMs, whose documents are vaults'
//	v/<id>                    the vault's document
//	v/<id>/...                what the vault contains: the vault package's
//	authz                     touched by every change of a role assignment
//	role/<assignment id>      a role assignment

// NameKey returns the key of the record that maps a vault name to its id.
func NameKey(name string) []byte { return tuple.Key("vaultname", strings.ToLower(name)) }

// HSMNameKey is NameKey for managed HSMs.
func HSMNameKey(name string) []byte { return tuple.Key("mhsmname", strings.ToLower(name)) }

// VaultKey returns the key of a vault's document. Every key of the vault's
// contents extends it.
func VaultKey(id string) []byte { return AppendVaultKey(nil, id) }

// AppendVaultKey appends VaultKey to dst.
func AppendVaultKey(dst []byte, id string) []byte { return tuple.Append(tuple.Append(dst, "v"), id) }

// AuthzKey is the key of the authorisation epoch: its revision changes with
// every change of a role assignment.
var AuthzKey = tuple.Key("authz")

// RoleKey returns the key of a role assignment.
func RoleKey(assignmentID string) []byte { return tuple.Key("role", strings.ToLower(assignmentID)) }
