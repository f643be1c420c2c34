package dataplane

import (
	"strings"
	"testing"
)

// The public and the private numbers of the key of RFC 7517, appendix A.2.
const (
	importedPublic  = `"crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`
	importedPrivate = `"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"`
)

// TestImport takes a key in and shows its public part alone.
func TestImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("plain", standard)
	put := func(host, body string) answer {
		return w.do(request{method: "PUT", path: "/keys/Imported", body: body, host: host})
	}
	body := `{"key":{"kty":"EC",` + importedPublic + `,` + importedPrivate + `},"tags":{"a":"b"},"attributes":{"exp":4102444800}}`
	made := put("", body).is(200)
	for _, want := range []string{importedPublic, `"kty":"EC","key_ops":["sign","verify"]`, `"tags":{"a":"b"}`, `"exp":4102444800`, `"enabled":true`} {
		if !strings.Contains(made.body, want) {
			t.Errorf("%s lacks %s", made.body, want)
		}
	}
	if strings.Contains(made.body, `"d"`) {
		t.Errorf("the answer shows the private key: %s", made.body)
	}
	if got := w.do(request{method: "GET", path: "/keys/imported/" + made.version()}).is(200); got.body != made.body {
		t.Errorf("got %s, imported %s", got.body, made.body)
	}
	if again := put("", body).is(200); again.version() == made.version() {
		t.Error("the second import made no version")
	}

	hsm := put("", `{"Hsm":true,"key":{"kty":"EC","key_ops":["sign"],`+importedPublic+`,`+importedPrivate+`}}`).is(200)
	if !strings.Contains(hsm.body, `"kty":"EC-HSM","key_ops":["sign"]`) {
		t.Errorf("with Hsm: %s", hsm.body)
	}
	put("plain.vault.azure.net", `{"key":{"kty":"EC-HSM",`+importedPublic+`,`+importedPrivate+`}}`).is(403)

	const (
		malformed = `The property "key" must be a valid JsonWebKey object. `
		no        = "EC key is not valid - cannot instantiate crypto service. The members x and y of the EC key are not the point of d."
		unread    = "Property  has invalid value\r\nThe request body is not usable: "
	)
	for name, tt := range map[string]struct {
		body string
		want refused
	}{
		"no key":           {`{}`, bad(malformed + "It is missing its member kty.")},
		"null":             {`{"key":null}`, bad(malformed + "It is missing its member kty.")},
		"no private part":  {`{"key":{"kty":"EC",` + importedPublic + `}}`, bad(malformed + "The EC key is missing its member d.")},
		"no curve":         {`{"key":{"kty":"EC",` + importedPrivate + `}}`, bad(malformed + "The curve of the EC key is not supported. Supported curves are P-256, P-384, P-521 and P-256K.")},
		"another member":   {`{"key":{"kty":"RSA","k":"AAAA"}}`, bad(malformed + "The RSA key is missing its member n.")},
		"another curve":    {`{"key":{"kty":"EC",` + strings.Replace(importedPublic, "P-256", "P-256K", 1) + `,` + importedPrivate + `}}`, bad(no)},
		"another scalar":   {`{"key":{"kty":"EC",` + importedPublic + `,` + strings.Replace(importedPrivate, "870M", "970M", 1) + `}}`, bad(no)},
		"of no type":       {`{"key":{` + importedPublic + `,` + importedPrivate + `}}`, bad(malformed + "It is missing its member kty.")},
		"of another type":  {`{"key":{"kty":"OKP"}}`, badType("OKP")},
		"a symmetric key":  {`{"key":{"kty":"oct","k":"AAAA"}}`, badType("oct")},
		"for an HSM":       {`{"key":{"kty":"RSA-HSM","key_hsm":"AAAA"}}`, bad("The key transfer blob is not a JSON object.")},
		"unknown key_ops":  {`{"key":{"kty":"EC","key_ops":["dance"],` + importedPublic + `,` + importedPrivate + `}}`, bad("The key_ops member has an invalid value. Valid values are encrypt, decrypt, sign, verify, wrapKey, unwrapKey, import and export.")},
		"not base64url":    {`{"key":{"kty":"EC",` + importedPublic + `,"d":"+/=="}}`, bad("Content of 'key.d' is not base64url.\r\n")},
		"an array for key": {`{"key":[]}`, bad(unread + `the member "key" is a JSON array, which is the wrong type.`)},
	} {
		a := put("", tt.body)
		a.about += " of " + name
		a.refused(tt.want)
	}
	w.do(request{method: "PUT", path: "/keys/imported", body: body, as: "nobody"}).is(403)
	w.do(request{method: "DELETE", path: "/keys/imported"}).is(200)
	put("", body).is(409)
	if log := w.log.String() + w.audit.String(); strings.Contains(log, "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE") {
		t.Error("the private key is in a log")
	}
}
