package jsontext_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/openkeyvault/openkeyvault/internal/jsontext"
)

// FuzzString compares with encoding/json.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain text ~", `"quoted" \ back`, "<b>&</b>", "\x00\x1f\x7f", "é 世界 \u2028\u2029", "\xff half \xc3", "tab\tline\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, html := range []bool{true, false} {
			var want bytes.Buffer
			e := json.NewEncoder(&want)
			e.SetEscapeHTML(html)
			if err := e.Encode(s); err != nil {
				t.Fatal(err)
			}
			quote := jsontext.Plain
			if html {
				quote = jsontext.String
			}
			if got := string(quote([]byte("before "), s)) + "\n"; got != "before "+want.String() {
				t.Errorf("%q, escaping HTML %v: %s, want %s", s, html, got, want.String())
			}
		}
	})
}

func TestObject(t *testing.T) {
	t.Parallel()
	o := jsontext.Begin([]byte("before "), jsontext.String)
	if got := string(o.End()); got != "before {}" {
		t.Errorf("an empty object: %s", got)
	}
	o.SomeText("left out", "")
	o.Text("empty", "")
	inner := jsontext.Begin(o.Name("inner"), jsontext.Plain)
	inner.SomeText("a", "<")
	o.Value(inner.End())
	o.Value(append(o.Name("n"), '7'))
	o.SomeText("b", "<")
	const want = `before {"empty":"","inner":{"a":"<"},"n":7,"b":"\u003c"}`
	if got := string(o.End()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// names are those that the tests of Strings look for.
var names = []string{"a", "value", "", "Ab"}

// read returns the members that Strings finds.
func read(text string) (map[string]string, bool) {
	values := make([][]byte, len(names))
	values[0] = []byte("of the text before")
	if !jsontext.Strings([]byte(text), names, values) {
		return nil, false
	}
	found := map[string]string{}
	for i, v := range values {
		if v != nil {
			found[names[i]] = string(v)
		}
	}
	return found, true
}

func TestStrings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		`{}`:                                 {},
		" \t\r\n{ \n} \r":                    {},
		`{"a":""}`:                           {"a": ""},
		`{"value":"v","a":"1"}`:              {"a": "1", "value": "v"},
		"{\"\":\"none\",\"Ab\":\" \x7f~!\"}": {"": "none", "Ab": " \x7f~!"},
		"\n{\t\"a\" :\r\"{}[]:,'/<>&\" , \"value\": \"7\"\n}\n": {"a": "{}[]:,'/<>&", "value": "7"},
		`{"a":"` + strings.Repeat("0123456789", 1000) + `"}`:    {"a": strings.Repeat("0123456789", 1000)},
	} {
		if got, ok := read(text); !ok || !maps.Equal(got, want) {
			t.Errorf("%.60q: %.60q, %v", text, got, ok)
		}
	}
}

// What encoding/json reads as something else than the bytes between the quotes,
// refuses or may one day refuse is left to it.
func TestStringsLeaves(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "null", `""`, "[]", `[{"a":"1"}]`, "{", "}", `{"a"`, `{"a":`, `{"a":"`, `{"a":"1`, `{"a":"1"`, `{"a":"1",`,
		`{,}`, `{"a":"1",}`, `{,"a":"1"}`, `{"a":"1",,"value":"2"}`, `{"a":"1" "value":"2"}`, `{"a" "1"}`, `{"a"::"1"}`, `{"a","1"}`, `{"a":"1"]`, `{"a":}`,
		`{"a":"1"}}`, `{"a":"1"}{}`, `{"a":"1"} x`, "{}\x00", "\v{}", "{}\f", "\u00a0{}", "\ufeff{}", "{}\u2028",
		`{"a":"1","a":"1"}`, `{"a":"","a":""}`, `{"A":"1"}`, `{"VALUE":"1"}`, `{"Value":"1","value":"2"}`, `{"\u0061":"1"}`, `{"unknown":"1"}`, `{"a ":"1"}`, "{\"a\x00\":\"1\"}",
		`{"a":null}`, `{"a":1}`, `{"a":true}`, `{"a":{}}`, `{"a":["1"]}`, `{"value":"1","a":{"a":"1"}}`, `{a:"1"}`, `{'a':'1'}`, `{"a":'1'}`,
		`{"a":"\n"}`, `{"a":"\""}`, `{"a":"\\"}`, `{"a":"\u0031"}`, `{"a":"1\"}`, `{"a":"\ud800"}`, `{"a":"0123456789\/"}`, `{"a\":"1"}`,
		"{\"a\":\"\u00e9\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\x80\"}", "{\"a\":\"\x9f\xa0\"}", "{\"a\":\"\u2028\"}", "{\"a\":\"\x1f\"}", "{\"a\":\"\x00\"}", "{\"a\":\"\n\"}",
	} {
		if got, ok := read(text); ok {
			t.Errorf("%q: %q", text, got)
		}
	}
	// Wherever it stands.
	for _, odd := range []string{"\x00", "\n", "\x1f", "\\", "\x80", "\xa0", "\xff"} {
		for at := range 20 {
			text := []byte(strings.Repeat("~", 20))
			text[at] = odd[0]
			if _, ok := read(`{"a":"` + string(text) + `"}`); ok {
				t.Errorf("%q", text)
			}
		}
	}
}

// FuzzStrings compares with encoding/json: what Strings finds are the members,
// each of a name that was there once, and the text has no other meaning.
func FuzzStrings(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":"1","value":"","":"x","Ab":"y"}`, " {\n\"a\" : \"1\" } \r\n", `{"a":"1","a":"2"}`, `{"A":"1"}`, `{"a":null}`, `{"a":"\n\u0041\ud83d\ude00"}`,
		`{"a":"é"}`, "{\"a\":\"\x1f\"}", "{\"a\":\"\xff\"}", `{"a":{"value":"1"}}`, `{"a":"1"}}`, `{"a":"1",}`, `{"a":"0123456789abcdef0123456789\"}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := read(text)
		if !ok {
			return
		}
		if !utf8.ValidString(text) {
			t.Fatalf("%q is not UTF-8", text)
		}
		var want map[string]string
		if err := json.Unmarshal([]byte(text), &want); err != nil || !maps.Equal(got, want) {
			t.Fatalf("%q: %q, want %q, %v", text, got, want, err)
		}
		decoder, tokens := json.NewDecoder(strings.NewReader(text)), 0
		for ; ; tokens++ {
			if _, err := decoder.Token(); err != nil {
				break
			}
		}
		if tokens != 2+2*len(got) {
			t.Fatalf("%q: %d tokens for %q", text, tokens, got)
		}
	})
}

func BenchmarkStrings(b *testing.B) {
	text := []byte(`{"a":"A256GCM","value":"` + strings.Repeat("0123456789abcdef", 342) + `"}`)
	values := make([][]byte, len(names))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if !jsontext.Strings(text, names, values) {
			b.Fatal("not plain")
		}
	}
}
