package api

import (
	"fmt"
	"log/slog"
)

// KeyType is the kty member of a JSON Web Key.
type KeyType string

// Key types. Those with the suffix -HSM never leave an HSM and need a premium
// vault.
const (
	KeyTypeRSA    KeyType = "RSA"
	KeyTypeRSAHSM KeyType = "RSA-HSM"
	KeyTypeEC     KeyType = "EC"
	KeyTypeECHSM  KeyType = "EC-HSM"
	KeyTypeOct    KeyType = "oct"
	KeyTypeOctHSM KeyType = "oct-HSM"
	KeyTypeAKP    KeyType = "AKP"
	KeyTypeAKPHSM KeyType = "AKP-HSM"
)

// Curve is the crv member of an elliptic-curve key.
type Curve string

// Curves. Version 2016-10-01 calls P-256K by the name CurveSECP256K1.
const (
	CurveP256      Curve = "P-256"
	CurveP384      Curve = "P-384"
	CurveP521      Curve = "P-521"
	CurveP256K     Curve = "P-256K"
	CurveSECP256K1 Curve = "SECP256K1"
)

// KeyOperation is an element of key_ops. Its case matters.
type KeyOperation string

// Key operations. The service's default for RSA is the first six, in this order.
const (
	OperationEncrypt   KeyOperation = "encrypt"
	OperationDecrypt   KeyOperation = "decrypt"
	OperationSign      KeyOperation = "sign"
	OperationVerify    KeyOperation = "verify"
	OperationWrapKey   KeyOperation = "wrapKey"
	OperationUnwrapKey KeyOperation = "unwrapKey"
	OperationImport    KeyOperation = "import"
	OperationExport    KeyOperation = "export"
)

// JSONWebKey is a key in the form of RFC 7517, with the two members that Key
// Vault adds: the -HSM key types and key_hsm. Answers hold only public members.
//
// Formatting or logging a JSONWebKey shows only its public members.
type JSONWebKey struct {
	// KID is the URL of this version of the key.
	KID    string         `json:"kid,omitempty"`
	Kty    KeyType        `json:"kty,omitempty"`
	KeyOps []KeyOperation `json:"key_ops,omitzero"`

	// N and E are the modulus and the public exponent of an RSA key, big-endian.
	N Base64URL `json:"n,omitempty"`
	E Base64URL `json:"e,omitempty"`

	// Crv, X and Y are the public part of an elliptic-curve key; the
	// coordinates have the fixed length of the curve's field, RFC 7518 section
	// 6.2.1.2.
	Crv Curve     `json:"crv,omitempty"`
	X   Base64URL `json:"x,omitempty"`
	Y   Base64URL `json:"y,omitempty"`

	// Alg and Pub are the algorithm and the public part of an AKP key. The
	// preview versions have them.
	Alg Algorithm `json:"alg,omitempty"`
	Pub Base64URL `json:"pub,omitempty"`

	// D is the private exponent of an RSA key or the private scalar of an
	// elliptic-curve key. It and all that follow appear in imports only.
	D  Base64URL `json:"d,omitempty"`
	DP Base64URL `json:"dp,omitempty"`
	DQ Base64URL `json:"dq,omitempty"`
	QI Base64URL `json:"qi,omitempty"`
	P  Base64URL `json:"p,omitempty"`
	Q  Base64URL `json:"q,omitempty"`
	// K is a symmetric key.
	K Base64URL `json:"k,omitempty"`
	// Priv is the seed of an AKP key.
	Priv Base64URL `json:"priv,omitempty"`
	// KeyHSM is a key wrapped for transfer into an HSM.
	KeyHSM Base64URL `json:"key_hsm,omitempty"`
}

// ReleasePolicy says to whom an exportable key may be released.
type ReleasePolicy struct {
	// ContentType is "application/json; charset=utf-8" unless given.
	ContentType string `json:"contentType,omitempty"`
	// Data is the policy document itself.
	Data Base64URL `json:"data,omitempty"`
	// Immutable policies cannot be replaced.
	Immutable *bool `json:"immutable,omitempty"`
}

// KeyBundle is a version of a key.
type KeyBundle struct {
	Key        *JSONWebKey       `json:"key,omitempty"`
	Attributes *Attributes       `json:"attributes,omitempty"`
	Tags       map[string]string `json:"tags,omitzero"`
	// Managed is true if the key belongs to a certificate.
	Managed       bool           `json:"managed,omitempty"`
	ReleasePolicy *ReleasePolicy `json:"release_policy,omitempty"`
}

// DeletedKeyBundle is a deleted key. Its kid keeps the version.
type DeletedKeyBundle struct {
	Deletion
	KeyBundle
}

// KeyItem is a key, or a version of one, as a list shows it: without the JSON
// Web Key. In a list of keys the KID has no version.
type KeyItem struct {
	KID        string            `json:"kid,omitempty"`
	Attributes *Attributes       `json:"attributes,omitempty"`
	Tags       map[string]string `json:"tags,omitzero"`
	Managed    bool              `json:"managed,omitempty"`
}

// DeletedKeyItem is a deleted key as a list shows it. Its KID has no version.
type DeletedKeyItem struct {
	Deletion
	KeyItem
}

// KeyCreateParameters is the body of a create, which makes a new version.
type KeyCreateParameters struct {
	// Kty is required.
	Kty KeyType `json:"kty,omitempty"`
	// KeySize is in bits: 2048, 3072 or 4096 for RSA, where 2048 is the default.
	KeySize *int32 `json:"key_size,omitempty"`
	// PublicExponent is for RSA keys, from version 7.2 on.
	PublicExponent *int32 `json:"public_exponent,omitempty"`
	// KeyOps, if nil, is all that the key type can do.
	KeyOps     []KeyOperation    `json:"key_ops,omitzero"`
	Attributes *Attributes       `json:"attributes,omitempty"`
	Tags       map[string]string `json:"tags,omitzero"`
	// Crv is the curve of an elliptic-curve key; P-256 is the default.
	Crv Curve `json:"crv,omitempty"`
	// Alg is the algorithm of an AKP key.
	Alg           Algorithm      `json:"alg,omitempty"`
	ReleasePolicy *ReleasePolicy `json:"release_policy,omitempty"`
}

// KeyImportParameters is the body of an import, which makes a new version.
//
// Formatting or logging it shows only the public members of the key.
type KeyImportParameters struct {
	// Key is required, with its private members. Its KeyOps, if nil, are all that
	// the key type can do.
	Key *JSONWebKey `json:"key,omitempty"`
	// HSM makes it a key of the -HSM type. The member begins with a capital letter.
	HSM           *bool             `json:"Hsm,omitempty"`
	Attributes    *Attributes       `json:"attributes,omitempty"`
	Tags          map[string]string `json:"tags,omitzero"`
	ReleasePolicy *ReleasePolicy    `json:"release_policy,omitempty"`
}

// KeyUpdateParameters is the body of an update. Members that are nil leave what
// is stored as it is; KeyOps and Tags, if not nil, replace all that is stored.
type KeyUpdateParameters struct {
	KeyOps        []KeyOperation    `json:"key_ops,omitzero"`
	Attributes    *Attributes       `json:"attributes,omitempty"`
	Tags          map[string]string `json:"tags,omitzero"`
	ReleasePolicy *ReleasePolicy    `json:"release_policy,omitempty"`
}

// Public returns a copy of k without private members. The copy shares the
// public members' memory with k.
func (k JSONWebKey) Public() JSONWebKey {
	return JSONWebKey{KID: k.KID, Kty: k.Kty, KeyOps: k.KeyOps, N: k.N, E: k.E, Crv: k.Crv, X: k.X, Y: k.Y, Alg: k.Alg, Pub: k.Pub}
}

// String returns the public members as JSON.
func (k JSONWebKey) String() string {
	type plain JSONWebKey
	return jsonText(plain(k.Public()))
}

// Format writes String for every verb, so that none reveals a private member.
// (Package fmt never asks a type about %p, which go vet refuses for this one.)
func (k JSONWebKey) Format(f fmt.State, _ rune) { writeText(f, k.String()) }

// LogValue returns String.
func (k JSONWebKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// String returns the parameters as JSON with the public members of the key.
func (p KeyImportParameters) String() string {
	type plain KeyImportParameters
	if p.Key != nil {
		public := p.Key.Public()
		p.Key = &public
	}
	return jsonText(plain(p))
}

// Format writes String for every verb, so that none reveals a private member.
func (p KeyImportParameters) Format(f fmt.State, _ rune) { writeText(f, p.String()) }

// LogValue returns String.
func (p KeyImportParameters) LogValue() slog.Value { return slog.StringValue(p.String()) }
