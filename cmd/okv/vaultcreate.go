package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

// newVaultOptions are the flags of vault create.
type newVaultOptions struct {
	name, group, location string
	createGroup           bool
	sku                   *choice[string]
	rbac, noSelfPerms     bool
	retentionDays         int32
	purgeProtection       bool
	properties            propertyFlags
	tags                  tags
}

func (v *vaults) newCreate() *cobra.Command {
	o := &newVaultOptions{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a vault",
		Long: `create makes a vault in a resource group. Names of vaults are unique in all of
Azure, and a deleted vault keeps its name until it is purged.

The vault decides by role assignments: to use it one needs a role such as Key
Vault Administrator, which Owner does not include. With
--enable-rbac-authorization false it decides by access policies, the first of
which gives the caller all permissions but to purge.`,
		Example: `  okv vault create --name orders --resource-group web --location westeurope
  okv vault create -n orders -g web --create-group --sku premium --tags env=test owner=web
  okv vault create -n orders -g web --enable-rbac-authorization false --retention-days 7`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, client, err := v.client(cmd)
			if err != nil {
				return err
			}
			vault, err := o.create(cmd.Context(), c, client)
			if err != nil {
				return err
			}
			return v.write(cmd, vault)
		},
	}
	nameFlag(cmd, &o.name)
	groupFlag(cmd, &o.group, "resource `GROUP` to create it in")
	mustExist(cmd.MarkFlagRequired("resource-group"))
	flags := cmd.Flags()
	flags.BoolVar(&o.createGroup, "create-group", false, "create the resource group, in the same location, if it does not exist")
	flags.StringVarP(&o.location, "location", "l", "", "`LOCATION` to create it in (default that of the group, of a new one "+defaultLocation+")")
	o.sku = choiceFlag(cmd, flags, "sku", "", "tier; keys in HSMs need premium", arm.SKUStandard, arm.SKUPremium)
	flags.BoolVar(&o.rbac, "enable-rbac-authorization", true, "decide by role assignments, not by access policies")
	flags.BoolVar(&o.noSelfPerms, "no-self-perms", false, "with access policies, begin with none")
	flags.Int32Var(&o.retentionDays, "retention-days", 90, "`DAYS` for which deleted objects can be recovered, 7 to 90")
	flags.BoolVar(&o.purgeProtection, "enable-purge-protection", false, "forbid purging for good; this cannot be taken back")
	o.properties.add(cmd)
	tagsFlag(cmd, &o.tags)
	completeNames(cmd, "resource-group", groupNames(v.id))
	noFiles(cmd, "name", "location")
	return cmd
}

func (o *newVaultOptions) create(ctx context.Context, c *connection, client *management.Client) (*arm.Vault, error) {
	// The service would replace the properties of a vault that exists.
	_, err := client.GetVault(ctx, o.group, o.name)
	switch {
	case err == nil:
		return nil, fmt.Errorf("the vault %s exists already in the group %s", o.name, o.group)
	case !management.IsNotFound(err):
		return nil, err
	}
	if err := o.locate(ctx, client); err != nil {
		return nil, err
	}
	if o.createGroup {
		if err := o.ensureGroup(ctx, client); err != nil {
			return nil, err
		}
	}
	parameters, err := o.parameters(ctx, c, client)
	if err != nil {
		return nil, err
	}
	return client.CreateOrUpdateVault(ctx, o.group, o.name, parameters)
}

const defaultLocation = "eastus"

// locate chooses the location of the group, unless one is given. That there is no
// group the service says when the vault is created.
func (o *newVaultOptions) locate(ctx context.Context, client *management.Client) error {
	if o.location != "" {
		return nil
	}
	o.location = defaultLocation
	group, err := client.GetGroup(ctx, o.group)
	switch {
	case err == nil:
		o.location = group.Location
	case !management.IsNotFound(err):
		return err
	}
	return nil
}

// ensureGroup leaves a group that exists alone: to create it again would
// replace its tags.
func (o *newVaultOptions) ensureGroup(ctx context.Context, client *management.Client) error {
	exists, err := client.GroupExists(ctx, o.group)
	if err != nil || exists {
		return err
	}
	_, err = client.CreateOrUpdateGroup(ctx, o.group, arm.ResourceGroup{Location: o.location})
	return err
}

func (o *newVaultOptions) parameters(ctx context.Context, c *connection, client *management.Client) (arm.VaultCreateOrUpdateParameters, error) {
	subscription, err := client.GetSubscription(ctx)
	if err != nil {
		return arm.VaultCreateOrUpdateParameters{}, err
	}
	parameters := management.VaultWithRoles(o.location, subscription.TenantID)
	if !o.rbac {
		policies, err := o.selfPolicies(ctx, c, subscription.TenantID)
		if err != nil {
			return arm.VaultCreateOrUpdateParameters{}, err
		}
		parameters = management.VaultWithPolicies(o.location, subscription.TenantID, policies...)
	}
	parameters.Tags = o.tags
	parameters.Properties.SKU.Name = o.sku.value
	parameters.Properties.SoftDeleteRetentionInDays = &o.retentionDays
	o.properties.apply(parameters.Properties, nil)
	if o.purgeProtection {
		parameters.Properties.EnablePurgeProtection = &o.purgeProtection
	}
	return parameters, nil
}

// selfPolicies returns the access policy with which whoever creates a vault can
// use it.
func (o *newVaultOptions) selfPolicies(ctx context.Context, c *connection, tenantID string) ([]arm.AccessPolicyEntry, error) {
	if o.noSelfPerms {
		return nil, nil
	}
	own, err := c.identity(ctx)
	if err != nil {
		if !errors.As(err, new(credentialError)) {
			err = fmt.Errorf("%w: --no-self-perms makes the vault without a policy for you", err)
		}
		return nil, err
	}
	return []arm.AccessPolicyEntry{{TenantID: tenantID, ObjectID: own.OID, Permissions: management.AllPermissions()}}, nil
}
