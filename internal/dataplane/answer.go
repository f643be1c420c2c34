package dataplane

import (
	"slices"
	"strconv"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/jsontext"
)

// secretAnswer is a secret bundle that writes itself, because reading a secret is
// what most requests do.
type secretAnswer api.SecretBundle

// AppendJSON implements httpx.Appender.
func (b *secretAnswer) AppendJSON(dst []byte) []byte {
	o := jsontext.Begin(dst, jsontext.Plain)
	if b.Value != nil {
		o.Text("value", *b.Value)
	}
	o.SomeText("contentType", b.ContentType)
	o.SomeText("id", b.ID)
	appendTrue(&o, "managed", b.Managed)
	if b.Attributes != nil {
		o.Value(appendAttributes(o.Name("attributes"), b.Attributes))
	}
	if b.Tags != nil {
		o.Value(appendTags(o.Name("tags"), b.Tags))
	}
	o.SomeText("kid", b.KID)
	o.SomeText("previousVersion", b.PreviousVersion)
	return o.End()
}

func appendAttributes(dst []byte, a *api.Attributes) []byte {
	o := jsontext.Begin(dst, jsontext.Plain)
	appendBool(&o, "enabled", a.Enabled)
	appendInt(&o, "nbf", a.NotBefore)
	appendInt(&o, "exp", a.Expires)
	appendInt(&o, "created", a.Created)
	appendInt(&o, "updated", a.Updated)
	o.SomeText("recoveryLevel", string(a.RecoveryLevel))
	appendInt(&o, "recoverableDays", a.RecoverableDays)
	appendBool(&o, "exportable", a.Exportable)
	o.SomeText("hsmPlatform", a.HSMPlatform)
	return o.End()
}

// appendTags appends tags in the order of their names.
func appendTags(dst []byte, tags map[string]string) []byte {
	var room [maxTags]string
	names := room[:0]
	for name := range tags {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsontext.Plain(dst, name), ':')
		dst = jsontext.Plain(dst, tags[name])
	}
	return append(dst, '}')
}

// maxTags is how many tags an object has at most.
const maxTags = 15

func appendBool(o *jsontext.Object, name string, v *bool) {
	if v != nil {
		o.Value(strconv.AppendBool(o.Name(name), *v))
	}
}

func appendTrue(o *jsontext.Object, name string, v bool) {
	if v {
		appendBool(o, name, &v)
	}
}

func appendInt[T ~int32 | ~int64](o *jsontext.Object, name string, v *T) {
	if v != nil {
		o.Value(strconv.AppendInt(o.Name(name), int64(*v), 10))
	}
}
