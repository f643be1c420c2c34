package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"
)

var (
	errWrongPassword = errors.New("the password of the key is another one")
	errUnknownCipher = errors.New("the key is encrypted in a way that okv does not know; pipe what openssl pkey -in FILE prints to --pem-file -")
)

// Object identifiers of RFC 8018 and NIST.
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}

	pbkdf2Hashes = map[string]func() hash.Hash{
		"1.2.840.113549.2.7":  sha1.New,
		"1.2.840.113549.2.9":  sha256.New,
		"1.2.840.113549.2.10": sha512.New384,
		"1.2.840.113549.2.11": sha512.New,
	}
	pkcs8Ciphers = map[string]struct {
		keySize int
		open    func([]byte) (cipher.Block, error)
	}{
		"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
		"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
		"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
	}
)

// maxIterations bounds the time that a file can make okv work, to a second or two.
const maxIterations = 4_000_000

// decryptPKCS8 opens an EncryptedPrivateKeyInfo, RFC 5958 section 3, that was made
// with PBES2 and PBKDF2, as openssl makes it.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	var scheme struct{ KDF, Cipher pkix.AlgorithmIdentifier }
	if err := unmarshalWhole(der, &info); err != nil {
		return nil, errors.New("the block \"ENCRYPTED PRIVATE KEY\" is not what it says")
	}
	if !info.Algorithm.Algorithm.Equal(oidPBES2) || unmarshalWhole(info.Algorithm.Parameters.FullBytes, &scheme) != nil {
		return nil, errUnknownCipher
	}
	c, known := pkcs8Ciphers[scheme.Cipher.Algorithm.String()]
	var iv []byte
	if !known || unmarshalWhole(scheme.Cipher.Parameters.FullBytes, &iv) != nil {
		return nil, errUnknownCipher
	}
	key, err := deriveKey(scheme.KDF, password, c.keySize)
	if err != nil {
		return nil, err
	}
	block, err := c.open(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != block.BlockSize() || len(info.Data) == 0 || len(info.Data)%block.BlockSize() != 0 {
		return nil, errUnknownCipher
	}
	plain := make([]byte, len(info.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, info.Data)
	n := int(plain[len(plain)-1])
	if n == 0 || n > block.BlockSize() || n > len(plain) {
		return nil, errWrongPassword
	}
	for _, b := range plain[len(plain)-n:] {
		if int(b) != n {
			return nil, errWrongPassword
		}
	}
	return plain[:len(plain)-n], nil
}

func deriveKey(kdf pkix.AlgorithmIdentifier, password string, size int) ([]byte, error) {
	var p struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	if !kdf.Algorithm.Equal(oidPBKDF2) || unmarshalWhole(kdf.Parameters.FullBytes, &p) != nil {
		return nil, errUnknownCipher
	}
	newHash := sha1.New // the default of RFC 8018 appendix A.2
	if len(p.PRF.Algorithm) > 0 {
		newHash = pbkdf2Hashes[p.PRF.Algorithm.String()]
	}
	if newHash == nil || p.Iterations < 1 || p.Iterations > maxIterations || p.KeyLength != 0 && p.KeyLength != size {
		return nil, errUnknownCipher
	}
	return pbkdf2.Key(newHash, password, p.Salt, p.Iterations, size)
}

// privateKeyInfo is the PrivateKeyInfo of RFC 5958 section 2.
type privateKeyInfo struct {
	Version   int
	Algorithm pkix.AlgorithmIdentifier
	Key       []byte
	// Attributes and a public key may follow.
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
	Public     asn1.RawValue `asn1:"optional,tag:1"`
}

func unmarshalWhole(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err == nil && len(rest) > 0 {
		err = errors.New("there is more behind it")
	}
	return err
}
