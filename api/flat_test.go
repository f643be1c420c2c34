package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// flat is what decodes itself.
type flat interface{ UnmarshalFlat(text []byte) bool }

// flats are the types that do.
var flats = []reflect.Type{
	reflect.TypeFor[KeyOperationParameters](), reflect.TypeFor[KeySignParameters](), reflect.TypeFor[KeyVerifyParameters](), reflect.TypeFor[SecretSetParameters](),
}

// compareFlat decodes text both ways, on top of what before holds, and wants what
// UnmarshalFlat accepts to be what encoding/json makes of it, and what it leaves
// to change nothing.
func compareFlat(t *testing.T, of reflect.Type, before, text string) (accepted bool) {
	t.Helper()
	start := func() reflect.Value {
		v := reflect.New(of)
		if err := json.Unmarshal([]byte(before), v.Interface()); err != nil {
			t.Fatalf("%v from %s: %v", of, before, err)
		}
		return v
	}
	got, want, unchanged := start(), start(), start()
	body := []byte(text)
	accepted = got.Interface().(flat).UnmarshalFlat(body)
	for i := range body {
		body[i] = 'x' // the text is not kept
	}
	if !accepted {
		want = unchanged
	} else if err := json.Unmarshal([]byte(text), want.Interface()); err != nil {
		t.Fatalf("%v takes %q: %v", of, text, err)
	}
	if !reflect.DeepEqual(got.Interface(), want.Interface()) {
		t.Fatalf("%v from %q, accepted %v: %#v, want %#v", of, text, accepted, members(got), members(want))
	}
	return accepted
}

// members shows a value that does not show itself.
func members(v reflect.Value) map[string]any {
	m := map[string]any{}
	for i := range v.Elem().NumField() {
		m[v.Elem().Type().Field(i).Name] = reflect.Indirect(v.Elem().Field(i)).Interface()
	}
	return m
}

// before is what a value may hold before it is decoded into.
const before = `{"alg":"a","value":"AAAA","digest":"AAAA","iv":"AAAA","contentType":"c"}`

// TestUnmarshalFlat wants every subset of the members that are strings to be
// decoded without encoding/json: a member that is new to a type and not to the
// code is missed.
func TestUnmarshalFlat(t *testing.T) {
	for _, of := range flats {
		var names []string
		for i := range of.NumField() {
			field := of.Field(i)
			if kind := field.Type; kind == reflect.TypeFor[*Attributes]() || kind == reflect.TypeFor[map[string]string]() {
				continue
			}
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			names = append(names, name)
		}
		if len(names) > maxFlat {
			t.Errorf("%v has %d members", of, len(names))
		}
		for subset := range 1 << len(names) {
			var given []string
			for i, name := range names {
				if subset>>i&1 == 1 {
					// A value that tells the members from one another, or none.
					given = append(given, `"`+name+`" : "`+[...]string{"AAAA", "AAE", "AAI", "AAM", "BBBB"}[i]+`"`, `"`+name+`":""`)
				}
			}
			for empty := range 2 {
				var picked []string
				for i := empty; i < len(given); i += 2 {
					picked = append(picked, given[i])
				}
				text := " {" + strings.Join(picked, ",\n") + "}\n"
				if !compareFlat(t, of, `{}`, text) || !compareFlat(t, of, before, text) {
					t.Errorf("%v leaves %s", of, text)
				}
			}
		}
	}
}

// TestUnmarshalFlatLeaves has what is for encoding/json to decode or to refuse.
func TestUnmarshalFlatLeaves(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", `{`, `{"value":"AAAA"`, `{"value":"AAAA"}}`, `{"value":"AAAA",}`, `{"value":"AAAA"} x`,
		`{"Value":"AAAA"}`, `{"value":"AAAA","VALUE":"AAEA"}`, `{"value":"AAAA","value":"AAEA"}`, `{"value":"AAAA","new":"AAAA"}`, `{"val\u0075e":"AAAA"}`,
		`{"value":null}`, `{"value":1}`, `{"value":["AAAA"]}`, `{"value":{"value":"AAAA"}}`, `{"value":"AAAA","attributes":{"enabled":true}}`, `{"value":"AAAA","tags":{}}`,
		`{"value":"\u0041AAA"}`, `{"value":"AAA\n"}`, "{\"value\":\"AA\nAA\"}", `{"value":"é"}`, "{\"value\":\"\xff\"}",
	} {
		for _, of := range flats {
			if compareFlat(t, of, before, text) {
				t.Errorf("%v takes %s", of, text)
			}
		}
	}
	for _, value := range []string{"A", "+/8", "AA=", "AA===", " AA", "AA ", "=", "AAAA=", "A?AA", "~~~~~~~~"} {
		for _, of := range flats[:3] {
			if compareFlat(t, of, before, `{"alg":"x","value":"`+value+`"}`) {
				t.Errorf("%v takes %s", of, value)
			}
		}
	}
	if !compareFlat(t, flats[0], before, `{"value":"AA==","iv":"AAA=","aad":"AB"}`) {
		t.Error("padding and bits left over are not tolerated")
	}
}

// FuzzUnmarshalFlat compares with encoding/json.
func FuzzUnmarshalFlat(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "alg" : "A256GCM" , "value":"AA" ,"iv":"AAAA","aad":"","tag":"AA=="}`, `{"alg":"ES256","digest":"-_8","value":"AAAAAAAAAAAAAAAA","external_mu":"AA","context":"AA"}`,
		`{"value":"a secret","contentType":"text/plain"}`, `{"Value":"AA","value":"AA"}`, `{"value":"AA","value":null}`, `{"value":"+/8"}`, `{"value":"AB"}`, "{\"value\":\"A\nA\"}",
		`{"value":"AA","tags":{"a":"b"},"attributes":{"exp":1}}`, `{"value":"\n"}`, `{"value":"é"}`, `{"value":"AA"}x`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, of := range flats {
			compareFlat(t, of, `{}`, text)
			compareFlat(t, of, before, text)
		}
	})
}

// TestAppendText wants what MarshalText returns, behind what is there.
func TestAppendText(t *testing.T) {
	for _, b := range []Base64URL{nil, {}, {0}, {0xfb, 0xff}, {0, 0, 0}, Base64URL(strings.Repeat("long", 100))} {
		want, err := b.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		room := make([]byte, 0, 1000)
		for _, dst := range [][]byte{nil, []byte("before"), append(room, "before"...)} {
			if got, err := b.AppendText(dst); err != nil || string(got) != string(dst)+string(want) {
				t.Errorf("%x behind %q: %q, %v", []byte(b), dst, got, err)
			}
		}
	}
}
