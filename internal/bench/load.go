package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// loadSpec is a load generator: it keeps connections open, and on each sends a
// request when it has the answer to the one before. It does as little for a
// request as can be done, so that the server is what ends first.
type loadSpec struct {
	requests
	Address     string `json:"address"`
	Root        []byte `json:"root"` // the certificate to trust, DER encoded
	Connections int    `json:"connections"`
	// Streams, if not zero, asks for HTTP/2 with so many requests at once on each
	// connection.
	Streams int `json:"streams,omitempty"`
}

// caller is one connection of a load.
type caller interface {
	// call goes on until more says no, and adds how long each took, where that
	// is measured.
	call(more func() bool, took *histogram) error
	close() error
}

// load is the job of a load generator.
type load struct{ callers []caller }

func newLoad(ctx context.Context, s *loadSpec) (_ *load, err error) {
	l := &load{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	root, err := x509.ParseCertificate(s.Root)
	if err != nil {
		return nil, err
	}
	protocol := "http/1.1"
	if s.Streams > 0 {
		protocol = "h2"
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: s.Host, RootCAs: x509.NewCertPool(), NextProtos: []string{protocol}}
	config.RootCAs.AddCert(root)
	dialer := &tls.Dialer{Config: config}
	for range s.Connections {
		conn, err := dialer.DialContext(ctx, "tcp", s.Address)
		if err != nil {
			return nil, err
		}
		var c caller
		if s.Streams == 0 {
			c = newCaller1(conn, &s.requests)
		} else if c, err = newCaller2(conn, &s.requests, s.Streams); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		l.callers = append(l.callers, c)
	}
	return l, nil
}

func (l *load) address() string { return "" }

// run drives all connections until the task's bound. The first error ends it.
func (l *load) run(ctx context.Context, t task) (work, error) {
	var done, failed atomic.Int64
	started := time.Now()
	more := func() bool {
		switch {
		case failed.Load() > 0 || ctx.Err() != nil:
			return false
		case t.Requests > 0:
			return done.Add(1) <= t.Requests
		}
		// A first request is always made, however late this process is run.
		return done.Add(1) <= int64(len(l.callers)) || time.Since(started) < t.Duration
	}
	took := make([]histogram, len(l.callers))
	errs := make([]error, len(l.callers))
	var all sync.WaitGroup
	for i, c := range l.callers {
		all.Go(func() {
			if errs[i] = c.call(more, &took[i]); errs[i] != nil {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	w := work{Elapsed: time.Since(started)}
	w.percentiles(took)
	// Each caller's last question was answered with no.
	w.Done = done.Load() - int64(len(l.callers))
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return work{}, fmt.Errorf("load: %w", err)
	}
	return w, nil
}

func (l *load) close() error {
	var errs []error
	for _, c := range l.callers {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
