package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/management"
)

// Kinds of principals.
var principalTypes = []word{"", "ServicePrincipal", "User", "Group", "ForeignGroup"}

// assigneeFlags say who has a role. In list and delete they may be left out.
type assigneeFlags struct{ assignee, objectID string }

func (a *assigneeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.assignee, "assignee", "", "client `ID` of an application, or an object id")
	cmd.Flags().StringVar(&a.objectID, "assignee-object-id", "", "object `ID`, without asking the directory")
	cmd.MarkFlagsMutuallyExclusive("assignee", "assignee-object-id")
	noFiles(cmd, "assignee", "assignee-object-id")
}

// resolve returns the object id of who is meant and the type of principal, as far
// as they are known.
func (a *assigneeFlags) resolve(cmd *cobra.Command, c *connection) (objectID, kind string, err error) {
	if a.assignee == "" {
		return a.objectID, "", nil
	}
	if !isGUID(a.assignee) {
		return "", "", usageError{cmd, errors.New("--assignee is the client id of an application or an object id, which okv app show prints")}
	}
	directory, err := c.directory()
	if err != nil {
		return "", "", err
	}
	principal, err := directory.GetServicePrincipal(cmd.Context(), a.assignee)
	switch {
	case err == nil:
		return principal.ID, "ServicePrincipal", nil
	case management.IsNotFound(err), management.IsForbidden(err):
		// It is an object id, or else the service says that there is nobody.
		return a.assignee, "", nil
	}
	return "", "", err
}

func (r *roles) newCreate() *cobra.Command {
	var who assigneeFlags
	var at scopeFlags
	var kind *choice[word]
	var role, name, description string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Assign a role",
		Long: `create assigns a role to an application, a user or a group: at a subscription, a
resource group, a vault or one object of a vault, and all below it. An assignment
that there is already stays, and is shown.`,
		Example: `  okv role assignment create --assignee ` + exampleID + ` --role "Key Vault Secrets User" --resource-group web
  okv role assignment create --assignee-object-id ` + exampleID + ` --assignee-principal-type Group --role Reader --scope /subscriptions/` + exampleID,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, client, err := r.client(cmd)
			if err != nil {
				return err
			}
			scope, err := at.resolve(cmd, client)
			if err != nil {
				return err
			}
			objectID, known, err := who.resolve(cmd, c)
			if err != nil {
				return err
			}
			id, err := resolveRole(cmd, client, scope, role)
			if err != nil {
				return err
			}
			if kind.value != "" {
				known = string(kind.value)
			}
			properties := arm.RoleAssignmentCreateProperties{RoleDefinitionID: id, PrincipalID: objectID, PrincipalType: known}
			if description != "" {
				properties.Description = &description
			}
			made, err := client.CreateRoleAssignment(cmd.Context(), scope, name, properties)
			if codeOf(err) == codeAssignmentExists {
				made, err = existing(cmd.Context(), client, query{scope: scope, objectID: objectID, roleID: id}, err)
			}
			if err != nil {
				return err
			}
			return r.write(cmd, client, made)
		},
	}
	who.add(cmd)
	cmd.MarkFlagsOneRequired("assignee", "assignee-object-id")
	kind = choiceFlag(cmd, cmd.Flags(), "assignee-principal-type", "", "what the object id is of, so that it need not be known", principalTypes...)
	r.roleFlag(cmd, &role)
	mustExist(cmd.MarkFlagRequired("role"))
	at.add(r, cmd)
	cmd.MarkFlagsOneRequired("scope", "resource-group")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	cmd.Flags().StringVarP(&name, "name", "n", "", "`GUID` of the assignment, a new one unless given")
	noFiles(cmd, "description", "name")
	return cmd
}

const codeAssignmentExists = "RoleAssignmentExists"

func codeOf(err error) string {
	var e *management.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// existing returns the assignment that made the service refuse another.
func existing(ctx context.Context, client *management.Client, q query, refusal error) (*arm.RoleAssignment, error) {
	found, err := q.find(ctx, client)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, refusal // it has just been taken away
	}
	return &found[0], nil
}

// query is which assignments are meant. Empty members mean any.
type query struct {
	scope, objectID, roleID string
	// inherited takes in what is above the scope, all also what is below it.
	inherited, all bool
}

func (q query) find(ctx context.Context, client *management.Client) (found []arm.RoleAssignment, err error) {
	filter := management.RoleAssignmentFilter{AtScope: !q.all}
	if q.all {
		filter.PrincipalID = q.objectID
	}
	for a, err := range client.ListRoleAssignments(ctx, q.scope, filter) {
		if err != nil {
			return nil, err
		}
		if q.selects(a.Properties) {
			found = append(found, a)
		}
	}
	return found, nil
}

func (q query) selects(p *arm.RoleAssignmentProperties) bool {
	return p != nil &&
		(q.all || q.inherited || strings.EqualFold(p.Scope, q.scope)) &&
		(q.objectID == "" || strings.EqualFold(p.PrincipalID, q.objectID)) &&
		(q.roleID == "" || lastSegment(p.RoleDefinitionID) == lastSegment(q.roleID))
}

// queryFlags are those that list and delete have in common.
type queryFlags struct {
	who  assigneeFlags
	at   scopeFlags
	role string
}

func (f *queryFlags) add(r *roles, cmd *cobra.Command) {
	f.who.add(cmd)
	f.at.add(r, cmd)
	r.roleFlag(cmd, &f.role)
}

func (f *queryFlags) resolve(cmd *cobra.Command, c *connection, client *management.Client) (q query, err error) {
	if q.scope, err = f.at.resolve(cmd, client); err != nil {
		return q, err
	}
	if q.objectID, _, err = f.who.resolve(cmd, c); err != nil || f.role == "" {
		return q, err
	}
	q.roleID, err = resolveRole(cmd, client, q.scope, f.role)
	return q, err
}

func (r *roles) newList() *cobra.Command {
	var f queryFlags
	var all, inherited bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List who has which role",
		Long: `list lists the role assignments at the subscription, or at a scope. With
--include-inherited those above count, too; --all lists all that hold anywhere in
the subscription.`,
		Example: `  okv role assignment list --all
  okv role assignment list --assignee ` + exampleID + ` --all -o json
  okv role assignment list --resource-group web --include-inherited`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, client, err := r.client(cmd)
			if err != nil {
				return err
			}
			q, err := f.resolve(cmd, c, client)
			if err != nil {
				return err
			}
			q.all, q.inherited = all, inherited
			found, err := q.find(cmd.Context(), client)
			if err != nil {
				return err
			}
			return r.writeAll(cmd, client, q.scope, found)
		},
	}
	f.add(r, cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all in the subscription")
	cmd.Flags().BoolVar(&inherited, "include-inherited", false, "those above the scope, too")
	for _, flag := range []string{"scope", "resource-group"} {
		cmd.MarkFlagsMutuallyExclusive("all", flag)
	}
	return cmd
}

// ids is the value of a flag that takes several resource ids.
type ids []string

func (i *ids) Set(text string) error {
	if !strings.HasPrefix(text, "/") {
		return errors.New("it is the id of a role assignment, which okv role assignment list -o json prints")
	}
	*i = append(*i, text)
	return nil
}

func (i *ids) String() string { return strings.Join(*i, " ") }
func (*ids) Type() string     { return "id ..." }
func (*ids) multiple()        {}

func (r *roles) newDelete() *cobra.Command {
	var f queryFlags
	var given ids
	cmd := &cobra.Command{
		Use:   "delete",
		Short: "Take roles away",
		Long: `delete takes roles away: the assignments of --ids, or all at a scope, the
subscription unless another is given, that the other flags select. What is held
above the scope stays.`,
		Example: `  okv role assignment delete --assignee ` + exampleID + ` --role "Key Vault Secrets User" --resource-group web
  okv role assignment delete --ids /subscriptions/` + exampleID + `/providers/Microsoft.Authorization/roleAssignments/` + exampleID,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, client, err := r.client(cmd)
			if err != nil {
				return err
			}
			if given == nil {
				if given, err = f.selected(cmd, c, client); err != nil {
					return err
				}
			}
			for _, id := range given {
				if err := client.DeleteRoleAssignment(cmd.Context(), id); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.add(r, cmd)
	cmd.Flags().Var(&given, "ids", "ids of role assignments, as many as follow")
	noFiles(cmd, "ids")
	others := []string{"assignee", "assignee-object-id", "role", "scope", "resource-group"}
	cmd.MarkFlagsOneRequired(append(others, "ids")...)
	for _, flag := range others {
		cmd.MarkFlagsMutuallyExclusive("ids", flag)
	}
	return cmd
}

// selected returns the ids of what the flags mean, at least one.
func (f *queryFlags) selected(cmd *cobra.Command, c *connection, client *management.Client) (chosen ids, err error) {
	q, err := f.resolve(cmd, c, client)
	if err != nil {
		return nil, err
	}
	found, err := q.find(cmd.Context(), client)
	if err != nil {
		return nil, err
	}
	for _, a := range found {
		chosen = append(chosen, a.ID)
	}
	if chosen == nil {
		return nil, notFoundError("there is no such role assignment at the scope " + printable(q.scope) + "; okv role assignment list --all shows those that there are")
	}
	return chosen, nil
}

// nameRoles returns the names of the roles, by the GUIDs in lower case.
func nameRoles(ctx context.Context, client *management.Client, scope string) (map[string]string, error) {
	names := map[string]string{}
	for d, err := range client.ListRoleDefinitions(ctx, scope, "") {
		if err != nil {
			return nil, err
		}
		if d.Properties != nil {
			names[lastSegment(d.ID)] = d.Properties.RoleName
		}
	}
	return names, nil
}

// assignmentDocument is flat, as az prints assignments.
func assignmentDocument(a *arm.RoleAssignment, role string) (document, error) {
	return newDocument(a.Properties, map[string]string{"id": a.ID, "name": a.Name, "type": a.Type, "roleDefinitionName": role})
}

func (r *roles) writeAll(cmd *cobra.Command, client *management.Client, scope string, all []arm.RoleAssignment) error {
	names, err := nameRoles(cmd.Context(), client, scope)
	if err != nil {
		return err
	}
	documents, rows := []document{}, [][]string(nil)
	for _, a := range all {
		role := names[lastSegment(a.Properties.RoleDefinitionID)]
		d, err := assignmentDocument(&a, role)
		if err != nil {
			return err
		}
		documents = append(documents, d)
		rows = append(rows, []string{a.Properties.PrincipalID, a.Properties.PrincipalType, role, a.Properties.Scope})
	}
	if r.output.value == formatJSON {
		return writeJSON(cmd.OutOrStdout(), documents)
	}
	return writeTable(cmd.OutOrStdout(), []string{"PRINCIPAL", "TYPE", "ROLE", "SCOPE"}, rows)
}

func (r *roles) write(cmd *cobra.Command, client *management.Client, a *arm.RoleAssignment) error {
	p := a.Properties
	if p == nil {
		return errors.New("the answer is not a role assignment")
	}
	names, err := nameRoles(cmd.Context(), client, p.Scope)
	if err != nil {
		return err
	}
	role := names[lastSegment(p.RoleDefinitionID)]
	if r.output.value == formatJSON {
		d, err := assignmentDocument(a, role)
		if err != nil {
			return err
		}
		return writeJSON(cmd.OutOrStdout(), d)
	}
	description := ""
	if p.Description != nil {
		description = *p.Description
	}
	return writeFields(cmd.OutOrStdout(), []field{
		{"Role", role}, {"Principal", p.PrincipalID}, {"Type", p.PrincipalType}, {"Scope", p.Scope},
		{"Description", description}, {"ID", a.ID},
	})
}
