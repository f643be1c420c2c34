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
		case len(args) > 0 && (strings.EqualFold(args[0], "true") || strings.EqualFold(args[0], "false")):
			out = append(out, "--"+flag.Name+"="+strings.ToLower(args[0]))
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

// noCommand refuses the word that stands where a group has its commands, and says
// which of them it may mean.
func noCommand(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case args[0] == "keyvault" && !cmd.HasParent():
		return errors.New("leave the word keyvault out: okv secret, okv key and okv vault are the commands of az keyvault")
	}
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return fmt.Errorf("unknown command %q%s", args[0], meant("", args[0], names))
}

// flagError names an unknown flag alone: what is joined to it may be a secret's
// value. Of a command that is not there the flags are none of its group's.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	if cmd.HasSubCommands() {
		if missing := cmd.ValidateArgs(cmd.Flags().Args()); missing != nil {
			return missing
		}
	}
	if shorthands := unknown.GetSpecifiedShortnames(); shorthands != "" {
		return fmt.Errorf("unknown flag -%.1s", unknown.GetSpecifiedName())
	}
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	})
	name := unknown.GetSpecifiedName()
	return fmt.Errorf("unknown flag --%s%s", name, meant("--", name, names))
}

// meant returns a question for the name that a word may be a slip of, if there is
// one: the nearest that it begins, or that two slips of the pen make of it.
func meant(prefix, word string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		d := distance(word, name)
		if strings.HasPrefix(name, word) {
			d = min(d, 2)
		}
		if d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s%s?)", prefix, best)
}

// distance returns how many bytes must be put in, left out or replaced to make b of
// a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
