package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

// documents are the types that are decoded from what the other side sent.
var documents = []reflect.Type{
	reflect.TypeFor[SecretBundle](), reflect.TypeFor[DeletedSecretBundle](), reflect.TypeFor[SecretListResult](),
	reflect.TypeFor[DeletedSecretListResult](), reflect.TypeFor[SecretSetParameters](), reflect.TypeFor[SecretUpdateParameters](),
	reflect.TypeFor[KeyBundle](), reflect.TypeFor[DeletedKeyBundle](), reflect.TypeFor[KeyListResult](),
	reflect.TypeFor[DeletedKeyListResult](), reflect.TypeFor[KeyCreateParameters](), reflect.TypeFor[KeyUpdateParameters](),
	reflect.TypeFor[KeyOperationParameters](), reflect.TypeFor[KeySignParameters](), reflect.TypeFor[KeyVerifyParameters](),
	reflect.TypeFor[KeyOperationResult](), reflect.TypeFor[KeyRotationPolicy](), reflect.TypeFor[KeyReleaseParameters](),
	reflect.TypeFor[JSONWebKey](), reflect.TypeFor[BackupBlob](), reflect.TypeFor[ErrorResponse](),
}

// FuzzDecode decodes the input as every document. Whatever is accepted can be
// shown, and is the same after it was encoded and decoded again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"value":null,"nextLink":null}`, `{"value":[{"id":"i","attributes":{"exp":1}}],"nextLink":"l"}`,
		`{"value":"v","contentType":"c","attributes":{"enabled":true,"nbf":-1,"recoverableDays":90},"tags":{"a":"b"}}`,
		`{"key":{"kid":"k","kty":"RSA","key_ops":[],"n":"AQAB","e":"AQAB","d":"AA"},"release_policy":{"data":"e30","immutable":true}}`,
		`{"kty":"EC","crv":"P-256","x":"-_8","y":"AA==","key_size":2048,"key_hsm":"AA"}`,
		`{"recoveryId":"r","deletedDate":1,"scheduledPurgeDate":2,"kid":"k","managed":true}`,
		`{"error":{"code":"c","message":"m\r\n","innererror":{"code":"i","innererror":{"code":"j"}}}}`,
		`{"alg":"A256GCM","value":"AA","iv":"AA","aad":"AA","tag":"AA","digest":"AA","external_mu":"AA","context":"AA"}`,
		`{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D"},"action":{"type":"rotate"}}],"attributes":{"expiryTime":"P90D","created":1}}`,
		`{"target":"a.b.c","nonce":"n","enc":"RSA_AES_KEY_WRAP_256","kty":"AKP","pub":"AA","priv":"AA"}`,
		`{"exp":1e3}`, `{"tags":{"\ud800":"\u0000"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, document := range documents {
			first := reflect.New(document).Interface()
			if json.Unmarshal(text, first) != nil {
				continue
			}
			_ = fmt.Sprint(first)
			once, err := json.Marshal(first)
			if err != nil {
				t.Fatalf("%v was decoded and cannot be encoded: %v", document, err)
			}
			second := reflect.New(document).Interface()
			if err := json.Unmarshal(once, second); err != nil {
				t.Fatalf("%v: its own text is refused: %v\n%s", document, err, once)
			}
			if twice, err := json.Marshal(second); err != nil || !bytes.Equal(once, twice) {
				t.Fatalf("%v changes when it is read back: %v\n%s\n%s", document, err, once, twice)
			}
		}
	})
}

// FuzzBase64URL checks that a value has one spelling besides padding and the bits
// of the last character that are left over.
func FuzzBase64URL(f *testing.F) {
	for _, seed := range []string{"", "AA", "AA==", "-_8", "+/8", "AB", "A\nA", "====", "AAAA"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var b Base64URL
		if b.UnmarshalText(text) != nil {
			return
		}
		canonical, err := b.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		bare := bytes.TrimRight(text, "=")
		if last := len(canonical) - 1; len(bare) != len(canonical) || last >= 0 && !bytes.Equal(canonical[:last], bare[:last]) {
			t.Fatalf("%q and %q are the same value", text, canonical)
		}
		if len(bare)%4 == 0 && !bytes.Equal(canonical, bare) {
			t.Fatalf("%q and %q are the same value, and no bits are left over", text, canonical)
		}
	})
}
