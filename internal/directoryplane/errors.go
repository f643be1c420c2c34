package directoryplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/api/graph"
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

// authenticate finds out who asks.
func (p *Plane) authenticate(x *httpx.Exchange) error {
	bearer, given := httpx.Bearer(x.Request)
	if !given {
		return fault.New(fault.Unauthenticated, graph.CodeInvalidToken, "Access token is empty.")
	}
	caller, err := p.Verify(x.Context(), bearer)
	if f, ok := fault.As(err); ok && f.Kind == fault.Unauthenticated && f.Code != graph.CodeInvalidToken {
		// A verifier may have the words of another plane.
		return fault.New(fault.Unauthenticated, graph.CodeInvalidToken, "Access token validation failure.")
	}
	x.Caller = caller
	return err
}

// challenge tells the caller where tokens come from, as Graph does.
func challenge(x *httpx.Exchange) {
	x.ResponseWriter.Header().Set("WWW-Authenticate", fmt.Sprintf(
		`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`, x.Site.LoginURL()))
}

// noRoute says why no operation was found. allow lists the methods of the path.
func noRoute(x *httpx.Exchange, allow []string) error {
	if len(allow) == 0 {
		return fault.New(fault.NotFound, graph.CodeBadRequest,
			"Resource not found for the segment: no operation of this directory has this path.")
	}
	x.ResponseWriter.Header().Set("Allow", strings.Join(allow, ", "))
	return fault.New(fault.MethodNotAllowed, graph.CodeBadRequest,
		"Specified HTTP method is not allowed for the request target. It supports %s.", strings.Join(allow, ", "))
}

// checkContentType refuses a body that says it is not JSON in UTF-8. One that says
// nothing is taken for JSON.
func checkContentType(x *httpx.Exchange) error {
	if x.TakesJSON() {
		return nil
	}
	return &refusal{http.StatusUnsupportedMediaType, graph.CodeBadRequest, "Write requests (excluding DELETE) must contain the Content-Type header declaration of application/json."}
}

// readBody decodes the body in Graph's words for one that cannot be.
func readBody(x *httpx.Exchange, v any) error {
	err := x.ReadJSON(v)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, httpx.ErrBodyTooLarge):
		return fault.New(fault.TooLarge, graph.CodeBadRequest, "The request content is larger than this operation accepts.")
	case errors.Is(err, httpx.ErrBody):
		return fault.New(fault.Invalid, graph.CodeBadRequest, "Unable to read JSON request payload: %s.", err)
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

// refuse answers with err and returns the code that it sent. What is not a refusal
// stays hidden: the log has it under the request id.
func refuse(x *httpx.Exchange, err error) (code string) {
	if fault.KindOf(err) == fault.Unauthenticated {
		challenge(x)
	}
	status, body := describe(x, err)
	body.InnerError = graph.InnerError{
		Date: time.Now().UTC().Format("2006-01-02T15:04:05"), RequestID: x.RequestID, ClientRequestID: clientRequestID(x.Request),
	}
	if body.InnerError.ClientRequestID == "" {
		body.InnerError.ClientRequestID = x.RequestID
	}
	if err := x.Reply(status, graph.ErrorResponse{Error: body}); err != nil {
		// The envelope is strings only: it always encodes.
		panic(err)
	}
	return body.Code
}

func describe(x *httpx.Exchange, err error) (status int, body graph.Error) {
	var own *refusal
	if errors.As(err, &own) {
		return own.status, graph.Error{Code: own.code, Message: own.message}
	}
	if f, ok := fault.As(err); ok {
		return httpx.Status(f.Kind), graph.Error{Code: f.Code, Message: f.Message}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable, graph.Error{
			Code: "serviceNotAvailable", Message: "The request was given up before the operation was done. Retry it.",
		}
	}
	return http.StatusInternalServerError, graph.Error{
		Code:    "generalException",
		Message: "An internal error occurred. The service's log has its cause under the request id " + x.RequestID + ".",
	}
}

// clip shortens the caller's text to what may be repeated of it.
func clip(s string, max int) string {
	if len(s) > max {
		s = s[:max]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
