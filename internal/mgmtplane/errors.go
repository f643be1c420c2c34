package mgmtplane

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// refusal is a refusal of this package's own, with a status that no fault.Kind
// stands for.
type refusal struct {
	status        int
	code, message string
}

// Error returns the code and the message.
func (r *refusal) Error() string { return r.code + ": " + r.message }

// gatewayCodes are those with which Resource Manager itself refuses, before a
// resource provider has seen the request. It marks its answers so.
var gatewayCodes = map[string]bool{
	arm.CodeAuthenticationFailed: true, arm.CodeInvalidAuthenticationToken: true, arm.CodeExpiredAuthenticationToken: true,
	arm.CodeInvalidAuthenticationTokenTenant: true, arm.CodeInvalidAuthenticationTokenAudience: true,
	arm.CodeAuthorizationFailed: true, arm.CodeMissingAPIVersionParameter: true, arm.CodeInvalidAPIVersionParameter: true,
	arm.CodeNoRegisteredProviderFound: true, arm.CodeInvalidSubscriptionID: true, arm.CodeSubscriptionNotFound: true,
	arm.CodeResourceGroupNotFound: true, arm.CodeResourceNotFound: true, arm.CodeInvalidResourceGroupLocation: true,
	arm.CodeResourceGroupBeingDeleted: true, codeInvalidContent: true,
}

const codeInvalidContent = "InvalidRequestContent"

// noRoute says why no operation was found. allow lists the methods of the path.
func noRoute(x *httpx.Exchange, allow []string) error {
	if len(allow) == 0 {
		return fault.New(fault.NotFound, "NotFound", "The requested resource was not found: no operation of this management plane has this path.")
	}
	x.ResponseWriter.Header().Set("Allow", strings.Join(allow, ", "))
	return fault.New(fault.MethodNotAllowed, arm.CodeMethodNotAllowed,
		"The requested resource does not support http method '%s'. It supports %s.", clip(x.Method, 16), strings.Join(allow, ", "))
}

// readBody decodes the body in Resource Manager's words for one that cannot be.
func readBody(x *httpx.Exchange, v any) error {
	err := x.ReadJSON(v)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, httpx.ErrBodyTooLarge):
		return fault.New(fault.TooLarge, "RequestContentTooLarge", "The request content is larger than this operation accepts.")
	case errors.Is(err, httpx.ErrBody):
		return fault.New(fault.Invalid, codeInvalidContent, "The request content was invalid and could not be deserialized: '%s'.", err)
	default:
		return err
	}
}

// isRefusal reports whether err says something to the caller, as opposed to an
// internal failure.
func isRefusal(err error) bool {
	if _, ok := fault.As(err); ok {
		return true
	}
	var own *refusal
	return errors.As(err, &own)
}

// refuse answers with err and returns the code that it sent. What is not a
// refusal stays hidden: the log has it under the request id.
func (p *plane) refuse(x *httpx.Exchange, err error) (code string) {
	if fault.KindOf(err) == fault.Unauthenticated {
		p.challenge(x, err)
	}
	status, body := describe(x, err)
	if gatewayCodes[body.Code] {
		x.ResponseWriter.Header().Set("X-Ms-Failure-Cause", "gateway")
	}
	if err := x.Reply(status, arm.ErrorResponse{Error: body}); err != nil {
		// The envelope is strings only: it always encodes.
		panic(err)
	}
	return body.Code
}

func describe(x *httpx.Exchange, err error) (status int, body arm.ErrorDetail) {
	var own *refusal
	if errors.As(err, &own) {
		return own.status, arm.ErrorDetail{Code: own.code, Message: own.message}
	}
	if f, ok := fault.As(err); ok {
		return httpx.Status(f.Kind), arm.ErrorDetail{Code: f.Code, Message: f.Message, Target: f.Target}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable, arm.ErrorDetail{
			Code: "ServiceUnavailable", Message: "The request was given up before the operation was done. Retry it.",
		}
	}
	return http.StatusInternalServerError, arm.ErrorDetail{
		Code:    "InternalServerError",
		Message: "An internal error occurred. The service's log has its cause under the request id " + x.RequestID + ".",
	}
}
