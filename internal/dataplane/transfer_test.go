package dataplane

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
)

// importExchangeKey imports the key that the blobs of transferBlob are for, and
// returns its id.
func (w *world) importExchangeKey(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "keyops", "testdata", "openssl", "rsa-2048.pem"))
	must(w.t, err)
	block, _ := pem.Decode(text)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(w.t, err)
	k := parsed.(*rsa.PrivateKey)
	body, err := json.Marshal(map[string]any{"key": api.JSONWebKey{
		Kty: "RSA-HSM", KeyOps: []api.KeyOperation{"import"}, N: k.N.Bytes(), E: []byte{1, 0, 1}, D: k.D.Bytes(), P: k.Primes[0].Bytes(), Q: k.Primes[1].Bytes(),
		DP: k.Precomputed.Dp.Bytes(), DQ: k.Precomputed.Dq.Bytes(), QI: k.Precomputed.Qinv.Bytes(),
	}})
	must(w.t, err)
	return "https://" + host + "/keys/" + name + "/" + w.call("PUT", "/keys/"+name, string(body)).is(200).version()
}

// transferBlob returns the blob that OpenSSL has made of a key of the type, with
// another id of the exchange key.
func transferBlob(t testing.TB, kty, kid string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "keyops", "testdata", "transfer", "openssl.json"))
	must(t, err)
	var blobs []struct{ Kty, Blob string }
	must(t, json.Unmarshal(text, &blobs))
	for _, b := range blobs {
		if b.Kty == kty {
			return strings.Replace(b.Blob, "https://v.vault.azure.net/keys/kek/0123456789abcdef0123456789abcdef", kid, 1)
		}
	}
	t.Fatalf("no blob of %s", kty)
	return ""
}

// transferBody returns an import of the blob.
func transferBody(t testing.TB, kty, blob string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"key": api.JSONWebKey{Kty: api.KeyType(kty), KeyHSM: api.Base64URL(blob)}})
	must(t, err)
	return string(body)
}

// TestImportTransferred imports keys that were wrapped elsewhere.
func TestImportTransferred(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kid := w.importExchangeKey("Kek")
	for kty, hsm := range map[string]string{"RSA": "RSA-HSM", "EC": "EC-HSM"} {
		for _, asked := range []string{kty, hsm} {
			for _, id := range []string{kid, strings.ToUpper(kid[:20]) + kid[20:], kid[:strings.LastIndexByte(kid, '/')]} {
				a := w.call("PUT", "/keys/moved", transferBody(t, asked, transferBlob(t, kty, id))).is(200)
				var made api.KeyBundle
				a.decode(&made)
				if string(made.Key.Kty) != hsm || strings.Contains(a.body, "key_hsm") {
					t.Errorf("%s: imported as %s", asked, a.body)
				}
			}
		}
	}
	elsewhere := bad("The member header.kid of the key transfer blob is not the id of a key of this vault, https://" + host + "/keys/{name}/{version}.")
	for _, id := range []string{
		"https://other.vault.azure.net/keys/kek/" + kid[len(kid)-32:], "https://" + host + "/keys/", "https://" + host + "/secrets/kek", "kek",
		kid + "/x", kid + "0", "https://" + host + "/keys//" + kid[len(kid)-32:], "https://" + host + ".example/keys/kek", "https://" + host + "/keys/" + strings.Repeat("k", 128),
	} {
		w.call("PUT", "/keys/moved", transferBody(t, "RSA-HSM", transferBlob(t, "RSA", id))).refused(elsewhere)
	}
	w.call("PUT", "/keys/moved", transferBody(t, "RSA-HSM", "not a blob")).refused(bad("The key transfer blob is not a JSON object."))
	w.call("PUT", "/keys/moved", `{"key":{"kty":"RSA-HSM","key_hsm":""}}`).refused(bad("The key transfer blob is not a JSON object."))
	w.call("PUT", "/keys/moved", transferBody(t, "RSA-HSM", transferBlob(t, "RSA", "https://"+host+"/keys/none"))).refused(notFound("key", "Key", "none"))
	w.call("PUT", "/keys/moved", transferBody(t, "oct-HSM", transferBlob(t, "oct", kid))).
		refused(badType("oct-HSM"))
	w.call("PATCH", "/keys/kek", `{"key_ops":["unwrapKey"]}`).is(200)
	w.call("PUT", "/keys/moved", transferBody(t, "RSA-HSM", transferBlob(t, "RSA", kid))).
		refused(refused{403, "Forbidden", "KeyOperationForbidden", "Operation import is not permitted on this key."})
	if got := w.do(request{method: "PUT", path: "/keys/moved", body: transferBody(t, "RSA-HSM", "not a blob"), as: "nobody"}).refusal(); got.status != 403 {
		t.Errorf("as nobody: %+v", got)
	}
}
