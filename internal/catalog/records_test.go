package catalog_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
)

// fullVault has a value in every field.
func fullVault() *catalog.Vault {
	return &catalog.Vault{
		ID: id1, Name: "MyVault", TenantID: tenant, SubscriptionID: "s", ResourceGroup: "Team", Location: "eastus", Premium: true,
		Tags: map[string]string{"env": "prod"},
		Policies: []access.Policy{{TenantID: tenant, ObjectID: principal, ApplicationID: "app", Permissions: access.Permissions{
			Keys: []string{"get"}, Secrets: []string{"list"}, Certificates: []string{"all"}, Storage: []string{"set"},
		}}},
		RBAC: ptr(false), EnabledForDeployment: ptr(true), EnabledForDiskEncryption: ptr(false), EnabledForTemplateDeployment: ptr(true),
		SoftDelete: true, RetentionDays: 7, PurgeProtection: true, PublicNetworkAccess: "Disabled",
		Network: &catalog.NetworkACLs{Bypass: "AzureServices", DefaultAction: "Deny", IPRules: []string{"10.0.0.0/8"},
			VirtualRules: []catalog.VirtualNetwork{{ID: "/subnet", IgnoreMissingVnetServiceEndpoint: ptr(true)}}},
		Created:    catalog.Change{By: "app", Type: "Application", At: at(1)},
		Modified:   catalog.Change{By: "me@example.com", Type: "User", At: at(2)},
		Deleted:    &catalog.Deletion{At: at(3), PurgeAt: at(10)},
		WrappedKey: []byte{1, 2, 3},
		HSM: &catalog.HSM{SKUFamily: "B", SKUName: "Standard_B1", InitialAdmins: []string{principal}, AllowARM: true,
			Local: access.LocalRoles{
				Custom: []access.LocalRole{{ID: "r1", Name: "signers", Description: "sign", Permissions: []access.LocalPermission{{
					Actions: []string{"a"}, NotActions: []string{"b"}, DataActions: []string{"c"}, NotDataActions: []string{"d"},
				}}}},
				Assignments: []access.LocalAssignment{{ID: "a1", Scope: "/keys", RoleID: "r1", PrincipalID: principal}},
			}},
	}
}

// storedVault is fullVault as the first release stores it. It must be readable
// for ever.
const storedVault = `{"id":"0123456789abcdef0123456789abcdef","name":"MyVault","tenantId":"11111111-1111-4111-8111-111111111111",` +
	`"subscriptionId":"s","resourceGroup":"Team","location":"eastus","premium":true,"tags":{"env":"prod"},` +
	`"policies":[{"tenantId":"11111111-1111-4111-8111-111111111111","objectId":"22222222-2222-4222-8222-222222222222","applicationId":"app",` +
	`"permissions":{"keys":["get"],"secrets":["list"],"certificates":["all"],"storage":["set"]}}],` +
	`"rbac":false,"enabledForDeployment":true,"enabledForDiskEncryption":false,"enabledForTemplateDeployment":true,` +
	`"softDelete":true,"retentionDays":7,"purgeProtection":true,"publicNetworkAccess":"Disabled",` +
	`"network":{"bypass":"AzureServices","defaultAction":"Deny","ipRules":["10.0.0.0/8"],` +
	`"virtualNetworkRules":[{"id":"/subnet","ignoreMissingVnetServiceEndpoint":true}]},` +
	`"created":{"by":"app","type":"Application","at":"2030-01-01T03:04:05Z"},"modified":{"by":"me@example.com","type":"User","at":"2030-01-02T03:04:05Z"},` +
	`"deleted":{"At":"2030-01-03T03:04:05Z","PurgeAt":"2030-01-10T03:04:05Z"},"wrappedKey":"AQID"}`

// storedHSM is what the document of a managed HSM has besides.
const storedHSM = `,"hsm":{"skuFamily":"B","skuName":"Standard_B1","initialAdmins":["22222222-2222-4222-8222-222222222222"],` +
	`"local":{"custom":[{"id":"r1","name":"signers","description":"sign","permissions":[{"actions":["a"],"notActions":["b"],"dataActions":["c"],"notDataActions":["d"]}]}],` +
	`"assignments":[{"id":"a1","scope":"/keys","roleId":"r1","principalId":"22222222-2222-4222-8222-222222222222"}]},"allowARM":true}}`

const storedAssignment = `{"id":"a1","scope":"/subscriptions/s","roleId":"4633458b-17de-408a-b874-0445c86b69e6","principalId":"22222222-2222-4222-8222-222222222222"}`

const storedDescribed = `{"id":"a1","scope":"/subscriptions/s","roleId":"4633458b-17de-408a-b874-0445c86b69e6","principalId":"22222222-2222-4222-8222-222222222222",` +
	`"principalType":"ServicePrincipal","description":"for the shop","createdBy":"o1","createdOn":"2030-01-02T03:04:05.006Z","updatedBy":"o2","updatedOn":"2031-01-02T03:04:05Z"}`

func TestStoredFormats(t *testing.T) {
	w := newWorld(t)
	hsm, vault := fullVault(), fullVault()
	vault.HSM = nil
	for stored, want := range map[string]*catalog.Vault{
		storedVault: vault, strings.TrimSuffix(storedVault, "}") + storedHSM: hsm,
	} {
		sealed, err := w.ring.System().Seal(catalog.VaultKey(id1), []byte(stored))
		if err != nil {
			t.Fatal(err)
		}
		v, err := w.cat.DecodeVault(id1, store.Record{Value: sealed, Revision: 1})
		if err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("the stored vault reads as %+v, %v", v, err)
		}
		key, sealed, err := w.cat.EncodeVault(want)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := w.ring.System().Open(key, sealed); err != nil || string(plain) != stored {
			t.Errorf("the vault is stored as\n%s, %v, want\n%s", plain, err, stored)
		}
	}

	want := catalog.RoleAssignment{Assignment: access.Assignment{ID: "a1", Scope: "/subscriptions/s", RoleID: roleSecretsUser, PrincipalID: principal}}
	sealed, err := w.ring.System().Seal(catalog.RoleKey("a1"), []byte(storedAssignment))
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.cat.DecodeAssignment(catalog.RoleKey("a1"), store.Record{Value: sealed, Revision: 1})
	if err != nil || a != want {
		t.Errorf("the stored assignment reads as %+v, %v", a, err)
	}
	key, sealed, err := w.cat.EncodeAssignment(want)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := w.ring.System().Open(key, sealed); err != nil || string(plain) != storedAssignment {
		t.Errorf("the assignment is stored as %s, %v", plain, err)
	}

	// What is said about an assignment came later.
	want.PrincipalType, want.Description = "ServicePrincipal", "for the shop"
	want.CreatedBy, want.UpdatedBy = "o1", "o2"
	want.CreatedOn, want.UpdatedOn = time.Date(2030, 1, 2, 3, 4, 5, 6_000_000, time.UTC), time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	if key, sealed, err = w.cat.EncodeAssignment(want); err != nil {
		t.Fatal(err)
	}
	if plain, err := w.ring.System().Open(key, sealed); err != nil || string(plain) != storedDescribed {
		t.Errorf("the assignment is stored as %s, %v", plain, err)
	}
	if a, err := w.cat.DecodeAssignment(key, store.Record{Value: sealed, Revision: 1}); err != nil || a != want {
		t.Errorf("the stored assignment reads as %+v, %v", a, err)
	}
}

func TestFullVaultIsFull(t *testing.T) {
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
			if v.Kind() == reflect.Bool {
				return
			}
		}
		switch {
		case v.IsZero():
			t.Errorf("%s has no value, so no test of this file sees it", path)
		case v.Type() == reflect.TypeFor[catalog.Change]().Field(2).Type: // a time
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				walk(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
			walk(path+"[0]", v.Index(0))
		}
	}
	walk("Vault", reflect.ValueOf(fullVault()))
}

// TestClone changes everything that a clone could share with its original.
func TestClone(t *testing.T) {
	original := fullVault()
	clone := original.Clone()
	if !reflect.DeepEqual(clone, original) {
		t.Fatalf("the clone is %+v", clone)
	}
	var spoil func(v reflect.Value)
	spoil = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				spoil(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Field(i).CanSet() {
					spoil(v.Field(i))
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				spoil(v.Index(i))
			}
		case reflect.Map:
			v.SetMapIndex(reflect.ValueOf("spoilt"), reflect.ValueOf("spoilt"))
		default:
			v.SetZero()
		}
	}
	spoil(reflect.ValueOf(clone))
	if !reflect.DeepEqual(original, fullVault()) {
		t.Errorf("changing a clone changed the original: %+v", original)
	}
	if clone := new(catalog.Vault).Clone(); !reflect.DeepEqual(clone, new(catalog.Vault)) {
		t.Errorf("a clone of nothing is %+v", clone)
	}
}

// TestRecordsAreBoundToTheirKeys moves each kind of record to another key, and
// to another installation.
func TestRecordsAreBoundToTheirKeys(t *testing.T) {
	w := newWorld(t)
	elsewhere, err := pebble.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { elsewhere.Close() })
	foreign := catalog.New(catalog.Config{Store: elsewhere, Keyring: newKeyring(t, elsewhere)})

	record := func(_, sealed []byte, err error) store.Record {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return store.Record{Value: sealed, Revision: 1}
	}
	vault := record(w.cat.EncodeVault(fullVault()))
	name := record(w.cat.EncodeName("name", id1))
	role := record(w.cat.EncodeAssignment(catalog.RoleAssignment{Assignment: access.Assignment{ID: "A1"}}))
	epoch := record(w.cat.EncodeEpoch())

	ofVault := func(c *catalog.Catalog, id string, rec store.Record) error {
		v, err := c.DecodeVault(id, rec)
		if (v == nil) != (err != nil) {
			t.Errorf("DecodeVault = %v with error %v", v, err)
		}
		return err
	}
	ofName := func(c *catalog.Catalog, name string, rec store.Record) error {
		id, err := c.DecodeName(name, rec)
		if (id == "") != (err != nil) {
			t.Errorf("DecodeName = %q with error %v", id, err)
		}
		return err
	}
	ofRole := func(c *catalog.Catalog, id string, rec store.Record) error {
		_, err := c.DecodeAssignment(catalog.RoleKey(id), rec)
		return err
	}
	for what, err := range map[string]error{
		"vault": ofVault(w.cat, id1, vault), "name": ofName(w.cat, "NAME", name), "role": ofRole(w.cat, "a1", role),
	} {
		if err != nil {
			t.Errorf("%s in its place: %v", what, err)
		}
	}
	damaged := store.Record{Value: append([]byte{}, vault.Value...), Revision: 1}
	damaged.Value[len(damaged.Value)-1] ^= 1
	for what, err := range map[string]error{
		"vault of another id":           ofVault(w.cat, id2, vault),
		"vault of another installation": ofVault(foreign, id1, vault),
		"damaged vault":                 ofVault(w.cat, id1, damaged),
		"empty vault":                   ofVault(w.cat, id1, store.Record{Revision: 1}),
		"name as vault":                 ofVault(w.cat, id1, name),
		"another name":                  ofName(w.cat, "name2", name),
		"name of another installation":  ofName(foreign, "name", name),
		"missing name":                  ofName(w.cat, "name", store.Record{}),
		"another role":                  ofRole(w.cat, "a2", role),
		"role of another installation":  ofRole(foreign, "a1", role),
		"the epoch as role":             ofRole(w.cat, "a1", epoch),
	} {
		if !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: %v, want seal.ErrOpen", what, err)
		}
	}
	if err := ofVault(w.cat, id1, store.Record{Value: vault.Value}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a record that does not exist: %v", err)
	}
	if _, err := w.cat.DecodeAssignment(catalog.RoleKey("a1"), store.Record{}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("an assignment that does not exist: %v", err)
	}
}

// TestEpochsDiffer: two writers that change assignments at once must not write
// the same epoch; the store's revision sees to that, whatever the value.
func TestEpochsDiffer(t *testing.T) {
	w := newWorld(t)
	var seen []store.Revision
	for range 2 {
		w.update(func(tx store.Tx) { w.put(tx)(w.cat.EncodeEpoch()) })
		err := w.store.View(t.Context(), func(v store.View) error {
			recs, err := v.Get(catalog.AuthzKey)
			seen = append(seen, recs[0].Revision)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen[0] == 0 || seen[0] == seen[1] {
		t.Errorf("revisions %v, want two", seen)
	}
}

func TestAccess(t *testing.T) {
	v := fullVault()
	v.HSM = nil
	const resource = "/subscriptions/s/resourceGroups/Team/providers/Microsoft.KeyVault/vaults/MyVault"
	if v.ResourceID() != resource {
		t.Errorf("ResourceID = %s, want %s", v.ResourceID(), resource)
	}
	for name, tt := range map[string]struct {
		rbac *bool
		want bool
	}{"never set": {nil, false}, "false": {ptr(false), false}, "true": {ptr(true), true}} {
		v.RBAC = tt.rbac
		want := access.Vault{Name: "MyVault", TenantID: tenant, Location: "eastus", ResourceID: resource, RBAC: tt.want, Policies: v.Policies,
			Network: access.Network{Closed: true, Deny: true, Allowed: []string{"10.0.0.0/8"}}}
		if got := v.Access(); !reflect.DeepEqual(got, want) {
			t.Errorf("RBAC %s: %+v, want %+v", name, got, want)
		}
	}
}

func TestRecoveryLevel(t *testing.T) {
	for _, tt := range []struct {
		softDelete, protected bool
		days                  int
		want                  string
	}{
		{false, false, 0, "Purgeable"},
		{false, false, 90, "Purgeable"},
		{true, false, 90, "Recoverable+Purgeable"},
		{true, true, 90, "Recoverable"},
		{true, false, 89, "CustomizedRecoverable+Purgeable"},
		{true, false, 7, "CustomizedRecoverable+Purgeable"},
		{true, true, 89, "CustomizedRecoverable"},
		{true, true, 7, "CustomizedRecoverable"},
	} {
		v := &catalog.Vault{SoftDelete: tt.softDelete, RetentionDays: tt.days, PurgeProtection: tt.protected}
		if got := v.RecoveryLevel(); got != tt.want {
			t.Errorf("soft delete %v, %d days, protection %v: %s, want %s", tt.softDelete, tt.days, tt.protected, got, tt.want)
		}
	}
}

// FuzzDecodeVault has both what anybody could put into the database and what
// only the keyring's owner could have sealed there.
func FuzzDecodeVault(f *testing.F) {
	s, err := pebble.OpenMemory()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	ring := newKeyring(f, s)
	c := catalog.New(catalog.Config{Store: s, Keyring: ring})
	_, genuine, err := c.EncodeVault(fullVault())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(genuine, []byte(storedVault))
	f.Add(genuine[:20], []byte(`{}`))
	f.Add([]byte{}, []byte(`{"tags":null,"policies":[{}],"network":{"virtualNetworkRules":[{}]},"deleted":{}}`))
	f.Add([]byte(storedVault), []byte(`{"retentionDays":1e9,"wrappedKey":"!","created":{"at":"x"}}`))
	f.Fuzz(func(t *testing.T, sealed, document []byte) {
		v, err := c.DecodeVault(id1, store.Record{Value: sealed, Revision: 1})
		if genuine := string(sealed) == string(genuine); genuine != (err == nil) || genuine != (v != nil) || !genuine && !errors.Is(err, seal.ErrOpen) {
			t.Fatalf("opened %+v, %v", v, err)
		}
		key := catalog.VaultKey(id1)
		authentic, err := ring.System().Seal(key, document)
		if err != nil {
			t.Fatal(err)
		}
		v, err = c.DecodeVault(id1, store.Record{Value: authentic, Revision: 1})
		if err != nil {
			if v != nil {
				t.Fatal("a vault with an error")
			}
			return
		}
		if !json.Valid(document) {
			t.Fatalf("%q was read", document)
		}
		// What can be read can be used and written again.
		v.Access()
		v.RecoveryLevel()
		clone := v.Clone()
		if !reflect.DeepEqual(clone, v) {
			t.Fatalf("the clone of %+v is %+v", v, clone)
		}
		clone.ID = id1
		_, again, err := c.EncodeVault(clone)
		if err != nil {
			return // a date that no encoder takes
		}
		if _, err := c.DecodeVault(id1, store.Record{Value: again, Revision: 1}); err != nil {
			t.Fatalf("written anew it is unreadable: %v", err)
		}
	})
}
