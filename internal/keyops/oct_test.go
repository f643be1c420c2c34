package keyops

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

func TestGenerateOct(t *testing.T) {
	for bits, want := range map[int]int{0: 32, 128: 16, 192: 24, 256: 32} {
		a, b := must(GenerateOct(bits)), must(GenerateOct(bits))
		if got := a.private().(*symmetricKey).octets; len(got) != want || bytes.Equal(got, b.private().(*symmetricKey).octets) {
			t.Errorf("%d bits: %d bytes, or the same key twice", bits, len(got))
		}
		if a.Bits() != 8*want {
			t.Errorf("%d bits: a key of %d", bits, a.Bits())
		}
		if p := a.Public(); !p.Equal(PublicJWK{Type: TypeOct}) {
			t.Errorf("%d bits: the public part %+v", bits, p)
		}
	}
	for _, bits := range []int{-128, 1, 16, 127, 512, 1 << 30} {
		key, err := GenerateOct(bits)
		f, ok := fault.As(err)
		want := fmt.Sprintf("The key size %d is not supported for oct keys. Supported sizes are 128, 192 and 256.", bits)
		if key != nil || !ok || f.Kind != fault.Invalid || f.Message != want {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

// TestGenerateByType makes through a Spec what is no pair of RSA or EC.
func TestGenerateByType(t *testing.T) {
	for _, spec := range []Spec{{Type: TypeOct}, {Type: TypeOct, Bits: 192}, {Type: TypeAKP, Algorithm: MLDSA44}} {
		key, err := Generate(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if p := key.Public(); p.Type != spec.Type || p.Algorithm != spec.Algorithm {
			t.Errorf("%+v makes %+v", spec, p)
		}
		if octets, ok := key.private().(*symmetricKey); ok && 8*len(octets.octets) != cmp.Or(spec.Bits, 256) {
			t.Errorf("%+v makes %d octets", spec, len(octets.octets))
		}
	}
	if ops := DefaultOps(TypeOct); !slices.Equal(ops, []string{"encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify"}) {
		t.Errorf("by default %v", ops)
	}
}

func TestImportOct(t *testing.T) {
	for _, size := range []int{16, 24, 32, 33, 64} {
		given := bytes.Repeat([]byte{byte(size)}, size)
		key := octKey(t, given)
		clear(given) // is not kept
		stored, err := key.MarshalPrivate()
		want := append([]byte{1, 3}, bytes.Repeat([]byte{byte(size)}, size)...)
		if err != nil || !bytes.Equal(stored.Reveal(), want) {
			t.Errorf("%d bytes are stored as %x, %v", size, stored.Reveal(), err)
		}
		read := bytes.Clone(want)
		again, err := ParsePrivate(read)
		clear(read)
		if err != nil || !bytes.Equal(again.private().(*symmetricKey).octets, want[2:]) {
			t.Errorf("%d bytes do not open again: %v", size, err)
		}
		digest := make([]byte, 32)
		if ok, err := again.Verify(HS256, digest, must(key.Sign(HS256, digest))); !ok || err != nil {
			t.Errorf("%d bytes make another MAC: %v", size, err)
		}
		if _, err := key.Wrap(AESKeyWrap, Input{Value: digest}); (err == nil) != slices.Contains(octBits, 8*size) {
			t.Errorf("%d bytes as an AES key: %v", size, err)
		}
	}
	for size, want := range map[int]string{
		0: `The property "key" must be a valid JsonWebKey object. The oct key is missing its member k.`, 15: "The member k of the oct key has 15 bytes. At least 16 are required.",
		65:      "JSON Web Key: k property of oct key is too large, maximum size is 64",
		1 << 20: "JSON Web Key: k property of oct key is too large, maximum size is 64",
	} {
		key, err := Import(PrivateJWK{Type: TypeOct, K: make([]byte, size)})
		f, ok := fault.As(err)
		if key != nil || !ok || f.Kind != fault.Invalid || f.Code != "BadParameter" || f.Message != want {
			t.Errorf("%d bytes: %v, want %q", size, err, want)
		}
		if size == 0 {
			continue
		}
		if key, err := ParsePrivate(append([]byte{1, 3}, make([]byte, size)...)); key != nil || !errors.Is(err, ErrKey) {
			t.Errorf("stored with %d bytes: %v", size, err)
		}
	}
}

// TestGoldenOct opens a stored symmetric key, and what was encrypted with it.
func TestGoldenOct(t *testing.T) {
	const name = "oct-256"
	if *createGolden {
		writeGolden(t, name, octKey(t, unhex(t, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")))
	}
	g := readGolden(t, name, Spec{Type: TypeEC})
	k, err := ParsePrivate(g.Stored)
	if err != nil || !k.Public().Equal(g.Public) || g.Public.Type != TypeOct {
		t.Fatalf("%+v: %v", g.Public, err)
	}
	got, err := k.Decrypt(A256CBC, Input{Value: unhex(t, "f58c4c04d6e5f1ba779eabfb5f7bfbd6"), IV: unhex(t, "000102030405060708090a0b0c0d0e0f")})
	if err != nil || !bytes.Equal(got.Value, unhex(t, "6bc1bee22e409f96e93d7e117393172a")) {
		t.Errorf("%x, %v", got.Value, err)
	}
}

// TestGCMNeverRepeatsItsNonce: with a nonce used twice the key is lost.
func TestGCMNeverRepeatsItsNonce(t *testing.T) {
	key, seen := userKeys()["256"], map[string]bool{}
	for range 1000 {
		out := must(key.Encrypt(A256GCM, Input{}))
		if seen[string(out.IV)] || len(out.IV) != 12 || len(out.Tag) != 16 || len(out.Value) != 0 {
			t.Fatalf("iv %x, tag %x, value %x", out.IV, out.Tag, out.Value)
		}
		seen[string(out.IV)] = true
	}
}

func TestOctDoesNotPrint(t *testing.T) {
	key := octKey(t, []byte("0123456789abcdef"))
	secrets := []string{"0123456789", "30313233", "48 49 50", "0x30, 0x31", "MDEyMzQ1"}
	shown := []string{string(must(json.Marshal(struct{ K *Key }{key})))}
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
