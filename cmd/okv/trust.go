package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/internal/devca"
)

// trustCommands returns the commands that make the operating system trust the
// development authority that okv dev keeps in a data directory, and undo it.
func trustCommands() []*cobra.Command {
	return []*cobra.Command{
		newTrust("trust", "Make this machine trust the development authority of a data directory",
			`trust adds the certificate authority that okv dev --data-dir keeps to the
trust store of the operating system. No program needs this that honours
SSL_CERT_FILE or one of its kin, which okv dev sets.

The authority is limited to Azure's names of vaults and logins, to the domain of
okv dev --domain and to loopback, but for these whoever has its key can pretend
to be them. The key stays in the data directory: keep that to yourself, and use
okv dev untrust when you are done.`, devca.Trust),
		newTrust("untrust", "Take back what okv dev trust did",
			`untrust removes the certificate authority that okv dev --data-dir keeps from the
trust store of the operating system. Use it before you remove the directory.`, devca.Untrust),
	}
}

func newTrust(name, short, long string, commands func(certFile string) (devca.Commands, error)) *cobra.Command {
	var dataDir string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   name + " --data-dir DIRECTORY",
		Short: short,
		Long: long + `

The commands that do it are printed before they are run. On Linux they need
root and run with sudo.`,
		Example: fmt.Sprintf("  okv dev %s --data-dir ./okv-data --dry-run\n  okv dev %[1]s --data-dir ./okv-data", name),
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			certFile, err := findAuthority(dataDir)
			if err != nil {
				return err
			}
			cmds, err := commands(certFile)
			if err != nil {
				return err
			}
			if !dryRun {
				return cmds.Run(cmd.Context(), cmd.OutOrStdout())
			}
			for _, args := range cmds {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), "+", strings.Join(args, " ")); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "the `DIRECTORY` that okv dev was given")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the commands, run none")
	mustExist(cmd.MarkFlagRequired("data-dir"))
	return cmd
}

// findAuthority returns the absolute path of the certificate that okv dev keeps
// in its data directory.
func findAuthority(dataDir string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dataDir, "dev", devca.CertFile))
	if err != nil {
		return "", err
	}
	_, err = os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", notFoundError(fmt.Sprintf("%s holds no development authority; okv dev --data-dir %[1]s makes one", dataDir))
	}
	return path, err
}

// mustExist ends the program if a command marks a flag that it does not have.
func mustExist(err error) {
	if err != nil {
		panic(err)
	}
}
