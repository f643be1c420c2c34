package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
)

// maxPolicyFile bounds what is read of a policy.
const maxPolicyFile = 1 << 20

func newKeyRotate(g *group) *cobra.Command {
	t := g.newTarget()
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Give a key a new version of the same kind",
		Long: `rotate makes a new version of a key, of the same type and size, which becomes the
current one and expires when the rotation policy says. Older versions stay.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			if t.version != "" {
				return usageError{cmd, errors.New("--id has a version, and it is the key that is rotated")}
			}
			return g.write(cmd)(client.RotateKey(cmd.Context(), t.name))
		},
	}
	g.addTarget(cmd, t, false)
	cmd.Example = g.examples("rotate --vault-name dev --name NAME")
	return cmd
}

func newKeyRotationPolicy(g *group) *cobra.Command {
	cmd := newGroup("rotation-policy", "Say when a key is rotated by itself",
		`rotation-policy shows and replaces a key's rotation policy: when it gets a new
version by itself, how long new versions are valid, and when its owner is told.`,
		g.examples("rotation-policy show --vault-name dev --name NAME", "rotation-policy update --vault-name dev --name NAME --value policy.json"))
	cmd.AddCommand(newRotationPolicyShow(g), newRotationPolicyUpdate(g))
	return cmd
}

func newRotationPolicyShow(g *group) *cobra.Command {
	t := g.newTarget()
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the rotation policy of a key",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			policy, err := client.GetKeyRotationPolicy(cmd.Context(), t.name)
			if err != nil {
				return err
			}
			return g.writePolicy(cmd, policy)
		},
	}
	g.addTarget(cmd, t, false)
	cmd.Example = g.examples("rotation-policy show --vault-name dev --name NAME")
	return cmd
}

func newRotationPolicyUpdate(g *group) *cobra.Command {
	t := g.newTarget()
	var value string
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Replace the rotation policy of a key",
		Long: `update replaces a key's rotation policy with one in JSON, such as

  {"lifetimeActions": [{"trigger": {"timeAfterCreate": "P90D"},
                        "action": {"type": "Rotate"}}],
   "attributes": {"expiryTime": "P2Y"}}

Times are ISO 8601 durations. It takes what az keyvault takes, and what
okv key rotation-policy show -o json prints.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := inlineOrFile(cmd, "--value", value)
			if err != nil {
				return err
			}
			policy, err := parsePolicy(text)
			if err != nil {
				return fmt.Errorf("--value: %w", err)
			}
			client, err := g.client(cmd, t, g.collection())
			if err != nil {
				return err
			}
			updated, err := client.UpdateKeyRotationPolicy(cmd.Context(), t.name, policy)
			if err != nil {
				return err
			}
			return g.writePolicy(cmd, updated)
		},
	}
	g.addTarget(cmd, t, false)
	cmd.Flags().StringVar(&value, "value", "", "the policy in `JSON`, or a file with it; - is standard input")
	mustExist(cmd.MarkFlagRequired("value"))
	cmd.Example = g.examples("rotation-policy update --vault-name dev --name NAME --value policy.json")
	return cmd
}

// policyText is a rotation policy as people write it and az prints it. Names are
// compared without case and underscores.
type policyText struct {
	LifetimeActions []struct {
		Action  actionText `json:"action"`
		Trigger *struct {
			TimeAfterCreate  string `json:"timeAfterCreate"`
			TimeBeforeExpiry string `json:"timeBeforeExpiry"`
		} `json:"trigger"`
		TimeAfterCreate  string `json:"timeAfterCreate"`
		TimeBeforeExpiry string `json:"timeBeforeExpiry"`
	} `json:"lifetimeActions"`
	Attributes *struct {
		ExpiryTime string `json:"expiryTime"`
		ExpiresIn  string `json:"expiresIn"`
		Created    any    `json:"created"`
		Updated    any    `json:"updated"`
	} `json:"attributes"`
	ExpiryTime string `json:"expiryTime"`
	ExpiresIn  string `json:"expiresIn"`
	ID         any    `json:"id"`
	CreatedOn  any    `json:"createdOn"`
	UpdatedOn  any    `json:"updatedOn"`
}

// actionText is the name of an action, alone or in an object.
type actionText string

func (a *actionText) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, (*string)(a)); err == nil {
		return nil
	}
	var object struct{ Type string }
	if err := json.Unmarshal(text, &object); err != nil {
		return errors.New("an action is a word, or an object with a type")
	}
	*a = actionText(object.Type)
	return nil
}

// parsePolicy reads a policy. Members that no policy has are errors: a policy
// without what was misspelt would be another one.
func parsePolicy(text []byte) (api.KeyRotationPolicy, error) {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return api.KeyRotationPolicy{}, fmt.Errorf("the policy is not JSON: %w", err)
	}
	if _, isObject := value.(map[string]any); !isObject {
		return api.KeyRotationPolicy{}, errors.New("the policy is not a JSON object")
	}
	plain, err := json.Marshal(withoutUnderscores(value))
	if err != nil {
		return api.KeyRotationPolicy{}, err
	}
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.DisallowUnknownFields()
	var p policyText
	if err := decoder.Decode(&p); err != nil {
		return api.KeyRotationPolicy{}, fmt.Errorf("the policy: %w", err)
	}
	return p.policy(), nil
}

func (p *policyText) policy() api.KeyRotationPolicy {
	expiry := firstOf(p.ExpiryTime, p.ExpiresIn)
	if p.Attributes != nil {
		expiry = firstOf(p.Attributes.ExpiryTime, p.Attributes.ExpiresIn, expiry)
	}
	policy := api.KeyRotationPolicy{
		LifetimeActions: []api.LifetimeAction{},
		Attributes:      &api.KeyRotationPolicyAttributes{ExpiryTime: expiry},
	}
	for _, a := range p.LifetimeActions {
		trigger := api.LifetimeTrigger{TimeAfterCreate: a.TimeAfterCreate, TimeBeforeExpiry: a.TimeBeforeExpiry}
		if a.Trigger != nil {
			trigger = api.LifetimeTrigger{
				TimeAfterCreate:  firstOf(a.Trigger.TimeAfterCreate, a.TimeAfterCreate),
				TimeBeforeExpiry: firstOf(a.Trigger.TimeBeforeExpiry, a.TimeBeforeExpiry),
			}
		}
		policy.LifetimeActions = append(policy.LifetimeActions, api.LifetimeAction{
			Trigger: &trigger, Action: &api.LifetimeActionType{Type: api.KeyRotationAction(a.Action)},
		})
	}
	return policy
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// withoutUnderscores renames the members of all objects in value.
func withoutUnderscores(value any) any {
	switch v := value.(type) {
	case map[string]any:
		renamed := make(map[string]any, len(v))
		for name, member := range v {
			renamed[strings.ReplaceAll(name, "_", "")] = withoutUnderscores(member)
		}
		return renamed
	case []any:
		for i := range v {
			v[i] = withoutUnderscores(v[i])
		}
	}
	return value
}

// writePolicy writes a policy as az does.
func (g *group) writePolicy(cmd *cobra.Command, p *api.KeyRotationPolicy) error {
	attributes := p.Attributes
	if attributes == nil {
		attributes = &api.KeyRotationPolicyAttributes{}
	}
	created, updated := formatTime((*api.UnixTime)(attributes.Created)), formatTime((*api.UnixTime)(attributes.Updated))
	if g.output.value == formatJSON {
		actions := make([]map[string]any, len(p.LifetimeActions))
		for i, a := range p.LifetimeActions {
			name, trigger := actionParts(a)
			actions[i] = map[string]any{
				"action": orNull(string(name)), "timeAfterCreate": orNull(trigger.TimeAfterCreate), "timeBeforeExpiry": orNull(trigger.TimeBeforeExpiry),
			}
		}
		return writeJSON(cmd.OutOrStdout(), map[string]any{
			"id": orNull(p.ID), "createdOn": orNull(created), "updatedOn": orNull(updated), "expiresIn": orNull(attributes.ExpiryTime), "lifetimeActions": actions,
		})
	}
	fields := []field{{"Policy", p.ID}, {"Versions expire", "never"}, {"Created", created}, {"Updated", updated}}
	if attributes.ExpiryTime != "" {
		fields[1].value = attributes.ExpiryTime + " after creation"
	}
	for _, a := range p.LifetimeActions {
		name, trigger := actionParts(a)
		when := trigger.TimeAfterCreate + " after creation"
		if trigger.TimeAfterCreate == "" {
			when = trigger.TimeBeforeExpiry + " before expiry"
		}
		fields = append(fields, field{string(name), when})
	}
	return writeFields(cmd.OutOrStdout(), fields)
}

// actionParts returns what an action does, and when.
func actionParts(a api.LifetimeAction) (name api.KeyRotationAction, trigger api.LifetimeTrigger) {
	if a.Action != nil {
		name = a.Action.Type
	}
	if a.Trigger != nil {
		trigger = *a.Trigger
	}
	return name, trigger
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
