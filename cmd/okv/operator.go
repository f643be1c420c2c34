package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/internal/server"
)

func newOperator() *cobra.Command {
	cmd := newGroup("operator", "Work on an installation that is stopped",
		`operator has what the operator of an installation does to its data directory, while
no okv serve uses it.`,
		`  okv operator recover --config /etc/okv/okv.toml --recovery-key /media/usb/okv-recovery.key`)
	output := outputFlag(cmd)
	cmd.AddCommand(newRecoverRoot(output), newReplaceRecoveryKey(output), newOwner(output))
	return cmd
}

func newRecoverRoot(output *choice[format]) *cobra.Command {
	var f configFlags
	var recoveryKey string
	cmd := &cobra.Command{
		Use:   "recover --config FILE --recovery-key FILE",
		Short: "Make a new root key with the recovery key",
		Long: `recover opens the records with the recovery key and makes a new root key: the file
of the configured root key, which must not exist, or a passphrase, which is the new
one. The recovery key stays good; the root key before it opens nothing any more.

It is for a root key that is lost, and for one that is to be replaced: then give the
new one with --root-key, and put it into the configuration.

The server must be stopped. A recover that was interrupted can be run again.`,
		Example: `  okv operator recover --config okv.toml --recovery-key okv-recovery.key
  okv operator recover --config okv.toml --recovery-key - --root-key file:/etc/okv/root2.key`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, stop, err := f.stopped(cmd)
			if err != nil {
				return err
			}
			defer stop()
			recovery, err := w.asker.recoveryKey(recoveryKey)
			if err != nil {
				return err
			}
			w.data.OpenRoot = w.asker.newRoot
			dropped, err := server.Recover(w.ctx, w.data, recovery, w.logger)
			if err != nil {
				return err
			}
			if output.value == formatJSON {
				return writeJSON(cmd.OutOrStdout(), map[string]any{
					"rootKey": w.data.Root, "recoveryKeyId": recovery.URI(), "noLongerGood": append([]string{}, dropped...),
				})
			}
			fields := []field{{"root key", w.data.Root}, {"recovery key", recovery.URI() + ", as before"}}
			for _, uri := range dropped {
				if uri == w.data.Root {
					uri += ", as it was before"
				}
				fields = append(fields, field{"no longer good", uri})
			}
			return writeFields(cmd.OutOrStdout(), fields)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&recoveryKey, "recovery-key", "", "the `FILE` of the recovery key, or - to type it in")
	mustExist(cmd.MarkFlagRequired("recovery-key"))
	return cmd
}

func newReplaceRecoveryKey(output *choice[format]) *cobra.Command {
	var f configFlags
	var file string
	cmd := &cobra.Command{
		Use:   "new-recovery-key --config FILE",
		Short: "Replace the recovery key, with the root key",
		Long: `new-recovery-key opens the records with the root key and makes a new recovery key,
which is written to a file, or printed, once. The one before it opens nothing any
more. It is for a recovery key that is lost, or that somebody may have seen.

The server must be stopped.`,
		Example: "  okv operator new-recovery-key --config okv.toml --recovery-key okv-recovery2.key",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, stop, err := f.stopped(cmd)
			if err != nil {
				return err
			}
			defer stop()
			if file != "" {
				if file, err = filepath.Abs(file); err != nil {
					return err
				}
			}
			uri, text, err := server.ReplaceRecoveryKey(w.ctx, w.data, file, w.logger)
			if err != nil {
				return err
			}
			shown, member := file, "recoveryKeyFile"
			if file == "" {
				shown, member = lastLine(string(text.Reveal())), "recoveryKey"
			}
			if output.value == formatJSON {
				err = writeJSON(cmd.OutOrStdout(), map[string]string{member: shown, "recoveryKeyId": uri})
			} else {
				err = writeFields(cmd.OutOrStdout(), []field{{"recovery key", shown}, {"its id", uri}})
			}
			if err != nil && file == "" {
				err = errors.Join(err, fmt.Errorf("the recovery key was not shown: run this again"))
			}
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&file, "recovery-key", "", "write the recovery key to this `FILE`, which must not exist")
	return cmd
}

func newOwner(output *choice[format]) *cobra.Command {
	var f configFlags
	cmd := &cobra.Command{
		Use:   "new-owner --config FILE",
		Short: "Register another application that owns everything",
		Long: `new-owner registers an application with the role Owner at the root of the tenant, as
the first one has it, and prints its client id and secret, once. It can give itself
and others every other role: see okv role assignment create.

It is for an installation whose owners are gone, or have lost their secrets. Those
that there are stay as they are: okv app list shows them.

The server must be stopped.`,
		Example: "  okv operator new-owner --config okv.toml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, stop, err := f.stopped(cmd)
			if err != nil {
				return err
			}
			defer stop()
			owner, password, err := server.MakeOwner(w.ctx, w.data, w.logger)
			if err != nil {
				return err
			}
			shown := string(password.Reveal())
			if output.value == formatJSON {
				err = writeJSON(cmd.OutOrStdout(), map[string]string{
					"tenantId": owner.TenantID, "clientId": owner.ClientID, "objectId": owner.ObjectID, "clientSecret": shown,
				})
			} else {
				err = writeFields(cmd.OutOrStdout(), []field{
					{"tenant id", owner.TenantID}, {"client id", owner.ClientID}, {"object id", owner.ObjectID}, {"client secret", shown},
				})
			}
			if err != nil {
				return errors.Join(err, fmt.Errorf("the secret of the application %s was not shown: run this again, and delete that one", owner.ClientID))
			}
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

// stoppedWork is what work on a stopped installation needs.
type stoppedWork struct {
	ctx    context.Context // ends when somebody interrupts
	asker  *asker
	data   server.DataConfig // opened with the root key
	logger *slog.Logger
}

// stopped returns it for the installation of the configuration. stop must be called.
func (f *configFlags) stopped(cmd *cobra.Command) (w *stoppedWork, stop func(), err error) {
	cfg, err := f.load()
	if err != nil {
		return nil, nil, err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	w = &stoppedWork{
		ctx: ctx, asker: newAsker(ctx, cmd), data: server.Data(cfg),
		logger: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	w.data.OpenRoot = w.asker.openRoot
	return w, stop, nil
}
