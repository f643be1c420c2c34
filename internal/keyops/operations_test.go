package keyops

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	koblitz "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// userKeys has a key for every algorithm, made once.
var userKeys = sync.OnceValue(func() map[string]*Key {
	keys := map[string]*Key{}
	for _, c := range []Curve{CurveP256, CurveP384, CurveP521, CurveP256K} {
		keys[string(c)] = must(Generate(context.Background(), Spec{Type: TypeEC, Curve: c}))
	}
	for _, bits := range octBits {
		keys[fmt.Sprint(bits)] = must(GenerateOct(bits))
	}
	for _, alg := range mldsaAlgorithms {
		keys[string(alg)] = must(GenerateAKP(alg))
	}
	keys["RSA"] = must(Generate(context.Background(), Spec{Type: TypeRSA}))
	return keys
})

// user returns a key that the algorithm can be used with.
func user(a algorithm) *Key {
	switch {
	case a.key == TypeRSA:
		return userKeys()["RSA"]
	case a.key == TypeEC:
		return userKeys()[string(a.curve)]
	case a.key == TypeAKP:
		return userKeys()[string(a.name)]
	case a.bits == 0:
		return userKeys()["256"]
	}
	return userKeys()[fmt.Sprint(a.bits)]
}

// digestFor returns random bytes that the algorithm signs.
func digestFor(a algorithm) []byte {
	size := 20
	if a.hash != 0 {
		size = a.hash.Size()
	}
	d := make([]byte, size)
	_, _ = rand.Read(d)
	return d
}

// inputFor returns what the algorithm encrypts or wraps.
func inputFor(a algorithm) Input {
	in := Input{Value: make([]byte, 32)}
	_, _ = rand.Read(in.Value)
	switch a.scheme {
	case cbc, cbcPadded:
		in.IV = make([]byte, 16)
		_, _ = rand.Read(in.IV)
	case gcm:
		in.AAD = []byte("bound to the value")
	}
	return in
}

func (k *Key) do(op operation, alg Algorithm, in Input) (Output, error) {
	switch op {
	case encrypt:
		return k.Encrypt(alg, in)
	case decrypt:
		return k.Decrypt(alg, in)
	case wrapKey:
		return k.Wrap(alg, in)
	case unwrapKey:
		return k.Unwrap(alg, in)
	case sign:
		signature, err := k.Sign(alg, in.Value)
		return Output{Value: signature}, err
	}
	_, err := k.Verify(alg, in.Value, in.Tag)
	return Output{}, err
}

// TestTable: an algorithm is in the table once, and its key can do it.
func TestTable(t *testing.T) {
	seen := map[Algorithm]bool{}
	for _, a := range algorithms {
		if seen[a.name] || len(a.ops) == 0 || len(a.ops)%2 != 0 {
			t.Errorf("%s is there twice, or has the operations %v", a.name, a.ops)
		}
		seen[a.name] = true
		for _, op := range a.ops {
			if !slices.Contains(DefaultOps(a.key), string(op)) {
				t.Errorf("%s has the operation %s, which keys of type %s lack by default", a.name, op, a.key)
			}
			if _, err := user(a).find(a.name, op); err != nil {
				t.Errorf("%s: %v", a.name, err)
			}
		}
	}
}

// TestRoundTrip does everything in the table and undoes it, and sees that what
// was tampered with does not open or verify.
func TestRoundTrip(t *testing.T) {
	for _, a := range algorithms {
		t.Run(string(a.name), func(t *testing.T) {
			if a.ops[0] == sign {
				checkSignature(t, a)
				return
			}
			for i := 0; i < len(a.ops); i += 2 {
				checkCipher(t, a, a.ops[i], a.ops[i+1])
			}
		})
	}
}

func checkSignature(t *testing.T, a algorithm) {
	t.Helper()
	key, digest := user(a), digestFor(a)
	given := bytes.Clone(digest)
	signature, err := key.Sign(a.name, digest)
	if err != nil || !bytes.Equal(digest, given) {
		t.Fatalf("signing: %v", err)
	}
	if ok, err := key.Verify(a.name, digest, signature); !ok || err != nil {
		t.Errorf("its own signature: %v, %v", ok, err)
	}
	last := len(signature) - 1
	for name, bad := range map[string][]byte{
		"none": nil, "a byte": {1}, "one too short": signature[:last], "one too long": append(bytes.Clone(signature), 0),
		"zero before": append([]byte{0}, signature...), "first bit": flip(signature, 0), "last bit": flip(signature, last),
		"middle": flip(signature, last/2), "zeros": make([]byte, len(signature)), "ones": bytes.Repeat([]byte{0xff}, len(signature)),
		"huge": bytes.Repeat([]byte{7}, 1<<20),
	} {
		if ok, err := key.Verify(a.name, digest, bad); ok || err != nil {
			t.Errorf("%s: %v, %v, want false and no error", name, ok, err)
		}
	}
	if ok, err := key.Verify(a.name, flip(digest, 3), signature); ok || err != nil {
		t.Errorf("another digest: %v, %v", ok, err)
	}
}

func flip(b []byte, at int) []byte {
	c := bytes.Clone(b)
	c[at] ^= 1
	return c
}

func checkCipher(t *testing.T, a algorithm, do, undo operation) {
	t.Helper()
	key, in := user(a), inputFor(a)
	given := Input{bytes.Clone(in.Value), bytes.Clone(in.IV), bytes.Clone(in.AAD), nil}
	out, err := key.do(do, a.name, in)
	if err != nil || !bytes.Equal(in.Value, given.Value) || !bytes.Equal(in.IV, given.IV) || !bytes.Equal(in.AAD, given.AAD) {
		t.Fatalf("%s: %v, or the input was changed", do, err)
	}
	if bytes.Contains(out.Value, in.Value) || !bytes.Equal(out.AAD, in.AAD) {
		t.Errorf("%s shows the value, or has the AAD %x", do, out.AAD)
	}
	closed := Input(out)
	back, err := key.do(undo, a.name, closed)
	if err != nil || !bytes.Equal(back.Value, in.Value) {
		t.Fatalf("%s: %v, or another value", undo, err)
	}
	if a.scheme == cbc {
		return // has no integrity
	}
	for name, bad := range map[string]Input{
		"nothing": {nil, closed.IV, closed.AAD, closed.Tag},
		"cut":     {closed.Value[:len(closed.Value)-1], closed.IV, closed.AAD, closed.Tag},
		"longer":  {append(bytes.Clone(closed.Value), 0), closed.IV, closed.AAD, closed.Tag},
	} {
		unopened(t, a, name, key, undo, bad)
	}
	if a.scheme == cbcPadded {
		return // TestPaddingOfCBC has the rest
	}
	unopened(t, a, "twice", key, undo, Input{slices.Concat(closed.Value, closed.Value), closed.IV, closed.AAD, closed.Tag})
	for at := range closed.Value {
		unopened(t, a, fmt.Sprint("byte ", at), key, undo, Input{flip(closed.Value, at), closed.IV, closed.AAD, closed.Tag})
		if at > 40 {
			break
		}
	}
	if a.scheme == gcm {
		unopened(t, a, "iv", key, undo, Input{closed.Value, flip(closed.IV, 11), closed.AAD, closed.Tag})
		unopened(t, a, "aad", key, undo, Input{closed.Value, closed.IV, flip(closed.AAD, 0), closed.Tag})
		unopened(t, a, "no aad", key, undo, Input{closed.Value, closed.IV, nil, closed.Tag})
		unopened(t, a, "tag", key, undo, Input{closed.Value, closed.IV, closed.AAD, flip(closed.Tag, 15)})
	}
}

// unopened wants the one refusal that tells nothing.
func unopened(t *testing.T, a algorithm, name string, key *Key, op operation, in Input) {
	t.Helper()
	out, err := key.do(op, a.name, in)
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Invalid || f.Code != "BadParameter" || f.Message != "The parameter is incorrect.\r\n" || out.Value != nil {
		t.Errorf("%s of %s: %v, want the parameter to be incorrect", a.name, name, err)
	}
}

// TestAgainstTheLibraries has our signatures and ciphertexts checked by others'
// code with the public numbers alone, and the other way round.
func TestAgainstTheLibraries(t *testing.T) {
	key := userKeys()["RSA"]
	p := key.Public()
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(p.N), E: int(new(big.Int).SetBytes(p.E).Int64())}
	d := sha512.Sum512([]byte("signed"))
	if s, err := key.Sign(RS512, d[:]); err != nil || rsa.VerifyPKCS1v15(public, crypto.SHA512, d[:], s) != nil {
		t.Errorf("RS512: %v", err)
	}
	for _, salt := range []int{64, rsa.PSSSaltLengthAuto} {
		if s, err := key.Sign(PS512, d[:]); err != nil || rsa.VerifyPSS(public, crypto.SHA512, d[:], s, &rsa.PSSOptions{SaltLength: salt}) != nil {
			t.Errorf("PS512 with the salt %d: %v", salt, err)
		}
	}
	short, err := rsa.SignPSS(rand.Reader, key.private().(*rsa.PrivateKey), crypto.SHA512, d[:], &rsa.PSSOptions{SaltLength: 32})
	if ok, verr := key.Verify(PS512, d[:], short); ok || err != nil || verr != nil {
		t.Errorf("PS512 verifies another salt: %v, %v", err, verr)
	}
	closed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, []byte("v"), []byte("a label"))
	if out, derr := key.Decrypt(RSAOAEP256, Input{Value: closed}); derr == nil || err != nil || out.Value != nil {
		t.Errorf("OAEP decrypts with another label: %v, %v", err, derr)
	}
	for _, c := range []Curve{CurveP256, CurveP384, CurveP521} {
		a := algorithms[slices.IndexFunc(algorithms, func(a algorithm) bool { return a.curve == c })]
		key, digest := user(a), digestFor(a)
		p := key.Public()
		public := must(ecdsa.ParseUncompressedPublicKey(nistCurve(c), slices.Concat([]byte{4}, p.X, p.Y)))
		s := must(key.Sign(a.name, digest))
		if len(s) != 2*len(p.X) || !ecdsa.Verify(public, digest, new(big.Int).SetBytes(s[:len(s)/2]), new(big.Int).SetBytes(s[len(s)/2:])) {
			t.Errorf("%s: a signature of %d bytes, or a wrong one", a.name, len(s))
		}
	}
}

// TestRSANull pads the value as it is: with the prefix of SHA-256 before a
// digest that is RS256.
func TestRSANull(t *testing.T) {
	key := userKeys()["RSA"]
	d := sha256.Sum256([]byte("signed"))
	info := append(unhex(t, "3031300d060960864801650304020105000420"), d[:]...)
	null, err := key.Sign(RSANull, info)
	if rs256, rerr := key.Sign(RS256, d[:]); err != nil || rerr != nil || !bytes.Equal(null, rs256) {
		t.Errorf("RSNULL is not RS256 without the prefix: %v, %v", err, rerr)
	}
	for _, size := range []int{1, 36, 245} {
		value := bytes.Repeat([]byte{9}, size)
		s, err := key.Sign(RSANull, value)
		if ok, verr := key.Verify(RSANull, value, s); !ok || err != nil || verr != nil {
			t.Errorf("%d bytes: %v, %v", size, err, verr)
		}
	}
}

// TestLongest fills the padding up, and takes the empty value.
func TestLongest(t *testing.T) {
	key := userKeys()["RSA"]
	for alg, most := range map[Algorithm]int{RSA15: 245, RSAOAEP: 214, RSAOAEP256: 190} {
		for _, size := range []int{0, 1, most} {
			value := bytes.Repeat([]byte{0}, size)
			out, err := key.Encrypt(alg, Input{Value: value})
			if err != nil || len(out.Value) != 256 {
				t.Fatalf("%s of %d bytes: %v", alg, size, err)
			}
			if back, err := key.Decrypt(alg, Input(out)); err != nil || !bytes.Equal(back.Value, value) {
				t.Errorf("%s of %d bytes: %x, %v", alg, size, back.Value, err)
			}
		}
	}
}

func TestKoblitzTakesBothS(t *testing.T) {
	key, digest := userKeys()["P-256K"], make([]byte, 32)
	s := must(key.Sign(ES256K, digest))
	order := number("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	low := new(big.Int).SetBytes(s[32:])
	high := new(big.Int).Sub(order, low)
	if low.Cmp(high) > 0 {
		t.Error("signed with the higher s")
	}
	with := func(r []byte, s *big.Int) []byte { return slices.Concat(r, s.FillBytes(make([]byte, 32))) }
	if ok, err := key.Verify(ES256K, digest, with(s[:32], high)); !ok || err != nil {
		t.Errorf("the higher s: %v, %v", ok, err)
	}
	for name, bad := range map[string][]byte{
		"s of zero": with(s[:32], new(big.Int)), "r of zero": with(make([]byte, 32), low), "s of the order": with(s[:32], order),
		"r of the order": with(order.Bytes(), low),
	} {
		if ok, err := key.Verify(ES256K, digest, bad); ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
}

func TestRandom(t *testing.T) {
	for _, n := range []int{-1, 0, 129, 1 << 30} {
		b, err := Random(n)
		f, ok := fault.As(err)
		if b != nil || !ok || f.Kind != fault.Invalid || f.Message != "GetRandomBytesRequest: count cannot be greater than 128 or less than 1" {
			t.Errorf("%d: %v", n, err)
		}
	}
	a, b := must(Random(128)), must(Random(128))
	if len(a) != 128 || bytes.Equal(a, b) || len(must(Random(1))) != 1 {
		t.Errorf("%x and %x", a, b)
	}
}

func TestValuesShowNothing(t *testing.T) {
	in, out := Input{Value: []byte("plain-text")}, Output{Value: []byte("plain-text")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, v := range []any{in, &in, out, &out} {
			if got := fmt.Sprintf(verb, v); got != hiddenValue {
				t.Errorf("%s shows %s", verb, got)
			}
		}
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("done", "in", in, "out", out)
	if strings.Contains(log.String(), "plain") || strings.Contains(log.String(), "cGxhaW4") || in.String()+out.String() != hiddenValue+hiddenValue {
		t.Errorf("logged %s", &log)
	}
}

// TestKoblitzOfKnownNonces signs as RFC 6979 has it, without the hedge: the
// vectors that the implementations of P-256K share, and what the library signs.
func TestKoblitzOfKnownNonces(t *testing.T) {
	for _, tt := range []struct {
		scalar, message, want string
	}{
		{"0000000000000000000000000000000000000000000000000000000000000001", "Satoshi Nakamoto",
			"934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8" + "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"},
		{"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140", "Satoshi Nakamoto",
			"fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0" + "6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5"},
		{"f8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181", "Alan Turing",
			"7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15c" + "58dfcc1e00a35e1572f366ffe34ba0fc47db1e7189759b9fb233c5b05ab388ea"},
	} {
		scalar, digest := unhex(t, tt.scalar), sha256.Sum256([]byte(tt.message))
		key := newKoblitzKey(secp256k1.PrivKeyFromBytes(scalar)).private().(*koblitzKey)
		got, ok := key.signWith(secp256k1.NonceRFC6979(scalar, digest[:], nil, nil, 0), digest[:])
		if !ok || !bytes.Equal(got, unhex(t, tt.want)) {
			t.Errorf("%s of %s: %x, want %s", tt.message, tt.scalar, got, tt.want)
		}
		if bytes.Equal(key.sign(digest[:]), key.sign(digest[:])) {
			t.Error("the nonce is not hedged")
		}
	}
	key := userKeys()["P-256K"].private().(*koblitzKey)
	for range 50 {
		scalar, digest := key.Key.Bytes(), digestFor(algorithm{hash: crypto.SHA256})
		got, ok := key.signWith(secp256k1.NonceRFC6979(scalar[:], digest, nil, nil, 0), digest)
		want := koblitz.Sign(key.PrivateKey, digest)
		r, s := want.R(), want.S()
		rb, sb := r.Bytes(), s.Bytes()
		if !ok || !bytes.Equal(got, slices.Concat(rb[:], sb[:])) {
			t.Fatalf("%x, and the library signs %x %x", got, rb, sb)
		}
	}
}
