package httpx

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

// document has a member of each form that the planes decode.
type document struct {
	Value *string           `json:"value,omitempty"`
	Size  *int32            `json:"size,omitempty"`
	Tags  map[string]string `json:"tags,omitempty"`
	Data  base64Text        `json:"data,omitempty"`
	Inner *struct {
		Exp *int64  `json:"exp,omitempty"`
		On  *bool   `json:"on,omitempty"`
		Ops []int32 `json:"ops,omitempty"`
	} `json:"inner,omitempty"`
}

// base64Text fails in its own words, as a type of the wire may.
type base64Text []byte

func (b base64Text) MarshalText() ([]byte, error) {
	return []byte(base64.StdEncoding.EncodeToString(b)), nil
}

func (b *base64Text) UnmarshalText(text []byte) (err error) {
	*b, err = base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		err = errors.New("not base64: " + string(text))
	}
	return err
}

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ body, value string }{
		"plain":               {`{"value":"v"}`, "v"},
		"space around":        {" \t\r\n{\"value\" : \"v\"}\n ", "v"},
		"byte order mark":     {"\ufeff{\"value\":\"v\"}", "v"},
		"case of names":       {`{"VALUE":"v"}`, "v"},
		"last one counts":     {`{"value":"u","Value":"v"}`, "v"},
		"unknown members":     {`{"new":[1,{"x":null}],"value":"v"}`, "v"},
		"other scripts":       {`{"value":"ü 😀 ` + "\u2028" + `"}`, "ü 😀 \u2028"},
		"escapes":             {`{"value":"\u00fc\ud83d\uDE00\n\/\\"}`, "ü😀\n/\\"},
		"escaped backslash":   {`{"value":"\\ud800"}`, `\ud800`},
		"pair after pair":     {`{"value":"\ud83d\ude00\ud83d\ude01"}`, "😀😁"},
		"the character FFFD":  {`{"value":"\ufffd` + "\ufffd" + `"}`, "\ufffd\ufffd"},
		"zero":                {`{"value":"\u0000"}`, "\x00"},
		"just below D800":     {`{"value":"\ud7ff\ue000"}`, "\ud7ff\ue000"},
		"pair in an unknown":  {`{"x":"\ud83d\ude00","value":"v"}`, "v"},
		"empty value":         {`{"value":""}`, ""},
		"as deep as it may":   {`{"x":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `,"value":"v"}`, "v"},
		"number that is text": {`{"value":"5","size":2147483647}`, "5"},
	} {
		var got document
		if err := DecodeJSON([]byte(tt.body), &got); err != nil || got.Value == nil || *got.Value != tt.value {
			t.Errorf("%s: %v, %+v, want value %q", name, err, got, tt.value)
		}
	}
	var got document
	if err := DecodeJSON([]byte(`{"value":null,"tags":{},"inner":{"exp":-1,"on":false}}`), &got); err != nil || got.Value != nil ||
		got.Tags == nil || *got.Inner.Exp != -1 || *got.Inner.On || got.Inner.Ops != nil {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	t.Parallel()
	const (
		empty   = "the request body is not usable: it is empty, and this operation needs a JSON object"
		noJSON  = "the request body is not usable: it is not valid JSON at byte "
		noUTF8  = "the request body is not usable: it is not UTF-8"
		half    = "the request body is not usable: it holds half of a surrogate pair"
		noThing = "the request body is not usable: it is not a JSON object"
		member  = "the request body is not usable: the member "
	)
	for _, tt := range []struct{ body, want string }{
		{"", empty}, {" \r\n\t", empty}, {"\ufeff", empty},

		{"[]", noThing}, {`[{"value":"v"}]`, noThing}, {"null", noThing}, {`"planted"`, noThing}, {"1", noThing}, {"true", noThing},
		{"planted", noThing}, {"\ufeff\ufeff{}", noThing}, {" \ufeff{}", noThing}, {"<planted/>", noThing},

		{"{", noJSON + "1"}, {`{"value":"planted"`, noJSON + "18"}, {`{"value":"v"}}`, noJSON + "14"}, {`{}{}`, noJSON + "3"}, {`{} planted`, noJSON + "4"},
		{`{"value":planted}`, noJSON + "10"}, {`{'value':1}`, noJSON + "2"}, {`{"value":"v",}`, noJSON + "14"}, {"{\"value\":\"\n\"}", noJSON + "11"},
		{`{"value":01}`, noJSON + "11"}, {`{"value":NaN}`, noJSON + "10"}, {`{}` + "\x00", noJSON + "3"}, {"\v{}", noJSON + "1"},
		{`{"value":"\ux000"}`, noJSON + "13"}, {`{"value":"\u00`, noJSON + "14"}, {`{"value":"\`, noJSON + "11"}, {`{"value":"\p"}`, noJSON + "12"},
		{`{"x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`, noJSON + "10005"},

		{"{\"value\":\"\xff\"}", noUTF8}, {"{\"value\":\"\xed\xa0\x80\"}", noUTF8}, {"{\"value\":\"\xc0\x80\"}", noUTF8}, {"\xff\xfe{\x00}\x00", noUTF8},

		{`{"value":"\ud800"}`, half}, {`{"value":"\uDfff"}`, half}, {`{"value":"\ud800x"}`, half}, {`{"value":"\ud800\n\udc00"}`, half},
		{`{"value":"\ud800\ud800\udc00"}`, half}, {`{"value":"\udc00\ud800"}`, half}, {`{"value":"\ud83d\ude00\ude00"}`, half}, {`{"value":"\ud800\u0041"}`, half},
		{`{"value":"\\\ud800"}`, half}, {`{"tags":{"\ud800":"x"}}`, half}, {`{"unknown":["\udc00"]}`, half}, {`{"value":"\ud800","x":"\udc00"}`, half},
		{`{"value":"\ud800` + "\xef\xbf\xbd" + `"}`, half}, {`{"value":"\ud800`, half},

		{`{"value":5}`, member + `"value" is a JSON number, which is the wrong type`},
		{`{"VALUE":true}`, member + `"value" is a JSON bool, which is the wrong type`},
		{`{"value":{"planted":"planted"}}`, member + `"value" is a JSON object, which is the wrong type`},
		{`{"value":["planted"]}`, member + `"value" is a JSON array, which is the wrong type`},
		{`{"size":"planted"}`, member + `"size" is a JSON string, which is the wrong type`},
		{`{"size":2147483648}`, member + `"size" is a JSON number, which is the wrong type`},
		{`{"size":1.5}`, member + `"size" is a JSON number, which is the wrong type`},
		{`{"inner":{"exp":123456789e400}}`, member + `"inner.exp" is a JSON number, which is the wrong type`},
		{`{"inner":{"on":"planted"}}`, member + `"inner.on" is a JSON string, which is the wrong type`},
		{`{"inner":{"ops":[1,"planted"]}}`, member + `"inner.ops" is a JSON string, which is the wrong type`},
		{`{"inner":"planted"}`, member + `"inner" is a JSON string, which is the wrong type`},
		{`{"tags":{"planted":7}}`, member + `"tags" is a JSON number, which is the wrong type`},
		{`{"data":"***planted***"}`, "the request body is not usable: a member has a value of the wrong form"},
	} {
		err := DecodeJSON([]byte(tt.body), new(document))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%.60q:\n %v, want\n %s", tt.body, err, tt.want)
			continue
		}
		if !errors.Is(err, ErrBody) || errors.Is(err, ErrBodyTooLarge) {
			t.Errorf("%.60q: error %#v", tt.body, err)
		}
		wrong := new(MemberError)
		if named := errors.As(err, &wrong); named != strings.HasPrefix(tt.want, member) || named && !strings.HasPrefix(tt.want, member+`"`+wrong.Member+`"`) {
			t.Errorf("%.60q: member %q in %#v", tt.body, wrong.Member, err)
		}
	}
}

// exchange returns one with a body, as a handler of a route with a limit has it.
func exchange(body io.Reader, limit int64) *Exchange {
	r := httptest.NewRequest("PUT", "/", body)
	return &Exchange{ResponseWriter: httptest.NewRecorder(), Request: r, Route: &Route{MaxBody: limit}}
}

func TestReadJSONLimit(t *testing.T) {
	t.Parallel()
	body := `{"value":"` + strings.Repeat("v", 100) + `"}`
	size := int64(len(body))
	for _, limit := range []int64{size, size + 1, math.MaxInt64} {
		var got document
		if err := exchange(strings.NewReader(body), limit).ReadJSON(&got); err != nil || len(*got.Value) != 100 {
			t.Errorf("%d bytes, limit %d: %v", size, limit, err)
		}
	}
	for _, limit := range []int64{0, 1, size - 1} {
		// What does not fit is refused even if the rest is no JSON, and without
		// reading all of it.
		rest := &endless{}
		err := exchange(io.MultiReader(strings.NewReader(body), rest), limit).ReadJSON(new(document))
		if !errors.Is(err, ErrBodyTooLarge) || errors.Is(err, ErrBody) || !strings.Contains(err.Error(), "over the limit of ") {
			t.Errorf("limit %d: %v", limit, err)
		}
		if rest.read > 1<<20 {
			t.Errorf("limit %d: %d bytes were read", limit, rest.read)
		}
	}
	if err := exchange(strings.NewReader(body+" "), size).ReadJSON(new(document)); !errors.Is(err, ErrBodyTooLarge) {
		t.Errorf("one byte of space over the limit: %v", err)
	}
}

// endless is a body that never ends.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	clear(p)
	return len(p), nil
}

func TestReadJSONOfAnInterruptedBody(t *testing.T) {
	t.Parallel()
	broken := io.MultiReader(strings.NewReader(`{"value":"planted"}`), iotest.ErrReader(errors.New("planted: reset")))
	err := exchange(broken, 1000).ReadJSON(new(document))
	if !errors.Is(err, ErrBody) || err.Error() != "the request body is not usable: it did not arrive whole" {
		t.Errorf("%v", err)
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	if err := WriteJSON(rec, http.StatusTeapot, map[string]string{"a": "<&>\u2028ü"}); err != nil {
		t.Fatal(err)
	}
	want := "{\"a\":\"<&>\\u2028ü\"}"
	if rec.Code != http.StatusTeapot || rec.Body.String() != want {
		t.Errorf("%d %s, want %s", rec.Code, rec.Body, want)
	}
	if got := rec.Header(); got.Get("Content-Type") != "application/json; charset=utf-8" || got.Get("Content-Length") != "19" {
		t.Errorf("headers %v for %d bytes", got, rec.Body.Len())
	}

	rec = httptest.NewRecorder()
	if err := WriteJSON(rec, http.StatusOK, math.NaN()); err == nil || !strings.HasPrefix(err.Error(), "encoding the answer: ") {
		t.Errorf("%v", err)
	}
	if rec.Body.Len() != 0 || len(rec.Header()) != 0 {
		t.Errorf("written in spite of the error: %v %q", rec.Header(), rec.Body)
	}
}

type ready string

func (r ready) AppendJSON(dst []byte) []byte { return append(dst, r...) }

// What an answer holds must not be found in the next one, nor in the room that it
// was put together in.
func TestWriteJSONKeepsNothing(t *testing.T) {
	t.Parallel()
	for _, answer := range []any{ready(`{"value":"s3cret"}`), map[string]string{"value": "s3cret"}} {
		rec := httptest.NewRecorder()
		if err := WriteJSON(rec, http.StatusOK, answer); err != nil || rec.Body.String() != `{"value":"s3cret"}` || rec.Header().Get("Content-Length") != "18" {
			t.Errorf("%v, %v, %q", err, rec.Header(), rec.Body)
		}
		b := &body{make([]byte, 0, 64)}
		room := b.text[:cap(b.text)]
		if err := b.encode(answer); err != nil || !bytes.Contains(room, []byte("s3cret")) {
			t.Fatalf("%v, %q", err, room)
		}
		b.free()
		if bytes.Contains(room, []byte("s3cret")) {
			t.Errorf("left behind: %q", room)
		}
	}
}

// keeping is a ResponseWriter that fails and keeps what it was given.
type keeping struct {
	http.ResponseWriter
	body []byte
}

func (k *keeping) Write(p []byte) (int, error) {
	k.body = p
	return 0, errors.New("stream closed")
}

func TestWriteJSONLeavesWhatIsNotWritten(t *testing.T) {
	t.Parallel()
	w := &keeping{ResponseWriter: httptest.NewRecorder()}
	if err := WriteJSON(w, http.StatusOK, ready("first")); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := WriteJSON(httptest.NewRecorder(), http.StatusOK, ready("other")); err != nil {
			t.Fatal(err)
		}
	}
	if string(w.body) != "first" {
		t.Errorf("the body has become %q", w.body)
	}
}

// deaf is a ResponseWriter whose peer has gone.
type deaf struct{ http.ResponseWriter }

func (deaf) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestReply(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	x := &Exchange{ResponseWriter: rec}
	if err := x.Reply(http.StatusNoContent, nil); err != nil || x.Status != http.StatusNoContent || rec.Code != http.StatusNoContent ||
		rec.Body.Len() != 0 || len(rec.Header()) != 0 {
		t.Errorf("%v, status %d, sent %d %v %q", err, x.Status, rec.Code, rec.Header(), rec.Body)
	}
	rec = httptest.NewRecorder()
	x = &Exchange{ResponseWriter: rec}
	if err := x.Reply(http.StatusCreated, []int{1}); err != nil || x.Status != http.StatusCreated || rec.Code != http.StatusCreated || rec.Body.String() != "[1]" {
		t.Errorf("%v, status %d, sent %d %q", err, x.Status, rec.Code, rec.Body)
	}
	rec = httptest.NewRecorder()
	x = &Exchange{ResponseWriter: rec}
	if err := x.Reply(http.StatusOK, func() {}); err == nil || x.Status != 0 || rec.Body.Len() != 0 {
		t.Errorf("%v, status %d, sent %q", err, x.Status, rec.Body)
	}
	// A peer that has gone is no failure of the operation.
	x = &Exchange{ResponseWriter: deaf{httptest.NewRecorder()}}
	if err := x.Reply(http.StatusOK, "x"); err != nil || x.Status != http.StatusOK {
		t.Errorf("%v, status %d", err, x.Status)
	}
}
