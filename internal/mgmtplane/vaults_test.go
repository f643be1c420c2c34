package mgmtplane

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const owner1 = "cccccccc-0000-4000-8000-000000000001"

// fullVault has every member that a client may set.
const fullVault = `{"location":"West Europe","tags":{"a":"<b>"},"properties":{
	"sku":{"family":"A","name":"Premium"},"tenantId":"` + testTenant + `","createMode":"default",
	"accessPolicies":[{"tenantId":"` + testTenant + `","objectId":"` + owner1 + `","applicationId":"` + owner1 + `",
		"permissions":{"keys":["all","wrapKey"],"secrets":["Get"],"certificates":["managecontacts"],"storage":["getsas"]}}],
	"enabledForDeployment":true,"enabledForDiskEncryption":false,"enabledForTemplateDeployment":true,
	"enableSoftDelete":true,"softDeleteRetentionInDays":7,"enablePurgeProtection":true,"enableRbacAuthorization":false,
	"publicNetworkAccess":"disabled",
	"networkAcls":{"bypass":"None","defaultAction":"Deny","ipRules":[{"value":"192.0.2.0/24"}],"virtualNetworkRules":[{"id":"/subscriptions/x","ignoreMissingVnetServiceEndpoint":true}]}}}`

// TestVaultShapes shows the same vaults to clients of every age.
func TestVaultShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.call("PUT", alpha, latest, fullVault).is(200)
	const properties2015 = `"sku":{"family":"A","name":"premium"},"tenantId":"` + testTenant + `","enabledForDeployment":true,"enabledForDiskEncryption":false,
		"enabledForTemplateDeployment":true,"vaultUri":"https://alpha.vault.azure.net/","provisioningState":"Succeeded"`
	policies := func(storage string) string {
		return `"accessPolicies":[{"tenantId":"` + testTenant + `","objectId":"` + owner1 + `","applicationId":"` + owner1 + `",
			"permissions":{"keys":["all","wrapKey"],"secrets":["Get"],"certificates":["managecontacts"]` + storage + `}}]`
	}
	storage := policies(`,"storage":["getsas"]`)
	network := `,"enablePurgeProtection":true,"networkAcls":{"bypass":"None","defaultAction":"Deny","ipRules":[{"value":"192.0.2.0/24"}],"virtualNetworkRules":[{"id":"/subscriptions/x","ignoreMissingVnetServiceEndpoint":true}]}`
	rbac := `,"softDeleteRetentionInDays":7,"enableRbacAuthorization":false`
	data := `,"systemData":{"createdBy":"app-owner","createdByType":"Application","createdAt":"2030-01-02T03:04:05.678Z","lastModifiedBy":"app-owner","lastModifiedByType":"Application","lastModifiedAt":"2030-01-02T03:04:05.678Z"}`
	for version, parts := range map[string]struct{ properties, top string }{
		"2015-06-01":         {properties2015 + "," + policies(""), ""},
		"2016-10-01":         {properties2015 + "," + storage + `,"enableSoftDelete":true`, ""},
		"2018-02-14":         {properties2015 + "," + storage + `,"enableSoftDelete":true` + network, ""},
		"2019-09-01":         {properties2015 + "," + storage + `,"enableSoftDelete":true` + network + rbac, ""},
		"2021-04-01-preview": {properties2015 + "," + storage + `,"enableSoftDelete":true` + network + rbac, data},
		"2022-07-01":         {properties2015 + "," + storage + `,"enableSoftDelete":true` + network + rbac + `,"publicNetworkAccess":"Disabled"`, data},
		"2026-02-01":         {properties2015 + "," + storage + `,"enableSoftDelete":true` + network + rbac + `,"publicNetworkAccess":"Disabled"`, data},
	} {
		t.Run(version, func(t *testing.T) {
			want := `{"id":"` + sub + `/resourceGroups/Team/providers/Microsoft.KeyVault/vaults/alpha","name":"alpha","type":"Microsoft.KeyVault/vaults","location":"westeurope","tags":{"a":"<b>"},
				"properties":{` + parts.properties + `}` + parts.top + `}`
			a := w.call("GET", alpha, version, "").is(200)
			a.t = t
			a.json(want)
			a = w.call("GET", team+kv+"/vaults", version, "").is(200)
			a.t = t
			a.json(`{"value":[` + want + `]}`)
		})
	}
	// What nobody has set.
	w.call("PUT", team+kv+"/vaults/Beta", "2022-07-01", plainVault).is(200).json(`{"id":"` + sub + `/resourceGroups/Team/providers/Microsoft.KeyVault/vaults/Beta","name":"Beta",
		"type":"Microsoft.KeyVault/vaults","location":"eastus","tags":{}` + data + `,"properties":{"sku":{"family":"A","name":"standard"},"tenantId":"` + testTenant + `","accessPolicies":[],
		"enabledForDeployment":false,"enableSoftDelete":true,"softDeleteRetentionInDays":90,"vaultUri":"https://beta.vault.azure.net/","provisioningState":"Succeeded","publicNetworkAccess":"Enabled"}}`)
	// The address follows the request.
	if got := w.do(request{method: "GET", path: alpha, version: latest, host: "localhost:8443"}).get("properties", "vaultUri"); got != "https://alpha.vault.localhost:8443/" {
		t.Errorf("vaultUri %v", got)
	}
	// Network rules that say nothing but the defaults are not shown.
	w.call("PATCH", alpha, latest, `{"properties":{"networkAcls":{"bypass":"AzureServices","defaultAction":"Allow","ipRules":[],"virtualNetworkRules":[]}}}`).is(200)
	if got := w.call("GET", alpha, latest, "").get("properties", "networkAcls"); got != nil {
		t.Errorf("networkAcls %v", got)
	}
}

func TestRBACDefault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, tc := range []struct {
		version string
		want    any
	}{{"2025-05-01", nil}, {"2026-02-01", true}} {
		path := fmt.Sprintf("%s%s/vaults/vault%d", team, kv, i)
		if got := w.call("PUT", path, tc.version, plainVault).is(200).get("properties", "enableRbacAuthorization"); got != tc.want {
			t.Errorf("%s: %v", tc.version, got)
		}
		// A later request that does not mention it changes nothing.
		if got := w.call("PUT", path, "2026-02-01", plainVault).is(200).get("properties", "enableRbacAuthorization"); got != tc.want {
			t.Errorf("%s, put again: %v", tc.version, got)
		}
		if got := w.call("PATCH", path, "2026-02-01", `{}`).is(200).get("properties", "enableRbacAuthorization"); got != tc.want {
			t.Errorf("%s, patched: %v", tc.version, got)
		}
	}
}

func TestVaultRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("alpha")
	with := func(old, new string) string { return strings.Replace(plainVault, old, new, 1) }
	w.unchanged(func() {
		for _, tc := range []struct {
			method, path, body string
			status             int
			code, message      string
		}{
			{"PUT", team + kv + "/vaults/a--b", plainVault, 400, "VaultNameNotValid", "The vault name 'a--b' is invalid."},
			{"PUT", team + kv + "/vaults/a%2Fb", plainVault, 400, "VaultNameNotValid", "'a/b'"},
			{"PUT", alpha, `{}`, 400, "LocationRequired", "The location property is required for this definition."},
			{"PUT", alpha, with("eastus", "moon"), 400, "LocationNotAvailableForResourceType", "'moon'"},
			{"PUT", alpha, with("eastus", "westus"), 409, "InvalidResourceLocation", "location 'eastus'"},
			{"PUT", alpha, `{"location":"eastus"}`, 400, "BadRequest", "The parameter sku is not specified."},
			{"PUT", team + kv + "/vaults/beta", with(`,"accessPolicies":[]`, `,"enableRbacAuthorization":false`), 400, "BadRequest", "The parameter accessPolicies is not specified."},
			{"PUT", alpha, with(`"accessPolicies"`, `"createMode":"restore","accessPolicies"`), 400, "BadRequest", "createMode: restore"},
			{"PUT", alpha, with(`"accessPolicies"`, `"enablePurgeProtection":false,"accessPolicies"`), 400, "BadRequest", "irreversible action."},
			{"PUT", alpha, with(`"accessPolicies"`, `"createMode":"recover","accessPolicies"`), 404, "SoftDeletedVaultDoesNotExist", "alpha"},
			{"PATCH", alpha, `{"properties":{"softDeleteRetentionInDays":30}}`, 400, "BadRequest", "can't be modified."},
			{"PATCH", team + kv + "/vaults/beta", `{}`, 404, "ResourceNotFound", "The Resource 'Microsoft.KeyVault/vaults/beta' under resource group 'Team' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"},
			{"GET", team + kv + "/vaults/beta", "", 404, "ResourceNotFound", "beta"},
			{"GET", sub + "/resourceGroups/none" + kv + "/vaults/alpha", "", 404, "ResourceGroupNotFound", "Resource group 'none' could not be found."},
			{"DELETE", sub + "/resourceGroups/none" + kv + "/vaults/alpha", "", 404, "ResourceGroupNotFound", "none"},
			{"GET", strings.Replace(alpha, testSub, "x", 1), "", 400, "InvalidSubscriptionId", "The provided subscription identifier 'x' is malformed or invalid."},
			{"GET", strings.Replace(alpha, testSub, otherTenant, 1), "", 404, "SubscriptionNotFound", "could not be found."},
			{"PUT", alpha + "/accessPolicies/add", `{"properties":{}}`, 400, "BadRequest", "The parameter accessPolicies is not specified."},
			{"PUT", alpha + "/accessPolicies/change", `{"properties":{"accessPolicies":[]}}`, 400, "BadRequest", "change"},
			{"PUT", alpha + "/accessPolicies/add", `{"properties":{"accessPolicies":[{"tenantId":"` + testTenant + `","objectId":"` + owner1 + `","permissions":{"keys":["fly"]}}]}}`, 400, "BadRequest", "An invalid value was provided for 'accessPolicies'."},
			{"GET", sub + kv + "/locations/eastus/deletedVaults/alpha", "", 404, "DeletedVaultNotFound", "alpha"},
			{"POST", sub + kv + "/locations/eastus/deletedVaults/alpha/purge", "", 404, "DeletedVaultNotFound", "alpha"},
			{"GET", sub + kv + "/locations/eastus/operationResults/x", "", 404, "NotFound", "operation"},
			{"GET", team + kv + "/vaults?$top=0", "", 400, "InvalidQueryParameterValue", "'$top'"},
			{"GET", team + kv + "/vaults?$skiptoken=!", "", 400, "InvalidQueryParameterValue", "'$skiptoken'"},
			{"GET", team + kv + "/vaults?$skiptoken=eA", "", 400, "BadRequest", "$skiptoken"},
		} {
			w.call(tc.method, tc.path, latest, tc.body).refused(tc.status, tc.code, tc.message)
		}
	})
}

func TestAccessPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("alpha")
	entry := func(words string) string {
		return `{"tenantId":"` + testTenant + `","objectId":"` + owner1 + `","permissions":{"keys":[],"secrets":[` + words + `],"certificates":[]}}`
	}
	for _, step := range []struct{ change, words, want string }{
		{"add", `"get","list"`, entry(`"get","list"`)},
		{"Add", `"GET","set"`, entry(`"get","list","set"`)},
		{"remove", `"list"`, entry(`"get","set"`)},
		{"replace", `"purge"`, entry(`"purge"`)},
		{"remove", `"purge"`, ``},
	} {
		w.call("PUT", alpha+"/accessPolicies/"+step.change, "2022-07-01", `{"properties":{"accessPolicies":[`+entry(step.words)+`]}}`).is(200).
			json(`{"id":"` + sub + `/resourceGroups/Team/providers/Microsoft.KeyVault/vaults/alpha/accessPolicies/","type":"Microsoft.KeyVault/vaults/accessPolicies","properties":{"accessPolicies":[` + step.want + `]}}`)
		if got := fmt.Sprint(w.call("GET", alpha, "2022-07-01", "").get("properties", "accessPolicies") != nil); got != "true" {
			t.Errorf("after %s: no policies", step.change)
		}
	}
}

// TestDeleteRecoverPurge is the whole life of a vault, as the data plane sees it
// too.
func TestDeleteRecoverPurge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	deleted := sub + kv + "/locations/East%20US/deletedVaults/ALPHA"
	recover := strings.Replace(plainVault, `"accessPolicies":[]`, `"createMode":"recover"`, 1)
	w.vault("alpha")
	if !w.visible("alpha") {
		t.Fatal("the data plane does not find a new vault")
	}
	if a := w.call("DELETE", alpha, latest, "").is(200); a.body != "" {
		t.Errorf("body %q", a.body)
	}
	if w.visible("alpha") {
		t.Error("the data plane finds a deleted vault")
	}
	w.call("DELETE", alpha, latest, "").is(204)
	w.call("DELETE", alpha, "2015-06-01", "").is(200)
	w.call("GET", alpha, latest, "").refused(404, "ResourceNotFound", "alpha")
	w.call("PUT", alpha, latest, plainVault).refused(409, "ConflictError", "You need to either recover or purge existing key vault.")
	shown := `{"id":"` + sub + `/providers/Microsoft.KeyVault/locations/eastus/deletedVaults/alpha","name":"alpha","type":"Microsoft.KeyVault/deletedVaults",
		"properties":{"vaultId":"` + sub + `/resourceGroups/Team/providers/Microsoft.KeyVault/vaults/alpha","location":"eastus","tags":{},
		"deletionDate":"2030-01-02T03:04:05Z","scheduledPurgeDate":"2030-04-02T03:04:05Z"}}`
	w.call("GET", deleted, "2022-07-01", "").is(200).json(shown)
	w.call("GET", sub+kv+"/deletedVaults", "2022-07-01", "").is(200).json(`{"value":[` + shown + `]}`)
	if w.call("GET", deleted, latest, "").get("systemData") == nil {
		t.Error("no systemData in the newest version")
	}
	w.call("PUT", alpha, latest, recover).is(200)
	if !w.visible("alpha") {
		t.Error("the data plane does not find a recovered vault")
	}
	w.call("GET", deleted, latest, "").refused(404, "DeletedVaultNotFound", "")
	w.call("DELETE", alpha, latest, "").is(200)

	a := w.call("POST", deleted+"/purge", latest, "").is(202)
	poll, found := strings.CutPrefix(a.header.Get("Location"), "https://"+azure)
	if !found || a.body != "" || a.header.Get("Retry-After") != "1" || !strings.HasPrefix(poll, sub+kv+"/locations/eastus/operationResults/") || !strings.HasSuffix(poll, "?api-version="+latest) {
		t.Fatalf("answer %v %q", a.header, a.body)
	}
	a = w.call("GET", poll, "", "").is(202)
	a.json(`{"createdDateTime":"2030-01-02 03:04:05Z","status":"NotStarted"}`)
	if a.header.Get("Location") != "https://"+azure+poll || a.header.Get("Retry-After") == "" {
		t.Errorf("headers %v", a.header)
	}
	must(t, w.svc.RunJobs(t.Context()))
	if a = w.call("GET", poll, "", "").is(200); a.body != "" {
		t.Errorf("body %q", a.body)
	}
	w.call("PUT", alpha, latest, recover).refused(404, "SoftDeletedVaultDoesNotExist", "")
	w.call("PUT", alpha, latest, plainVault).is(200)

	// Purge protection outlives every request, and ends with the retention.
	w.call("PATCH", alpha, latest, `{"properties":{"enablePurgeProtection":true}}`).is(200)
	w.call("DELETE", alpha, latest, "").is(200)
	w.call("POST", deleted+"/purge", latest, "").refused(405, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
	if got := w.call("GET", deleted, latest, "").get("properties", "purgeProtectionEnabled"); got != true {
		t.Errorf("purgeProtectionEnabled %v", got)
	}
	w.now = w.now.Add(90 * 24 * time.Hour)
	if n, err := w.svc.PurgeDue(t.Context()); n != 1 || err != nil {
		t.Errorf("PurgeDue = %d, %v", n, err)
	}
	w.call("GET", deleted, latest, "").refused(404, "DeletedVaultNotFound", "")
}

// TestDeleteOf2018 is a client of 2018 whose vault has no soft delete.
func TestDeleteOf2018(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := strings.Replace(plainVault, `"accessPolicies"`, `"enableSoftDelete":false,"accessPolicies"`, 1)
	for range 2 {
		if got := w.call("PUT", alpha, "2018-02-14", body).is(200).get("properties", "enableSoftDelete"); got != false {
			t.Errorf("enableSoftDelete %v", got)
		}
		w.call("DELETE", alpha, "2018-02-14", "").is(200)
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("alpha")
	check := func(name string) answer {
		return w.call("POST", sub+kv+"/checkNameAvailability", latest, `{"name":"`+name+`","type":"Microsoft.KeyVault/vaults"}`).is(200)
	}
	check("beta").json(`{"nameAvailable":true}`)
	check("ALPHA").json(`{"nameAvailable":false,"reason":"AlreadyExists","message":"The name 'ALPHA' is already in use."}`)
	if a := check("1"); a.get("reason") != "AccountNameInvalid" || a.get("nameAvailable") != false {
		t.Error(a.body)
	}
}

// follow returns the names on all pages of a list.
func (w *world) follow(path, version string) (all []string, pages int) {
	w.t.Helper()
	a := w.call("GET", path, version, "").is(200)
	for {
		pages++
		all = append(all, a.values()...)
		next, _ := a.get("nextLink").(string)
		if next == "" {
			return all, pages
		}
		path, found := strings.CutPrefix(next, "https://"+azure)
		if !found || pages > 50 {
			w.t.Fatalf("next link %q", next)
		}
		a = w.call("GET", path, "", "").is(200)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprintf("vault%d", i))
		w.vault(want[i])
	}
	for path, version := range map[string]string{
		team + kv + "/vaults": latest, sub + kv + "/vaults": latest, team + "/resources": core,
		sub + "/resources?%24filter=resourceType%20eq%20%27Microsoft.KeyVault%2Fvaults%27": "2015-11-01",
	} {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		for top, pages := range map[string]int{"": 1, "$top=2": 3, "%24top=5": 1, "$top=4&x=%26": 2, "$top=100000": 1} {
			got, n := w.follow(path+separator+top, version)
			if !slices.Equal(got, want) || n != pages {
				t.Errorf("%s %s: %v in %d pages", path, top, got, n)
			}
		}
	}
	a := w.do(request{method: "GET", path: team + kv + "/vaults?$top=1", version: latest, host: "localhost:8443"})
	if next, _ := a.get("nextLink").(string); !strings.HasPrefix(next, "https://localhost:8443"+team) {
		t.Errorf("next link %q", next)
	}
	if strings.Contains(a.body, `\u0026`) {
		t.Errorf("escaped: %s", a.body)
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.call("PUT", alpha, latest, fullVault).is(200)
	w.vault("beta")
	item := `{"id":"` + sub + `/resourceGroups/Team/providers/Microsoft.KeyVault/vaults/alpha","name":"alpha","type":"Microsoft.KeyVault/vaults","location":"westeurope","tags":{"a":"<b>"}`
	list := func(query string) answer { return w.call("GET", sub+"/resources?"+query, core, "").is(200) }
	list("$filter=resourceType+eq+'Microsoft.KeyVault/vaults'+and+name+eq+'ALPHA'&$top=5").json(`{"value":[` + item + `}]}`)
	list("$filter=resourceGroup%20eq%20'team'%20and%20name%20eq%20'alpha'&$expand=createdTime,changedTime,provisioningState").
		json(`{"value":[` + item + `,"createdTime":"2030-01-02T03:04:05.678Z","changedTime":"2030-01-02T03:04:05.678Z","provisioningState":"Succeeded"}]}`)
	list("$filter=tagName+eq+'A'+and+tagValue+eq+'<b>'").json(`{"value":[` + item + `}]}`)
	list("$filter=resourceType+eq+'Microsoft.Web/sites'").json(`{"value":[]}`)
	list("$filter=name+eq+'it''s'").json(`{"value":[]}`)
	for _, filter := range []string{"name", "name+eq", "name+eq+alpha", "name+ne+'a'", "name+eq+'a'+or+name+eq+'b'", "location+eq+'a'", "name+eq+'a", "name+eq+'a'x", "name+eq+'a'+and", "name+eq+'a'+and+NAME+eq+'b'"} {
		w.call("GET", sub+"/resources?$filter="+filter, core, "").refused(400, "InvalidFilterInQueryString", "Invalid $filter '")
	}
}
