package main

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

func newKeyRandom(g *group) *cobra.Command {
	var id string
	var count int32
	cmd := &cobra.Command{
		Use:   "random",
		Short: "Get random bytes of a managed HSM",
		Long: `random shows bytes of the random number generator of a managed HSM, in base64.
Vaults have none.`,
		Args: noArgs,
	}
	cmd.Flags().StringVar(&id, "id", "", "`URL` of the managed HSM, instead of its name")
	cmd.Flags().Int32Var(&count, "count", 0, "how `MANY` bytes, 1 to 128")
	mustExist(cmd.MarkFlagRequired("count"))
	cmd.Example = g.examples("random --hsm-name NAME --count 32", "random --id https://NAME.managedhsm.azure.net --count 32 -o json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t := g.newTarget()
		switch {
		case id != "" && (g.address != address{}):
			return usageError{cmd, errors.New("--id names the managed HSM already: leave --hsm-name, --vault-name and --vault-url out")}
		case id != "":
			t.address = &address{url: strings.TrimSuffix(id, "/")}
		}
		client, err := g.client(cmd, t, g.collection())
		if err != nil {
			return err
		}
		random, err := client.GetRandomBytes(cmd.Context(), count)
		if err != nil {
			return err
		}
		text := base64.StdEncoding.EncodeToString(random)
		if g.output.value == formatJSON {
			return writeJSON(cmd.OutOrStdout(), map[string]any{"value": text})
		}
		return writeFields(cmd.OutOrStdout(), []field{{"Value", text}})
	}
	return cmd
}
