package mgmtplane

import (
	"net/http"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
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
	if in.NetworkACLs != nil {
		spec.Network = network(in.NetworkACLs)
	}
	var err error
	spec.Recover, err = recovers(in.CreateMode)
	return spec, err
}

// readHSM decodes what a body says of a managed HSM.
func readHSM(x *httpx.Exchange) (resource.HSMSpec, error) {
	var body arm.ManagedHSM
	if err := readBody(x, &body); err != nil {
		return resource.HSMSpec{}, err
	}
	return hsmSpec(&body)
}

func (p *plane) deleteHSM(x *httpx.Exchange) error {
	existed, err := p.Resources.DeleteHSM(x.Context(), call(x), x.Params["subscription"], x.Params["group"], x.Params["vault"])
	if err != nil {
		return err
	}
	if !existed {
		return x.Reply(http.StatusNoContent, nil)
	}
	return x.Reply(http.StatusOK, nil)
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
		out.Properties.PublicNetworkAccess = publicAccess(v)
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
