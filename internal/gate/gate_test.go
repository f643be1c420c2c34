package gate

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
)

func TestBoundedBody(t *testing.T) {
	for size := range 12 {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader, "with its end": iotest.DataErrReader,
		} {
			data := bytes.Repeat([]byte("x"), size)
			got, err := io.ReadAll(&boundedBody{io.NopCloser(wrap(bytes.NewReader(data))), 8, 8})
			if size <= 8 && (err != nil || !bytes.Equal(got, data)) {
				t.Errorf("%d bytes, %s: %q, %v", size, name, got, err)
			}
			if size > 8 && !errors.Is(err, ErrAnswerTooLarge) {
				t.Errorf("%d bytes, %s: %v", size, name, err)
			}
		}
	}
}

// TestDefaultTransport checks what a client is made with when nothing is given.
func TestDefaultTransport(t *testing.T) {
	gate := New(nil, 1<<20)
	client, ok := gate.next.(*http.Client)
	if !ok || client.CheckRedirect == nil || client.CheckRedirect(nil, nil) != http.ErrUseLastResponse {
		t.Fatalf("the transport is %+v", gate.next)
	}
	if rules := client.Transport.(*http.Transport).TLSClientConfig; rules.MinVersion < 0x0303 || rules.InsecureSkipVerify {
		t.Errorf("TLS is configured as %+v", rules)
	}
}
