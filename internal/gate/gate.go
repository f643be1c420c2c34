// Package gate is the last gate before the network of the client libraries.
//
// It guarantees that whatever policies, links and redirects above it did, a request
// leaves over TLS and to one origin only, and that an answer is read up to a bound.
// It knows neither tokens nor what is asked.
package gate

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

// ErrAnswerTooLarge is the error of who reads too much of an answer.
var ErrAnswerTooLarge = errors.New("the answer is too large")

// Permanent returns err as one that no repetition mends; azcore's retry policy
// looks for its method.
func Permanent(err error) error { return permanent{err} }

type permanent struct{ error }

func (permanent) NonRetriable() {}

func (p permanent) Unwrap() error { return p.error }

// Origin is a host and a port. Hosts are in lower case and ports explicit, so
// that origins can be compared.
type Origin struct{ Host, Port string }

// OriginOf returns where a URL leads.
func OriginOf(u *url.URL) Origin {
	o := Origin{Host: strings.ToLower(u.Hostname()), Port: u.Port()}
	if o.Port == "" {
		o.Port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return o
}

// String returns HOST:PORT.
func (o Origin) String() string { return net.JoinHostPort(o.Host, o.Port) }

// Transport is a policy.Transporter that lets requests through to one origin. It
// is safe for concurrent use.
type Transport struct {
	// Origin is where requests may go. It must not change after the first.
	Origin    Origin
	next      policy.Transporter
	maxAnswer int64
}

// New returns a gate before next, which is net/http's if it is nil. An
// *http.Client that has no rule for redirects gets one: it follows none. Reading
// more than maxAnswer bytes of an answer, after decompression, is an error.
func New(next policy.Transporter, maxAnswer int64) *Transport {
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
	return &Transport{next: next, maxAnswer: maxAnswer}
}

// keepRedirect returns redirects as answers. The services send none for what the
// libraries ask, and following one would carry the token or a secret's value to
// wherever it points.
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

// Do implements policy.Transporter.
func (t *Transport) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, Permanent(errors.New("refusing to send a request without TLS"))
	}
	if to := OriginOf(req.URL); to != t.Origin {
		return nil, Permanent(fmt.Errorf("refusing to send a request for %s to %s", t.Origin, to))
	}
	resp, err := t.next.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.Body != nil {
		resp.Body = &boundedBody{resp.Body, t.maxAnswer, t.maxAnswer}
	}
	return resp, nil
}

// boundedBody fails once more than left bytes have been read.
type boundedBody struct {
	io.ReadCloser
	left, bound int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, b.tooLarge()
	}
	// One byte more than allowed tells an answer that fits from one that does
	// not.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, b.tooLarge()
	}
	return n, err
}

func (b *boundedBody) tooLarge() error {
	return Permanent(fmt.Errorf("%w: it has more than %d bytes", ErrAnswerTooLarge, b.bound))
}
