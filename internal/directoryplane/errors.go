package directoryplane

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

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
	return &httpx.Refusal{Status: http.StatusUnsupportedMediaType, Code: graph.CodeBadRequest, Message: "Write requests (excluding DELETE) must contain the Content-Type header declaration of application/json."}
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

// refuse answers with err and returns the code that it sent. What is not a refusal
// stays hidden: the log has it under the request id.
func refuse(x *httpx.Exchange, err error) (code string) {
	if fault.KindOf(err) == fault.Unauthenticated {
		challenge(x)
	}
	status, said := x.Describe(err, "serviceNotAvailable", "generalException")
	body := graph.Error{Code: said.Code, Message: said.Message, InnerError: graph.InnerError{
		Date: time.Now().UTC().Format("2006-01-02T15:04:05"), RequestID: x.RequestID, ClientRequestID: clientRequestID(x.Request),
	}}
	if body.InnerError.ClientRequestID == "" {
		body.InnerError.ClientRequestID = x.RequestID
	}
	if err := x.Reply(status, graph.ErrorResponse{Error: body}); err != nil {
		// The envelope is strings only: it always encodes.
		panic(err)
	}
	return body.Code
}

// clip shortens the caller's text to what may be repeated of it.
func clip(s string, max int) string {
	if len(s) > max {
		s = s[:max]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
