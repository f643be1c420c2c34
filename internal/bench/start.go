package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/loopback"
)

// large returns the house with sizes.start secrets, which scenarios share.
func (r *run) large(ctx context.Context) (*house, error) {
	var err error
	if r.big == nil {
		r.progress("setting %d secrets", r.sizes.start)
		r.big, err = r.newHouse(ctx, "start", r.sizes.start, byRoles)
	}
	return r.big, err
}

// start measures the time from exec to the first answer, with a data directory
// that holds secrets, against a process that only listens. The files are in the
// operating system's cache.
func (r *run) start(ctx context.Context) error {
	h, err := r.large(ctx)
	if err != nil {
		return err
	}
	times := 10
	if r.Quick {
		times = 5
	}
	// The first start after the writes has their log to read.
	if _, _, err := r.timeStart(ctx, h, h.server()); err != nil {
		return err
	}
	var firsts, secrets, limits, devs []float64
	for range times {
		first, secret, err := r.timeStart(ctx, h, h.server())
		if err != nil {
			return err
		}
		_, limit, err := r.timeStart(ctx, h, h.bare(&answer{}))
		if err != nil {
			return err
		}
		firsts, secrets = append(firsts, milliseconds(first)), append(secrets, milliseconds(secret))
		limits = append(limits, milliseconds(limit))
		if len(r.Dev) == 0 {
			continue
		}
		d, err := r.timeDev(ctx, h)
		if err != nil {
			return err
		}
		devs = append(devs, milliseconds(d))
	}
	row := Row{Unit: Milliseconds, LimitOf: "a process that only listens and answers", Budget: figureAtMost(50)}
	row.Scenario = fmt.Sprintf("start to first answer, %s secrets", count(h.names))
	r.add(compare(row, firsts, limits))
	row.Scenario = fmt.Sprintf("start to first secret, %s secrets", count(h.names))
	r.add(compare(row, secrets, limits))
	if len(devs) > 0 {
		row.Scenario = fmt.Sprintf("okv dev to first secret, %s secrets", count(h.names))
		row.Budget = figureAtMost(100)
		r.add(compare(row, devs, limits))
	}
	return nil
}

// timeStart starts a server process and returns after what time it gave any
// answer, and after what time a secret.
func (r *run) timeStart(ctx context.Context, h *house, s spec) (first, secret time.Duration, err error) {
	address, err := loopback.Free()
	if err != nil {
		return 0, 0, err
	}
	s.Server.Listen = address
	type answered struct {
		first, secret time.Duration
		err           error
	}
	result := make(chan answered, 1)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	go func() {
		first, secret, err := h.firstAnswers(ctx, address, began)
		result <- answered{first, secret, err}
	}()
	c, err := r.spawn(ctx, anyCore, s)
	if err != nil {
		cancel()
		<-result
		return 0, 0, err
	}
	got := <-result
	return got.first, got.secret, errors.Join(got.err, c.stop())
}

// timeDev is timeStart for okv dev on the same data.
func (r *run) timeDev(ctx context.Context, h *house) (secret time.Duration, err error) {
	address, err := loopback.Free()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	args := append(r.Dev[1:len(r.Dev):len(r.Dev)], "--data-dir", h.dir, "--listen", address)
	cmd := exec.CommandContext(ctx, r.Dev[0], args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var messages tail
	cmd.Stderr = &messages
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	_, secret, err = h.firstAnswers(ctx, address, began)
	cancel()
	if ended := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("okv dev: %w: %w: %s", err, ended, messages.String())
	}
	return secret, nil
}

// retry is how long a client waits before it tries again to connect.
const retry = 100 * time.Microsecond

// firstAnswers connects as soon as it can, asks without a token, and then for a
// secret, and returns how long after began each was answered.
func (h *house) firstAnswers(ctx context.Context, address string, began time.Time) (first, secret time.Duration, err error) {
	root, err := x509.ParseCertificate(h.root)
	if err != nil {
		return 0, 0, err
	}
	s := h.load(address, byRoles, opGet)
	config := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: s.Host, RootCAs: x509.NewCertPool(), NextProtos: []string{"http/1.1"}}
	config.RootCAs.AddCert(root)
	dialer := &tls.Dialer{Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	for err != nil && ctx.Err() == nil {
		time.Sleep(retry)
		conn, err = dialer.DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	unknown := s.requests
	unknown.Token = "none"
	if _, _, err := newCaller1(conn, &unknown).once(); err != nil {
		return 0, 0, err
	}
	first = time.Since(began)
	status, _, err := newCaller1(conn, &s.requests).once()
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the first secret: status %d", status)
	}
	return first, time.Since(began), err
}
