// Command okv is a key vault that programs take for Azure's: the service, and
// the tools to use it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// errStatus ends the program with a status, and without a message unless there
// is an error, too.
type errStatus struct {
	status int
	err    error
}

func (e errStatus) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func main() {
	os.Exit(run(os.Args[1:]))
}

// run is main but for the exit, so that what is deferred still happens.
func run(args []string) int {
	// An interrupt is not among these: `okv dev -- COMMAND` leaves it to the
	// command, and everything else ends with it anyway.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	root := newRoot()
	began := markBegin(root)
	root.SetArgs(completeArgs(root, args))
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if !*began {
		// Whatever is wrong before a command begins is wrong with its line.
		err = usageError{cmd, err}
	}
	line, status := explain(err)
	var own errStatus
	if errors.As(err, &own) {
		status = own.status
		if own.err == nil {
			return status
		}
	}
	fmt.Fprintln(os.Stderr, "okv: "+line)
	return status
}

// markBegin makes every command below cmd say that it has begun.
func markBegin(cmd *cobra.Command) *bool {
	began := new(bool)
	var mark func(*cobra.Command)
	mark = func(cmd *cobra.Command) {
		if do := cmd.RunE; do != nil {
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				*began = true
				return do(cmd, args)
			}
		}
		for _, sub := range cmd.Commands() {
			mark(sub)
		}
	}
	mark(cmd)
	return began
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "okv",
		Short: "A key vault that programs take for Azure's",
		Long: `okv is a key vault that speaks Azure Key Vault's protocols.

okv dev starts a throw-away vault and runs a program against it. The other
commands use a vault, this one or Azure's, with the flags of az keyvault.

` + cloudHelp + `

The exit status is 0, or 1 if the service refused or could not be reached, 2 if
the command line is wrong, 3 if what it names does not exist.`,
		Example: `  okv dev -- sh
  okv secret set --vault-name dev --name db-password --value hunter2
  okv secret show --vault-name dev --name db-password -o json`,
		Version:       buildVersion(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newDev(), newInit(), newServe(), newOperator(), newGroups(), newVault(), newSecret(), newKey(), newApp(), newRole(), newBench(), newVersion())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	adopt(root)
	return root
}

// newGroup returns a command that only has commands below it. Without one it
// prints its help; cobra alone would do so for an unknown one, too.
func newGroup(use, short, long, example string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}

// adopt gives the commands that cobra adds the examples that they lack, and has
// them refuse what they do not know.
func adopt(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Example = "  okv help secret set"
			cmd.Args = func(_ *cobra.Command, args []string) error {
				topic, rest, err := root.Find(args)
				if err == nil && topic.HasSubCommands() && len(rest) > 0 {
					err = noCommand(topic, rest)
				}
				return err
			}
		case "completion":
			cmd.Example = "  source <(okv completion bash)"
			cmd.Args, cmd.RunE = noCommand, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			for _, shell := range cmd.Commands() {
				shell.Example = "  okv completion " + shell.Name()
			}
		}
	}
}

// newLogger writes what an operator must know to standard error.
func newLogger(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
