package keyops

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha3"
	"encoding/hex"
	"encoding/json"
	"flag"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/mldsa"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops/externalmu"
)

var wycheproofFile = flag.String("wycheproof", filepath.Join("testdata", "wycheproof", "vectors.json.gz"), "vectors of Wycheproof, from testdata/wycheproof/extract.go")

type hexBytes []byte

func (b *hexBytes) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if len(s)%2 == 1 { // a number
		s = "0" + s
	}
	var err error
	*b, err = hex.DecodeString(s)
	return err
}

type wycheproofSet struct {
	Name   string
	Groups []wycheproofGroup
}

type wycheproofGroup struct {
	Sha             string
	SLen            int
	PrivateKeyJWK   *jwkText
	PrivateKeyPKCS8 hexBytes
	// Public keys.
	Modulus, PublicExponent, Uncompressed, PublicKey hexBytes
	PrivateSeed                                      hexBytes
	Tests                                            []wycheproofTest
}

type wycheproofTest struct {
	TcID                                            int
	Comment, Result                                 string
	Key, IV, AAD, Msg, CT, Tag, Label, Ctx, Mu, Sig hexBytes
}

// outcome is what became of a test.
type outcome struct {
	alg      Algorithm
	accepted bool
	// unlike is set when a right answer was expected and is another.
	unlike bool
}

// TestWycheproof runs what the sets have for our algorithms: decryptions and
// verifications of right and wrong ciphertexts, tags and signatures, and, where
// there is but one right answer, the other direction too.
func TestWycheproof(t *testing.T) {
	ran := map[Algorithm]int{}
	for _, set := range readWycheproof(t) {
		t.Run(set.Name, func(t *testing.T) {
			for _, g := range set.Groups {
				run := g.runner(t, set.Name)
				for _, tt := range g.Tests {
					got := run(tt)
					ran[got.alg]++
					if got.unlike || tt.Result == "valid" != got.accepted && tt.Result != "acceptable" {
						t.Errorf("%d (%s, %s, %s): accepted %v, another answer %v", tt.TcID, got.alg, tt.Comment, tt.Result, got.accepted, got.unlike)
					}
				}
			}
		})
	}
	for _, a := range algorithms {
		if n := ran[a.name]; n == 0 && !slices.Contains([]Algorithm{A128CBC, A192CBC, A256CBC, RSANull, ECDSA256}, a.name) {
			t.Errorf("%s: no vectors", a.name)
		} else if n > 0 {
			t.Logf("%-20s %4d vectors", a.name, n)
		}
	}
}

func readWycheproof(t *testing.T) (sets []wycheproofSet) {
	t.Helper()
	f, err := os.Open(*wycheproofFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&sets); err != nil {
		t.Fatal(err)
	}
	return sets
}

func (g *wycheproofGroup) runner(t *testing.T, file string) func(wycheproofTest) outcome {
	t.Helper()
	runners := map[string]func(*testing.T, string) func(wycheproofTest) outcome{
		"aes_gcm": g.gcm, "aes_cbc_pkcs5": g.cbc, "aes_wrap": g.keyWrap, "aes_kwp": g.keyWrap, "hmac": g.hmac, "ecdsa": g.ecdsa,
		"rsa_oaep": g.rsaDecrypt, "rsa_pkcs1": g.rsaDecrypt, "rsa_signature": g.rsaVerify, "rsa_pss": g.rsaVerify,
		"mldsa": g.mldsa,
	}
	for prefix := range maps.Keys(runners) {
		if strings.HasPrefix(file, prefix+"_") {
			if strings.HasSuffix(file, "_sig_gen_test.json") {
				return g.rsaSign(t, file)
			}
			return runners[prefix](t, file)
		}
	}
	t.Fatal("nothing runs this file")
	return nil
}

// refusedSafely checks an error of a wrong input.
func refusedSafely(t *testing.T, err error) {
	t.Helper()
	if err != nil && fault.KindOf(err) != fault.Invalid {
		t.Errorf("not a refusal: %v", err)
	}
}

func sized(key []byte, alg128, alg192, alg256 Algorithm) Algorithm {
	return map[int]Algorithm{16: alg128, 24: alg192, 32: alg256}[len(key)]
}

func (g *wycheproofGroup) gcm(t *testing.T, _ string) func(wycheproofTest) outcome {
	return func(tt wycheproofTest) outcome {
		alg := sized(tt.Key, A128GCM, A192GCM, A256GCM)
		out, err := octKey(t, tt.Key).Decrypt(alg, Input{Value: tt.CT, IV: tt.IV, AAD: tt.AAD, Tag: tt.Tag})
		refusedSafely(t, err)
		return outcome{alg, err == nil, err == nil && !bytes.Equal(out.Value, tt.Msg)}
	}
}

func (g *wycheproofGroup) cbc(t *testing.T, _ string) func(wycheproofTest) outcome {
	return func(tt wycheproofTest) outcome {
		alg, key := sized(tt.Key, A128CBCPAD, A192CBCPAD, A256CBCPAD), octKey(t, tt.Key)
		out, err := key.Decrypt(alg, Input{Value: tt.CT, IV: tt.IV})
		refusedSafely(t, err)
		closed, serr := key.Encrypt(alg, Input{Value: tt.Msg, IV: tt.IV})
		unlike := err == nil && (serr != nil || !bytes.Equal(out.Value, tt.Msg) || !bytes.Equal(closed.Value, tt.CT))
		return outcome{alg, err == nil, unlike}
	}
}

// keyWrap runs the algorithm of the key's size and that of PKCS #11.
func (g *wycheproofGroup) keyWrap(t *testing.T, file string) func(wycheproofTest) outcome {
	return func(tt wycheproofTest) outcome {
		alg, any := sized(tt.Key, A128KW, A192KW, A256KW), AESKeyWrap
		if file == "aes_kwp_test.json" {
			alg, any = AESKeyWrapPad, AESKeyWrapPad
		} else if tt.TcID%2 == 0 {
			alg = any
		}
		key := octKey(t, tt.Key)
		out, err := key.Unwrap(alg, Input{Value: tt.CT})
		refusedSafely(t, err)
		closed, werr := key.Wrap(any, Input{Value: tt.Msg})
		unlike := err == nil && (werr != nil || !bytes.Equal(out.Value, tt.Msg) || !bytes.Equal(closed.Value, tt.CT))
		return outcome{alg, err == nil, unlike}
	}
}

// hmac goes below Sign, which takes digests only.
func (g *wycheproofGroup) hmac(t *testing.T, file string) func(wycheproofTest) outcome {
	a := byName[map[string]Algorithm{"hmac_sha256_test.json": HS256, "hmac_sha384_test.json": HS384, "hmac_sha512_test.json": HS512}[file]]
	return func(tt wycheproofTest) outcome {
		key := &symmetricKey{octets: tt.Key}
		ok := key.verifyMAC(a, tt.Msg, tt.Tag)
		if len(tt.Tag) < a.hash.Size() { // cut, which we take for wrong
			return outcome{a.name, tt.Result == "valid", ok}
		}
		return outcome{a.name, ok, tt.Result == "valid" && !bytes.Equal(key.mac(a, tt.Msg), tt.Tag)}
	}
}

func digestOf(h crypto.Hash, message []byte) []byte {
	d := h.New()
	d.Write(message)
	return d.Sum(nil)
}

func (g *wycheproofGroup) ecdsa(t *testing.T, file string) func(wycheproofTest) outcome {
	t.Helper()
	alg := map[string]Algorithm{"secp256r1": ES256, "secp384r1": ES384, "secp521r1": ES512, "secp256k1": ES256K}[strings.Split(file, "_")[1]]
	a := byName[alg]
	var key *Key
	if a.curve == CurveP256K {
		key = newKey(&koblitzKey{public: must(secp256k1.ParsePubKey(g.Uncompressed))})
	} else {
		public := must(ecdsa.ParseUncompressedPublicKey(nistCurve(a.curve), g.Uncompressed))
		key = newKey(&ecdsa.PrivateKey{PublicKey: *public})
	}
	return func(tt wycheproofTest) outcome {
		ok, err := key.Verify(alg, digestOf(a.hash, tt.Msg), tt.Sig)
		return outcome{alg, ok, err != nil}
	}
}

// rsaKeys are the imported private keys, which the groups share, by their text.
var rsaKeys = map[string]*Key{}

// rsaKey imports the group's private key.
func (g *wycheproofGroup) rsaKey(t *testing.T) *Key {
	t.Helper()
	if g.PrivateKeyJWK == nil {
		return must(ParsePrivate(append([]byte{format1, encodingPKCS8}, g.PrivateKeyPKCS8...)))
	}
	text := string(must(json.Marshal(g.PrivateKeyJWK)))
	if rsaKeys[text] == nil {
		rsaKeys[text] = must(Import(parseJWK(t, text)))
	}
	return rsaKeys[text]
}

func (g *wycheproofGroup) rsaDecrypt(t *testing.T, file string) func(wycheproofTest) outcome {
	t.Helper()
	key, alg := g.rsaKey(t), RSA15
	if strings.HasPrefix(file, "rsa_oaep") {
		alg = map[string]Algorithm{"SHA-1": RSAOAEP, "SHA-256": RSAOAEP256}[g.Sha]
	}
	return func(tt wycheproofTest) outcome {
		out, err := key.Decrypt(alg, Input{Value: tt.CT})
		refusedSafely(t, err)
		if len(tt.Label) != 0 { // for somebody else
			return outcome{alg, tt.Result == "valid", err == nil}
		}
		return outcome{alg, err == nil, err == nil && !bytes.Equal(out.Value, tt.Msg)}
	}
}

func (g *wycheproofGroup) rsaAlgorithm(family string) algorithm {
	return byName[Algorithm(family+strings.TrimPrefix(g.Sha, "SHA-"))]
}

func (g *wycheproofGroup) rsaSign(t *testing.T, _ string) func(wycheproofTest) outcome {
	t.Helper()
	key, a := g.rsaKey(t), g.rsaAlgorithm("RS")
	return func(tt wycheproofTest) outcome {
		signature, err := key.Sign(a.name, digestOf(a.hash, tt.Msg))
		ok, verr := key.Verify(a.name, digestOf(a.hash, tt.Msg), tt.Sig)
		return outcome{a.name, ok, err != nil || verr != nil || !bytes.Equal(signature, tt.Sig)}
	}
}

func (g *wycheproofGroup) rsaVerify(t *testing.T, file string) func(wycheproofTest) outcome {
	t.Helper()
	public := rsa.PublicKey{N: new(big.Int).SetBytes(g.Modulus), E: int(new(big.Int).SetBytes(g.PublicExponent).Int64())}
	key, a := newKey(&rsa.PrivateKey{PublicKey: public}), g.rsaAlgorithm("RS")
	if strings.HasPrefix(file, "rsa_pss") {
		a = g.rsaAlgorithm("PS")
	}
	return func(tt wycheproofTest) outcome {
		ok, err := key.Verify(a.name, digestOf(a.hash, tt.Msg), tt.Sig)
		if a.scheme == pss && g.SLen != a.hash.Size() {
			// Another salt than RFC 7518's. Wrong ones may be wrong in having that.
			return outcome{a.name, tt.Result == "valid", tt.Result == "valid" && ok || err != nil}
		}
		return outcome{a.name, ok, err != nil}
	}
}

// mldsa verifies with the message, and again with what stands for it.
func (g *wycheproofGroup) mldsa(t *testing.T, file string) func(wycheproofTest) outcome {
	t.Helper()
	alg := Algorithm("ML-DSA-" + strings.Split(file, "_")[1])
	parameters, _ := parametersOf(alg)
	var key *Key
	if strings.Contains(file, "_sign_") {
		var err error
		if key, err = Import(PrivateJWK{Type: TypeAKP, Algorithm: alg, Pub: g.PublicKey, Priv: g.PrivateSeed}); err != nil {
			refusedSafely(t, err)
		}
	} else if public, err := mldsa.NewPublicKey(parameters, g.PublicKey); err == nil {
		key = newKey(&akpKey{public: public})
	}
	return func(tt wycheproofTest) outcome {
		if key == nil {
			return outcome{alg: alg}
		}
		mu := tt.Mu
		if mu == nil {
			mu = muOf(g.PublicKey, tt.Ctx, tt.Msg)
		}
		byMu, err := key.VerifyMessage("", Message{ExternalMu: mu}, tt.Sig)
		if err != nil {
			t.Error(err)
		}
		if tt.Msg == nil { // FIPS 204's internal interface
			return outcome{alg, byMu, false}
		}
		ok, err := key.VerifyMessage(alg, Message{Value: tt.Msg, Context: tt.Ctx}, tt.Sig)
		refusedSafely(t, err)
		return outcome{alg, ok, ok != byMu && len(tt.Ctx) <= maxContext}
	}
}

// muOf is FIPS 204 algorithm 2 line 10 and algorithm 7 lines 6 and 7.
func muOf(public, context, message []byte) []byte {
	tr := make([]byte, 64)
	h := sha3.NewSHAKE256()
	h.Write(public)
	_, _ = h.Read(tr)
	h = sha3.NewSHAKE256()
	h.Write(tr)
	h.Write([]byte{0, byte(len(context))})
	h.Write(context)
	h.Write(message)
	mu := make([]byte, externalmu.Size)
	_, _ = h.Read(mu)
	return mu
}
