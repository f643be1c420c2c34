package api

import (
	"fmt"
	"log/slog"
)

// Algorithm is the alg member of an operation with a key: RFC 7518, RFC 8812 and
// Azure's own. Its case matters.
type Algorithm string

// Algorithms of RSA keys: the first three encrypt and wrap, the rest sign.
const (
	AlgorithmRSA15      Algorithm = "RSA1_5"
	AlgorithmRSAOAEP    Algorithm = "RSA-OAEP"
	AlgorithmRSAOAEP256 Algorithm = "RSA-OAEP-256"
	AlgorithmRS256      Algorithm = "RS256"
	AlgorithmRS384      Algorithm = "RS384"
	AlgorithmRS512      Algorithm = "RS512"
	AlgorithmPS256      Algorithm = "PS256"
	AlgorithmPS384      Algorithm = "PS384"
	AlgorithmPS512      Algorithm = "PS512"
	AlgorithmRSNull     Algorithm = "RSNULL"
)

// Algorithms of elliptic-curve keys. Version 2016-10-01 calls ES256K by the name
// AlgorithmECDSA256.
const (
	AlgorithmES256    Algorithm = "ES256"
	AlgorithmES384    Algorithm = "ES384"
	AlgorithmES512    Algorithm = "ES512"
	AlgorithmES256K   Algorithm = "ES256K"
	AlgorithmECDSA256 Algorithm = "ECDSA256"
)

// Algorithms of symmetric keys, from version 7.2 on; those of PKCS #11 and the
// HMACs from version 7.6 on.
const (
	AlgorithmA128GCM       Algorithm = "A128GCM"
	AlgorithmA192GCM       Algorithm = "A192GCM"
	AlgorithmA256GCM       Algorithm = "A256GCM"
	AlgorithmA128CBC       Algorithm = "A128CBC"
	AlgorithmA192CBC       Algorithm = "A192CBC"
	AlgorithmA256CBC       Algorithm = "A256CBC"
	AlgorithmA128CBCPAD    Algorithm = "A128CBCPAD"
	AlgorithmA192CBCPAD    Algorithm = "A192CBCPAD"
	AlgorithmA256CBCPAD    Algorithm = "A256CBCPAD"
	AlgorithmA128KW        Algorithm = "A128KW"
	AlgorithmA192KW        Algorithm = "A192KW"
	AlgorithmA256KW        Algorithm = "A256KW"
	AlgorithmAESKeyWrap    Algorithm = "CKM_AES_KEY_WRAP"
	AlgorithmAESKeyWrapPad Algorithm = "CKM_AES_KEY_WRAP_PAD"
	AlgorithmHS256         Algorithm = "HS256"
	AlgorithmHS384         Algorithm = "HS384"
	AlgorithmHS512         Algorithm = "HS512"
)

// Algorithms of AKP keys, in the preview versions that have them.
const (
	AlgorithmMLDSA44 Algorithm = "ML-DSA-44"
	AlgorithmMLDSA65 Algorithm = "ML-DSA-65"
	AlgorithmMLDSA87 Algorithm = "ML-DSA-87"
)

// KeyOperationParameters is the body of encrypt, decrypt, wrapkey and unwrapkey.
//
// Formatting or logging it shows only the algorithm.
type KeyOperationParameters struct {
	// Algorithm is required.
	Algorithm Algorithm `json:"alg,omitempty"`
	// Value is required: what is encrypted, decrypted, wrapped or unwrapped.
	Value Base64URL `json:"value,omitempty"`
	// IV is the initialization vector: the caller's own for AES-CBC, and for
	// AES-GCM what encrypting has answered.
	IV Base64URL `json:"iv,omitempty"`
	// AAD is the additional data that AES-GCM authenticates.
	AAD Base64URL `json:"aad,omitempty"`
	// Tag is what AES-GCM has answered to encrypting.
	Tag Base64URL `json:"tag,omitempty"`
}

// KeySignParameters is the body of sign.
type KeySignParameters struct {
	// Algorithm is required, but for AKP keys, which have only one.
	Algorithm Algorithm `json:"alg,omitempty"`
	// Value is the digest, or for AKP keys the message.
	Value Base64URL `json:"value,omitempty"`
	// ExternalMu takes the place of Value and Context, FIPS 204 section 6.2.
	ExternalMu Base64URL `json:"external_mu,omitempty"`
	// Context is what an ML-DSA signature is for, at most 255 bytes.
	Context Base64URL `json:"context,omitempty"`
}

// KeyVerifyParameters is the body of verify.
type KeyVerifyParameters struct {
	// Algorithm is required, but for AKP keys, which have only one.
	Algorithm Algorithm `json:"alg,omitempty"`
	// Digest is what was signed, or for AKP keys the message.
	Digest Base64URL `json:"digest,omitempty"`
	// Value is the signature.
	Value Base64URL `json:"value,omitempty"`
	// ExternalMu and Context are as they were when signing.
	ExternalMu Base64URL `json:"external_mu,omitempty"`
	Context    Base64URL `json:"context,omitempty"`
}

// KeyOperationResult answers all operations with a key but verify.
//
// Formatting or logging it shows only the key's id.
type KeyOperationResult struct {
	// KID names the version that was used.
	KID string `json:"kid,omitempty"`
	// Value is there even when it is empty, as what was encrypted may be.
	Value Base64URL `json:"value"`
	// IV, Tag and AAD are what AES-GCM needs to decrypt; AES-CBC has an IV, too.
	IV  Base64URL `json:"iv,omitempty"`
	Tag Base64URL `json:"tag,omitempty"`
	AAD Base64URL `json:"aad,omitempty"`
}

// KeyVerifyResult answers verify: a signature that is wrong is no error.
type KeyVerifyResult struct {
	Value bool `json:"value"`
}

// RandomBytesParameters is the body of a request to a managed HSM for randomness.
type RandomBytesParameters struct {
	// Count is 1 to 128.
	Count int32 `json:"count"`
}

// RandomBytes is the answer.
type RandomBytes struct {
	Value Base64URL `json:"value"`
}

const hidden = "[hidden]"

// String returns the algorithm as JSON.
func (p KeyOperationParameters) String() string {
	type plain KeyOperationParameters
	return jsonText(plain{Algorithm: p.Algorithm})
}

// Format writes String for every verb.
func (p KeyOperationParameters) Format(f fmt.State, _ rune) { writeText(f, p.String()) }

// LogValue returns String.
func (p KeyOperationParameters) LogValue() slog.Value { return slog.StringValue(p.String()) }

// String returns the key's id as JSON.
func (r KeyOperationResult) String() string {
	type plain KeyOperationResult
	return jsonText(plain{KID: r.KID})
}

// Format writes String for every verb.
func (r KeyOperationResult) Format(f fmt.State, _ rune) { writeText(f, r.String()) }

// LogValue returns String.
func (r KeyOperationResult) LogValue() slog.Value { return slog.StringValue(r.String()) }

// String returns a placeholder.
func (RandomBytes) String() string { return hidden }

// Format writes a placeholder for every verb.
func (RandomBytes) Format(f fmt.State, _ rune) { writeText(f, hidden) }

// LogValue returns a placeholder.
func (RandomBytes) LogValue() slog.Value { return slog.StringValue(hidden) }
