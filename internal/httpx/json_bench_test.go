package httpx

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
)

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// bodiesOf are what the operations are sent that are asked for most.
func bodiesOf() map[string]string {
	data := bytes.Repeat([]byte("0123456789abcdef"), 256)
	page, digest, signature := encode(data), encode(data[:32]), encode(data[:64])
	return map[string]string{
		"encrypt 4 KiB":             `{"alg":"A256GCM","value":"` + page + `"}`,
		"sign":                      `{"alg":"ES256","value":"` + digest + `"}`,
		"verify":                    `{"alg":"ES256","digest":"` + digest + `","value":"` + signature + `"}`,
		"set":                       `{"value":"correct horse battery staple","contentType":"text/plain"}`,
		"set 4 KiB":                 `{"value":"` + page[:4096] + `"}`,
		"set 4 KiB of lines":        `{"value":"` + strings.Repeat(page[:62]+`\n`, 64) + `"}`,
		"set with tags and a state": `{"value":"correct horse battery staple","attributes":{"enabled":true},"tags":{"team":"red"}}`,
	}
}

// BenchmarkReadJSON reads bodies that are in memory.
func BenchmarkReadJSON(b *testing.B) {
	texts := bodiesOf()
	for _, bm := range []struct {
		name string
		into func() any
	}{
		{"encrypt 4 KiB", func() any { return new(api.KeyOperationParameters) }},
		{"sign", func() any { return new(api.KeySignParameters) }},
		{"verify", func() any { return new(api.KeyVerifyParameters) }},
		{"set", func() any { return new(api.SecretSetParameters) }},
		{"set 4 KiB", func() any { return new(api.SecretSetParameters) }},
		{"set 4 KiB of lines", func() any { return new(api.SecretSetParameters) }},
		{"set with tags and a state", func() any { return new(api.SecretSetParameters) }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			text := strings.NewReader(texts[bm.name])
			x := &Exchange{
				ResponseWriter: &unread{header: http.Header{}}, Route: &Route{MaxBody: 1 << 20},
				Request: &http.Request{Body: io.NopCloser(text), ContentLength: text.Size()},
			}
			b.SetBytes(text.Size())
			b.ReportAllocs()
			for b.Loop() {
				text.Seek(0, io.SeekStart)
				if err := x.ReadJSON(bm.into()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// unread is a ResponseWriter whose peer takes everything and looks at nothing.
type unread struct{ header http.Header }

func (u *unread) Header() http.Header { return u.header }

func (u *unread) Write(p []byte) (int, error) { return len(p), nil }

func (u *unread) WriteHeader(int) {}
