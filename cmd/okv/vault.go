package main

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

// vaults are the flags of the command group for vaults.
type vaults struct{ subscribed }

func newVault() *cobra.Command {
	cmd := newGroup("vault", "Create, show, change and delete vaults",
		`vault creates, shows, changes and deletes vaults, with the flags of az keyvault. It
works in the subscription of --subscription, else of AZURE_SUBSCRIPTION_ID, which
okv dev sets.`,
		`  okv vault create --name orders --resource-group web --create-group --location westeurope
  okv vault list
  okv vault show --name orders -o json`)
	v := &vaults{}
	v.add(cmd)
	cmd.AddCommand(v.newCreate(), v.newShow(), v.newList(), v.newUpdate(), v.newSetPolicy(), v.newDeletePolicy(), v.newNetworkRule(),
		v.newCheckName(), v.newDelete(), v.newListDeleted(), v.newShowDeleted(), v.newRecover(), v.newPurge())
	return cmd
}

// completeVault completes the flags for a vault.
func (v *vaults) completeVault(cmd *cobra.Command) {
	completeNames(cmd, "name", vaultNames(v.id))
	completeNames(cmd, "resource-group", groupNames(v.id))
}

func nameFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVarP(name, "name", "n", "", "`NAME` of the vault")
	mustExist(cmd.MarkFlagRequired("name"))
}

func groupFlag(cmd *cobra.Command, group *string, usage string) {
	cmd.Flags().StringVarP(group, "resource-group", "g", "", usage)
}

// onVault gives cmd the flags for a vault, and has it do run to that vault.
func (v *vaults) onVault(cmd *cobra.Command, run func(*cobra.Command, *management.Client, *arm.Vault) error) *cobra.Command {
	var name, group string
	cmd.Args = noArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, client, err := v.client(cmd)
		if err != nil {
			return err
		}
		vault, err := find(cmd.Context(), client, group, name)
		if err != nil {
			return err
		}
		return run(cmd, client, vault)
	}
	nameFlag(cmd, &name)
	groupFlag(cmd, &group, "resource `GROUP` of the vault, searched unless given")
	v.completeVault(cmd)
	return cmd
}

func (v *vaults) newShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show a vault",
		Example: `  okv vault show --name orders
  okv vault show --name orders --resource-group web -o json`,
	}
	return v.onVault(cmd, func(cmd *cobra.Command, _ *management.Client, vault *arm.Vault) error {
		return v.write(cmd, vault)
	})
}

func (v *vaults) newList() *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the vaults of the subscription, or of a resource group",
		Example: `  okv vault list
  okv vault list --resource-group web -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, err := v.client(cmd)
			if err != nil {
				return err
			}
			list := client.ListVaults(cmd.Context())
			if group != "" {
				list = client.ListVaultsByGroup(cmd.Context(), group)
			}
			return writeVaults(cmd, v.output.value, list, func(vault *arm.Vault) resource {
				return resource{vault, vault.ID, []string{vault.Name, vault.Location, groupOf(vault.ID), uriOf(vault)}}
			}, "NAME", "LOCATION", "RESOURCE GROUP", "URI")
		},
	}
	groupFlag(cmd, &group, "list those of this resource `GROUP`")
	completeNames(cmd, "resource-group", groupNames(v.id))
	return cmd
}

func (v *vaults) newDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete",
		Short: "Delete a vault with all that it holds",
		Long: `delete deletes a vault with all that it holds. Until it is purged it can be
brought back with okv vault recover, and its name is taken.`,
		Example: `  okv vault delete --name orders`,
	}
	// That the vault is found first matters: the service takes the deletion of what is
	// not there for a success.
	return v.onVault(cmd, func(cmd *cobra.Command, client *management.Client, vault *arm.Vault) error {
		return client.DeleteVault(cmd.Context(), groupOf(vault.ID), vault.Name)
	})
}

func (v *vaults) newCheckName() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "check-name",
		Short: "Say whether a new vault could have a name",
		Long: `check-name says whether a new vault could have a name, and if not why. That it
could not is an answer, too, with the exit status 0.`,
		Example: `  okv vault check-name --name orders`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, err := v.client(cmd)
			if err != nil {
				return err
			}
			check, err := client.CheckNameAvailability(cmd.Context(), name)
			if err != nil {
				return err
			}
			if v.output.value == formatJSON {
				return writeJSON(cmd.OutOrStdout(), check)
			}
			return writeFields(cmd.OutOrStdout(), []field{
				{"Name", name},
				{"Available", formatBool(&check.NameAvailable)},
				{"Reason", check.Reason},
				{"Message", check.Message},
			})
		},
	}
	nameFlag(cmd, &name)
	noFiles(cmd, "name")
	return cmd
}

// find returns the vault of a name, in any group of the subscription unless one
// is given.
func find(ctx context.Context, client *management.Client, group, name string) (*arm.Vault, error) {
	if group != "" {
		return client.GetVault(ctx, group, name)
	}
	for r, err := range client.ListVaultResources(ctx) {
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(r.Name, name) {
			return client.GetVault(ctx, groupOf(r.ID), r.Name)
		}
	}
	return nil, notFoundError(fmt.Sprintf("there is no vault %s in the subscription %s; "+
		"okv vault list shows those that exist, okv vault list-deleted those that are deleted", name, client.SubscriptionID()))
}

// write describes a vault.
func (v *vaults) write(cmd *cobra.Command, vault *arm.Vault) error {
	if v.output.value == formatJSON {
		d, err := newDocument(vault, map[string]string{"resourceGroup": groupOf(vault.ID)})
		if err != nil {
			return err
		}
		return writeJSON(cmd.OutOrStdout(), d)
	}
	return writeFields(cmd.OutOrStdout(), vaultFields(vault))
}

func vaultFields(vault *arm.Vault) []field {
	p := vault.Properties
	if p == nil {
		p = &arm.VaultProperties{}
	}
	sku := ""
	if p.SKU != nil {
		sku = p.SKU.Name
	}
	access := fmt.Sprintf("access policies (%d)", len(p.AccessPolicies))
	if p.EnableRBACAuthorization != nil && *p.EnableRBACAuthorization {
		access = "role assignments"
	}
	retention := ""
	if p.SoftDeleteRetentionInDays != nil {
		retention = strconv.Itoa(int(*p.SoftDeleteRetentionInDays)) + " days"
	}
	return []field{
		{"Name", vault.Name},
		{"URI", p.VaultURI},
		{"ID", vault.ID},
		{"Resource group", groupOf(vault.ID)},
		{"Location", vault.Location},
		{"Tenant", p.TenantID},
		{"SKU", sku},
		{"Access by", access},
		{"Retention", retention},
		{"Purge protection", formatYes(p.EnablePurgeProtection)},
		{"Network", networkOfVault(p)},
		{"State", p.ProvisioningState},
		{"Tags", formatTags(vault.Tags)},
	}
}

// formatYes is formatBool for what is no unless it is said.
func formatYes(b *bool) string {
	if b == nil {
		return "no"
	}
	return formatBool(b)
}

// networkOfVault says who is kept out by the place that he calls from, or nothing
// if nobody is.
func networkOfVault(p *arm.VaultProperties) string {
	rules := networkOf(p.NetworkACLs)
	switch {
	case p.PublicNetworkAccess != nil && strings.EqualFold(*p.PublicNetworkAccess, arm.PublicAccessDisabled):
		return "private endpoints only"
	case strings.EqualFold(rules.DefaultAction, arm.ActionDeny):
		return fmt.Sprintf("rules only (%d)", len(rules.IPRules)+len(rules.VirtualNetworkRules))
	}
	return ""
}

// resource is a vault in a list: itself, its resource id, and its row.
type resource struct {
	value any
	id    string
	row   []string
}

// writeVaults writes a list of vaults, live or deleted.
func writeVaults[T any](cmd *cobra.Command, f format, list iter.Seq2[T, error], as func(*T) resource, header ...string) error {
	documents, rows := []document{}, [][]string(nil)
	for vault, err := range list {
		if err != nil {
			return err
		}
		r := as(&vault)
		d, err := newDocument(r.value, map[string]string{"resourceGroup": groupOf(r.id)})
		if err != nil {
			return err
		}
		documents, rows = append(documents, d), append(rows, r.row)
	}
	if f == formatJSON {
		return writeJSON(cmd.OutOrStdout(), documents)
	}
	return writeTable(cmd.OutOrStdout(), header, rows)
}

// groupOf returns the resource group in the id of a resource. The words of an
// id compare without case.
func groupOf(id string) string {
	segments := strings.Split(id, "/")
	for i, s := range segments {
		if strings.EqualFold(s, "resourceGroups") && i+1 < len(segments) {
			return segments[i+1]
		}
	}
	return ""
}

func uriOf(vault *arm.Vault) string {
	if vault.Properties == nil {
		return ""
	}
	return vault.Properties.VaultURI
}
