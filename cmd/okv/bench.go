package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/internal/bench"
)

func newBench() *cobra.Command {
	opts := bench.Options{}
	var child bool
	only := &choices[bench.Scenario]{choices: bench.Scenarios()}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the vault on this machine, against the machine's own limits",
		Long: `bench measures a vault on this machine: how many secrets it reads and writes a
second, how soon it answers after its start, its memory, and how it does with many
secrets.

Every figure stands beside its own limit from the same run: a bare TLS handler
that gives the same answer, the storage engine that commits the same bytes, a
process that only listens, a vault of a thousand secrets. Their ratio says what
the vault itself costs, whatever the machine. Leave the machine alone meanwhile.

The whole run takes a quarter of an hour, and 2 GB of disk for a million secrets;
--quick takes less of both and stops at 100,000.`,
		Example: `  okv bench --quick
  okv bench --only get put --duration 30s
  okv bench --only get --profile ./profiles
  okv bench --data-dir /var/lib/okv -o json`,
		Args: noArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if child {
			return bench.Child(cmd.Context(), os.Stdin, cmd.OutOrStdout())
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
		defer stop()
		self, err := os.Executable()
		if err != nil {
			return err
		}
		opts.Only = only.values
		opts.Child = []string{self, "bench", "--child"}
		opts.Dev = []string{self, "dev"}
		opts.Progress = func(what string) { fmt.Fprintln(cmd.ErrOrStderr(), what) }
		report, err := bench.Run(ctx, opts)
		if report == nil || len(report.Rows) == 0 && err != nil {
			return err
		}
		if written := writeReport(cmd.OutOrStdout(), report, output.value); err == nil {
			err = written
		}
		return err
	}
	flags := cmd.Flags()
	flags.Var(only, "only", "measure only these")
	completeChoices(cmd, "only", only.choices)
	flags.DurationVar(&opts.Duration, "duration", 0, "how long each side of a figure is under load (default 10s, with --quick 1.5s)")
	flags.BoolVar(&opts.Quick, "quick", false, "take fewer repetitions, and 100,000 secrets at most")
	flags.StringVar(&opts.Dir, "data-dir", "", "measure the disk of this `DIRECTORY` (default that of temporary files)")
	flags.StringVar(&opts.Profiles, "profile", "", "write profiles of the server to this `DIRECTORY`")
	flags.BoolVar(&child, "child", false, "be one of the processes of a run")
	mustExist(flags.MarkHidden("child"))
	return cmd
}

// writeReport prints what was measured. Notes follow the table.
func writeReport(w io.Writer, report *bench.Report, as format) error {
	if as == formatJSON {
		return writeJSON(w, report)
	}
	rows := make([][]string, len(report.Rows))
	for i, row := range report.Rows {
		rows[i] = row.Cells()
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", report.Machine); err != nil {
		return err
	}
	if err := writeTable(w, bench.Header(), rows); err != nil {
		return err
	}
	var notes strings.Builder
	for _, row := range report.Rows {
		if row.Note != "" {
			fmt.Fprintf(&notes, "\n%s: %s.", row.Scenario, row.Note)
		}
	}
	_, err := fmt.Fprintln(w, notes.String())
	return err
}
