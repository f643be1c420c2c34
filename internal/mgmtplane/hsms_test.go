package mgmtplane

import (
	"net/url"
	"strings"
	"testing"
)

const (
	hsmAlpha = team + kv + "/managedHSMs/alpha"
	plainHSM = `{"location":"eastus","sku":{"family":"B","name":"Standard_B1"},"properties":{"tenantId":"` + testTenant + `","initialAdminObjectIds":["` + owner1 + `"]}}`
	fullHSM  = `{"location":"West Europe","sku":{"family":"b","name":"custom_b32"},"tags":{"a":"<b>"},"properties":{
		"tenantId":"` + testTenant + `","initialAdminObjectIds":["` + owner1 + `"],"createMode":"Default",
		"enableSoftDelete":true,"softDeleteRetentionInDays":7,"enablePurgeProtection":true,"publicNetworkAccess":"disabled",
		"networkAcls":{"bypass":"None","defaultAction":"Deny","ipRules":[{"value":"192.0.2.0/24"}],"virtualNetworkRules":[]}}}`
	hsmSystemData = `,"systemData":{"createdBy":"app-owner","createdByType":"Application","createdAt":"2030-01-02T03:04:05.678Z","lastModifiedBy":"app-owner","lastModifiedByType":"Application","lastModifiedAt":"2030-01-02T03:04:05.678Z"}`
	hsmState      = `"provisioningState":"Succeeded","statusMessage":"The Managed HSM is provisioned and ready to use.",
		"securityDomainProperties":{"activationStatus":"Active","activationStatusMessage":"Your HSM has been activated and can be used for cryptographic operations."}`
)

func TestHSMShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.call("PUT", hsmAlpha, latest, fullHSM).is(200)
	for version, parts := range map[string]struct{ properties, top string }{
		"2020-04-01-preview": {"", ""},
		"2021-04-01-preview": {"", hsmSystemData},
		"2021-10-01":         {`,"publicNetworkAccess":"Disabled"`, hsmSystemData},
		"2026-05-15":         {`,"publicNetworkAccess":"Disabled"`, hsmSystemData},
	} {
		t.Run(version, func(t *testing.T) {
			want := `{"id":"` + sub + `/resourceGroups/Team/providers/Microsoft.KeyVault/managedHSMs/alpha","name":"alpha","type":"Microsoft.KeyVault/managedHSMs",
				"location":"westeurope","sku":{"family":"B","name":"Custom_B32"},"tags":{"a":"<b>"}` + parts.top + `,"properties":{"tenantId":"` + testTenant + `",
				"initialAdminObjectIds":["` + owner1 + `"],"hsmUri":"https://alpha.managedhsm.azure.net/","enableSoftDelete":true,"softDeleteRetentionInDays":7,"enablePurgeProtection":true,
				"networkAcls":{"bypass":"None","defaultAction":"Deny","ipRules":[{"value":"192.0.2.0/24"}],"virtualNetworkRules":[]},` + hsmState + parts.properties + `}}`
			for path, shape := range map[string]string{hsmAlpha: want, team + kv + "/managedHSMs": `{"value":[` + want + `]}`, sub + kv + "/managedHSMs": `{"value":[` + want + `]}`} {
				a := w.call("GET", path, version, "").is(200)
				a.t = t
				a.json(shape)
			}
		})
	}
	// What nobody has set, at the address of the request.
	got := w.do(request{method: "PUT", path: team + kv + "/managedHSMs/Beta", version: latest, body: plainHSM, host: "localhost:8443"}).is(200)
	got.json(`{"id":"` + sub + `/resourceGroups/Team/providers/Microsoft.KeyVault/managedHSMs/Beta","name":"Beta","type":"Microsoft.KeyVault/managedHSMs",
		"location":"eastus","sku":{"family":"B","name":"Standard_B1"},"tags":{}` + hsmSystemData + `,"properties":{"tenantId":"` + testTenant + `","initialAdminObjectIds":["` + owner1 + `"],
		"hsmUri":"https://beta.managedhsm.localhost:8443/","enableSoftDelete":true,"softDeleteRetentionInDays":90,` + hsmState + `,"publicNetworkAccess":"Enabled"}}`)
	if got := w.call("PATCH", team+kv+"/managedHSMs/beta", latest, `{"tags":{"c":"d"}}`).is(200).get("tags", "c"); got != "d" {
		t.Errorf("the tag is %v", got)
	}
	filter := "?$filter=" + url.QueryEscape("resourceType eq 'Microsoft.KeyVault/managedHSMs' and name eq 'beta'")
	w.call("GET", sub+"/resources"+filter, "2015-11-01", "").is(200).json(`{"value":[{"id":"` + sub + `/resourceGroups/Team/providers/Microsoft.KeyVault/managedHSMs/Beta","name":"Beta",
		"type":"Microsoft.KeyVault/managedHSMs","location":"eastus","tags":{"c":"d"}}]}`)
}

func TestHSMLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.call("POST", sub+kv+"/checkMhsmNameAvailability", latest, `{"name":"alpha"}`).is(200).json(`{"nameAvailable":true}`)
	w.call("PUT", hsmAlpha, latest, plainHSM).is(200)
	w.call("POST", sub+kv+"/checkMhsmNameAvailability", latest, `{"name":"ALPHA"}`).is(200).json(`{"nameAvailable":false,"reason":"AlreadyExists","message":"The name 'ALPHA' is already in use."}`)
	w.call("DELETE", hsmAlpha, latest, "").is(200)
	w.call("DELETE", hsmAlpha, latest, "").is(204)
	w.call("GET", hsmAlpha, latest, "").refused(404, "ResourceNotFound", "'Microsoft.KeyVault/managedHSMs/alpha'")
	deleted := sub + kv + "/locations/eastus/deletedManagedHSMs/alpha"
	shape := `{"id":"` + sub + `/providers/Microsoft.KeyVault/locations/eastus/deletedManagedHSMs/alpha","name":"alpha","type":"Microsoft.KeyVault/deletedManagedHSMs",
		"properties":{"mhsmId":"` + sub + `/resourceGroups/Team/providers/Microsoft.KeyVault/managedHSMs/alpha","location":"eastus","tags":{},
		"deletionDate":"2030-01-02T03:04:05Z","scheduledPurgeDate":"2030-04-02T03:04:05Z"}}`
	w.call("GET", deleted, "2022-07-01", "").is(200).json(shape)
	w.call("GET", sub+kv+"/deletedManagedHSMs", "2022-07-01", "").is(200).json(`{"value":[` + shape + `]}`)
	w.call("PUT", hsmAlpha, latest, plainHSM).refused(409, "ConflictError", "deleted state")
	w.call("PUT", hsmAlpha, latest, strings.Replace(plainHSM, `{"tenantId"`, `{"createMode":"Recover","tenantId"`, 1)).is(200)
	w.call("DELETE", hsmAlpha, latest, "").is(200)
	a := w.call("POST", deleted+"/purge", latest, "").is(202)
	location := a.header.Get("Location")
	if !strings.Contains(location, "/locations/eastus/operationResults/") {
		t.Fatalf("Location %q", location)
	}
	if err := w.svc.RunJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(location, "https://management.azure.com"), "?")
	w.call("GET", path, latest, "").is(200)
	w.call("GET", deleted, latest, "").refused(404, "DeletedManagedHSMNotFound", "'alpha'")
}

func TestHSMRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.call("PUT", hsmAlpha, latest, plainHSM).is(200)
	with := func(old, new string) string { return strings.Replace(plainHSM, old, new, 1) }
	w.unchanged(func() {
		for _, tc := range []struct {
			method, path, body string
			status             int
			code, message      string
		}{
			{"PUT", team + kv + "/managedHSMs/a--b", plainHSM, 400, "ManagedHSMNameNotValid", "'a--b' is invalid"},
			{"PUT", hsmAlpha, `{}`, 400, "LocationRequired", "location"},
			{"PUT", hsmAlpha, `{"location":"eastus"}`, 400, "BadRequest", "The parameter sku is not specified."},
			{"PUT", hsmAlpha, with("Standard_B1", "Standard_B9"), 400, "BadRequest", "sku.name: Standard_B9"},
			{"PUT", hsmAlpha, with(`{"tenantId"`, `{"createMode":"clone","tenantId"`), 400, "BadRequest", "properties.createMode: clone"},
			{"PUT", hsmAlpha, `[]`, 400, "InvalidRequestContent", "not a JSON object"},
			{"PATCH", hsmAlpha, `{"properties":{"enableSoftDelete":false}}`, 400, "BadRequest", "enableSoftDelete"},
			{"PATCH", hsmAlpha, `{"properties":{"networkAcls":{"ipRules":[{"value":"here"}]}}}`, 400, "BadRequest", "ipRules[0].value: here"},
			{"GET", team + kv + "/managedHSMs/none", "", 404, "ResourceNotFound", "'Microsoft.KeyVault/managedHSMs/none'"},
			{"POST", sub + kv + "/locations/eastus/deletedManagedHSMs/alpha/purge", "", 404, "DeletedManagedHSMNotFound", "'alpha'"},
		} {
			w.call(tc.method, tc.path, latest, tc.body).refused(tc.status, tc.code, tc.message)
		}
		w.do(request{method: "PUT", path: hsmAlpha, version: latest, body: "{", as: "nobody"}).refused(400, "InvalidRequestContent", "")
		w.do(request{method: "PUT", path: hsmAlpha, version: latest, body: plainHSM, as: "nobody"}).refused(403, "AuthorizationFailed", "Microsoft.KeyVault/managedHSMs/write")
		w.call("GET", hsmAlpha, "2019-01-01", "").refused(400, "NoRegisteredProviderFound", "for type 'managedHSMs'")
	})
}
