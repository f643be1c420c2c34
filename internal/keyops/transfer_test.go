package keyops

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

const kekID = "https://v.vault.azure.net/keys/kek/0123456789abcdef0123456789abcdef"

// transferBlob is a blob with a ciphertext, as Azure's specification prints it.
func transferBlob(ciphertext []byte) []byte {
	return fmt.Appendf(nil, `{"schema_version":"1.0.0","header":{"kid":%q,"alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"},"ciphertext":%q,"generator":"a tool"}`,
		kekID, base64.RawURLEncoding.EncodeToString(ciphertext))
}

// wrapTransfer makes a ciphertext for the exchange key.
func wrapTransfer(t testing.TB, exchange *Key, wrapping, plain []byte) []byte {
	t.Helper()
	public := &exchange.private().(*rsa.PrivateKey).PublicKey
	head, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, wrapping, nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(slices.Concat(wrapping, make([]byte, 32))[:32])
	if len(wrapping) == 16 || len(wrapping) == 24 || len(wrapping) == 32 {
		block, err = aes.NewCipher(wrapping)
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(head, wrapPadded(block, plain)...)
}

func exchangeKey(t testing.TB) *Key {
	t.Helper()
	block := readGolden(t, "RSA-2048", Spec{}).Stored
	return must(ParsePrivate(block))
}

// TestTransferOpenSSL opens what OpenSSL has wrapped: keys of every type that it
// makes, in its own PKCS #8.
func TestTransferOpenSSL(t *testing.T) {
	exchange := must(ParsePrivate(append([]byte{1, 1}, readPEM(t, filepath.Join("testdata", "openssl", "rsa-2048.pem"))...)))
	text, err := os.ReadFile(filepath.Join("testdata", "transfer", "openssl.json"))
	if err != nil {
		t.Fatal(err)
	}
	var blobs []struct {
		Name, Plain, Blob string
		Kty               Type
	}
	if err := json.Unmarshal(text, &blobs); err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		t.Run(b.Name, func(t *testing.T) {
			transfer, err := ParseTransfer([]byte(b.Blob))
			if err != nil || transfer.KID != kekID {
				t.Fatalf("%+v, %v", transfer, err)
			}
			key, err := transfer.Open(exchange, b.Kty)
			if err != nil {
				t.Fatal(err)
			}
			plain := b64(t, b.Plain)
			switch private := key.private().(type) {
			case *rsa.PrivateKey:
				want := must(x509.ParsePKCS8PrivateKey(plain)).(*rsa.PrivateKey)
				if !private.Equal(want) {
					t.Error("another RSA key")
				}
			case *ecdsa.PrivateKey:
				want := must(x509.ParsePKCS8PrivateKey(plain)).(*ecdsa.PrivateKey)
				if !private.Equal(want) {
					t.Error("another EC key")
				}
			case *koblitzKey:
				scalar := private.Key.Bytes()
				if !bytes.Contains(plain, scalar[:]) {
					t.Error("another P-256K key")
				}
			case *symmetricKey:
				if !bytes.Equal(private.octets, plain) {
					t.Errorf("another symmetric key: %x", private.octets)
				}
			}
			checkTransferred(t, key, b.Kty)
		})
	}
}

func checkTransferred(t *testing.T, key *Key, of Type) {
	t.Helper()
	if p := key.Public(); p.Type != of {
		t.Errorf("a key of type %s", p.Type)
	} else if of != TypeOct {
		checkPair(t, key, p)
	}
	again, err := ParsePrivate(must(key.MarshalPrivate()).Reveal())
	if err != nil || !again.Public().Equal(key.Public()) {
		t.Errorf("it does not open again: %v", err)
	}
}

func TestParseTransferRefuses(t *testing.T) {
	good := string(transferBlob([]byte("wrapped")))
	if _, err := ParseTransfer([]byte(good)); err != nil {
		t.Fatal(err)
	}
	with := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	const noObject, more = "The key transfer blob is not a JSON object.", "The key transfer blob is more than one JSON object."
	for _, tt := range []struct{ name, blob, want string }{
		{"nothing", "", noObject}, {"null", "null", "The member schema_version of the key transfer blob is not supported. The supported value is 1.0.0."},
		{"a list", "[]", noObject}, {"text", "BYOK", noObject}, {"a number for kid", with(`"`+kekID+`"`, "7"), noObject},
		{"cut off", good[:len(good)-1], noObject}, {"two", good + good, more}, {"a tail", good + "x", more},
		{"huge", with(`"a tool"`, `"`+strings.Repeat("a", maxTransfer)+`"`), fmt.Sprintf("Invalid length of 'key_hsm': %d bytes. At most 16384 bytes are supported.", len(good)-6+maxTransfer)},
		{"another version", with("1.0.0", "2.0.0"), "The member schema_version of the key transfer blob is not supported. The supported value is 1.0.0."},
		{"no version", with("schema_version", "version"), "The member schema_version of the key transfer blob is not supported. The supported value is 1.0.0."},
		{"another alg", with(`"dir"`, `"RSA-OAEP"`), "The member header.alg of the key transfer blob is not supported. The supported value is dir."},
		{"another enc", with("CKM_RSA_AES_KEY_WRAP", "A256GCM"), "The member header.enc of the key transfer blob is not supported. The supported value is CKM_RSA_AES_KEY_WRAP."},
		{"no kid", with(kekID, ""), "The key transfer blob is missing its member header.kid, the key exchange key."},
		{"no ciphertext", with("ciphertext", "cipher"), "The member ciphertext of the key transfer blob is not base64url."},
		{"another alphabet", with("d3JhcHBlZA", "d3J+cHBlZA"), "The member ciphertext of the key transfer blob is not base64url."},
		{"loose bits", with("d3JhcHBlZA", "d3JhcHBlZB"), "The member ciphertext of the key transfer blob is not base64url."},
	} {
		transfer, err := ParseTransfer([]byte(tt.blob))
		wantFault(t, tt.name, err, tt.want)
		if transfer != nil {
			t.Errorf("%s: a transfer with its error", tt.name)
		}
	}
}

// TestTransferTampered: whatever was changed, and wherever it was noticed, the
// answer is the same.
func TestTransferTampered(t *testing.T) {
	exchange, wrapping, key := exchangeKey(t), bytes.Repeat([]byte{5}, 32), bytes.Repeat([]byte{6}, 32)
	good := wrapTransfer(t, exchange, wrapping, key)
	const incorrect = "The parameter is incorrect.\r\n"
	cases := map[string][]byte{
		"one byte": {1}, "the wrapped AES key alone": good[:256], "cut": good[:len(good)-8], "cut off a multiple": good[:len(good)-1],
		"longer": append(bytes.Clone(good), 0), "zeros": make([]byte, len(good)),
		"an AES key of 20 bytes":    wrapTransfer(t, exchange, wrapping[:20], key),
		"an AES key of 33 bytes":    wrapTransfer(t, exchange, append(bytes.Clone(wrapping), 5), key),
		"no AES key":                wrapTransfer(t, exchange, nil, key),
		"of another exchange key":   wrapTransfer(t, userKeys()["RSA"], wrapping, key),
		"RSA-OAEP of SHA-256":       append(must(exchange.Encrypt(RSAOAEP256, Input{Value: wrapping})).Value, good[256:]...),
		"RSA1_5":                    append(must(exchange.Encrypt(RSA15, Input{Value: wrapping})).Value, good[256:]...),
		"RFC 3394 instead of 5649":  append(bytes.Clone(good[:256]), wrapBlocks(must(aes.NewCipher(wrapping)), wrapIV, key)...),
		"the halves of two":         append(wrapTransfer(t, exchange, key, key)[:256], good[256:]...),
		"the other way round":       slices.Concat(good[256:], good[:256]),
		"twice":                     slices.Concat(good, good),
		"one wrapped within itself": wrapTransfer(t, exchange, wrapping, good)[:len(good)],
	}
	for at := 0; at < len(good); at += 7 {
		cases[fmt.Sprint("byte ", at)] = flip(good, at)
	}
	for name, ciphertext := range cases {
		transfer := must(ParseTransfer(transferBlob(ciphertext)))
		got, err := transfer.Open(exchange, TypeOct)
		wantFault(t, name, err, incorrect)
		if got != nil {
			t.Errorf("%s: a key with its error", name)
		}
	}
	got, err := must(ParseTransfer(transferBlob(good))).Open(exchange, TypeOct)
	if err != nil || !bytes.Equal(got.private().(*symmetricKey).octets, key) {
		t.Errorf("untampered: %v", err)
	}
}

// TestTransferOfWrongKeys opens well and finds what is no key.
func TestTransferOfWrongKeys(t *testing.T) {
	exchange := exchangeKey(t)
	rsaDER, p256DER := readGolden(t, "RSA-2048", Spec{}).Stored[2:], readGolden(t, "P-256", Spec{}).Stored[2:]
	scalar := append(make([]byte, 31), 1)
	oid := func(c Curve) asn1.ObjectIdentifier { return curveOIDs[c] }
	otherPoint := func() []byte {
		p := must(Generate(t.Context(), Spec{Type: TypeEC, Curve: CurveP256K})).Public()
		return slices.Concat([]byte{4}, p.X, p.Y)
	}()
	notA := func(of Type) string { return fmt.Sprintf("The transferred key is not of type %s.", of) }
	noKey := func(of Type) string {
		return fmt.Sprintf("The transferred key is not a key of type %s that can be imported, or its numbers do not agree with one another.", of)
	}
	for _, tt := range []struct {
		name  string
		of    Type
		plain []byte
		want  string
	}{
		{"EC for RSA", TypeRSA, p256DER, notA(TypeRSA)},
		{"RSA for EC", TypeEC, rsaDER, notA(TypeEC)},
		{"Ed25519 for RSA", TypeRSA, ed25519DER(), noKey(TypeRSA)},
		{"Ed25519 for EC", TypeEC, ed25519DER(), notA(TypeEC)},
		{"no DER", TypeRSA, []byte("secret words"), "The transferred key is not PKCS #8."},
		{"bytes behind", TypeRSA, append(bytes.Clone(rsaDER), 0), "The transferred key is not PKCS #8."},
		{"bytes behind EC", TypeEC, append(bytes.Clone(p256DER), 0), "The transferred key is not PKCS #8."},
		{"bytes within EC", TypeEC, behindInner(t, append([]byte{1, 1}, p256DER...))[2:], noKey(TypeEC)},
		{"a wrong RSA number", TypeRSA, flip(rsaDER, len(rsaDER)-1), noKey(TypeRSA)},
		{"another point", TypeEC, flip(p256DER, len(p256DER)-1), noKey(TypeEC)},
		{"a point of P-256K's other key", TypeEC, pkcs8EC(t, oid(CurveP256K), scalar, otherPoint), noKey(TypeEC)},
		{"a scalar of zero", TypeEC, pkcs8EC(t, oid(CurveP256K), make([]byte, 32), nil), noKey(TypeEC)},
		{"a short scalar", TypeEC, pkcs8EC(t, oid(CurveP256K), scalar[1:], nil), noKey(TypeEC)},
		{"a long scalar", TypeEC, pkcs8EC(t, oid(CurveP256), append([]byte{0}, scalar...), nil), noKey(TypeEC)},
		{"P-224", TypeEC, pkcs8EC(t, asn1.ObjectIdentifier{1, 3, 132, 0, 33}, scalar[4:], nil), noKey(TypeEC)},
		{"another version of RFC 5915", TypeEC, ecPrivateKey(t, 2, oid(CurveP256K), nil, scalar), noKey(TypeEC)},
		{"two curves", TypeEC, ecPrivateKey(t, 1, oid(CurveP256K), oid(CurveP256), scalar), noKey(TypeEC)},
		{"explicit parameters", TypeEC, ecPrivateKey(t, 1, asn1.ObjectIdentifier{1, 2, 840, 10045, 1, 1}, nil, scalar), noKey(TypeEC)},
		{"oct of 15 bytes", TypeOct, make([]byte, 15), "The member k of the oct key has 15 bytes. At least 16 are required."},
		{"oct of 65 bytes", TypeOct, make([]byte, 65), "JSON Web Key: k property of oct key is too large, maximum size is 64"},
		{"AKP", TypeAKP, make([]byte, 32), "Keys of this type cannot be transferred. Supported types are RSA, EC and oct."},
		{"no type", "", rsaDER, "Keys of this type cannot be transferred. Supported types are RSA, EC and oct."},
	} {
		transfer := must(ParseTransfer(transferBlob(wrapTransfer(t, exchange, scalar, tt.plain))))
		key, err := transfer.Open(exchange, tt.of)
		wantFault(t, tt.name, err, tt.want)
		if key != nil {
			t.Errorf("%s: a key with its error", tt.name)
		}
	}
	for _, name := range []string{"P-256", "256", "ML-DSA-44"} {
		_, err := must(ParseTransfer(transferBlob([]byte{1}))).Open(userKeys()[name], TypeRSA)
		wantFault(t, name, err, "The key exchange key is not of type RSA.")
	}
}

// ecPrivateKey is pkcs8EC with a version, and a second name of the curve.
func ecPrivateKey(t *testing.T, version int, curve, inner asn1.ObjectIdentifier, scalar []byte) []byte {
	t.Helper()
	key, err := asn1.Marshal(struct {
		Version int
		Scalar  []byte
		Curve   asn1.ObjectIdentifier `asn1:"optional,omitempty,explicit,tag:0"`
	}{version, scalar, inner})
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		Version   int
		Algorithm []asn1.ObjectIdentifier
		Key       []byte
	}{0, []asn1.ObjectIdentifier{oidECPublicKey, curve}, key})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestTransferTakesKeysWithoutPoint: RFC 5915 leaves it to the writer.
func TestTransferTakesKeysWithoutPoint(t *testing.T) {
	exchange := exchangeKey(t)
	if _, err := importPKCS8(ecPrivateKey(t, 1, curveOIDs[CurveP384], curveOIDs[CurveP384], append(make([]byte, 47), 1)), TypeEC); err != nil {
		t.Errorf("the curve's name twice: %v", err)
	}
	for curve, oid := range curveOIDs {
		scalar := make([]byte, (curveBits[curve]+7)/8)
		scalar[len(scalar)-1] = 9
		transfer := must(ParseTransfer(transferBlob(wrapTransfer(t, exchange, scalar[:16], pkcs8EC(t, oid, scalar, nil)))))
		key, err := transfer.Open(exchange, TypeEC)
		if err != nil {
			t.Fatalf("%s: %v", curve, err)
		}
		if p := key.Public(); p.Curve != curve {
			t.Errorf("%s: a key on %s", curve, p.Curve)
		}
		checkTransferred(t, key, TypeEC)
	}
}

// FuzzTransfer reads any blob, and opens its ciphertext as it is, and again as
// what was wrapped properly, so that the bytes reach every layer.
func FuzzTransfer(f *testing.F) {
	exchange, wrapping := exchangeKey(f), make([]byte, 32)
	block := must(aes.NewCipher(wrapping))
	head := wrapTransfer(f, exchange, wrapping, []byte{1})[:256]
	for _, plain := range [][]byte{
		readGolden(f, "RSA-2048", Spec{}).Stored[2:], readGolden(f, "P-521", Spec{}).Stored[2:], wrapping,
		pkcs8EC(f, curveOIDs[CurveP256K], append(make([]byte, 31), 1), nil), ed25519DER(),
	} {
		f.Add(transferBlob(wrapTransfer(f, exchange, wrapping, plain)))
		f.Add(transferBlob(plain))
	}
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, blob []byte) {
		given := sha256.Sum256(blob)
		transfer, err := ParseTransfer(blob)
		if sha256.Sum256(blob) != given {
			t.Fatal("the blob was changed")
		}
		if err != nil {
			if fault.KindOf(err) != fault.Invalid || transfer != nil {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		wrapped := append(bytes.Clone(head), wrapPadded(block, transfer.wrapped)...)
		for _, opened := range []*Transfer{transfer, {KID: "k", wrapped: wrapped}} {
			for _, of := range []Type{TypeRSA, TypeEC, TypeOct} {
				key, err := opened.Open(exchange, of)
				if err != nil {
					if fault.KindOf(err) != fault.Invalid || key != nil {
						t.Fatalf("not a refusal: %v", err)
					}
					continue
				}
				if key.Public().Type != of {
					t.Fatalf("a key of type %s for %s", key.Public().Type, of)
				}
				if _, err := ParsePrivate(must(key.MarshalPrivate()).Reveal()); err != nil {
					t.Fatalf("a transferred key does not open again: %v", err)
				}
			}
		}
	})
}
