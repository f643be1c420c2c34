package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

// propertyFlags are the properties that a vault can be created with and that can
// change later.
type propertyFlags struct {
	deployment, diskEncryption, templateDeployment optionalBool
	publicAccess, defaultAction, bypass            *choice[string]
}

func (p *propertyFlags) add(cmd *cobra.Command) {
	p.deployment.add(cmd, "enabled-for-deployment", "whether virtual machines get certificates from it")
	p.diskEncryption.add(cmd, "enabled-for-disk-encryption", "whether the encryption of disks uses it")
	p.templateDeployment.add(cmd, "enabled-for-template-deployment", "whether Resource Manager reads secrets for deployments")
	flags := cmd.Flags()
	p.publicAccess = choiceFlag(cmd, flags, "public-network-access", "", "whether it can be reached without a private endpoint", "",
		arm.PublicAccessEnabled, arm.PublicAccessDisabled)
	p.defaultAction = choiceFlag(cmd, flags, "default-action", "", "what happens to callers that no network rule admits", "",
		arm.ActionAllow, arm.ActionDeny)
	p.bypass = choiceFlag(cmd, flags, "bypass", "", "who needs no network rule", "", arm.BypassAzureServices, arm.BypassNone)
}

// names are those of the flags.
func (p *propertyFlags) names() []string {
	return []string{
		"enabled-for-deployment", "enabled-for-disk-encryption", "enabled-for-template-deployment",
		"public-network-access", "default-action", "bypass",
	}
}

// apply writes what was given into properties. have are the network rules that
// the vault has, which a change replaces as a whole, or nil.
func (p *propertyFlags) apply(properties *arm.VaultProperties, have *arm.NetworkACLs) {
	properties.EnabledForDeployment = p.deployment.value
	properties.EnabledForDiskEncryption = p.diskEncryption.value
	properties.EnabledForTemplateDeployment = p.templateDeployment.value
	if access := p.publicAccess.value; access != "" {
		properties.PublicNetworkAccess = &access
	}
	if p.defaultAction.value == "" && p.bypass.value == "" {
		return
	}
	rules := networkOf(have)
	if p.defaultAction.value != "" {
		rules.DefaultAction = p.defaultAction.value
	}
	if p.bypass.value != "" {
		rules.Bypass = p.bypass.value
	}
	properties.NetworkACLs = &rules
}

// networkOf returns the rules that there are, or those of a vault that has none.
func networkOf(rules *arm.NetworkACLs) arm.NetworkACLs {
	if rules == nil {
		return arm.NetworkACLs{Bypass: arm.BypassAzureServices, DefaultAction: arm.ActionAllow}
	}
	return *rules
}

func (v *vaults) newUpdate() *cobra.Command {
	var name, group string
	var properties propertyFlags
	var rbac, purgeProtection optionalBool
	var tags tags
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Change properties of a vault",
		Long: `update changes the properties of a vault that flags are given for; the others stay.
--tags replaces all tags, and --tags "" removes them. The access policies of a
vault stay while role assignments decide, and count again when they do not.`,
		Example: `  okv vault update --name orders --enable-purge-protection
  okv vault update --name orders --default-action Deny --bypass None
  okv vault update --name orders --enable-rbac-authorization false --tags env=test`,
		Args: noArgs,
	}
	nameFlag(cmd, &name)
	groupFlag(cmd, &group, "resource `GROUP` of the vault, searched unless given")
	v.completeVault(cmd)
	sku := choiceFlag(cmd, cmd.Flags(), "sku", "", "tier; keys in HSMs need premium", "", arm.SKUStandard, arm.SKUPremium)
	rbac.add(cmd, "enable-rbac-authorization", "decide by role assignments, not by access policies")
	purgeProtection.add(cmd, "enable-purge-protection", "forbid purging for good; this cannot be taken back")
	properties.add(cmd)
	tagsFlag(cmd, &tags)
	cmd.MarkFlagsOneRequired(append(properties.names(), "sku", "enable-rbac-authorization", "enable-purge-protection", "tags")...)

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return v.change(cmd, group, name, func(vault *arm.Vault) (*arm.VaultPatchParameters, error) {
			patch := &arm.VaultProperties{EnableRBACAuthorization: rbac.value, EnablePurgeProtection: purgeProtection.value}
			if sku.value != "" {
				patch.SKU = &arm.SKU{Family: arm.SKUFamilyA, Name: sku.value}
			}
			properties.apply(patch, vault.Properties.NetworkACLs)
			return &arm.VaultPatchParameters{Tags: tags, Properties: patch}, nil
		})
	}
	return cmd
}

// change finds a vault, changes it as the function says, and describes it. The
// function is given a vault that has properties.
func (v *vaults) change(cmd *cobra.Command, group, name string, patch func(*arm.Vault) (*arm.VaultPatchParameters, error)) error {
	_, client, err := v.client(cmd)
	if err != nil {
		return err
	}
	vault, err := findWhole(cmd, client, group, name)
	if err != nil {
		return err
	}
	parameters, err := patch(vault)
	if err != nil {
		return err
	}
	changed, err := client.UpdateVault(cmd.Context(), groupOf(vault.ID), vault.Name, *parameters)
	if err != nil {
		return err
	}
	return v.write(cmd, changed)
}

// findWhole is find for those who need the properties.
func findWhole(cmd *cobra.Command, client *management.Client, group, name string) (*arm.Vault, error) {
	vault, err := find(cmd.Context(), client, group, name)
	if err == nil && vault.Properties == nil {
		err = fmt.Errorf("the answer about the vault %s has no properties", name)
	}
	return vault, err
}
