package keyops

import (
	"bytes"
	"crypto/aes"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"
	"strings"
)

// Transfer is a key that somebody has wrapped elsewhere for a key exchange key of
// this vault: what Azure's BYOK specification calls a key transfer blob, and a
// request brings as key_hsm.
type Transfer struct {
	// KID is the id of the key exchange key, as the blob has it. It is what the
	// blob says, and nothing is known of it but that it is not empty.
	KID     string
	wrapped []byte
}

// maxTransfer bounds a blob, in bytes. The largest key, RSA of 4096 bits wrapped
// for another of 4096 bits, takes some 4 KiB in base64.
const maxTransfer = 16 << 10

const (
	transferVersion    = "1.0.0"
	transferAlgorithm  = "dir"
	transferEncryption = "CKM_RSA_AES_KEY_WRAP"
)

// ParseTransfer reads a key transfer blob, or returns a *fault.Error of kind
// Invalid. It opens nothing.
func ParseTransfer(blob []byte) (*Transfer, error) {
	if len(blob) > maxTransfer {
		return nil, invalid("Invalid length of 'key_hsm': %d bytes. At most %d bytes are supported.", len(blob), maxTransfer)
	}
	var b struct {
		Version string `json:"schema_version"`
		Header  struct {
			KID        string `json:"kid"`
			Algorithm  string `json:"alg"`
			Encryption string `json:"enc"`
		} `json:"header"`
		Ciphertext string `json:"ciphertext"`
	}
	d := json.NewDecoder(bytes.NewReader(blob))
	if err := d.Decode(&b); err != nil {
		return nil, invalid("The key transfer blob is not a JSON object.")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, invalid("The key transfer blob is more than one JSON object.")
	}
	for _, m := range []struct{ name, have, want string }{
		{"schema_version", b.Version, transferVersion},
		{"header.alg", b.Header.Algorithm, transferAlgorithm},
		{"header.enc", b.Header.Encryption, transferEncryption},
	} {
		if m.have != m.want {
			return nil, invalid("The member %s of the key transfer blob is not supported. The supported value is %s.", m.name, m.want)
		}
	}
	if b.Header.KID == "" {
		return nil, invalid("The key transfer blob is missing its member header.kid, the key exchange key.")
	}
	// Tools differ in whether they pad.
	wrapped, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(b.Ciphertext, "="))
	if err != nil || len(wrapped) == 0 {
		return nil, invalid("The member ciphertext of the key transfer blob is not base64url.")
	}
	return &Transfer{KID: b.Header.KID, wrapped: wrapped}, nil
}

// Open returns the key of the type that exchange opens t to. Whatever does not
// open gets the error of Decrypt. What opens and is no such key is a *fault.Error
// of kind Invalid that says why.
func (t *Transfer) Open(exchange *Key, of Type) (*Key, error) {
	private, ok := exchange.private().(*rsa.PrivateKey)
	if !ok {
		return nil, invalid("The key exchange key is not of type RSA.")
	}
	plain, ok := unwrapTransfer(private, t.wrapped)
	if !ok {
		return nil, undecryptable()
	}
	defer clear(plain)
	switch of {
	case TypeRSA, TypeEC:
		return importPKCS8(plain, of)
	case TypeOct:
		return importOct(PrivateJWK{K: plain})
	}
	return nil, invalid("Keys of this type cannot be transferred. Supported types are RSA, EC and oct.")
}

// unwrapTransfer is CKM_RSA_AES_KEY_WRAP of PKCS #11: an AES key under RSA-OAEP
// with SHA-1, and behind it the key under RFC 5649.
func unwrapTransfer(private *rsa.PrivateKey, wrapped []byte) ([]byte, bool) {
	if len(wrapped) <= private.Size() {
		return nil, false
	}
	key, err := rsa.DecryptOAEP(sha1.New(), nil, private, wrapped[:private.Size()], nil)
	if err != nil {
		return nil, false
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	return unwrapPadded(block, wrapped[private.Size():])
}

var oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

// curveOIDs are the names of the curves in DER, RFC 5480 and SEC 2.
var curveOIDs = map[Curve]asn1.ObjectIdentifier{
	CurveP256:  {1, 2, 840, 10045, 3, 1, 7},
	CurveP384:  {1, 3, 132, 0, 34},
	CurveP521:  {1, 3, 132, 0, 35},
	CurveP256K: {1, 3, 132, 0, 10},
}

// importPKCS8 reads a key of the type from PKCS #8, with all that ParsePrivate
// checks. Unlike there an EC key may leave its point out, as RFC 5915 lets it.
func importPKCS8(der []byte, of Type) (*Key, error) {
	var outer struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	rest, err := asn1.Unmarshal(der, &outer)
	if err != nil || len(rest) != 0 {
		return nil, invalid("The transferred key is not PKCS #8.")
	}
	defer clear(outer.Key)
	isEC := outer.Algorithm.Algorithm.Equal(oidECPublicKey)
	if isEC != (of == TypeEC) {
		return nil, invalid("The transferred key is not of type %s.", of)
	}
	var key *Key
	if isEC {
		key, err = importECPrivateKey(outer.Algorithm.Parameters.FullBytes, outer.Key)
	} else {
		key, err = parsePKCS8(der)
	}
	if err != nil {
		return nil, invalid("The transferred key is not a key of type %s that can be imported, or its numbers do not agree with one another.", of)
	}
	return key, nil
}

// importECPrivateKey reads RFC 5915, which the standard library does for its own
// curves only. params is the curve's name, in DER.
func importECPrivateKey(params, der []byte) (*Key, error) {
	var inner struct {
		Version int
		Scalar  []byte
		Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		Point   asn1.BitString        `asn1:"optional,explicit,tag:1"`
	}
	var name asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(der, &inner)
	more, nameErr := asn1.Unmarshal(params, &name)
	if err != nil || nameErr != nil || len(rest) != 0 || len(more) != 0 || inner.Version != 1 {
		return nil, ErrKey
	}
	defer clear(inner.Scalar)
	if inner.Curve != nil && !inner.Curve.Equal(name) {
		return nil, ErrKey
	}
	for curve, oid := range curveOIDs {
		if !oid.Equal(name) {
			continue
		}
		key, err := scalarKey(curve, inner.Scalar)
		if err != nil {
			return nil, err
		}
		p, point := key.Public(), inner.Point.RightAlign()
		if len(point) != 0 && !bytes.Equal(point, slices.Concat([]byte{4}, p.X, p.Y)) {
			return nil, ErrKey
		}
		return key, nil
	}
	return nil, ErrKey
}
