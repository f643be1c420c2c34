package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func ptr[T any](v T) *T { return &v }

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestUnixTime(t *testing.T) {
	moment := time.Date(2026, 11, 24, 10, 0, 0, 999, time.FixedZone("", 3600))
	u := Unix(moment)
	if u != 1795510800 {
		t.Errorf("Unix = %d", u)
	}
	if got := u.Time(); got.Location() != time.UTC || !got.Equal(moment.Truncate(time.Second)) {
		t.Errorf("Time = %v", got)
	}
	for _, text := range []string{`1.5`, `"1795510800"`, `1e400`, `true`} {
		var a Attributes
		if err := json.Unmarshal([]byte(`{"exp":`+text+`}`), &a); err == nil {
			t.Errorf("exp %s was accepted as %d", text, *a.Expires)
		}
	}
}

// TestDocuments holds each document of the wire against its JSON text, both
// ways: names, order, what is left out and what is null.
func TestDocuments(t *testing.T) {
	attributes := &Attributes{
		Enabled: ptr(true), NotBefore: ptr(UnixTime(1)), Expires: ptr(UnixTime(2)), Created: ptr(UnixTime(3)), Updated: ptr(UnixTime(4)),
		RecoveryLevel: RecoveryCustomizedRecoverablePurgeable, RecoverableDays: ptr(int32(7)), Exportable: ptr(false), HSMPlatform: "0",
	}
	deletion := Deletion{RecoveryID: "https://v/deletedkeys/k", DeletedDate: ptr(UnixTime(5)), ScheduledPurgeDate: ptr(UnixTime(6))}
	tests := []struct {
		name  string
		value any // not a pointer
		text  string
	}{
		{"no attributes", Attributes{}, `{}`},
		{"no recoverable days", Attributes{RecoverableDays: ptr(int32(0))}, `{"recoverableDays":0}`},
		{"attributes", *attributes, `{"enabled":true,"nbf":1,"exp":2,"created":3,"updated":4,"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7,"exportable":false,"hsmPlatform":"0"}`},
		{"secret", SecretBundle{
			Value: ptr(""), ContentType: "text/plain", ID: "https://v/secrets/s/1", Managed: true, Attributes: &Attributes{Enabled: ptr(false)},
			Tags: map[string]string{}, KID: "https://v/keys/s/1", PreviousVersion: "0",
		}, `{"value":"","contentType":"text/plain","id":"https://v/secrets/s/1","managed":true,"attributes":{"enabled":false},"tags":{},"kid":"https://v/keys/s/1","previousVersion":"0"}`},
		{"secret without value", SecretBundle{ID: "i"}, `{"id":"i"}`},
		{"deleted secret", DeletedSecretBundle{Deletion: deletion, SecretBundle: SecretBundle{ID: "i"}}, `{"recoveryId":"https://v/deletedkeys/k","deletedDate":5,"scheduledPurgeDate":6,"id":"i"}`},
		{"set", SecretSetParameters{Value: ptr("v"), ContentType: ptr("c"), Tags: map[string]string{"a": "b"}}, `{"value":"v","contentType":"c","tags":{"a":"b"}}`},
		{"update that clears tags", SecretUpdateParameters{Tags: map[string]string{}}, `{"tags":{}}`},
		{"update of nothing", SecretUpdateParameters{}, `{}`},
		{"key", KeyBundle{
			Key: &JSONWebKey{
				KID: "k", Kty: KeyTypeEC, KeyOps: []KeyOperation{OperationSign, OperationVerify},
				Crv: CurveP256, X: Base64URL{0xfb, 0xff}, Y: Base64URL{0},
			},
			Attributes: attributes, Tags: map[string]string{"t": "u"}, Managed: true,
			ReleasePolicy: &ReleasePolicy{ContentType: "application/json", Data: Base64URL("{}"), Immutable: ptr(false)},
		}, `{"key":{"kid":"k","kty":"EC","key_ops":["sign","verify"],"crv":"P-256","x":"-_8","y":"AA"},` +
			`"attributes":{"enabled":true,"nbf":1,"exp":2,"created":3,"updated":4,"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7,"exportable":false,"hsmPlatform":"0"},` +
			`"tags":{"t":"u"},"managed":true,"release_policy":{"contentType":"application/json","data":"e30","immutable":false}}`},
		{"deleted key item", DeletedKeyItem{Deletion: deletion, KeyItem: KeyItem{KID: "k"}}, `{"recoveryId":"https://v/deletedkeys/k","deletedDate":5,"scheduledPurgeDate":6,"kid":"k"}`},
		{"create", KeyCreateParameters{
			Kty: KeyTypeRSA, KeySize: ptr(int32(3072)), PublicExponent: ptr(int32(3)), KeyOps: []KeyOperation{}, Crv: CurveP256K,
		}, `{"kty":"RSA","key_size":3072,"public_exponent":3,"key_ops":[],"crv":"P-256K"}`},
		{"update of no operations", KeyUpdateParameters{KeyOps: []KeyOperation{}}, `{"key_ops":[]}`},
		{"last page", KeyListResult{Value: []KeyItem{{KID: "k"}}}, `{"value":[{"kid":"k"}],"nextLink":null}`},
		{"empty page", SecretListResult{Value: []SecretItem{}, NextLink: ptr("https://v:443/secrets")}, `{"value":[],"nextLink":"https://v:443/secrets"}`},
		{"backup", BackupBlob{Value: Base64URL("&Azure")}, `{"value":"JkF6dXJl"}`},
		{"error", ErrorResponse{Error{Code: CodeForbidden, Message: "no\r\n", InnerError: &InnerError{Code: InnerForbiddenByRBAC}}},
			`{"error":{"code":"Forbidden","message":"no\r\n","innererror":{"code":"ForbiddenByRbac"}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustJSON(t, tt.value); got != tt.text {
				t.Errorf("encoded\n%s, want\n%s", got, tt.text)
			}
			back := reflect.New(reflect.TypeOf(tt.value))
			if err := json.Unmarshal([]byte(tt.text), back.Interface()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back.Elem().Interface(), tt.value) {
				t.Errorf("decoded %s, which is not what was encoded", mustJSON(t, back.Interface()))
			}
		})
	}
	if got := mustJSON(t, SecretListResult{}); got != `{"value":[],"nextLink":null}` {
		t.Errorf("a nil page was encoded as %s", got)
	}
}

func TestBase64URL(t *testing.T) {
	valid := map[string]string{"": "", "AA": "\x00", "AA==": "\x00", "-_8": "\xfb\xff", "-_8=": "\xfb\xff", "AAAA": "\x00\x00\x00",
		// Azure takes what nobody encoded, and drops the bits that are left over.
		"AB": "\x00", "AAB": "\x00\x00", "AB==": "\x00", "some-secret": "\xb2\x89\x9e\xfa\xc7\x9c\xad\xeb"}
	for text, want := range valid {
		var b Base64URL
		if err := b.UnmarshalText([]byte(text)); err != nil || string(b) != want {
			t.Errorf("%q: %q, %v", text, b, err)
		}
	}
	invalid := []string{"A", "+/8", "AA=", "AA===", "A\nA", "AA\r\n", " AA", "AA ", "=", "AAAA=", "planted*"}
	for _, text := range invalid {
		b := Base64URL("before")
		err := b.UnmarshalText([]byte(text))
		if err == nil {
			t.Errorf("%q was accepted as %q", text, b)
		}
		if string(b) != "before" {
			t.Errorf("%q: the value was changed despite the error", text)
		}
		var key JSONWebKey
		wrong := new(json.UnmarshalTypeError)
		if err := json.Unmarshal([]byte(`{"d":`+mustJSON(t, text)+`}`), &key); !errors.As(err, &wrong) || wrong.Field != "d" || strings.Contains(err.Error(), "planted") {
			t.Errorf("%q as the member d: %v", text, err)
		}
	}
	for _, text := range []string{`{"value":7}`, `{"value":[1,2]}`, `{"value":{}}`} {
		var blob BackupBlob
		if err := json.Unmarshal([]byte(text), &blob); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}

const secretText = "hunter2-must-not-show"

// secretHolders are values of each type that can carry a secret, with the
// secret in every member that is one.
func secretHolders() map[string]any {
	hidden := Base64URL(secretText)
	jwk := JSONWebKey{
		KID: "https://v/keys/k", Kty: KeyTypeRSA, N: Base64URL("n"), E: Base64URL("e"),
		D: hidden, DP: hidden, DQ: hidden, QI: hidden, P: hidden, Q: hidden, K: hidden, KeyHSM: hidden,
	}
	bundle := SecretBundle{ID: "https://v/secrets/s", Value: ptr(secretText)}
	return map[string]any{
		"SecretBundle":        bundle,
		"DeletedSecretBundle": DeletedSecretBundle{SecretBundle: bundle},
		"SecretSetParameters": SecretSetParameters{Value: ptr(secretText), ContentType: ptr("text/plain")},
		"JSONWebKey":          jwk,
		"KeyBundle":           KeyBundle{Key: &jwk},
		"KeyImportParameters": KeyImportParameters{Key: &jwk},
	}
}

// TestNothingShows formats and logs secrets in every way that fmt and slog know.
func TestNothingShows(t *testing.T) {
	encoded := mustJSON(t, Base64URL(secretText))
	hidden := []string{secretText, strings.Trim(encoded, `"`), fmt.Sprintf("%x", secretText), fmt.Sprintf("%X", secretText), fmt.Sprint([]byte(secretText))}
	for name, value := range secretHolders() {
		t.Run(name, func(t *testing.T) {
			pointer := reflect.New(reflect.TypeOf(value))
			pointer.Elem().Set(reflect.ValueOf(value))
			var out bytes.Buffer
			for _, v := range []any{value, pointer.Interface(), []any{value}, struct{ Inner any }{value}} {
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
					fmt.Fprintf(&out, verb+"\n", v)
				}
			}
			for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				if name == "KeyBundle" {
					break // an answer, which never has private members, and no LogValuer
				}
				slog.New(handler).Info("x", "value", value, "pointer", pointer.Interface())
			}
			for _, text := range hidden {
				if strings.Contains(out.String(), text) {
					t.Errorf("%q shows in:\n%s", text, out.String())
				}
			}
		})
	}
}

// TestFormattingIsUseful keeps the redacted forms from hiding everything.
func TestFormattingIsUseful(t *testing.T) {
	wants := map[string][]string{
		"SecretBundle":        {"https://v/secrets/s", Redacted},
		"DeletedSecretBundle": {"https://v/secrets/s", Redacted},
		"SecretSetParameters": {"text/plain", Redacted},
		"JSONWebKey":          {"https://v/keys/k", `"kty":"RSA"`, `"n":"bg"`},
	}
	for name, parts := range wants {
		text := fmt.Sprint(secretHolders()[name])
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s shows as %s, without %q", name, text, part)
			}
		}
	}
	if text := fmt.Sprint(SecretBundle{ID: "i"}); strings.Contains(text, Redacted) {
		t.Errorf("a bundle without value shows as %s", text)
	}
}

// TestErrorsHideInput checks that what decoding says about wrong input does not
// repeat it.
func TestErrorsHideInput(t *testing.T) {
	for _, text := range []string{
		`{"d":"` + secretText + ` not base64"}`,
		`{"d":["` + secretText + `"]}`,
		`{"kty":{"x":"` + secretText + `"}}`,
		`{"d":"` + secretText,
	} {
		var k JSONWebKey
		if err := json.Unmarshal([]byte(text), &k); err == nil || strings.Contains(err.Error(), secretText) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`{"value":["` + secretText + `"]}`, `{"value":"` + secretText, `{"value":"` + secretText + `"]`} {
		var p SecretSetParameters
		if err := json.Unmarshal([]byte(text), &p); err == nil || strings.Contains(err.Error(), secretText) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPublic(t *testing.T) {
	jwk := secretHolders()["JSONWebKey"].(JSONWebKey)
	if got := mustJSON(t, jwk.Public()); got != `{"kid":"https://v/keys/k","kty":"RSA","n":"bg","e":"ZQ"}` {
		t.Errorf("Public is %s", got)
	}
	// A member that is added to the type must be sorted into public or private.
	if fields := reflect.TypeFor[JSONWebKey]().NumField(); fields != 19 {
		t.Errorf("JSONWebKey has %d members; does Public copy the right ones?", fields)
	}
}

func TestVersions(t *testing.T) {
	all := Versions()
	if n := len(all); all[0] != Version20161001 || all[n-3] != VersionLatest || all[n-2] != Version20260501Preview || all[n-1] != Version20260701Preview {
		t.Errorf("from %s to %s", all[0], all[len(all)-1])
	}
	for i, v := range all {
		if slices.Index(all, v) != i {
			t.Errorf("%s is there twice", v)
		}
	}
	for _, v := range []string{Version70, Version71Preview, Version72Preview, Version73Preview, Version75Preview1, Version76Preview2, Version20250601Preview} {
		if !slices.Contains(all, v) {
			t.Errorf("%s is missing", v)
		}
	}
	all[0] = "changed"
	if Versions()[0] != Version20161001 {
		t.Error("the slice is shared with later callers")
	}
}
