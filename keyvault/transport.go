package keyvault

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// maxAnswer bounds what is read of an answer, after decompression. The largest
// legitimate ones are backups of objects with many versions.
const maxAnswer = 32 << 20

var errAnswerTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxAnswer)

// permanent is an error that no repetition mends; azcore's retry policy looks
// for its method.
type permanent struct{ error }

func (permanent) NonRetriable() {}

func (p permanent) Unwrap() error { return p.error }

// origin is a host and a port. Hosts are in lower case and ports explicit, so
// that origins can be compared.
type origin struct{ host, port string }

func originOf(u *url.URL) origin {
	o := origin{host: strings.ToLower(u.Hostname()), port: u.Port()}
	if o.port == "" {
		o.port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return o
}

func (o origin) String() string { return net.JoinHostPort(o.host, o.port) }

// transport is the last gate before the network. Whatever the policies above it
// did, a request leaves over TLS and to the vault only, and an answer is read
// up to a bound.
type transport struct {
	next  policy.Transporter
	vault origin
}

func newTransport(next policy.Transporter, vault origin) *transport {
	switch t := next.(type) {
	case nil:
		next = defaultClient()
	case *http.Client:
		if t.CheckRedirect == nil {
			own := *t
			own.CheckRedirect = keepRedirect
			next = &own
		}
	}
	return &transport{next: next, vault: vault}
}

// keepRedirect returns redirects as answers. A vault sends none, and following
// one would carry the token or a secret's value to wherever it points.
func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

var defaultClient = sync.OnceValue(func() *http.Client {
	client := &http.Client{Transport: http.DefaultTransport, CheckRedirect: keepRedirect}
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		t = t.Clone()
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{}
		}
		t.TLSClientConfig.MinVersion = max(t.TLSClientConfig.MinVersion, tls.VersionTLS12)
		client.Transport = t
	}
	return client
})

func (t *transport) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, permanent{errors.New("refusing to send a request without TLS")}
	}
	if to := originOf(req.URL); to != t.vault {
		return nil, permanent{fmt.Errorf("refusing to send a request for the vault %s to %s", t.vault, to)}
	}
	resp, err := t.next.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.Body != nil {
		resp.Body = &boundedBody{resp.Body, maxAnswer}
	}
	return resp, nil
}

// boundedBody fails once more than left bytes have been read.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, permanent{errAnswerTooLarge}
	}
	// One byte more than allowed tells an answer that fits from one that does
	// not.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, permanent{errAnswerTooLarge}
	}
	return n, err
}
