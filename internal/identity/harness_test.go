package identity

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/audit/audittest"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

const (
	tenantA = "aaaaaaaa-0000-4000-8000-00000000000a"
	tenantB = "bbbbbbbb-0000-4000-8000-00000000000b"
	domainA = "a.onmicrosoft.com"
	domainB = "b.example.com"

	clientID = "cccccccc-0000-4000-8000-000000000001"
	objectID = "dddddddd-0000-4000-8000-000000000001"

	vaultResource      = "https://vault.azure.net"
	managementResource = "https://management.azure.com/"
	vaultAppID         = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"
)

// now0 is when every world begins. It has whole seconds, as tokens do.
var now0 = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// signers are keys that take long to make: the service's first, one that it
// gets later, and one that it never has.
var signers = sync.OnceValue(func() (keys [3]*rsa.PrivateKey) {
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, signingBits); err != nil {
			panic(err)
		}
	}
	return keys
})

func ownKey() *rsa.PrivateKey     { return signers()[0] }
func laterKey() *rsa.PrivateKey   { return signers()[1] }
func foreignKey() *rsa.PrivateKey { return signers()[2] }

// world is a service over a store in memory, with two tenants and one
// application.
type world struct {
	t      testing.TB
	store  store.Store
	ring   *seal.Keyring
	sealer *seal.Sealer
	now    time.Time
	log    *bytes.Buffer
	sink   *audittest.Sink
	audit  *audit.Log
	cfg    Config
	svc    *Service
	secret Secret // of clientID
}

// newWorld returns a started service, whose signing key is ownKey.
func newWorld(t testing.TB, changes ...func(*Config)) *world {
	t.Helper()
	w := emptyWorld(t, changes...)
	w.storeKeys(ownKey())
	must(t, w.svc.Start(t.Context()))
	must(t, w.svc.EnsureTenant(t.Context(), Tenant{ID: tenantA, Domain: domainA, Name: "A"}))
	must(t, w.svc.EnsureTenant(t.Context(), Tenant{ID: tenantB, Domain: domainB, Name: "B"}))
	w.secret = NewSecret()
	must(t, w.svc.EnsureApplication(t.Context(), Application{ClientID: clientID, ObjectID: objectID, TenantID: tenantA, Name: "app"}, w.secret))
	return w
}

// emptyWorld returns a service that is not started, over an empty store.
func emptyWorld(t testing.TB, changes ...func(*Config)) *world {
	t.Helper()
	s, err := pebble.OpenMemory()
	must(t, err)
	t.Cleanup(func() { s.Close() })
	root, err := seal.EphemeralRoot()
	must(t, err)
	ring, err := seal.Open(t.Context(), s, root)
	must(t, err)
	w := &world{t: t, store: s, ring: ring, sealer: ring.System(), now: now0, log: &bytes.Buffer{}, sink: &audittest.Sink{}}
	logger := slog.New(slog.NewTextHandler(w.log, nil))
	now := func() time.Time { return w.now }
	w.audit = audit.New(audit.Config{Store: s, Sealer: w.sealer, Sink: w.sink, Now: now, Logger: logger})
	w.cfg = Config{
		Store: s, Sealer: w.sealer, Audit: w.audit, Issuer: "https://sts.windows.net/{tenant}/", Now: now,
		Audiences: map[Plane][]string{
			PlaneVault:      {vaultResource, vaultAppID, "https://vault.localhost:8443"},
			PlaneManagement: {"https://management.core.windows.net/", managementResource},
		},
		Logger: logger,
	}
	for _, change := range changes {
		change(&w.cfg)
	}
	w.svc = New(w.cfg)
	return w
}

// again returns a second service over the same store, as another process would
// run it.
func (w *world) again() *Service {
	w.t.Helper()
	s := New(w.cfg)
	must(w.t, s.Start(w.t.Context()))
	return s
}

// storeKeys writes the signing keys as a process that makes them does.
func (w *world) storeKeys(keys ...*rsa.PrivateKey) {
	w.t.Helper()
	var record keysRecord
	for _, k := range keys {
		encoded, err := x509.MarshalPKCS8PrivateKey(k)
		must(w.t, err)
		record.Keys = append(record.Keys, keyRecord{PKCS8: encoded, Created: now0})
	}
	must(w.t, w.store.Update(w.t.Context(), func(tx store.Tx) error {
		if _, err := tx.Get(tokenKeysKey); err != nil {
			return err
		}
		return w.svc.put(tx, tokenKeysKey, record)
	}))
}

// origin is where every request for a token comes from.
var origin = audit.Origin{RequestID: "r-0", Address: "192.0.2.7"}

// ask requests a token as the application, with the changes made.
func (w *world) ask(changes ...func(*ClientCredentials)) (Token, error) {
	w.t.Helper()
	req := ClientCredentials{Tenant: tenantA, ClientID: clientID, Secret: w.secret, Resource: vaultResource}
	for _, change := range changes {
		change(&req)
	}
	return w.svc.ClientCredentials(w.t.Context(), origin, req)
}

// bearer returns a token that the service has issued.
func (w *world) bearer(resource string) string {
	w.t.Helper()
	token, err := w.ask(func(r *ClientCredentials) { r.Resource = resource })
	must(w.t, err)
	return string(token.Access.Reveal())
}

// dump returns every record of the store, opened if this package's sealer opens
// it.
func (w *world) dump() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	must(w.t, w.store.View(w.t.Context(), func(v store.View) error {
		entries, err := v.Scan(tuple.Prefix(nil), store.MaxScan)
		for _, e := range entries {
			plain, err := w.sealer.Open(e.Key, e.Value)
			if err != nil {
				plain = e.Value
			}
			all[string(e.Key)] = string(plain)
		}
		return err
	}))
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantRefusal checks all that a client is told.
func wantRefusal(t testing.TB, err error, number int, oauth, message string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want AADSTS%d", err, err, number)
	}
	if e.Number != number || e.OAuth != oauth || e.Message != message {
		t.Errorf("refused with %s %v\nwant %s AADSTS%d: %s", e.OAuth, e, oauth, number, message)
	}
}

// forged is a token that is put together by hand.
type forged struct {
	header  map[string]any
	claims  map[string]any
	payload []byte // instead of the claims
	sign    func(input string) []byte
}

// forge returns a token as the service would issue it, with the changes made
// before it is signed.
func forge(changes ...func(*forged)) string {
	f := &forged{
		header: map[string]any{"typ": "JWT", "alg": "RS256", "kid": thumbprint(&ownKey().PublicKey)},
		claims: map[string]any{
			"aud": vaultResource, "iss": "https://sts.windows.net/" + tenantA + "/",
			"iat": now0.Unix(), "nbf": now0.Unix(), "exp": now0.Add(time.Hour).Unix(),
			"appid": clientID, "oid": objectID, "sub": objectID, "tid": tenantA, "ver": "1.0",
		},
		sign: rs256(ownKey()),
	}
	for _, change := range changes {
		change(f)
	}
	if f.payload == nil {
		f.payload = encodeJSON(f.claims)
	}
	input := b64(encodeJSON(f.header)) + "." + b64(f.payload)
	return input + "." + b64(f.sign(input))
}

func claim(name string, value any) func(*forged) {
	return func(f *forged) {
		if f.claims[name] = value; value == nil {
			delete(f.claims, name)
		}
	}
}

func header(name string, value any) func(*forged) {
	return func(f *forged) {
		if f.header[name] = value; value == nil {
			delete(f.header, name)
		}
	}
}

func signedBy(sign func(string) []byte) func(*forged) {
	return func(f *forged) { f.sign = sign }
}

func rs256(key *rsa.PrivateKey) func(string) []byte {
	return func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return signature
	}
}

// thumbprint is that of RFC 7638, written out.
func thumbprint(key *rsa.PublicKey) string {
	e := bytes.TrimLeft([]byte{byte(key.E >> 24), byte(key.E >> 16), byte(key.E >> 8), byte(key.E)}, "\x00")
	sum := sha256.Sum256([]byte(`{"e":"` + b64(e) + `","kty":"RSA","n":"` + b64(key.N.Bytes()) + `"}`))
	return b64(sum[:])
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// parts returns the decoded header and claims of a token.
func parts(t testing.TB, token string) (header, claims map[string]any) {
	t.Helper()
	segments := strings.Split(token, ".")
	if len(segments) != 3 {
		t.Fatalf("a token of %d segments", len(segments))
	}
	for i, v := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(segments[i])
		must(t, err)
		must(t, json.Unmarshal(raw, v))
	}
	return header, claims
}

// storeFunc is a store whose updates something else happens to first.
type storeFunc struct {
	store.Store
	view, update func(context.Context) error
}

func (s storeFunc) View(ctx context.Context, fn func(store.View) error) error {
	if s.view != nil {
		if err := s.view(ctx); err != nil {
			return err
		}
	}
	return s.Store.View(ctx, fn)
}

func (s storeFunc) Update(ctx context.Context, fn func(store.Tx) error) error {
	if s.update != nil {
		if err := s.update(ctx); err != nil {
			return err
		}
	}
	return s.Store.Update(ctx, fn)
}
