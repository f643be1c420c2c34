package keyops

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// TestRefusedOperations has the texts.
func TestRefusedOperations(t *testing.T) {
	rsaKey, p256, p256k, oct := userKeys()["RSA"], userKeys()["P-256"], userKeys()["P-256K"], userKeys()["128"]
	n := func(size int) Input { return Input{Value: make([]byte, size)} }
	const (
		rsaSigns   = "Supported algorithms are RS256, RS384, RS512, PS256, PS384, PS512, RSNULL."
		rsaCiphers = "Supported algorithms are RSA1_5, RSA-OAEP, RSA-OAEP-256."
	)
	for _, tt := range []struct {
		name string
		key  *Key
		op   operation
		alg  Algorithm
		in   Input
		want string
	}{
		{"a byte", p256k, sign, ES256K, n(1), "Invalid length of 'value': 1 bytes. ES256K requires 32 bytes, encoded with base64url."},
		{"no digest", rsaKey, sign, RS384, n(0), "Invalid length of 'value': 0 bytes. RS384 requires 48 bytes, encoded with base64url."},
		{"to verify", rsaKey, verify, PS512, n(65), "Invalid length of 'digest': 65 bytes. PS512 requires 64 bytes, encoded with base64url."},
		{"of a MAC", oct, sign, HS256, n(33), "Invalid length of 'value': 33 bytes. HS256 requires 32 bytes, encoded with base64url."},
		{"RSNULL, nothing", rsaKey, sign, RSANull, n(0), "Invalid length of 'value': 0 bytes. RSNULL with this key requires 1 to 245 bytes, encoded with base64url."},
		{"RSNULL, too much", rsaKey, verify, RSANull, n(246), "Invalid length of 'digest': 246 bytes. RSNULL with this key requires 1 to 245 bytes, encoded with base64url."},
		{"no algorithm", rsaKey, sign, "", n(32), "Property 'alg' is required.\r\nSupported algorithms for sign with keys of type RSA are " + strings.TrimPrefix(rsaSigns, "Supported algorithms are ")},
		{"an unknown one", rsaKey, encrypt, Algorithm(strings.Repeat("A", 1000)), n(32), "The algorithm is not supported for encrypt with keys of type RSA. " + rsaCiphers},
		{"another case", rsaKey, decrypt, "rsa1_5", n(256), "The algorithm is not supported for decrypt with keys of type RSA. " + rsaCiphers},
		{"to sign with a cipher", rsaKey, sign, RSAOAEP, n(32), "The algorithm is not supported for sign with keys of type RSA. " + rsaSigns},
		{"EC with RSA's", p256, sign, RS256, n(32), "The algorithm is not supported for sign with keys of type EC. Supported algorithms are ES256, ES384, ES512, ES256K, ECDSA256."},
		{"EC to encrypt", p256, encrypt, RSA15, n(32), "Keys of type EC cannot be used for encrypt. Their algorithms are ES256, ES384, ES512, ES256K, ECDSA256."},
		{"to encrypt with a wrap", oct, encrypt, A128KW, n(32), "The algorithm is not supported for encrypt with keys of type oct. Supported algorithms are A128GCM, A192GCM, A256GCM, A128CBC, A192CBC, A256CBC, A128CBCPAD, A192CBCPAD, A256CBCPAD."},
		{"a larger key's", oct, encrypt, A256GCM, n(32), "Key and algorithm are incompatible. The key has 128 bits, and algorithm 'A256GCM' can only be used with keys of 256 bits."},
		{"too long for RSA1_5", rsaKey, encrypt, RSA15, n(246), "Invalid length of 'value': 246 bytes. RSA1_5 with this key takes at most 245 bytes, encoded with base64url."},
		{"too long for OAEP", rsaKey, wrapKey, RSAOAEP, n(215), "Invalid length of 'value': 215 bytes. RSA-OAEP with this key takes at most 214 bytes, encoded with base64url."},
		{"too long for OAEP-256", rsaKey, wrapKey, RSAOAEP256, n(191), "Invalid length of 'value': 191 bytes. RSA-OAEP-256 with this key takes at most 190 bytes, encoded with base64url."},
		{"no iv", oct, encrypt, A128CBC, n(16), "Invalid length of 'iv': 0 bytes. A128CBC requires 16 bytes, encoded with base64url."},
		{"no iv to decrypt", oct, decrypt, A128GCM, n(16), "Invalid length of 'iv': 0 bytes. A128GCM requires 12 bytes, encoded with base64url."},
		{"a short tag", oct, decrypt, A128GCM, Input{make([]byte, 16), make([]byte, 12), nil, make([]byte, 12)}, "Invalid length of 'tag': 12 bytes. A128GCM requires 16 bytes, encoded with base64url."},
		{"an iv for GCM", oct, encrypt, A128GCM, Input{IV: make([]byte, 12)}, "The parameter iv is not for encrypt with A128GCM."},
		{"aad for CBC", oct, encrypt, A128CBC, Input{make([]byte, 16), make([]byte, 16), []byte{1}, nil}, "The parameter aad is not for encrypt with A128CBC."},
		{"an iv for RSA", rsaKey, encrypt, RSAOAEP, Input{IV: []byte{1}}, "The parameter iv is not for encrypt with RSA-OAEP."},
		{"half a block", oct, encrypt, A128CBC, Input{Value: make([]byte, 8), IV: make([]byte, 16)}, "Invalid length of 'value': 8 bytes. A128CBC requires a multiple of 16 bytes."},
		{"one semiblock", oct, wrapKey, A128KW, n(8), "Invalid length of 'value': 8 bytes. A128KW requires a multiple of 8 bytes, at least 16."},
		{"no multiple", oct, wrapKey, AESKeyWrap, n(17), "Invalid length of 'value': 17 bytes. CKM_AES_KEY_WRAP requires a multiple of 8 bytes, at least 16."},
		{"nothing to wrap", oct, wrapKey, AESKeyWrapPad, n(0), "Invalid length of 'value': 0 bytes. CKM_AES_KEY_WRAP_PAD requires at least 1."},
		{"a huge value", oct, encrypt, A128CBCPAD, n(maxInput + 1), "Invalid length of 'value': 65537 bytes. At most 65536 bytes are supported."},
		{"a huge aad", oct, encrypt, A128GCM, Input{AAD: make([]byte, maxInput+1)}, "Invalid length of 'aad': 65537 bytes. At most 65536 bytes are supported."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := tt.key.do(tt.op, tt.alg, tt.in)
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.Invalid || f.Code != "BadParameter" || f.Message != tt.want || out.Value != nil {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestCurveMismatch is completed by who knows the key's id, and is a refusal
// even without one.
func TestCurveMismatch(t *testing.T) {
	for _, op := range []operation{sign, verify} {
		_, err := userKeys()["P-256K"].do(op, ES256, Input{Value: make([]byte, 32)})
		var mismatch *CurveMismatchError
		if !errors.As(err, &mismatch) || fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%s: %v", op, err)
		}
		const want = "Key and signing algorithm are incompatible. Key https://v/keys/k/1 uses curve 'P-256K', and algorithm 'ES256' can only be used with curve 'P-256'."
		if f := mismatch.Fault("https://v/keys/k/1"); f.Message != want || f.Code != "BadParameter" {
			t.Errorf("%s: %v, want %s", op, f, want)
		}
	}
}

// TestPaddingOfCBC pads by hand, so that every wrong padding is decided.
func TestPaddingOfCBC(t *testing.T) {
	key, iv := userKeys()["128"], make([]byte, 16)
	block := func(tail ...byte) []byte { return append(bytes.Repeat([]byte{0xaa}, 16-len(tail)), tail...) }
	for _, tt := range []struct {
		name  string
		plain []byte
		want  int // length of the value, or -1
	}{
		{"one", block(1), 15}, {"two", block(2, 2), 14}, {"a whole block", bytes.Repeat([]byte{16}, 16), 0},
		{"behind a block", append(block(), bytes.Repeat([]byte{16}, 16)...), 16},
		{"zero", block(0), -1}, {"seventeen", bytes.Repeat([]byte{17}, 16), -1}, {"too many", bytes.Repeat([]byte{17}, 32), -1},
		{"an odd one", block(3, 2, 3), -1}, {"the first differs", block(2, 3, 3), -1}, {"255", block(255), -1},
		{"all but one", append([]byte{1}, bytes.Repeat([]byte{16}, 15)...), -1},
	} {
		closed, err := key.Encrypt(A128CBC, Input{Value: tt.plain, IV: iv})
		if err != nil {
			t.Fatal(err)
		}
		got, err := key.Decrypt(A128CBCPAD, Input{Value: closed.Value, IV: iv})
		switch f, ok := fault.As(err); {
		case tt.want >= 0 && (err != nil || !bytes.Equal(got.Value, tt.plain[:tt.want])):
			t.Errorf("%s: %x, %v", tt.name, got.Value, err)
		case tt.want < 0 && (!ok || f.Message != "The parameter is incorrect.\r\n"):
			t.Errorf("%s: %x, %v", tt.name, got.Value, err)
		}
	}
}

// TestPaddingOfKeyWrap makes check values of RFC 5649 that no wrapping makes.
func TestPaddingOfKeyWrap(t *testing.T) {
	key := userKeys()["256"]
	block := key.private().(*symmetricKey).block
	iv := func(length ...byte) [8]byte { return [8]byte(append(bytes.Clone(padIV[:]), length...)) }
	full := bytes.Repeat([]byte{7}, 16)
	for _, tt := range []struct {
		name  string
		iv    [8]byte
		value []byte
		want  int
	}{
		{"all of it", iv(0, 0, 0, 16), full, 16},
		{"nine", iv(0, 0, 0, 9), append(bytes.Repeat([]byte{7}, 9), make([]byte, 7)...), 9},
		{"a whole semiblock of padding", iv(0, 0, 0, 8), append(bytes.Repeat([]byte{7}, 8), make([]byte, 8)...), -1},
		{"longer than there is", iv(0, 0, 0, 17), full, -1},
		{"none", iv(0, 0, 0, 0), make([]byte, 16), -1},
		{"negative", iv(0x80, 0, 0, 16), full, -1},
		{"huge", iv(0x7f, 0xff, 0xff, 0xff), full, -1},
		{"padding that is not zero", iv(0, 0, 0, 15), full, -1},
		{"the check value of RFC 3394", wrapIV, full, -1},
		{"another check value", [8]byte{0xa6, 0x59, 0x59, 0xa7, 0, 0, 0, 16}, full, -1},
	} {
		got, err := key.Unwrap(AESKeyWrapPad, Input{Value: wrapBlocks(block, tt.iv, tt.value)})
		if ok := err == nil; ok != (tt.want >= 0) || ok && !bytes.Equal(got.Value, tt.value[:tt.want]) {
			t.Errorf("%s: %x, %v", tt.name, got.Value, err)
		}
	}
}
