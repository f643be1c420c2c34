package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// changeFlags are what can be changed of a version of a secret or a key. What is
// not given stays.
type changeFlags struct {
	expires, notBefore moment
	enabled            optionalBool
	tags               tags
}

func (c *changeFlags) add(cmd *cobra.Command) {
	c.enabled.add(cmd, "enabled", "whether it can be used")
	cmd.Flags().Var(&c.expires, "expires", "when it expires, in UTC unless there is a zone")
	cmd.Flags().Var(&c.notBefore, "not-before", "from when on it is to be used")
	tagsFlag(cmd, &c.tags)
}

// names are those of the flags, one of which must be given.
func (c *changeFlags) names() []string { return []string{"enabled", "expires", "not-before", "tags"} }

// attributes returns nil if no flag for them was given.
func (c *changeFlags) attributes() *api.Attributes {
	if c.enabled.value == nil && c.expires.value == nil && c.notBefore.value == nil {
		return nil
	}
	return &api.Attributes{Enabled: c.enabled.value, Expires: c.expires.value, NotBefore: c.notBefore.value}
}

// newSetAttributes returns the command that performs update, but for the flags
// that the kind has of its own.
func (g *group) newSetAttributes(t *target, change *changeFlags, update func(*cobra.Command, *keyvault.Client) (any, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set-attributes",
		Short: fmt.Sprintf("Change what a %s says about itself", g.noun),
		Long: fmt.Sprintf(`set-attributes changes what a version of a %s says about itself, the current one
unless another is named. What no flag is for stays as it is. --tags replaces all
tags, and --tags "" removes them.`, g.noun),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			return g.write(cmd)(update(cmd, client))
		},
	}
	g.addTarget(cmd, t, true)
	change.add(cmd)
	cmd.Example = g.examples("set-attributes --vault-name dev --name NAME --enabled false",
		"set-attributes --vault-name dev --name NAME --expires 2030-01-31 --tags env=test owner=web")
	return cmd
}
