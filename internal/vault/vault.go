// Package vault is the domain of the data plane: the secrets and keys of a
// vault, their versions, and their life from active through deleted to purged.
//
// Every operation takes the caller as part of an explicit Call, authorises
// itself against the vault's own document in the transaction that does the
// work, and audits itself: no transport can forget to. An operation touches
// one name, in one transaction, and is visible at once when it returns; a
// refused one has changed nothing.
//
// The package knows no HTTP, no wire format and no database driver. It never
// stores an address: identifiers are names and versions, and the planes render
// them.
package vault

import (
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// Call is who asks, from where, and of which vault. The zero Caller may do
// nothing.
type Call struct {
	Caller access.Caller
	Origin audit.Origin
	Vault  string // name, compared without case
}

// Attributes are what a caller may set of an object. Nil leaves a value as it
// is, or at its default on creation.
type Attributes struct {
	Enabled    *bool
	NotBefore  *int64 // Unix seconds
	Expires    *int64
	Exportable *bool // keys only
}

// Object is what every version of every kind of object shows. Times are Unix
// seconds of the domain clock.
type Object struct {
	Name    string // as it was first created
	Version string // 32 lower-case hex digits; empty in a list of names
	Enabled bool
	// NotBefore and Expires are nil when unset.
	NotBefore, Expires *int64
	Created, Updated   int64
	Tags               map[string]string
	// Managed is true for the key and secret of a certificate.
	Managed bool
	// RecoveryLevel and RecoverableDays come from the vault; the days are 0
	// without soft delete.
	RecoveryLevel   string
	RecoverableDays int
	// Deleted is set on a deleted object.
	Deleted *Deletion
}

// Deletion says since when an object is deleted and when it will be purged.
type Deletion struct {
	At, PurgeAt int64 // Unix seconds
}

// Secret is one version of a secret. Value is the zero Bytes in every answer
// that shows no value.
type Secret struct {
	Object
	ContentType *string
	Value       secret.Bytes
	// Reading is what GetSecret has made the answer of, for Service.Again.
	Reading *Reading
}

// Key is one version of a key with its public part.
type Key struct {
	Object
	Public keyops.PublicJWK // the zero value in lists
	// HSM says that the key was asked for with an -HSM type.
	HSM bool
	Ops []string
	// ReleasePolicy says to whom the private key may be released. It is nil for a
	// key that is not exportable, and belongs to all versions of a key.
	ReleasePolicy *ReleasePolicy
}

// ReleasePolicy is a policy document of package release.
type ReleasePolicy struct {
	// ContentType is that of the document; empty means JSON in UTF-8.
	ContentType string
	Data        []byte
	// Immutable policies stay as they are.
	Immutable bool
}

// SetSecret is the request of Service.SetSecret.
type SetSecret struct {
	Value       secret.Bytes
	ContentType *string
	Tags        map[string]string
	Attributes  Attributes
}

// UpdateSecret is the request of Service.UpdateSecret. Nil members stay as
// they are; a Tags map that is not nil replaces all tags.
type UpdateSecret struct {
	ContentType *string
	Tags        map[string]string
	Attributes  Attributes
}

// CreateKey is the request of Service.CreateKey. Nil Ops mean the defaults of
// the type.
type CreateKey struct {
	Spec       keyops.Spec
	HSM        bool // only in a premium vault
	Ops        []string
	Tags       map[string]string
	Attributes Attributes
	// ReleasePolicy goes with the attribute exportable. Of an object that has one, it
	// takes the place. Nil leaves that as it is.
	ReleasePolicy *ReleasePolicy
	// Rejected, if not nil, is what is wrong with the request for whoever has read
	// it: the operation fails with it, once permission allows it.
	Rejected error
}

// ImportKey is the request of Service.ImportKey, as CreateKey.
type ImportKey struct {
	Key keyops.PrivateJWK
	// Transfer, if not nil, holds the key in place of Key, of which only the type
	// counts then. It makes it an HSM key.
	Transfer      *Transfer
	HSM           bool
	Ops           []string
	Tags          map[string]string
	Attributes    Attributes
	ReleasePolicy *ReleasePolicy // as in CreateKey
	Rejected      error          // as in CreateKey
}

// Transfer is a key that was wrapped elsewhere, and the version of a key of the
// same vault that it was wrapped for; version "" is the current one.
type Transfer struct {
	Blob          *keyops.Transfer
	Name, Version string
}

// UpdateKey is the request of Service.UpdateKey, as UpdateSecret.
type UpdateKey struct {
	Ops        []string
	Tags       map[string]string
	Attributes Attributes
	// ReleasePolicy, if not nil, takes the place of that of the whole key. Only an
	// update that names no version may have one.
	ReleasePolicy *ReleasePolicy
}

// CipherRequest is the request of Service.Encrypt, Decrypt, WrapKey and UnwrapKey.
type CipherRequest struct {
	Algorithm keyops.Algorithm
	Input     keyops.Input
	// Rejected is as in CreateKey, and is told once the key's state, too, allows the
	// operation.
	Rejected error
}

// SignRequest is the request of Service.Sign.
type SignRequest struct {
	Algorithm keyops.Algorithm
	Message   keyops.Message
	Rejected  error // as in CipherRequest
}

// VerifyRequest is the request of Service.Verify: a message and its signature, if
// it is that.
type VerifyRequest struct {
	SignRequest
	Signature []byte
}

// KeyResult is what a key has made, and which key it was.
//
// It shows nothing of itself when it is formatted or logged.
type KeyResult struct {
	Name, Version string
	keyops.Output
}

// PageRequest asks for one page of a list: at most Max items (1 to 25) after
// Marker, which is empty or the Next of an earlier page.
type PageRequest struct {
	Max    int
	Marker string
}

// Page is one page of a list. Next is empty on the last.
type Page[T any] struct {
	Items []T
	Next  string
}

// Info is what may be known of a vault without permission: what a challenge
// and the headers of an answer say.
type Info struct {
	Name, TenantID, Location string
}

// Limits of the service, as Azure documents them.
const (
	MaxNameLength        = 127
	MaxSecretValue       = 25600 // bytes of UTF-8
	MaxContentTypeLength = 255   // characters
	MaxTags              = 15
	// MaxTagLength is in characters of a name, and of a value. Older pages say 256;
	// the portal and the page on secrets have 512.
	MaxTagLength = 512
	MaxPage      = 25
)
