package dataplane

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

func badParameter(format string, args ...any) error {
	return fault.New(fault.Invalid, api.CodeBadParameter, format, args...)
}

// noRoute says why no operation was found. allow lists the methods of the path.
func noRoute(x *httpx.Exchange, allow []string) error {
	if len(allow) == 0 {
		return fault.New(fault.NotFound, "NotFound", "The requested resource was not found: no operation of a %s has this path.", container(x))
	}
	x.ResponseWriter.Header().Set("Allow", strings.Join(allow, ", "))
	return fault.New(fault.MethodNotAllowed, "MethodNotAllowed",
		"The requested resource does not support this HTTP method. It supports %s.", strings.Join(allow, ", "))
}

// unusableBody turns an error of ReadJSON into Azure's. Azure's text leaves a
// gap where the property's name would stand and ends its line; what is wrong
// follows on the next.
func unusableBody(err error) error {
	if errors.Is(err, httpx.ErrBodyTooLarge) {
		return fault.New(fault.TooLarge, "RequestBodyTooLarge", "The body of the request is larger than this operation accepts.")
	}
	if wrong := new(httpx.MemberError); errors.As(err, &wrong) && wrong.Kind == "string" && wrong.Type == base64URL {
		return notBase64URL(wrong.Member)
	}
	reason := "The request body cannot be read."
	if errors.Is(err, httpx.ErrBody) {
		reason = sentence(err.Error())
	}
	return badParameter("Property  has invalid value\r\n%s", reason)
}

var base64URL = reflect.TypeFor[api.Base64URL]()

// notBase64URL is Azure's answer to a text that is not base64url, after which a
// member that has to be there is not.
func notBase64URL(member string) error {
	text := fmt.Sprintf("Content of '%s' is not base64url.\r\n", member)
	if member == "value" || member == "digest" {
		text += requiredText(member)
	}
	return badParameter("%s", text)
}

// requiredText is Azure's line for a member that has to be there and is not.
func requiredText(member string) string { return "Property '" + member + "' is required.\r\n" }

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// refuse answers with err and returns the code that it sent. What is not a
// refusal stays hidden: the log has it under the request id.
func refuse(x *httpx.Exchange, err error) (code string) {
	status, body := describe(x, err)
	if x.Site.HSM != "" {
		body.Message = hsmMessage(body.Message, x.RequestID)
	}
	if err := x.Reply(status, api.ErrorResponse{Error: body}); err != nil {
		// The envelope is strings only: it always encodes.
		panic(err)
	}
	return body.Code
}

// hsmMessage puts a message into the form of a managed HSM's: without the number
// that vaults give to what is wrong with a release, and with the id of the request.
func hsmMessage(message, requestID string) string {
	if rest, found := strings.CutPrefix(message, "AKV.SKR."); found {
		if _, text, ok := strings.Cut(rest, ": "); ok {
			message = strings.TrimSuffix(text, ".")
		}
	}
	return message + " (Activity ID: " + requestID + ")"
}

// container says what kind of thing the request is for.
func container(x *httpx.Exchange) string {
	if x.Site.HSM != "" {
		return "managed HSM"
	}
	return "key vault"
}

func describe(x *httpx.Exchange, err error) (status int, body api.Error) {
	status, said := x.Describe(err, api.CodeServiceUnavailable, api.CodeInternalServerError)
	body = api.Error{Code: said.Code, Message: said.Message}
	if said.Inner != "" {
		body.InnerError = &api.InnerError{Code: said.Inner}
	}
	return status, body
}
