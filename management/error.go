package management

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/openkeyvault/openkeyvault/api/arm"
)

// Error is a refusal of the management plane, or the failure of a long
// operation. It wraps the *azcore.ResponseError, so that errors.As finds either.
type Error struct {
	// Operation is the name of the Client's method.
	Operation string
	// StatusCode is HTTP's. A long operation may fail with 200.
	StatusCode int
	// Code is one of the Code constants of package arm, or another that the
	// service uses; empty if the answer said nothing.
	Code string
	// Message is the service's text for people. It may span lines.
	Message string
	// Target is the member or resource that the error is about, if given.
	Target string
	// Details are the reasons behind the error, if given.
	Details []arm.ErrorDetail
	// RequestID finds the request in the service's records.
	RequestID string

	response *azcore.ResponseError
}

// Error returns a line that names the operation and says why it was refused.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "management: %s: %d %s", e.Operation, e.StatusCode, http.StatusText(e.StatusCode))
	if e.Code != "" {
		text.WriteString(" (" + e.Code + ")")
	}
	if e.Message != "" {
		text.WriteString(": " + strings.Join(strings.Fields(e.Message), " "))
	}
	return text.String()
}

// Unwrap returns the *azcore.ResponseError.
func (e *Error) Unwrap() error { return e.response }

// asError turns an error of azcore into one of this package.
func asError(operation string, err error) error {
	var response *azcore.ResponseError
	if !errors.As(err, &response) || response.RawResponse == nil {
		return fmt.Errorf("management: %s: %w", operation, err)
	}
	e := &Error{
		Operation:  operation,
		StatusCode: response.StatusCode,
		Code:       response.ErrorCode,
		RequestID:  cmp.Or(response.RawResponse.Header.Get("x-ms-request-id"), response.RawResponse.Header.Get("request-id")),
		response:   response,
	}
	body, err := runtime.Payload(response.RawResponse)
	if err != nil {
		return e
	}
	if said, ok := parseError(body); ok {
		e.Code, e.Message, e.Target, e.Details = said.Code, said.Message, said.Target, said.Details
	}
	return e
}

// parseError reads the body of a refusal. Some old answers have the members of
// the error without the wrapper around them.
func parseError(body []byte) (arm.ErrorDetail, bool) {
	var wrapped arm.ErrorResponse
	if json.Unmarshal(body, &wrapped) == nil && wrapped.Error.Code != "" {
		return wrapped.Error, true
	}
	var bare arm.ErrorDetail
	if json.Unmarshal(body, &bare) == nil && bare.Code != "" {
		return bare, true
	}
	return arm.ErrorDetail{}, false
}

// IsNotFound reports whether err says that there is no such resource.
func IsNotFound(err error) bool { return status(err) == http.StatusNotFound }

// IsUnauthorized reports whether err says that the service did not believe the
// token.
func IsUnauthorized(err error) bool { return status(err) == http.StatusUnauthorized }

// IsForbidden reports whether err says that the caller may not do this.
func IsForbidden(err error) bool { return status(err) == http.StatusForbidden }

// IsConflict reports whether err says that the state of the resource is in the
// way, for example because a deleted vault still holds the name.
func IsConflict(err error) bool { return status(err) == http.StatusConflict }

func status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.StatusCode
	}
	return 0
}
