// Package dev is `okv dev`: a throw-away vault that programs take for Azure.
//
// It composes a server with everything a developer would otherwise have to set
// up: a certificate authority, a tenant with a subscription and an application
// that owns it, a vault, and an environment for a child process. It touches
// nothing outside its own process tree, its data directory and a temporary one.
//
// What it adds for convenience it adds by configuration of the same server that
// runs in production: permissions are enforced and a wrong secret is refused
// always. The package knows no HTTP routes and no records.
package dev

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/childenv"
	"github.com/openkeyvault/openkeyvault/internal/devca"
	"github.com/openkeyvault/openkeyvault/internal/egress"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/server"
)

// Options are the flags of `okv dev`.
type Options struct {
	// Command is run against the vault; the run ends with it. Without one, the
	// run ends with its context.
	Command []string
	// Listen is the address of the HTTPS listener. Empty means 127.0.0.1:8443,
	// or a free port if there is a Command, so that many run side by side.
	Listen string
	// Domain is a private domain to answer for besides Azure's names and
	// *.vault.localhost.
	Domain string
	// DataDir keeps the data for the next run; empty is memory.
	DataDir string
	// Vaults are created besides "dev".
	Vaults []string
	// Secrets are set before anything is served: [VAULT/]NAME=VALUE, or =@FILE.
	Secrets []string
	// Offline refuses the child every connection but to us.
	Offline bool
	// Strict turns the conveniences off: vaults and applications must exist.
	Strict bool
	// IMDS serves the managed identity of a virtual machine, too: every program of
	// the machine that finds it gets tokens of the owner.
	IMDS bool
	// AllowEgress are the targets, HOST:PORT, that the vault may send requests to on
	// a user's word although they are not public: attestation authorities.
	AllowEgress []string
	// EnvFile is written with the child's environment, for a shell to source.
	EnvFile string

	// Environ is the environment that a child inherits from.
	Environ []string
	// Stdin, Stdout and Stderr are the child's. Without a child, Stdout gets
	// the summary of what runs.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Logger         *slog.Logger

	// inner is a seam for tests: the host of the listeners that only the child is
	// told of. Empty means 127.0.0.1.
	inner string
}

// shutdownTime is how long running requests may take to finish at the end.
const shutdownTime = 5 * time.Second

// instance is one run.
type instance struct {
	opts     Options
	egress   []egress.Target
	dir      string // temporary, or in the data directory: CA bundle, trust store
	hosts    httpx.Hosts
	ca       *devca.Authority
	roots    *devca.Roots // what the child is to trust
	listener net.Listener
	srv      *server.Server
	secret   identity.Secret // of the owner's application; new in each run

	proxy            *url.URL // with its credential
	identityEndpoint string
	identityHeader   string
	metadataHost     string // empty unless asked for
	environment      childenv.Changes

	closers []func() // called last first
	failed  chan error
}

// Run starts everything, runs the command or waits for ctx to end, and shuts
// down. The status is the command's, or 0.
func Run(ctx context.Context, opts Options) (status int, err error) {
	if err := opts.check(); err != nil {
		return 0, err
	}
	in := &instance{opts: opts, failed: make(chan error, 4)}
	defer in.close()
	if err := in.start(ctx); err != nil {
		return 0, err
	}
	if len(opts.Command) > 0 {
		return in.runChild(ctx)
	}
	in.describe(opts.Stdout)
	select {
	case <-ctx.Done():
		return 0, nil
	case err := <-in.failed:
		return 0, err
	}
}

// check refuses what contradicts itself, and fills in the listener.
func (o *Options) check() error {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:8443"
		if len(o.Command) > 0 {
			o.Listen = "127.0.0.1:0"
		}
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("--listen %s: give HOST:PORT, such as 127.0.0.1:8443", o.Listen)
	}
	if ip := net.ParseIP(host); !o.Strict && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--listen %s can be reached from other machines: add --strict, so that no application or vault is made for whoever asks", o.Listen)
	}
	return nil
}

// start brings everything up in the order in which the parts need each other.
func (in *instance) start(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		in.readEgress, in.makeDir, in.makeHosts, in.makeAuthority, in.open, in.populate, in.serve, in.serveProxy, in.serveManagedIdentity, in.makeEnvironment, in.writeEnvFile,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (in *instance) close() {
	for _, c := range slices.Backward(in.closers) {
		c()
	}
}

func (in *instance) atClose(c func()) { in.closers = append(in.closers, c) }

func (in *instance) readEgress(context.Context) error {
	for _, text := range in.opts.AllowEgress {
		target, err := egress.ParseTarget(text)
		if err != nil {
			return fmt.Errorf("--allow-egress %s: %w", text, err)
		}
		in.egress = append(in.egress, target)
	}
	return nil
}

func (in *instance) makeDir(context.Context) error {
	if in.opts.DataDir == "" {
		dir, err := os.MkdirTemp("", "okv-dev-")
		if err != nil {
			return err
		}
		in.dir = dir
		in.atClose(func() { os.RemoveAll(dir) })
		return nil
	}
	dir, err := filepath.Abs(filepath.Join(in.opts.DataDir, "dev"))
	if err != nil {
		return err
	}
	in.dir = dir
	return os.MkdirAll(dir, 0o700)
}

func (in *instance) makeHosts(context.Context) error {
	in.hosts = httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow()}
	if in.opts.Domain != "" {
		row, err := httpx.DomainRow(in.opts.Domain, "", "")
		if err != nil {
			return fmt.Errorf("--domain: %w", err)
		}
		in.hosts = append(in.hosts, row)
	}
	return nil
}

func (in *instance) makeAuthority(context.Context) (err error) {
	if in.opts.DataDir == "" {
		in.ca, err = devca.New(in.hosts.Suffixes())
	} else {
		in.ca, err = devca.Open(in.dir, in.hosts.Suffixes())
	}
	if err != nil {
		return err
	}
	in.roots = devca.CollectRoots(in.ca, getenv(in.opts.Environ))
	return nil
}

// open opens the data and the HTTPS listener. Whoever connects waits: nothing is
// answered before serve, which is after populate, because until then the secret
// of an earlier run is right and vaults are missing.
func (in *instance) open(ctx context.Context) error {
	var err error
	if in.listener, err = net.Listen("tcp", in.opts.Listen); err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	in.atClose(func() { in.listener.Close() })
	in.srv, err = server.Open(ctx, server.Config{
		Data:           server.DataConfig{Dir: in.opts.DataDir},
		Hosts:          in.hosts,
		Issuer:         "https://sts.windows.net/{tenant}/",
		Ports:          []int{in.port()},
		Certificate:    in.ca.GetCertificate,
		Egress:         egress.Config{Allow: in.egress, Roots: in.roots.Pool},
		OnAdopt:        in.onAdopt(),
		AliasTenants:   !in.opts.Strict,
		OnMissingVault: in.onMissingVault(),
		OnMissingHSM:   in.onMissingHSM(),
		Logger:         in.opts.Logger,
	})
	if err != nil {
		return err
	}
	in.atClose(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		if err := in.srv.Shutdown(ctx); err != nil {
			in.opts.Logger.Error("shutting down", "error", err)
		}
	})
	return nil
}

func (in *instance) serve(context.Context) error {
	in.background("HTTPS listener", func() error { return in.srv.Serve(in.listener) })
	return nil
}

// background runs a server for as long as the instance runs; its early end
// ends the run.
func (in *instance) background(what string, run func() error) {
	go func() {
		if err := run(); err != nil {
			in.failed <- fmt.Errorf("%s: %w", what, err)
		}
	}()
}

func (in *instance) port() int { return in.listener.Addr().(*net.TCPAddr).Port }
