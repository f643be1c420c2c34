package tokenplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

// errorBody is Entra ID's form of a refusal
// (https://learn.microsoft.com/entra/identity-platform/reference-error-codes).
type errorBody struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri,omitempty"`
}

// refusal is a refusal with a status of its own.
type refusal struct {
	status int
	cause  *identity.Error
}

// Error returns the code and the message.
func (r *refusal) Error() string { return r.cause.Error() }

func invalid(number int, oauth, format string, args ...any) error {
	return &identity.Error{Number: number, OAuth: oauth, Message: fmt.Sprintf(format, args...)}
}

// noRoute says why no operation was found. allow lists the methods of the path.
func noRoute(x *httpx.Exchange, allow []string) error {
	if len(allow) == 0 {
		return &refusal{http.StatusNotFound, &identity.Error{
			Number: 90023, OAuth: identity.InvalidRequest, Message: "The token service has no endpoint of this path.",
		}}
	}
	x.ResponseWriter.Header().Set("Allow", strings.Join(allow, ", "))
	return &refusal{http.StatusMethodNotAllowed, &identity.Error{
		Number: 900561, OAuth: identity.InvalidRequest,
		Message: fmt.Sprintf("The endpoint only accepts %s requests.", strings.Join(allow, ", ")),
	}}
}

// refuseInteractive answers for the endpoints at which people sign in.
func refuseInteractive(*httpx.Exchange) error {
	return &refusal{http.StatusNotImplemented, &identity.Error{
		Number: 70003, OAuth: identity.UnsupportedGrantType,
		Message: "People cannot sign in here: this token service knows applications only. Use a client secret or a managed identity.",
	}}
}

// What is said while the service cannot do what it should.
const (
	temporarilyUnavailable = "temporarily_unavailable"
	unaudited              = "The audit log cannot be written, so no token is issued. Retry later; the operator finds the cause in the server's log."
)

// isRefusal reports whether err says something to the client.
func isRefusal(err error) bool {
	var own *refusal
	var e *identity.Error
	return errors.As(err, &own) || errors.As(err, &e) || identity.IsUnavailable(err)
}

// Unavailable refuses a request, whatever it is for, because the service cannot
// take it now.
func (p *Plane) Unavailable(w http.ResponseWriter, r *http.Request, message string) {
	x := &httpx.Exchange{ResponseWriter: w, Request: r, Site: httpx.SiteFrom(r.Context()), RequestID: httpx.NewRequestID()}
	writeCommonHeaders(x)
	refuse(x, &refusal{http.StatusServiceUnavailable, &identity.Error{
		Number: 90033, OAuth: temporarilyUnavailable, Message: message,
	}})
}

// refuse answers with err and returns the code that it sent. What is not a
// refusal stays hidden: the log has it under the request id.
func refuse(x *httpx.Exchange, err error) (code string) {
	status, e := describe(x, err)
	now := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	correlation := x.ResponseWriter.Header().Get("Client-Request-Id")
	if correlation == "" {
		correlation = x.RequestID
	}
	body := errorBody{
		Error: e.OAuth,
		Description: fmt.Sprintf("%s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s",
			e.Error(), x.RequestID, correlation, now),
		Codes: []int{e.Number}, Timestamp: now, TraceID: x.RequestID, CorrelationID: correlation,
		URI: fmt.Sprintf("%s/error?code=%d", x.Site.LoginURL(), e.Number),
	}
	if err := x.Reply(status, body); err != nil {
		// The body is strings and numbers only: it always encodes.
		panic(err)
	}
	return fmt.Sprintf("AADSTS%d", e.Number)
}

func describe(x *httpx.Exchange, err error) (status int, e *identity.Error) {
	var own *refusal
	if errors.As(err, &own) {
		return own.status, own.cause
	}
	if identity.IsUnavailable(err) {
		return http.StatusServiceUnavailable, &identity.Error{Number: 90033, OAuth: temporarilyUnavailable, Message: unaudited}
	}
	if errors.As(err, &e) {
		if e.OAuth == identity.InvalidClient {
			return http.StatusUnauthorized, e
		}
		return http.StatusBadRequest, e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable, &identity.Error{
			Number: 90033, OAuth: temporarilyUnavailable, Message: "The request was given up before it was done. Retry it.",
		}
	}
	return http.StatusInternalServerError, &identity.Error{
		Number: 90033, OAuth: "server_error",
		Message: "An internal error occurred. The service's log has its cause under the request id " + x.RequestID + ".",
	}
}
