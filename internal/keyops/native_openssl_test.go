//go:build openssl

package keyops

import "testing"

// The other tests would pass, too, if libcrypto were never asked.
func TestNativeIsUsed(t *testing.T) {
	t.Parallel()
	key := userKeys()["RSA"]
	digest := make([]byte, 32)
	for _, name := range []Algorithm{RS256, PS256} {
		signature, done, err := key.native.sign(byName[name], digest)
		if !done || err != nil {
			t.Fatalf("%s: done %v, %v", name, done, err)
		}
		if ok, err := key.Verify(name, digest, signature); !ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	wrapped := must(key.Wrap(RSAOAEP256, Input{Value: digest})).Value
	if value, done, err := key.native.decrypt(byName[RSAOAEP256], wrapped); !done || err != nil || string(value) != string(digest) {
		t.Errorf("unwrap: %x, %v, %v", value, done, err)
	}
	wrapped[0] ^= 1
	if _, done, err := key.native.decrypt(byName[RSAOAEP256], wrapped); !done || err == nil {
		t.Errorf("a changed value: done %v, %v", done, err)
	}
	if _, done, _ := key.native.decrypt(byName[RSA15], wrapped); done {
		t.Error("RSA1_5 is not left to the standard library")
	}
}
