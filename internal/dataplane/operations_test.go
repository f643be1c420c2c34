package dataplane

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
)

// jwk returns a published or foreign key as the body of a request has it.
func jwk(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "keyops", "testdata", "jwk", name+".json"))
	must(t, err)
	return string(text)
}

// importJWK imports such a key and returns its version.
func (w *world) importJWK(name, file string) string {
	w.t.Helper()
	return w.call("PUT", "/keys/"+name, `{"key":`+jwk(w.t, file)+`}`).is(200).version()
}

const (
	// joe is the digest of RFC 7515, appendix A.2, and joesSignature what is there.
	joe           = "yIo0hHtP-xKpMm5UDxRLPcxNVRXxhwHn1uDueGbJxwU"
	joesSignature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	// cek and cekClosed are of RFC 7516, appendix A.1.
	cek       = "saH0gFSP4XM_tAP_a5rU9ooHbltwLiJpL4LLLnrqQPw"
	cekClosed = "OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHzg"
)

// TestKnownAnswers has the answers that the standards print, to the letter, at
// the oldest and the newest version.
func TestKnownAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signer, opener := w.importJWK("Signer", "rfc7515-a2"), w.importJWK("opener", "rfc7516-a1")
	w.create("signer") // the version that is used is the one that is asked for
	const id = "https://" + host + "/keys/"
	for _, version := range []string{"2016-10-01", "7.0", latest, "2026-05-01-preview"} {
		do := func(path, body string) answer {
			return w.do(request{method: "POST", path: path, body: body, version: version})
		}
		do("/keys/signer/"+signer+"/sign", `{"alg":"RS256","value":"`+joe+`"}`).
			text(`{"kid":"` + id + `Signer/` + signer + `","value":"` + joesSignature + `"}`)
		do("/keys/SIGNER/"+signer+"/verify", `{"alg":"RS256","digest":"`+joe+`","value":"`+joesSignature+`"}`).text(`{"value":true}`)
		do("/keys/signer/"+signer+"/verify", `{"alg":"RS256","digest":"`+cek+`","value":"`+joesSignature+`"}`).text(`{"value":false}`)
		do("/keys/signer/"+signer+"/verify", `{"alg":"RS256","digest":"`+joe+`","value":""}`).text(`{"value":false}`)
		for _, operation := range []string{"decrypt", "unwrapkey"} {
			// The empty version is the current one, and the answer says which that is.
			do("/keys/opener//"+operation, `{"alg":"RSA-OAEP","value":"`+cekClosed+`"}`).
				text(`{"kid":"` + id + `opener/` + opener + `","value":"` + cek + `"}`)
		}
		for operation, undo := range map[string]string{"encrypt": "decrypt", "wrapkey": "unwrapkey"} {
			for _, value := range []string{"", "AA", cek} {
				var closed api.KeyOperationResult
				do("/keys/opener/"+opener+"/"+operation, `{"alg":"RSA-OAEP-256","value":"`+value+`"}`).is(200).decode(&closed)
				if closed.KID != id+"opener/"+opener || len(closed.Value) != 256 {
					t.Errorf("%s answers with %s", operation, closed.KID)
				}
				body, err := json.Marshal(api.KeyOperationParameters{Algorithm: "RSA-OAEP-256", Value: closed.Value})
				must(t, err)
				do("/keys/opener//"+undo, string(body)).text(`{"kid":"` + id + `opener/` + opener + `","value":"` + value + `"}`)
			}
		}
	}
}

// TestCurveAlgorithms signs with a key of every curve and verifies, under the
// names of the versions.
func TestCurveAlgorithms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	digests := map[string]string{"ES256": joe, "ES384": strings.Repeat("A", 64), "ES512": strings.Repeat("A", 86), "ES256K": joe, "ECDSA256": joe}
	for _, tt := range []struct{ curve, alg, version string }{
		{"P-256", "ES256", "2016-10-01"}, {"P-384", "ES384", "7.0"}, {"P-521", "ES512", latest},
		{"P-256K", "ES256K", "7.0-preview"}, {"P-256K", "ES256K", latest}, {"SECP256K1", "ECDSA256", "2016-10-01"},
	} {
		do := func(path, body string) answer {
			return w.do(request{method: "POST", path: path, body: body, version: tt.version})
		}
		v := do("/keys/k/create", `{"kty":"EC","crv":"`+tt.curve+`"}`).is(200).version()
		var signed api.KeyOperationResult
		do("/keys/k//sign", `{"alg":"`+tt.alg+`","value":"`+digests[tt.alg]+`"}`).is(200).decode(&signed)
		if signed.KID != "https://"+host+"/keys/k/"+v {
			t.Errorf("%s: %s", tt.alg, signed.KID)
		}
		body, err := json.Marshal(map[string]any{"alg": tt.alg, "digest": digests[tt.alg], "value": signed.Value})
		must(t, err)
		do("/keys/k/"+v+"/verify", string(body)).text(`{"value":true}`)
	}
	// The name that a curve has at one version is unknown at the others.
	w.call("POST", "/keys/k//sign", `{"alg":"ECDSA256","value":"`+joe+`"}`).
		refused(bad("The algorithm ECDSA256 is only known in the version 2016-10-01. Since then its name is ES256K."))
	w.do(request{method: "POST", path: "/keys/k//verify", body: `{"alg":"ES256K","digest":"` + joe + `","value":"AA"}`, version: "2016-10-01"}).
		refused(bad("The algorithm ES256K is not known in the version 2016-10-01. It is from the version 7.0-preview on."))
	v := w.call("POST", "/keys/Mine/create", `{"kty":"EC","crv":"P-256K"}`).is(200).version()
	for _, operation := range []string{`sign`, `verify`} {
		w.call("POST", "/keys/mine//"+operation, `{"alg":"ES256","value":"`+joe+`","digest":"`+joe+`"}`).refused(bad(
			"Key and signing algorithm are incompatible. Key https://" + host + "/keys/Mine/" + v + " uses curve 'P-256K', and algorithm 'ES256' can only be used with curve 'P-256'."))
	}
}

// TestUseRefusals has the status, the code and the text of every refusal to use a
// key.
func TestUseRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.importJWK("rsa", "rfc7515-a2")
	w.create("ec")
	w.importJWK("off", "rfc7515-a2")
	w.call("PATCH", "/keys/off", `{"attributes":{"enabled":false}}`).is(200)
	w.importJWK("old", "rfc7515-a2")
	w.call("PATCH", "/keys/old", fmt.Sprintf(`{"attributes":{"exp":%d}}`, testStart-300)).is(200)
	w.importJWK("new", "rfc7515-a2")
	w.call("PATCH", "/keys/new", fmt.Sprintf(`{"attributes":{"nbf":%d}}`, testStart+301)).is(200)
	w.importJWK("mute", "rfc7515-a2")
	w.call("PATCH", "/keys/mute", `{"key_ops":["verify"]}`).is(200)

	const unread = "Property  has invalid value\r\nThe request body is not usable: "
	forbidden := func(inner, message string) refused { return refused{403, "Forbidden", inner, message} }
	for _, tt := range []struct {
		path, body string
		want       refused
	}{
		{"rsa//sign", `{}`, bad("Property 'alg' is required.\r\nIt names an algorithm that the key's type has, such as RS256 or RSA-OAEP-256 for RSA and ES256 for EC.")},
		{"rsa//sign", `{"alg":"","value":"AA"}`, bad("Property 'alg' is required.\r\nIt names an algorithm that the key's type has, such as RS256 or RSA-OAEP-256 for RSA and ES256 for EC.")},
		{"rsa//sign", `{"alg":"RS1","value":"AA"}`, bad("The algorithm is not supported for sign with keys of type RSA. Supported algorithms are RS256, RS384, RS512, PS256, PS384, PS512, RSNULL.")},
		{"rsa//sign", `{"alg":"RS256"}`, bad("Property 'value' is required.\r\n")},
		{"rsa//sign", `{"alg":"RS256","value":null}`, bad("Property 'value' is required.\r\n")},
		{"rsa//sign", `{"alg":"RS256","value":"AA"}`, bad("Invalid length of 'value': 1 bytes. RS256 requires 32 bytes, encoded with base64url.")},
		{"rsa//sign", `{"alg":"PS384","value":"` + joe + `"}`, bad("Invalid length of 'value': 32 bytes. PS384 requires 48 bytes, encoded with base64url.")},
		{"rsa//verify", `{"alg":"RS512","digest":"` + joe + `","value":"AA"}`, bad("Invalid length of 'digest': 32 bytes. RS512 requires 64 bytes, encoded with base64url.")},
		{"rsa//verify", `{"alg":"RS256","value":"AA"}`, bad("Property 'digest' is required.\r\n")},
		{"rsa//verify", `{"alg":"RS256","digest":"` + joe + `"}`, bad("Property 'value' is required.\r\n")},
		{"rsa//encrypt", `{"alg":"RSA-OAEP"}`, bad("Property 'value' is required.\r\n")},
		{"rsa//verify", `{"alg":"RS256","digest":"!","value":"AA"}`, bad("Content of 'digest' is not base64url.\r\nProperty 'digest' is required.\r\n")},
		{"rsa//encrypt", `{"alg":"RSA-OAEP","value":"AA","iv":"planted*"}`, bad("Content of 'iv' is not base64url.\r\n")},
		{"rsa//encrypt", `{"alg":"RSA-OAEP","value":5}`, bad(unread + "the member \"value\" is a JSON number, which is the wrong type.")},
		{"rsa//encrypt", `{"alg":"RSA-OAEP","value":"AA","iv":"AA"}`, bad("The parameter iv is not for encrypt with RSA-OAEP.")},
		{"rsa//decrypt", `{"alg":"RSA-OAEP","value":"AA"}`, bad("The parameter is incorrect.\r\n")},
		{"rsa//unwrapkey", `{"alg":"RSA1_5","value":"` + joesSignature + `"}`, bad("The parameter is incorrect.\r\n")},
		{"rsa//wrapkey", `{"alg":"A256KW","value":"AA"}`, bad("The algorithm is not supported for wrapKey with keys of type RSA. Supported algorithms are RSA1_5, RSA-OAEP, RSA-OAEP-256.")},
		{"ec//sign", `{"alg":"RS256","value":"` + joe + `"}`, bad("The algorithm is not supported for sign with keys of type EC. Supported algorithms are ES256, ES384, ES512, ES256K, ECDSA256.")},
		{"ec//encrypt", `{"alg":"RSA-OAEP","value":"AA"}`, forbidden("KeyOperationForbidden", "Operation encrypt is not permitted on this key.")},
		{"rsa//sign", `not JSON`, bad(unread + "it is not a JSON object.")},
		{"rsa//sign", `{"alg":"RS256","value":"+/=="}`, bad("Content of 'value' is not base64url.\r\nProperty 'value' is required.\r\n")},
		{"off//sign", `{"alg":"none"}`, forbidden("KeyDisabled", "Operation sign is not allowed on a disabled key.")},
		{"off//unwrapkey", `{"alg":"RSA1_5","value":"AA"}`, forbidden("KeyDisabled", "Operation unwrapKey is not allowed on a disabled key.")},
		{"old//wrapkey", `{}`, forbidden("KeyExpired", "Operation wrapKey is not allowed on an expired key.")},
		{"new//encrypt", `{}`, forbidden("KeyNotYetValid", "Operation encrypt is not allowed on a key that is not valid yet.")},
		{"mute//decrypt", `{}`, forbidden("KeyOperationForbidden", "Operation decrypt is not permitted on this key.")},
		{"none//sign", `{}`, notFound("key", "Key", "none")},
		{"rsa/latest/sign", `{}`, notFound("key", "Key", "rsa/latest")},
		{"a_b//sign", `{}`, bad("The request URI contains an invalid name: a_b")},
	} {
		a := w.call("POST", "/keys/"+tt.path, tt.body)
		a.about += " with " + tt.body
		a.refused(tt.want)
	}
	for _, key := range []string{"old", "new"} {
		w.call("POST", "/keys/"+key+"//verify", `{"alg":"RS256","digest":"`+joe+`","value":"`+joesSignature+`"}`).text(`{"value":true}`)
	}
	// Who may do nothing learns nothing, not even what is wrong with the request.
	for _, path := range []string{"rsa//sign", "off//sign", "none//verify", "mute//decrypt"} {
		if got := w.do(request{method: "POST", path: "/keys/" + path, body: `{}`, as: "nobody"}).refusal(); got.status != 403 || got.inner != "ForbiddenByPolicy" {
			t.Errorf("%s as nobody: %+v", path, got)
		}
	}
	w.call("POST", "/keys/rsa//sign", `{"value":"`+strings.Repeat("A", maxKeyBody)+`"}`).is(413)
	for _, planted := range []string{joe, joesSignature} {
		if strings.Contains(w.log.String()+w.audit.String(), planted) {
			t.Errorf("%s is in a log", planted)
		}
	}
}
