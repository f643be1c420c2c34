package dataplane

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
)

// FuzzSecretAnswer compares the answer that is written by hand with that of
// encoding/json, with every subset of the members: one that is new to the type
// and not to the code is missed.
func FuzzSecretAnswer(f *testing.F) {
	f.Add("text", int64(0), uint64(0))
	f.Add("text", int64(1_700_000_000), ^uint64(0))
	f.Add("<\"é\xff\u2028\n&", int64(-1), ^uint64(0))
	f.Add("", int64(7), uint64(0x5555_5555_5555_5555))
	f.Fuzz(func(t *testing.T, text string, number int64, members uint64) {
		var b api.SecretBundle
		fill(t, reflect.ValueOf(&b).Elem(), text, number, &members)
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(b); err != nil {
			t.Fatal(err)
		}
		if got := string((*secretAnswer)(&b).AppendJSON(nil)) + "\n"; got != want.String() {
			t.Errorf("%s\nwant\n%s", got, want.String())
		}
	})
}

// fill sets the members of a struct whose bit is set.
func fill(t *testing.T, v reflect.Value, text string, number int64, members *uint64) {
	t.Helper()
	set := *members&1 == 1
	if v.Kind() != reflect.Struct {
		*members >>= 1
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), text, number, members)
		}
	case reflect.Pointer:
		if set {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), text, number, members)
		}
	case reflect.Map:
		if set {
			v.Set(reflect.ValueOf(map[string]string{text: text, "b": "", "a": "1"}))
		}
	case reflect.String:
		if set {
			v.SetString(text)
		}
	case reflect.Bool:
		v.SetBool(set)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(int32(number)))
	default:
		t.Fatalf("a member of the type %s", v.Type())
	}
}
