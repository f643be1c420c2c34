package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/management"
)

// apps are the flags of the command group for applications.
type apps struct{ output *choice[format] }

func newApp() *cobra.Command {
	cmd := newGroup("app", "Register applications and give them client secrets",
		`app registers applications, which get tokens with a client id and a client secret.
What they may do is said elsewhere, under the object id that is printed: in access
policies and role assignments. The flags are those of az ad app and az ad sp.`,
		`  okv app create --name billing
  okv app list
  okv app reset-secret --id 00000000-0000-0000-0000-000000000001`)
	a := &apps{output: outputFlag(cmd)}
	cmd.AddCommand(a.newCreate(), a.newList(), a.newShow(), a.newResetSecret(), a.newDelete())
	return cmd
}

func (a *apps) client() (*management.DirectoryClient, error) {
	c, err := connect()
	if err != nil {
		return nil, err
	}
	return c.directory()
}

const exampleID = "00000000-0000-0000-0000-000000000001"

func appFlag(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, "id", "", "the client `ID` of the application")
	mustExist(cmd.MarkFlagRequired("id"))
}

func (a *apps) newCreate() *cobra.Command {
	var name string
	var end moment
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Register an application with its first client secret",
		Long: `create registers an application and prints its client id, its object id, its tenant
and its client secret. The secret is shown this once: nobody can read it again.`,
		Example: `  okv app create --name billing
  okv app create --name nightly --end-date 2030-01-31 -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			app, err := client.CreateApplication(ctx, name)
			if err != nil {
				return err
			}
			made := credentials{AppID: app.AppID, DisplayName: app.DisplayName}
			if err = made.complete(ctx, client, end); err != nil {
				// Half an application is of no use; the deletion may outlive an interrupt.
				cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
				defer cancel()
				_ = client.DeleteApplication(cleanup, app.AppID)
				return err
			}
			return a.writeCredentials(cmd, made)
		},
	}
	cmd.Flags().StringVarP(&name, "name", "n", "", "`NAME` of the application")
	cmd.Flags().StringVar(&name, "display-name", "", "the same as --name")
	cmd.Flags().Var(&end, "end-date", "when the secret ends, in two years unless given")
	cmd.MarkFlagsOneRequired("name", "display-name")
	cmd.MarkFlagsMutuallyExclusive("name", "display-name")
	return cmd
}

// credentials is what an application signs in with, with the names that az gives
// them.
type credentials struct {
	AppID       string `json:"appId"`
	DisplayName string `json:"displayName"`
	ObjectID    string `json:"id"`
	Password    string `json:"password"`
	Tenant      string `json:"tenant"`
}

// complete gives an application that was just registered what it lacks.
func (c *credentials) complete(ctx context.Context, client *management.DirectoryClient, end moment) error {
	principal, err := client.CreateServicePrincipal(ctx, c.AppID)
	if err != nil {
		return err
	}
	password, err := client.AddPassword(ctx, c.AppID, "", end.time())
	if err != nil {
		return err
	}
	c.ObjectID, c.Tenant, c.Password = principal.ID, principal.AppOwnerOrganizationID, password.SecretText
	return nil
}

// time returns the zero time if the flag was not given.
func (m *moment) time() time.Time {
	if m.value == nil {
		return time.Time{}
	}
	return m.value.Time()
}

func (a *apps) writeCredentials(cmd *cobra.Command, c credentials) error {
	if a.output.value == formatJSON {
		return writeJSON(cmd.OutOrStdout(), c)
	}
	return writeFields(cmd.OutOrStdout(), []field{
		{"Name", c.DisplayName}, {"Client id", c.AppID}, {"Object id", c.ObjectID}, {"Tenant", c.Tenant}, {"Client secret", c.Password},
	})
}

func (a *apps) newList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the applications of the tenant",
		Example: `  okv app list`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			documents, rows := []document{}, [][]string(nil)
			for app, err := range client.ListApplications(cmd.Context()) {
				if err != nil {
					return err
				}
				d, err := newDocument(app, nil)
				if err != nil {
					return err
				}
				documents = append(documents, d)
				rows = append(rows, []string{app.DisplayName, app.AppID, formatInstant(app.CreatedAt)})
			}
			if a.output.value == formatJSON {
				return writeJSON(cmd.OutOrStdout(), documents)
			}
			return writeTable(cmd.OutOrStdout(), []string{"NAME", "CLIENT ID", "CREATED"}, rows)
		},
	}
}

func (a *apps) newShow() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show an application, without its secrets",
		Example: "  okv app show --id " + exampleID,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			app, err := client.GetApplication(cmd.Context(), id)
			if err != nil {
				return err
			}
			// az and others register applications without one.
			principal, err := client.GetServicePrincipal(cmd.Context(), id)
			if management.IsNotFound(err) {
				principal, err = &graph.ServicePrincipal{}, nil
			}
			if err != nil {
				return err
			}
			return a.writeApplication(cmd, app, principal)
		},
	}
	appFlag(cmd, &id)
	return cmd
}

func (a *apps) writeApplication(cmd *cobra.Command, app *graph.Application, principal *graph.ServicePrincipal) error {
	if a.output.value == formatJSON {
		d, err := newDocument(app, map[string]string{"servicePrincipalId": principal.ID, "tenant": principal.AppOwnerOrganizationID})
		if err != nil {
			return err
		}
		return writeJSON(cmd.OutOrStdout(), d)
	}
	var secrets []string
	for _, p := range app.Passwords {
		text := p.KeyID
		if p.End != nil {
			text += " to " + formatInstant(p.End)
		}
		secrets = append(secrets, text)
	}
	return writeFields(cmd.OutOrStdout(), []field{
		{"Name", app.DisplayName}, {"Client id", app.AppID}, {"Object id", principal.ID}, {"Tenant", principal.AppOwnerOrganizationID},
		{"Created", formatInstant(app.CreatedAt)}, {"Secrets", strings.Join(secrets, ", ")},
	})
}

func (a *apps) newResetSecret() *cobra.Command {
	var id string
	var keepOld bool
	var end moment
	cmd := &cobra.Command{
		Use:   "reset-secret",
		Short: "Give an application a new client secret in the place of those it has",
		Long: `reset-secret gives an application a new client secret, prints it this once, and
takes the others away. With --keep-old they stay good, until they end or another
reset-secret: so that what uses them has time to change.

Tokens that the application got with an old secret are good to their own end.`,
		Example: "  okv app reset-secret --id " + exampleID + "\n  okv app reset-secret --id " + exampleID + " --keep-old",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			made, err := resetSecret(cmd.Context(), client, id, keepOld, end)
			if made.Password != "" {
				// Also if an old one could not be taken away: the new one is good.
				if written := a.writeCredentials(cmd, made); err == nil {
					err = written
				}
			}
			return err
		},
	}
	appFlag(cmd, &id)
	cmd.Flags().BoolVar(&keepOld, "keep-old", false, "leave the secrets that it has")
	cmd.Flags().BoolVar(&keepOld, "append", false, "the same as --keep-old")
	cmd.Flags().Var(&end, "end-date", "when the secret ends, in two years unless given")
	return cmd
}

// maxPasswords is how many an application may have.
const maxPasswords = 10

func resetSecret(ctx context.Context, client *management.DirectoryClient, id string, keepOld bool, end moment) (made credentials, err error) {
	app, err := client.GetApplication(ctx, id)
	if err != nil {
		return made, err
	}
	principal, err := client.GetServicePrincipal(ctx, id)
	if err != nil {
		return made, err
	}
	if !keepOld && len(app.Passwords) >= maxPasswords {
		// The service has no room for one more; the oldest goes first anyway.
		if err := client.RemovePassword(ctx, id, app.Passwords[0].KeyID); err != nil {
			return made, err
		}
		app.Passwords = app.Passwords[1:]
	}
	password, err := client.AddPassword(ctx, id, "", end.time())
	if err != nil {
		return made, err
	}
	made = credentials{app.AppID, app.DisplayName, principal.ID, password.SecretText, principal.AppOwnerOrganizationID}
	if keepOld {
		return made, nil
	}
	for _, old := range app.Passwords {
		if err := client.RemovePassword(ctx, id, old.KeyID); err != nil {
			return made, err
		}
	}
	return made, nil
}

func (a *apps) newDelete() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "delete",
		Short: "Delete an application with its secrets, for good",
		Long: `delete deletes an application, which gets no tokens from then on. Those that it has
are good to their own end, for an hour at most. None deletes itself.`,
		Example: "  okv app delete --id " + exampleID,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			return client.DeleteApplication(cmd.Context(), id)
		},
	}
	appFlag(cmd, &id)
	return cmd
}
