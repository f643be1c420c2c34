package main

import (
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

// groups are the flags of the command group for resource groups.
type groups struct{ subscribed }

func newGroups() *cobra.Command {
	cmd := newGroup("group", "Create, show, list and delete resource groups",
		`group creates, shows, lists and deletes the resource groups that vaults are in,
with the flags of az group. It works in the subscription of --subscription, else
of AZURE_SUBSCRIPTION_ID, which okv dev sets.`,
		`  okv group create --name web --location westeurope
  okv group list`)
	g := &groups{}
	g.add(cmd)
	cmd.AddCommand(g.newCreate(), g.newShow(), g.newList(), g.newDelete())
	return cmd
}

// name adds the flag for the name of a group, under both of az's names.
func (g *groups) name(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVarP(name, "name", "n", "", "`NAME` of the group")
	cmd.Flags().StringVarP(name, "resource-group", "g", "", "the same `NAME`")
	cmd.MarkFlagsOneRequired("name", "resource-group")
	cmd.MarkFlagsMutuallyExclusive("name", "resource-group")
	completeNames(cmd, "name", groupNames(g.id))
	completeNames(cmd, "resource-group", groupNames(g.id))
}

func (g *groups) newCreate() *cobra.Command {
	var name, location string
	var tags tags
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a resource group",
		Long: `create makes a resource group. One that exists stays, where it is and with its
tags unless there are new ones.`,
		Example: `  okv group create --name web --location westeurope --tags env=test`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, err := g.client(cmd)
			if err != nil {
				return err
			}
			group := arm.ResourceGroup{Location: location, Tags: tags}
			have, err := client.GetGroup(cmd.Context(), name)
			switch {
			case err == nil:
				if !cmd.Flags().Changed("location") {
					group.Location = have.Location
				}
				if tags == nil {
					group.Tags = have.Tags
				}
				group.ManagedBy = have.ManagedBy
			case !management.IsNotFound(err):
				return err
			}
			made, err := client.CreateOrUpdateGroup(cmd.Context(), name, group)
			if err != nil {
				return err
			}
			return g.write(cmd, made)
		},
	}
	g.name(cmd, &name)
	cmd.Flags().StringVarP(&location, "location", "l", "eastus", "`LOCATION` to create it in")
	tagsFlag(cmd, &tags)
	return cmd
}

func (g *groups) newShow() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show a resource group",
		Example: `  okv group show --name web`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, err := g.client(cmd)
			if err != nil {
				return err
			}
			group, err := client.GetGroup(cmd.Context(), name)
			if err != nil {
				return err
			}
			return g.write(cmd, group)
		},
	}
	g.name(cmd, &name)
	return cmd
}

func (g *groups) newList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the resource groups of the subscription",
		Example: `  okv group list`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, err := g.client(cmd)
			if err != nil {
				return err
			}
			documents, rows := []arm.ResourceGroup{}, [][]string(nil)
			for group, err := range client.ListGroups(cmd.Context()) {
				if err != nil {
					return err
				}
				documents, rows = append(documents, group), append(rows, []string{group.Name, group.Location, formatTags(group.Tags)})
			}
			if g.output.value == formatJSON {
				return writeJSON(cmd.OutOrStdout(), documents)
			}
			return writeTable(cmd.OutOrStdout(), []string{"NAME", "LOCATION", "TAGS"}, rows)
		},
	}
}

func (g *groups) newDelete() *cobra.Command {
	var name string
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete",
		Short: "Delete a resource group with all its vaults",
		Long: `delete deletes a resource group with all vaults in it. If there are any it wants
--yes. A deleted vault can be recovered until it is purged, once there is a group
of the name again.`,
		Example: `  okv group delete --name web
  okv group delete --name web --yes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, err := g.client(cmd)
			if err != nil {
				return err
			}
			if !yes {
				n, err := count(client.ListVaultsByGroup(cmd.Context(), name))
				if err != nil {
					return err
				}
				if n > 0 {
					return fmt.Errorf("the group %s has vaults (%d); --yes deletes them with it", name, n)
				}
			}
			return client.DeleteGroup(cmd.Context(), name)
		},
	}
	g.name(cmd, &name)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "delete the vaults in it, too")
	return cmd
}

func count[T any](list iter.Seq2[T, error]) (n int, err error) {
	for _, err := range list {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func (g *groups) write(cmd *cobra.Command, group *arm.ResourceGroup) error {
	if g.output.value == formatJSON {
		d, err := newDocument(group, nil)
		if err != nil {
			return err
		}
		return writeJSON(cmd.OutOrStdout(), d)
	}
	return writeFields(cmd.OutOrStdout(), []field{
		{"Name", group.Name},
		{"ID", group.ID},
		{"Location", group.Location},
		{"Tags", formatTags(group.Tags)},
	})
}
