package mgmtplane

import (
	"errors"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

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

// refuse answers with err and returns the code that it sent. What is not a
// refusal stays hidden: the log has it under the request id.
func (p *plane) refuse(x *httpx.Exchange, err error) (code string) {
	if fault.KindOf(err) == fault.Unauthenticated {
		p.challenge(x, err)
	}
	status, said := x.Describe(err, "ServiceUnavailable", "InternalServerError")
	if gatewayCodes[said.Code] {
		x.ResponseWriter.Header().Set("X-Ms-Failure-Cause", "gateway")
	}
	body := arm.ErrorDetail{Code: said.Code, Message: said.Message, Target: said.Target}
	if err := x.Reply(status, arm.ErrorResponse{Error: body}); err != nil {
		// The envelope is strings only: it always encodes.
		panic(err)
	}
	return body.Code
}
