package mgmtplane

import (
	"net/http"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

func (p *plane) listSubscriptions(x *httpx.Exchange) error {
	found, err := p.Resources.ListSubscriptions(x.Context(), call(x))
	return replyAll(x, found, err, renderSubscription)
}

// replyAll answers with a whole list, unless err says why not.
func replyAll[D, W any](x *httpx.Exchange, found []D, err error, render func(D) W) error {
	if err != nil {
		return err
	}
	return replyPage(x, resource.Page[D]{Items: found}, render)
}

func renderSubscription(s resource.Subscription) arm.Subscription {
	return arm.Subscription{
		ID: s.Scope(), SubscriptionID: s.ID, TenantID: s.TenantID, DisplayName: s.Name, State: "Enabled",
		AuthorizationSource: "RoleBased", ManagedByTenants: []arm.ManagedByTenant{},
		SubscriptionPolicies: &arm.SubscriptionPolicies{
			LocationPlacementID: "Public_2014-09-01", QuotaID: "Internal_2014-09-01", SpendingLimit: "Off",
		},
	}
}

func (p *plane) getSubscription(x *httpx.Exchange) error {
	s, err := p.Resources.GetSubscription(x.Context(), call(x), x.Params["subscription"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderSubscription(s))
}

func (p *plane) listTenants(x *httpx.Exchange) error {
	found, err := p.Resources.ListTenants(x.Context(), call(x))
	return replyAll(x, found, err, func(t resource.Tenant) arm.Tenant {
		tenant := arm.Tenant{
			ID: "/tenants/" + t.ID, TenantID: t.ID, DisplayName: t.Name, DefaultDomain: t.Domain,
			TenantCategory: "Home", TenantType: "AAD", Domains: []string{},
		}
		if t.Domain != "" {
			tenant.Domains = []string{t.Domain}
		}
		return tenant
	})
}

func (p *plane) listLocations(x *httpx.Exchange) error {
	subscription := x.Params["subscription"]
	found, err := p.Resources.ListLocations(x.Context(), call(x), subscription)
	return replyAll(x, found, err, func(l resource.Location) arm.Location {
		return arm.Location{
			ID: "/subscriptions/" + subscription + "/locations/" + l.Name, Name: l.Name, Type: "Region",
			DisplayName: l.DisplayName, RegionalDisplayName: "(" + l.Geography + ") " + l.DisplayName,
			Metadata: &arm.LocationMetadata{RegionType: "Physical", RegionCategory: "Recommended", GeographyGroup: l.Geography},
		}
	})
}

func (p *plane) listProviders(x *httpx.Exchange) error {
	found, err := p.Resources.ListProviders(x.Context(), call(x), x.Params["subscription"])
	return replyAll(x, found, err, func(pr resource.Provider) arm.Provider { return renderProvider(x, pr) })
}

func renderProvider(x *httpx.Exchange, pr resource.Provider) arm.Provider {
	out := arm.Provider{
		ID:        "/subscriptions/" + x.Params["subscription"] + "/providers/" + pr.Namespace,
		Namespace: pr.Namespace, RegistrationState: "Registered", RegistrationPolicy: "RegistrationFree",
		ResourceTypes: make([]arm.ResourceType, len(pr.Types)),
	}
	for i, t := range pr.Types {
		capabilities := "None"
		if t.Tracked {
			capabilities = "SupportsTags, SupportsLocation"
		}
		locations := t.Locations
		if locations == nil {
			locations = []string{}
		}
		out.ResourceTypes[i] = arm.ResourceType{
			ResourceType: t.Name, Locations: locations, APIVersions: t.Versions, DefaultAPIVersion: t.Versions[0], Capabilities: capabilities,
		}
	}
	return out
}

func (p *plane) getProvider(x *httpx.Exchange) error {
	pr, err := p.Resources.GetProvider(x.Context(), call(x), x.Params["subscription"], x.Params["namespace"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderProvider(x, pr))
}

func (p *plane) registerProvider(x *httpx.Exchange) error {
	pr, err := p.Resources.RegisterProvider(x.Context(), call(x), x.Params["subscription"], x.Params["namespace"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderProvider(x, pr))
}
