package httpx

import (
	"context"
	"errors"
	"net/http"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

// Refusal is a refusal of a plane's own, with a status that no fault.Kind stands
// for.
type Refusal struct {
	Status        int
	Code, Message string
}

// Error returns the code and the message.
func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// IsRefusal reports whether err says something to the caller, as opposed to an
// internal failure.
func IsRefusal(err error) bool {
	if _, ok := fault.As(err); ok {
		return true
	}
	var own *Refusal
	return errors.As(err, &own)
}

// Describe returns the status of an answer with err, and what it tells the caller.
// What is not a refusal stays hidden: the code is then givenUp, if the request was
// given up, or else internal, and the log has the cause under the request id.
func (x *Exchange) Describe(err error, givenUp, internal string) (status int, said fault.Error) {
	var own *Refusal
	if errors.As(err, &own) {
		return own.Status, fault.Error{Code: own.Code, Message: own.Message}
	}
	if f, ok := fault.As(err); ok {
		return Status(f.Kind), *f
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable, fault.Error{
			Code: givenUp, Message: "The request was given up before the operation was done. Retry it.",
		}
	}
	return http.StatusInternalServerError, fault.Error{
		Code: internal, Message: "An internal error occurred. The service's log has its cause under the request id " + x.RequestID + ".",
	}
}

// Status maps a kind of refusal to its HTTP status.
func Status(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case fault.Conflict:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Throttled:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
