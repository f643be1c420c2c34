package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/server"
)

// serverSpec is a server process.
type serverSpec struct {
	// Listen is HOST:PORT.
	Listen string `json:"listen"`
	// Dir is the data directory of the real server.
	Dir string `json:"dir,omitempty"`
	// Leaves are the certificates by host.
	Leaves map[string]leaf `json:"leaves"`
	// Answer makes it a bare server that gives this answer to every request, after
	// a commit if there is an Engine, after a Primitive if one is named.
	Answer    *answer     `json:"answer,omitempty"`
	Engine    *engineSpec `json:"engine,omitempty"`
	Primitive primitive   `json:"primitive,omitempty"`
}

// answer is an HTTP answer of status 200.
type answer struct {
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

// getCertificate returns what both kinds of server are configured with.
func (s *serverSpec) getCertificate() (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	certs := map[string]*tls.Certificate{}
	for host, l := range s.Leaves {
		key, err := x509.ParsePKCS8PrivateKey(l.Key)
		if err != nil {
			return nil, err
		}
		parsed, err := x509.ParseCertificate(l.Certificate)
		if err != nil {
			return nil, err
		}
		certs[host] = &tls.Certificate{Certificate: [][]byte{l.Certificate}, PrivateKey: key, Leaf: parsed}
	}
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if cert := certs[hello.ServerName]; cert != nil {
			return cert, nil
		}
		return nil, fmt.Errorf("there is no certificate for %q", hello.ServerName)
	}, nil
}

// listening is a job that serves.
type listening struct {
	listener net.Listener
	served   chan error
	shutdown func(context.Context) error
}

// listen serves until the job is closed.
func listen(address string, serve func(net.Listener) error, shutdown func(context.Context) error) (*listening, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &listening{listener: ln, served: make(chan error, 1), shutdown: shutdown}
	go func() { l.served <- serve(ln) }()
	return l, nil
}

func (l *listening) address() string { return l.listener.Addr().String() }

func (l *listening) run(context.Context, task) (work, error) {
	return work{}, errors.New("a server only answers")
}

// patience is how long a server may take to start, or to end: a connection that its
// client keeps can hold it up, and so can a busy machine.
const patience = time.Minute

func (l *listening) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(l.shutdown(ctx), <-l.served)
}

// hosts are the names that the measured server answers for.
func hosts() httpx.Hosts { return httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow()} }

// serverConfig returns what the real server is opened with, everywhere here.
func serverConfig(dir string, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) server.Config {
	return server.Config{
		Data:        server.DataConfig{Dir: dir},
		Hosts:       hosts(),
		Issuer:      "https://sts.windows.net/{tenant}/",
		Certificate: certificate,
		Logger:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// newServer is the real server.
func newServer(ctx context.Context, s *serverSpec) (job, error) {
	certificate, err := s.getCertificate()
	if err != nil {
		return nil, err
	}
	srv, err := server.Open(ctx, serverConfig(s.Dir, certificate))
	if err != nil {
		return nil, err
	}
	l, err := listen(s.Listen, srv.Serve, srv.Shutdown)
	if err != nil {
		return nil, errors.Join(err, srv.Shutdown(ctx))
	}
	return l, nil
}

// newBare is net/http with TLS and as little as can be behind it, under the
// settings of the real server: the most that any server of ours could do.
func newBare(s *serverSpec) (job, error) {
	certificate, err := s.getCertificate()
	if err != nil {
		return nil, err
	}
	handler, end, err := s.bareHandler()
	if err != nil {
		return nil, err
	}
	srv := &http.Server{
		Handler:           handler,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate},
		MaxHeaderBytes:    64 << 10,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      120 * time.Second,
		IdleTimeout:       3 * time.Minute,
	}
	serve := func(ln net.Listener) error {
		if err := srv.ServeTLS(ln, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("bare server: %w", err)
		}
		return nil
	}
	shutdown := func(ctx context.Context) error { return errors.Join(srv.Shutdown(ctx), end()) }
	l, err := listen(s.Listen, serve, shutdown)
	if err != nil {
		return nil, errors.Join(err, end())
	}
	return l, nil
}

// bareHandler returns what a bare server does with a request, and what ends it.
func (s *serverSpec) bareHandler() (handler http.Handler, end func() error, err error) {
	if s.Primitive != "" {
		do, err := s.Primitive.work()
		return using(do, s.Answer), func() error { return nil }, err
	}
	if s.Engine == nil {
		return s.Answer, func() error { return nil }, nil
	}
	e, err := newEngine(s.Engine)
	if err != nil {
		return nil, nil, err
	}
	return committing(e, s.Answer), e.close, nil
}

// committing reads the body of a request, commits, and lets next answer.
func committing(e *engine, next http.Handler) http.Handler {
	idle := sync.Pool{New: func() any { return newWriter(e) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			one := idle.Get().(*writer)
			err = one.commit(r.Context())
			idle.Put(one)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// using reads the body of a request, does the work, and lets next answer.
func using(do func() error, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			err = do()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP gives the answer. It shares the header's values between answers, as
// cheaply as a handler can.
func (a *answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	_, _ = w.Write(a.Body) // the peer may have gone
}
