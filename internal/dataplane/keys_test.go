package dataplane

import (
	"crypto/ecdh"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/openkeyvault/openkeyvault/api"
)

// TestKeys takes a key through its life at every api-version, and checks each
// answer to the letter.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, s := range shapes {
		t.Run(s.version, func(t *testing.T) {
			name := fmt.Sprintf("at-%d", i)
			w.vault(name)
			keyLife(t, w, name+".vault.azure.net", s)
		})
	}
}

// publicKey returns the members of a key's public part as the answer has them.
func (a answer) publicKey() (members string, key api.JSONWebKey) {
	a.t.Helper()
	var bundle struct {
		Key map[string]json.RawMessage
	}
	a.decode(&bundle)
	for _, name := range []string{"n", "e", "crv", "x", "y"} {
		if raw, ok := bundle.Key[name]; ok {
			members += fmt.Sprintf(`,"%s":%s`, name, raw)
		}
	}
	var typed api.KeyBundle
	a.decode(&typed)
	return members, *typed.Key
}

func keyLife(t *testing.T, w *world, host string, s shape) {
	do := func(method, path, body string) answer {
		t.Helper()
		a := w.do(request{method: method, path: path, body: body, version: s.version, host: host})
		a.t = t
		return a
	}
	attributes := func(start string) string {
		return `"attributes":{` + start + `,"recoveryLevel":"Recoverable+Purgeable"` + s.object + s.key + `}`
	}
	jwk := func(version, ops, public string) string {
		return `"key":{"kid":"https://` + host + `/keys/My-Key/` + version + `","kty":"EC","key_ops":[` + ops + `]` + public + `},`
	}
	w.now.Store(testStart)

	// Create with everything, under the name that the curve has at this version.
	created := do("POST", "/keys/My-Key/create", `{"kty":"EC","crv":"`+s.curve+`","key_ops":["verify"],"attributes":{"enabled":true,"nbf":1,"exp":4102444800,"exportable":false},"tags":{"a":"b"}}`).is(200)
	v1 := created.version()
	public1, key1 := created.publicKey()
	if _, err := secp256k1.ParsePubKey(append(append([]byte{4}, key1.X...), key1.Y...)); err != nil || string(key1.Crv) != s.curve || len(key1.X) != 32 || len(key1.Y) != 32 {
		t.Errorf("public key %s: %v", key1, err)
	}
	bundle := `{` + jwk(v1, `"verify"`, public1) + attributes(`"enabled":true,"nbf":1,"exp":4102444800,"created":1800000000,"updated":1800000000`) + `,"tags":{"a":"b"}}`
	created.text(bundle)
	for _, path := range []string{"/keys/My-Key", "/keys/my-key/", "/keys/MY-KEY/" + v1, "/keys/my-key/" + strings.ToUpper(v1)} {
		do("GET", path, "").text(bundle)
	}

	// Update: disabled, with other operations and tags. A disabled key is shown.
	w.now.Store(testStart + 10)
	disabled := attributes(`"enabled":false,"nbf":2,"exp":3,"created":1800000000,"updated":1800000010`) + `,"tags":{"c":"d"}`
	bundle = `{` + jwk(v1, `"sign","verify"`, public1) + disabled + `}`
	do("PATCH", "/keys/my-key/"+v1, `{"key_ops":["sign","verify"],"attributes":{"enabled":false,"nbf":2,"exp":3},"tags":{"c":"d"}}`).text(bundle)
	do("PATCH", "/keys/my-key/", `{}`).text(bundle)
	do("GET", "/keys/my-key", "").text(bundle)

	// A second version with what a type has by default.
	w.now.Store(testStart + 20)
	created = do("POST", "/keys/my-key/create", `{"kty":"EC"}`).is(200)
	v2 := created.version()
	public2, key2 := created.publicKey()
	if _, err := ecdh.P256().NewPublicKey(append(append([]byte{4}, key2.X...), key2.Y...)); err != nil || key2.Crv != "P-256" {
		t.Errorf("public key %s: %v", key2, err)
	}
	enabled := attributes(`"enabled":true,"created":1800000020,"updated":1800000020`)
	bundle = jwk(v2, `"sign","verify"`, public2) + enabled
	created.text(`{` + bundle + `}`)

	// Lists have the kid at the top and no key.
	base := `{"kid":"https://` + host + `/keys/My-Key`
	do("GET", "/keys", "").text(`{"value":[` + base + `",` + enabled + `}],"nextLink":null}`)
	do("GET", "/keys/my-key/versions", "").text(`{"value":[` + inOrder(map[string]string{
		v1: base + `/` + v1 + `",` + disabled + `}`, v2: base + `/` + v2 + `",` + enabled + `}`,
	}) + `],"nextLink":null}`)
	do("GET", "/deletedkeys", "").text(`{"value":[],"nextLink":null}`)

	// Delete, look at what is deleted, recover.
	w.now.Store(testStart + 30)
	deletion := `{"recoveryId":"https://` + host + `/deletedkeys/My-Key","deletedDate":1800000030,"scheduledPurgeDate":1807776030,`
	do("DELETE", "/keys/my-key", "").text(deletion + bundle + `}`)
	do("GET", "/deletedkeys/my-key", "").text(deletion + bundle + `}`)
	do("GET", "/deletedkeys", "").text(`{"value":[` + deletion + strings.TrimPrefix(base, "{") + `",` + enabled + `}],"nextLink":null}`)
	do("GET", "/keys", "").text(`{"value":[],"nextLink":null}`)
	do("GET", "/keys/my-key/versions", "").text(`{"value":[],"nextLink":null}`)
	do("POST", "/deletedkeys/my-key/recover", "").text(`{` + bundle + `}`)
	do("GET", "/keys/my-key/", "").text(`{` + bundle + `}`)

	// Purge.
	do("DELETE", "/keys/my-key", "").is(200)
	if a := do("DELETE", "/deletedkeys/my-key", "").is(204); a.body != "" {
		t.Errorf("a purge answers with %q", a.body)
	}
	do("GET", "/deletedkeys", "").text(`{"value":[],"nextLink":null}`)
	do("GET", "/deletedkeys/my-key", "").refused(refused{404, "KeyNotFound", "", "Deleted Key not found: my-key"})
}

// TestRSAKey covers the type that takes long to make.
func TestRSAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	created := w.call("POST", "/keys/rsa/create", `{"kty":"RSA"}`)
	public, key := created.publicKey()
	if n := new(big.Int).SetBytes(key.N); n.BitLen() != 2048 || len(key.N) != 256 {
		t.Errorf("a modulus of %d bits in %d bytes", n.BitLen(), len(key.N))
	}
	created.text(`{"key":{"kid":"https://unit.vault.azure.net/keys/rsa/` + created.version() +
		`","kty":"RSA","key_ops":["encrypt","decrypt","sign","verify","wrapKey","unwrapKey"]` + public +
		`},"attributes":{"enabled":true,"created":1800000000,"updated":1800000000,"recoveryLevel":"Recoverable+Purgeable"` + days + software + `}}`)
	if !strings.HasSuffix(public, `,"e":"AQAB"`) {
		t.Errorf("public part %s", public)
	}
	w.call("GET", "/keys/rsa/", "").text(created.body)
}

// TestKeyTypes makes a key of every type that is quick to make. The HSM types
// are shown as they were asked for, and nobody is told of hardware.
func TestKeyTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, tt := range []struct{ body, kty, curve string }{
		{`{"kty":"EC","crv":"P-256","key_size":256}`, "EC", "P-256"},
		{`{"kty":"EC","crv":"P-384"}`, "EC", "P-384"},
		{`{"kty":"EC","crv":"P-521","key_size":521}`, "EC", "P-521"},
		{`{"kty":"EC","crv":"P-256K"}`, "EC", "P-256K"},
		{`{"kty":"EC-HSM","crv":"P-384"}`, "EC-HSM", "P-384"},
		{`{"kty":"EC-HSM"}`, "EC-HSM", "P-256"},
	} {
		path := fmt.Sprintf("/keys/k%d", i)
		a := w.call("POST", path+"/create", tt.body).is(200)
		_, key := a.publicKey()
		size := map[string]int{"P-256": 32, "P-384": 48, "P-521": 66, "P-256K": 32}[tt.curve]
		if string(key.Kty) != tt.kty || string(key.Crv) != tt.curve || len(key.X) != size || len(key.Y) != size {
			t.Errorf("%s: %s", tt.body, a.body)
		}
		if !strings.HasSuffix(a.body, software+`}}`) {
			t.Errorf("%s: attributes of %s", tt.body, a.body)
		}
		w.call("GET", path, "").text(a.body)
	}
	// At the oldest version the curve may have either name; later only its own.
	for _, curve := range []string{"P-256K", "SECP256K1"} {
		a := w.do(request{method: "POST", path: "/keys/old/create", body: `{"kty":"EC","crv":"` + curve + `"}`, version: "2016-10-01"}).is(200)
		if _, key := a.publicKey(); key.Crv != "SECP256K1" {
			t.Errorf("%s: %s", curve, a.body)
		}
	}
	if _, key := w.call("GET", "/keys/old", "").publicKey(); key.Crv != "P-256K" {
		t.Errorf("the newest version shows %s", key)
	}
	w.do(request{method: "POST", path: "/keys/old/create", body: `{"kty":"EC","crv":"SECP256K1"}`, version: "7.0"}).
		refused(bad("The curve is not supported. Supported curves are P-256, P-384, P-521 and P-256K."))
}

func TestKeyRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("std", standard)
	w.create("k")
	const noKty = "Property 'kty' is required.\r\n"
	const ops = "The key_ops member has an invalid value. Valid values are encrypt, decrypt, sign, verify, wrapKey, unwrapKey, import and export."
	for _, tt := range []struct {
		body string
		want refused
	}{
		{`{}`, bad(noKty)},
		{`{"kty":""}`, bad(noKty)},
		{`{"kty":"ec"}`, badType("ec")},
		{`{"kty":"oct"}`, badType("oct")},
		{`{"kty":"oct-HSM","key_size":128}`, badType("oct-HSM")},
		{`{"kty":"AKP","alg":"ML-DSA-44"}`, bad("The key type AKP is not known in the version 2026-04-01. It is from the version 2026-05-01-preview on.")},
		{`{"kty":"-HSM"}`, bad(noKty)},
		{`{"kty":"EC-HSM-HSM"}`, badType("EC-HSM")},
		{`{"kty":"RSA","key_size":1024}`, badSize("Unsupported key size (1024). Supported sizes are [2048, 3072, 4096]")},
		{`{"kty":"RSA","public_exponent":3}`, bad("The public exponent 3 is not supported. Leave it out, or use 65537.")},
		{`{"kty":"RSA","crv":"P-256"}`, bad("The parameter crv is only for keys of type EC.")},
		{`{"kty":"EC","crv":"P-255"}`, bad("The curve is not supported. Supported curves are P-256, P-384, P-521 and P-256K.")},
		{`{"kty":"EC","key_size":2048}`, badSize("Unsupported key size (2048). Supported sizes are [256, 384, 521]")},
		{`{"kty":"EC","public_exponent":3}`, bad("The parameter public_exponent is only for keys of type RSA.")},
		{`{"kty":"EC","key_ops":["Sign"]}`, bad(ops)},
		{`{"kty":"EC","key_ops":["sign","sign"]}`, bad("The key_ops member has the value sign twice.")},
		{`{"kty":"EC","attributes":{"exp":-1}}`, invalidProperty},
		{`{"kty":"EC","tags":{"` + strings.Repeat("x", 513) + `":""}}`, invalidProperty},
	} {
		w.call("POST", "/keys/k/create", tt.body).refused(tt.want)
	}
	w.call("PATCH", "/keys/k", `{"key_ops":["import","x"]}`).refused(bad(ops))
	w.call("PATCH", "/keys/k", `{"attributes":{"nbf":253402300800}}`).refused(invalidProperty)
	w.call("PATCH", "/keys/none", `{}`).refused(notFound("key", "Key", "none"))
	w.do(request{method: "POST", path: "/keys/k/create", body: `{"kty":"EC-HSM"}`, host: "std.vault.azure.net"}).
		refused(refused{403, "Forbidden", "", "Hardware key operation not allowed on standard vault"})
	var page struct{ Value []any }
	w.call("GET", "/keys/k/versions", "").is(200).decode(&page)
	if len(page.Value) != 1 {
		t.Errorf("the refused requests have left %d versions", len(page.Value))
	}
}

// TestKeyParametersByVersion sends members to versions that do not know them yet,
// which is as if they were not there.
func TestKeyParametersByVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("std", standard)
	w.create("k")
	const (
		exportable = `"attributes":{"exportable":true}`
		policy     = `"release_policy":{"data":"e30"}`
	)
	tooEarly := bad("AKV.SKR.1001: The exportable attribute is only supported with premium vaults and API version >= '7.3-preview'.")
	notExportable := bad("AKV.SKR.1005: Non-exportable keys must not have release policy.")
	fixed := bad("AKV.SKR.1014: Cannot modify the exportable state of a key.")
	made := refused{status: 200}
	for _, tt := range []struct {
		members  string
		versions string
		host     string
		create   refused
		update   refused
	}{
		{exportable, "2016-10-01 7.0 7.1 7.2", host, tooEarly, tooEarly},
		{exportable, "7.3-preview 7.3 7.6 " + latest, host, bad("AKV.SKR.1004: Exportable keys must have release policy."),
			fixed},
		{exportable, "7.3 " + latest, "std.vault.azure.net", tooEarly, notFound("key", "Key", "k")},
		{`"attributes":{"exportable":false}`, "2016-10-01 7.2 7.3 " + latest, host, made, made},
		{policy, "2016-10-01 7.2", host, made, made},
		{policy, "7.3-preview 7.3 " + latest, host, notExportable, notExportable},
		{policy + `,"attributes":{"exportable":false}`, latest, host, notExportable, notExportable},
		{policy + "," + exportable, "7.3 " + latest, host, bad("AKV.SKR.1003: The exportable attribute of an existing key cannot be changed."), fixed},
		{policy + "," + exportable, "7.2", host, tooEarly, tooEarly},
		{`"public_exponent":3`, "2016-10-01 7.0 7.1", host, made, made},
		{`"public_exponent":3`, "7.2-preview 7.2 " + latest, host, bad("The parameter public_exponent is only for keys of type RSA."), made},
		{`"release_policy":{"data":"planted*"}`, latest, host,
			bad("Content of 'release_policy.data' is not base64url.\r\n"),
			bad("Content of 'release_policy.data' is not base64url.\r\n")},
	} {
		for version := range strings.FieldsSeq(tt.versions) {
			check := func(a answer, want refused) {
				t.Helper()
				a.about += " with " + tt.members
				if want == made {
					a.is(200)
				} else {
					a.refused(want)
				}
			}
			check(w.do(request{method: "POST", path: "/keys/k/create", body: `{"kty":"EC",` + tt.members + `}`, version: version, host: tt.host}), tt.create)
			check(w.do(request{method: "PATCH", path: "/keys/k", body: `{` + tt.members + `}`, version: version, host: tt.host}), tt.update)
		}
	}
}
