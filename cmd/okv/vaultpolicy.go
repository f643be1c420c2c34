package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

// Permissions of access policies, per collection.
var (
	keyPermissions = []word{
		"all", "backup", "create", "decrypt", "delete", "encrypt", "get", "getrotationpolicy", "import", "list", "purge", "recover",
		"release", "restore", "rotate", "setrotationpolicy", "sign", "unwrapKey", "update", "verify", "wrapKey",
	}
	secretPermissions      = []word{"all", "backup", "delete", "get", "list", "purge", "recover", "restore", "set"}
	certificatePermissions = []word{
		"all", "backup", "create", "delete", "deleteissuers", "get", "getissuers", "import", "list", "listissuers", "managecontacts",
		"manageissuers", "purge", "recover", "restore", "setissuers", "update",
	}
	storagePermissions = []word{
		"all", "backup", "delete", "deletesas", "get", "getsas", "list", "listsas", "purge", "recover", "regeneratekey", "restore",
		"set", "setsas", "update",
	}
)

// permissionFlags are the permissions to grant. What is nil was not given.
type permissionFlags struct{ keys, secrets, certificates, storage *choices[word] }

func (p *permissionFlags) add(cmd *cobra.Command) {
	p.keys = choicesFlag(cmd, "key-permissions", "what may be done with keys", keyPermissions...)
	p.secrets = choicesFlag(cmd, "secret-permissions", "what may be done with secrets", secretPermissions...)
	p.certificates = choicesFlag(cmd, "certificate-permissions", "what may be done with certificates", certificatePermissions...)
	p.storage = choicesFlag(cmd, "storage-permissions", "what may be done with storage accounts", storagePermissions...)
	cmd.MarkFlagsOneRequired("key-permissions", "secret-permissions", "certificate-permissions", "storage-permissions")
}

// over returns the permissions with those that were given in place of those of
// the same collection.
func (p *permissionFlags) over(have *arm.Permissions) *arm.Permissions {
	merged := arm.Permissions{}
	if have != nil {
		merged = *have
	}
	for _, c := range []struct {
		given *choices[word]
		to    *[]string
	}{{p.keys, &merged.Keys}, {p.secrets, &merged.Secrets}, {p.certificates, &merged.Certificates}, {p.storage, &merged.Storage}} {
		if c.given.values == nil {
			continue
		}
		*c.to = []string{}
		for _, permission := range c.given.values {
			*c.to = append(*c.to, string(permission))
		}
	}
	return &merged
}

// principal is whom an access policy is for.
type principal struct{ objectID, spn, applicationID string }

func (p *principal) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&p.objectID, "object-id", "", "object `ID` of a user, group or service principal in the vault's directory")
	flags.StringVar(&p.spn, "spn", "", "client `ID` of an application, instead of the object id of its service principal")
	flags.StringVar(&p.applicationID, "application-id", "", "client `ID` of an application that acts on behalf of the object")
	cmd.MarkFlagsOneRequired("object-id", "spn")
	cmd.MarkFlagsMutuallyExclusive("object-id", "spn")
}

// resolve completes the principal with its object id.
func (p *principal) resolve(cmd *cobra.Command, c *connection) error {
	if p.spn == "" {
		return nil
	}
	claims, err := c.identity(cmd.Context())
	if err != nil {
		return err
	}
	if strings.EqualFold(p.spn, claims.clientID()) {
		p.objectID = claims.OID
		return nil
	}
	if !isGUID(p.spn) {
		return usageError{cmd, errors.New("--spn is the client id of an application, which okv app show prints")}
	}
	directory, err := c.directory()
	if err != nil {
		return err
	}
	application, err := directory.GetServicePrincipal(cmd.Context(), p.spn)
	switch {
	case management.IsNotFound(err):
		return notFoundError(fmt.Sprintf("the directory has no application with the client id %s; okv app list shows those that there are", p.spn))
	case management.IsForbidden(err):
		return errors.New("the caller may not ask the directory whose client id --spn is: give --object-id")
	case err != nil:
		return err
	}
	p.objectID = application.ID
	return nil
}

// policyOf returns the entry for the principal, or nil.
func (p *principal) policyOf(vault *arm.Vault) *arm.AccessPolicyEntry {
	entries := vault.Properties.AccessPolicies
	i := slices.IndexFunc(entries, func(e arm.AccessPolicyEntry) bool {
		return strings.EqualFold(e.ObjectID, p.objectID) && strings.EqualFold(e.ApplicationID, p.applicationID)
	})
	if i < 0 {
		return nil
	}
	return &entries[i]
}

// policyCommand is set-policy or delete-policy.
type policyCommand struct {
	*vaults
	name, group string
	who         principal
}

func (p *policyCommand) add(cmd *cobra.Command) {
	nameFlag(cmd, &p.name)
	groupFlag(cmd, &p.group, "resource `GROUP` of the vault, searched unless given")
	p.completeVault(cmd)
	p.who.add(cmd)
}

// begin finds the vault and whom the policy is for.
func (p *policyCommand) begin(cmd *cobra.Command) (*management.Client, *arm.Vault, error) {
	c, client, err := p.client(cmd)
	if err != nil {
		return nil, nil, err
	}
	if err := p.who.resolve(cmd, c); err != nil {
		return nil, nil, err
	}
	vault, err := findWhole(cmd, client, p.group, p.name)
	return client, vault, err
}

func (v *vaults) newSetPolicy() *cobra.Command {
	p := &policyCommand{vaults: v}
	var permissions permissionFlags
	var add bool
	cmd := &cobra.Command{
		Use:   "set-policy",
		Short: "Say what somebody may do in a vault",
		Long: `set-policy sets the permissions that a user, group or service principal has in a
vault that decides by access policies. Those of collections without a flag stay;
those of the others are replaced, or with --add kept beside the new ones. An empty
word takes all permissions of a collection away: --key-permissions "".`,
		Example: `  okv vault set-policy --name orders --object-id 00000000-0000-4000-8000-000000000001 --secret-permissions get list
  okv vault set-policy --name orders --object-id 00000000-0000-4000-8000-000000000001 --add --key-permissions sign verify
  okv vault set-policy --name orders --spn 00000000-0000-4000-8000-000000000002 --secret-permissions all purge`,
		Args: noArgs,
	}
	p.add(cmd)
	permissions.add(cmd)
	cmd.Flags().BoolVar(&add, "add", false, "keep the permissions that there are")

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, vault, err := p.begin(cmd)
		if err != nil {
			return err
		}
		if decidesByRoles(vault) {
			return fmt.Errorf("the vault %s decides by role assignments; "+
				"okv vault update --name %[1]s --enable-rbac-authorization false makes it decide by access policies", vault.Name)
		}
		entry := arm.AccessPolicyEntry{TenantID: vault.Properties.TenantID, ObjectID: p.who.objectID, ApplicationID: p.who.applicationID}
		apply := client.AddAccessPolicies
		if !add {
			apply = client.ReplaceAccessPolicies
			if have := p.who.policyOf(vault); have != nil {
				entry = *have
			}
		}
		entry.Permissions = permissions.over(entry.Permissions)
		vault.Properties.AccessPolicies, err = apply(cmd.Context(), groupOf(vault.ID), vault.Name, entry)
		if err != nil {
			return err
		}
		return v.writePolicy(cmd, vault, p.who.policyOf(vault))
	}
	return cmd
}

func (v *vaults) newDeletePolicy() *cobra.Command {
	p := &policyCommand{vaults: v}
	cmd := &cobra.Command{
		Use:     "delete-policy",
		Short:   "Take somebody's permissions in a vault away",
		Long:    `delete-policy takes all permissions that an access policy of the vault gives away.`,
		Example: `  okv vault delete-policy --name orders --object-id 00000000-0000-4000-8000-000000000001`,
		Args:    noArgs,
	}
	p.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, vault, err := p.begin(cmd)
		if err != nil {
			return err
		}
		entry := p.who.policyOf(vault)
		if entry == nil {
			return notFoundError(fmt.Sprintf("the vault %s has no access policy for the object %s", vault.Name, p.who.objectID))
		}
		vault.Properties.AccessPolicies, err = client.RemoveAccessPolicies(cmd.Context(), groupOf(vault.ID), vault.Name, *entry)
		if err != nil {
			return err
		}
		return v.write(cmd, vault)
	}
	return cmd
}

// writePolicy describes an access policy; for programs, the vault.
func (v *vaults) writePolicy(cmd *cobra.Command, vault *arm.Vault, entry *arm.AccessPolicyEntry) error {
	if v.output.value == formatJSON || entry == nil {
		return v.write(cmd, vault)
	}
	permissions := entry.Permissions
	if permissions == nil {
		permissions = &arm.Permissions{}
	}
	return writeFields(cmd.OutOrStdout(), []field{
		{"Vault", vault.Name},
		{"Object", entry.ObjectID},
		{"Application", entry.ApplicationID},
		{"Keys", strings.Join(permissions.Keys, ", ")},
		{"Secrets", strings.Join(permissions.Secrets, ", ")},
		{"Certificates", strings.Join(permissions.Certificates, ", ")},
		{"Storage", strings.Join(permissions.Storage, ", ")},
	})
}

func decidesByRoles(vault *arm.Vault) bool {
	rbac := vault.Properties.EnableRBACAuthorization
	return rbac != nil && *rbac
}
