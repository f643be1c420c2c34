package mgmtplane

import (
	"strings"
	"testing"
)

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := `{"id":"` + sub + `","authorizationSource":"RoleBased","managedByTenants":[],"subscriptionId":"` + testSub + `","tenantId":"` + testTenant + `",
		"displayName":"Test","state":"Enabled","subscriptionPolicies":{"locationPlacementId":"Public_2014-09-01","quotaId":"Internal_2014-09-01","spendingLimit":"Off"}}`
	for _, as := range []string{"owner", "reader", "group", "kvc"} {
		w.do(request{method: "GET", path: "/subscriptions", version: "2019-11-01", as: as}).is(200).json(`{"value":[` + one + `]}`)
		w.do(request{method: "GET", path: sub, version: "2022-12-01", as: as}).is(200).json(one)
		w.do(request{method: "GET", path: "/tenants", version: "2019-11-01", as: as}).is(200).json(`{"value":[{"id":"/tenants/` + testTenant + `","tenantId":"` + testTenant + `",
			"displayName":"test.example","defaultDomain":"test.example","domains":["test.example"],"tenantCategory":"Home","tenantType":"AAD"}]}`)
	}
	for _, as := range []string{"nobody", "foreign"} {
		w.do(request{method: "GET", path: "/subscriptions", version: core, as: as}).is(200).json(`{"value":[]}`)
		w.do(request{method: "GET", path: "/tenants", version: core, as: as}).is(200).json(`{"value":[]}`)
	}
	w.do(request{method: "GET", path: sub, version: core, as: "nobody"}).refused(403, "AuthorizationFailed", "")
	w.call("GET", "/subscriptions/x", core, "").refused(400, "InvalidSubscriptionId", "'x'")
	w.call("GET", "/subscriptions/"+otherTenant, core, "").refused(404, "SubscriptionNotFound", "The subscription '"+otherTenant+"' could not be found.")
}

func TestLocationsAndProviders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.call("GET", sub+"/locations", core, "").is(200)
	if !strings.Contains(a.body, `{"id":"`+sub+`/locations/eastus","name":"eastus","type":"Region","displayName":"East US","regionalDisplayName":"(US) East US"`) {
		t.Error(a.body)
	}
	for _, path := range []string{sub + "/providers", sub + "/providers/Microsoft.KeyVault", sub + "/providers/microsoft.keyvault"} {
		a = w.call("GET", path, "2021-04-01", "").is(200)
		for _, want := range []string{`"namespace":"Microsoft.KeyVault"`, `"registrationState":"Registered"`, `"resourceType":"vaults"`, `"East US"`, `"apiVersions":["2026-05-15","2026-02-01",`} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s lacks %s", path, want)
			}
		}
	}
	w.call("POST", sub+"/providers/Microsoft.Storage/register", core, "").is(200).
		json(`{"id":"` + sub + `/providers/Microsoft.Storage","namespace":"Microsoft.Storage","registrationState":"Registered","registrationPolicy":"RegistrationFree","resourceTypes":[]}`)
	w.call("POST", sub+"/providers/Microsoft.KeyVault/register", core, "").is(200)
	w.call("GET", sub+"/providers/nonsense", core, "").refused(404, "InvalidResourceNamespace", "The resource namespace 'nonsense' is invalid.")
	a = w.do(request{method: "GET", path: kv + "/operations", version: latest, as: "nobody"}).is(200)
	if !strings.Contains(a.body, `{"name":"Microsoft.KeyVault/vaults/read","display":{"provider":"Microsoft Key Vault","resource":"Key Vault",`) {
		t.Error(a.body)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := sub + "/resourcegroups/New"
	want := `{"id":"` + sub + `/resourceGroups/New","name":"New","type":"Microsoft.Resources/resourceGroups","location":"westeurope","tags":{"a":"b"},"properties":{"provisioningState":"Succeeded"}}`
	w.call("HEAD", path, core, "").is(404)
	w.call("GET", path, core, "").refused(404, "ResourceGroupNotFound", "Resource group 'New' could not be found.")
	w.call("PUT", path, core, `{"location":"West Europe","tags":{"a":"b"}}`).is(201).json(want)
	w.call("PUT", sub+"/resourceGroups/NEW", core, `{"location":"westeurope","tags":{"a":"b"}}`).is(200).json(want)
	w.call("GET", path, core, "").is(200).json(want)
	w.call("GET", path, "2018-05-01", "").is(200).json(strings.Replace(want, `"type":"Microsoft.Resources/resourceGroups",`, "", 1))
	if a := w.call("HEAD", path, core, "").is(204); a.body != "" {
		t.Errorf("body %q", a.body)
	}
	w.call("PATCH", path, core, `{"tags":{"c":"d"},"managedBy":"me"}`).is(200).
		json(strings.Replace(want, `"tags":{"a":"b"}`, `"tags":{"c":"d"},"managedBy":"me"`, 1))
	w.call("GET", sub+"/resourcegroups?$filter=tagName+eq+'c'+and+tagValue+eq+'d'", core, "").is(200)
	for query, names := range map[string]string{"": "New Team", "$filter=tagname+eq+'c'+and+tagvalue+eq+'d'": "New", "$filter=tagName+eq+'c'+and+tagValue+eq+'x'": "", "$top=1": "New"} {
		if got := strings.Join(w.call("GET", sub+"/resourcegroups?"+query, core, "").is(200).values(), " "); got != names {
			t.Errorf("%s: %s", query, got)
		}
	}
	if got, pages := w.follow(sub+"/resourcegroups?$top=1", core); strings.Join(got, " ") != "New Team" || pages != 2 {
		t.Errorf("%v in %d pages", got, pages)
	}
	w.unchanged(func() {
		w.call("PUT", path, core, `{"location":"eastus"}`).refused(409, "InvalidResourceGroupLocation",
			"Invalid resource group location 'eastus'. The Resource group already exists in location 'westeurope'.")
		w.call("PUT", path, core, `{}`).refused(400, "LocationRequired", "")
		w.call("PUT", sub+"/resourcegroups/a%20b", core, `{"location":"eastus"}`).refused(400, "InvalidResourceGroup", "invalid characters: ' '")
		w.call("PATCH", sub+"/resourcegroups/none", core, `{}`).refused(404, "ResourceGroupNotFound", "none")
		w.call("DELETE", sub+"/resourcegroups/none", core, "").refused(404, "ResourceGroupNotFound", "none")
		w.call("GET", sub+"/resourcegroups?$filter=name+eq+'x'", core, "").refused(400, "InvalidFilterInQueryString", "")
	})
}

func TestDeleteGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("alpha")
	w.vault("beta")
	a := w.do(request{method: "DELETE", path: team, version: core, as: "group"}).is(202)
	poll, found := strings.CutPrefix(a.header.Get("Location"), "https://"+azure)
	if !found || a.body != "" || a.header.Get("Retry-After") != "1" || !strings.HasPrefix(poll, sub+"/operationresults/") || !strings.HasSuffix(poll, "?api-version="+core) {
		t.Fatalf("answer %v %q", a.header, a.body)
	}
	if got := w.call("GET", team, core, "").get("properties", "provisioningState"); got != "Deleting" {
		t.Errorf("provisioningState %v", got)
	}
	for _, put := range []answer{
		w.call("PUT", team+kv+"/vaults/gamma", latest, plainVault), w.call("PUT", alpha, latest, plainVault),
		w.call("DELETE", alpha, latest, ""), w.call("PUT", team, core, `{"location":"eastus"}`), w.call("PATCH", team, core, `{}`),
	} {
		put.refused(409, "ResourceGroupBeingDeleted", "The resource group 'Team' is in deprovisioning state and cannot perform this operation.")
	}
	// Who began it may ask how far it is, who has no part in it may not.
	for range 2 {
		a = w.do(request{method: "GET", path: poll, as: "group"}).is(202)
		if a.header.Get("Location") != "https://"+azure+poll || a.body != "" {
			t.Errorf("answer %v %q", a.header, a.body)
		}
	}
	w.do(request{method: "GET", path: poll, as: "nobody"}).refused(403, "AuthorizationFailed", "")
	if !w.visible("alpha") {
		t.Error("a vault was deleted before its turn")
	}
	must(t, w.svc.RunJobs(t.Context()))
	if a = w.do(request{method: "GET", path: poll, as: "group"}).is(200); a.body != "" || a.header.Get("Location") != "" {
		t.Errorf("answer %v %q", a.header, a.body)
	}
	w.call("GET", team, core, "").refused(404, "ResourceGroupNotFound", "")
	if w.visible("alpha") || w.visible("beta") {
		t.Error("the data plane finds vaults of a deleted group")
	}
	if got := strings.Join(w.call("GET", sub+kv+"/deletedVaults", latest, "").values(), " "); got != "alpha beta" {
		t.Errorf("deleted vaults %s", got)
	}
}

// TestPermissions sends every operation as every caller: who may is answered,
// who may not is refused in Azure's words, and nothing has changed.
func TestPermissions(t *testing.T) {
	t.Parallel()
	const entry = `{"properties":{"accessPolicies":[{"tenantId":"` + testTenant + `","objectId":"` + owner1 + `","permissions":{"keys":["get"]}}]}}`
	deleted := sub + kv + "/locations/eastus/deletedVaults/gone"
	everyone := "owner contributor reader kvc group"
	readers := "owner contributor reader"
	for _, op := range []struct {
		method, path, version, body string
		may                         string // the callers that are let in
		action, scope               string
	}{
		{"GET", sub, core, "", everyone, "Microsoft.Resources/subscriptions/read", sub},
		{"GET", sub + "/locations", core, "", readers + " group", "Microsoft.Resources/subscriptions/locations/read", sub},
		{"GET", sub + "/providers", core, "", readers + " group", "Microsoft.Resources/subscriptions/providers/read", sub},
		{"GET", sub + "/providers/Microsoft.KeyVault", core, "", readers + " group", "Microsoft.Resources/subscriptions/providers/read", sub},
		{"POST", sub + "/providers/Microsoft.KeyVault/register", core, "", "owner contributor kvc group", "Microsoft.KeyVault/register/action", sub},
		{"GET", sub + "/resources", core, "", everyone, "Microsoft.KeyVault/vaults/read", sub},
		{"GET", team + "/resources", core, "", everyone, "Microsoft.KeyVault/vaults/read", team},
		{"GET", sub + "/resourceGroups", core, "", everyone, "Microsoft.Resources/subscriptions/resourceGroups/read", sub},
		{"GET", team, core, "", everyone, "Microsoft.Resources/subscriptions/resourceGroups/read", team},
		{"PUT", team, core, `{"location":"eastus","tags":{"x":"y"}}`, "owner contributor group", "Microsoft.Resources/subscriptions/resourceGroups/write", team},
		{"PUT", sub + "/resourceGroups/new", core, `{"location":"eastus"}`, "owner contributor", "Microsoft.Resources/subscriptions/resourceGroups/write", sub + "/resourceGroups/new"},
		{"PATCH", team, core, `{"tags":{"x":"y"}}`, "owner contributor group", "Microsoft.Resources/subscriptions/resourceGroups/write", team},
		{"DELETE", team, core, "", "owner contributor group", "Microsoft.Resources/subscriptions/resourceGroups/delete", team},
		{"GET", sub + "/operationresults/x", core, "", readers, "Microsoft.Resources/subscriptions/operationresults/read", sub},
		{"GET", sub + kv + "/vaults", latest, "", everyone, "Microsoft.KeyVault/vaults/read", sub},
		{"GET", team + kv + "/vaults", latest, "", everyone, "Microsoft.KeyVault/vaults/read", team},
		{"GET", alpha, latest, "", everyone, "Microsoft.KeyVault/vaults/read", alpha},
		{"PUT", alpha, latest, plainVault, "owner contributor kvc group", "Microsoft.KeyVault/vaults/write", alpha},
		{"PUT", team + kv + "/vaults/fresh", latest, plainVault, "owner contributor kvc group", "Microsoft.KeyVault/vaults/write", team + kv + "/vaults/fresh"},
		{"PATCH", alpha, latest, `{}`, "owner contributor kvc group", "Microsoft.KeyVault/vaults/write", alpha},
		{"DELETE", alpha, latest, "", "owner contributor kvc group", "Microsoft.KeyVault/vaults/delete", alpha},
		{"PUT", alpha + "/accessPolicies/add", latest, entry, "owner contributor kvc group", "Microsoft.KeyVault/vaults/accessPolicies/write", alpha + "/accessPolicies/add"},
		{"POST", sub + kv + "/checkNameAvailability", latest, `{"name":"x"}`, "owner contributor reader kvc group", "Microsoft.KeyVault/checkNameAvailability/read", sub},
		{"GET", sub + kv + "/deletedVaults", latest, "", readers + " kvc", "Microsoft.KeyVault/deletedVaults/read", sub},
		{"GET", deleted, latest, "", readers + " kvc", "Microsoft.KeyVault/locations/deletedVaults/read", deleted},
		{"POST", deleted + "/purge", latest, "", "owner contributor", "Microsoft.KeyVault/locations/deletedVaults/purge/action", deleted},
	} {
		t.Run(op.method+" "+op.path, func(t *testing.T) {
			t.Parallel()
			for as := range principals {
				w := newWorld(t)
				w.vault("alpha")
				w.vault("gone")
				w.call("DELETE", team+kv+"/vaults/gone", latest, "").is(200)
				r := request{method: op.method, path: op.path, version: op.version, body: op.body, as: as}
				switch {
				case as == "foreign":
					w.unchanged(func() { w.do(r).refused(401, "InvalidAuthenticationTokenTenant", testTenant) })
				case strings.Contains(" "+op.may+" ", " "+as+" "):
					if a := w.do(r); a.status >= 400 && a.status != 404 {
						t.Errorf("%s: %d %s", as, a.status, a.body)
					}
				default:
					w.unchanged(func() {
						a := w.do(r)
						a.refused(403, "AuthorizationFailed", "The client 'app-"+as+"' with object id '"+principals[as]+"' does not have authorization to perform action '"+op.action+"' over scope '"+op.scope+"'")
						if a.header.Get("X-Ms-Failure-Cause") != "gateway" {
							t.Errorf("headers %v", a.header)
						}
					})
				}
			}
		})
	}
}
