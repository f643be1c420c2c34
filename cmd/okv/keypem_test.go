package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/mldsa"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// The files of testdata/keys were made by openssl 3.0.19. Those whose names do
// not begin with rsa, p521, k1 or ed hold one key, in various forms, whose scalar is
// ecScalar; the password is hunter2.
const (
	ecScalar = "7a1b2aa5f4df70f685e344328c1737ee1d8abb84436d7059cfb1d77572553f7e"
	k1Scalar = "e938f69a68ee754545eb9e26a2cd6661b9a9dd700c3f79d003a689da81b1030d"
)

func keyFile(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "keys", name+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestParsePEM(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file, password string
		curve          api.Curve
		scalar         string
	}{
		{"ec", "", api.CurveP256, ecScalar},
		{"ecp8", "", api.CurveP256, ecScalar},
		{"enc-aes256", "hunter2", api.CurveP256, ecScalar},
		{"enc-aes128", "hunter2", api.CurveP256, ecScalar},
		{"enc-des3", "hunter2", api.CurveP256, ecScalar},
		{"legacy", "hunter2", api.CurveP256, ecScalar},
		{"k1", "", api.CurveP256K, k1Scalar},
		{"k1p8", "", api.CurveP256K, k1Scalar},
	} {
		key, err := parsePEM(keyFile(t, tc.file), tc.password)
		if err != nil {
			t.Errorf("%s: %v", tc.file, err)
			continue
		}
		if key.Kty != api.KeyTypeEC || key.Crv != tc.curve || hex.EncodeToString(key.D) != tc.scalar || len(key.X) != 32 || len(key.Y) != 32 {
			t.Errorf("%s: %s with the scalar %x", tc.file, key, key.D)
		}
	}
	// What is before the key and behind it does not matter.
	text := append(append(keyFile(t, "public"), keyFile(t, "ecp8")...), keyFile(t, "k1")...)
	if key, err := parsePEM(text, ""); err != nil || hex.EncodeToString(key.D) != ecScalar {
		t.Errorf("the first of several: %v, %v", key, err)
	}
}

// TestParsePEMPublic compares the public parts with those that openssl has
// written, which download writes, too.
func TestParsePEMPublic(t *testing.T) {
	t.Parallel()
	for private, public := range map[string]string{"ec": "public", "k1": "k1-public", "rsa1": "rsa1-public"} {
		key, err := parsePEM(keyFile(t, private), "")
		if err != nil {
			t.Errorf("%s: %v", private, err)
			continue
		}
		der, err := marshalPublic(key)
		if err != nil {
			t.Errorf("%s: %v", private, err)
			continue
		}
		if got := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}); string(got) != string(keyFile(t, public)) {
			t.Errorf("the public part of %s is\n%s", private, got)
		}
	}
}

// TestParsePEMNumbers checks all the numbers of an RSA key, and the length of
// those of the one curve whose field is not of whole bytes.
func TestParsePEMNumbers(t *testing.T) {
	t.Parallel()
	k, err := parsePEM(keyFile(t, "rsa1"), "")
	if err != nil {
		t.Fatal(err)
	}
	number := func(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
	private := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: number(k.N), E: int(number(k.E).Int64())},
		D:         number(k.D), Primes: []*big.Int{number(k.P), number(k.Q)},
	}
	if err := private.Validate(); err != nil || k.Kty != api.KeyTypeRSA {
		t.Errorf("%s: %v", k.Kty, err)
	}
	private.Precompute()
	p := private.Precomputed
	if p.Dp.Cmp(number(k.DP)) != 0 || p.Dq.Cmp(number(k.DQ)) != 0 || p.Qinv.Cmp(number(k.QI)) != 0 {
		t.Error("dp, dq and qi are not those of the key")
	}
	k, err = parsePEM(keyFile(t, "p521"), "")
	if err != nil {
		t.Fatal(err)
	}
	if k.Crv != api.CurveP521 || len(k.D) != 66 || len(k.X) != 66 || len(k.Y) != 66 {
		t.Errorf("%s with a scalar of %d bytes", k, len(k.D))
	}
	public, err := keyvault.PublicKey(k)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ecdsa.ParseRawPrivateKey(public.(*ecdsa.PublicKey).Curve, k.D)
	if err != nil || !again.PublicKey.Equal(public) {
		t.Errorf("the scalar is not that of the point: %v", err)
	}
}

func TestParsePEMRefuses(t *testing.T) {
	t.Parallel()
	block := func(form string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: form, Bytes: der}) }
	for _, tc := range []struct {
		name     string
		text     []byte
		password string
		want     string
	}{
		{"nothing", nil, "", "no private key in PEM form"},
		{"DER", []byte{0x30, 0x82}, "", "no private key in PEM form"},
		{"a public key", keyFile(t, "public"), "", "there is no private key, only public key"},
		{"OpenSSH", block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00")), "", "ssh-keygen -p -m PEM"},
		{"no password", keyFile(t, "enc-aes256"), "", "the key is encrypted: give --pem-password"},
		{"no password for the old form", keyFile(t, "legacy"), "", "the key is encrypted: give --pem-password"},
		{"wrong password", keyFile(t, "enc-aes256"), "hunter3", "the password of the key is another one"},
		{"wrong password for the old form", keyFile(t, "legacy"), "hunter3", "the password of the key is another one"},
		{"needless password", keyFile(t, "ec"), "hunter2", "the key is not encrypted"},
		{"scrypt", keyFile(t, "enc-scrypt"), "hunter2", "encrypted in a way that okv does not know"},
		{"PKCS #12's cipher", keyFile(t, "enc-pbe1"), "hunter2", "encrypted in a way that okv does not know"},
		{"Ed25519", keyFile(t, "ed"), "", "Ed25519"},
		{"empty", block("PRIVATE KEY", nil), "", `the block "PRIVATE KEY" is not what it says`},
		{"an empty encrypted one", block("ENCRYPTED PRIVATE KEY", nil), "hunter2", `the block "ENCRYPTED PRIVATE KEY" is not what it says`},
		{"of another form", block("RSA PRIVATE KEY", mustDER(t, "ec")), "", `the block "RSA PRIVATE KEY" is not what it says`},
		{"a scalar of zero", block("EC PRIVATE KEY", zeroed(t, "k1", k1Scalar)), "", "secp256k1 is none"},
	} {
		key, err := parsePEM(tc.text, tc.password)
		if err == nil || key != nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, %v, want %q", tc.name, key, err, tc.want)
		}
	}
}

func mustDER(t *testing.T, file string) []byte {
	t.Helper()
	text := keyFile(t, file)
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			t.Fatalf("%s has no private key", file)
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return block.Bytes
		}
		text = rest
	}
}

// zeroed returns a key with zeros for its scalar.
func zeroed(t *testing.T, file, scalar string) []byte {
	t.Helper()
	old, err := hex.DecodeString(scalar)
	if err != nil {
		t.Fatal(err)
	}
	der := mustDER(t, file)
	changed := strings.Replace(string(der), string(old), strings.Repeat("\x00", len(old)), 1)
	if changed == string(der) {
		t.Fatal("the scalar is not there")
	}
	return []byte(changed)
}

func TestParseJWK(t *testing.T) {
	t.Parallel()
	good := `{"kid":"mine","use":"sig","alg":"ES256","kty":"EC","key_ops":["sign"],"crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}`
	key, err := parseJWK([]byte(good))
	if err != nil || len(key.D) != 32 || key.KID != "" || key.Alg != "" || len(key.KeyOps) != 1 {
		t.Errorf("%+v, %v", key, err)
	}
	for text, want := range map[string]string{
		"":                     "not a JSON Web Key",
		`["hunter2"]`:          "not a JSON Web Key",
		`{"d":"hunter2*"}`:     "not a JSON Web Key",
		`{"keys":[]}`:          "it has no kty",
		`{"kty":"oct"}`:        "only the public part",
		`{"kty":"RSA","n":""}`: "only the public part",
	} {
		if key, err := parseJWK([]byte(text)); err == nil || key != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, %v, want %q", text, key, err, want)
		}
	}
}

// FuzzParsePEM checks that whatever is taken for a key has a public part that
// can be written. Its time is bounded by that of one key derivation.
func FuzzParsePEM(f *testing.F) {
	for _, file := range []string{"ec", "ecp8", "k1", "k1p8", "p521", "ed", "public"} {
		f.Add(keyFile(f, file), "")
	}
	f.Add(akpPEM(f, append([]byte{0x80, mldsa.PrivateKeySize}, akpTestKey(f, mldsa.MLDSA65()).Bytes()...)), "")
	for _, file := range []string{"enc-aes128", "enc-des3", "enc-pbe1", "enc-scrypt", "legacy"} {
		f.Add(keyFile(f, file), "hunter2")
	}
	f.Fuzz(func(t *testing.T, text []byte, password string) {
		key, err := parsePEM(text, password)
		if err != nil {
			return
		}
		if _, err := marshalPublic(key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if _, err := json.Marshal(key); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParseJWK(f *testing.F) {
	f.Add([]byte(`{"kty":"EC","d":"AQ","alg":"ES256"}`))
	f.Add([]byte(`{"keys":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, err := parseJWK(text); err == nil && (key.Kty == "" || key.KID != "") {
			t.Errorf("%q became %+v", text, key)
		}
	})
}
