package main

import (
	"errors"
	"os"
	"os/signal"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/internal/dev"
	"github.com/openkeyvault/openkeyvault/internal/server"
)

func newDev() *cobra.Command {
	opts := dev.Options{}
	var verbose bool
	cmd := &cobra.Command{
		Use:   "dev [flags] [-- COMMAND [ARGS...]]",
		Short: "Run a throw-away vault, and a program that takes it for Azure's",
		Long: `dev starts a vault called "dev" with its own token service and management plane.

With a COMMAND, the command runs in an environment in which the official clients
of every language reach this vault under Azure's names, without a change and
without a network: a proxy, a certificate bundle and credentials are in its
environment. The exit status is the command's, and the vault ends with it.

Without one, it serves until it is interrupted; --env-file writes the
environment for a shell to source.

Nothing outside the process tree is touched. Data is in memory unless --data-dir
keeps it. Unless --strict is given, a vault that a request names is made, and an
unknown client id is registered with the secret that it shows.

Some programs on macOS and Windows look only at the system's trust store and
ignore the certificate bundle: see okv dev trust.`,
		Example: `  okv dev -- python app.py
  okv dev --vault orders --secret orders/db-password=hunter2 -- npm test
  okv dev --data-dir ./okv-data --env-file ./okv.env`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || cmd.ArgsLenAtDash() == 0 {
				return nil
			}
			for _, sub := range cmd.Commands() {
				if distance(args[0], sub.Name()) < 3 {
					return noCommand(cmd, args)
				}
			}
			return errors.New("put -- before the command that okv dev runs, as in okv dev -- python app.py")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			opts.Command = args
			opts.Environ = os.Environ()
			opts.Stdin, opts.Stdout, opts.Stderr = os.Stdin, os.Stdout, os.Stderr
			opts.Logger = newLogger(verbose)
			if len(args) == 0 {
				var stop func()
				ctx, stop = signal.NotifyContext(ctx, os.Interrupt)
				defer stop()
			}
			defer server.TuneGC()()
			status, err := dev.Run(ctx, opts)
			if status != 0 {
				return errStatus{status, err}
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&opts.Vaults, "vault", nil, "create a vault of this `NAME` besides dev (may be repeated)")
	flags.StringArrayVar(&opts.Secrets, "secret", nil, "set a secret: `[VAULT/]NAME=VALUE`, or =@FILE (may be repeated)")
	flags.StringVar(&opts.DataDir, "data-dir", "", "keep the data in this `DIRECTORY`")
	flags.StringVar(&opts.Listen, "listen", "", "`HOST:PORT` to serve on (default 127.0.0.1:8443, with a COMMAND a free port)")
	flags.StringVar(&opts.Domain, "domain", "", "also answer for *.`DOMAIN`, such as vault.example.com")
	flags.BoolVar(&opts.Offline, "offline", false, "refuse the command every connection but to the vault")
	flags.BoolVar(&opts.Strict, "strict", false, "make no vault and register no application on request")
	flags.BoolVar(&opts.IMDS, "imds", false, "also give tokens as a virtual machine does, to every program of this machine that asks")
	flags.StringArrayVar(&opts.AllowEgress, "allow-egress", nil, "let the vault ask an attestation authority at this `HOST:PORT`, which need not be public (may be repeated)")
	flags.StringVar(&opts.EnvFile, "env-file", "", "write the environment to this `FILE`, for a shell to source")
	flags.BoolVarP(&verbose, "verbose", "v", false, "log every request")
	cmd.AddCommand(trustCommands()...)
	return cmd
}
