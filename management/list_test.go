package management

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

func texts[T any](t *testing.T, items iter.Seq2[T, error]) (all []string, last error) {
	t.Helper()
	for item, err := range items {
		if err != nil {
			if last != nil {
				t.Error("a list went on after an error")
			}
			last = err
			continue
		}
		all = append(all, mustJSON(t, item))
	}
	return all, last
}

func TestLists(t *testing.T) {
	tests := []struct {
		name string
		call func(context.Context, *Client) ([]string, error)
		uri  string
	}{
		{"ListVaults", func(ctx context.Context, c *Client) ([]string, error) { return texts(t, c.ListVaults(ctx)) },
			inProvider + "/vaults?api-version=" + arm.KeyVaultLatest},
		{"ListVaultsByGroup", func(ctx context.Context, c *Client) ([]string, error) { return texts(t, c.ListVaultsByGroup(ctx, "g")) },
			inSub + "/resourceGroups/g/providers/Microsoft.KeyVault/vaults?api-version=" + arm.KeyVaultLatest},
		{"ListVaultResources", func(ctx context.Context, c *Client) ([]string, error) { return texts(t, c.ListVaultResources(ctx)) },
			inSub + "/resources?%24filter=resourceType%20eq%20%27Microsoft.KeyVault%2Fvaults%27&api-version=2015-11-01"},
		{"ListDeletedVaults", func(ctx context.Context, c *Client) ([]string, error) { return texts(t, c.ListDeletedVaults(ctx)) },
			inProvider + "/deletedVaults?api-version=" + arm.KeyVaultLatest},
		{"ListGroups", func(ctx context.Context, c *Client) ([]string, error) { return texts(t, c.ListGroups(ctx)) },
			inSub + "/resourcegroups?api-version=" + arm.ResourcesLatest},
		{"ListSubscriptions", func(ctx context.Context, c *Client) ([]string, error) { return texts(t, c.ListSubscriptions(ctx)) },
			"/subscriptions?api-version=" + arm.SubscriptionsLatest},
		{"ListTenants", func(ctx context.Context, c *Client) ([]string, error) { return texts(t, c.ListTenants(ctx)) },
			"/tenants?api-version=" + arm.SubscriptionsLatest},
		{"ListRoleAssignments", func(ctx context.Context, c *Client) ([]string, error) {
			return texts(t, c.ListRoleAssignments(ctx, inSub, RoleAssignmentFilter{AtScope: true, AssignedTo: "it's"}))
		}, inSub + "/providers/Microsoft.Authorization/roleAssignments?%24filter=atScope%28%29%20and%20assignedTo%28%27it%27%27s%27%29&api-version=2022-04-01"},
		{"ListRoleAssignments", func(ctx context.Context, c *Client) ([]string, error) {
			return texts(t, c.ListRoleAssignments(ctx, "/", RoleAssignmentFilter{PrincipalID: "p"}))
		}, "/providers/Microsoft.Authorization/roleAssignments?%24filter=principalId%20eq%20%27p%27&api-version=2022-04-01"},
		{"ListRoleAssignments", func(ctx context.Context, c *Client) ([]string, error) {
			return texts(t, c.ListRoleAssignments(ctx, inSub, RoleAssignmentFilter{}))
		}, inSub + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"},
		{"ListRoleDefinitions", func(ctx context.Context, c *Client) ([]string, error) {
			return texts(t, c.ListRoleDefinitions(ctx, inSub, "Key Vault Reader"))
		}, inSub + "/providers/Microsoft.Authorization/roleDefinitions?%24filter=roleName%20eq%20%27Key%20Vault%20Reader%27&api-version=2022-04-01"},
	}
	f, client := newFake(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.t = t
			item := func(n int) string { return fmt.Sprintf(`{"id":"i%d"}`, n) }
			f.then(
				answer(200, `{"value":[`+item(1)+`,`+item(2)+`],"nextLink":"`+endpoint+`:443/next?$filter=a eq 'b'&page=2"}`),
				answer(200, `{"value":[],"nextLink":"`+endpoint+`/next?page=3"}`), // empty, and not the last
				answer(200, `{"value":[`+item(3)+`],"nextLink":null}`),
			)
			got, err := tt.call(t.Context(), client)
			wanted := []string{item(1), item(2), item(3)}
			if err != nil || !slices.Equal(got, wanted) {
				t.Errorf("listed %v, %v", got, err)
			}
			want := []string{"GET " + tt.uri, "GET /next?%24filter=a+eq+%27b%27&page=2", "GET /next?page=3"}
			if seen := f.seen(); !slices.Equal(seen, want) {
				t.Errorf("asked for %q, want %q", seen, want)
			}
		})
	}
}

// TestListStops checks that pages are asked for as they are wanted.
func TestListStops(t *testing.T) {
	f, client := newFake(t)
	items := client.ListVaults(t.Context())
	f.wantSeen()
	f.then(answer(200, `{"value":[{"name":"1"},{"name":"2"}],"nextLink":"`+endpoint+`/next"}`))
	for v, err := range items {
		if err != nil || v.Name == "2" {
			break
		}
	}
	f.wantSeen("GET " + inProvider + "/vaults")
}

func TestListFails(t *testing.T) {
	f, client := newFake(t)
	f.then(answer(200, `{"value":[{"name":"1"}],"nextLink":"`+endpoint+`/next"}`), answer(404, `{"error":{"code":"SubscriptionNotFound","message":"m"}}`))
	got, err := texts(t, client.ListVaults(t.Context()))
	if len(got) != 1 || !IsNotFound(err) {
		t.Errorf("a failing second page: %v, %v", got, err)
	}
	again := answer(200, `{"value":[{"name":"1"}],"nextLink":"`+endpoint+`/next"}`)
	f.then(again, again)
	got, err = texts(t, client.ListVaults(t.Context()))
	if len(got) != 2 || err == nil || !strings.Contains(err.Error(), "same one") {
		t.Errorf("a page that is its own successor: %v, %v", got, err)
	}
}

// TestForeignNextLink checks that a list does not lead the token away.
func TestForeignNextLink(t *testing.T) {
	for _, link := range []string{
		"https://evil.example.com/next", "https://management.example.com.evil.net/next", "https://management.example.com:8443/next",
		"http://management.example.com/next", "http://management.example.com:443/next", "https://management.example.com@evil.net/next",
		"https://user@management.example.com/next", "//evil.net/next", "/next", "https://", ":", endpoint + "/next?a=%zz",
	} {
		f, client := newUnplugged(t)
		f.then(answer(200, `{"value":[{"name":"1"}],"nextLink":`+mustJSON(t, link)+`}`))
		if got, err := texts(t, client.ListVaults(t.Context())); len(got) != 1 || err == nil {
			t.Errorf("%q: %v, %v", link, got, err)
		}
		f.wantSeen("GET " + inProvider + "/vaults")
	}
}
