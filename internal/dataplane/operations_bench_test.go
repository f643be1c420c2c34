package dataplane

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/api"
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

// BenchmarkOperation gives the time of an operation whose arithmetic is fast
// through the whole plane but the connection, from the body to the answer.
func BenchmarkOperation(b *testing.B) {
	w := newWorld(b)
	w.create("ec")
	w.plantOct("oct", make([]byte, 32))
	page := base64.RawURLEncoding.EncodeToString(make([]byte, 4096))
	sealed := w.direct(request{method: "POST", path: "/keys/oct//encrypt", body: `{"alg":"A256GCM","value":"` + page + `"}`}).is(http.StatusOK).body
	_, sealed, _ = strings.Cut(sealed, ",")
	signed := w.direct(request{method: "POST", path: "/keys/ec//sign", body: `{"alg":"ES256","value":"` + joe + `"}`}).is(http.StatusOK).body
	_, signed, _ = strings.Cut(signed, ",")
	for _, bm := range []struct{ name, path, body string }{
		{"A256GCM encrypt 4 KiB", "/keys/oct//encrypt", `{"alg":"A256GCM","value":"` + page + `"}`},
		{"A256GCM decrypt 4 KiB", "/keys/oct//decrypt", `{"alg":"A256GCM",` + sealed},
		{"ES256 sign", "/keys/ec//sign", `{"alg":"ES256","value":"` + joe + `"}`},
		{"ES256 verify", "/keys/ec//verify", `{"alg":"ES256","digest":"` + joe + `",` + signed},
		{"HS256 sign", "/keys/oct//sign", `{"alg":"HS256","value":"` + joe + `"}`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			ask := request{method: "POST", path: bm.path, body: bm.body, version: api.Version20260501Preview}.complete()
			req := ask.http(b)
			b.ReportAllocs()
			for b.Loop() {
				req.Body = io.NopCloser(strings.NewReader(ask.body))
				rw := &taken{header: http.Header{}}
				w.handler.ServeHTTP(rw, req)
				if rw.status != http.StatusOK {
					b.Fatalf("status %d", rw.status)
				}
			}
		})
	}
}

// taken is a ResponseWriter whose peer takes everything.
type taken struct {
	header http.Header
	status int
}

func (t *taken) Header() http.Header { return t.header }

func (t *taken) Write(p []byte) (int, error) { return len(p), nil }

func (t *taken) WriteHeader(status int) { t.status = status }

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
