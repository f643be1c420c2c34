package seal

import (
	"bytes"
	"crypto/aes"
	gocipher "crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSealAndOpen(t *testing.T) {
	k := openKeyring(t, newStore(t), newRoot(t))
	vault, _ := newVault(t, k, "v1")
	for name, s := range map[string]*Sealer{"system": k.System(), "vault": vault} {
		for _, plaintext := range []string{"", "x", "hunter2", strings.Repeat("long", 64<<10)} {
			t.Run(fmt.Sprintf("%s/%d bytes", name, len(plaintext)), func(t *testing.T) {
				sealed := mustSeal(t, s, "record", plaintext)
				if len(sealed) != len(plaintext)+Overhead {
					t.Errorf("%d bytes for %d, want %d more", len(sealed), len(plaintext), Overhead)
				}
				if len(plaintext) > 1 && bytes.Contains(sealed, []byte(plaintext)) {
					t.Error("the plaintext is in the sealed message")
				}
				checkOpens(t, s, "record", sealed, plaintext)
				if bytes.Equal(sealed, mustSeal(t, s, "record", plaintext)) {
					t.Error("the same message twice: the nonce is not random")
				}
			})
		}
	}
}

func TestSealLeavesItsArguments(t *testing.T) {
	s := openKeyring(t, newStore(t), newRoot(t)).System()
	plaintext := append(make([]byte, 0, 512), "value"...) // room to append in place
	sealed, err := s.Seal([]byte("record"), plaintext)
	if err != nil {
		t.Fatal(err)
	}
	if string(plaintext) != "value" || !bytes.Equal(plaintext[:cap(plaintext)][5:], make([]byte, 512-5)) {
		t.Error("Seal wrote to its argument")
	}
	clear(plaintext)
	before := bytes.Clone(sealed)
	opened, err := s.Open([]byte("record"), sealed)
	if err != nil || string(opened) != "value" {
		t.Fatalf("Open = %q, %v", opened, err)
	}
	clear(opened)
	if !bytes.Equal(sealed, before) {
		t.Error("Open wrote to its argument, or returned part of it")
	}
}

func TestARecordNeedsAKey(t *testing.T) {
	s := openKeyring(t, newStore(t), newRoot(t)).System()
	for _, key := range [][]byte{nil, {}} {
		if sealed, err := s.Seal(key, []byte("value")); err == nil || sealed != nil {
			t.Errorf("Seal without a record key = %x, %v", sealed, err)
		}
	}
	sealed, err := s.ring().seal(forRecord, nil, []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	checkErrOpen(t, s, "", sealed)
}

// TestChangedMessages flips every bit, cuts at every length and appends.
func TestChangedMessages(t *testing.T) {
	k := openKeyring(t, newStore(t), newRoot(t))
	s, _ := newVault(t, k, "v1")
	sealed := mustSeal(t, s, "record", "the value")
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			checkErrOpen(t, s, "record", changed)
		}
		checkErrOpen(t, s, "record", sealed[:i])
	}
	checkErrOpen(t, s, "record", append(bytes.Clone(sealed), 0))
	checkErrOpen(t, s, "record", append([]byte{1}, sealed...))
	checkOpens(t, s, "record", sealed, "the value")
}

func TestMovedMessages(t *testing.T) {
	store1, root := newStore(t), newRoot(t)
	k := openKeyring(t, store1, root)
	s, wrapped := newVault(t, k, "v1")
	other, otherWrapped := newVault(t, k, "v2")
	elsewhere := openKeyring(t, newStore(t), root)
	sealed := mustSeal(t, s, "record", "value")

	for _, key := range []string{"recorc", "record ", "recor", "Record", "v1", "okv-seal"} {
		checkErrOpen(t, s, key, sealed)
	}
	checkErrOpen(t, other, "record", sealed)
	checkErrOpen(t, k.System(), "record", sealed)
	checkErrOpen(t, elsewhere.System(), "record", mustSeal(t, k.System(), "record", "value"))

	for name, open := range map[string]func() (*Sealer, error){
		"another vault's key":         func() (*Sealer, error) { return k.Vault("v1", otherWrapped) },
		"another vault's id":          func() (*Sealer, error) { return k.Vault("v2", wrapped) },
		"no id":                       func() (*Sealer, error) { return k.Vault("", wrapped) },
		"another installation":        func() (*Sealer, error) { return elsewhere.Vault("v1", wrapped) },
		"no key":                      func() (*Sealer, error) { return k.Vault("v1", nil) },
		"a record in the key's place": func() (*Sealer, error) { return k.Vault("record", mustSeal(t, k.System(), "record", "value")) },
		"the keyring in its place":    func() (*Sealer, error) { return k.Vault("v1", keyringRecord(t, store1)) },
	} {
		if s, err := open(); err != ErrOpen || s != nil {
			t.Errorf("%s: error %v, want ErrOpen itself", name, err)
		}
	}
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 0x10
		if _, err := k.Vault("v1", changed); err != ErrOpen {
			t.Errorf("a wrapped key with byte %d changed: %v, want ErrOpen", i, err)
		}
	}
}

// TestTheHeaderIsBound gives one key two generations: if only the key decided,
// a message would open under either.
func TestTheHeaderIsBound(t *testing.T) {
	key := newKey()
	g1, err1 := newGeneration(1, slices.Clone(key))
	g2, err2 := newGeneration(2, slices.Clone(key))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	r := &ring{[]generation{g1, g2}}
	sealed, err := r.seal(forRecord, []byte("name"), []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.open(forRecord, []byte("name"), sealed); err != nil {
		t.Fatal(err)
	}
	for _, p := range []purpose{0, forVaultKey, forKeyring, 4} {
		if _, err := r.open(p, []byte("name"), sealed); err != ErrOpen {
			t.Errorf("opened for purpose %d: %v", p, err)
		}
	}
	for _, id := range []uint32{0, 1, 3, 1 << 31} {
		binary.BigEndian.PutUint32(sealed[1:], id)
		if _, err := r.open(forRecord, []byte("name"), sealed); err != ErrOpen {
			t.Errorf("opened as generation %d: %v", id, err)
		}
	}
	binary.BigEndian.PutUint32(sealed[1:], 2)
	for format := range 256 {
		sealed[0] = byte(format)
		if _, err := r.open(forRecord, []byte("name"), sealed); (err == nil) != (format == format1) {
			t.Errorf("opened as format %d: %v", format, err)
		}
	}
}

// TestXAES has the vectors of https://c2sp.org/XAES-256-GCM.
func TestXAES(t *testing.T) {
	const nonce = "ABCDEFGHIJKLMNOPQRSTUVWX"
	for _, tt := range []struct {
		name, associated, ciphertext string
		key                          byte
	}{
		{"most significant bit of L is 0", "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271", 0x01},
		{"most significant bit of L is 1", "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d", 0x03},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ciphertext, err := hex.DecodeString(tt.ciphertext)
			if err != nil {
				t.Fatal(err)
			}
			key := bytes.Repeat([]byte{tt.key}, 32)
			c, err := newCipher(key)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.open(append([]byte(nonce), ciphertext...), []byte(tt.associated))
			if err != nil || string(got) != "XAES-256-GCM" {
				t.Errorf("the cipher opens %q, %v", got, err)
			}
			reference, err := openXAES(key, append([]byte(nonce), ciphertext...), []byte(tt.associated))
			if err != nil || string(reference) != "XAES-256-GCM" {
				t.Errorf("the reference of these tests opens %q, %v", reference, err)
			}
		})
	}
}

// openXAES is the specification in terms of the standard library. message
// begins with the nonce.
func openXAES(key, message, associated []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	var l, k1 [16]byte
	block.Encrypt(l[:], l[:])
	carry := byte(0)
	for i := 15; i >= 0; i-- {
		k1[i] = l[i]<<1 | carry
		carry = l[i] >> 7
	}
	k1[15] ^= carry * 0x87
	derived := make([]byte, 32)
	for i := range 2 {
		m := slices.Concat([]byte{0, byte(i + 1), 'X', 0}, message[:12])
		subtle.XORBytes(m, m, k1[:])
		block.Encrypt(derived[16*i:], m)
	}
	if block, err = aes.NewCipher(derived); err != nil {
		return nil, err
	}
	gcm, err := gocipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, message[12:24], message[24:], associated)
}

// TestDocumentedFormat opens by hand what the package seals, from the package
// comment alone.
func TestDocumentedFormat(t *testing.T) {
	k := openKeyring(t, newStore(t), newRoot(t))
	if err := k.Rotate(t.Context(), newStoreOf(t, k)); err != nil {
		t.Fatal(err)
	}
	sealer, wrapped := newVault(t, k, "0123")
	newest := k.ring().generations[1].key.Reveal()
	ring := openByHand(t, newest, 2, "okv-seal\x02\x01\x00\x00\x00\x020123", wrapped)
	if len(ring) != 1+2+4+32 || !bytes.HasPrefix(ring, []byte{1, 0, 1, 0, 0, 0, 1}) {
		t.Fatalf("the vault's ring is %x", ring)
	}
	value := openByHand(t, ring[7:], 1, "okv-seal\x01\x01\x00\x00\x00\x01record", mustSeal(t, sealer, "record", "value"))
	if string(value) != "value" {
		t.Errorf("opened by hand: %q", value)
	}
}

func openByHand(t *testing.T, key []byte, generation byte, associated string, sealed []byte) []byte {
	t.Helper()
	if !bytes.HasPrefix(sealed, []byte{1, 0, 0, 0, generation}) {
		t.Fatalf("the message begins %x", sealed[:5])
	}
	plaintext, err := openXAES(key, sealed[5:], []byte(associated))
	if err != nil {
		t.Fatal(err)
	}
	return plaintext
}

// TestNothingPrints formats everything that holds keys, in every way.
func TestNothingPrints(t *testing.T) {
	root := newRoot(t)
	k := openKeyring(t, newStore(t), root)
	sealer, _ := newVault(t, k, "v1")
	now := k.state.Load()
	var secrets []string
	for _, r := range []*ring{now.ring, now.outer, sealer.ring()} {
		key := r.generations[0].key.Reveal()
		decimal := strings.Trim(fmt.Sprint(key), "[]")
		goSyntax := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", key), "[]byte{"), "}")
		secrets = append(secrets, decimal, goSyntax, string(key), hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		for _, holder := range []any{k, now, *now, now.ring, now.ring.generations, now.ring.generations[0], sealer, *sealer, root, struct{ k, r, s any }{k, now.ring, sealer}} {
			shown := fmt.Sprintf(verb, holder)
			for _, secret := range secrets {
				if strings.Contains(shown, secret) {
					t.Errorf("%s of a %T shows a key", verb, holder)
				}
			}
		}
	}
}
