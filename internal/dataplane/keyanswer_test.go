package dataplane

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// FuzzKeyAnswer compares the answers that are written by hand with those of
// encoding/json, with every subset of the members.
func FuzzKeyAnswer(f *testing.F) {
	f.Add("https://unit.vault.azure.net/keys/k/1", []byte{0xfb, 0xff}, uint8(0))
	f.Add("<\"é\xff\u2028\n&", []byte{}, ^uint8(0))
	f.Add("", bytes.Repeat([]byte("long"), 1024), uint8(0x55))
	f.Fuzz(func(t *testing.T, text string, data []byte, members uint8) {
		for _, answer := range []any{new(api.KeyOperationResult), new(api.KeyVerifyResult)} {
			v, left := reflect.ValueOf(answer).Elem(), members
			for i := range v.NumField() {
				set := left&1 == 1
				left >>= 1
				switch field := v.Field(i); field.Kind() {
				case reflect.String:
					field.SetString(text)
				case reflect.Slice:
					if set {
						field.SetBytes(data[min(i, len(data)):])
					}
				case reflect.Bool:
					field.SetBool(set)
				default:
					t.Fatalf("a member of the type %s", field.Type())
				}
			}
			var want bytes.Buffer
			e := json.NewEncoder(&want)
			e.SetEscapeHTML(false)
			if err := e.Encode(answer); err != nil {
				t.Fatal(err)
			}
			var own httpx.Appender
			switch answer := answer.(type) {
			case *api.KeyOperationResult:
				own = (*keyAnswer)(answer)
			case *api.KeyVerifyResult:
				own = (*verifyAnswer)(answer)
			}
			if got := string(own.AppendJSON([]byte("before "))) + "\n"; got != "before "+want.String() {
				t.Errorf("%s\nwant\n%s", got, want.String())
			}
		}
	})
}

// BenchmarkKeyAnswer writes the answer to encrypting 4 KiB.
func BenchmarkKeyAnswer(b *testing.B) {
	answer := &keyAnswer{KID: "https://unit.vault.azure.net/keys/k/1", Value: make([]byte, 4096), IV: make([]byte, 12), Tag: make([]byte, 16)}
	rw := &taken{header: map[string][]string{}}
	b.ReportAllocs()
	for b.Loop() {
		if err := httpx.WriteJSON(rw, 200, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKeyAnswerByReflection is what that took of encoding/json.
func BenchmarkKeyAnswerByReflection(b *testing.B) {
	answer := &api.KeyOperationResult{KID: "https://unit.vault.azure.net/keys/k/1", Value: make([]byte, 4096), IV: make([]byte, 12), Tag: make([]byte, 16)}
	rw := &taken{header: map[string][]string{}}
	b.ReportAllocs()
	for b.Loop() {
		if err := httpx.WriteJSON(rw, 200, answer); err != nil {
			b.Fatal(err)
		}
	}
}
