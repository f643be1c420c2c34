package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of okv and of the Go that built it",
		Example: "  okv version\n  okv version -o json",
		Args:    noArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if output.value == formatJSON {
			return writeJSON(cmd.OutOrStdout(), map[string]string{"okv": moduleVersion(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), buildVersion())
		return err
	}
	return cmd
}

// buildVersion describes the module and the toolchain that this binary was
// built from.
func buildVersion() string {
	return fmt.Sprintf("okv %s %s %s/%s", moduleVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
