package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
)

func TestParsePolicy(t *testing.T) {
	t.Parallel()
	const (
		both   = `{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Rotate"}},{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}}],"attributes":{"expiryTime":"P2Y"}}`
		rotate = `{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"rotate"}}],"attributes":{"expiryTime":"P2Y"}}`
	)
	for name, tc := range map[string]struct{ text, want string }{
		"the service's form": {both, both},
		"with what only answers have": {
			`{"id":"https://x","lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"rotate"}}],"attributes":{"expiryTime":"P2Y","created":1,"updated":2}}`, rotate,
		},
		"with underscores": {`{"lifetime_actions":[{"trigger":{"time_after_create":"P90D"},"action":{"type":"rotate"}}],"attributes":{"expiry_time":"P2Y"}}`, rotate},
		"what az prints": {
			`{"createdOn":"2026-01-01T00:00:00+00:00","expiresIn":"P2Y","id":null,"lifetimeActions":[{"action":"rotate","timeAfterCreate":"P90D","timeBeforeExpiry":null}],"updatedOn":null}`, rotate,
		},
		"without an expiry": {`{"lifetimeActions":[]}`, `{"lifetimeActions":[],"attributes":{}}`},
		"nothing":           {`{}`, `{"lifetimeActions":[],"attributes":{}}`},
	} {
		policy, err := parsePolicy([]byte(tc.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := json.Marshal(policy)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, tc.want)
		}
	}
	for text, want := range map[string]string{
		``:                                      "not JSON",
		`[]`:                                    "not a JSON object",
		`"P90D"`:                                "not a JSON object",
		`{"lifetimeAction":[]}`:                 "lifetimeAction",
		`{"lifetimeActions":[{"when":"P90D"}]}`: "when",
		`{"lifetimeActions":[{"action":1}]}`:    "an action is a word",
		`{"attributes":{"expiry":"P2Y"}}`:       "expiry",
		`{"expiryTime":2}`:                      "expiryTime",
	} {
		if policy, err := parsePolicy([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", text, policy, err, want)
		}
	}
}

func TestWritePolicy(t *testing.T) {
	t.Parallel()
	moment := int64(1700000000)
	policy := &api.KeyRotationPolicy{
		ID: "https://dev.vault.azure.net/keys/k/rotationpolicy",
		LifetimeActions: []api.LifetimeAction{
			{Trigger: &api.LifetimeTrigger{TimeAfterCreate: "P90D"}, Action: &api.LifetimeActionType{Type: api.ActionRotate}},
			{Trigger: &api.LifetimeTrigger{TimeBeforeExpiry: "P30D"}, Action: &api.LifetimeActionType{Type: api.ActionNotify}},
		},
		Attributes: &api.KeyRotationPolicyAttributes{ExpiryTime: "P2Y", Created: &moment, Updated: &moment},
	}
	write := func(f format, p *api.KeyRotationPolicy) string {
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		if err := (&group{output: &choice[format]{value: f}}).writePolicy(cmd, p); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	want := `Policy:          https://dev.vault.azure.net/keys/k/rotationpolicy
Versions expire: P2Y after creation
Created:         2023-11-14T22:13:20Z
Updated:         2023-11-14T22:13:20Z
Rotate:          P90D after creation
Notify:          P30D before expiry
`
	if got := write(formatText, policy); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What is printed for programs is what update takes.
	again, err := parsePolicy([]byte(write(formatJSON, policy)))
	if err != nil || len(again.LifetimeActions) != 2 || again.Attributes.ExpiryTime != "P2Y" || *again.LifetimeActions[1].Trigger != *policy.LifetimeActions[1].Trigger {
		t.Errorf("printed and read again: %+v, %v", again, err)
	}
	if got := write(formatText, &api.KeyRotationPolicy{}); got != "Versions expire: never\n" {
		t.Errorf("an empty policy: %q", got)
	}
	if got := write(formatJSON, &api.KeyRotationPolicy{LifetimeActions: []api.LifetimeAction{{}}}); !strings.Contains(got, `"action": null`) {
		t.Errorf("an empty action: %s", got)
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(`{"lifetime_actions":[{"trigger":{"time_after_create":"P90D"},"action":{"type":"rotate"}}],"attributes":{"expiry_time":"P2Y"}}`))
	f.Add([]byte(`{"lifetimeActions":[{"action":"Notify","timeBeforeExpiry":"P30D"}],"expiresIn":"P2Y"}`))
	f.Add([]byte(`{"lifetimeActions":[{"trigger":null}],"attributes":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		policy, err := parsePolicy(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(policy)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parsePolicy(written)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if twice, err := json.Marshal(again); err != nil || !bytes.Equal(twice, written) {
			t.Errorf("%s became %s, %v", written, twice, err)
		}
	})
}
