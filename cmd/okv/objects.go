package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/keyvault"
)

// kind is secrets or keys: what their commands have in common. The functions
// are methods of keyvault.Client.
type kind struct {
	noun string // secret or key
	// contentTypes says that lists show content types.
	contentTypes bool
	// hsm says that managed HSMs have the kind, too.
	hsm bool

	show            func(*keyvault.Client, context.Context, string, string) (any, error)
	remove, recover func(*keyvault.Client, context.Context, string) (any, error)
	showDeleted     func(*keyvault.Client, context.Context, string) (any, error)
	purge           func(*keyvault.Client, context.Context, string) error
	backup          func(*keyvault.Client, context.Context, string) ([]byte, error)
	restore         func(*keyvault.Client, context.Context, []byte) (any, error)
	list, deleted   func(*keyvault.Client, context.Context) iter.Seq2[any, error]
	versions        func(*keyvault.Client, context.Context, string) iter.Seq2[any, error]
}

// group are the flags of a command group for a kind.
type group struct {
	kind
	address address
	output  *choice[format]
}

// newObjects returns the command group of a kind. own are the commands that not
// every kind has, or each in its own way.
func newObjects(k kind, long, example string, own ...func(*group) *cobra.Command) *cobra.Command {
	cmd := newGroup(k.noun, fmt.Sprintf("Use the %ss of a vault", k.noun), long+"\n\n"+addressHelp, example)
	g := &group{kind: k}
	g.address.add(cmd)
	if k.hsm {
		g.address.addHSM(cmd)
	}
	g.output = outputFlag(cmd)
	for _, newOwn := range own {
		cmd.AddCommand(newOwn(g))
	}
	cmd.AddCommand(g.newShow(), g.newList(), g.newListVersions(), g.newDelete(),
		g.newShowDeleted(), g.newListDeleted(), g.newRecover(), g.newPurge(), g.newBackup(), g.newRestore())
	return cmd
}

// collection is the first segment of the path of the kind's ids.
func (k *kind) collection() string { return k.noun + "s" }

func (g *group) newTarget() *target { return &target{address: &g.address} }

// addTarget adds the flags for an object, or a version of it.
func (g *group) addTarget(cmd *cobra.Command, t *target, versions bool) {
	t.add(cmd, g.noun, versions)
	g.completeObjects(cmd, g.list)
}

func (g *group) addDeletedTarget(cmd *cobra.Command, t *target) {
	t.add(cmd, "deleted "+g.noun, false)
	g.completeObjects(cmd, g.deleted)
}

func (g *group) newShow() *cobra.Command {
	t := g.newTarget()
	cmd := &cobra.Command{
		Use:   "show",
		Short: fmt.Sprintf("Show a %s, or a version of it", g.noun),
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			return g.write(cmd)(g.show(client, cmd.Context(), t.name, t.version))
		},
	}
	g.addTarget(cmd, t, true)
	cmd.Example = g.examples("show --vault-name dev --name NAME", "show --id https://dev.vault.azure.net/COLLECTION/NAME -o json")
	return cmd
}

func (g *group) newDelete() *cobra.Command {
	t := g.newTarget()
	cmd := &cobra.Command{
		Use:   "delete",
		Short: fmt.Sprintf("Delete a %s with all its versions", g.noun),
		Long: fmt.Sprintf(`delete deletes a %s with all its versions. Until it is purged it can be brought
back with okv %[1]s recover, and its name is taken.`, g.noun),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			if t.version != "" {
				return usageError{cmd, fmt.Errorf("--id has a version, and a %s is deleted with all of them", g.noun)}
			}
			return g.write(cmd)(g.remove(client, cmd.Context(), t.name))
		},
	}
	g.addTarget(cmd, t, false)
	cmd.Example = g.examples("delete --vault-name dev --name NAME")
	return cmd
}

func (g *group) newRecover() *cobra.Command {
	t := g.newTarget()
	cmd := &cobra.Command{
		Use:   "recover",
		Short: fmt.Sprintf("Bring a deleted %s back", g.noun),
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, "deleted"+g.collection())
			if err != nil {
				return err
			}
			return g.write(cmd)(g.recover(client, cmd.Context(), t.name))
		},
	}
	g.addDeletedTarget(cmd, t)
	cmd.Example = g.examples("recover --vault-name dev --name NAME")
	return cmd
}

func (g *group) newPurge() *cobra.Command {
	t := g.newTarget()
	cmd := &cobra.Command{
		Use:   "purge",
		Short: fmt.Sprintf("Destroy a deleted %s for good", g.noun),
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, "deleted"+g.collection())
			if err != nil {
				return err
			}
			return g.purge(client, cmd.Context(), t.name)
		},
	}
	g.addDeletedTarget(cmd, t)
	cmd.Example = g.examples("purge --vault-name dev --name NAME")
	return cmd
}

func (g *group) newList() *cobra.Command {
	managed := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: fmt.Sprintf("List the %ss of a vault", g.noun),
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, g.newTarget(), g.collection())
			if err != nil {
				return err
			}
			objects, err := collect(g.list(client, cmd.Context()), managed)
			if err != nil {
				return err
			}
			return g.writeList(cmd.OutOrStdout(), objects, g.listColumns())
		},
	}
	cmd.Flags().BoolVar(&managed, "include-managed", false, "also those that belong to certificates")
	cmd.Example = g.examples("list --vault-name dev", "list --vault-name dev -o json")
	return cmd
}

func (g *group) newListVersions() *cobra.Command {
	t := g.newTarget()
	cmd := &cobra.Command{
		Use:   "list-versions",
		Short: fmt.Sprintf("List the versions of a %s", g.noun),
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			objects, err := collect(g.versions(client, cmd.Context(), t.name), true)
			if err != nil {
				return err
			}
			return g.writeList(cmd.OutOrStdout(), objects, versionColumns)
		},
	}
	g.addTarget(cmd, t, false)
	cmd.Example = g.examples("list-versions --vault-name dev --name NAME")
	return cmd
}

func (g *group) newShowDeleted() *cobra.Command {
	t := g.newTarget()
	cmd := &cobra.Command{
		Use:   "show-deleted",
		Short: fmt.Sprintf("Show a deleted %s, and until when it can be recovered", g.noun),
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, "deleted"+g.collection())
			if err != nil {
				return err
			}
			return g.write(cmd)(g.showDeleted(client, cmd.Context(), t.name))
		},
	}
	g.addDeletedTarget(cmd, t)
	cmd.Example = g.examples("show-deleted --vault-name dev --name NAME")
	return cmd
}

func (g *group) newListDeleted() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list-deleted",
		Short: fmt.Sprintf("List the deleted %ss of a vault", g.noun),
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, g.newTarget(), g.collection())
			if err != nil {
				return err
			}
			objects, err := collect(g.deleted(client, cmd.Context()), true)
			if err != nil {
				return err
			}
			return g.writeList(cmd.OutOrStdout(), objects, deletedColumns)
		},
	}
	cmd.Example = g.examples("list-deleted --vault-name dev")
	return cmd
}

// client returns the client of the vault that the flags name.
func (g *group) client(cmd *cobra.Command, t *target, collection string) (*keyvault.Client, error) {
	if _, err := findCloud(); err != nil {
		return nil, err
	}
	vaultURL, err := t.resolve(collection)
	if err != nil {
		return nil, usageError{cmd, err}
	}
	c, err := connect()
	if err != nil {
		return nil, err
	}
	client, err := c.vault(vaultURL)
	if err != nil {
		return nil, usageError{cmd, err}
	}
	return client, nil
}

// write returns a function that writes the answer of an operation.
func (g *group) write(cmd *cobra.Command) func(answer any, err error) error {
	return func(answer any, err error) error {
		if err != nil {
			return err
		}
		o, err := newObject(answer)
		if err != nil {
			return err
		}
		if g.output.value == formatJSON {
			return writeJSON(cmd.OutOrStdout(), o.document)
		}
		return o.write(cmd.OutOrStdout())
	}
}

// column is a column of a list.
type column struct {
	header string
	cell   func(*object) string
}

var (
	nameColumn    = column{"NAME", func(o *object) string { return o.name }}
	typeColumn    = column{"CONTENT TYPE", func(o *object) string { return o.ContentType }}
	enabledColumn = column{"ENABLED", func(o *object) string { return formatBool(o.Attributes.Enabled) }}
	updatedColumn = column{"UPDATED", func(o *object) string { return formatTime(o.Attributes.Updated) }}
	expiresColumn = column{"EXPIRES", func(o *object) string { return formatTime(o.Attributes.Expires) }}

	versionColumns = []column{
		{"VERSION", func(o *object) string { return o.version }},
		enabledColumn,
		{"CREATED", func(o *object) string { return formatTime(o.Attributes.Created) }},
		expiresColumn,
	}
	deletedColumns = []column{
		nameColumn,
		{"DELETED", func(o *object) string { return formatTime(o.DeletedDate) }},
		{"PURGE DUE", func(o *object) string { return formatTime(o.ScheduledPurgeDate) }},
	}
)

func (k *kind) listColumns() []column {
	if k.contentTypes {
		return []column{nameColumn, typeColumn, enabledColumn, updatedColumn, expiresColumn}
	}
	return []column{nameColumn, enabledColumn, updatedColumn, expiresColumn}
}

// collect returns the objects of all pages of a list, those that belong to
// certificates only if they are asked for.
func collect(answers iter.Seq2[any, error], managed bool) ([]*object, error) {
	var objects []*object
	for answer, err := range answers {
		if err != nil {
			return nil, err
		}
		o, err := newObject(answer)
		if err != nil {
			return nil, err
		}
		if managed || !o.Managed {
			objects = append(objects, o)
		}
	}
	return objects, nil
}

func (g *group) writeList(w io.Writer, objects []*object, columns []column) error {
	if g.output.value == formatJSON {
		documents := make([]document, len(objects))
		for i, o := range objects {
			documents[i] = o.document
		}
		return writeJSON(w, documents)
	}
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = c.header
	}
	rows := make([][]string, len(objects))
	for i, o := range objects {
		for _, c := range columns {
			rows[i] = append(rows[i], c.cell(o))
		}
	}
	return writeTable(w, header, rows)
}

// examples returns lines of examples with the words that depend on the kind.
func (k *kind) examples(lines ...string) string {
	name := map[string]string{"secret": "db-password", "key": "signer"}[k.noun]
	text := "  okv " + k.noun + " " + strings.Join(lines, "\n  okv "+k.noun+" ")
	return strings.NewReplacer("COLLECTION", k.collection(), "NAME", name).Replace(text)
}

// The functions below give methods of keyvault.Client, which differ in their
// results, the types that kind has.

func ofVersion[T any](f func(*keyvault.Client, context.Context, string, string) (*T, error)) func(*keyvault.Client, context.Context, string, string) (any, error) {
	return func(c *keyvault.Client, ctx context.Context, name, version string) (any, error) {
		return f(c, ctx, name, version)
	}
}

func ofName[T any](f func(*keyvault.Client, context.Context, string) (*T, error)) func(*keyvault.Client, context.Context, string) (any, error) {
	return func(c *keyvault.Client, ctx context.Context, name string) (any, error) { return f(c, ctx, name) }
}

func listOf[T any](f func(*keyvault.Client, context.Context, *keyvault.ListOptions) iter.Seq2[T, error]) func(*keyvault.Client, context.Context) iter.Seq2[any, error] {
	return func(c *keyvault.Client, ctx context.Context) iter.Seq2[any, error] { return anySeq(f(c, ctx, nil)) }
}

func listOfName[T any](f func(*keyvault.Client, context.Context, string, *keyvault.ListOptions) iter.Seq2[T, error]) func(*keyvault.Client, context.Context, string) iter.Seq2[any, error] {
	return func(c *keyvault.Client, ctx context.Context, name string) iter.Seq2[any, error] {
		return anySeq(f(c, ctx, name, nil))
	}
}

func anySeq[T any](seq iter.Seq2[T, error]) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for item, err := range seq {
			if !yield(item, err) {
				return
			}
		}
	}
}
