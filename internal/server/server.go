// Package server puts the house together: it opens the data, connects the three
// planes to the domain, serves them on TLS listeners by host name, and runs the
// work that falls due.
//
// It guarantees that a request reaches the plane of its host and no other, that
// every connection has time and size limits, and that nothing is lost when it
// shuts down. It decides nothing about vaults, permissions or the wire.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/cache"
	"github.com/openkeyvault/openkeyvault/internal/egress"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// Config says what to serve. Hosts, Issuer, Certificate and Logger are
// required.
type Config struct {
	// Data says where records are kept.
	Data DataConfig
	// Hosts is the host table. Requests for other hosts get status 421.
	Hosts httpx.Hosts
	// Issuer is the iss of our tokens, with {tenant} for the tenant's id.
	Issuer string
	// Ports are the ports besides 443 under which clients reach the listeners.
	// The audiences that tokens may be for follow from Hosts and Ports, and are
	// fixed from then on.
	Ports []int
	// Certificate returns the certificate of a host.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// DomainClock is the clock of attributes, retention and purge dates; nil is
	// the wall clock.
	DomainClock func() time.Time
	// Egress says where requests may go that users ask for, such as those to
	// attestation authorities.
	Egress egress.Config
	// OnAdopt, if not nil, lets an unknown client id register itself with the
	// secret that it first shows; it grants the new application what it may do.
	OnAdopt func(context.Context, identity.Application) error
	// AliasTenants takes every unknown tenant for the first one.
	AliasTenants bool
	// OnMissingVault, if not nil, is asked to create a vault that a request
	// names and that does not exist.
	OnMissingVault func(ctx context.Context, name string) error
	// OnMissingHSM is OnMissingVault for managed HSMs.
	OnMissingHSM func(ctx context.Context, name string) error
	Logger       *slog.Logger
}

// Server is the running service. Its methods are safe for concurrent use.
type Server struct {
	cfg     Config
	data    *data
	http    *http.Server
	planes  planes
	sites   *cache.Map[string, httpx.Site] // by host, as requested
	stop    context.CancelFunc             // ends the workers
	workers sync.WaitGroup
	// leaving is set once the server will end soon, draining once it answers
	// nothing new.
	leaving, draining atomic.Bool

	identity  *identity.Service
	resources *resource.Service
	vaults    *vault.Service
}

// Limits of every connection. A request is at most a restore blob's size plus
// headers, so the times are generous to slow links and closed to idle ones.
const (
	maxHeader         = 64 << 10
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second
	writeTimeout      = 120 * time.Second
	idleTimeout       = 3 * time.Minute
)

// Bounds of the hosts that are remembered.
const (
	cachedSites   = 1024
	maxCachedHost = 300 // a name and a port
)

// Open opens the data, starts the background work and returns a server that
// Serve makes reachable. The caller closes it with Shutdown.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	d, err := openData(ctx, cfg.Data, cfg.Logger)
	if err != nil {
		return nil, err
	}
	return openOver(ctx, cfg, d)
}

// openOver is Open over data that it takes over.
func openOver(ctx context.Context, cfg Config, d *data) (*Server, error) {
	if cfg.DomainClock == nil {
		cfg.DomainClock = time.Now
	}
	s := &Server{cfg: cfg, data: d, sites: cache.New[string, httpx.Site](cachedSites)}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	if err := s.connect(background); err != nil {
		stop()
		return nil, errors.Join(err, d.close())
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.handle),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cfg.Certificate},
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	s.startWorkers(background)
	return s, nil
}

// Serve accepts TLS connections from ln until Shutdown, and then returns nil.
// It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.ServeTLS(ln, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops listening, lets running requests finish until ctx ends, brings
// the background work to a safe stop and closes the data.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.stop()
	s.workers.Wait()
	return errors.Join(err, s.data.close())
}

// Identity returns the token service.
func (s *Server) Identity() *identity.Service { return s.identity }

// Resources returns the domain of the management plane.
func (s *Server) Resources() *resource.Service { return s.resources }

// Vaults returns the domain of the data plane.
func (s *Server) Vaults() *vault.Service { return s.vaults }
