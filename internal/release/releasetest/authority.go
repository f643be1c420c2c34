// Package releasetest is an attestation authority, and the environment that it
// attests, for tests of what depends on attestation.
package releasetest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openkeyvault/openkeyvault/internal/keyops"
)

// RecipientID is the id of the key that the tokens bring along.
const RecipientID = "TpmEphemeralEncryptionKey"

// recipient is one for all authorities: making such a key takes long.
var recipient = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// Authority is an attestation authority. It is safe for concurrent use.
type Authority struct {
	// Issuer is its URL, without a slash at the end.
	Issuer string
	// Asked counts the requests that it has answered.
	Asked atomic.Int32

	signing *ecdsa.PrivateKey
}

// New returns an authority at a URL.
func New(issuer string) *Authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return &Authority{Issuer: issuer, signing: key}
}

// Fetch answers as the authority's host does, without a network.
func (a *Authority) Fetch(_ context.Context, url string) ([]byte, error) {
	path, ours := strings.CutPrefix(url, a.Issuer)
	if body := a.answer(path); ours && body != nil {
		return body, nil
	}
	return nil, fmt.Errorf("there is nothing at %s", url)
}

// ServeHTTP is the authority's host.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := a.answer(r.URL.Path)
	if body == nil {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(body) // a client that has gone is its own loss
}

func (a *Authority) answer(path string) []byte {
	a.Asked.Add(1)
	switch path {
	case "/.well-known/openid-configuration":
		return encode(map[string]any{"issuer": a.Issuer, "jwks_uri": a.Issuer + "/certs"})
	case "/certs":
		return encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &a.signing.PublicKey, KeyID: "signing", Use: "sig"}}})
	}
	return nil
}

// Policy returns a policy document that permits what the authority attests and
// meets the conditions, each an object of JSON.
func (a *Authority) Policy(conditions ...string) []byte {
	return fmt.Appendf(nil, `{"version":"1.0.0","anyOf":[{"authority":%q,"allOf":[%s]}]}`, a.Issuer, strings.Join(conditions, ","))
}

// Token returns a token that is good for an hour, with more claims or others.
func (a *Authority) Token(claims map[string]any) string {
	all := map[string]any{
		"iss": a.Issuer, "exp": time.Now().Add(time.Hour).Unix(),
		"x-ms-runtime": map[string]any{"keys": []any{
			jose.JSONWebKey{Key: &recipient().PublicKey, KeyID: RecipientID, Use: "enc"},
		}},
	}
	maps.Copy(all, claims)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: a.signing, KeyID: "signing"}}, nil)
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign(encode(all))
	if err != nil {
		panic(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// Open returns the key that was released to the holder of a token with the
// encryption RSAAESKeyWrap. wrapped is what an answer has as key_hsm.
func Open(wrapped []byte, of keyops.Type) (*keyops.Key, error) {
	der, err := x509.MarshalPKCS8PrivateKey(recipient())
	if err != nil {
		return nil, err
	}
	exchange, err := keyops.ParsePrivate(append([]byte{1, 1}, der...))
	if err != nil {
		return nil, err
	}
	// What goes out is formed as what comes in, under another version.
	transfer, err := keyops.ParseTransfer(bytes.Replace(wrapped, []byte(`"schema_version":"1.0"`), []byte(`"schema_version":"1.0.0"`), 1))
	if err != nil {
		return nil, err
	}
	if transfer.KID != RecipientID {
		return nil, fmt.Errorf("it is wrapped for %q", transfer.KID)
	}
	return transfer.Open(exchange, of)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
