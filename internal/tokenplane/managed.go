package tokenplane

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// ManagedIdentityConfig is what a managed identity endpoint works with. All
// fields but InstanceMetadata are required.
type ManagedIdentityConfig struct {
	Identity *identity.Service
	// Header is what a request must show. It has at least 256 random bits.
	Header secret.Bytes
	// ClientID and ObjectID are the identity that tokens are issued to.
	ClientID, ObjectID string
	// InstanceMetadata serves the form of the Instance Metadata Service as well, in
	// which clients show no secret.
	InstanceMetadata bool
	Logger           *slog.Logger
}

// ManagedIdentityPath is the path of the endpoint.
const ManagedIdentityPath = "/msi/token"

// The api-versions of the endpoint, by the header that shows the secret: that of
// App Service, and the one before it.
const (
	appServiceVersion = "2019-08-01"
	appServiceHeader  = "X-Identity-Header"
	oldVersion        = "2017-09-01"
	oldHeader         = "Secret"
)

type managedIdentity struct{ ManagedIdentityConfig }

// NewManagedIdentity returns the handler of a managed identity's endpoint, in the
// form of App Service (https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference)
// and in that of 2017. It is for a listener of its own on loopback: it answers
// requests that name a loopback host, that no browser and no proxy has sent, and
// that show the header. If it is asked for, it has the form of the Instance Metadata
// Service too, without the last condition.
func NewManagedIdentity(cfg ManagedIdentityConfig) http.Handler { return managedIdentity{cfg} }

// managedError is the form in which App Service refuses.
type managedError struct {
	Status  int    `json:"statusCode"`
	Message string `json:"message"`
}

// Error returns the message.
func (e *managedError) Error() string { return e.Message }

func (m managedIdentity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	status, answer := m.respond(r)
	if err := httpx.WriteJSON(w, status, answer); err != nil {
		m.Logger.ErrorContext(r.Context(), "answering a managed identity", "error", err)
	}
}

// respond returns the answer in the form that the request asks for.
func (m managedIdentity) respond(r *http.Request) (status int, answer any) {
	var err error
	if m.isInstance(r) {
		if answer, err = m.answerInstance(r); err != nil {
			refused := m.instanceRefusal(r.Context(), err)
			return refused.status, refused
		}
		return http.StatusOK, answer
	}
	if answer, err = m.answer(r); err != nil {
		refused := m.refusal(r.Context(), err)
		return refused.Status, refused
	}
	return http.StatusOK, answer
}

func (m managedIdentity) refusal(ctx context.Context, err error) *managedError {
	var own *managedError
	var oauth *identity.Error
	switch {
	case errors.As(err, &own):
		return own
	case identity.IsUnavailable(err):
		return &managedError{http.StatusServiceUnavailable, unaudited}
	case errors.As(err, &oauth):
		return &managedError{http.StatusBadRequest, oauth.Error()}
	}
	m.Logger.ErrorContext(ctx, "issuing a token to a managed identity", "error", err)
	return &managedError{http.StatusInternalServerError, "An internal error occurred; the log of the service has its cause."}
}

// managedAnswer is a token in the form of either version.
type managedAnswer struct {
	Access    string `json:"access_token"`
	ExpiresOn string `json:"expires_on"` // Unix seconds
	Resource  string `json:"resource"`
	Type      string `json:"token_type"`
	ClientID  string `json:"client_id,omitempty"`
}

func (m managedIdentity) answer(r *http.Request) (any, error) {
	if err := guard(r); err != nil {
		return nil, err
	}
	if r.URL.Path != ManagedIdentityPath || r.Method != http.MethodGet {
		return nil, &managedError{http.StatusNotFound, "The endpoint is GET " + ManagedIdentityPath + "."}
	}
	version, _ := httpx.Query(r, "api-version")
	header := appServiceHeader
	switch version {
	case appServiceVersion:
	case oldVersion:
		header = oldHeader
	default:
		return nil, &managedError{http.StatusBadRequest, "The api-version must be " + appServiceVersion + " or " + oldVersion + "."}
	}
	if !m.shows(r.Header.Get(header)) {
		return nil, &managedError{http.StatusUnauthorized, "The header " + header + " is missing or wrong."}
	}
	if err := m.checkIdentity(r); err != nil {
		return nil, err
	}
	resource, _ := httpx.Query(r, "resource")
	if resource == "" {
		return nil, &managedError{http.StatusBadRequest, "The parameter resource is missing."}
	}
	t, err := m.issue(r, resource)
	if err != nil {
		return nil, err
	}
	answer := managedAnswer{Access: string(t.Access.Reveal()), ExpiresOn: unix(t.Expires), Resource: resource, Type: "Bearer"}
	if version == appServiceVersion {
		answer.ClientID = t.ClientID
	}
	return answer, nil
}

// issue gets a token for the identity.
func (m managedIdentity) issue(r *http.Request, resource string) (identity.Token, error) {
	return m.Identity.IssueTo(r.Context(), audit.Origin{
		RequestID: httpx.NewRequestID(), Address: httpx.ClientAddress(r), UserAgent: httpx.ClientAgent(r),
	}, m.ClientID, resource)
}

// guard refuses what a program on this machine does not send: a name that only
// resolves to it, and what browsers and proxies add.
func guard(r *http.Request) error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if (err != nil || !addr.IsLoopback()) && !strings.EqualFold(host, "localhost") {
		return &managedError{http.StatusForbidden, "The endpoint answers under a loopback address only."}
	}
	for name := range r.Header {
		if name == "Origin" || name == "X-Forwarded-For" || strings.HasPrefix(name, "Sec-Fetch-") {
			return &managedError{http.StatusForbidden, "The endpoint does not answer browsers and proxies."}
		}
	}
	return nil
}

// shows compares digests, so that not even the length shows in the time taken.
func (m managedIdentity) shows(header string) bool {
	shown, want := sha256.Sum256([]byte(header)), sha256.Sum256(m.Header.Reveal())
	return m.Header.Len() > 0 && subtle.ConstantTimeCompare(shown[:], want[:]) == 1
}

// checkIdentity refuses a request for another identity than the one there is.
func (m managedIdentity) checkIdentity(r *http.Request) error {
	value := func(name string) string { v, _ := httpx.Query(r, name); return v }
	switch {
	case !one(value("client_id"), m.ClientID), !one(value("clientid"), m.ClientID),
		!one(value("object_id"), m.ObjectID), !one(value("principal_id"), m.ObjectID),
		value("mi_res_id") != "", value("msi_res_id") != "":
		return &managedError{http.StatusBadRequest, "No managed identity of that id is here. Leave the id out, or name client_id " + m.ClientID + "."}
	}
	return nil
}

// one reports whether value, if given at all, is one of those that are allowed.
func one(value string, allowed ...string) bool {
	return value == "" || slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, value) })
}
