package directoryplane

import (
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

func (p *Plane) listPrincipals(x *httpx.Exchange) error {
	return list(p, x, "servicePrincipals", true, principal)
}

func (p *Plane) createPrincipal(x *httpx.Exchange) error {
	var body graph.CreateServicePrincipalRequest
	if err := readBody(x, &body); err != nil {
		return err
	}
	made, err := p.Directory.CreatePrincipal(x.Context(), call(x), body.AppID)
	if fault.KindOf(err) == fault.NotFound {
		// The application is named by the body, not by the path.
		err = fault.New(fault.Invalid, graph.CodeBadRequest,
			"The appId '%s' of the service principal does not reference a valid application object.", clip(body.AppID, 64))
	}
	if err != nil {
		return err
	}
	return replyPrincipal(x, http.StatusCreated, made)
}

func (p *Plane) getPrincipal(x *httpx.Exchange) error {
	ref := principalRef(x)
	found, err := p.Directory.GetApplication(x.Context(), call(x), ref)
	if err != nil {
		return err
	}
	if found.ObjectID == "" {
		return fault.New(fault.NotFound, graph.CodeNotFound,
			"Resource '%s' does not exist or one of its queried reference-property objects are not present.", found.ClientID)
	}
	return replyPrincipal(x, http.StatusOK, found)
}

func (p *Plane) deletePrincipal(x *httpx.Exchange) error {
	if err := p.Directory.DeletePrincipal(x.Context(), call(x), principalRef(x)); err != nil {
		return err
	}
	return x.Reply(http.StatusNoContent, nil)
}

// getByIDs answers with the objects of ids, those of the types that were asked for.
func (p *Plane) getByIDs(x *httpx.Exchange) error {
	var body graph.GetByIDsRequest
	if err := readBody(x, &body); err != nil {
		return err
	}
	found, err := p.Directory.GetObjects(x.Context(), call(x), body.IDs)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, t := range body.Types {
		wanted[strings.ToLower(t)] = true
	}
	takes := func(kind string) bool {
		return len(wanted) == 0 || wanted["directoryobject"] || wanted[strings.ToLower(kind)]
	}
	asked := map[string]bool{}
	for _, id := range body.IDs {
		asked[strings.ToLower(id)] = true
	}
	objects := []any{}
	add := func(id, kind string, object any) {
		if folded := strings.ToLower(id); asked[folded] && takes(kind) {
			asked[folded] = false // once
			objects = append(objects, object)
		}
	}
	for _, r := range found {
		a, s := application(r), principal(r)
		a.Type, s.Type = "#microsoft.graph.application", "#microsoft.graph.servicePrincipal"
		add(r.RegistrationID, "application", a)
		add(r.ObjectID, "servicePrincipal", s)
	}
	return x.Reply(http.StatusOK, graph.Page[any]{Context: contextURL(x, "directoryObjects"), Value: objects})
}

// refuseMe answers as Graph does to whoever is no user. Nobody here is.
func (p *Plane) refuseMe(*httpx.Exchange) error {
	return fault.New(fault.Invalid, graph.CodeBadRequest, "/me request is only valid with delegated authentication flow.")
}

func (p *Plane) listOrganization(x *httpx.Exchange) error {
	tenant, err := p.Directory.GetTenant(x.Context(), call(x))
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, graph.Page[graph.Organization]{
		Context: contextURL(x, "organization"), Value: []graph.Organization{organization(tenant)},
	})
}

func organization(t identity.Tenant) graph.Organization {
	o := graph.Organization{ID: t.ID, DisplayName: t.Name, TenantType: "AAD", VerifiedDomains: []graph.VerifiedDomain{}}
	if t.Domain != "" {
		o.VerifiedDomains = append(o.VerifiedDomains, graph.VerifiedDomain{Name: t.Domain, IsDefault: true, IsInitial: true, Type: "Managed"})
	}
	return o
}
