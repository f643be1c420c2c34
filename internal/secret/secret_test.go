package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/secret"
)

const hidden = "correct horse"

// leaks reports whether text holds the secret in a form that fmt or an encoder
// might give it: as text, as hexadecimal, or as the decimal list of a []byte.
func leaks(text string) bool {
	low := strings.ToLower(text)
	for _, form := range []string{
		hidden,
		fmt.Sprintf("%x", hidden),
		fmt.Sprintf("% x", hidden),
		strings.Trim(fmt.Sprint([]byte(hidden)), "[]"),
		strings.Trim(fmt.Sprintf("%#v", []byte(hidden)), "[]byte{}"),
		"Y29ycmVjdCBob3JzZQ",
	} {
		if strings.Contains(low, strings.ToLower(form)) {
			return true
		}
	}
	return false
}

type holder struct {
	Open   secret.Bytes
	closed secret.Bytes
	list   []secret.Bytes
	named  map[string]secret.Bytes
	ptr    *secret.Bytes
	any    any
}

func newHolder() holder {
	s := secret.New([]byte(hidden))
	return holder{
		Open: s, closed: s, list: []secret.Bytes{s},
		named: map[string]secret.Bytes{"k": s}, ptr: &s, any: s,
	}
}

func TestLeaksFindsASecret(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"%v", "%s", "%x", "%X", "% x", "%#v", "%q"} {
		if text := fmt.Sprintf(verb, []byte(hidden)); !leaks(text) {
			t.Errorf("the detector misses %s: %s", verb, text)
		}
	}
}

func TestNothingPrintsIt(t *testing.T) {
	t.Parallel()
	s, h := secret.New([]byte(hidden)), newHolder()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%p", "%08b"} {
		for name, value := range map[string]any{
			"value": s, "pointer": &s, "struct": h, "pointer to struct": &h,
			"slice": []secret.Bytes{s}, "map": map[string]secret.Bytes{"k": s}, "array": [1]secret.Bytes{s},
		} {
			if text := fmt.Sprintf(verb, value); leaks(text) {
				t.Errorf("%s of a %s: %s", verb, name, text)
			}
		}
	}
	if s.String() != secret.Redacted || s.GoString() != secret.Redacted || fmt.Sprintf("%x", s) != secret.Redacted {
		t.Errorf("String %q, GoString %q, %%x %x", s.String(), s.GoString(), s)
	}
}

func TestNothingMarshalsIt(t *testing.T) {
	t.Parallel()
	s, h := secret.New([]byte(hidden)), newHolder()
	for name, marshal := range map[string]func(any) ([]byte, error){
		"json": json.Marshal,
		"xml":  xml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return b.Bytes(), err
		},
	} {
		for _, value := range []any{s, &s, h, &h, struct{ S secret.Bytes }{s}} {
			// An encoder may also refuse: what counts is that nothing gets out.
			out, err := marshal(value)
			if leaks(string(out)) || (err != nil && leaks(err.Error())) {
				t.Errorf("%s of %T: %s, %v", name, value, out, err)
			}
		}
	}
	if out, err := json.Marshal(map[string]secret.Bytes{"k": s}); err != nil || string(out) != `{"k":"[secret]"}` {
		t.Errorf("json = %s, %v", out, err)
	}
}

func TestNothingLogsIt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		h := newHolder()
		slog.New(handler).Info("x", "secret", h.Open, "holder", h, "pointer", &h, "list", h.list)
	}
	if leaks(out.String()) || !strings.Contains(out.String(), secret.Redacted) {
		t.Errorf("log: %s", out.String())
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	a := secret.New([]byte("a"))
	for _, c := range []struct {
		name string
		b    secret.Bytes
		want bool
	}{
		{"itself", a, true},
		{"same bytes", secret.New([]byte("a")), true},
		{"other bytes", secret.New([]byte("b")), false},
		{"longer", secret.New([]byte("aa")), false},
		{"empty", secret.New(nil), false},
		{"zero value", secret.Bytes{}, false},
	} {
		if got := a.Equal(c.b); got != c.want {
			t.Errorf("%s: Equal = %v", c.name, got)
		}
	}
	if !(secret.Bytes{}).Equal(secret.New([]byte{})) {
		t.Error("two empty secrets differ")
	}
}

func TestZero(t *testing.T) {
	t.Parallel()
	b := []byte(hidden)
	s := secret.New(b)
	alias := s
	s.Zero()
	if strings.Trim(string(b), "\x00") != "" || alias.Len() != len(hidden) {
		t.Errorf("after Zero: %q, length %d", b, alias.Len())
	}
	secret.Bytes{}.Zero() // must not panic
}
