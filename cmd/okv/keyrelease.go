package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
)

// releaseFlags say whether a key may be released, and to whom.
type releaseFlags struct {
	exportable, immutable bool
	policy                string
}

// add adds the flags. Only a new version can be exportable.
func (r *releaseFlags) add(cmd *cobra.Command, created bool) {
	flags := cmd.Flags()
	if created {
		flags.BoolVar(&r.exportable, "exportable", false, "let the key be released; it needs --policy, an HSM type and a premium vault")
	}
	flags.StringVar(&r.policy, "policy", "", "to whom the key is released: `JSON`, or a file with it; - is standard input")
	flags.BoolVar(&r.immutable, "immutable", false, "make the policy one that can never be replaced")
}

// apply returns the attributes with what the flags add, and the policy or nil.
func (r *releaseFlags) apply(cmd *cobra.Command, attributes *api.Attributes) (*api.Attributes, *api.ReleasePolicy, error) {
	switch {
	case r.exportable && r.policy == "":
		return nil, nil, usageError{cmd, errors.New("--exportable needs --policy, which says to whom the key is released")}
	case r.immutable && r.policy == "":
		return nil, nil, usageError{cmd, errors.New("--immutable is about a --policy")}
	}
	if r.exportable {
		if attributes == nil {
			attributes = &api.Attributes{}
		}
		attributes.Exportable = &r.exportable
	}
	if r.policy == "" {
		return attributes, nil, nil
	}
	text, err := inlineOrFile(cmd, "--policy", r.policy)
	if err != nil {
		return nil, nil, err
	}
	if !json.Valid(text) {
		return nil, nil, errors.New("--policy: the policy is not JSON")
	}
	policy := &api.ReleasePolicy{Data: text}
	if r.immutable {
		policy.Immutable = &r.immutable
	}
	return attributes, policy, nil
}

// inlineOrFile returns a JSON object that a flag's value is, or that the file
// holds which it names.
func inlineOrFile(cmd *cobra.Command, flag, value string) ([]byte, error) {
	if strings.HasPrefix(strings.TrimSpace(value), "{") {
		return []byte(value), nil
	}
	return readNamed(cmd.InOrStdin(), flag, value, maxPolicyFile, "that is more than a policy can be")
}

// maxToken bounds an attestation token.
const maxToken = 1 << 20

func newKeyRelease(g *group) *cobra.Command {
	t := g.newTarget()
	var parameters api.KeyReleaseParameters
	var file string
	cmd := &cobra.Command{
		Use:   "release",
		Short: "Release a key to an environment that is attested",
		Long: `release shows an exportable key, wrapped for the environment that the token of an
attestation authority vouches for, if the key's release policy admits it. What it
prints is a signed object (JWS) in compact form.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, err := readNamed(cmd.InOrStdin(), "--target-file", file, maxToken, "that is more than a token can be")
			if err != nil {
				return err
			}
			parameters.Target = strings.TrimSpace(string(token))
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			released, err := client.ReleaseKey(cmd.Context(), t.name, t.version, parameters)
			if err != nil {
				return err
			}
			if g.output.value == formatJSON {
				return writeJSON(cmd.OutOrStdout(), api.KeyReleaseResult{Value: released})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), released)
			return err
		},
	}
	g.addTarget(cmd, t, true)
	flags := cmd.Flags()
	flags.StringVar(&file, "target-file", "", "`FILE` with the attestation token; - is standard input")
	flags.StringVar(&parameters.Nonce, "nonce", "", "a `TEXT` that comes back in what is signed")
	flags.StringVarP(&parameters.Enc, "algorithm", "a", "", "how the key is wrapped: CKM_RSA_AES_KEY_WRAP, RSA_AES_KEY_WRAP_256 or RSA_AES_KEY_WRAP_384")
	mustExist(cmd.MarkFlagRequired("target-file"))
	cmd.Example = g.examples("release --vault-name dev --name NAME --target-file token.jwt --algorithm RSA_AES_KEY_WRAP_256")
	return cmd
}
