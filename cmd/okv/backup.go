package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/keyvault"
)

// maxBackupFile bounds what is read of a backup: 500 versions of the largest size.
const maxBackupFile = 32 << 20

func (g *group) newBackup() *cobra.Command {
	t := g.newTarget()
	var file string
	cmd := &cobra.Command{
		Use:   "backup",
		Short: fmt.Sprintf("Save a %s with all its versions to a file", g.noun),
		Long: fmt.Sprintf(`backup saves a %s with all its versions to a file that only the service can read
again: okv %[1]s restore brings it back, in any vault of the same subscription. A
file that exists is not overwritten; - is standard output.`, g.noun),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			if t.version != "" {
				return usageError{cmd, fmt.Errorf("--id has a version, and a %s is backed up with all of them", g.noun)}
			}
			blob, err := g.backup(client, cmd.Context(), t.name)
			if err != nil {
				return err
			}
			return writeBackup(cmd.OutOrStdout(), file, blob)
		},
	}
	t.add(cmd, g.noun, false)
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` to write; - is standard output")
	mustExist(cmd.MarkFlagRequired("file"))
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

// writeBackup writes a new file, or out if the file is "-". A file that could not
// be written whole does not stay.
func writeBackup(out io.Writer, file string, blob []byte) error {
	if file == "-" {
		_, err := out.Write(blob)
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("--file: %s exists; choose another name", file)
	}
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	_, err = f.Write(blob)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("--file: %w", err), os.Remove(file))
	}
	return nil
}

func readBackup(in io.Reader, file string) ([]byte, error) {
	return readFile(in, file, maxBackupFile, "that is more than a backup can be")
}

func restored[T any](f func(*keyvault.Client, context.Context, []byte) (*T, error)) func(*keyvault.Client, context.Context, []byte) (any, error) {
	return func(c *keyvault.Client, ctx context.Context, blob []byte) (any, error) { return f(c, ctx, blob) }
}
