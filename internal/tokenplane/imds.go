package tokenplane

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

// InstanceMetadataPath is the path at which a virtual machine's Instance Metadata
// Service gives tokens
// (https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token).
const InstanceMetadataPath = "/metadata/identity/oauth2/token"

const instanceVersion = "2018-02-01"

// instanceError is the form in which the Instance Metadata Service refuses.
type instanceError struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// Error returns the description.
func (e *instanceError) Error() string { return e.Description }

func badInstanceRequest(description string) error {
	return &instanceError{http.StatusBadRequest, identity.InvalidRequest, description}
}

// instanceToken is a token: every number is a string.
type instanceToken struct {
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"` // always empty
	ExpiresIn string `json:"expires_in"`
	ExpiresOn string `json:"expires_on"`
	NotBefore string `json:"not_before"`
	Resource  string `json:"resource"`
	Type      string `json:"token_type"`
	ClientID  string `json:"client_id"`
}

// isInstance reports whether a request is for the form of the Instance Metadata
// Service, if that is served. Some clients add a slash.
func (m managedIdentity) isInstance(r *http.Request) bool {
	return m.InstanceMetadata && strings.TrimSuffix(r.URL.Path, "/") == InstanceMetadataPath
}

// answerInstance is answer for the form of the Instance Metadata Service, in which
// no secret is shown: who reaches the endpoint gets a token.
func (m managedIdentity) answerInstance(r *http.Request) (any, error) {
	value := func(name string) string { v, _ := httpx.Query(r, name); return v }
	if err := guard(r); err != nil {
		return nil, &instanceError{http.StatusForbidden, identity.InvalidRequest, err.Error()}
	}
	switch {
	case r.Method != http.MethodGet:
		return nil, &instanceError{http.StatusMethodNotAllowed, identity.InvalidRequest, "The endpoint only accepts GET requests."}
	case !strings.EqualFold(r.Header.Get("Metadata"), "true"):
		return nil, badInstanceRequest("Required metadata header not specified")
	case value("api-version") != instanceVersion:
		return nil, badInstanceRequest("The api-version must be " + instanceVersion + ".")
	case value("resource") == "":
		return nil, badInstanceRequest("Required query variable 'resource' is missing")
	case m.checkIdentity(r) != nil:
		return nil, badInstanceRequest("Identity not found")
	}
	t, err := m.issue(r, value("resource"))
	if err != nil {
		return nil, err
	}
	return instanceToken{
		Access: string(t.Access.Reveal()), ExpiresIn: strconv.Itoa(int(t.Lifetime.Seconds())),
		ExpiresOn: unix(t.Expires), NotBefore: unix(t.NotBefore), Resource: value("resource"), Type: "Bearer", ClientID: t.ClientID,
	}, nil
}

func (m managedIdentity) instanceRefusal(ctx context.Context, err error) *instanceError {
	var own *instanceError
	var oauth *identity.Error
	switch {
	case errors.As(err, &own):
		return own
	case identity.IsUnavailable(err):
		return &instanceError{http.StatusServiceUnavailable, temporarilyUnavailable, unaudited}
	case errors.As(err, &oauth):
		return &instanceError{http.StatusBadRequest, oauth.OAuth, oauth.Error()}
	}
	m.Logger.ErrorContext(ctx, "issuing a token to a managed identity", "error", err)
	return &instanceError{http.StatusInternalServerError, "unknown_error", "An internal error occurred; the log of the service has its cause."}
}
