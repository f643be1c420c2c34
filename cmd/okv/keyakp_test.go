package main

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"strings"
	"testing"

	"filippo.io/mldsa"
	"filippo.io/mldsa/mldsacrypto"
	mldsax509 "filippo.io/mldsa/x509"

	"github.com/openkeyvault/openkeyvault/api"
)

func akpTestKey(t testing.TB, parameters mldsa.Parameters) *mldsa.PrivateKey {
	t.Helper()
	private, err := mldsa.NewPrivateKey(parameters, bytes.Repeat([]byte{3}, mldsa.PrivateKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// akpPEM returns the PKCS #8 file of an ML-DSA-65 key of the given content.
func akpPEM(t testing.TB, content []byte) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: mustMarshal(t, struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, pkix.AlgorithmIdentifier{Algorithm: append(oidSignatures[:8:8], 18)}, content})})
}

// TestParseAKP reads the two forms of RFC 9881 that have a seed, that of the
// library and that which openssl writes unless it is told otherwise.
func TestParseAKP(t *testing.T) {
	t.Parallel()
	private := akpTestKey(t, mldsa.MLDSA65())
	library, err := mldsax509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	expanded := make([]byte, 4032)
	for name, text := range map[string][]byte{
		"seed": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: library}),
		"both": akpPEM(t, mustMarshal(t, struct{ Seed, Expanded []byte }{private.Bytes(), expanded})),
	} {
		key, err := parsePEM(text, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if key.Kty != api.KeyTypeAKP || key.Alg != api.AlgorithmMLDSA65 || !bytes.Equal(key.Priv, private.Bytes()) || !bytes.Equal(key.Pub, private.PublicKey().Bytes()) {
			t.Errorf("%s: %s", name, key)
		}
		der, err := marshalPublic(key)
		if err != nil {
			t.Fatal(err)
		}
		if public, err := mldsax509.ParsePKIXPublicKey(der); err != nil || !private.PublicKey().Equal(public) {
			t.Errorf("%s: its public part is %v, %v", name, public, err)
		}
	}
	for name, content := range map[string][]byte{
		"expanded":     mustMarshal(t, expanded),
		"nothing":      {},
		"a short seed": {0x80, 1, 3},
	} {
		key, err := parsePEM(akpPEM(t, content), "")
		if err == nil || key != nil || !strings.Contains(err.Error(), "a key of ML-DSA-65 without its seed") {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}

// TestExternalMu checks that a signature of the mu is one of the message.
func TestExternalMu(t *testing.T) {
	t.Parallel()
	for _, message := range []string{"", strings.Repeat("m", maxMessage+1)} {
		private := akpTestKey(t, mldsa.MLDSA44())
		mu, err := externalMu(private.PublicKey().Bytes(), strings.NewReader(message))
		if err != nil {
			t.Fatal(err)
		}
		signature, err := private.Sign(nil, mu, mldsacrypto.MLDSAMu)
		if err != nil {
			t.Fatal(err)
		}
		if err := mldsa.Verify(private.PublicKey(), []byte(message), signature, nil); err != nil {
			t.Errorf("a message of %d bytes: %v", len(message), err)
		}
	}
}
