package keyops

import (
	"crypto"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// ReleaseEncryption is how a key is wrapped for whoever it is released to: a new
// AES key under RSA-OAEP, and behind it the key under RFC 5649, as
// CKM_RSA_AES_KEY_WRAP of PKCS #11 has it. The names differ in the digest of OAEP.
type ReleaseEncryption string

// Encryptions of a release.
const (
	RSAAESKeyWrap    ReleaseEncryption = "CKM_RSA_AES_KEY_WRAP" // SHA-1
	RSAAESKeyWrap256 ReleaseEncryption = "RSA_AES_KEY_WRAP_256" // SHA-256
	RSAAESKeyWrap384 ReleaseEncryption = "RSA_AES_KEY_WRAP_384" // SHA-384
)

var releaseDigests = map[ReleaseEncryption]crypto.Hash{
	RSAAESKeyWrap: crypto.SHA1, RSAAESKeyWrap256: crypto.SHA256, RSAAESKeyWrap384: crypto.SHA384,
}

// Validate returns nil if there is such an encryption, or a *fault.Error of kind
// Invalid.
func (e ReleaseEncryption) Validate() error {
	if _, known := releaseDigests[e]; !known {
		return invalid("The parameter enc is not supported. Supported values are %s, %s and %s.", RSAAESKeyWrap, RSAAESKeyWrap256, RSAAESKeyWrap384)
	}
	return nil
}

const (
	// releaseVersion is the schema of a released key, which differs from that of
	// a transferred one.
	releaseVersion = "1.0"
	// Sizes of the RSA key to wrap for, in bits. The lower bound is for safety,
	// the upper one for time.
	minRecipientBits = 2048
	maxRecipientBits = 8192
)

// ReleaseTo returns the private key, wrapped for a public key that has the id kid:
// the object of JSON that an answer shows as key_hsm. RSA and EC keys are in PKCS
// #8, symmetric ones are their octets; the others cannot be released. A recipient
// of another size than 2048 to 8192 bits is Invalid.
func (k *Key) ReleaseTo(recipient *rsa.PublicKey, kid string, e ReleaseEncryption) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if bits := recipient.N.BitLen(); bits < minRecipientBits || bits > maxRecipientBits {
		return nil, invalid("The key to wrap for has %d bits. Supported are %d to %d.", bits, minRecipientBits, maxRecipientBits)
	}
	plain, err := k.transferForm()
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	ciphertext, err := wrapRelease(recipient, releaseDigests[e], plain)
	if err != nil {
		return nil, invalid("The key to wrap for is not an RSA key that can encrypt.")
	}
	type header struct {
		KID        string            `json:"kid"`
		Algorithm  string            `json:"alg"`
		Encryption ReleaseEncryption `json:"enc"`
	}
	return json.Marshal(struct {
		Version    string `json:"schema_version"`
		Header     header `json:"header"`
		Ciphertext string `json:"ciphertext"`
	}{releaseVersion, header{kid, transferAlgorithm, e}, base64.RawURLEncoding.EncodeToString(ciphertext)})
}

func wrapRelease(recipient *rsa.PublicKey, digest crypto.Hash, plain []byte) ([]byte, error) {
	wrapping := make([]byte, 32)
	_, _ = rand.Read(wrapping) // never fails
	defer clear(wrapping)
	head, err := rsa.EncryptOAEP(digest.New(), rand.Reader, recipient, wrapping, nil)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(wrapping)
	if err != nil {
		return nil, err
	}
	return append(head, wrapPadded(block, plain)...), nil
}

// transferForm returns the private key in the form in which Transfer.Open finds it.
func (k *Key) transferForm() ([]byte, error) {
	switch private := k.private().(type) {
	case *symmetricKey:
		return slices.Clone(private.octets), nil
	case *koblitzKey:
		scalar := private.Key.Bytes()
		defer clear(scalar[:])
		return marshalPKCS8EC(curveOIDs[CurveP256K], scalar[:], private.public.SerializeUncompressed())
	case *akpKey:
		return nil, invalid("Keys of the type %s cannot be released.", TypeAKP)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.private())
	if err != nil {
		return nil, fmt.Errorf("keyops: encoding a private key: %w", err)
	}
	return der, nil
}

// marshalPKCS8EC writes RFC 5915 in PKCS #8, which the standard library does for
// its own curves only.
func marshalPKCS8EC(curve asn1.ObjectIdentifier, scalar, point []byte) ([]byte, error) {
	inner, err := asn1.Marshal(struct {
		Version int
		Scalar  []byte
		Point   asn1.BitString `asn1:"optional,explicit,tag:1"`
	}{1, scalar, asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	if err != nil {
		return nil, err
	}
	defer clear(inner)
	name, err := asn1.Marshal(curve)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, pkix.AlgorithmIdentifier{Algorithm: oidECPublicKey, Parameters: asn1.RawValue{FullBytes: name}}, inner})
}
