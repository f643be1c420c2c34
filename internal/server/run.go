package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/config"
	"github.com/openkeyvault/openkeyvault/internal/egress"
	"github.com/openkeyvault/openkeyvault/internal/seal"
)

// RunConfig is what Run needs besides the configuration file.
type RunConfig struct {
	*config.Config
	// OpenRoot opens the root key of a URI; nil is seal.OpenRoot.
	OpenRoot func(uri string) (seal.Root, error)
	// Reload receives when the certificate is to be read and the audit log to be
	// begun again. It may be nil.
	Reload <-chan struct{}
	Logger *slog.Logger

	// after is a seam for tests; nil is time.After.
	after func(time.Duration) <-chan time.Time
}

// Data returns the data of a configuration: an installation that Install made.
func Data(cfg *config.Config) DataConfig {
	return DataConfig{Dir: cfg.DataDir, Root: cfg.RootKey, MustExist: true, AuditFile: cfg.AuditFile, DiskReserve: cfg.DiskReserve}
}

// Run is the production server: it serves an installation, strictly, until ctx
// ends, and then brings it to a clean end. While it does, Ready fails first; then
// no new request is taken, and those that run have the configured grace to
// finish.
func Run(ctx context.Context, cfg RunConfig) error {
	if cfg.after == nil {
		cfg.after = time.After
	}
	cert, err := OpenCertificate(cfg.Certificate, cfg.Key, cfg.Names(), cfg.Logger)
	if err != nil {
		return err
	}
	r := &running{cfg: cfg, cert: cert, failed: make(chan error, 2)}
	defer r.close()
	// Background work outlives ctx: it ends with the server.
	if err := r.open(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	r.serve()
	select {
	case <-ctx.Done():
	case err = <-r.failed:
	}
	return errors.Join(err, r.end())
}

// running is a run of the server.
type running struct {
	cfg    RunConfig
	cert   *CertificateFiles
	srv    *Server
	https  net.Listener
	health net.Listener // nil for none
	failed chan error

	closers    []func() // called last first
	background sync.WaitGroup
}

// open opens the data before the listeners: of two processes with the same
// configuration, the second should hear that the data is in use.
func (r *running) open(ctx context.Context) (err error) {
	cfg := r.cfg
	dataConfig := Data(cfg.Config)
	dataConfig.OpenRoot = cfg.OpenRoot
	d, err := openData(ctx, dataConfig, cfg.Logger)
	if err != nil {
		return err
	}
	if err := r.listen(); err != nil {
		return errors.Join(err, d.close())
	}
	r.srv, err = openOver(ctx, Config{
		Hosts: cfg.Hosts, Issuer: cfg.Issuer(), Ports: cfg.Ports(r.https.Addr().(*net.TCPAddr).Port),
		Certificate: r.cert.Get, Egress: egress.Config{Allow: cfg.Egress}, Logger: cfg.Logger,
	}, d)
	return err
}

func (r *running) listen() (err error) {
	if r.https, err = net.Listen("tcp", r.cfg.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	r.closers = append(r.closers, func() { r.https.Close() })
	if r.cfg.Health == "" {
		return nil
	}
	if r.health, err = net.Listen("tcp", r.cfg.Health); err != nil {
		return fmt.Errorf("health.listen: %w", err)
	}
	r.closers = append(r.closers, func() { r.health.Close() })
	return nil
}

// serve begins everything that goes on until close.
func (r *running) serve() {
	log := r.cfg.Logger
	r.background.Go(func() {
		if err := r.srv.Serve(r.https); err != nil {
			r.failed <- fmt.Errorf("the HTTPS listener: %w", err)
		}
	})
	shown := []any{"address", r.https.Addr().String(), "domain", r.cfg.Domain, "issuer", r.cfg.PublicURL}
	if r.health != nil {
		r.closers = append(r.closers, r.srv.serveHealth(r.health, r.failed))
		shown = append(shown, "health", r.health.Addr().String())
	}
	ctx, stop := context.WithCancel(context.Background())
	r.closers = append(r.closers, stop)
	r.background.Go(func() { r.reload(ctx) })
	r.background.Go(func() { r.cert.Watch(ctx, certificateInterval) })
	if err := notify("READY=1"); err != nil {
		log.Warn("the service manager does not learn that the server is ready", "error", err)
	}
	log.Info("serving", shown...)
}

// reload does what is asked for by Reload.
func (r *running) reload(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.cfg.Reload:
			r.cert.Reload()
			if err := r.srv.data.sink.reopen(); err != nil {
				r.cfg.Logger.Error("the audit log cannot be begun anew; the old file stays in use", "error", err)
			} else {
				r.cfg.Logger.Info("the audit log is begun anew", "file", r.cfg.AuditFile)
			}
		}
	}
}

// end drains the server. Requests that do not finish are cut off, which is
// nobody's failure.
func (r *running) end() error {
	log := r.cfg.Logger
	log.Info("shutting down", "grace", r.cfg.Grace)
	r.srv.Leave()
	if err := notify("STOPPING=1"); err != nil {
		log.Warn("the service manager does not learn that the server stops", "error", err)
	}
	if r.cfg.Delay > 0 {
		// A listener that has failed is a reason not to wait.
		select {
		case <-r.cfg.after(r.cfg.Delay):
		case <-r.failed:
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Grace)
	defer cancel()
	err := r.srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("requests did not finish in time and were cut off", "error", err)
		return nil
	}
	if err == nil {
		log.Info("everything is finished")
	}
	return err
}

func (r *running) close() {
	for _, c := range slices.Backward(r.closers) {
		c()
	}
	r.background.Wait()
}
