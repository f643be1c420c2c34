package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/openkeyvault/openkeyvault/api"
)

// multiple is a flag that takes several values after its name.
type multiple interface{ multiple() }

func isMultiple(flag *pflag.Flag) bool {
	_, ok := flag.Value.(multiple)
	return ok
}

// tags is the value of --tags.
type tags map[string]string

func (t *tags) Set(text string) error {
	if *t == nil {
		*t = tags{}
	}
	if text == "" {
		return nil
	}
	name, value, _ := strings.Cut(text, "=")
	if name == "" {
		return errors.New("a tag needs a name")
	}
	(*t)[name] = value
	return nil
}

func (t *tags) String() string { return formatTags(*t) }
func (*tags) Type() string     { return "k=v ..." }
func (*tags) multiple()        {}

func tagsFlag(cmd *cobra.Command, t *tags) {
	cmd.Flags().Var(t, "tags", "tags, as many as follow")
}

// word is a value of a set that has no type of its own.
type word string

// choice is the value of a flag that has a few values.
type choice[T ~string] struct {
	value   T
	choices []T
}

// choiceFlag adds a flag with the first of choices as its default, or none if
// that is empty. Case does not matter.
func choiceFlag[T ~string](cmd *cobra.Command, flags *pflag.FlagSet, name, shorthand, usage string, choices ...T) *choice[T] {
	c := &choice[T]{value: choices[0], choices: choices}
	if choices[0] == "" {
		c.choices = choices[1:]
	}
	flags.VarP(c, name, shorthand, usage)
	completeChoices(cmd, name, c.choices)
	return c
}

func completeChoices[T ~string](cmd *cobra.Command, name string, choices []T) {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = string(c)
	}
	err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag does not exist, or twice
	}
}

func (c *choice[T]) Set(text string) error {
	value, err := oneOf(text, c.choices)
	c.value = value
	return err
}

func (c *choice[T]) String() string { return string(c.value) }
func (c *choice[T]) Type() string   { return joined(c.choices, "|") }

// choices is the value of a flag that takes several of a few values.
type choices[T ~string] struct {
	values  []T
	choices []T
}

// Set takes an empty text for none at all, which is not the same as no flag.
func (c *choices[T]) Set(text string) error {
	if text == "" && c.values == nil {
		c.values = []T{}
		return nil
	}
	value, err := oneOf(text, c.choices)
	if err == nil {
		c.values = append(c.values, value)
	}
	return err
}

func choicesFlag[T ~string](cmd *cobra.Command, name, usage string, all ...T) *choices[T] {
	c := &choices[T]{choices: all}
	cmd.Flags().Var(c, name, usage+", as many as follow: "+joined(all, ", "))
	completeChoices(cmd, name, all)
	return c
}

func (c *choices[T]) String() string { return joined(c.values, " ") }
func (c *choices[T]) Type() string   { return "word ..." }
func (c *choices[T]) multiple()      {}

func oneOf[T ~string](text string, choices []T) (T, error) {
	for _, c := range choices {
		if strings.EqualFold(text, string(c)) {
			return c, nil
		}
	}
	return "", fmt.Errorf("it is one of %s", joined(choices, ", "))
}

func joined[T ~string](words []T, separator string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(string(w))
	}
	return b.String()
}

// optionalBool is the value of a flag that means something when it is false, too.
type optionalBool struct{ value *bool }

func (o *optionalBool) add(cmd *cobra.Command, name, usage string) {
	cmd.Flags().VarPF(o, name, "", usage).NoOptDefVal = "true"
	completeChoices(cmd, name, []word{"true", "false"})
}

func (o *optionalBool) Set(text string) error {
	value, err := strconv.ParseBool(text)
	o.value = &value
	return err
}

func (o *optionalBool) String() string {
	if o.value == nil {
		return ""
	}
	return strconv.FormatBool(*o.value)
}

func (*optionalBool) Type() string { return "true|false" }

// timeLayouts are those of az, and RFC 3339. Without a zone a time is UTC.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02T15Z07:00", "2006-01-02",
}

// moment is the value of a flag for a time.
type moment struct{ value *api.UnixTime }

func (m *moment) Set(text string) error {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			unix := api.Unix(t)
			m.value = &unix
			return nil
		}
	}
	return errors.New("it is a date or time such as 2030-01-31 or 2030-01-31T12:00:00Z")
}

func (m *moment) String() string { return formatTime(m.value) }
func (m *moment) Type() string   { return "time" }

// attributeFlags are what secrets and keys can be created with.
type attributeFlags struct {
	expires, notBefore moment
	disabled           bool
	tags               tags
}

func (a *attributeFlags) add(cmd *cobra.Command) {
	cmd.Flags().Var(&a.expires, "expires", "when it expires, in UTC unless there is a zone")
	cmd.Flags().Var(&a.notBefore, "not-before", "from when on it is to be used")
	cmd.Flags().BoolVar(&a.disabled, "disabled", false, "create it disabled")
	tagsFlag(cmd, &a.tags)
}

// attributes returns nil if no flag was given.
func (a *attributeFlags) attributes() *api.Attributes {
	if a.expires.value == nil && a.notBefore.value == nil && !a.disabled {
		return nil
	}
	attributes := &api.Attributes{Expires: a.expires.value, NotBefore: a.notBefore.value}
	if a.disabled {
		attributes.Enabled = new(bool)
	}
	return attributes
}
