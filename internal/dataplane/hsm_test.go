package dataplane

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/hsm"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

const (
	hsmHost   = "unit.managedhsm.azure.net"
	nobodyID  = "22222222-2222-4222-8222-333333333333"
	roleGUID  = "e65117e2-b335-4793-ac6a-b439ce7810d6"
	otherGUID = "b36b00af-89c6-435f-a43d-9a3087015c27"
)

// newHSM returns a world of managed HSMs with one called unit, in which the owner
// has every role that there is.
func newHSM(t testing.TB) *world {
	t.Helper()
	w := newWorld(t, func(w *world, cfg *Config) {
		w.cat = w.cat.HSMs()
		backups, err := seal.OpenBackupKeys(t.Context(), w.store, w.ring)
		must(t, err)
		log := audit.New(audit.Config{Store: w.store, Sealer: w.ring.System(), Sink: sink{w.audit}, Now: time.Now, Logger: w.logger()})
		w.svc = vault.New(vault.Config{
			Store: w.store, Catalog: w.cat, Backups: backups, Now: func() time.Time { return time.Unix(w.now.Load(), 0) }, Logger: w.logger(), Audit: log,
		})
		cfg.Vaults, cfg.HSM = w.svc, hsm.New(hsm.Config{Catalog: w.cat, Audit: log})
	})
	w.vault("unit", asHSM)
	return w
}

func asHSM(v *catalog.Vault) {
	v.Policies, v.HSM = nil, &catalog.HSM{SKUFamily: "B", SKUName: "Standard_B1"}
	for i, role := range []string{access.LocalRoleAdministrator, access.LocalRoleCryptoOfficer, access.LocalRoleCryptoUser} {
		v.HSM.Local.Assignments = append(v.HSM.Local.Assignments, access.LocalAssignment{
			ID: fmt.Sprintf("ee697cd1-889c-0f7c-b501-00000000000%d", i), Scope: "/", RoleID: role, PrincipalID: ownerID,
		})
	}
}

// at sends a request of the owner to the HSM.
func (w *world) at(method, path, body string) answer {
	w.t.Helper()
	return w.do(request{method: method, path: path, body: body, host: hsmHost})
}

// activity checks that the refusal ends with the id of its request, and returns it
// without.
func (a answer) activity() refused {
	a.t.Helper()
	got := a.refusal()
	text, found := strings.CutSuffix(got.message, " (Activity ID: "+a.header.Get("X-Ms-Request-Id")+")")
	if !found {
		a.t.Errorf("%s: no activity id at the end of %q", a.about, got.message)
	}
	got.message = text
	return got
}

func encodeJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return string(text)
}

func (a answer) declined(want refused) {
	a.t.Helper()
	if got := a.activity(); got != want {
		a.t.Errorf("%s: refused\n with %+v\n want %+v", a.about, got, want)
	}
}

func denied(action, scope string) refused {
	return refused{403, "AccessDenied", "", "Not authorized to access Microsoft.KeyVault/managedHsm/" + action + " on " + scope}
}

func TestHSMChallengeAndHeaders(t *testing.T) {
	t.Parallel()
	w := newHSM(t)
	a := w.do(request{method: "GET", path: "/keys", host: hsmHost, as: "none"}).is(401)
	if got, want := a.header.Get("WWW-Authenticate"), `Bearer authorization="https://login.microsoftonline.com/`+testTenant+`", resource="https://managedhsm.azure.net"`; got != want {
		t.Errorf("challenge %q, want %q", got, want)
	}
	a = w.do(request{method: "GET", path: "/keys", host: "unit.managedhsm.localhost:8443", as: "none"}).is(401)
	if got, want := a.header.Get("WWW-Authenticate"), `Bearer authorization="https://localhost:8443/`+testTenant+`", resource="https://managedhsm.localhost:8443"`; got != want {
		t.Errorf("challenge %q, want %q", got, want)
	}
	for name, want := range map[string]string{
		"X-Frame-Options": "SAMEORIGIN", "Content-Security-Policy": "default-src 'self'", "X-Ms-Keyvault-Region": "eastus", "Cache-Control": "no-cache",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains", "X-Ms-Keyvault-Network-Info": "addr=127.0.0.1",
		// Those of a vault only.
		"Pragma": "", "Expires": "", "X-Ms-Keyvault-Service-Version": "",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	w.do(request{method: "GET", path: "/keys", host: "none.managedhsm.azure.net"}).declined(refused{404, "ManagedHSMNotFound", "",
		"There is no managed HSM named 'none' here. Check the name in the URL, create the managed HSM, or recover it if it has been deleted."})
}

// TestHSMKeys: every key of a managed HSM is an HSM key, whatever it was asked for
// as, at the HSM's own address.
func TestHSMKeys(t *testing.T) {
	t.Parallel()
	w := newHSM(t)
	for body, want := range map[string]string{
		`{"kty":"EC"}`:                     "EC-HSM",
		`{"kty":"EC-HSM","crv":"P-256K"}`:  "EC-HSM",
		`{"kty":"oct-HSM"}`:                "oct-HSM",
		`{"kty":"oct","key_size":192}`:     "oct-HSM",
		`{"kty":"oct-HSM","key_size":128}`: "oct-HSM",
		`{"kty":"RSA","key_size":2048}`:    "RSA-HSM",
		`{"kty":"oct-HSM","key_size":512}`: "",
	} {
		name := "k" + regexp.MustCompile(`[\W_]`).ReplaceAllString(body, "")
		a := w.at("POST", "/keys/"+name+"/create", body)
		if want == "" {
			a.is(400)
			continue
		}
		var k api.KeyBundle
		a.is(200).decode(&k)
		if string(k.Key.Kty) != want || !strings.HasPrefix(k.Key.KID, "https://"+hsmHost+"/keys/"+name+"/") || k.Attributes.HSMPlatform != "0" || k.Key.K != nil {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	w.at("POST", "/keys/r/create", `{"kty":"RSA-HSM","attributes":{"exportable":true}}`).declined(bad("Exportable keys must have release policy"))
	w.at("POST", "/keys/r/create", `{"kty":"RSA-HSM","release_policy":{"data":"e30"}}`).declined(bad("Non-exportable keys must not have release policy"))
	var akp api.KeyBundle
	w.do(request{method: "POST", path: "/keys/akp/create", version: api.Version20260501Preview, host: hsmHost, body: `{"kty":"AKP","alg":"ML-DSA-44"}`}).is(200).decode(&akp)
	if akp.Key.Kty != "AKP-HSM" {
		t.Errorf("made %+v", akp.Key)
	}
	var imported api.KeyBundle
	w.at("PUT", "/keys/imported", `{"key":{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODw"}}`).is(200).decode(&imported)
	if imported.Key.Kty != "oct-HSM" {
		t.Errorf("imported %+v", imported.Key)
	}
	var page struct {
		Value    []api.KeyItem
		NextLink string
	}
	w.at("GET", "/keys?maxresults=2", "").is(200).decode(&page)
	if len(page.Value) != 2 || !strings.HasPrefix(page.NextLink, "https://"+hsmHost+":443/keys?") || !strings.HasPrefix(page.Value[0].KID, "https://"+hsmHost+"/keys/") {
		t.Errorf("the page is %+v", page)
	}
	// What it makes it undoes.
	var sealed, opened api.KeyOperationResult
	w.at("POST", "/keys/imported//encrypt", `{"alg":"A128GCM","value":"AQID"}`).is(200).decode(&sealed)
	w.at("POST", "/keys/imported//decrypt", encodeJSON(t, map[string]any{"alg": "A128GCM", "value": sealed.Value, "iv": sealed.IV, "tag": sealed.Tag})).is(200).decode(&opened)
	if string(opened.Value) != "\x01\x02\x03" || !strings.HasPrefix(opened.KID, "https://"+hsmHost+"/keys/imported/") {
		t.Errorf("decrypted %x by %s", []byte(opened.Value), opened.KID)
	}
	// A successor is as long: what takes keys of 128 bits takes it.
	w.at("POST", "/keys/imported/rotate", "").is(200)
	w.at("POST", "/keys/imported//encrypt", `{"alg":"A128GCM","value":"AQID"}`).is(200).decode(&opened)
	if opened.KID == sealed.KID {
		t.Errorf("still encrypted by %s", opened.KID)
	}
}

// TestHSMHoldsKeysOnly: nothing of a vault but its keys has an address here, and
// nothing of an HSM's own has one there.
func TestHSMHoldsKeysOnly(t *testing.T) {
	t.Parallel()
	w := newHSM(t)
	for _, path := range []string{"/secrets", "/secrets/a", "/deletedsecrets", "/certificates", "/certificates/a/policy", "/storage", "/nothing"} {
		w.at("GET", path, "").declined(refused{404, "NotFound", "", "The requested resource was not found: no operation of a managed HSM has this path."})
	}
	for _, op := range unbuiltOfHSM {
		path := strings.NewReplacer("{name}", "n", "{job}", "j").Replace(op.pattern)
		w.at(op.method, path, "").declined(refused{501, "NotImplemented", "",
			fmt.Sprintf("The operation %s (%s %s) of Azure Key Vault is not built in this managed HSM.", op.name, op.method, op.pattern)})
	}
	v := newWorld(t)
	for _, path := range []string{"/rng", "/settings", "///providers/Microsoft.Authorization/roleDefinitions"} {
		v.call("GET", path, "").refused(refused{404, "NotFound", "", "The requested resource was not found: no operation of a key vault has this path."})
	}
}

// TestHSMBackupsStayInHSMs: no blob crosses the line between vaults and HSMs.
func TestHSMBackupsStayInHSMs(t *testing.T) {
	t.Parallel()
	w := newHSM(t)
	w.at("POST", "/keys/k/create", `{"kty":"EC-HSM"}`).is(200)
	var blob api.BackupResult
	w.at("POST", "/keys/k/backup", "").is(200).decode(&blob)
	w.at("DELETE", "/keys/k", "").is(200)
	w.at("DELETE", "/deletedkeys/k", "").is(204)
	w.at("POST", "/keys/restore", encodeJSON(t, map[string]any{"value": blob.Value})).is(200)
	conflict := w.at("POST", "/keys/restore", encodeJSON(t, map[string]any{"value": blob.Value})).is(409)
	if !strings.Contains(conflict.body, "'https://"+hsmHost+"/keys/k/") {
		t.Errorf("the conflict is %s", conflict.body)
	}

	// The same store, keys and subscription, seen as vaults.
	vaults := catalog.New(catalog.Config{Store: w.store, Keyring: w.ring})
	backups, err := seal.OpenBackupKeys(t.Context(), w.store, w.ring)
	must(t, err)
	plain := vault.New(vault.Config{Store: w.store, Catalog: vaults, Backups: backups, Now: time.Now, Logger: w.logger(),
		Audit: audit.New(audit.Config{Store: w.store, Sealer: w.ring.System(), Sink: audit.Discard{}, Now: time.Now, Logger: w.logger()})})
	w.cat = vaults
	w.vault("plain")
	call := vault.Call{Caller: access.Caller{TenantID: testTenant, ObjectID: ownerID}, Vault: "plain"}
	if _, err := plain.RestoreKey(t.Context(), call, blob.Value); err == nil {
		t.Error("a vault has restored a key of an HSM")
	}
	if _, err := plain.CreateKey(t.Context(), call, "v", vault.CreateKey{HSM: true, Spec: keyops.Spec{Type: keyops.TypeEC}}); err != nil {
		t.Fatal(err)
	}
	moved, err := plain.BackupKey(t.Context(), call, "v")
	must(t, err)
	w.at("POST", "/keys/restore", encodeJSON(t, map[string]any{"value": api.Base64URL(moved)})).is(400)
	w.at("GET", "/keys/v/", "").is(404)
}

func TestRandomBytes(t *testing.T) {
	t.Parallel()
	w := newHSM(t)
	seen := map[string]bool{}
	for _, n := range []int{1, 16, 128} {
		var random api.RandomBytes
		w.at("POST", "/rng", fmt.Sprintf(`{"count":%d}`, n)).is(200).decode(&random)
		if len(random.Value) != n || n > 1 && seen[string(random.Value)] {
			t.Errorf("%d bytes: %x", n, []byte(random.Value))
		}
		seen[string(random.Value)] = true
	}
	for _, body := range []string{`{"count":0}`, `{"count":129}`, `{"count":-1}`, `{}`} {
		w.at("POST", "/rng", body).declined(bad("GetRandomBytesRequest: count cannot be greater than 128 or less than 1"))
	}
	w.at("POST", "/rng", `{"count":"1"}`).is(400)
	w.do(request{method: "POST", path: "/rng", body: `{"count":129}`, host: hsmHost, as: "nobody"}).declined(denied("rng/action", "/"))
}

func TestSettings(t *testing.T) {
	t.Parallel()
	w := newHSM(t)
	setting := func(value string) string {
		return `{"name":"AllowKeyManagementOperationsThroughARM","type":"boolean","value":"` + value + `"}`
	}
	w.at("GET", "/settings", "").text(`{"settings":[` + setting("false") + `]}`)
	w.at("PATCH", "/settings/allowkeymanagementoperationsthrougharm", `{"value":"true"}`).text(setting("true"))
	w.at("GET", "/settings/AllowKeyManagementOperationsThroughARM", "").text(setting("true"))
	w.at("PATCH", "/settings/AllowKeyManagementOperationsThroughARM", `{"value":"True"}`).declined(bad("The value of the setting must be true or false."))
	w.at("GET", "/settings/other", "").declined(refused{404, "SettingNotFound", "", "Requested setting not found"})
	w.at("GET", "/settings", "").text(`{"settings":[` + setting("true") + `]}`)
	w.do(request{method: "GET", path: "/settings/other", host: hsmHost, as: "nobody"}).declined(denied("settings/read/action", "/"))
	w.do(request{method: "PATCH", path: "/settings/other", host: hsmHost, body: `{"value":"x"}`, as: "nobody"}).declined(denied("settings/write/action", "/"))
}

const signer = `{"properties":{"roleName":"signer","description":"signs","type":"CustomRole","permissions":[` +
	`{"actions":[],"notActions":[],"dataActions":["Microsoft.KeyVault/managedHsm/keys/sign/action"],"notDataActions":[]}],"assignableScopes":["/"]}}`

// TestRoleDefinitionsWire compares with what the service was recorded to answer.
func TestRoleDefinitionsWire(t *testing.T) {
	t.Parallel()
	w := newHSM(t)
	const path = "///providers/Microsoft.Authorization/roleDefinitions"
	custom := `{"id":"Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/` + roleGUID + `","name":"` + roleGUID + `","type":"Microsoft.Authorization/roleDefinitions",` +
		`"properties":{"roleName":"signer","description":"signs","type":"CustomRole","permissions":[{"actions":[],"notActions":[],"dataActions":["Microsoft.KeyVault/managedHsm/keys/sign/action"],"notDataActions":[]}],"assignableScopes":["/"]}}`
	if a := w.at("PUT", path+"/"+strings.ToUpper(roleGUID), signer).is(201); a.body != custom {
		t.Errorf("made\n%s, want\n%s", a.body, custom)
	}
	w.at("GET", path+"/"+roleGUID, "").text(custom)
	w.at("GET", path+"/33413926-3206-4cdd-b39a-83574fe37a17", "").text(`{"id":"Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/33413926-3206-4cdd-b39a-83574fe37a17",` +
		`"name":"33413926-3206-4cdd-b39a-83574fe37a17","type":"Microsoft.Authorization/roleDefinitions","properties":{"roleName":"Managed HSM Crypto Service Encryption User","description":"","type":"AKVBuiltInRole",` +
		`"permissions":[{"actions":[],"notActions":[],"dataActions":["Microsoft.KeyVault/managedHsm/keys/read/action","Microsoft.KeyVault/managedHsm/keys/wrap/action","Microsoft.KeyVault/managedHsm/keys/unwrap/action"],"notDataActions":[]}],"assignableScopes":["/"]}}`)
	var all api.RoleDefinitions
	w.at("GET", path+"?$filter=atScope()", "").is(200).decode(&all)
	if n := len(all.Value); n != len(access.LocalBuiltin)+1 || all.Value[n-1].Name != roleGUID {
		t.Errorf("%d roles", n)
	}
	w.at("GET", path+"?$filter=x", "").is(400)
	if a := w.at("DELETE", path+"/"+roleGUID, "").is(200); a.body != custom {
		t.Errorf("deleted %s", a.body)
	}
	missing := refused{404, "RoleDefinitionNotFound", "", "Requested role definition not found"}
	for _, method := range []string{"GET", "DELETE"} {
		w.at(method, path+"/"+roleGUID, "").declined(missing)
		w.at(method, path+"/foobar", "").declined(missing)
	}
	builtin := bad("Cannot re-use the name/GUID matching that of a built-in role. Please use a unique role ID.")
	w.at("PUT", path+"/"+access.LocalRoleAdministrator, signer).declined(builtin)
	w.at("PUT", path+"/"+roleGUID, strings.Replace(signer, "signer", "managed hsm administrator", 1)).declined(builtin)
	w.at("DELETE", path+"/"+access.LocalRoleAdministrator, "").declined(builtin)
	w.at("PUT", path+"/foo%20unique%20value", signer).declined(bad("Role definition name must be a GUID"))
}

func TestRoleAssignmentsWire(t *testing.T) {
	t.Parallel()
	w := newHSM(t)
	body := func(role string) string {
		return `{"properties":{"roleDefinitionId":"Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/` + role + `","principalId":"` + nobodyID + `"}}`
	}
	const auditor = "2c18b078-7c48-4d3a-af88-5a3a1b3f82b3"
	for _, tt := range []struct{ path, id, scope string }{
		{"///providers/Microsoft.Authorization", "", "/"},
		{"//keys/providers/microsoft.authorization", "/keys", "/keys"},
		{"/keys/My-Key/providers/Microsoft.Authorization", "/keys/My-Key", "/keys/My-Key"},
		{"/%2Fkeys%2Fmy-key/providers/Microsoft.Authorization", "/keys/my-key", "/keys/my-key"},
	} {
		one := tt.path + "/roleAssignments/" + otherGUID
		want := `{"id":"` + tt.id + `/providers/Microsoft.Authorization/roleAssignments/` + otherGUID + `","name":"` + otherGUID + `","type":"Microsoft.Authorization/roleAssignments",` +
			`"properties":{"principalId":"` + nobodyID + `","roleDefinitionId":"Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/` + auditor + `","scope":"` + tt.scope + `"}}`
		if a := w.at("PUT", one, body(auditor)).is(201); a.body != want {
			t.Errorf("%s: made\n%s, want\n%s", tt.path, a.body, want)
		}
		w.at("PUT", one, body(auditor)).is(201)
		w.at("GET", one, "").text(want)
		w.at("PUT", one, body(access.LocalRoleCryptoUser)).declined(refused{409, "RoleAssignmentExists", "", "The role assignment already exists."})
		w.at("PUT", tt.path+"/roleAssignments/"+roleGUID, body(auditor)).declined(refused{409, "RoleAssignmentExists", "", "The role assignment already exists."})
		var list api.RoleAssignments
		w.at("GET", tt.path+"/roleAssignments?$filter="+url.QueryEscape("principalId eq '"+nobodyID+"'"), "").is(200).decode(&list)
		if len(list.Value) != 1 || list.Value[0].Properties.Scope != tt.scope {
			t.Errorf("%s: listed %+v", tt.path, list)
		}
		w.at("GET", "/keys/other/providers/Microsoft.Authorization/roleAssignments/"+otherGUID, "").declined(refused{404, "RoleAssignmentNotFound", "", "Requested role assignment not found"})
		if a := w.at("DELETE", one, "").is(200); a.body != want {
			t.Errorf("%s: deleted %s", tt.path, a.body)
		}
		for _, method := range []string{"GET", "DELETE"} {
			w.at(method, one, "").declined(refused{404, "RoleAssignmentNotFound", "", "Requested role assignment not found"})
		}
	}
	const root = "///providers/Microsoft.Authorization/roleAssignments"
	w.at("PUT", root+"/not-a-guid", body(auditor)).declined(bad("Role assignment name must be a GUID"))
	w.at("PUT", root+"/"+otherGUID, body(roleGUID)).declined(refused{404, "RoleDefinitionNotFound", "", "Requested role definition not found"})
	w.at("PUT", root+"/"+otherGUID, `{}`).declined(bad("The property principalId must be a GUID."))
	w.at("PUT", "/secrets/x/providers/Microsoft.Authorization/roleAssignments/"+otherGUID, body(auditor)).
		declined(bad("The scope '/secrets/x' is not one of a managed HSM: give /, /keys or /keys/{name}."))
	w.at("GET", root+"?$filter=principalId+eq+'x", "").is(400)
	w.do(request{method: "GET", path: "//keys/k/providers/Microsoft.Authorization/roleAssignments", host: hsmHost, as: "nobody"}).declined(denied("roleAssignments/read/action", "/keys/k"))
}

// TestRolesTakeEffectAtOnce gives a caller the use of one key, and takes it away.
func TestRolesTakeEffectAtOnce(t *testing.T) {
	t.Parallel()
	w := newHSM(t)
	w.at("POST", "/keys/one/create", `{"kty":"EC-HSM"}`).is(200)
	w.at("POST", "/keys/two/create", `{"kty":"EC-HSM"}`).is(200)
	sign := func(key string) answer {
		return w.do(request{method: "POST", path: "/keys/" + key + "//sign", host: hsmHost, as: "nobody", body: `{"alg":"ES256","value":"` + strings.Repeat("A", 43) + `"}`})
	}
	sign("one").declined(denied("keys/sign/action", "/keys/one"))
	w.at("PUT", "///providers/Microsoft.Authorization/roleDefinitions/"+roleGUID, signer).is(201)
	assignment := "//keys/ONE/providers/Microsoft.Authorization/roleAssignments/" + otherGUID
	w.at("PUT", assignment, `{"properties":{"roleDefinitionId":"x/`+roleGUID+`","principalId":"`+nobodyID+`"}}`).is(201)
	sign("one").is(200)
	sign("two").declined(denied("keys/sign/action", "/keys/two"))
	w.do(request{method: "GET", path: "/keys/one/", host: hsmHost, as: "nobody"}).declined(denied("keys/read/action", "/keys/one"))
	w.at("DELETE", "///providers/Microsoft.Authorization/roleDefinitions/"+roleGUID, "").declined(refused{400, "RoleDefinitionHasAssignments", "", "There are existing role assignments referencing the role definition."})
	w.at("PUT", "///providers/Microsoft.Authorization/roleDefinitions/"+roleGUID, strings.Replace(signer, "keys/sign/action", "keys/verify/action", 1)).is(201)
	sign("one").declined(denied("keys/sign/action", "/keys/one"))
	w.at("PUT", "///providers/Microsoft.Authorization/roleDefinitions/"+roleGUID, signer).is(201)
	sign("one").is(200)
	w.at("DELETE", assignment, "").is(200)
	sign("one").declined(denied("keys/sign/action", "/keys/one"))
}

// TestHSMMadeOnDemand: the hook makes an HSM that a request names.
func TestHSMMadeOnDemand(t *testing.T) {
	t.Parallel()
	w := newHSM(t)
	p := newPlane(Config{Vaults: w.svc, HSM: noHSM{}, Verify: verify, Logger: w.logger(), MissingVault: func(_ context.Context, name string) error {
		w.vault(name, asHSM)
		return nil
	}})
	info, err := p.findVault(t.Context(), "fresh")
	if err != nil || info.Name != "fresh" {
		t.Errorf("found %+v, %v", info, err)
	}
}

type noHSM struct{ HSM }

func FuzzFoldScope(f *testing.F) {
	for _, seed := range []string{"", "/", "///providers/Microsoft.Authorization/roleAssignments", "/keys/a/PROVIDERS/microsoft.authorization/x", "/%2Fkeys%2Fa/providers/Microsoft.Authorization/",
		"/%zz/providers/Microsoft.Authorization/", "//keys//providers/Microsoft.Authorization/x", "/providers/Microsoft.Authorization/roleDefinitions/a",
		"/\u0130/providers/Microsoft.Authorization/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := foldScope(path)
		if got == path {
			return
		}
		first, rest, found := strings.Cut(strings.TrimPrefix(got, "/"), "/")
		scope, err := url.PathUnescape(first)
		if !found || err != nil || !strings.HasPrefix(scope, "/") || indexFold("/"+rest, providersPath) != 0 {
			t.Errorf("%q becomes %q", path, got)
		}
		if !strings.HasSuffix(path, "/"+rest) {
			t.Errorf("%q becomes %q, which ends otherwise", path, got)
		}
	})
}

func FuzzAssignmentFilter(f *testing.F) {
	for _, seed := range []string{"", "atScope()", " ATSCOPE() ", "principalId eq x", "principalId eq 'x'", "principalId eq '", "principalId ne x", "principalid EQ ''"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, ok := parseAssignmentFilter(text)
		if !ok {
			return
		}
		if filter.AtScope && filter.PrincipalID != "" || strings.ContainsAny(filter.PrincipalID, "' ") || filter.PrincipalID != "" && !strings.Contains(text, filter.PrincipalID) {
			t.Errorf("%q is %+v", text, filter)
		}
	})
}

// FuzzHSMRequest is FuzzRequest for what only a managed HSM answers.
func FuzzHSMRequest(f *testing.F) {
	w := newHSM(f)
	v := "api-version=" + latest
	for _, seed := range []struct{ method, path, query, body string }{
		{"POST", "/rng", v, `{"count":3}`}, {"GET", "/settings", v, ""}, {"PATCH", "/settings/AllowKeyManagementOperationsThroughARM", v, `{"value":"true"}`},
		{"GET", "///providers/Microsoft.Authorization/roleDefinitions", v + "&$filter=atScope()", ""}, {"PUT", "///providers/Microsoft.Authorization/roleDefinitions/" + roleGUID, v, signer},
		{"PUT", "//keys/k/providers/Microsoft.Authorization/roleAssignments/" + otherGUID, v, `{"properties":{"roleDefinitionId":"` + access.LocalRoleCryptoUser + `","principalId":"` + nobodyID + `"}}`},
		{"DELETE", "/%2F/providers/Microsoft.Authorization/roleAssignments/x", v, ""}, {"GET", "/keys/a/providers/x", v, ""}, {"PUT", "/keys/k", v, `{"key":{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAA"}}`},
	} {
		f.Add(seed.method, seed.path, seed.query, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if strings.Contains(body, `"RSA`) {
			return // takes long
		}
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return
		}
		req := &http.Request{
			Method: method, Host: hsmHost, URL: &url.URL{Scheme: "https", Host: hsmHost, Path: decoded, RawPath: path, RawQuery: query},
			Header: http.Header{"Authorization": {"Bearer owner"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "192.0.2.1:1",
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, req.WithContext(t.Context()))
		checkAnswer(t, rec)
	})
}
