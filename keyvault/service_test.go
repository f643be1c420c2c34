package keyvault_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"filippo.io/mldsa"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/devca"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/server"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// The tests of this file use a whole server over real connections, with a
// credential of Azure's.

const (
	tenantID       = "7f4f0d3c-0000-4000-8000-000000000001"
	subscriptionID = "7f4f0d3c-0000-4000-8000-000000000002"
	clientID       = "7f4f0d3c-0000-4000-8000-000000000003"
	ownerID        = "7f4f0d3c-0000-4000-8000-000000000004"
	patience       = 2 * time.Minute
)

// newService returns a client of a vault of a fresh server, by its owner.
func newService(t *testing.T) *keyvault.Client {
	t.Helper()
	hosts := httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow()}
	ca, err := devca.New(hosts.Suffixes())
	check(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	srv, err := server.Open(t.Context(), server.Config{
		Hosts: hosts, Issuer: "https://sts.windows.net/{tenant}/", Certificate: ca.GetCertificate,
		Logger: slog.New(slog.DiscardHandler), Ports: []int{ln.Addr().(*net.TCPAddr).Port},
	})
	check(t, err)
	secret := identity.NewSecret()
	populate(t, srv, secret)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()

	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate())
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, ln.Addr().String())
		},
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		// The test's own context has ended when this runs.
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	options := policy.ClientOptions{Transport: &http.Client{Transport: transport, Timeout: patience}, Retry: policy.RetryOptions{MaxRetries: -1}, Cloud: cloud.AzurePublic}
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, string(secret.Reveal()), &azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	check(t, err)
	client, err := keyvault.NewClient("https://unit.vault.azure.net", cred, &keyvault.ClientOptions{ClientOptions: options})
	check(t, err)
	return client
}

// populate makes a tenant, an application that owns all of it, and a vault.
func populate(t *testing.T, srv *server.Server, secret identity.Secret) {
	t.Helper()
	ctx := t.Context()
	check(t, srv.Identity().EnsureTenant(ctx, identity.Tenant{ID: tenantID, Domain: "unit.onmicrosoft.com", Name: "unit"}))
	check(t, srv.Identity().EnsureApplication(ctx, identity.Application{ClientID: clientID, ObjectID: ownerID, TenantID: tenantID, Name: "owner"}, secret))
	check(t, srv.Resources().Bootstrap(ctx, resource.Bootstrap{
		TenantID: tenantID, SubscriptionID: subscriptionID, SubscriptionName: "unit",
		OwnerObjectID: ownerID, OwnerRoles: []string{access.RoleOwner, access.RoleKeyVaultAdministrator},
	}))
	check(t, srv.Resources().EnsureGroup(ctx, subscriptionID, "unit", "eastus", nil))
	_, err := srv.Resources().EnsureVault(ctx, resource.EnsureVault{
		Subscription: subscriptionID, Group: "unit", Name: "unit", Location: "eastus", TenantID: tenantID, Premium: true, RBAC: true,
	})
	check(t, err)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestServiceUsesKeys takes each operation there and back, with the current
// version and with one that is named.
func TestServiceUsesKeys(t *testing.T) {
	t.Parallel()
	c, ctx := newService(t), t.Context()
	first, err := c.CreateKey(ctx, "k", api.KeyCreateParameters{Kty: api.KeyTypeRSA})
	check(t, err)
	id, err := keyvault.ParseID(first.Key.KID)
	check(t, err)
	secret := []byte("hunter2")
	in := api.KeyOperationParameters{Algorithm: api.AlgorithmRSAOAEP256, Value: secret}
	encrypted, err := c.Encrypt(ctx, "k", "", in)
	check(t, err)
	wrapped, err := c.WrapKey(ctx, "k", id.Version, in)
	check(t, err)
	digest := sha256.Sum256(secret)
	signed, err := c.Sign(ctx, "k", "", api.KeySignParameters{Algorithm: api.AlgorithmPS256, Value: digest[:]})
	check(t, err)

	// What the first version has made it undoes when it is no longer the current one.
	_, err = c.CreateKey(ctx, "k", api.KeyCreateParameters{Kty: api.KeyTypeEC})
	check(t, err)
	for name, call := range map[string]func() (*api.KeyOperationResult, error){
		"decrypt": func() (*api.KeyOperationResult, error) {
			return c.Decrypt(ctx, "k", id.Version, api.KeyOperationParameters{Algorithm: in.Algorithm, Value: encrypted.Value})
		},
		"unwrapKey": func() (*api.KeyOperationResult, error) {
			return c.UnwrapKey(ctx, "k", id.Version, api.KeyOperationParameters{Algorithm: in.Algorithm, Value: wrapped.Value})
		},
	} {
		got, err := call()
		if err != nil || !bytes.Equal(got.Value, secret) || got.KID != first.Key.KID {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	verify := api.KeyVerifyParameters{Algorithm: api.AlgorithmPS256, Digest: digest[:], Value: signed.Value}
	if valid, err := c.Verify(ctx, "k", id.Version, verify); err != nil || !valid {
		t.Errorf("the signature: %v, %v", valid, err)
	}
	verify.Value[0] ^= 1
	if valid, err := c.Verify(ctx, "k", id.Version, verify); err != nil || valid {
		t.Errorf("a wrong signature: %v, %v", valid, err)
	}
	if got, err := c.Encrypt(ctx, "k", "", in); got != nil || err == nil {
		t.Errorf("encrypting with the EC key that is current: %v, %v", got, err)
	}
}

// TestServiceRotatesKeys replaces a rotation policy and has a key rotated, whose
// new version expires when the policy says. A Signer stays with the old one.
func TestServiceRotatesKeys(t *testing.T) {
	t.Parallel()
	c, ctx := newService(t), t.Context()
	s := newSigner(t, c, "k", api.KeyCreateParameters{Kty: api.KeyTypeEC, Crv: api.CurveP384})
	policy, err := c.UpdateKeyRotationPolicy(ctx, "k", api.KeyRotationPolicy{
		LifetimeActions: []api.LifetimeAction{{
			Trigger: &api.LifetimeTrigger{TimeAfterCreate: "P30D"}, Action: &api.LifetimeActionType{Type: api.ActionRotate},
		}},
		Attributes: &api.KeyRotationPolicyAttributes{ExpiryTime: "P90D"},
	})
	check(t, err)
	again, err := c.GetKeyRotationPolicy(ctx, "k")
	check(t, err)
	if policy.ID != "https://unit.vault.azure.net/keys/k/rotationpolicy" || again.ID != policy.ID || again.Attributes.ExpiryTime != "P90D" ||
		again.LifetimeActions[0].Trigger.TimeAfterCreate != "P30D" {
		t.Errorf("set %+v, got %+v", policy, again)
	}
	rotated, err := c.RotateKey(ctx, "k")
	check(t, err)
	a := rotated.Attributes
	if rotated.Key.KID == s.KeyID() || rotated.Key.Crv != api.CurveP384 || a.Expires == nil || *a.Expires-*a.Created != 90*24*60*60 {
		t.Errorf("rotated to %+v", rotated)
	}
	if _, err := certificateOf(s, 0); err != nil {
		t.Errorf("the signer of the version before: %v", err)
	}
}

// signingKeys are all keys that x509 knows, with what it can sign with them.
var signingKeys = []struct {
	name       string
	parameters api.KeyCreateParameters
	algorithms []x509.SignatureAlgorithm
}{
	{"rsa", api.KeyCreateParameters{Kty: api.KeyTypeRSA}, []x509.SignatureAlgorithm{
		0, x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	}},
	{"p256", api.KeyCreateParameters{Kty: api.KeyTypeEC, Crv: api.CurveP256}, ecdsaAlgorithms},
	{"p384", api.KeyCreateParameters{Kty: api.KeyTypeECHSM, Crv: api.CurveP384}, ecdsaAlgorithms},
	{"p521", api.KeyCreateParameters{Kty: api.KeyTypeEC, Crv: api.CurveP521}, ecdsaAlgorithms},
}

var ecdsaAlgorithms = []x509.SignatureAlgorithm{0, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512}

func newSigner(t *testing.T, c *keyvault.Client, name string, parameters api.KeyCreateParameters) *keyvault.Signer {
	t.Helper()
	_, err := c.CreateKey(t.Context(), name, parameters)
	check(t, err)
	s, err := keyvault.NewSigner(t.Context(), c, name, "")
	check(t, err)
	return s
}

func certificateOf(s *keyvault.Signer, algorithm x509.SignatureAlgorithm) (*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "unit"}, DNSNames: []string{"unit.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, SignatureAlgorithm: algorithm,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, s.Public(), s)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// TestServiceSignsCertificates has x509 sign certificates and requests with keys
// that never leave the vault.
func TestServiceSignsCertificates(t *testing.T) {
	t.Parallel()
	c := newService(t)
	for _, k := range signingKeys {
		s := newSigner(t, c, k.name, k.parameters)
		for _, algorithm := range k.algorithms {
			certificate, err := certificateOf(s, algorithm)
			if err != nil {
				t.Errorf("%s, %v: %v", k.name, algorithm, err)
				continue
			}
			if err := certificate.CheckSignatureFrom(certificate); err != nil {
				t.Errorf("%s, %v: %v", k.name, algorithm, err)
			}
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "unit"}}, s)
		check(t, err)
		request, err := x509.ParseCertificateRequest(der)
		check(t, err)
		if err := request.CheckSignature(); err != nil {
			t.Errorf("the request of %s: %v", k.name, err)
		}
	}
	// The signature of a version is of that version, whatever is current.
	s := newSigner(t, c, "changed", api.KeyCreateParameters{Kty: api.KeyTypeEC})
	_, err := c.CreateKey(t.Context(), "changed", api.KeyCreateParameters{Kty: api.KeyTypeRSA})
	check(t, err)
	if _, err := certificateOf(s, 0); err != nil {
		t.Errorf("with a version that is no longer the current one: %v", err)
	}
}

// TestServiceServesTLS runs TLS servers whose keys never leave the vault, for
// clients of either version. A Signer that could decrypt, whatever it answered,
// would end the handshakes of TLS 1.2 with keys that are not RSA.
func TestServiceServesTLS(t *testing.T) {
	t.Parallel()
	c := newService(t)
	for _, k := range signingKeys {
		s := newSigner(t, c, k.name, k.parameters)
		certificate, err := certificateOf(s, 0)
		check(t, err)
		backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }))
		backend.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate.Raw}, PrivateKey: s, Leaf: certificate}}}
		backend.StartTLS()
		t.Cleanup(backend.Close)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			pool := x509.NewCertPool()
			pool.AddCert(certificate)
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "unit.example", MinVersion: version, MaxVersion: version}}
			resp, err := (&http.Client{Transport: transport, Timeout: patience}).Get(backend.URL)
			if err != nil {
				t.Errorf("%s, %s: %v", k.name, tls.VersionName(version), err)
				continue
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			transport.CloseIdleConnections()
			if err != nil || string(body) != "served" || resp.TLS.Version != version {
				t.Errorf("%s, %s: %q, %v", k.name, tls.VersionName(version), body, err)
			}
		}
	}
}

// TestServiceDecrypts encrypts here and decrypts there.
func TestServiceDecrypts(t *testing.T) {
	t.Parallel()
	c := newService(t)
	_, err := c.CreateKey(t.Context(), "k", api.KeyCreateParameters{Kty: api.KeyTypeRSAHSM})
	check(t, err)
	d, err := keyvault.NewDecrypter(t.Context(), c, "k", "")
	check(t, err)
	public := d.Public().(*rsa.PublicKey)
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		ciphertext, err := rsa.EncryptOAEP(hash.New(), rand.Reader, public, []byte("hunter2"), nil)
		check(t, err)
		if got, err := d.Decrypt(nil, ciphertext, &rsa.OAEPOptions{Hash: hash}); err != nil || string(got) != "hunter2" {
			t.Errorf("%v: %q, %v", hash, got, err)
		}
		ciphertext[0] ^= 1
		if got, err := d.Decrypt(nil, ciphertext, &rsa.OAEPOptions{Hash: hash}); err == nil || got != nil {
			t.Errorf("%v, tampered: %q, %v", hash, got, err)
		}
	}
}

// TestServiceCurveWithoutX509 checks that the vault's own operations are there
// for the curve that x509 does not know.
func TestServiceCurveWithoutX509(t *testing.T) {
	t.Parallel()
	c, ctx := newService(t), t.Context()
	key, err := c.CreateKey(ctx, "k", api.KeyCreateParameters{Kty: api.KeyTypeEC, Crv: api.CurveP256K})
	check(t, err)
	if public, err := keyvault.PublicKey(key.Key); err == nil {
		t.Errorf("its public key is %v", public)
	}
	digest := sha256.Sum256([]byte("m"))
	signed, err := c.Sign(ctx, "k", "", api.KeySignParameters{Algorithm: api.AlgorithmES256K, Value: digest[:]})
	check(t, err)
	if valid, err := c.Verify(ctx, "k", "", api.KeyVerifyParameters{Algorithm: api.AlgorithmES256K, Digest: digest[:], Value: signed.Value}); err != nil || !valid {
		t.Errorf("the signature: %v, %v", valid, err)
	}
}

// TestServiceAKP uses a key of ML-DSA by the methods and the version that any
// program has, and verifies with the library.
func TestServiceAKP(t *testing.T) {
	t.Parallel()
	c, ctx := newService(t), t.Context()
	_, err := c.CreateKey(ctx, "k", api.KeyCreateParameters{Kty: api.KeyTypeAKP, Alg: api.AlgorithmMLDSA65})
	check(t, err)
	seed := bytes.Repeat([]byte{5}, mldsa.PrivateKeySize)
	private, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed)
	check(t, err)
	imported, err := c.ImportKey(ctx, "k", api.KeyImportParameters{Key: &api.JSONWebKey{
		Kty: api.KeyTypeAKP, Alg: api.AlgorithmMLDSA44, Pub: private.PublicKey().Bytes(), Priv: seed,
	}})
	check(t, err)
	got, err := c.GetKey(ctx, "k", "")
	check(t, err)
	if got.Key.KID != imported.Key.KID || !bytes.Equal(got.Key.Pub, private.PublicKey().Bytes()) {
		t.Errorf("imported %s, got %s", imported.Key, got.Key)
	}
	message, purpose := []byte("m"), []byte("invoices")
	signed, err := c.Sign(ctx, "k", "", api.KeySignParameters{Algorithm: api.AlgorithmMLDSA44, Value: message, Context: purpose})
	check(t, err)
	check(t, mldsa.Verify(private.PublicKey(), message, signed.Value, &mldsa.Options{Context: string(purpose)}))
	for _, v := range []struct {
		purpose string
		valid   bool
	}{{"invoices", true}, {"receipts", false}} {
		valid, err := c.Verify(ctx, "k", "", api.KeyVerifyParameters{Digest: message, Context: []byte(v.purpose), Value: signed.Value})
		if err != nil || valid != v.valid {
			t.Errorf("for %s: %v, %v", v.purpose, valid, err)
		}
	}
}

var _ crypto.Signer = (*keyvault.Signer)(nil)
var _ crypto.Decrypter = (*keyvault.Decrypter)(nil)
