package keyops

import (
	"bytes"
	"crypto/aes"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// openReleased does what the recipient of a released key does.
func openReleased(t *testing.T, recipient *rsa.PrivateKey, released []byte, e ReleaseEncryption, digest hash.Hash) []byte {
	t.Helper()
	var r struct {
		Version string `json:"schema_version"`
		Header  struct {
			KID string            `json:"kid"`
			Alg string            `json:"alg"`
			Enc ReleaseEncryption `json:"enc"`
		} `json:"header"`
		Ciphertext string `json:"ciphertext"`
	}
	if err := json.Unmarshal(released, &r); err != nil {
		t.Fatal(err)
	}
	if r.Version != "1.0" || r.Header.KID != "TpmEphemeralEncryptionKey" || r.Header.Alg != "dir" || r.Header.Enc != e {
		t.Errorf("%+v", r)
	}
	wrapped, err := base64.RawURLEncoding.DecodeString(r.Ciphertext)
	if err != nil || len(wrapped) <= recipient.Size() {
		t.Fatalf("%d bytes, %v", len(wrapped), err)
	}
	wrapping, err := rsa.DecryptOAEP(digest, nil, recipient, wrapped[:recipient.Size()], nil)
	if err != nil || len(wrapping) != 32 {
		t.Fatalf("a wrapping key of %d bytes, %v", len(wrapping), err)
	}
	plain, ok := unwrapPadded(must(aes.NewCipher(wrapping)), wrapped[recipient.Size():])
	if !ok {
		t.Fatal("the key does not unwrap")
	}
	return plain
}

// What is released is what was imported, byte for byte as OpenSSL encodes it.
func TestReleaseTo(t *testing.T) {
	t.Parallel()
	recipient := exchangeKey(t).private().(*rsa.PrivateKey)
	exchange := must(ParsePrivate(append([]byte{1, 1}, readPEM(t, filepath.Join("testdata", "openssl", "rsa-2048.pem"))...)))
	var blobs []struct {
		Name, Plain, Blob string
		Kty               Type
	}
	if err := json.Unmarshal(must(os.ReadFile(filepath.Join("testdata", "transfer", "openssl.json"))), &blobs); err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		key := must(must(ParseTransfer([]byte(b.Blob))).Open(exchange, b.Kty))
		for e, digest := range map[ReleaseEncryption]hash.Hash{RSAAESKeyWrap: sha1.New(), RSAAESKeyWrap256: sha256.New(), RSAAESKeyWrap384: sha512.New384()} {
			released, err := key.ReleaseTo(&recipient.PublicKey, "TpmEphemeralEncryptionKey", e)
			if err != nil {
				t.Errorf("%s, %s: %v", b.Name, e, err)
				continue
			}
			plain := openReleased(t, recipient, released, e, digest)
			if b.Name == "P-256K without its point" {
				if again := must(importPKCS8(plain, TypeEC)); !again.Public().Equal(key.Public()) {
					t.Errorf("%s: another key", b.Name)
				}
			} else if !bytes.Equal(plain, b64(t, b.Plain)) {
				t.Errorf("%s, %s: not the bytes that were imported", b.Name, e)
			}
			if other := must(key.ReleaseTo(&recipient.PublicKey, "TpmEphemeralEncryptionKey", e)); bytes.Equal(other, released) {
				t.Errorf("%s, %s: twice under the same wrapping key", b.Name, e)
			}
		}
	}
}

func TestReleaseToRefuses(t *testing.T) {
	t.Parallel()
	recipient := &exchangeKey(t).private().(*rsa.PrivateKey).PublicKey
	rsaKey := must(ParsePrivate(readGolden(t, "RSA-2048", Spec{}).Stored))
	odd := func(bits uint) *big.Int {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return n.SetBit(n, 0, 1)
	}
	for name, tt := range map[string]struct {
		key       *Key
		recipient *rsa.PublicKey
		e         ReleaseEncryption
		want      string
	}{
		"no encryption":     {rsaKey, recipient, "", "The parameter enc is not supported"},
		"another one":       {rsaKey, recipient, "RSA_AES_KEY_WRAP_512", "The parameter enc is not supported"},
		"its case":          {rsaKey, recipient, "rsa_aes_key_wrap_256", "The parameter enc is not supported"},
		"a small recipient": {rsaKey, &rsa.PublicKey{N: odd(2047), E: 65537}, RSAAESKeyWrap, "has 2047 bits"},
		"a large recipient": {rsaKey, &rsa.PublicKey{N: odd(8193), E: 65537}, RSAAESKeyWrap, "has 8193 bits"},
		"an exponent of 1":  {rsaKey, &rsa.PublicKey{N: odd(2048), E: 1}, RSAAESKeyWrap, "not an RSA key that can encrypt"},
		"an even modulus":   {rsaKey, &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}, RSAAESKeyWrap, "not an RSA key that can encrypt"},
		"a key of ML-DSA":   {must(ParsePrivate(readGolden(t, "ML-DSA-44", Spec{}).Stored)), recipient, RSAAESKeyWrap, "AKP cannot be released"},
	} {
		released, err := tt.key.ReleaseTo(tt.recipient, "kid", tt.e)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), tt.want) || released != nil {
			t.Errorf("%s: %q, %v, want %s", name, released, err, tt.want)
		}
	}
}
