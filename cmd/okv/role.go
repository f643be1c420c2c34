package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

// roles are the flags of the command group for roles.
type roles struct{ subscribed }

func newRole() *cobra.Command {
	cmd := newGroup("role", "Say who may do what, by role assignments",
		`role assigns roles and takes them away, with the flags of az role. In a vault that
decides by role assignments they say who may use it; everywhere they say who may
manage what. It works in the subscription of --subscription, else of
AZURE_SUBSCRIPTION_ID, which okv dev sets.`,
		`  okv role definition list
  okv role assignment list --all`)
	r := &roles{}
	r.add(cmd)
	assignment := newGroup("assignment", "Assign roles, list who has which, and take them away",
		`assignment assigns roles, lists who has which, and takes them away. A change is
effective from the next request on.`,
		`  okv role assignment create --assignee `+exampleID+` --role "Key Vault Secrets User" --resource-group web
  okv role assignment list --resource-group web`)
	assignment.AddCommand(r.newCreate(), r.newList(), r.newDelete())
	definition := newGroup("definition", "List the roles that there are",
		`definition lists the roles that there are.`, `  okv role definition list`)
	definition.AddCommand(r.newDefinitions())
	cmd.AddCommand(assignment, definition)
	return cmd
}

// scopeFlags say where a role holds.
type scopeFlags struct{ scope, group string }

func (s *scopeFlags) add(r *roles, cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.scope, "scope", "", "resource `ID` of a subscription, a resource group, a vault or an object of it, or /")
	cmd.Flags().StringVarP(&s.group, "resource-group", "g", "", "the resource `GROUP` of this name, in place of a scope")
	cmd.MarkFlagsMutuallyExclusive("scope", "resource-group")
	completeNames(cmd, "resource-group", groupNames(r.id))
	noFiles(cmd, "scope")
}

// resolve returns the scope, that of the subscription unless another is given.
func (s *scopeFlags) resolve(cmd *cobra.Command, client *management.Client) (string, error) {
	subscription := "/subscriptions/" + client.SubscriptionID()
	switch {
	case s.group != "":
		return subscription + "/resourceGroups/" + s.group, nil
	case s.scope == "":
		return subscription, nil
	case !strings.HasPrefix(s.scope, "/"):
		return "", usageError{cmd, errors.New("--scope is a resource ID, which okv vault show prints: /subscriptions/ID, or more behind it")}
	case s.scope == "/":
		return s.scope, nil
	}
	return strings.TrimRight(s.scope, "/"), nil
}

// roleFlag adds the flag for a role.
func (r *roles) roleFlag(cmd *cobra.Command, role *string) {
	cmd.Flags().StringVar(role, "role", "", "`NAME` or ID of the role")
	completeNames(cmd, "role", r.roleNames)
}

// resolveRole returns the id of the role with a name, a GUID or an id.
func resolveRole(cmd *cobra.Command, client *management.Client, scope, role string) (string, error) {
	if strings.HasPrefix(role, "/") {
		return role, nil
	}
	if isGUID(role) {
		return "/subscriptions/" + client.SubscriptionID() + "/providers/" + arm.TypeRoleDefinitions + "/" + role, nil
	}
	for definition, err := range client.ListRoleDefinitions(cmd.Context(), scope, role) {
		if err != nil {
			return "", err
		}
		return definition.ID, nil
	}
	return "", notFoundError("there is no role " + printable(role) + "; okv role definition list shows those that there are")
}

// isGUID reports whether s has the form of a GUID.
func isGUID(s string) bool {
	return len(s) == len(exampleID) && strings.Count(s, "-") == 4 && strings.Trim(s, "-0123456789abcdefABCDEF") == ""
}

// lastSegment is the GUID of a role or an assignment, by which ids compare.
func lastSegment(id string) string { return strings.ToLower(id[strings.LastIndexByte(id, '/')+1:]) }

func (r *roles) newDefinitions() *cobra.Command {
	var name string
	var at scopeFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the roles that can be assigned",
		Example: `  okv role definition list
  okv role definition list --name "Key Vault Secrets User" -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, err := r.client(cmd)
			if err != nil {
				return err
			}
			scope, err := at.resolve(cmd, client)
			if err != nil {
				return err
			}
			filter := name
			if isGUID(name) {
				filter = ""
			}
			documents, rows := []document{}, [][]string(nil)
			for d, err := range client.ListRoleDefinitions(cmd.Context(), scope, filter) {
				if err != nil {
					return err
				}
				if d.Properties == nil || filter != name && lastSegment(d.ID) != strings.ToLower(name) {
					continue
				}
				document, err := newDocument(d.Properties, map[string]string{"id": d.ID, "name": d.Name, "type": d.Type, "roleType": d.Properties.Type})
				if err != nil {
					return err
				}
				documents = append(documents, document)
				rows = append(rows, []string{d.Properties.RoleName, d.Name, d.Properties.Description})
			}
			if r.output.value == formatJSON {
				return writeJSON(cmd.OutOrStdout(), documents)
			}
			return writeTable(cmd.OutOrStdout(), []string{"ROLE", "ID", "DESCRIPTION"}, rows)
		},
	}
	cmd.Flags().StringVarP(&name, "name", "n", "", "the role with this `NAME` or GUID only")
	completeNames(cmd, "name", r.roleNames)
	at.add(r, cmd)
	return cmd
}
