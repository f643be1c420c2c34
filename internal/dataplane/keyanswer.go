package dataplane

import (
	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/jsontext"
)

// keyAnswer is the result of an operation with a key that writes itself: its
// binary members go into the answer without a text of their own.
type keyAnswer api.KeyOperationResult

// AppendJSON implements httpx.Appender.
func (r *keyAnswer) AppendJSON(dst []byte) []byte {
	o := jsontext.Begin(dst, jsontext.Plain)
	o.SomeText("kid", r.KID)
	appendBinary(&o, "value", r.Value)
	for _, m := range [...]struct {
		name  string
		value api.Base64URL
	}{{"iv", r.IV}, {"tag", r.Tag}, {"aad", r.AAD}} {
		if len(m.value) != 0 {
			appendBinary(&o, m.name, m.value)
		}
	}
	return o.End()
}

func appendBinary(o *jsontext.Object, name string, value api.Base64URL) {
	text, _ := value.AppendText(append(o.Name(name), '"')) // never fails
	o.Value(append(text, '"'))
}

// verifyAnswer is the result of verify that writes itself.
type verifyAnswer api.KeyVerifyResult

// AppendJSON implements httpx.Appender.
func (r *verifyAnswer) AppendJSON(dst []byte) []byte {
	o := jsontext.Begin(dst, jsontext.Plain)
	appendBool(&o, "value", &r.Value)
	return o.End()
}
