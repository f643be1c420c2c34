package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/internal/config"
	"github.com/openkeyvault/openkeyvault/internal/server"
)

func newServe() *cobra.Command {
	var f configFlags
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the server of an installation",
		Long: `serve runs the vaults of an installation that okv init has made: the data plane,
the management plane and the token service, on one HTTPS listener.

The certificate is read again when its files change. SIGHUP does that at once, and
begins the audit log anew, after it was moved away. SIGTERM and SIGINT end the
server once running requests have finished; a second one ends it at once.

A root key that is "passphrase:" is asked for at the terminal, or read from the
first line of standard input.`,
		Example: `  okv serve --config /etc/okv/okv.toml
  okv serve --config okv.toml --root-key file:/run/credentials/okv.service/root.key`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			ctx, reload, stop := handleSignals(cmd.Context())
			defer stop()
			defer server.TuneGC()()
			return server.Run(ctx, server.RunConfig{
				Config: cfg, OpenRoot: newAsker(ctx, cmd).openRoot, Reload: reload, Logger: configuredLogger(cmd.ErrOrStderr(), cfg),
			})
		},
	}
	f.add(cmd)
	return cmd
}

// configFlags are the flags of the commands that work on an installation.
type configFlags struct{ file, rootKey string }

func (f *configFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "config", "", "the configuration `FILE`, such as /etc/okv/okv.toml")
	cmd.Flags().StringVar(&f.rootKey, "root-key", "", "`URI` of the root key, instead of the configured one")
	mustExist(cmd.MarkFlagRequired("config"))
	mustExist(cmd.MarkFlagFilename("config", "toml"))
}

func (f *configFlags) load() (*config.Config, error) {
	cfg, err := config.Load(f.file)
	if err != nil || f.rootKey == "" {
		return cfg, err
	}
	dir, err := filepath.Abs(".")
	if err != nil {
		return nil, err
	}
	if cfg.RootKey, err = config.RootKeyURI(dir, f.rootKey); err != nil {
		return nil, err
	}
	return cfg, nil
}

func configuredLogger(w io.Writer, cfg *config.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// handleSignals returns a context that ends with the first signal to end, and a
// channel that receives for each signal to reload. The second signal to end ends
// the process.
func handleSignals(parent context.Context) (ctx context.Context, reload <-chan struct{}, stop func()) {
	// Its own cancellation is main's, which ends with the first signal, too.
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	signals, reloads := make(chan os.Signal, 4), make(chan struct{}, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	go func() {
		for s := range signals {
			switch {
			case s == syscall.SIGHUP:
				select {
				case reloads <- struct{}{}:
				default: // one is waiting
				}
			case ctx.Err() == nil:
				cancel()
			default:
				os.Exit(statusSignalled)
			}
		}
	}()
	return ctx, reloads, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

// statusSignalled is the exit status after a second signal, which left no time for
// a clean end: a shell's for SIGINT.
const statusSignalled = 130
