package keyvault

//lint:file-ignore SA1019 vaults have PKCS #1 v1.5, and so must their clients

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
)

// testRSA makes the one RSA key of these tests.
var testRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// keyVault is a fakeVault with a key named k, which does what it is asked for as
// the service does, and keeps what it was asked for last.
type keyVault struct {
	*fakeVault
	private crypto.Signer

	mu   sync.Mutex // guards last
	last struct {
		path      string
		algorithm api.Algorithm
		value     []byte
	}
}

func newKeyVault(t *testing.T, private crypto.Signer) *keyVault {
	v := &keyVault{fakeVault: newFakeVault(t), private: private}
	v.answer = v.serve
	return v
}

func (v *keyVault) signer(t *testing.T) *Signer {
	t.Helper()
	s, err := NewSigner(t.Context(), v.client(t, &fakeCredential{}), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (v *keyVault) decrypter(t *testing.T) *Decrypter {
	t.Helper()
	d, err := NewDecrypter(t.Context(), v.client(t, &fakeCredential{}), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (v *keyVault) jwk() *api.JSONWebKey {
	k := &api.JSONWebKey{KID: vaultURL + "/keys/k/" + version32}
	switch public := v.private.Public().(type) {
	case *rsa.PublicKey:
		k.Kty, k.N, k.E = api.KeyTypeRSA, public.N.Bytes(), []byte{1, 0, 1}
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			panic(err)
		}
		half := len(point) / 2
		k.Kty, k.Crv, k.X, k.Y = api.KeyTypeECHSM, api.Curve(public.Params().Name), point[1:1+half], point[1+half:]
	}
	return k
}

func (v *keyVault) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		body, err := json.Marshal(api.KeyBundle{Key: v.jwk()})
		if err != nil {
			panic(err)
		}
		reply(w, 200, string(body))
		return
	}
	var asked api.KeyOperationParameters
	seen := v.seen()
	if err := json.Unmarshal([]byte(seen[len(seen)-1].Body), &asked); err != nil {
		panic(err)
	}
	v.mu.Lock()
	v.last.path, v.last.algorithm, v.last.value = r.URL.Path, asked.Algorithm, asked.Value
	v.mu.Unlock()
	value, err := v.use(asked)
	if err != nil {
		reply(w, 400, `{"error":{"code":"BadParameter","message":"The parameter is incorrect.\r\n"}}`)
		return
	}
	body, err := json.Marshal(api.KeyOperationResult{KID: v.jwk().KID, Value: value})
	if err != nil {
		panic(err)
	}
	reply(w, 200, string(body))
}

func (v *keyVault) use(asked api.KeyOperationParameters) ([]byte, error) {
	if private, isEC := v.private.(*ecdsa.PrivateKey); isEC {
		r, s, err := ecdsa.Sign(rand.Reader, private, asked.Value)
		if err != nil {
			return nil, err
		}
		half := (private.Params().BitSize + 7) / 8
		signature := make([]byte, 2*half)
		r.FillBytes(signature[:half])
		s.FillBytes(signature[half:])
		return signature, nil
	}
	private := v.private.(*rsa.PrivateKey)
	hashes := map[api.Algorithm]crypto.Hash{
		"RS256": crypto.SHA256, "RS384": crypto.SHA384, "RS512": crypto.SHA512,
		"PS256": crypto.SHA256, "PS384": crypto.SHA384, "PS512": crypto.SHA512,
	}
	switch asked.Algorithm {
	case api.AlgorithmRSA15:
		return rsa.DecryptPKCS1v15(nil, private, asked.Value)
	case api.AlgorithmRSAOAEP:
		return rsa.DecryptOAEP(sha1.New(), nil, private, asked.Value, nil)
	case api.AlgorithmRSAOAEP256:
		return rsa.DecryptOAEP(sha256.New(), nil, private, asked.Value, nil)
	case api.AlgorithmPS256, api.AlgorithmPS384, api.AlgorithmPS512:
		return rsa.SignPSS(rand.Reader, private, hashes[asked.Algorithm], asked.Value, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return rsa.SignPKCS1v15(nil, private, hashes[asked.Algorithm], asked.Value)
}

func newECDSA(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func digestOf(h crypto.Hash, message string) []byte {
	var f hash.Hash
	switch h {
	case crypto.SHA1:
		f = sha1.New()
	case crypto.SHA256:
		f = sha256.New()
	case crypto.SHA384:
		f = sha512.New384()
	case crypto.SHA512:
		f = sha512.New()
	}
	_, _ = io.WriteString(f, message)
	return f.Sum(nil)
}

func TestSignerRSA(t *testing.T) {
	t.Parallel()
	v := newKeyVault(t, testRSA())
	s := v.signer(t)
	if s.KeyID() != vaultURL+"/keys/k/"+version32 || !testRSA().PublicKey.Equal(s.Public()) {
		t.Errorf("the signer is %s with %v", s.KeyID(), s.Public())
	}
	for _, tt := range []struct {
		opts crypto.SignerOpts
		want api.Algorithm
	}{
		{crypto.SHA256, "RS256"}, {crypto.SHA384, "RS384"}, {crypto.SHA512, "RS512"},
		{&rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: rsa.PSSSaltLengthEqualsHash}, "PS256"},
		{&rsa.PSSOptions{Hash: crypto.SHA384, SaltLength: 48}, "PS384"},
		{&rsa.PSSOptions{Hash: crypto.SHA512, SaltLength: rsa.PSSSaltLengthAuto}, "PS512"},
	} {
		digest := digestOf(tt.opts.HashFunc(), "m")
		signature, err := s.Sign(nil, digest, tt.opts)
		if err != nil {
			t.Errorf("%s: %v", tt.want, err)
			continue
		}
		// The version is the one that the public key is of, whatever is current.
		if v.last.algorithm != tt.want || string(v.last.value) != string(digest) || v.last.path != "/keys/k/"+version32+"/sign" {
			t.Errorf("%s: asked for %+v", tt.want, v.last)
		}
		if pss, isPSS := tt.opts.(*rsa.PSSOptions); isPSS {
			err = rsa.VerifyPSS(&testRSA().PublicKey, tt.opts.HashFunc(), digest, signature, pss)
		} else {
			err = rsa.VerifyPKCS1v15(&testRSA().PublicKey, tt.opts.HashFunc(), digest, signature)
		}
		if err != nil {
			t.Errorf("%s: %v", tt.want, err)
		}
	}
}

// TestSignerECDSA signs digests of every length on every curve: what ecdsa does
// with a digest that is shorter or longer than the curve's, the vault does.
func TestSignerECDSA(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		curve elliptic.Curve
		alg   api.Algorithm
		size  int
	}{
		{elliptic.P256(), "ES256", 32}, {elliptic.P384(), "ES384", 48}, {elliptic.P521(), "ES512", 64},
	} {
		v := newKeyVault(t, newECDSA(t, c.curve))
		s := v.signer(t)
		for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			digest := digestOf(h, "m")
			signature, err := s.Sign(nil, digest, h)
			if err != nil {
				t.Errorf("%s with %v: %v", c.alg, h, err)
				continue
			}
			if !ecdsa.VerifyASN1(s.Public().(*ecdsa.PublicKey), digest, signature) {
				t.Errorf("%s with %v: the signature is wrong", c.alg, h)
			}
			if v.last.algorithm != c.alg || len(v.last.value) != c.size {
				t.Errorf("%s with %v: asked for %s of %d bytes", c.alg, h, v.last.algorithm, len(v.last.value))
			}
		}
	}
}

func TestDecrypter(t *testing.T) {
	t.Parallel()
	v := newKeyVault(t, testRSA())
	d, public := v.decrypter(t), &testRSA().PublicKey
	message := []byte("hunter2")
	old, err := rsa.EncryptPKCS1v15(rand.Reader, public, message)
	if err != nil {
		t.Fatal(err)
	}
	oaep := func(h hash.Hash) []byte {
		ciphertext, err := rsa.EncryptOAEP(h, rand.Reader, public, message, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ciphertext
	}
	for _, tt := range []struct {
		name       string
		ciphertext []byte
		opts       crypto.DecrypterOpts
		want       api.Algorithm
	}{
		{"none", old, nil, "RSA1_5"},
		{"PKCS #1 v1.5", old, &rsa.PKCS1v15DecryptOptions{}, "RSA1_5"},
		{"OAEP", oaep(sha1.New()), &rsa.OAEPOptions{Hash: crypto.SHA1}, "RSA-OAEP"},
		{"OAEP-256", oaep(sha256.New()), &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA256}, "RSA-OAEP-256"},
	} {
		got, err := d.Decrypt(nil, tt.ciphertext, tt.opts)
		if err != nil || string(got) != string(message) || v.last.algorithm != tt.want || v.last.path != "/keys/k/"+version32+"/decrypt" {
			t.Errorf("%s: %q, %v, having asked for %s at %s", tt.name, got, err, v.last.algorithm, v.last.path)
		}
	}
	var refusal *Error
	if _, err := d.Decrypt(nil, old, &rsa.OAEPOptions{Hash: crypto.SHA1}); !errors.As(err, &refusal) || refusal.StatusCode != 400 {
		t.Errorf("a ciphertext of another algorithm: %v", err)
	}
}

// TestSignerRefuses checks what a vault cannot do: it is refused before anything
// is sent, with a text that says so.
func TestSignerRefuses(t *testing.T) {
	t.Parallel()
	ofRSA, ofEC := newKeyVault(t, testRSA()), newKeyVault(t, newECDSA(t, elliptic.P521()))
	keys := map[string]*Signer{"RSA": ofRSA.signer(t), "EC": ofEC.signer(t)}
	ofRSA.seen()
	ofEC.seen()
	digest := digestOf(crypto.SHA256, "m")
	for _, tt := range []struct {
		key    string
		digest []byte
		opts   crypto.SignerOpts
		want   string
	}{
		{"RSA", digest, nil, "do not name a hash function"},
		{"EC", digest, nil, "do not name a hash function"},
		{"RSA", digest, crypto.Hash(0), "do not name the hash function"},
		{"RSA", digest, &rsa.PSSOptions{}, "do not name the hash function"},
		{"RSA", digest[1:], crypto.SHA256, "a digest of SHA-256 has 32 bytes, not 31"},
		{"RSA", digest, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 20}, "a salt as long as the hash, not of 20 bytes"},
		{"RSA", digest[:20], crypto.SHA1, "not of SHA-1"},
		{"EC", digest, crypto.SHA384, "has 48 bytes, not 32"},
		{"EC", nil, crypto.Hash(0), "a digest of 0 bytes"},
		{"EC", make([]byte, 65), crypto.Hash(0), "a digest of 65 bytes"},
	} {
		if signature, err := keys[tt.key].Sign(nil, tt.digest, tt.opts); err == nil || signature != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %v: %x, %v, want %q", tt.key, tt.opts, signature, err, tt.want)
		}
	}
	if seen := append(ofRSA.seen(), ofEC.seen()...); len(seen) != 0 {
		t.Errorf("sent %+v", seen)
	}
}

func TestDecrypterRefuses(t *testing.T) {
	t.Parallel()
	v := newKeyVault(t, testRSA())
	d := v.decrypter(t)
	v.seen()
	for _, tt := range []struct {
		opts crypto.DecrypterOpts
		want string
	}{
		{&rsa.PKCS1v15DecryptOptions{SessionKeyLen: 48}, "cannot hide"},
		{&rsa.OAEPOptions{Hash: crypto.SHA384}, "not SHA-384"},
		{&rsa.OAEPOptions{Hash: crypto.SHA256, Label: []byte("l")}, "no label"},
		{&rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1}, "one hash function"},
		{"nonsense", "options of the type string"},
	} {
		if got, err := d.Decrypt(nil, make([]byte, 256), tt.opts); err == nil || got != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %x, %v, want %q", tt.opts, got, err, tt.want)
		}
	}
	if seen := v.seen(); len(seen) != 0 {
		t.Errorf("sent %+v", seen)
	}
	ec := newKeyVault(t, newECDSA(t, elliptic.P256()))
	if d, err := NewDecrypter(t.Context(), ec.client(t, &fakeCredential{}), "k", ""); d != nil || err == nil || !strings.Contains(err.Error(), "only RSA keys decrypt") {
		t.Errorf("an EC key: %v, %v", d, err)
	}
	ec.answer = func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 404, `{"error":{"code":"KeyNotFound","message":"m"}}`)
	}
	if d, err := NewDecrypter(t.Context(), ec.client(t, &fakeCredential{}), "k", ""); d != nil || !IsNotFound(err) {
		t.Errorf("a key that does not exist: %v, %v", d, err)
	}
}

// TestSignerBrokenAnswers checks that what is no signature is not taken for one.
func TestSignerBrokenAnswers(t *testing.T) {
	t.Parallel()
	for _, private := range []crypto.Signer{testRSA(), newECDSA(t, elliptic.P256())} {
		v := newKeyVault(t, private)
		s := v.signer(t)
		for _, answer := range []string{`{}`, `{"value":""}`, `{"value":"AQ"}`} {
			v.answer = func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, answer) }
			if signature, err := s.Sign(nil, digestOf(crypto.SHA256, "m"), crypto.SHA256); err == nil || signature != nil {
				t.Errorf("%T, %s: %x, %v", private, answer, signature, err)
			}
		}
	}
}

func TestNewSignerRefuses(t *testing.T) {
	t.Parallel()
	v := newKeyVault(t, testRSA())
	good := v.jwk()
	client := v.client(t, &fakeCredential{})
	for _, tt := range []struct {
		name   string
		change func(*api.JSONWebKey)
		want   string
	}{
		{"P-256K", func(k *api.JSONWebKey) { k.Kty, k.Crv = api.KeyTypeEC, api.CurveP256K }, "secp256k1"},
		{"symmetric", func(k *api.JSONWebKey) { k.Kty = api.KeyTypeOctHSM }, "no public part"},
		{"of no version", func(k *api.JSONWebKey) { k.KID = vaultURL + "/keys/k" }, "version of the key"},
		{"of no id", func(k *api.JSONWebKey) { k.KID = "" }, "version of the key"},
	} {
		k := *good
		tt.change(&k)
		body := mustJSON(t, api.KeyBundle{Key: &k})
		v.answer = func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, body) }
		if s, err := NewSigner(t.Context(), client, "k", ""); err == nil || s != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v, want %q", tt.name, s, err, tt.want)
		}
	}
	v.answer = func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 404, `{"error":{"code":"KeyNotFound","message":"m"}}`)
	}
	if s, err := NewSigner(t.Context(), client, "k", ""); s != nil || !IsNotFound(err) {
		t.Errorf("a key that does not exist: %v, %v", s, err)
	}
}

// TestSignerContext checks that a Signer outlasts the context that it was made
// with, and does not outlast the one that it is given.
func TestSignerContext(t *testing.T) {
	t.Parallel()
	v := newKeyVault(t, newECDSA(t, elliptic.P256()))
	making, cancel := context.WithCancel(t.Context())
	s, err := NewSigner(making, v.client(t, &fakeCredential{}), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	digest := digestOf(crypto.SHA256, "m")
	if _, err := s.Sign(nil, digest, crypto.SHA256); err != nil {
		t.Errorf("after the end of the context that made it: %v", err)
	}
	if _, err := s.WithContext(making).Sign(nil, digest, crypto.SHA256); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	s.limit = 1
	if _, err := s.Sign(nil, digest, crypto.SHA256); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beyond its own limit: %v", err)
	}
	if _, err := s.WithContext(t.Context()).Sign(nil, digest, crypto.SHA256); err != nil {
		t.Errorf("with another context: %v", err)
	}
}
