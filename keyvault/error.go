package keyvault

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/openkeyvault/openkeyvault/api"
)

// Error is a refusal of the vault. It wraps the *azcore.ResponseError, so that
// errors.As finds either.
type Error struct {
	// Operation is the name of the Client's method.
	Operation string
	// StatusCode is HTTP's.
	StatusCode int
	// Code is one of the Code constants of package api, or another that the
	// service uses; empty if the answer said nothing.
	Code string
	// InnerCode refines Code. It is one of the Inner constants of package api,
	// or another that the service uses, or empty.
	InnerCode string
	// Message is the service's text for people. It may span lines.
	Message string
	// RequestID finds the request in the service's records.
	RequestID string

	response *azcore.ResponseError
}

// Error returns a line that names the operation and says why it was refused.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "keyvault: %s: %d %s", e.Operation, e.StatusCode, http.StatusText(e.StatusCode))
	switch {
	case e.InnerCode != "":
		fmt.Fprintf(&text, " (%s: %s)", e.Code, e.InnerCode)
	case e.Code != "":
		fmt.Fprintf(&text, " (%s)", e.Code)
	}
	if e.Message != "" {
		text.WriteString(": " + strings.Join(strings.Fields(e.Message), " "))
	}
	return text.String()
}

// Unwrap returns the *azcore.ResponseError.
func (e *Error) Unwrap() error { return e.response }

// newError makes the error of an answer that is not the success that the
// operation expects.
func newError(operation string, resp *http.Response) error {
	err := runtime.NewResponseError(resp)
	e := &Error{
		Operation:  operation,
		StatusCode: resp.StatusCode,
		RequestID:  resp.Header.Get("x-ms-request-id"),
	}
	if !errors.As(err, &e.response) {
		return fmt.Errorf("keyvault: %s: %w", operation, err)
	}
	e.Code = e.response.ErrorCode
	body, err := runtime.Payload(resp)
	var said api.ErrorResponse
	if err != nil || json.Unmarshal(body, &said) != nil {
		// A proxy's page, or nothing at all: the status is all there is.
		return e
	}
	if said.Error.Code != "" {
		e.Code = said.Error.Code
	}
	e.Message = said.Error.Message
	if said.Error.InnerError != nil {
		e.InnerCode = said.Error.InnerError.Code
	}
	return e
}

// IsNotFound reports whether err says that there is no such secret, key or
// version, or, of methods for deleted objects, no such deleted one.
func IsNotFound(err error) bool { return status(err) == http.StatusNotFound }

// IsUnauthorized reports whether err says that the vault did not believe the
// token.
func IsUnauthorized(err error) bool { return status(err) == http.StatusUnauthorized }

// IsForbidden reports whether err says that the caller may not do this, or that
// the object's state or the vault's settings do not allow it. InnerCode of the
// *Error says which.
func IsForbidden(err error) bool { return status(err) == http.StatusForbidden }

// IsConflict reports whether err says that the state of the name is in the way,
// for example because a deleted object still holds it.
func IsConflict(err error) bool { return status(err) == http.StatusConflict }

// IsDeletedButRecoverable reports whether err says that a deleted object holds
// the name: it must be recovered or purged before the name is free.
func IsDeletedButRecoverable(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.InnerCode == api.InnerObjectIsDeletedButRecoverable
}

func status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.StatusCode
	}
	return 0
}
