package mgmtplane

import (
	"context"
	"net/http"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

// readNewVault decodes the body that puts a vault.
func readNewVault(x *httpx.Exchange) (resource.VaultSpec, error) {
	var body arm.VaultCreateOrUpdateParameters
	if err := readBody(x, &body); err != nil {
		return resource.VaultSpec{}, err
	}
	spec, err := vaultSpec(body.Properties)
	spec.Location, spec.Tags = body.Location, body.Tags
	return spec, err
}

// readVaultPatch decodes the body that patches a vault.
func readVaultPatch(x *httpx.Exchange) (resource.VaultSpec, error) {
	var body arm.VaultPatchParameters
	if err := readBody(x, &body); err != nil {
		return resource.VaultSpec{}, err
	}
	spec, err := vaultSpec(body.Properties)
	spec.Tags, spec.Recover = body.Tags, false
	return spec, err
}

// putVault is the domain's without its word on whether the vault is new: on the wire
// it does not show.
func (p *plane) putVault(ctx context.Context, c resource.Call, subscription, group, name string, spec resource.VaultSpec) (*catalog.Vault, error) {
	v, _, err := p.Resources.PutVault(ctx, c, subscription, group, name, spec)
	return v, err
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
