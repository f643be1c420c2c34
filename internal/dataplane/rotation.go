package dataplane

import (
	"net/http"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

func (p *plane) rotateKey(x *httpx.Exchange) error {
	k, err := p.Vaults.RotateKey(x.Context(), call(x), x.Params["name"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, keyBundle(x, k))
}

func (p *plane) getRotationPolicy(x *httpx.Exchange) error {
	policy, err := p.Vaults.GetRotationPolicy(x.Context(), call(x), x.Params["name"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, rotationPolicy(x, policy))
}

func (p *plane) setRotationPolicy(x *httpx.Exchange) error {
	var body api.KeyRotationPolicy
	if err := x.ReadJSON(&body); err != nil {
		return unusableBody(err)
	}
	policy, err := p.Vaults.SetRotationPolicy(x.Context(), call(x), x.Params["name"], readRotationPolicy(body))
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, rotationPolicy(x, policy))
}

// readRotationPolicy leaves empty what is missing, which the domain refuses where
// it must be there.
func readRotationPolicy(body api.KeyRotationPolicy) vault.SetRotationPolicy {
	var in vault.SetRotationPolicy
	if body.Attributes != nil {
		in.Expiry = body.Attributes.ExpiryTime
	}
	for _, a := range body.LifetimeActions {
		var action vault.LifetimeAction
		if a.Action != nil {
			action.Type = string(a.Action.Type)
		}
		if a.Trigger != nil {
			action.AfterCreate, action.BeforeExpiry = a.Trigger.TimeAfterCreate, a.Trigger.TimeBeforeExpiry
		}
		in.Actions = append(in.Actions, action)
	}
	return in
}

// rotationPolicy renders a policy. The default has no id: it is nothing that
// anybody has made.
func rotationPolicy(x *httpx.Exchange, p *vault.RotationPolicy) api.KeyRotationPolicy {
	body := api.KeyRotationPolicy{
		Attributes: &api.KeyRotationPolicyAttributes{ExpiryTime: p.Expiry, Created: p.Created, Updated: p.Updated},
	}
	if p.Created != nil {
		body.ID = objectID(x, keys, p.Name, "") + "/rotationpolicy"
	}
	for _, a := range p.Actions {
		body.LifetimeActions = append(body.LifetimeActions, api.LifetimeAction{
			Trigger: &api.LifetimeTrigger{TimeAfterCreate: a.AfterCreate, TimeBeforeExpiry: a.BeforeExpiry},
			Action:  &api.LifetimeActionType{Type: api.KeyRotationAction(a.Type)},
		})
	}
	return body
}
