package dataplane

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"filippo.io/mldsa"

	"github.com/openkeyvault/openkeyvault/api"
)

const preview = api.Version20260501Preview

// akpBody returns an import of the ML-DSA-44 key of a seed, and the key.
func akpBody(t testing.TB, seed byte) (string, *mldsa.PrivateKey) {
	t.Helper()
	octets := bytes.Repeat([]byte{seed}, 32)
	key, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), octets)
	must(t, err)
	body, err := json.Marshal(map[string]any{"key": api.JSONWebKey{
		Kty: "AKP", Alg: "ML-DSA-44", Pub: key.PublicKey().Bytes(), Priv: octets,
	}})
	must(t, err)
	return string(body), key
}

// TestAKP imports a key of ML-DSA, which signs what the library verifies, and the
// other way round.
func TestAKP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body, key := akpBody(t, 7)
	put := func(version string) answer {
		return w.do(request{method: "PUT", path: "/keys/pq", body: body, version: version})
	}
	imported := put(preview).is(200)
	v := imported.version()
	pub, err := api.Base64URL(key.PublicKey().Bytes()).MarshalText()
	must(t, err)
	jwk := `"key":{"kid":"https://` + host + `/keys/pq/` + v + `","kty":"AKP","key_ops":["sign","verify"]`
	if want := jwk + `,"alg":"ML-DSA-44","pub":"` + string(pub) + `"}`; !strings.Contains(imported.body, want) || strings.Contains(imported.body, "priv") {
		t.Errorf("imported as %s, want %s", imported.body, want)
	}
	// A version that does not know the type shows no members of it, and makes none.
	if old := w.call("GET", "/keys/pq", "").is(200); !strings.Contains(old.body, jwk+`},`) {
		t.Errorf("at %s: %s", latest, old.body)
	}
	unknown := bad("The key type AKP is not known in the version 2026-04-01. It is from the version 2026-05-01-preview on.")
	put(latest).refused(unknown)
	w.call("POST", "/keys/pq/create", `{"kty":"AKP-HSM","alg":"ML-DSA-44"}`).refused(unknown)

	do := func(operation string, members map[string]any) answer {
		text, err := json.Marshal(members)
		must(t, err)
		return w.do(request{method: "POST", path: "/keys/pq//" + operation, body: string(text), version: preview})
	}
	message, context := api.Base64URL("a message of any length"), api.Base64URL("c")
	for _, alg := range []string{"", "ML-DSA-44"} { // the key knows its own
		var signed api.KeyOperationResult
		do("sign", map[string]any{"alg": alg, "value": message, "context": context}).is(200).decode(&signed)
		if err := mldsa.Verify(key.PublicKey(), message, signed.Value, &mldsa.Options{Context: "c"}); err != nil || !strings.HasSuffix(signed.KID, "/pq/"+v) {
			t.Errorf("by %s: %v", signed.KID, err)
		}
		theirs, err := key.Sign(nil, message, &mldsa.Options{Context: "c"})
		must(t, err)
		do("verify", map[string]any{"alg": alg, "digest": message, "context": context, "value": api.Base64URL(theirs)}).text(`{"value":true}`)
		do("verify", map[string]any{"alg": alg, "digest": message, "value": api.Base64URL(theirs)}).text(`{"value":false}`)
	}
	var signed api.KeyOperationResult
	mu := api.Base64URL(bytes.Repeat([]byte{1}, 64))
	do("sign", map[string]any{"external_mu": mu}).is(200).decode(&signed)
	do("verify", map[string]any{"external_mu": mu, "value": signed.Value}).text(`{"value":true}`)

	do("sign", map[string]any{}).refused(bad("Property 'value' is required.\r\n"))
	do("sign", map[string]any{"alg": "ML-DSA-65", "value": message}).refused(bad("Key and signing algorithm are incompatible. The key is for algorithm 'ML-DSA-44'."))
	w.call("POST", "/keys/pq//sign", `{"alg":"ML-DSA-44","value":"AA"}`).
		refused(bad("The algorithm ML-DSA-44 is not known in the version 2026-04-01. It is from the version 2026-05-01-preview on."))
	w.call("POST", "/keys/pq//sign", `{"value":"AA"}`).
		refused(bad("Property 'alg' is required.\r\nIt names an algorithm that the key's type has, such as RS256 or RSA-OAEP-256 for RSA and ES256 for EC."))
}

// TestCreateAKP makes keys of every set, with their algorithm given.
func TestCreateAKP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("std", standard)
	create := func(body string) answer {
		return w.do(request{method: "POST", path: "/keys/k/create", body: body, version: preview})
	}
	for alg, size := range map[api.Algorithm]int{"ML-DSA-44": 1312, "ML-DSA-65": 1952, "ML-DSA-87": 2592} {
		for _, kty := range []api.KeyType{"AKP", "AKP-HSM"} {
			var made api.KeyBundle
			create(`{"kty":"` + string(kty) + `","alg":"` + string(alg) + `"}`).is(200).decode(&made)
			if made.Key.Kty != kty || made.Key.Alg != alg || len(made.Key.Pub) != size {
				t.Errorf("made %s", made.Key)
			}
		}
	}
	const algorithms = "The algorithm of the AKP key is not supported. Supported algorithms are ML-DSA-44, ML-DSA-65 and ML-DSA-87."
	create(`{"kty":"AKP"}`).refused(bad(algorithms))
	create(`{"kty":"AKP","alg":"ES256"}`).refused(bad(algorithms))
	create(`{"kty":"EC","alg":"ES256"}`).refused(bad("The parameter alg is only for keys of type AKP."))
	create(`{"kty":"AKP","alg":"ML-DSA-44","key_size":44}`).refused(bad("The parameter key_size is not for keys of type AKP: their algorithm decides."))
	w.call("POST", "/keys/k/create", `{"kty":"EC","alg":"ES256"}`).is(200) // a member that the version does not know
	w.do(request{method: "POST", path: "/keys/k/create", body: `{"kty":"AKP-HSM","alg":"ML-DSA-44"}`, version: preview, host: "std.vault.azure.net"}).
		refused(refused{403, "Forbidden", "", "Hardware key operation not allowed on standard vault"})
	// Who may do nothing is not told what is wrong.
	if got := w.do(request{method: "POST", path: "/keys/k/create", body: `{"kty":"AKP"}`, as: "nobody"}).refusal(); got.status != 403 {
		t.Errorf("as nobody: %+v", got)
	}
}
