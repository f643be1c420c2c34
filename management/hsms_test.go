package management

import (
	"context"
	"testing"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// TestHSMRequests is TestRequests for managed HSMs.
func TestHSMRequests(t *testing.T) {
	const version, aPath = "?api-version=" + arm.KeyVaultLatest, inSub + "/resourceGroups/g/providers/Microsoft.KeyVault/managedHSMs/h"
	const anHSM = `{"name":"h","location":"eastus","sku":{"family":"B","name":"Standard_B1"},"properties":{"tenantId":"t","hsmUri":"https://h.managedhsm.azure.net/","provisioningState":"Succeeded"}}`
	testRequests(t, []requestTest{
		{"CreateOrUpdateManagedHSM", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateOrUpdateManagedHSM(ctx, "g", "h", NewManagedHSM("eastus", "t", "a", "b"))
		}, "PUT", aPath + version, `{"location":"eastus","sku":{"family":"B","name":"Standard_B1"},"properties":{"tenantId":"t","initialAdminObjectIds":["a","b"]}}`, []int{200, 201}, anHSM, ""},
		{"UpdateManagedHSM", func(ctx context.Context, c *Client) (any, error) {
			return c.UpdateManagedHSM(ctx, "g", "h", arm.ManagedHSM{Tags: map[string]string{"a": "b"}})
		}, "PATCH", aPath + version, `{"tags":{"a":"b"}}`, []int{200}, anHSM, ""},
		{"GetManagedHSM", func(ctx context.Context, c *Client) (any, error) { return c.GetManagedHSM(ctx, "g", "h") },
			"GET", aPath + version, "", []int{200}, anHSM, ""},
		{"DeleteManagedHSM", func(ctx context.Context, c *Client) (any, error) { return nil, c.DeleteManagedHSM(ctx, "g", "h") },
			"DELETE", aPath + version, "", []int{200, 204}, "", ""},
		{"RecoverDeletedManagedHSM", func(ctx context.Context, c *Client) (any, error) {
			return c.RecoverDeletedManagedHSM(ctx, "g", "h", "eastus", "t")
		}, "PUT", aPath + version, `{"location":"eastus","sku":{"family":"B","name":"Standard_B1"},"properties":{"tenantId":"t","createMode":"recover"}}`, []int{200, 201}, anHSM, ""},
		{"GetDeletedManagedHSM", func(ctx context.Context, c *Client) (any, error) { return c.GetDeletedManagedHSM(ctx, "eastus", "h") },
			"GET", inProvider + "/locations/eastus/deletedManagedHSMs/h" + version, "", []int{200}, `{"name":"h","properties":{"mhsmId":"i","deletionDate":"2026-11-24T10:00:00Z"}}`, ""},
		{"PurgeDeletedManagedHSM", func(ctx context.Context, c *Client) (any, error) {
			return nil, c.PurgeDeletedManagedHSM(ctx, "eastus", "h")
		}, "POST", inProvider + "/locations/eastus/deletedManagedHSMs/h/purge" + version, "", []int{200, 204}, "", ""},
		{"CheckManagedHSMName", func(ctx context.Context, c *Client) (any, error) { return c.CheckManagedHSMName(ctx, "h") },
			"POST", inProvider + "/checkMhsmNameAvailability" + version, `{"name":"h"}`, []int{200}, `{"nameAvailable":false,"reason":"AlreadyExists","message":"m"}`, ""},
		{"ListManagedHSMs", func(ctx context.Context, c *Client) (any, error) { return only(c.ListManagedHSMs(ctx)) },
			"GET", inProvider + "/managedHSMs" + version, "", []int{200}, `{"value":[` + anHSM + `]}`, ""},
		{"ListManagedHSMsByGroup", func(ctx context.Context, c *Client) (any, error) { return only(c.ListManagedHSMsByGroup(ctx, "g")) },
			"GET", inSub + "/resourceGroups/g/providers/Microsoft.KeyVault/managedHSMs" + version, "", []int{200}, `{"value":[` + anHSM + `]}`, ""},
		{"ListDeletedManagedHSMs", func(ctx context.Context, c *Client) (any, error) { return only(c.ListDeletedManagedHSMs(ctx)) },
			"GET", inProvider + "/deletedManagedHSMs" + version, "", []int{200}, `{"value":[{"name":"h"}]}`, ""},
	})
	f, client := newFake(t)
	f.then(answer(200, `{}`))
	if _, err := client.CreateOrUpdateManagedHSM(t.Context(), "g", "h", NewManagedHSM("eastus", "t")); err == nil {
		t.Error("an answer that is no HSM passes for one")
	}
}

// only returns a list as a page of it.
func only[T any](items func(func(T, error) bool)) (page arm.List[T], err error) {
	for item, failed := range items {
		if failed != nil {
			return page, failed
		}
		page.Value = append(page.Value, item)
	}
	return page, nil
}
