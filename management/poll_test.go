package management

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

const resultURL = endpoint + inSub + "/operationresults/JOB?api-version=2022-09-01"

// TestLongOperations lets operations take their time, on a clock that runs only
// while everyone waits.
func TestLongOperations(t *testing.T) {
	const registering = `{"name":"v","properties":{"provisioningState":"RegisteringDns"}}`
	create := func(ctx context.Context, c *Client) error {
		v, err := c.CreateOrUpdateVault(ctx, "g", "v", VaultWithRoles("eastus", "t"))
		if err == nil && (v.Name != "v" || v.Properties.ProvisioningState != arm.StateSucceeded) {
			err = errors.New("the vault is not the final one")
		}
		return err
	}
	remove := func(ctx context.Context, c *Client) error { return c.DeleteGroup(ctx, "g") }
	purge := func(ctx context.Context, c *Client) error { return c.PurgeDeletedVault(ctx, "eastus", "v") }
	pollResult := "GET " + inSub + "/operationresults/JOB"
	deletePath, purgePath := "DELETE "+inSub+"/resourcegroups/g", "POST "+inProvider+"/locations/eastus/deletedVaults/v/purge"
	tests := []struct {
		name   string
		call   func(context.Context, *Client) error
		script []http.HandlerFunc
		seen   []string
		took   time.Duration
		code   string // of the error; empty is success
	}{
		{"done at once", create, []http.HandlerFunc{answer(200, aVault)}, []string{"PUT " + aVaultPath}, 0, ""},
		{"the vault's own state", create, []http.HandlerFunc{
			answer(200, registering), answer(200, registering), answer(200, aVault),
		}, []string{"PUT " + aVaultPath, "GET " + aVaultPath, "GET " + aVaultPath}, 5 * time.Second, ""},
		{"at the service's pace", create, []http.HandlerFunc{
			answer(201, registering, "Retry-After", "7"), answer(200, registering, "Retry-After", "11"), answer(200, aVault),
		}, []string{"PUT " + aVaultPath, "GET " + aVaultPath, "GET " + aVaultPath}, 18 * time.Second, ""},
		{"the state of an operation", create, []http.HandlerFunc{
			answer(201, registering, "Azure-AsyncOperation", resultURL), answer(200, `{"status":"Running"}`, "Retry-After", "2"),
			answer(200, `{"status":"Succeeded"}`), answer(200, aVault),
		}, []string{"PUT " + aVaultPath, pollResult, pollResult, "GET " + aVaultPath}, 2 * time.Second, ""},
		{"an operation that fails", create, []http.HandlerFunc{
			answer(201, registering, "Azure-AsyncOperation", resultURL),
			answer(200, `{"status":"Failed","error":{"code":"VaultAlreadyExists","message":"m"}}`),
		}, []string{"PUT " + aVaultPath, pollResult}, 0, arm.CodeVaultAlreadyExists},
		{"a vault that fails", create, []http.HandlerFunc{
			answer(200, registering), answer(200, `{"error":{"code":"InternalServerError","message":"m"},"properties":{"provisioningState":"Failed"}}`),
		}, []string{"PUT " + aVaultPath, "GET " + aVaultPath}, 0, "InternalServerError"},
		{"a vault that goes away", create, []http.HandlerFunc{
			answer(200, registering), answer(404, `{"error":{"code":"ResourceNotFound","message":"m"}}`),
		}, []string{"PUT " + aVaultPath, "GET " + aVaultPath}, 0, arm.CodeResourceNotFound},
		{"a group", remove, []http.HandlerFunc{
			answer(202, "", "Location", resultURL, "Retry-After", "15"), answer(202, "", "Location", resultURL, "Retry-After", "15"), answer(200, ""),
		}, []string{deletePath, pollResult, pollResult}, 30 * time.Second, ""},
		{"a group, without a pace", remove, []http.HandlerFunc{
			answer(202, "", "Location", resultURL), answer(202, "", "Location", resultURL), answer(204, ""),
		}, []string{deletePath, pollResult, pollResult}, 5 * time.Second, ""},
		{"a group that stays", remove, []http.HandlerFunc{
			answer(202, "", "Location", resultURL), answer(409, `{"error":{"code":"ResourceGroupBeingDeleted","message":"m"}}`),
		}, []string{deletePath, pollResult}, 0, arm.CodeResourceGroupBeingDeleted},
		{"no group", remove, []http.HandlerFunc{answer(404, `{"error":{"code":"ResourceGroupNotFound","message":"m"}}`)},
			[]string{deletePath}, 0, arm.CodeResourceGroupNotFound},
		{"a purge", purge, []http.HandlerFunc{
			answer(202, "", "Location", resultURL, "Retry-After", "1"),
			answer(202, `{"createdDateTime":"2020-07-21 08:21:45Z","status":"NotStarted"}`, "Location", resultURL, "Retry-After", "1"), answer(200, `{"status":"Succeeded"}`),
		}, []string{purgePath, pollResult, pollResult}, 2 * time.Second, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, client := newUnplugged(t)
				f.then(tt.script...)
				start := time.Now()
				err := tt.call(t.Context(), client)
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
				f.wantSeen(tt.seen...)
				var refusal *Error
				if errors.As(err, &refusal); tt.code == "" && err != nil || tt.code != "" && (refusal == nil || refusal.Code != tt.code) {
					t.Errorf("the error is %v, want code %q", err, tt.code)
				}
			})
		})
	}
}

func TestPollInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeManager{t: t}
		options := f.options(f)
		options.PollInterval = 90 * time.Second
		client := newTestClient(t, &fakeCredential{}, options)
		f.then(answer(202, "", "Location", resultURL), answer(202, "", "Location", resultURL), answer(200, ""))
		start := time.Now()
		if err := client.DeleteGroup(t.Context(), "g"); err != nil || time.Since(start) != 90*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// TestGivingUp ends the context in the middle of a long operation.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, client := newUnplugged(t)
		pending := answer(202, "", "Location", resultURL, "Retry-After", "60")
		f.then(pending, pending)
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		start := time.Now()
		if err := client.DeleteGroup(ctx, "g"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 90*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// TestForeignPolls checks that an operation's state is not asked for elsewhere:
// the request would carry the token.
func TestForeignPolls(t *testing.T) {
	for _, to := range []string{"https://evil.net/", "http://management.example.com/", "https://management.example.com:8443/", "https://management.example.com.evil.net/"} {
		for _, header := range []string{"Location", "Azure-AsyncOperation"} {
			f, client := newUnplugged(t)
			f.then(answer(202, "", header, to))
			if err := client.DeleteGroup(t.Context(), "g"); err == nil {
				t.Errorf("%s %s was followed", header, to)
			}
			f.wantSeen("DELETE " + inSub + "/resourcegroups/g")
		}
	}
	f, client := newFake(t)
	f.then(answer(202, ""))
	if err := client.DeleteGroup(t.Context(), "g"); err == nil {
		t.Error("an operation without a place to ask was taken for done")
	}
}
