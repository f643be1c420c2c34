package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/openkeyvault/openkeyvault/api"
)

// The same types without their methods: encoding/json decodes them.
type (
	slowOperation api.KeyOperationParameters
	slowSign      api.KeySignParameters
	slowVerify    api.KeyVerifyParameters
	slowSet       api.SecretSetParameters
)

// FuzzUnmarshalFlat wants the types that decode themselves to be decoded, or refused
// in the same words, as if they did not.
func FuzzUnmarshalFlat(f *testing.F) {
	for _, text := range bodiesOf() {
		f.Add([]byte(text))
	}
	for _, text := range []string{
		"", "{}", " {} ", `{"alg":"RS256","value":"AA=="}`, `{"ALG":"RS256"}`, `{"value":"AA","value":"AAA"}`, `{"value":"AB"}`, `{"value":7}`, `{"value":"\ud800"}`, `{"value":"` + "\xff" + `"}`,
		`{"value":"A` + "\n" + `A"}`, `{"value":"AA","new":null}`, `{"value":"AA"}}`, `{"value":"é"}`, `{"value":null,"digest":"","iv":"+/8"}`, `{"value":"AA","tags":{"a":1}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, pair := range []struct{ fast, slow any }{
			{new(api.KeyOperationParameters), new(slowOperation)}, {new(api.KeySignParameters), new(slowSign)},
			{new(api.KeyVerifyParameters), new(slowVerify)}, {new(api.SecretSetParameters), new(slowSet)},
		} {
			got, want := DecodeJSON(text, pair.fast), DecodeJSON(text, pair.slow)
			if (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
				t.Fatalf("%T from %q: %v, want %v", pair.fast, text, got, want)
			}
			slow := reflect.ValueOf(pair.slow).Convert(reflect.TypeOf(pair.fast)).Interface()
			if got == nil && !reflect.DeepEqual(pair.fast, slow) {
				t.Fatalf("%T from %q differs", pair.fast, text)
			}
		}
	})
}

var escapedFFFD = regexp.MustCompile(`(?i)\\ufffd`)

// FuzzLoneSurrogate compares with decoding, which puts U+FFFD where half of a
// pair was.
func FuzzLoneSurrogate(f *testing.F) {
	for _, text := range []string{
		"", "plain", `\n`, `\\ud800`, `\ud83d\ude00`, `\ud83d\ude00\ud83d`, `\ud83dx\ude00`, `\ud83d\\ude00`, `\ud83d\n`, `\ude00`, `\ufffd` + "\ufffd", `\\\\\ud800`, `\ud800\ud800\udc00`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var decoded string
		quoted := []byte(`"` + text + `"`)
		if !utf8.ValidString(text) || json.Unmarshal(quoted, &decoded) != nil {
			loneSurrogate(quoted) // must end
			return
		}
		given := strings.Count(text, "\ufffd") + len(escapedFFFD.FindAllString(strings.ReplaceAll(text, `\\`, ""), -1))
		if want := strings.Count(decoded, "\ufffd") > given; loneSurrogate(quoted) != want {
			t.Fatalf("%q: want %v", text, want)
		}
	})
}

// TestReadJSONOfAnySize reads bodies that come in pieces, and whose length is
// given, not given or not true.
func TestReadJSONOfAnySize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 1000, 2 << 10, 6 << 10, 32 << 10, maxTrusted - 12, maxTrusted, 300 << 10} {
		value := strings.Repeat("v", size)
		text := `{"value":"` + value + `"}`
		for _, said := range []int64{-1, 0, 1, int64(len(text)) - 1, int64(len(text)), int64(len(text)) + 1, 1 << 60} {
			for name, body := range map[string]io.Reader{
				"at once": strings.NewReader(text), "in halves": iotest.HalfReader(strings.NewReader(text)), "with its end": iotest.DataErrReader(strings.NewReader(text)),
			} {
				x := exchange(body, 1<<20)
				x.ContentLength = said
				var got api.SecretSetParameters
				if err := x.ReadJSON(&got); err != nil || got.Value == nil || *got.Value != value {
					t.Errorf("%d bytes, said to be %d, %s: %v", len(text), said, name, err)
				}
			}
		}
	}
}

// What a body holds must not be found in the room that it was read into, however
// that had to grow; and the values that were decoded are not in that room.
func TestReadJSONKeepsNothing(t *testing.T) {
	t.Parallel()
	b := &body{make([]byte, 0, 64)}
	small := b.text[:cap(b.text)]
	text := `{"value":"s3cret","contentType":"` + strings.Repeat("c", 4<<10) + `"}`
	if err := b.fill(iotest.OneByteReader(strings.NewReader(text)), -1); err != nil || string(b.text) != text {
		t.Fatalf("%v, %q", err, b.text)
	}
	var got api.SecretSetParameters
	if err := DecodeJSON(b.text, &got); err != nil {
		t.Fatal(err)
	}
	large := b.text
	b.free()
	if bytes.Contains(small, []byte("s3cret")) || bytes.Contains(large, []byte("s3cret")) {
		t.Errorf("left behind: %q, %.60q", small, large)
	}
	if *got.Value != "s3cret" || len(*got.ContentType) != 4<<10 {
		t.Errorf("what was decoded has become %q", *got.Value)
	}

	broken := io.MultiReader(strings.NewReader(`{"value":"s3cret`), iotest.ErrReader(errors.New("reset")))
	b = &body{make([]byte, 0, 64)}
	room := b.text[:cap(b.text)]
	if err := b.fill(broken, 10); err == nil {
		t.Fatal("no error")
	}
	b.free()
	if bytes.Contains(room, []byte("s3cret")) {
		t.Errorf("left behind: %q", room)
	}
}

// TestReadJSONOverAConnection reads what a server reads, and tells a peer whose
// body is over the limit that the connection ends.
func TestReadJSONOverAConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &Exchange{ResponseWriter: w, Request: r, Route: &Route{MaxBody: 10_000}}
		var got api.KeyOperationParameters
		if err := x.ReadJSON(&got); errors.Is(err, ErrBodyTooLarge) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		} else if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		} else if err := WriteJSON(w, http.StatusOK, map[string]int{"bytes": len(got.Value)}); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	for _, tt := range []struct {
		body   io.Reader // without a length if it is not a strings.Reader
		status int
		answer string
	}{
		{strings.NewReader(bodiesOf()["encrypt 4 KiB"]), http.StatusOK, `{"bytes":4096}`},
		{io.MultiReader(strings.NewReader(bodiesOf()["encrypt 4 KiB"])), http.StatusOK, `{"bytes":4096}`},
		{strings.NewReader(strings.Repeat(" ", 100_000)), http.StatusRequestEntityTooLarge, ""},
		{strings.NewReader(`{"value":`), http.StatusBadRequest, ""},
	} {
		res, err := server.Client().Post(server.URL, "application/json", tt.body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != tt.status || string(text) != tt.answer || res.Close != (tt.status == http.StatusRequestEntityTooLarge) {
			t.Errorf("status %d, want %d: %q, closed %v, %v", res.StatusCode, tt.status, text, res.Close, err)
		}
	}
}
