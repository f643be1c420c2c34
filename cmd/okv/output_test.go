package main

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/openkeyvault/openkeyvault/api"
)

func TestWriteFields(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := writeFields(&b, []field{{"Name", "x"}, {"A rather long name", ""}, {"Content type", "a\x1b[31mb"}, {"Tags", "ä=ö, b=c"}})
	if err != nil {
		t.Fatal(err)
	}
	want := `Name:         x
Content type: "a\x1b[31mb"
Tags:         ä=ö, b=c
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestWriteTable(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := writeTable(&b, []string{"NAME", "TYPE", "END"}, [][]string{{"a", "", "z"}, {"longer", "x\ty\n", ""}}); err != nil {
		t.Fatal(err)
	}
	want := `NAME    TYPE      END
a       -         z
longer  "x\ty\n"  -
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := writeTable(&b, []string{"NAME"}, nil); err != nil || b.String() != "NAME\n" {
		t.Errorf("an empty table is %q, %v", b.String(), err)
	}
}

func TestWriteObject(t *testing.T) {
	t.Parallel()
	enabled, expires, days := true, api.UnixTime(2211580800), int32(90)
	bundle := func(value string) api.SecretBundle {
		return api.SecretBundle{
			Value: &value, ContentType: "text/plain", ID: "https://dev.vault.azure.net/secrets/token/0123",
			Attributes: &api.Attributes{
				Enabled: &enabled, Expires: &expires, RecoveryLevel: api.RecoveryRecoverable, RecoverableDays: &days,
			},
			Tags: map[string]string{"b": "2", "a": "1"},
		}
	}
	const head = `Name:         token
Version:      0123
ID:           https://dev.vault.azure.net/secrets/token/0123
Content type: text/plain
Enabled:      yes
Expires:      2040-01-31T00:00:00Z
Recovery:     Recoverable, 90 days
Tags:         a=1, b=2
`
	for name, tc := range map[string]struct{ value, want string }{
		"one line":        {"hunter2", head + "Value:        hunter2\n"},
		"empty":           {"", head + "Value:        \"\"\n"},
		"blanks":          {" x ", head + "Value:         x \n"},
		"lines":           {"a\nb\tc\n", head + "Value:\na\nb\tc\n"},
		"lines of DOS":    {"a\r\nb", head + "Value:\na\r\nb\n"},
		"for a terminal":  {"a\x1b[2Jb", head + `Value:        "a\x1b[2Jb"` + "\n"},
		"in a later line": {"a\nb\rc", head + `Value:        "a\nb\rc"` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := newObject(bundle(tc.value))
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := o.write(&b); err != nil || b.String() != tc.want {
				t.Errorf("got %v\n%s\nwant\n%s", err, b.String(), tc.want)
			}
		})
	}
}

// The wire has the address of an object in different places.
func TestNewObject(t *testing.T) {
	t.Parallel()
	const vault = "https://dev.vault.azure.net"
	deleted := api.UnixTime(1)
	for name, tc := range map[string]struct {
		answer                 any
		object, version, jsons string
	}{
		"secret of a certificate": {
			api.SecretBundle{ID: vault + "/secrets/a/01", KID: vault + "/keys/b/02", Managed: true}, "a", "01",
			`{"id":"https://dev.vault.azure.net/secrets/a/01","kid":"https://dev.vault.azure.net/keys/b/02","managed":true,"name":"a"}`,
		},
		"key": {
			api.KeyBundle{Key: &api.JSONWebKey{KID: vault + "/keys/b/02", Kty: api.KeyTypeRSA, N: []byte{0x80, 0}, E: []byte{1}}}, "b", "02",
			`{"key":{"kid":"https://dev.vault.azure.net/keys/b/02","kty":"RSA","n":"gAA","e":"AQ"},"name":"b"}`,
		},
		"key in a list": {api.KeyItem{KID: vault + "/keys/c"}, "c", "", `{"kid":"https://dev.vault.azure.net/keys/c","name":"c"}`},
		"deleted secret": {
			api.DeletedSecretBundle{Deletion: api.Deletion{DeletedDate: &deleted}, SecretBundle: api.SecretBundle{ID: vault + "/secrets/d/03"}}, "d", "03",
			`{"deletedDate":1,"id":"https://dev.vault.azure.net/secrets/d/03","name":"d"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := newObject(tc.answer)
			if err != nil {
				t.Fatal(err)
			}
			text, err := encodeJSON(o.document, "")
			if err != nil {
				t.Fatal(err)
			}
			if o.name != tc.object || o.version != tc.version || strings.TrimSpace(string(text)) != tc.jsons {
				t.Errorf("name %q, version %q, JSON %s, want %q, %q, %s", o.name, o.version, text, tc.object, tc.version, tc.jsons)
			}
		})
	}
	for _, id := range []string{"", "x", "http://dev.vault.azure.net/secrets/a"} {
		if o, err := newObject(api.SecretItem{ID: id}); err == nil {
			t.Errorf("the id %q is taken for that of %q", id, o.name)
		}
	}
}

func TestKeyTypeText(t *testing.T) {
	t.Parallel()
	for want, key := range map[string]*api.JSONWebKey{
		"":          nil,
		"RSA 2048":  {Kty: api.KeyTypeRSA, N: append([]byte{0x80}, make([]byte, 255)...)},
		"RSA 2041":  {Kty: api.KeyTypeRSA, N: append([]byte{0x01}, make([]byte, 255)...)},
		"EC P-256K": {Kty: api.KeyTypeEC, Crv: api.CurveP256K},
		"oct-HSM":   {Kty: api.KeyTypeOctHSM},
	} {
		if got := (&object{Key: key}).keyType(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// What is printed to a terminal shows, and does nothing else.
func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"hunter2", "a\nb", "\x1b]0;x\a", "\u202eevil", "\xff", "a\r\nb\t", "\r"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		check := func(got string, lines *strings.Replacer) {
			if strings.ContainsFunc(lines.Replace(got), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q becomes %q", text, got)
			}
			if back, err := strconv.Unquote(got); got != text && (err != nil || back != text) {
				t.Errorf("%q becomes %q, which does not go back", text, got)
			}
		}
		check(printable(text), strings.NewReplacer())
		check(printableLines(text), strings.NewReplacer("\r\n", "", "\n", "", "\t", ""))
	})
}
