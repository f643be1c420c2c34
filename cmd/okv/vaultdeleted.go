package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

func (v *vaults) newListDeleted() *cobra.Command {
	return &cobra.Command{
		Use:     "list-deleted",
		Short:   "List the deleted vaults of the subscription",
		Example: `  okv vault list-deleted`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, err := v.client(cmd)
			if err != nil {
				return err
			}
			return writeVaults(cmd, v.output.value, client.ListDeletedVaults(cmd.Context()), func(vault *arm.DeletedVault) resource {
				p := deletedProperties(vault)
				return resource{vault, p.VaultID, []string{
					vault.Name, p.Location, groupOf(p.VaultID), formatInstant(p.DeletionDate), formatInstant(p.ScheduledPurgeDate),
				}}
			}, "NAME", "LOCATION", "RESOURCE GROUP", "DELETED", "PURGE DUE")
		},
	}
}

// onDeleted gives cmd the flags for a deleted vault, and has it do run to that vault.
func (v *vaults) onDeleted(cmd *cobra.Command, run func(*cobra.Command, *management.Client, *arm.DeletedVault) error) *cobra.Command {
	var name, location string
	cmd.Args = noArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, client, err := v.client(cmd)
		if err != nil {
			return err
		}
		deleted, err := findDeleted(cmd.Context(), client, location, name)
		if err != nil {
			return err
		}
		return run(cmd, client, deleted)
	}
	nameFlag(cmd, &name)
	completeNames(cmd, "name", deletedVaultNames(v.id))
	cmd.Flags().StringVarP(&location, "location", "l", "", "`LOCATION` that it was in, searched unless given")
	return cmd
}

func (v *vaults) newShowDeleted() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show-deleted",
		Short:   "Show a deleted vault, and until when it can be recovered",
		Example: `  okv vault show-deleted --name orders`,
	}
	return v.onDeleted(cmd, func(cmd *cobra.Command, _ *management.Client, deleted *arm.DeletedVault) error {
		return v.writeDeleted(cmd, deleted)
	})
}

// writeDeleted describes a deleted vault.
func (v *vaults) writeDeleted(cmd *cobra.Command, vault *arm.DeletedVault) error {
	p := deletedProperties(vault)
	if v.output.value == formatJSON {
		d, err := newDocument(vault, map[string]string{"resourceGroup": groupOf(p.VaultID)})
		if err != nil {
			return err
		}
		return writeJSON(cmd.OutOrStdout(), d)
	}
	return writeFields(cmd.OutOrStdout(), []field{
		{"Name", vault.Name},
		{"ID", vault.ID},
		{"Vault ID", p.VaultID},
		{"Resource group", groupOf(p.VaultID)},
		{"Location", p.Location},
		{"Deleted", formatInstant(p.DeletionDate)},
		{"Purge due", formatInstant(p.ScheduledPurgeDate)},
		{"Purge protection", formatYes(p.PurgeProtectionEnabled)},
		{"Tags", formatTags(p.Tags)},
	})
}

func (v *vaults) newRecover() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "recover",
		Short:   "Bring a deleted vault back with all that it held",
		Example: `  okv vault recover --name orders`,
	}
	return v.onDeleted(cmd, func(cmd *cobra.Command, client *management.Client, deleted *arm.DeletedVault) error {
		subscription, err := client.GetSubscription(cmd.Context())
		if err != nil {
			return err
		}
		p := deletedProperties(deleted)
		vault, err := client.RecoverDeletedVault(cmd.Context(), groupOf(p.VaultID), deleted.Name, p.Location, subscription.TenantID)
		if err != nil {
			return err
		}
		return v.write(cmd, vault)
	})
}

func (v *vaults) newPurge() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "purge",
		Short:   "Destroy a deleted vault and all that it held for good",
		Example: `  okv vault purge --name orders`,
	}
	return v.onDeleted(cmd, func(cmd *cobra.Command, client *management.Client, deleted *arm.DeletedVault) error {
		return client.PurgeDeletedVault(cmd.Context(), deletedProperties(deleted).Location, deleted.Name)
	})
}

// findDeleted returns the deleted vault of a name, in any location unless one is
// given.
func findDeleted(ctx context.Context, client *management.Client, location, name string) (*arm.DeletedVault, error) {
	if location != "" {
		return client.GetDeletedVault(ctx, location, name)
	}
	for vault, err := range client.ListDeletedVaults(ctx) {
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(vault.Name, name) {
			return &vault, nil
		}
	}
	return nil, notFoundError(fmt.Sprintf("there is no deleted vault %s in the subscription %s; okv vault list-deleted shows those that there are",
		name, client.SubscriptionID()))
}

func deletedProperties(vault *arm.DeletedVault) *arm.DeletedVaultProperties {
	if vault.Properties == nil {
		return &arm.DeletedVaultProperties{}
	}
	return vault.Properties
}
