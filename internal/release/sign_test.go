package release

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// certificateOf returns a chain of two, as a server has it.
func certificateOf(t *testing.T, key crypto.Signer) *tls.Certificate {
	t.Helper()
	root := ecKey(t, elliptic.P256())
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	leaf, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), root)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.CreateCertificate(rand.Reader, template, template, root.Public(), root)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{leaf, ca}, PrivateKey: key}
}

// What is signed verifies with the first certificate of its own header, which is
// formed as in answers of Azure Key Vault.
func TestSign(t *testing.T) {
	t.Parallel()
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for alg, key := range map[jose.SignatureAlgorithm]crypto.Signer{
		jose.RS256: rsaKey(), jose.ES256: ecKey(t, elliptic.P256()), jose.ES384: ecKey(t, elliptic.P384()), jose.ES512: ecKey(t, elliptic.P521()), jose.EdDSA: edKey,
	} {
		cert := certificateOf(t, key)
		signed, err := Sign(cert, []byte(`{"a":"b"}`))
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		jws, err := jose.ParseSignedCompact(signed, []jose.SignatureAlgorithm{alg})
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		text, _, _ := strings.Cut(signed, ".")
		decoded, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		var header struct {
			Alg, Kid, Typ, X5t string
			X5c                []string
			X5tS256            string `json:"x5t#S256"`
		}
		if err := json.Unmarshal(decoded, &header); err != nil {
			t.Fatal(err)
		}
		sum, sum256 := sha1.Sum(cert.Certificate[0]), sha256.Sum256(cert.Certificate[0])
		chain := []string{base64.StdEncoding.EncodeToString(cert.Certificate[0]), base64.StdEncoding.EncodeToString(cert.Certificate[1])}
		if header.Alg != string(alg) || header.Typ != "JWT" || header.Kid != strings.ToUpper(hex.EncodeToString(sum[:])) ||
			header.X5t != b64(sum[:]) || header.X5tS256 != b64(sum256[:]) || !slices.Equal(header.X5c, chain) {
			t.Errorf("%s: header %s", alg, decoded)
		}
		leaf, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if payload, err := jws.Verify(leaf.PublicKey); err != nil || string(payload) != `{"a":"b"}` {
			t.Errorf("%s: %s, %v", alg, payload, err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	odd := ecKey(t, elliptic.P224())
	for name, cert := range map[string]*tls.Certificate{
		"no certificate": {PrivateKey: rsaKey()},
		"no key":         {Certificate: [][]byte{{1}}},
		"an odd curve":   {Certificate: [][]byte{{1}}, PrivateKey: odd},
		"a public key":   {Certificate: [][]byte{{1}}, PrivateKey: &ecdsa.PublicKey{}},
	} {
		if signed, err := Sign(cert, []byte("{}")); err == nil || signed != "" {
			t.Errorf("%s: %q, %v", name, signed, err)
		}
	}
}
