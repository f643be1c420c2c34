package management

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// newFakeDirectory returns a fake and a client of it without any network.
func newFakeDirectory(t *testing.T, endpoint string) (*fakeManager, *fakeCredential, *DirectoryClient) {
	t.Helper()
	f, cred := &fakeManager{t: t}, &fakeCredential{}
	client, err := NewDirectoryClient(cred, &DirectoryOptions{
		ClientOptions: azcore.ClientOptions{Transport: f, Retry: policy.RetryOptions{MaxRetries: -1}}, Endpoint: endpoint,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, cred, client
}

// TestDirectoryRequests holds every operation against the request that it sends
// and the answer that it returns.
func TestDirectoryRequests(t *testing.T) {
	t.Parallel()
	const byKey = "/v1.0/applications(appId='c')"
	for _, tc := range []struct {
		name              string
		call              func(context.Context, *DirectoryClient) (any, error)
		method, uri, body string
		status            int
		answer, want      string
	}{
		{"CreateApplication", func(ctx context.Context, d *DirectoryClient) (any, error) { return d.CreateApplication(ctx, "n") },
			"POST", "/v1.0/applications", `{"displayName":"n","signInAudience":"AzureADMyOrg"}`, 201, `{"id":"i","appId":"c","displayName":"n"}`,
			`{"id":"i","appId":"c","displayName":"n","identifierUris":null,"passwordCredentials":null}`},
		{"GetApplication", func(ctx context.Context, d *DirectoryClient) (any, error) { return d.GetApplication(ctx, "c") },
			"GET", byKey, "", 200, `{"appId":"c","identifierUris":[],"passwordCredentials":[{"keyId":"k","hint":"abc"}],"more":{}}`,
			`{"appId":"c","identifierUris":[],"passwordCredentials":[{"keyId":"k"}]}`},
		{"DeleteApplication", func(ctx context.Context, d *DirectoryClient) (any, error) { return nil, d.DeleteApplication(ctx, "c") },
			"DELETE", byKey, "", 204, "", "null"},
		{"a client id with a quote", func(ctx context.Context, d *DirectoryClient) (any, error) {
			return nil, d.DeleteApplication(ctx, "a'/b")
		},
			"DELETE", "/v1.0/applications(appId='a%27%27%2Fb')", "", 204, "", "null"},
		{"AddPassword", func(ctx context.Context, d *DirectoryClient) (any, error) {
			return d.AddPassword(ctx, "c", "n", time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)))
		}, "POST", byKey + "/addPassword", `{"passwordCredential":{"displayName":"n","endDateTime":"2030-01-02T02:04:05Z"}}`, 200,
			`{"keyId":"k","secretText":"s"}`, `{"keyId":"k","secretText":"s"}`},
		{"AddPassword without an end", func(ctx context.Context, d *DirectoryClient) (any, error) {
			return d.AddPassword(ctx, "c", "", time.Time{})
		}, "POST", byKey + "/addPassword", `{"passwordCredential":{}}`, 200, `{"keyId":"k"}`, `{"keyId":"k"}`},
		{"RemovePassword", func(ctx context.Context, d *DirectoryClient) (any, error) {
			return nil, d.RemovePassword(ctx, "c", "k")
		},
			"POST", byKey + "/removePassword", `{"keyId":"k"}`, 204, "", "null"},
		{"CreateServicePrincipal", func(ctx context.Context, d *DirectoryClient) (any, error) { return d.CreateServicePrincipal(ctx, "c") },
			"POST", "/v1.0/servicePrincipals", `{"appId":"c"}`, 201, `{"id":"p","appId":"c"}`, `{"id":"p","appId":"c"}`},
		{"GetServicePrincipal", func(ctx context.Context, d *DirectoryClient) (any, error) { return d.GetServicePrincipal(ctx, "c") },
			"GET", "/v1.0/servicePrincipals(appId='c')", "", 200, `{"id":"p"}`, `{"id":"p"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, cred, client := newFakeDirectory(t, "")
			f.then(answer(tc.status, tc.answer))
			got, err := tc.call(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			if want := (request{tc.method, tc.uri, tc.body, "Bearer token"}); f.requests[0] != want {
				t.Errorf("sent %+v\nwant %+v", f.requests[0], want)
			}
			if text := mustJSON(t, got); text != tc.want {
				t.Errorf("returned %s\nwant %s", text, tc.want)
			}
			if !slices.Equal(cred.scopes, []string{"https://graph.microsoft.com/.default"}) {
				t.Errorf("scopes %q", cred.scopes)
			}
			f.then(answer(409, `{"error":{"code":"Code","message":"m","innerError":{"request-id":"r"}}}`, "request-id", "r-1"))
			_, err = tc.call(t.Context(), client)
			var e *Error
			if !errors.As(err, &e) || e.Code != "Code" || e.Message != "m" || e.RequestID != "r-1" || !IsConflict(err) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestListApplications(t *testing.T) {
	t.Parallel()
	const base = "https://directory.example.com"
	list := func(answers ...http.HandlerFunc) (ids []string, seen []string, err error) {
		f, _, client := newFakeDirectory(t, base+"/")
		f.then(answers...)
		for app, failed := range client.ListApplications(t.Context()) {
			if failed != nil {
				return ids, f.seen(), failed
			}
			ids = append(ids, app.AppID)
		}
		return ids, f.seen(), nil
	}
	page := func(next string) http.HandlerFunc {
		return answer(200, `{"value":[{"appId":"a"},{"appId":"b"}],"@odata.nextLink":"`+next+`"}`)
	}
	next := base + "/v1.0/applications?$skiptoken=x"
	ids, seen, err := list(page(next), answer(200, `{"value":[{"appId":"c"}]}`))
	if err != nil || strings.Join(ids, "") != "abc" || len(seen) != 2 || seen[0] != "GET /v1.0/applications" || !strings.Contains(seen[1], "skiptoken=x") {
		t.Errorf("%v, %v, %v", ids, seen, err)
	}
	if _, seen, err := list(page("https://evil.example.com/v1.0/applications")); err == nil || len(seen) != 1 {
		t.Errorf("a link that leads away: %v, %v", seen, err)
	}
	if _, _, err := list(page(next), page(next)); err == nil || !strings.Contains(err.Error(), "the same one again") {
		t.Errorf("a link to itself: %v", err)
	}
	if _, _, err := list(answer(403, `{"error":{"code":"Authorization_RequestDenied","message":"m"}}`)); !IsForbidden(err) {
		t.Errorf("refused: %v", err)
	}
}

func TestNewDirectoryClientRefuses(t *testing.T) {
	t.Parallel()
	if _, err := NewDirectoryClient(nil, nil); err == nil {
		t.Error("a nil credential was taken")
	}
	if _, err := NewDirectoryClient(&fakeCredential{}, nil); err != nil {
		t.Errorf("without options: %v", err)
	}
	for _, endpoint := range []string{"http://graph.microsoft.com", "graph.microsoft.com", "https://", "https://user@graph.microsoft.com", "https://graph.microsoft.com?x"} {
		if _, err := NewDirectoryClient(&fakeCredential{}, &DirectoryOptions{Endpoint: endpoint}); err == nil {
			t.Errorf("%s was taken", endpoint)
		}
	}
	// A redirect is an answer: it would carry the token elsewhere.
	server := httptest.NewTLSServer(http.RedirectHandler("https://evil.example.com", http.StatusFound))
	t.Cleanup(server.Close)
	client, err := NewDirectoryClient(&fakeCredential{}, &DirectoryOptions{
		ClientOptions: azcore.ClientOptions{Transport: server.Client()}, Endpoint: server.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetApplication(t.Context(), "c"); status(err) != http.StatusFound {
		t.Errorf("a redirect: %v", err)
	}
}
