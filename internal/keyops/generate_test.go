package keyops

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	koblitz "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// kinds are all the keys that can be made, with the length of their numbers.
var kinds = []struct {
	name string
	spec Spec
	size int // bytes of n, or of each coordinate
}{
	{"RSA-2048", Spec{Type: TypeRSA}, 256},
	{"RSA-3072", Spec{Type: TypeRSA, Bits: 3072}, 384},
	{"RSA-4096", Spec{Type: TypeRSA, Bits: 4096, PublicExponent: 65537}, 512},
	{"P-256", Spec{Type: TypeEC}, 32},
	{"P-384", Spec{Type: TypeEC, Curve: CurveP384}, 48},
	{"P-521", Spec{Type: TypeEC, Curve: CurveP521}, 66},
	{"P-256K", Spec{Type: TypeEC, Curve: CurveP256K}, 32},
}

// TestGenerate makes every kind of key, stores it and takes it back, and signs
// with the private key what the public numbers must verify.
func TestGenerate(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			made, err := Generate(t.Context(), kind.spec)
			if err != nil {
				t.Fatal(err)
			}
			checkNumbers(t, made.Public(), kind.spec, kind.size)
			if want := 8 * kind.size; made.Bits() != want && (kind.spec.Curve != CurveP521 || made.Bits() != 521) {
				t.Errorf("%d bits, want %d", made.Bits(), want)
			}
			stored, err := made.MarshalPrivate()
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := ParsePrivate(stored.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			if !parsed.Public().Equal(made.Public()) {
				t.Error("the stored key has another public part")
			}
			checkPair(t, made, parsed.Public())
			checkPair(t, parsed, made.Public())
		})
	}
}

func checkNumbers(t *testing.T, p PublicJWK, spec Spec, size int) {
	t.Helper()
	if p.Type != spec.Type {
		t.Errorf("kty = %s, want %s", p.Type, spec.Type)
	}
	if spec.Type == TypeRSA {
		if p.Curve != "" || p.X != nil || p.Y != nil {
			t.Errorf("an RSA key has members of EC: %+v", p)
		}
		if len(p.N) != size || p.N[0]&0x80 == 0 || string(p.E) != "\x01\x00\x01" {
			t.Errorf("n has %d bytes and begins %08b, e = %x; want a full modulus of %d bytes, 010001", len(p.N), p.N[0], p.E, size)
		}
		return
	}
	if p.N != nil || p.E != nil {
		t.Errorf("an EC key has members of RSA: %+v", p)
	}
	if want := cmp.Or(spec.Curve, CurveP256); p.Curve != want {
		t.Errorf("crv = %s, want %s", p.Curve, want)
	}
	if len(p.X) != size || len(p.Y) != size {
		t.Errorf("coordinates of %d and %d bytes, want %d", len(p.X), len(p.Y), size)
	}
}

// checkPair signs with k and verifies with a key made of p's numbers alone.
func checkPair(t *testing.T, k *Key, p PublicJWK) {
	t.Helper()
	digest := sha256.Sum256([]byte("signed"))
	verified := false
	switch private := k.private().(type) {
	case *rsa.PrivateKey:
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(p.N), E: int(new(big.Int).SetBytes(p.E).Int64())}
		signature, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		verified = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PrivateKey:
		point := append(append([]byte{4}, p.X...), p.Y...)
		public, err := ecdsa.ParseUncompressedPublicKey(nistCurve(p.Curve), point)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := ecdsa.SignASN1(rand.Reader, private, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		verified = ecdsa.VerifyASN1(public, digest[:], signature)
	case *koblitzKey:
		public, err := secp256k1.ParsePubKey(append(append([]byte{4}, p.X...), p.Y...))
		if err != nil {
			t.Fatal(err)
		}
		verified = koblitz.Sign(private.PrivateKey, digest[:]).Verify(digest[:], public)
	}
	if !verified {
		t.Error("the public numbers do not verify what the private key has signed")
	}
}

func TestGenerateMakesNewKeys(t *testing.T) {
	for _, kind := range kinds[3:] {
		a, errA := Generate(t.Context(), kind.spec)
		b, errB := Generate(t.Context(), kind.spec)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if a.Public().Equal(b.Public()) {
			t.Errorf("%s: the same key twice", kind.name)
		}
	}
}

// TestRSAKeysTakeTurns holds every slot: an RSA key then waits, as long as its
// context lets it, while EC keys are made at once.
func TestRSAKeysTakeTurns(t *testing.T) {
	for range cap(rsaSlots) {
		rsaSlots <- struct{}{}
	}
	held := cap(rsaSlots)
	release := func() {
		for ; held > 0; held-- {
			<-rsaSlots
		}
	}
	defer release()

	ended, cancel := context.WithCancel(t.Context())
	ctx := watchedContext{ended, make(chan struct{}, 1)}
	waiting := make(chan error, 1)
	go func() {
		_, err := Generate(ctx, Spec{Type: TypeRSA})
		waiting <- err
	}()
	<-ctx.watched
	if _, err := Generate(t.Context(), Spec{Type: TypeEC}); err != nil {
		t.Errorf("an EC key had to wait for RSA keys: %v", err)
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting ended with %v, want the context's error", err)
	}

	release()
	key, err := Generate(t.Context(), Spec{Type: TypeRSA})
	if err != nil || key == nil {
		t.Errorf("with free slots: %v", err)
	}
	if len(rsaSlots) != 0 {
		t.Errorf("%d slots are still held", len(rsaSlots))
	}
}

// watchedContext tells when somebody begins to wait for its end.
type watchedContext struct {
	context.Context
	watched chan struct{} // capacity 1
}

func (c watchedContext) Done() <-chan struct{} {
	select {
	case c.watched <- struct{}{}:
	default:
	}
	return c.Context.Done()
}

// TestGenerateOfAnEndedContext has free slots, and still begins no work for a
// caller that has gone.
func TestGenerateOfAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // a select that finds both ready takes either
		if key, err := Generate(ctx, Spec{Type: TypeRSA}); !errors.Is(err, context.Canceled) || key != nil {
			t.Fatalf("key %v, error %v, want the context's error", key, err)
		}
	}
}

func TestPublicBelongsToTheCaller(t *testing.T) {
	for _, kind := range []int{0, 3, 6} {
		k, err := Generate(t.Context(), kinds[kind].spec)
		if err != nil {
			t.Fatal(err)
		}
		before, changed := k.Public(), k.Public()
		for _, number := range [][]byte{changed.N, changed.E, changed.X, changed.Y} {
			clear(number)
		}
		if !k.Public().Equal(before) {
			t.Errorf("%s: a caller has changed the key's own numbers", kinds[kind].name)
		}
	}
}

// TestKeyDoesNotPrint: the scalar of a P-256K key lies in the key's own struct,
// so that a formatting verb for which fmt follows pointers would show it.
func TestKeyDoesNotPrint(t *testing.T) {
	const scalar = "1112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30"
	raw, err := hex.DecodeString(scalar)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{scalar, strings.ToUpper(scalar), new(big.Int).SetBytes(raw).String()}
	for limb := range slices.Chunk(raw, 4) {
		secrets = append(secrets, fmt.Sprint(binary.BigEndian.Uint32(limb)), fmt.Sprintf("%x", limb), fmt.Sprintf("%X", limb))
	}
	key := newKoblitzKey(secp256k1.PrivKeyFromBytes(raw))
	holder := struct {
		inner *Key
		Outer Key
	}{key, *key}

	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		shown = append(shown, fmt.Sprintf(verb, key), fmt.Sprintf(verb, *key), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, &holder))
	}
	text, _ := json.Marshal(holder)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "key", key, "holder", holder)
	for _, s := range append(shown, string(text), log.String()) {
		for _, secret := range secrets {
			if strings.Contains(s, secret) {
				t.Errorf("%q shows part of the key", s)
			}
		}
	}
}
