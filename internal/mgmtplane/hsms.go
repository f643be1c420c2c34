package mgmtplane

import (
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

// What the service says of a managed HSM that is ready. Ours are as soon as they
// have been created.
const (
	hsmReady     = "The Managed HSM is provisioned and ready to use."
	hsmActivated = "Your HSM has been activated and can be used for cryptographic operations."
)

// hsmSpec is vaultSpec for managed HSMs.
func hsmSpec(body *arm.ManagedHSM) (resource.HSMSpec, error) {
	spec := resource.HSMSpec{VaultSpec: resource.VaultSpec{Location: body.Location, Tags: body.Tags}}
	if body.SKU != nil {
		spec.SKUFamily, spec.SKUName = body.SKU.Family, body.SKU.Name
	}
	in := body.Properties
	if in == nil {
		return spec, nil
	}
	spec.TenantID, spec.InitialAdmins = in.TenantID, in.InitialAdminObjectIDs
	spec.SoftDelete, spec.PurgeProtection, spec.RetentionDays = in.EnableSoftDelete, in.EnablePurgeProtection, in.SoftDeleteRetentionInDays
	spec.PublicNetworkAccess = in.PublicNetworkAccess
	spec.Recover = strings.EqualFold(in.CreateMode, arm.CreateModeRecover)
	if in.NetworkACLs != nil {
		spec.Network = network(in.NetworkACLs)
	}
	if in.CreateMode != "" && !spec.Recover && !strings.EqualFold(in.CreateMode, arm.CreateModeDefault) {
		return spec, fault.New(fault.Invalid, arm.CodeBadRequest, "Invalid value found at properties.createMode: %s", clip(in.CreateMode, 64))
	}
	return spec, nil
}

// readHSM decodes what a body says of a managed HSM.
func readHSM(x *httpx.Exchange) (resource.HSMSpec, error) {
	var body arm.ManagedHSM
	if err := readBody(x, &body); err != nil {
		return resource.HSMSpec{}, err
	}
	return hsmSpec(&body)
}

func (p *plane) putHSM(x *httpx.Exchange) error {
	spec, err := readHSM(x)
	if err != nil {
		return err
	}
	v, err := p.Resources.PutHSM(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["hsm"], spec)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderHSM(x, v))
}

func (p *plane) patchHSM(x *httpx.Exchange) error {
	spec, err := readHSM(x)
	if err != nil {
		return err
	}
	v, err := p.Resources.PatchHSM(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["hsm"], spec)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderHSM(x, v))
}

func (p *plane) getHSM(x *httpx.Exchange) error {
	v, err := p.Resources.GetHSM(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["hsm"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderHSM(x, v))
}

func (p *plane) deleteHSM(x *httpx.Exchange) error {
	existed, err := p.Resources.DeleteHSM(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["hsm"])
	if err != nil {
		return err
	}
	if !existed {
		return x.Reply(http.StatusNoContent, nil)
	}
	return x.Reply(http.StatusOK, nil)
}

func (p *plane) listHSMs(x *httpx.Exchange) error {
	page, err := readPage(x)
	if err != nil {
		return err
	}
	found, err := p.Resources.ListHSMs(x.Context(), call(x), x.Params["subscription"], x.Params["group"], page)
	if err != nil {
		return err
	}
	return replyPage(x, found, func(v *catalog.Vault) arm.ManagedHSM { return renderHSM(x, v) })
}

func (p *plane) checkHSMName(x *httpx.Exchange) error {
	var body arm.CheckNameAvailabilityParameters
	if err := readBody(x, &body); err != nil {
		return err
	}
	check, err := p.Resources.CheckHSMName(x.Context(), call(x), x.Params["subscription"], body.Name)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, arm.CheckNameAvailabilityResult{
		NameAvailable: check.Available, Reason: check.Reason, Message: check.Message,
	})
}

func (p *plane) listDeletedHSMs(x *httpx.Exchange) error {
	page, err := readPage(x)
	if err != nil {
		return err
	}
	found, err := p.Resources.ListDeletedHSMs(x.Context(), call(x), x.Params["subscription"], page)
	if err != nil {
		return err
	}
	return replyPage(x, found, func(v *catalog.Vault) arm.DeletedManagedHSM { return renderDeletedHSM(x, v) })
}

func (p *plane) getDeletedHSM(x *httpx.Exchange) error {
	v, err := p.Resources.GetDeletedHSM(x.Context(), call(x), x.Params["subscription"], x.Params["location"], x.Params["hsm"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderDeletedHSM(x, v))
}

func (p *plane) purgeHSM(x *httpx.Exchange) error {
	location := x.Params["location"]
	job, err := p.Resources.PurgeHSM(x.Context(), call(x), x.Params["subscription"], location, x.Params["hsm"])
	if err != nil {
		return err
	}
	return replyPolling(x, resultPath(x, location, job), nil)
}

// resultPath returns where to ask how far the purge of a vault or managed HSM is.
func resultPath(x *httpx.Exchange, location, job string) string {
	return "/subscriptions/" + x.Params["subscription"] + "/providers/Microsoft.KeyVault/locations/" +
		resource.NormalLocation(location) + "/operationResults/" + job
}

func renderHSM(x *httpx.Exchange, v *catalog.Vault) arm.ManagedHSM {
	days := int32(v.RetentionDays) // from 7 to 90
	out := arm.ManagedHSM{
		ID: v.ResourceID(), Name: v.Name, Type: arm.TypeManagedHSMs, Location: v.Location, Tags: tags(v.Tags),
		SKU: &arm.SKU{Family: v.HSM.SKUFamily, Name: v.HSM.SKUName},
		Properties: &arm.ManagedHSMProperties{
			TenantID: v.TenantID, InitialAdminObjectIDs: v.HSM.InitialAdmins, HSMURI: x.Site.HSMURL(v.Name) + "/",
			EnableSoftDelete: &v.SoftDelete, SoftDeleteRetentionInDays: &days, NetworkACLs: renderNetwork(v.Network),
			ProvisioningState: arm.StateSucceeded, StatusMessage: hsmReady,
			SecurityDomainProperties: &arm.SecurityDomainProperties{ActivationStatus: arm.HSMActivated, ActivationStatusMessage: hsmActivated},
		},
	}
	if v.PurgeProtection {
		out.Properties.EnablePurgeProtection = &v.PurgeProtection
	}
	if since(x, arm.KeyVault20210401Preview) {
		out.SystemData = renderSystemData(v)
	}
	if since(x, arm.KeyVault20210601Preview) {
		state := v.PublicNetworkAccess
		if state == "" {
			state = arm.PublicAccessEnabled
		}
		out.Properties.PublicNetworkAccess = &state
	}
	return out
}

func renderDeletedHSM(x *httpx.Exchange, v *catalog.Vault) arm.DeletedManagedHSM {
	out := arm.DeletedManagedHSM{
		ID:   "/subscriptions/" + v.SubscriptionID + "/providers/Microsoft.KeyVault/locations/" + v.Location + "/deletedManagedHSMs/" + v.Name,
		Name: v.Name, Type: arm.TypeDeletedManagedHSMs,
		Properties: &arm.DeletedManagedHSMProperties{
			MHSMID: v.ResourceID(), Location: v.Location, Tags: tags(v.Tags),
			DeletionDate: moment(v.Deleted.At), ScheduledPurgeDate: moment(v.Deleted.PurgeAt),
		},
	}
	if v.PurgeProtection {
		out.Properties.PurgeProtectionEnabled = &v.PurgeProtection
	}
	if since(x, keyVault20250501) {
		out.SystemData = renderSystemData(v)
	}
	return out
}
