package vault

import (
	"encoding/json"
	"os"
	"slices"
	"sync"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
)

// importedRSAKey returns the key of RFC 7515, appendix A.2.
var importedRSAKey = sync.OnceValue(func() ImportKey {
	text, err := os.ReadFile("../keyops/testdata/jwk/rfc7515-a2.json")
	if err != nil {
		panic(err)
	}
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		panic(err)
	}
	return ImportKey{Key: keyops.PrivateJWK{
		Type: keyops.TypeRSA, N: unpadded(m["n"]), E: unpadded(m["e"]), D: unpadded(m["d"]), P: unpadded(m["p"]), Q: unpadded(m["q"]),
		DP: unpadded(m["dp"]), DQ: unpadded(m["dq"]), QI: unpadded(m["qi"]),
	}}
})

// theRSAKey is the same key outside of any vault.
var theRSAKey = sync.OnceValue(func() *keyops.Key {
	key, err := keyops.Import(importedRSAKey().Key)
	if err != nil {
		panic(err)
	}
	return key
})

func oaep(value string) CipherRequest {
	return CipherRequest{Algorithm: keyops.RSAOAEP256, Input: keyops.Input{Value: []byte(value)}}
}

// closed returns a value that was encrypted for the key, to decrypt.
var closed = sync.OnceValue(func() CipherRequest {
	out, err := theRSAKey().Encrypt(keyops.RSAOAEP256, keyops.Input{Value: []byte("plain")})
	if err != nil {
		panic(err)
	}
	return CipherRequest{Algorithm: keyops.RSAOAEP256, Input: keyops.Input{Value: out.Value}}
})

// rs256 is a digest to sign.
var rs256 = SignRequest{Algorithm: keyops.RS256, Message: keyops.Message{Value: []byte("0123456789abcdef0123456789abcdef")}}

// signed returns the digest with its signature.
var signed = sync.OnceValue(func() VerifyRequest {
	signature, err := theRSAKey().SignMessage(rs256.Algorithm, rs256.Message)
	if err != nil {
		panic(err)
	}
	return VerifyRequest{rs256, signature}
})

// usesKey reports whether the operation is one with a key, not about one.
func (o testOperation) usesKey() bool {
	return slices.Contains([]string{"Encrypt", "Decrypt", "WrapKey", "UnwrapKey", "Sign", "Verify"}, o.method)
}

// refusedByReader is what whoever has read a request may find wrong with it.
var refusedByReader = fault.New(fault.Invalid, "BadParameter", "Not like this.")
