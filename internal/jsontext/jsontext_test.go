package jsontext_test

import (
	"bytes"
	"encoding/json"
	"testing"

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
