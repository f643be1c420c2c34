package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/internal/config"
	"github.com/openkeyvault/openkeyvault/internal/server"
)

// initOptions are the flags of okv init.
type initOptions struct {
	config       string
	file         config.New // what a new configuration file says
	recoveryKey  string
	tenant       string
	subscription string
	output       *choice[format]
}

// configFileFlags are those that say what a new configuration file holds.
var configFileFlags = []string{"domain", "data-dir", "root-key", "listen", "tls-certificate", "tls-key"}

func newInit() *cobra.Command {
	o := &initOptions{}
	cmd := &cobra.Command{
		Use:   "init --config FILE",
		Short: "Make an installation for okv serve",
		Long: `init makes the data directory of an installation, its root key unless there is
one, a recovery key, a tenant, a subscription, and the first application, which
owns all of it: its client id and secret are printed, once.

If the configuration file does not exist, it is written with what --domain and
--data-dir say.

The recovery key makes a new root key if that is lost. Keep it offline.
--recovery-key writes it to a file; without it, it is printed, once.

A directory that is initialised is refused. An init that was interrupted can be
run again.`,
		Example: `  okv init --config okv.toml --domain vault.example.com --data-dir ./data
  okv init --config /etc/okv/okv.toml --recovery-key /media/usb/okv-recovery.key -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load(cmd)
			if err != nil {
				return err
			}
			return o.install(cmd, cfg)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.config, "config", "", "the configuration `FILE`, made unless it exists")
	flags.StringVar(&o.file.Domain, "domain", "", "in a new file: vaults are NAME.`DOMAIN`, such as vault.example.com")
	flags.StringVar(&o.file.DataDir, "data-dir", "", "in a new file: the `DIRECTORY` of the data")
	flags.StringVar(&o.file.RootKey, "root-key", "file:root.key", "in a new file: `URI` of the root key, file:PATH, passphrase:PATH or passphrase:")
	flags.StringVar(&o.file.Listen, "listen", ":443", "in a new file: `HOST:PORT` of the HTTPS listener")
	flags.StringVar(&o.file.Certificate, "tls-certificate", "tls.crt", "in a new file: the `FILE` of the certificate")
	flags.StringVar(&o.file.Key, "tls-key", "tls.key", "in a new file: the `FILE` of its private key")
	flags.StringVar(&o.recoveryKey, "recovery-key", "", "write the recovery key to this `FILE`, which must not exist")
	flags.StringVar(&o.tenant, "tenant-id", "", "`GUID` of the tenant (default a new one)")
	flags.StringVar(&o.subscription, "subscription-id", "", "`GUID` of the subscription (default a new one)")
	mustExist(cmd.MarkFlagRequired("config"))
	cmd.MarkFlagsRequiredTogether("domain", "data-dir")
	o.output = outputFlag(cmd)
	return cmd
}

// load returns the configuration, after writing it if it does not exist. A
// command line that was interrupted finds what it has written.
func (o *initOptions) load(cmd *cobra.Command) (*config.Config, error) {
	changed := false
	for _, name := range configFileFlags {
		changed = changed || cmd.Flags().Changed(name)
	}
	_, err := os.Stat(o.config)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.file.Domain == "":
		return nil, usageError{cmd, fmt.Errorf("%s does not exist: give --domain and --data-dir, and it will be made", o.config)}
	case err == nil && !changed:
		return config.Load(o.config)
	}
	if err := o.write(); errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w; leave out what is about a new file, or change the file", err)
	} else if err != nil {
		return nil, err
	}
	return config.Load(o.config)
}

// write makes the configuration file. What it names is found from where the
// command runs, like any other argument, unless it is left at its default, which
// lies beside the file.
func (o *initOptions) write() error {
	dataDir, err := filepath.Abs(o.file.DataDir)
	if err != nil {
		return err
	}
	o.file.DataDir = dataDir
	text, err := o.file.Text()
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Dir(o.config))
	if err != nil {
		return err
	}
	if _, err := config.Parse(text, dir); err != nil {
		return err
	}
	return config.Create(o.config, text)
}

func (o *initOptions) install(cmd *cobra.Command, cfg *config.Config) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	data := server.DataConfig{Dir: cfg.DataDir, Root: cfg.RootKey, OpenRoot: newAsker(ctx, cmd).newRoot}
	err := server.Install(ctx, server.InstallConfig{
		Data: data, TenantDomain: cfg.Domain, TenantID: o.tenant, SubscriptionID: o.subscription,
		RecoveryFile: o.recoveryKey, Logger: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}, func(in *server.Installation) error { return o.deliver(cmd.OutOrStdout(), cfg, in) })
	if err != nil || o.output.value == formatJSON {
		return err
	}
	if _, missing := os.Stat(cfg.Certificate); errors.Is(missing, fs.ErrNotExist) {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nThe secrets above are not shown again. Next: a certificate for the server's names in\n%s, its key in %s, then\nokv serve --config %s\n",
			cfg.Certificate, cfg.Key, o.config)
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nThe secrets above are not shown again. Next: okv serve --config %s\n", o.config)
	return err
}

// deliver prints what the operator must keep.
func (o *initOptions) deliver(w io.Writer, cfg *config.Config, in *server.Installation) error {
	recovery := o.recoveryKey
	if recovery == "" {
		recovery = lastLine(string(in.RecoveryKey.Reveal()))
	}
	if o.output.value == formatJSON {
		members := map[string]string{
			"tenantId": in.TenantID, "subscriptionId": in.SubscriptionID,
			"clientId": in.Owner.ClientID, "objectId": in.Owner.ObjectID, "clientSecret": string(in.Secret.Reveal()),
			"dataDir": cfg.DataDir, "rootKey": cfg.RootKey, "recoveryKeyId": in.Recovery,
		}
		if o.recoveryKey == "" {
			members["recoveryKey"] = recovery
		} else {
			members["recoveryKeyFile"] = recovery
		}
		return writeJSON(w, members)
	}
	return writeFields(w, []field{
		{"data directory", cfg.DataDir}, {"root key", cfg.RootKey}, {"recovery key", recovery},
		{"tenant id", in.TenantID}, {"subscription id", in.SubscriptionID},
		{"client id", in.Owner.ClientID}, {"object id", in.Owner.ObjectID}, {"client secret", string(in.Secret.Reveal())},
	})
}

// lastLine is the line of a key's text that is no comment.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
