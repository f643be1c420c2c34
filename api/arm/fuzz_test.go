package arm

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// documents are the types that are decoded from what the other side sent.
var documents = []reflect.Type{
	reflect.TypeFor[Vault](), reflect.TypeFor[VaultListResult](), reflect.TypeFor[VaultCreateOrUpdateParameters](),
	reflect.TypeFor[VaultPatchParameters](), reflect.TypeFor[VaultAccessPolicyParameters](), reflect.TypeFor[DeletedVault](),
	reflect.TypeFor[CheckNameAvailabilityParameters](), reflect.TypeFor[CheckNameAvailabilityResult](),
	reflect.TypeFor[ResourceGroup](), reflect.TypeFor[ResourceListResult](), reflect.TypeFor[Subscription](),
	reflect.TypeFor[Tenant](), reflect.TypeFor[Location](), reflect.TypeFor[Provider](), reflect.TypeFor[Operation](),
	reflect.TypeFor[OperationStatus](), reflect.TypeFor[RoleAssignment](), reflect.TypeFor[RoleAssignmentCreateParameters](),
	reflect.TypeFor[RoleDefinition](), reflect.TypeFor[ErrorResponse](),
}

// FuzzDecode decodes the input as every document. Whatever is accepted is the
// same after it was encoded and decoded again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"value":null,"nextLink":null}`,
		`{"location":"eastus","tags":{"a":"b"},"properties":{"sku":{"family":"A","name":"Standard"},"tenantId":"t","accessPolicies":[{"objectId":"o","permissions":{"keys":["all"]}}]}}`,
		`{"properties":{"networkAcls":{"bypass":"None","ipRules":[{"value":"1.2.3.4"}]},"createMode":"recover","softDeleteRetentionInDays":7}}`,
		`{"properties":{"deletionDate":"2026-11-24T10:00:00Z","scheduledPurgeDate":"2026-11-24T10:00:00.123456789+14:00"}}`,
		`{"systemData":{"createdAt":"2026-11-24T10:00:00.000Z"},"name":"n","type":"t"}`,
		`{"properties":{"roleDefinitionId":"r","principalId":"p","condition":null}}`,
		`{"error":{"code":"c","message":"m","details":[{"code":"d"}],"additionalInfo":[{"type":"t","info":{"a":[1]}}]}}`,
		`{"status":"Failed","error":{"code":"c"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, document := range documents {
			first := reflect.New(document).Interface()
			if json.Unmarshal(text, first) != nil {
				continue
			}
			once, err := json.Marshal(first)
			if err != nil {
				t.Fatalf("%v was decoded and cannot be encoded: %v", document, err)
			}
			second := reflect.New(document).Interface()
			if err := json.Unmarshal(once, second); err != nil {
				t.Fatalf("%v: its own text is refused: %v\n%s", document, err, once)
			}
			if twice, err := json.Marshal(second); err != nil || !bytes.Equal(once, twice) {
				t.Fatalf("%v changes when it is read back: %v\n%s\n%s", document, err, once, twice)
			}
		}
	})
}
