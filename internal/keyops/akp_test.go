package keyops

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"filippo.io/mldsa"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

var mldsaAlgorithms = []Algorithm{MLDSA44, MLDSA65, MLDSA87}

// akpJWK is the key of a seed of one repeated byte, as an importer has it.
func akpJWK(alg Algorithm, b byte) PrivateJWK {
	seed := bytes.Repeat([]byte{b}, mldsa.PrivateKeySize)
	return PrivateJWK{Type: TypeAKP, Algorithm: alg, Priv: seed, Pub: must(seedKey(alg, seed)).Public().Pub}
}

func TestGenerateAKP(t *testing.T) {
	for alg, size := range map[Algorithm]int{MLDSA44: 1312, MLDSA65: 1952, MLDSA87: 2592} {
		a, b := must(GenerateAKP(alg)), must(GenerateAKP(alg))
		p := a.Public()
		if p.Equal(b.Public()) || !p.Equal(PublicJWK{Type: TypeAKP, Algorithm: alg, Pub: p.Pub}) || len(p.Pub) != size {
			t.Errorf("%s: the public part %+v", alg, p)
		}
		if a.Bits() != 0 {
			t.Errorf("%s: %d bits", alg, a.Bits())
		}
		before := bytes.Clone(p.Pub)
		clear(p.Pub)
		if !bytes.Equal(a.Public().Pub, before) {
			t.Errorf("%s: a caller has changed the key's own public part", alg)
		}
		stored, err := a.MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePrivate(stored.Reveal())
		if err != nil || !bytes.Equal(again.Public().Pub, before) {
			t.Errorf("%s does not open again: %v", alg, err)
		}
	}
	for _, alg := range []Algorithm{"", "ML-DSA-45", "ml-dsa-44", ES256} {
		key, err := GenerateAKP(alg)
		wantFault(t, string(alg), err, "The algorithm of the AKP key is not supported. Supported algorithms are ML-DSA-44, ML-DSA-65 and ML-DSA-87.")
		if key != nil {
			t.Errorf("%s: a key with its error", alg)
		}
	}
	if ops := DefaultOps(TypeAKP); !slices.Equal(ops, []string{"sign", "verify"}) {
		t.Errorf("by default %v", ops)
	}
}

func wantFault(t *testing.T, name string, err error, want string) {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Invalid || f.Code != "BadParameter" || f.Message != want {
		t.Errorf("%s: %v, want %q", name, err, want)
	}
}

func TestImportAKP(t *testing.T) {
	for _, alg := range mldsaAlgorithms {
		given := akpJWK(alg, 7)
		key, err := Import(given)
		if err != nil {
			t.Fatal(err)
		}
		clear(given.Priv) // is not kept
		want := append([]byte{1, 4, map[Algorithm]byte{MLDSA44: 44, MLDSA65: 65, MLDSA87: 87}[alg]}, bytes.Repeat([]byte{7}, 32)...)
		if stored := must(key.MarshalPrivate()).Reveal(); !bytes.Equal(stored, want) {
			t.Errorf("%s is stored as %x", alg, stored)
		}
		if !bytes.Equal(key.Public().Pub, given.Pub) {
			t.Errorf("%s: another public key", alg)
		}
	}
	const malformedKey = `The property "key" must be a valid JsonWebKey object. `
	for _, tt := range []struct {
		name   string
		change func(*PrivateJWK)
		want   string
	}{
		{"no algorithm", func(k *PrivateJWK) { k.Algorithm = "" }, unknownAKP().(*fault.Error).Message},
		{"another algorithm", func(k *PrivateJWK) { k.Algorithm = MLDSA65 }, malformedKey + "The member pub of the AKP key has 1312 bytes. With ML-DSA-65 it has 1952."},
		{"no pub", func(k *PrivateJWK) { k.Pub = nil }, malformedKey + "The AKP key is missing its member pub."},
		{"no priv", func(k *PrivateJWK) { k.Priv = nil }, malformedKey + "The AKP key is missing its member priv."},
		{"a long priv", func(k *PrivateJWK) { k.Priv = make([]byte, 1<<20) }, malformedKey + "The member priv of the AKP key has 1048576 bytes. With ML-DSA-44 it has 32."},
		{"a short pub", func(k *PrivateJWK) { k.Pub = k.Pub[1:] }, malformedKey + "The member pub of the AKP key has 1311 bytes. With ML-DSA-44 it has 1312."},
		{"another pub", func(k *PrivateJWK) { k.Pub = flip(k.Pub, 1311) }, "AKP key is not valid - cannot instantiate crypto service. The member pub of the AKP key is not the public key of priv."},
		{"another priv", func(k *PrivateJWK) { k.Priv = flip(k.Priv, 31) }, "AKP key is not valid - cannot instantiate crypto service. The member pub of the AKP key is not the public key of priv."},
	} {
		k := akpJWK(MLDSA44, 7)
		tt.change(&k)
		key, err := Import(k)
		wantFault(t, tt.name, err, tt.want)
		if key != nil {
			t.Errorf("%s: a key with its error", tt.name)
		}
	}
}

func TestParseAKPRefuses(t *testing.T) {
	stored := must(must(Import(akpJWK(MLDSA65, 1))).MarshalPrivate()).Reveal()
	for name, b := range map[string][]byte{
		"nothing": {1, 4}, "a set alone": {1, 4, 65}, "a short seed": stored[:len(stored)-1], "a long seed": append(bytes.Clone(stored), 0),
		"set 0": append([]byte{1, 4, 0}, stored[3:]...), "set 64": append([]byte{1, 4, 64}, stored[3:]...), "encoding 5": append([]byte{1, 5}, stored[2:]...),
	} {
		if key, err := ParsePrivate(b); key != nil || !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGoldenAKP opens stored keys of ML-DSA, and verifies what they have signed.
func TestGoldenAKP(t *testing.T) {
	for _, alg := range mldsaAlgorithms {
		name := string(alg)
		if *createGolden {
			writeGolden(t, name, must(Import(akpJWK(alg, 0xc5))))
		}
		g := readGolden(t, name, Spec{Type: TypeEC})
		k, err := ParsePrivate(g.Stored)
		if err != nil || !k.Public().Equal(g.Public) || g.Public.Type != TypeAKP {
			t.Fatalf("%s: %v", name, err)
		}
		if again := must(k.MarshalPrivate()).Reveal(); !bytes.Equal(again, g.Stored) {
			t.Errorf("%s: stored anew as %x", name, again)
		}
		parameters, _ := parametersOf(alg)
		public := must(mldsa.NewPublicKey(parameters, g.Public.Pub))
		if err := mldsa.Verify(public, []byte("m"), must(k.Sign(alg, []byte("m"))), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestContextAndMu: a signature is good for its context only, and the two ways
// of signing make the same thing.
func TestContextAndMu(t *testing.T) {
	for _, alg := range mldsaAlgorithms {
		key := userKeys()[string(alg)]
		message, context := []byte("a message of any length"), bytes.Repeat([]byte("c"), maxContext)
		mu := Message{ExternalMu: muOf(key.Public().Pub, context, message)}
		whole := Message{Value: message, Context: context}
		for _, by := range []Message{whole, mu} {
			signature := must(key.SignMessage("", by))
			for _, tt := range []struct {
				name string
				m    Message
				want bool
			}{
				{"as it is", whole, true}, {"mu", mu, true},
				{"no context", Message{Value: message}, false},
				{"another context", Message{Value: message, Context: context[1:]}, false},
				{"another message", Message{Value: flip(message, 0), Context: context}, false},
				{"another mu", Message{ExternalMu: flip(mu.ExternalMu, 63)}, false},
				{"mu as the message", Message{Value: mu.ExternalMu}, false},
				{"context before the message", Message{Value: append(bytes.Clone(context), message...)}, false},
			} {
				if ok, err := key.VerifyMessage(alg, tt.m, signature); ok != tt.want || err != nil {
					t.Errorf("%s, %s: %v, %v, want %v", alg, tt.name, ok, err, tt.want)
				}
			}
			if ok, err := must(GenerateAKP(alg)).VerifyMessage("", mu, signature); ok || err != nil {
				t.Errorf("%s: another key verifies it: %v", alg, err)
			}
		}
		if bytes.Equal(must(key.Sign(alg, message)), must(key.Sign(alg, message))) {
			t.Errorf("%s: the same signature twice", alg)
		}
	}
}

func TestRefusedMessages(t *testing.T) {
	akp, ec := userKeys()["ML-DSA-44"], userKeys()["P-256"]
	mu := make([]byte, 64)
	for _, tt := range []struct {
		name string
		key  *Key
		alg  Algorithm
		m    Message
		want string
	}{
		{"another set", akp, MLDSA65, Message{}, "Key and signing algorithm are incompatible. The key is for algorithm 'ML-DSA-44'."},
		{"another family", akp, ES256, Message{}, "The algorithm is not supported for sign with keys of type AKP. Supported algorithms are ML-DSA-44, ML-DSA-65, ML-DSA-87."},
		{"a short mu", akp, "", Message{ExternalMu: mu[1:]}, "Invalid length of 'external_mu': 63 bytes. ML-DSA requires 64 bytes, encoded with base64url."},
		{"mu and message", akp, "", Message{ExternalMu: mu, Value: mu}, "The parameter external_mu stands for the message and its context, which must be left out."},
		{"mu and context", akp, MLDSA44, Message{ExternalMu: mu, Context: mu}, "The parameter external_mu stands for the message and its context, which must be left out."},
		{"a long context", akp, "", Message{Context: make([]byte, 256)}, "Invalid length of 'context': 256 bytes. At most 255 bytes are supported."},
		{"a huge message", akp, "", Message{Value: make([]byte, maxInput+1)}, "Invalid length of 'value': 65537 bytes. At most 65536 bytes are supported."},
		{"a context for EC", ec, ES256, Message{Value: mu[:32], Context: mu}, "The parameters context and external_mu are not for sign with ES256."},
		{"mu for EC", ec, ES256, Message{ExternalMu: mu}, "The parameters context and external_mu are not for sign with ES256."},
	} {
		signature, err := tt.key.SignMessage(tt.alg, tt.m)
		wantFault(t, tt.name, err, tt.want)
		ok, verr := tt.key.VerifyMessage(tt.alg, tt.m, mu)
		wantFault(t, tt.name+", to verify", verr, strings.Replace(tt.want, "for sign with", "for verify with", 1))
		if signature != nil || ok {
			t.Errorf("%s: an answer with its error", tt.name)
		}
	}
	for _, op := range []operation{encrypt, unwrapKey} {
		_, err := akp.do(op, MLDSA44, Input{})
		wantFault(t, string(op), err, fmt.Sprintf("Keys of type AKP cannot be used for %s. Their algorithms are ML-DSA-44, ML-DSA-65, ML-DSA-87.", op))
	}
}

func TestAKPDoesNotPrint(t *testing.T) {
	seed := []byte("0123456789abcdefghijklmnopqrstuv")
	key := must(seedKey(MLDSA44, seed))
	secrets := []string{"0123456789", "30313233", "48 49 50", "0x30, 0x31", "MDEyMzQ1"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "key", key)
	shown := []string{string(must(json.Marshal(struct{ K any }{key}))), log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, key), fmt.Sprintf(verb, *key), fmt.Sprintf(verb, struct{ k *Key }{key}))
	}
	for _, s := range shown {
		for _, secret := range secrets {
			if strings.Contains(s, secret) {
				t.Errorf("%q shows the key", s)
			}
		}
	}
}
