package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// azArgs rewrites a command line from the grammar of az, in which a flag may
// have several values and a boolean one a value, to that of pflag:
// "--tags a=1 b=2" becomes "--tags=a=1 --tags=b=2", and "--disabled false"
// becomes "--disabled=false". What follows "--" is left alone.
func azArgs(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil {
		return args // which cobra will find as well
	}
	var out []string
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			return append(out, args...)
		}
		args = args[1:]
		flag := separateFlag(cmd, arg)
		switch {
		case flag == nil:
			out = append(out, arg)
		case isMultiple(flag):
			n := countValues(args)
			if n == 0 {
				out = append(out, arg)
			}
			for _, value := range args[:n] {
				out = append(out, "--"+flag.Name+"="+value)
			}
			args = args[n:]
		case flag.NoOptDefVal == "":
			// Its value may look like a flag.
			n := min(1, len(args))
			out = append(append(out, arg), args[:n]...)
			args = args[n:]
		case len(args) > 0 && (args[0] == "true" || args[0] == "false"):
			out = append(out, "--"+flag.Name+"="+args[0])
			args = args[1:]
		default:
			out = append(out, arg)
		}
	}
	return out
}

// separateFlag returns the flag that arg is, if its value, should it have one,
// is not part of arg.
func separateFlag(cmd *cobra.Command, arg string) *pflag.Flag {
	if name, long := strings.CutPrefix(arg, "--"); long {
		return cmd.Flag(name)
	}
	if len(arg) != 2 || arg[0] != '-' {
		return nil
	}
	if flag := cmd.Flags().ShorthandLookup(arg[1:]); flag != nil {
		return flag
	}
	return cmd.InheritedFlags().ShorthandLookup(arg[1:])
}

// countValues returns how many of args there are before the next flag.
func countValues(args []string) int {
	for i, arg := range args {
		if strings.HasPrefix(arg, "-") {
			return i
		}
	}
	return len(args)
}

// noArgs refuses arguments without repeating them: they may be the rest of a
// secret's value that was not quoted.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("there are arguments that belong to no flag: quote a value that has blanks in it")
	}
	return nil
}

// flagError names an unknown flag alone: what is joined to it may be a secret's
// value.
func flagError(_ *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	if shorthands := unknown.GetSpecifiedShortnames(); shorthands != "" {
		return fmt.Errorf("unknown flag -%.1s", unknown.GetSpecifiedName())
	}
	return fmt.Errorf("unknown flag --%s", unknown.GetSpecifiedName())
}
