package keyops

import (
	"crypto"
	"fmt"
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Algorithm is what is done with a key, as the alg member of a request names
// it: RFC 7518, RFC 8812 and Azure's own.
type Algorithm string

// Algorithms of RSA keys. RSANull signs the value as it is, without naming a
// hash function.
const (
	RSA15      Algorithm = "RSA1_5"
	RSAOAEP    Algorithm = "RSA-OAEP"
	RSAOAEP256 Algorithm = "RSA-OAEP-256"
	RS256      Algorithm = "RS256"
	RS384      Algorithm = "RS384"
	RS512      Algorithm = "RS512"
	PS256      Algorithm = "PS256"
	PS384      Algorithm = "PS384"
	PS512      Algorithm = "PS512"
	RSANull    Algorithm = "RSNULL"
)

// Algorithms of EC keys. ECDSA256 is what ES256K was called at first.
const (
	ES256    Algorithm = "ES256"
	ES384    Algorithm = "ES384"
	ES512    Algorithm = "ES512"
	ES256K   Algorithm = "ES256K"
	ECDSA256 Algorithm = "ECDSA256"
)

// Algorithms of symmetric keys. The number is the size of the key in bits; the
// PKCS #11 mechanisms take keys of all three sizes.
const (
	A128GCM       Algorithm = "A128GCM"
	A192GCM       Algorithm = "A192GCM"
	A256GCM       Algorithm = "A256GCM"
	A128CBC       Algorithm = "A128CBC"
	A192CBC       Algorithm = "A192CBC"
	A256CBC       Algorithm = "A256CBC"
	A128CBCPAD    Algorithm = "A128CBCPAD"
	A192CBCPAD    Algorithm = "A192CBCPAD"
	A256CBCPAD    Algorithm = "A256CBCPAD"
	A128KW        Algorithm = "A128KW"
	A192KW        Algorithm = "A192KW"
	A256KW        Algorithm = "A256KW"
	AESKeyWrap    Algorithm = "CKM_AES_KEY_WRAP"
	AESKeyWrapPad Algorithm = "CKM_AES_KEY_WRAP_PAD"
	HS256         Algorithm = "HS256"
	HS384         Algorithm = "HS384"
	HS512         Algorithm = "HS512"
)

// Algorithms of AKP keys, FIPS 204. Such a key is for one of them only.
const (
	MLDSA44 Algorithm = "ML-DSA-44"
	MLDSA65 Algorithm = "ML-DSA-65"
	MLDSA87 Algorithm = "ML-DSA-87"
)

// operation is a use of a key. The words are those of key_ops.
type operation string

const (
	encrypt   operation = "encrypt"
	decrypt   operation = "decrypt"
	wrapKey   operation = "wrapKey"
	unwrapKey operation = "unwrapKey"
	sign      operation = "sign"
	verify    operation = "verify"
)

var (
	signs  = []operation{sign, verify}
	closes = []operation{encrypt, decrypt}
	wraps  = []operation{wrapKey, unwrapKey}
	both   = []operation{encrypt, decrypt, wrapKey, unwrapKey}
)

// scheme is what algorithms that differ only in sizes have in common.
type scheme int

const (
	pkcs1Encryption scheme = iota
	oaep
	pkcs1Signature
	pss
	ecdsaRaw
	gcm
	cbc
	cbcPadded
	keyWrap
	keyWrapPadded
	mac
	mldsaPure
)

// algorithm is a row of the table.
type algorithm struct {
	name   Algorithm
	key    Type
	curve  Curve       // of EC
	bits   int         // of oct; 0 where any size will do
	scheme scheme      //
	hash   crypto.Hash // 0 for none; a signature's digest has its size
	ops    []operation
}

// algorithms is everything that keys can do. ValidOps, the errors and the
// operations all follow it.
var algorithms = []algorithm{
	{RSA15, TypeRSA, "", 0, pkcs1Encryption, 0, both},
	{RSAOAEP, TypeRSA, "", 0, oaep, crypto.SHA1, both},
	{RSAOAEP256, TypeRSA, "", 0, oaep, crypto.SHA256, both},
	{RS256, TypeRSA, "", 0, pkcs1Signature, crypto.SHA256, signs},
	{RS384, TypeRSA, "", 0, pkcs1Signature, crypto.SHA384, signs},
	{RS512, TypeRSA, "", 0, pkcs1Signature, crypto.SHA512, signs},
	{PS256, TypeRSA, "", 0, pss, crypto.SHA256, signs},
	{PS384, TypeRSA, "", 0, pss, crypto.SHA384, signs},
	{PS512, TypeRSA, "", 0, pss, crypto.SHA512, signs},
	{RSANull, TypeRSA, "", 0, pkcs1Signature, 0, signs},

	{ES256, TypeEC, CurveP256, 0, ecdsaRaw, crypto.SHA256, signs},
	{ES384, TypeEC, CurveP384, 0, ecdsaRaw, crypto.SHA384, signs},
	{ES512, TypeEC, CurveP521, 0, ecdsaRaw, crypto.SHA512, signs},
	{ES256K, TypeEC, CurveP256K, 0, ecdsaRaw, crypto.SHA256, signs},
	{ECDSA256, TypeEC, CurveP256K, 0, ecdsaRaw, crypto.SHA256, signs},

	{A128GCM, TypeOct, "", 128, gcm, 0, closes},
	{A192GCM, TypeOct, "", 192, gcm, 0, closes},
	{A256GCM, TypeOct, "", 256, gcm, 0, closes},
	{A128CBC, TypeOct, "", 128, cbc, 0, closes},
	{A192CBC, TypeOct, "", 192, cbc, 0, closes},
	{A256CBC, TypeOct, "", 256, cbc, 0, closes},
	{A128CBCPAD, TypeOct, "", 128, cbcPadded, 0, closes},
	{A192CBCPAD, TypeOct, "", 192, cbcPadded, 0, closes},
	{A256CBCPAD, TypeOct, "", 256, cbcPadded, 0, closes},
	{A128KW, TypeOct, "", 128, keyWrap, 0, wraps},
	{A192KW, TypeOct, "", 192, keyWrap, 0, wraps},
	{A256KW, TypeOct, "", 256, keyWrap, 0, wraps},
	{AESKeyWrap, TypeOct, "", 0, keyWrap, 0, wraps},
	{AESKeyWrapPad, TypeOct, "", 0, keyWrapPadded, 0, wraps},
	{HS256, TypeOct, "", 0, mac, crypto.SHA256, signs},
	{HS384, TypeOct, "", 0, mac, crypto.SHA384, signs},
	{HS512, TypeOct, "", 0, mac, crypto.SHA512, signs},

	{MLDSA44, TypeAKP, "", 0, mldsaPure, 0, signs},
	{MLDSA65, TypeAKP, "", 0, mldsaPure, 0, signs},
	{MLDSA87, TypeAKP, "", 0, mldsaPure, 0, signs},
}

var byName = func() map[Algorithm]algorithm {
	m := make(map[Algorithm]algorithm, len(algorithms))
	for _, a := range algorithms {
		m[a.name] = a
	}
	return m
}()

// CurveMismatchError says that an algorithm is for another curve than the key's.
// Who knows the key's id makes the sentence for the caller with Fault.
type CurveMismatchError struct {
	KeyCurve       Curve
	Algorithm      Algorithm
	AlgorithmCurve Curve
}

// Fault returns the refusal, about the key of the id.
func (e *CurveMismatchError) Fault(kid string) *fault.Error {
	return fault.New(fault.Invalid, "BadParameter",
		"Key and signing algorithm are incompatible. Key %s uses curve '%s', and algorithm '%s' can only be used with curve '%s'.",
		kid, e.KeyCurve, e.Algorithm, e.AlgorithmCurve)
}

// Error returns the refusal's text, without an id.
func (e *CurveMismatchError) Error() string {
	return fmt.Sprintf("keyops: a key of the curve %s with the algorithm %s", e.KeyCurve, e.Algorithm)
}

// Unwrap returns the refusal, so that it is one even if nobody calls Fault.
func (e *CurveMismatchError) Unwrap() error { return e.Fault("(unknown)") }

// find returns the row of the name, if k can be used that way. A name that is
// not in the table is not repeated: it may be of any length. A key of type AKP
// has its algorithm even if the caller names none.
func (k *Key) find(name Algorithm, op operation) (algorithm, error) {
	akp, ok := k.private().(*akpKey)
	if ok && name == "" {
		name = akp.algorithm()
	}
	kind, curve := k.kind()
	a, known := byName[name]
	if !known || a.key != kind || !slices.Contains(a.ops, op) {
		return algorithm{}, unsuitable(kind, op, name)
	}
	if a.curve != curve {
		return a, &CurveMismatchError{curve, name, a.curve}
	}
	if akp != nil && akp.algorithm() != name {
		return a, invalid("Key and signing algorithm are incompatible. The key is for algorithm '%s'.", akp.algorithm())
	}
	if octets, ok := k.private().(*symmetricKey); ok {
		if err := octets.suits(a); err != nil {
			return a, err
		}
	}
	return a, nil
}

func unsuitable(t Type, op operation, name Algorithm) error {
	var of, all []string
	for _, a := range algorithms {
		if a.key != t {
			continue
		}
		all = append(all, string(a.name))
		if slices.Contains(a.ops, op) {
			of = append(of, string(a.name))
		}
	}
	if len(of) == 0 {
		return invalid("Keys of type %s cannot be used for %s. Their algorithms are %s.", t, op, strings.Join(all, ", "))
	}
	if name == "" {
		return invalid("Property 'alg' is required.\r\nSupported algorithms for %s with keys of type %s are %s.", op, t, strings.Join(of, ", "))
	}
	return invalid("The algorithm is not supported for %s with keys of type %s. Supported algorithms are %s.", op, t, strings.Join(of, ", "))
}

// wrongLength is Azure's text for a member of one possible length.
func (a algorithm) wrongLength(member string, have, want int) error {
	return invalid("Invalid length of '%s': %d bytes. %s requires %d bytes, encoded with base64url.", member, have, a.name, want)
}

// undecryptable is the one answer to everything that does not open, whatever the
// cause: the cause would help to decrypt without the key.
func undecryptable() error { return invalid("The parameter is incorrect.\r\n") }
