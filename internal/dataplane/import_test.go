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

	for name, bad := range map[string]string{
		"no key":           `{}`,
		"null":             `{"key":null}`,
		"no private part":  `{"key":{"kty":"EC",` + importedPublic + `}}`,
		"another curve":    `{"key":{"kty":"EC",` + strings.Replace(importedPublic, "P-256", "P-256K", 1) + `,` + importedPrivate + `}}`,
		"another scalar":   `{"key":{"kty":"EC",` + importedPublic + `,` + strings.Replace(importedPrivate, "870M", "970M", 1) + `}}`,
		"of no type":       `{"key":{` + importedPublic + `,` + importedPrivate + `}}`,
		"a symmetric key":  `{"key":{"kty":"oct","k":"AAAA"}}`,
		"for an HSM":       `{"key":{"kty":"RSA-HSM","key_hsm":"AAAA"}}`,
		"unknown key_ops":  `{"key":{"kty":"EC","key_ops":["dance"],` + importedPublic + `,` + importedPrivate + `}}`,
		"not base64url":    `{"key":{"kty":"EC",` + importedPublic + `,"d":"+/=="}}`,
		"an array for key": `{"key":[]}`,
	} {
		refused := put("", bad).is(400)
		if !strings.Contains(refused.body, `"code":"BadParameter"`) || strings.Contains(refused.body, "870M") {
			t.Errorf("%s: %s", name, refused.body)
		}
	}
	w.do(request{method: "PUT", path: "/keys/imported", body: body, as: "nobody"}).is(403)
	w.do(request{method: "DELETE", path: "/keys/imported"}).is(200)
	put("", body).is(409)
	if log := w.log.String() + w.audit.String(); strings.Contains(log, "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE") {
		t.Error("the private key is in a log")
	}
}
