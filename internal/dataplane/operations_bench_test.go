package dataplane

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// BenchmarkSign signs with RS256 and 2048 bits through the whole plane but the
// connection: token, permission, key, state, signature, audit record. x-raw is
// how many times the time of the signature alone that takes, in the same run.
func BenchmarkSign(b *testing.B) {
	w := newWorld(b)
	w.importJWK("k", "rfc7515-a2")
	private := rsaKey(b, "rfc7515-a2")
	digest, err := base64.RawURLEncoding.DecodeString(joe)
	must(b, err)
	ask := request{method: "POST", path: "/keys/k//sign", body: `{"alg":"RS256","value":"` + joe + `"}`}.complete()
	var whole, raw time.Duration
	b.ReportAllocs()
	// In turns, so that what else the machine does falls on both.
	for b.Loop() {
		req, rec := ask.http(b), httptest.NewRecorder()
		start := time.Now()
		w.handler.ServeHTTP(rec, req)
		middle := time.Now()
		if _, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest); err != nil {
			b.Fatal(err)
		}
		whole, raw = whole+middle.Sub(start), raw+time.Since(middle)
		if rec.Code != http.StatusOK {
			b.Fatalf("status %d: %s", rec.Code, rec.Body)
		}
	}
	b.ReportMetric(float64(whole)/float64(b.N), "ns/whole")
	b.ReportMetric(float64(whole)/float64(raw), "x-raw")
}

// rsaKey returns a key of the file as the standard library has it.
func rsaKey(t testing.TB, file string) *rsa.PrivateKey {
	t.Helper()
	var text map[string]string
	must(t, json.Unmarshal([]byte(jwk(t, file)), &text))
	number := func(member string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(text[member])
		must(t, err)
		return new(big.Int).SetBytes(b)
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}, D: number("d"), Primes: []*big.Int{number("p"), number("q")},
	}
	must(t, key.Validate())
	key.Precompute()
	return key
}
