package vault

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// kind is what tells secrets and keys apart where they are treated alike.
type kind struct {
	collection string // in paths and record keys
	noun       string // in messages, and capitalised in codes and operation names
	capital    string
	// hidesDisabled is true where a disabled object is not shown, not even
	// deleted.
	hidesDisabled bool

	delete, list, getDeleted, purge, recover access.Action
}

var secretKind = &kind{
	collection: "secrets", noun: "secret", capital: "Secret", hidesDisabled: true,
	delete: access.SecretDelete, list: access.SecretList, getDeleted: access.DeletedSecretGet,
	purge: access.SecretPurge, recover: access.SecretRecover,
}

var keyKind = &kind{
	collection: "keys", noun: "key", capital: "Key",
	delete: access.KeyDelete, list: access.KeyList, getDeleted: access.KeyGet,
	purge: access.KeyPurge, recover: access.KeyRecover,
}

// kindOf returns the kind of a collection, or nil.
func kindOf(collection string) *kind {
	for _, k := range []*kind{secretKind, keyKind} {
		if k.collection == collection {
			return k
		}
	}
	return nil
}

// The records of an object. Which of live and dead holds its head is what makes
// it active or deleted; its versions stay where they are.
//
//	v/<id>/live/<kind>/<name>             head of an active object
//	v/<id>/dead/<kind>/<name>             head of a deleted one
//	v/<id>/ver/<kind>/<name>/<version>    metadata of a version
//	v/<id>/body/<kind>/<name>/<version>   its value or private key
//	due/<unix>/<id>/<kind>/<name>         exists exactly while a dead head with
//	                                      this purge date does
//	lifetime/<unix>/<id>/<kind>/<name>    exists exactly while a live head is due
//	                                      then
const (
	live = "live"
	dead = "dead"
	ver  = "ver"
	body = "body"
)

// key returns the key of a record, or of the records below it. Names are folded.
func (k *kind) key(vaultID, area string, below ...string) []byte {
	size := len(vaultID) + len(area) + len(k.collection) + 13
	for _, part := range below {
		size += len(part) + 3
	}
	key := catalog.AppendVaultKey(make([]byte, 0, size), vaultID)
	key = tuple.Append(key, area)
	key = tuple.Append(key, k.collection)
	for _, part := range below {
		key = tuple.Append(key, strings.ToLower(part))
	}
	return key
}

// contents returns the ranges of everything that an object's head owns.
func (k *kind) contents(vaultID, name string) []store.Range {
	return []store.Range{
		tuple.Prefix(k.key(vaultID, ver, name)),
		tuple.Prefix(k.key(vaultID, body, name)),
	}
}

var dueRoot = tuple.Key("due")

// due returns the key of the record that has an object purged at a time.
func (k *kind) due(at int64, vaultID, name string) []byte {
	key := tuple.AppendUint(dueRoot[:len(dueRoot):len(dueRoot)], uint64(at))
	for _, part := range []string{vaultID, k.collection, strings.ToLower(name)} {
		key = tuple.Append(key, part)
	}
	return key
}

// newVersion returns a random version id.
func newVersion() string {
	var id [16]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}
