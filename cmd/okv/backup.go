package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/keyvault"
)

// maxBackupFile bounds what is read of a backup: 500 versions of the largest size.
const maxBackupFile = 32 << 20

func (g *group) newBackup() *cobra.Command {
	t := g.newTarget()
	var file outFile
	cmd := &cobra.Command{
		Use:   "backup",
		Short: fmt.Sprintf("Save a %s with all its versions to a file", g.noun),
		Long: fmt.Sprintf(`backup saves a %s with all its versions to a file that only the service can read
again: okv %[1]s restore brings it back, in any vault of the same subscription. Only
the owner may read the file. One that exists stays, unless --overwrite is given.`, g.noun),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			if t.version != "" {
				return usageError{cmd, fmt.Errorf("--id has a version, and a %s is backed up with all of them", g.noun)}
			}
			if err := file.check(); err != nil {
				return err
			}
			blob, err := g.backup(client, cmd.Context(), t.name)
			if err != nil {
				return err
			}
			return file.write(cmd.OutOrStdout(), blob)
		},
	}
	g.addTarget(cmd, t, false)
	file.add(cmd)
	cmd.Example = g.examples("backup --vault-name dev --name NAME --file NAME.backup")
	return cmd
}

func (g *group) newRestore() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "restore",
		Short: fmt.Sprintf("Bring a %s back from a file that backup has written", g.noun),
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			blob, err := readBackup(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			client, err := g.client(cmd, g.newTarget(), g.collection())
			if err != nil {
				return err
			}
			return g.write(cmd)(g.restore(client, cmd.Context(), blob))
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` to read; - is standard input")
	mustExist(cmd.MarkFlagRequired("file"))
	cmd.Example = g.examples("restore --vault-name other --file NAME.backup")
	return cmd
}

func readBackup(in io.Reader, file string) ([]byte, error) {
	return readFile(in, file, maxBackupFile, "that is more than a backup can be")
}

func restored[T any](f func(*keyvault.Client, context.Context, []byte) (*T, error)) func(*keyvault.Client, context.Context, []byte) (any, error) {
	return func(c *keyvault.Client, ctx context.Context, blob []byte) (any, error) { return f(c, ctx, blob) }
}
