package dataplane

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// plantOct puts a symmetric key into the vault unit, which no request can, and
// returns its version.
func (w *world) plantOct(name string, octets []byte) string {
	w.t.Helper()
	id, version := strings.Repeat("0", 28)+"unit", fmt.Sprintf("%032x", len(octets))
	record := `{"version":"` + version + `","created":1,"updated":1,"key":{"type":"oct","hsm":true,"ops":["encrypt","decrypt","wrapKey","unwrapKey","sign","verify"]}}`
	var puts []store.Entry
	must(w.t, w.cat.View(w.t.Context(), "unit", nil, func(_ store.View, sc catalog.Scope, _ []store.Record) error {
		for _, r := range []struct{ key, plain []byte }{
			{tuple.Key("v", id, "live", "keys", name), []byte("\x01" + `{"name":"` + name + `","current":` + record + `}`)},
			{tuple.Key("v", id, "ver", "keys", name, version), []byte("\x01" + record)},
			{tuple.Key("v", id, "body", "keys", name, version), append([]byte{1, 1, 3}, octets...)},
		} {
			sealed, err := sc.Sealer.Seal(r.key, r.plain)
			if err != nil {
				return err
			}
			puts = append(puts, store.Entry{Key: r.key, Record: store.Record{Value: sealed}})
		}
		return nil
	}))
	must(w.t, w.store.Update(w.t.Context(), func(tx store.Tx) error {
		for _, p := range puts {
			tx.Put(p.Key, p.Value)
		}
		return nil
	}))
	return version
}

// vector is an operation that OpenSSL has done. Key is the name of a file of JSON
// Web Keys, or the octets of a symmetric key; Out is the result, or of verify the
// signature.
type vector struct{ Alg, Key, Op, Value, IV, AAD, Tag, Out string }

// body returns the request, and what its answer has as value.
func (v vector) body() (body, want string) {
	members := map[string]string{"alg": v.Alg, "value": v.Value}
	if v.IV != "" {
		members["iv"] = v.IV
	}
	if v.Op == "decrypt" && v.Tag != "" {
		members["aad"], members["tag"] = v.AAD, v.Tag
	}
	want = `"` + v.Out + `"`
	if v.Op == "verify" {
		members["digest"], members["value"], want = v.Value, v.Out, "true"
	}
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(text), want
}

// TestOpenSSLAnswers does over HTTP what OpenSSL has done, with every family of
// algorithms that it has.
func TestOpenSSLAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, err := os.ReadFile(filepath.Join("..", "keyops", "testdata", "openssl", "operations.json"))
	must(t, err)
	var vectors []vector
	must(t, json.Unmarshal(text, &vectors))
	names, families := map[string]string{}, map[string]int{}
	for _, v := range vectors {
		name, known := names[v.Key]
		if !known {
			name = fmt.Sprintf("k%d", len(names))
			names[v.Key] = name
			if octets, err := base64.RawURLEncoding.DecodeString(v.Key); err == nil && len(octets) >= 16 {
				w.plantOct(name, octets)
			} else {
				w.importJWK(name, v.Key)
			}
		}
		r := request{method: "POST", path: "/keys/" + name + "//" + strings.ToLower(v.Op)}
		if v.Alg == "ECDSA256" {
			r.version = "2016-10-01"
		}
		var want string
		r.body, want = v.body()
		var got struct{ Value json.RawMessage }
		w.do(r).is(200).decode(&got)
		if string(got.Value) != want {
			t.Errorf("%s %s of %s answers %s, want %s", v.Op, v.Alg, v.Value, got.Value, want)
		}
		families[v.Alg]++
	}
	if len(families) < 25 {
		t.Errorf("only %d algorithms: %v", len(families), families)
	}
}

// TestSymmetricKeys has the members that encrypting answers with and decrypting
// takes, and the versions that know them.
func TestSymmetricKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.plantOct("oct", make([]byte, 32))
	id := "https://" + host + "/keys/oct/" + v
	at := func(version, operation, body string) answer {
		return w.do(request{method: "POST", path: "/keys/oct//" + operation, body: body, version: version})
	}
	const iv = "AAAAAAAAAAAAAAAAAAAAAA"
	for _, version := range []string{"7.2-preview", "7.2", "7.6", latest, "2026-05-01-preview"} {
		var sealed api.KeyOperationResult
		at(version, "encrypt", `{"alg":"A256GCM","value":"AQID","aad":"BAU"}`).is(200).decode(&sealed)
		if sealed.KID != id || len(sealed.IV) != 12 || len(sealed.Tag) != 16 || len(sealed.Value) != 3 || string(sealed.AAD) != "\x04\x05" {
			t.Errorf("%s: %x %x %x %x", version, sealed.Value, sealed.IV, sealed.Tag, sealed.AAD)
		}
		body, err := json.Marshal(map[string]any{"alg": "A256GCM", "value": sealed.Value, "iv": sealed.IV, "tag": sealed.Tag, "aad": sealed.AAD})
		must(t, err)
		at(version, "decrypt", string(body)).text(`{"kid":"` + id + `","value":"AQID"}`)
		changed, err := json.Marshal(map[string]any{"alg": "A256GCM", "value": sealed.Value, "iv": sealed.IV, "tag": sealed.Tag})
		must(t, err)
		at(version, "decrypt", string(changed)).refused(bad("The parameter is incorrect.\r\n"))
		// NIST's AES-256 test vector VarTxt of all zeros.
		at(version, "encrypt", `{"alg":"A256CBC","value":"`+iv+`","iv":"`+iv+`"}`).text(`{"kid":"` + id + `","value":"3JXAeKJAiYmtSKIUkoQghw","iv":"` + iv + `"}`)
	}
	at(latest, "encrypt", `{"alg":"A256CBC","value":"`+iv+`"}`).refused(bad("Invalid length of 'iv': 0 bytes. A256CBC requires 16 bytes, encoded with base64url."))
	at(latest, "encrypt", `{"alg":"A256GCM","value":"`+iv+`","iv":"AAAAAAAAAAAAAAAA"}`).refused(bad("The parameter iv is not for encrypt with A256GCM."))
	at(latest, "encrypt", `{"alg":"A128GCM","value":"AA"}`).
		refused(bad("Key and algorithm are incompatible. The key has 256 bits, and algorithm 'A128GCM' can only be used with keys of 128 bits."))

	early := func(version, alg, since string) refused {
		return bad("The algorithm " + alg + " is not known in the version " + version + ". It is from the version " + since + " on.")
	}
	for _, version := range []string{"2016-10-01", "7.0", "7.1"} {
		at(version, "encrypt", `{"alg":"A256GCM","value":"AQID"}`).refused(early(version, "A256GCM", "7.2-preview"))
		at(version, "wrapkey", `{"alg":"A256KW","value":"AQID"}`).refused(early(version, "A256KW", "7.2-preview"))
		at(version, "decrypt", `{"alg":"A256CBCPAD","value":"AQID"}`).refused(early(version, "A256CBCPAD", "7.2-preview"))
	}
	for _, version := range []string{"7.2", "7.5"} {
		at(version, "sign", `{"alg":"HS256","value":"`+joe+`"}`).refused(early(version, "HS256", "7.6-preview.2"))
		at(version, "wrapkey", `{"alg":"CKM_AES_KEY_WRAP","value":"`+joe+`"}`).refused(early(version, "CKM_AES_KEY_WRAP", "7.6-preview.2"))
	}
	for _, version := range []string{"7.6-preview.2", "7.6", latest} {
		at(version, "sign", `{"alg":"HS256","value":"`+joe+`"}`).is(200)
		at(version, "wrapkey", `{"alg":"CKM_AES_KEY_WRAP","value":"`+joe+`"}`).is(200)
		at(version, "sign", `{"alg":"HS512","value":"`+joe+`"}`).refused(bad("Invalid length of 'value': 32 bytes. HS512 requires 64 bytes, encoded with base64url."))
	}
	// The key itself is in no answer.
	w.call("GET", "/keys/oct", "").text(`{"key":{"kid":"` + id + `","kty":"oct-HSM","key_ops":["encrypt","decrypt","wrapKey","unwrapKey","sign","verify"]},` +
		`"attributes":{"enabled":true,"created":1,"updated":1,"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90,"exportable":false,"hsmPlatform":"0"}}`)
}
