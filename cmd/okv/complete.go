package main

import (
	"context"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/keyvault"
	"github.com/openkeyvault/openkeyvault/management"
)

const (
	// completeTimeout is how long a shell waits at most for names that a service knows.
	completeTimeout = 1800 * time.Millisecond
	// maxCompletions bounds the names that a shell is given.
	maxCompletions = 250
)

// names lists what a flag may name. It may end early and without an error.
type names func(context.Context) iter.Seq[string]

// completeNames makes a shell complete the value of a flag with names that a
// service knows. Without credentials in the environment there are none: to look
// for others, as commands do, takes longer than a key press may.
func completeNames(cmd *cobra.Command, flag string, list names) {
	mustExist(cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if os.Getenv("AZURE_CLIENT_ID") == "" {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		return collectNames(list(ctx), begin), cobra.ShellCompDirectiveNoFileComp
	}))
}

// noFiles keeps a shell from offering files for the values of flags.
func noFiles(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		mustExist(cmd.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions))
	}
}

// collectNames returns the names that begin so, whatever their case.
func collectNames(all iter.Seq[string], begin string) []string {
	var found []string
	for name := range all {
		if len(name) >= len(begin) && strings.EqualFold(name[:len(begin)], begin) {
			found = append(found, name)
		}
		if len(found) == maxCompletions {
			break
		}
	}
	return found
}

// completeObjects completes --name with the names of a list of the kind.
func (g *group) completeObjects(cmd *cobra.Command, list func(*keyvault.Client, context.Context) iter.Seq2[any, error]) {
	completeNames(cmd, "name", func(ctx context.Context) iter.Seq[string] {
		return func(yield func(string) bool) {
			client, err := g.client(cmd, g.newTarget(), g.collection())
			if err != nil {
				return
			}
			for answer, err := range list(client, ctx) {
				if err != nil {
					return
				}
				if o, err := newObject(answer); err != nil || !yield(o.name) {
					return
				}
			}
		}
	})
}

// vaultNames lists the vaults of a subscription, which is asked for when the
// flags are known.
func vaultNames(subscription func() string) names {
	return managed(subscription, (*management.Client).ListVaultResources, func(r *arm.GenericResource) string { return r.Name })
}

func deletedVaultNames(subscription func() string) names {
	return managed(subscription, (*management.Client).ListDeletedVaults, func(v *arm.DeletedVault) string { return v.Name })
}

func groupNames(subscription func() string) names {
	return managed(subscription, (*management.Client).ListGroups, func(g *arm.ResourceGroup) string { return g.Name })
}

// roleNames lists the roles of the subscription.
func (r *roles) roleNames(ctx context.Context) iter.Seq[string] {
	list := func(client *management.Client, ctx context.Context) iter.Seq2[arm.RoleDefinition, error] {
		return client.ListRoleDefinitions(ctx, "/subscriptions/"+client.SubscriptionID(), "")
	}
	return managed(r.id, list, func(d *arm.RoleDefinition) string {
		if d.Properties == nil {
			return ""
		}
		return d.Properties.RoleName
	})(ctx)
}

// managed lists the names of what a list of the management plane has. An empty
// subscription is the one of the environment.
func managed[T any](subscription func() string, list func(*management.Client, context.Context) iter.Seq2[T, error], name func(*T) string) names {
	return func(ctx context.Context) iter.Seq[string] {
		return func(yield func(string) bool) {
			_, client, err := manage(subscription())
			if err != nil {
				return
			}
			for item, err := range list(client, ctx) {
				if err != nil || !yield(name(&item)) {
					return
				}
			}
		}
	}
}

// completeArgs is azArgs for the command line with which a shell asks for
// completions: its last word is the one to complete. Behind a value of a flag
// that takes several it is one more of them, or the next flag.
func completeArgs(root *cobra.Command, args []string) []string {
	last := len(args) - 1
	if last < 1 || (args[0] != cobra.ShellCompRequestCmd && args[0] != cobra.ShellCompNoDescRequestCmd) {
		return azArgs(root, args)
	}
	line, word := args[1:last], args[last]
	out := append([]string{args[0]}, azArgs(root, line)...)
	if !strings.HasPrefix(word, "-") {
		if name := openFlag(root, line); name != "" {
			out = append(out, "--"+name)
		}
	}
	return append(out, word)
}

// openFlag returns the flag that takes several values and has the last words of
// a line as its values, one at least, or nothing if there is none.
func openFlag(root *cobra.Command, line []string) string {
	cmd, _, err := root.Find(line)
	if err != nil {
		return ""
	}
	for i := len(line) - 1; i >= 0; i-- {
		if !strings.HasPrefix(line[i], "-") {
			continue
		}
		flag := separateFlag(cmd, line[i])
		if flag != nil && isMultiple(flag) && i < len(line)-1 {
			return flag.Name
		}
		return ""
	}
	return ""
}
