package mgmtplane

import (
	"net/http"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

func (p *plane) putVault(x *httpx.Exchange) error {
	var body arm.VaultCreateOrUpdateParameters
	if err := readBody(x, &body); err != nil {
		return err
	}
	spec, err := vaultSpec(body.Properties)
	if err != nil {
		return err
	}
	spec.Location, spec.Tags = body.Location, body.Tags
	v, _, err := p.Resources.PutVault(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["vault"], spec)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderVault(x, v))
}

func (p *plane) patchVault(x *httpx.Exchange) error {
	var body arm.VaultPatchParameters
	if err := readBody(x, &body); err != nil {
		return err
	}
	spec, err := vaultSpec(body.Properties)
	if err != nil {
		return err
	}
	spec.Tags, spec.Recover = body.Tags, false
	v, err := p.Resources.PatchVault(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["vault"], spec)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderVault(x, v))
}

func (p *plane) getVault(x *httpx.Exchange) error {
	v, err := p.Resources.GetVault(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["vault"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderVault(x, v))
}

// deleteVault answers 200 where there was nothing to delete, too, to clients of
// the first version: they take nothing else.
func (p *plane) deleteVault(x *httpx.Exchange) error {
	existed, err := p.Resources.DeleteVault(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["vault"])
	if err != nil {
		return err
	}
	if !existed && x.APIVersion != arm.KeyVault20150601 {
		return x.Reply(http.StatusNoContent, nil)
	}
	return x.Reply(http.StatusOK, nil)
}

func (p *plane) listVaults(x *httpx.Exchange) error {
	page, err := readPage(x)
	if err != nil {
		return err
	}
	found, err := p.Resources.ListVaults(x.Context(), call(x), x.Params["subscription"], x.Params["group"], page)
	if err != nil {
		return err
	}
	return replyPage(x, found, func(v *catalog.Vault) arm.Vault { return renderVault(x, v) })
}

// listResources lists vaults and managed HSMs as what all resources have in common, which is how
// the official clients' plain list asks for them.
func (p *plane) listResources(x *httpx.Exchange) error {
	page, err := readPage(x)
	if err != nil {
		return err
	}
	f, err := readFilter(x, "resourcetype", "name", "resourcegroup", "tagname", "tagvalue")
	if err != nil {
		return err
	}
	found, err := p.Resources.ListResources(x.Context(), call(x), x.Params["subscription"], x.Params["group"], f.resources(), page)
	if err != nil {
		return err
	}
	expand := expansions(x)
	return replyPage(x, found, func(v *catalog.Vault) arm.GenericResource { return renderGeneric(v, expand) })
}

func (p *plane) changePolicies(x *httpx.Exchange) error {
	var body arm.VaultAccessPolicyParameters
	if err := readBody(x, &body); err != nil {
		return err
	}
	var entries []arm.AccessPolicyEntry
	if body.Properties != nil {
		entries = body.Properties.AccessPolicies
	}
	v, err := p.Resources.ChangePolicies(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["vault"],
		policyChange(x.Params["change"]), policies(entries))
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, arm.VaultAccessPolicyParameters{
		ID: v.ResourceID() + "/accessPolicies/", Type: arm.TypeAccessPolicies,
		Properties: &arm.VaultAccessPolicyProperties{AccessPolicies: renderPolicies(x, v.Policies)},
	})
}

func (p *plane) checkName(x *httpx.Exchange) error {
	var body arm.CheckNameAvailabilityParameters
	if err := readBody(x, &body); err != nil {
		return err
	}
	check, err := p.Resources.CheckName(x.Context(), call(x), x.Params["subscription"], body.Name)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, arm.CheckNameAvailabilityResult{
		NameAvailable: check.Available, Reason: check.Reason, Message: check.Message,
	})
}

func (p *plane) listDeletedVaults(x *httpx.Exchange) error {
	page, err := readPage(x)
	if err != nil {
		return err
	}
	found, err := p.Resources.ListDeletedVaults(x.Context(), call(x), x.Params["subscription"], page)
	if err != nil {
		return err
	}
	return replyPage(x, found, func(v *catalog.Vault) arm.DeletedVault { return renderDeleted(x, v) })
}

func (p *plane) getDeletedVault(x *httpx.Exchange) error {
	v, err := p.Resources.GetDeletedVault(x.Context(), call(x), x.Params["subscription"], x.Params["location"], x.Params["vault"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderDeleted(x, v))
}

func (p *plane) purgeVault(x *httpx.Exchange) error {
	location := x.Params["location"]
	job, err := p.Resources.PurgeVault(x.Context(), call(x), x.Params["subscription"], location, x.Params["vault"])
	if err != nil {
		return err
	}
	return replyPolling(x, resultPath(x, location, job), nil)
}
