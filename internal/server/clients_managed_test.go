package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/tokenplane"
)

// askManaged makes the test's own program ask for the token of a managed identity,
// which an argument may name by its client id. It is a process of its own because
// Azure's credential shares the tokens that it keeps with its whole process.
const askManaged = "ask-managed-identity"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == askManaged {
		token, err := managedToken(context.Background(), os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Print(token)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func managedToken(ctx context.Context, clientID string) (string, error) {
	o := &azidentity.ManagedIdentityCredentialOptions{
		ClientOptions: policy.ClientOptions{Transport: http.DefaultClient, Retry: policy.RetryOptions{MaxRetries: -1}},
	}
	if clientID != "" {
		o.ID = azidentity.ClientID(clientID)
	}
	cred, err := azidentity.NewManagedIdentityCredential(o)
	if err != nil {
		return "", err
	}
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{vaultResource + "/.default"}})
	return token.Token, err
}

// Azure's managed identity credential finds the endpoint in its environment, in
// the form of App Service and in that of 2017.
func TestManagedIdentityCredential(t *testing.T) {
	h := newHouse(t)
	const header = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	endpoint := httptest.NewServer(tokenplane.NewManagedIdentity(tokenplane.ManagedIdentityConfig{
		Identity: h.srv.Identity(), Header: secret.New([]byte(header)), ClientID: testClient, ObjectID: testOwner, Logger: h.cfg.Logger,
	}))
	t.Cleanup(endpoint.Close)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET"} {
		t.Setenv(name, "")
	}
	url := endpoint.URL + tokenplane.ManagedIdentityPath
	for _, form := range []struct{ endpoint, header string }{{"IDENTITY_ENDPOINT", "IDENTITY_HEADER"}, {"MSI_ENDPOINT", "MSI_SECRET"}} {
		t.Run(form.endpoint, func(t *testing.T) {
			get := func(header, clientID string) (string, error) {
				cmd := exec.CommandContext(t.Context(), self, askManaged, clientID)
				cmd.Env = append(os.Environ(), form.endpoint+"="+url, form.header+"="+header)
				token, err := cmd.Output()
				if failed, ok := errors.AsType[*exec.ExitError](err); ok {
					err = errors.New(string(failed.Stderr))
				}
				return string(token), err
			}
			for _, id := range []string{"", testClient} {
				token, err := get(header, id)
				if err != nil {
					t.Fatal(err)
				}
				caller, err := h.srv.Identity().Verify(t.Context(), identity.PlaneVault, token)
				if err != nil || caller.ObjectID != testOwner {
					t.Errorf("%+v, %v", caller, err)
				}
			}
			if _, err := get(header, testTenant); err == nil || !strings.Contains(err.Error(), "No managed identity of that id is here") {
				t.Errorf("another identity: %v", err)
			}
			if _, err := get("wrong", testSubscription); err == nil || !strings.Contains(err.Error(), "missing or wrong") {
				t.Errorf("a wrong header: %v", err)
			}
		})
	}
}
