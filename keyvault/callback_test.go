package keyvault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

func TestCallbackCredential(t *testing.T) {
	f := newFakeVault(t)
	type key struct{}
	calls := 0
	cred := CallbackCredential(func(ctx context.Context, authority, resource, scope string) (string, string, error) {
		calls++
		if authority != "https://login.example.net/tenant-1" || resource != "https://example.com" || scope != "" {
			t.Errorf("called with %q, %q, %q", authority, resource, scope)
		}
		if ctx.Value(key{}) != "value" {
			t.Error("the callback does not see the caller's context")
		}
		return "bearer", fmt.Sprint("callback-", calls), nil
	})
	c := f.client(t, cred)
	ctx := context.WithValue(t.Context(), key{}, "value")
	get := func() []string {
		t.Helper()
		f.seen()
		if _, err := c.GetKey(ctx, "k", ""); err != nil {
			t.Fatal(err)
		}
		return authorizations(f.seen())
	}
	if sent := get(); !slices.Equal(sent, []string{"", "callback-1"}) {
		t.Errorf("first sent %q", sent)
	}
	if sent := get(); !slices.Equal(sent, []string{"callback-1"}) {
		t.Errorf("then sent %q", sent)
	}
	f.challenge = func(token string) (string, bool) { return goodChallenge, token == "callback-2" }
	if sent := get(); !slices.Equal(sent, []string{"callback-1", "callback-2"}) {
		t.Errorf("after the refusal sent %q", sent)
	}
}

func TestCallbackScope(t *testing.T) {
	f := newFakeVault(t)
	f.challenge = func(token string) (string, bool) {
		return `Bearer authorization="https://login.example.net/t" scope="https://example.com/.default"`, token != ""
	}
	c := f.client(t, CallbackCredential(func(_ context.Context, _, resource, scope string) (string, string, error) {
		if resource != "" || scope != "https://example.com/.default" {
			t.Errorf("called with %q, %q", resource, scope)
		}
		return "Bearer", "t", nil
	}))
	if _, err := c.GetKey(t.Context(), "k", ""); err != nil {
		t.Error(err)
	}
}

func TestCallbackFails(t *testing.T) {
	f := newFakeVault(t)
	broken := errors.New("no token today")
	for want, callback := range map[string]AuthenticationCallback{
		"no token today": func(context.Context, string, string, string) (string, string, error) {
			return "Bearer", "hunter2", broken
		},
		`"PoP"`:       func(context.Context, string, string, string) (string, string, error) { return "PoP", "hunter2", nil },
		"empty token": func(context.Context, string, string, string) (string, string, error) { return "Bearer", "", nil },
		"nil":         nil,
	} {
		_, err := f.client(t, CallbackCredential(callback)).GetKey(t.Context(), "k", "")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := CallbackCredential(nil).GetToken(t.Context(), policy.TokenRequestOptions{}); err == nil {
		t.Error("a callback answered a request that has no challenge")
	}
}
