package arm

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"
)

func ptr[T any](v T) *T { return &v }

// TestDocuments holds each document of the wire against its JSON text, both
// ways: names, order, what is left out and what is null.
func TestDocuments(t *testing.T) {
	moment := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		value any // not a pointer
		text  string
	}{
		{"vault", Vault{
			ID: "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v", Name: "v", Type: TypeVaults,
			Location: "eastus", Tags: map[string]string{}, SystemData: &SystemData{CreatedBy: "a", CreatedByType: "Application", CreatedAt: &moment},
			Properties: &VaultProperties{
				SKU: &SKU{SKUFamilyA, SKUStandard}, TenantID: "t",
				AccessPolicies:   []AccessPolicyEntry{{TenantID: "t", ObjectID: "o", Permissions: &Permissions{Keys: []string{PermissionAll}, Secrets: []string{}}}},
				EnableSoftDelete: ptr(true), SoftDeleteRetentionInDays: ptr(int32(90)), EnableRBACAuthorization: ptr(false),
				VaultURI: "https://v.vault.azure.net/", ProvisioningState: StateSucceeded, PublicNetworkAccess: ptr(PublicAccessEnabled),
			},
		}, `{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v","name":"v","type":"Microsoft.KeyVault/vaults",` +
			`"location":"eastus","tags":{},"systemData":{"createdBy":"a","createdByType":"Application","createdAt":"2026-11-24T10:00:00Z"},` +
			`"properties":{"sku":{"family":"A","name":"standard"},"tenantId":"t","accessPolicies":[{"tenantId":"t","objectId":"o","permissions":{"keys":["all"],"secrets":[]}}],` +
			`"enableSoftDelete":true,"softDeleteRetentionInDays":90,"enableRbacAuthorization":false,"vaultUri":"https://v.vault.azure.net/",` +
			`"provisioningState":"Succeeded","publicNetworkAccess":"Enabled"}}`},
		{"recovery", VaultCreateOrUpdateParameters{Location: "l", Properties: &VaultProperties{CreateMode: CreateModeRecover}},
			`{"location":"l","properties":{"createMode":"recover"}}`},
		{"network rules", NetworkACLs{Bypass: BypassNone, DefaultAction: ActionDeny, IPRules: []IPRule{{"1.2.3.4/32"}}, VirtualNetworkRules: []VirtualNetworkRule{{ID: "n"}}},
			`{"bypass":"None","defaultAction":"Deny","ipRules":[{"value":"1.2.3.4/32"}],"virtualNetworkRules":[{"id":"n"}]}`},
		{"patch of nothing", VaultPatchParameters{}, `{}`},
		{"patch that clears policies", VaultPatchParameters{Properties: &VaultProperties{AccessPolicies: []AccessPolicyEntry{}}}, `{"properties":{"accessPolicies":[]}}`},
		{"access policies", VaultAccessPolicyParameters{ID: "i", Type: TypeAccessPolicies, Properties: &VaultAccessPolicyProperties{AccessPolicies: []AccessPolicyEntry{}}},
			`{"id":"i","type":"Microsoft.KeyVault/vaults/accessPolicies","properties":{"accessPolicies":[]}}`},
		{"deleted vault", DeletedVault{Name: "v", Properties: &DeletedVaultProperties{VaultID: "i", Location: "l", DeletionDate: &moment, ScheduledPurgeDate: &moment, PurgeProtectionEnabled: ptr(true)}},
			`{"name":"v","properties":{"vaultId":"i","location":"l","deletionDate":"2026-11-24T10:00:00Z","scheduledPurgeDate":"2026-11-24T10:00:00Z","purgeProtectionEnabled":true}}`},
		{"name is free", CheckNameAvailabilityResult{NameAvailable: true}, `{"nameAvailable":true}`},
		{"name is taken", CheckNameAvailabilityResult{Reason: ReasonAlreadyExists, Message: "m"}, `{"nameAvailable":false,"reason":"AlreadyExists","message":"m"}`},
		{"group", ResourceGroup{ID: "i", Name: "g", Type: TypeResourceGroups, Location: "l", Tags: map[string]string{"a": "b"}, Properties: &ResourceGroupProperties{StateSucceeded}},
			`{"id":"i","name":"g","type":"Microsoft.Resources/resourceGroups","location":"l","tags":{"a":"b"},"properties":{"provisioningState":"Succeeded"}}`},
		{"subscription", Subscription{ID: "/subscriptions/s", SubscriptionID: "s", TenantID: "t", DisplayName: "d", State: "Enabled", ManagedByTenants: []ManagedByTenant{}},
			`{"id":"/subscriptions/s","managedByTenants":[],"subscriptionId":"s","tenantId":"t","displayName":"d","state":"Enabled"}`},
		{"provider", Provider{Namespace: KeyVaultNamespace, RegistrationState: "Registered", ResourceTypes: []ResourceType{{ResourceType: "vaults", APIVersions: []string{KeyVaultLatest}}}},
			`{"namespace":"Microsoft.KeyVault","registrationState":"Registered","resourceTypes":[{"resourceType":"vaults","apiVersions":["2026-05-15"]}]}`},
		{"operation", Operation{Name: "n", Display: &OperationDisplay{Provider: "p"}}, `{"name":"n","display":{"provider":"p"},"isDataAction":false}`},
		{"state of an operation", OperationStatus{CreatedDateTime: "2020-07-21 08:21:45Z", Status: StateNotStarted}, `{"createdDateTime":"2020-07-21 08:21:45Z","status":"NotStarted"}`},
		{"role assignment", RoleAssignment{Name: "n", Properties: &RoleAssignmentProperties{RoleDefinitionID: "r", PrincipalID: "p"}},
			`{"properties":{"roleDefinitionId":"r","principalId":"p","condition":null,"conditionVersion":null,"createdOn":null,"updatedOn":null,"createdBy":null,"updatedBy":null,"delegatedManagedIdentityResourceId":null,"description":null},"name":"n"}`},
		{"role assignment with dates", RoleAssignment{Properties: &RoleAssignmentProperties{CreatedOn: &Instant{moment}, UpdatedBy: ptr("o"), Description: ptr("d")}},
			`{"properties":{"roleDefinitionId":"","principalId":"","condition":null,"conditionVersion":null,"createdOn":"2026-11-24T10:00:00.0000000Z","updatedOn":null,"createdBy":null,"updatedBy":"o","delegatedManagedIdentityResourceId":null,"description":"d"}}`},
		{"role definition", RoleDefinition{ID: "i", Properties: &RoleDefinitionProperties{RoleName: "r", Type: RoleTypeBuiltIn, AssignableScopes: []string{"/"}, Permissions: []RolePermission{{Actions: []string{}}}}},
			`{"properties":{"roleName":"r","type":"BuiltInRole","assignableScopes":["/"],"permissions":[{"actions":[]}],"createdOn":null,"updatedOn":null,"createdBy":null,"updatedBy":null},"id":"i"}`},
		{"page", VaultListResult{Value: []Vault{{Name: "v"}}, NextLink: "l"}, `{"value":[{"name":"v"}],"nextLink":"l"}`},
		{"last page", DeletedVaultListResult{Value: []DeletedVault{}}, `{"value":[]}`},
		{"error", ErrorResponse{ErrorDetail{Code: CodeConflictError, Message: "m", Target: "t", Details: []ErrorDetail{{Code: "c", Message: "n"}}, AdditionalInfo: []ErrorAdditionalInfo{{Type: "x", Info: json.RawMessage(`{"y":1}`)}}}},
			`{"error":{"code":"ConflictError","message":"m","target":"t","details":[{"code":"c","message":"n"}],"additionalInfo":[{"type":"x","info":{"y":1}}]}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := json.Marshal(tt.value)
			if err != nil || string(text) != tt.text {
				t.Errorf("encoded (%v)\n%s, want\n%s", err, text, tt.text)
			}
			back := reflect.New(reflect.TypeOf(tt.value))
			if err := json.Unmarshal([]byte(tt.text), back.Interface()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back.Elem().Interface(), tt.value) {
				t.Errorf("decoded %+v, which is not what was encoded", back.Interface())
			}
		})
	}
	if text, err := json.Marshal(VaultListResult{}); err != nil || string(text) != `{"value":[]}` {
		t.Errorf("a nil page was encoded as %s, %v", text, err)
	}
}

// TestWrongTypes checks that members of a wrong type are refused, not dropped.
func TestWrongTypes(t *testing.T) {
	for _, text := range []string{
		`{"location":7}`, `{"tags":{"a":1}}`, `{"tags":["a"]}`, `{"properties":[]}`,
		`{"properties":{"softDeleteRetentionInDays":"90"}}`, `{"properties":{"softDeleteRetentionInDays":4294967296}}`,
		`{"properties":{"enableRbacAuthorization":"true"}}`, `{"properties":{"accessPolicies":{}}}`,
		`{"properties":{"accessPolicies":[{"permissions":{"keys":"all"}}]}}`, `{"properties":{"sku":"standard"}}`,
	} {
		var p VaultCreateOrUpdateParameters
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%s was accepted as %+v", text, p)
		}
	}
}

func TestKeyVaultVersions(t *testing.T) {
	all := KeyVaultVersions()
	if all[0] != KeyVault20150601 || all[len(all)-1] != KeyVaultLatest {
		t.Errorf("from %s to %s", all[0], all[len(all)-1])
	}
	// Dates with an optional suffix sort as text.
	if !slices.IsSorted(all) || len(slices.Compact(all)) != len(KeyVaultVersions()) {
		t.Errorf("not in order, or not unique: %v", all)
	}
	for _, v := range []string{KeyVault20161001, KeyVault20180214, KeyVault20190901, KeyVault20210401Preview, KeyVault20210601Preview} {
		if !slices.Contains(KeyVaultVersions(), v) {
			t.Errorf("%s is missing", v)
		}
	}
	all[0] = "changed"
	if KeyVaultVersions()[0] != KeyVault20150601 {
		t.Error("the slice is shared with later callers")
	}
}
