package directoryplane

import (
	"time"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

// applicationBody and principalBody have members that clients expect to be there
// and that mean nothing here.
type applicationBody struct {
	Context string `json:"@odata.context,omitempty"` // of an answer that is one object
	Type    string `json:"@odata.type,omitempty"`    // in a list of several types
	graph.Application
	Keys []struct{} `json:"keyCredentials"`
	Tags []string   `json:"tags"`
}

type principalBody struct {
	Context string `json:"@odata.context,omitempty"`
	Type    string `json:"@odata.type,omitempty"`
	graph.ServicePrincipal
	Keys             []struct{} `json:"keyCredentials"`
	Passwords        []struct{} `json:"passwordCredentials"`
	AlternativeNames []string   `json:"alternativeNames"`
	Tags             []string   `json:"tags"`
}

// passwordBody is the one answer that shows a secret.
type passwordBody struct {
	Context string `json:"@odata.context"`
	graph.PasswordCredential
}

func replyApplication(x *httpx.Exchange, status int, r *identity.Registration) error {
	body := application(r)
	body.Context = contextURL(x, "applications/$entity")
	return x.Reply(status, body)
}

func replyPrincipal(x *httpx.Exchange, status int, r *identity.Registration) error {
	body := principal(r)
	body.Context = contextURL(x, "servicePrincipals/$entity")
	return x.Reply(status, body)
}

// contextURL says what an answer holds, in OData's words.
func contextURL(x *httpx.Exchange, what string) string {
	return x.Site.DirectoryURL() + "/v1.0/$metadata#" + what
}

func application(r *identity.Registration) applicationBody {
	out := applicationBody{
		Application: graph.Application{
			ID: r.RegistrationID, AppID: r.ClientID, DisplayName: r.Name, CreatedAt: moment(r.Created),
			SignInAudience: graph.SignInAudience, IdentifierURIs: []string{}, Passwords: make([]graph.PasswordCredential, len(r.Secrets)),
		},
		Keys: []struct{}{}, Tags: []string{},
	}
	for i, s := range r.Secrets {
		out.Passwords[i] = password(s)
	}
	return out
}

func password(s identity.SecretInfo) graph.PasswordCredential {
	start := s.Start
	if start.IsZero() {
		start = s.Created
	}
	return graph.PasswordCredential{KeyID: s.ID, DisplayName: s.Name, Start: moment(start), End: moment(s.End)}
}

func principal(r *identity.Registration) principalBody {
	enabled := true
	return principalBody{
		ServicePrincipal: graph.ServicePrincipal{
			ID: r.ObjectID, AppID: r.ClientID, DisplayName: r.Name, AppDisplayName: r.Name,
			AppOwnerOrganizationID: r.TenantID, AccountEnabled: &enabled, ServicePrincipalNames: []string{r.ClientID},
			ServicePrincipalType: "Application", SignInAudience: graph.SignInAudience,
		},
		Keys: []struct{}{}, Passwords: []struct{}{}, AlternativeNames: []string{}, Tags: []string{},
	}
}

// moment returns a time as it is shown, nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
