package tokenplane

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

// numbersAnswer is the answer to a request with a scope. Clients of that
// generation fail when a number comes as a string.
type numbersAnswer struct {
	Type       string `json:"token_type"`
	Expires    int64  `json:"expires_in"`
	ExtExpires int64  `json:"ext_expires_in"`
	Access     string `json:"access_token"`
}

// stringsAnswer is the answer to a request with a resource: every number is a
// string.
type stringsAnswer struct {
	Type       string `json:"token_type"`
	Expires    string `json:"expires_in"`
	ExtExpires string `json:"ext_expires_in"`
	ExpiresOn  string `json:"expires_on"`
	NotBefore  string `json:"not_before"`
	Resource   string `json:"resource"`
	Access     string `json:"access_token"`
}

// token answers token requests of the form.
func (p *Plane) token(f form) func(*httpx.Exchange) error {
	return func(x *httpx.Exchange) error {
		fields, err := readForm(x)
		if err != nil {
			return err
		}
		req, withScope, err := credentials(x, f, fields)
		if err != nil {
			return err
		}
		t, err := p.Identity.ClientCredentials(x.Context(), origin(x), req)
		if err != nil {
			return err
		}
		return replyToken(x, t, withScope)
	}
}

// origin returns what the audit log is to say of where a request came from.
func origin(x *httpx.Exchange) audit.Origin {
	return audit.Origin{
		RequestID: x.RequestID, ClientRequestID: x.ResponseWriter.Header().Get("Client-Request-Id"),
		Address: x.ClientAddress(), UserAgent: httpx.ClientAgent(x.Request),
	}
}

// readForm decodes a form body of bounded size.
func readForm(x *httpx.Exchange) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(x.Request.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, invalid(900144, identity.InvalidRequest,
			"The request body must contain the following parameter: 'grant_type', in the format application/x-www-form-urlencoded.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(x.ResponseWriter, x.Request.Body, x.Route.MaxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, &refusal{http.StatusRequestEntityTooLarge, &identity.Error{
			Number: 90023, OAuth: identity.InvalidRequest, Message: "The request body is larger than the token service accepts.",
		}}
	}
	if err != nil {
		return nil, invalid(90023, identity.InvalidRequest, "The request body did not arrive whole.")
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalid(90023, identity.InvalidRequest, "The request body is not a form.")
	}
	return fields, nil
}

// credentials takes the request apart. Fields that are not needed are ignored,
// because clients tell of themselves in fields as well.
func credentials(x *httpx.Exchange, f form, fields url.Values) (req identity.ClientCredentials, withScope bool, err error) {
	if err := checkRepeated(fields); err != nil {
		return req, false, err
	}
	switch grant := fields.Get("grant_type"); grant {
	case "client_credentials":
	case "":
		return req, false, invalid(900144, identity.InvalidRequest, "The request body must contain the following parameter: 'grant_type'.")
	default:
		return req, false, invalid(70003, identity.UnsupportedGrantType,
			"The app requested an unsupported grant type. This token service knows 'client_credentials' only.")
	}
	if fields.Has("client_assertion") {
		return req, false, invalid(7000216, identity.InvalidClient,
			"Client assertions are not built in this token service. Use a client secret or a managed identity.")
	}
	req = identity.ClientCredentials{Tenant: x.Params["tenant"], ClientID: fields.Get("client_id")}
	text := fields.Get("client_secret")
	// Clients of 2017 put both into the header instead, as they are.
	if id, password, ok := x.BasicAuth(); ok && text == "" {
		if req.ClientID != "" && !strings.EqualFold(req.ClientID, id) {
			return req, false, invalid(90023, identity.InvalidRequest, "The Authorization header and the body name different clients.")
		}
		req.ClientID, text = id, password
	}
	req.Secret = identity.GivenSecret(text)
	withScope = f == formV2 || f == formADFS && fields.Has("scope")
	if !withScope {
		req.Resource = fields.Get("resource")
		return req, false, nil
	}
	req.Resource, err = resourceOf(fields.Get("scope"))
	return req, true, err
}

// checkRepeated refuses a field that is given twice and differs, which whoever
// stands between the client and us could understand in the other way. Some old
// clients repeat themselves.
func checkRepeated(fields url.Values) error {
	for _, name := range []string{"grant_type", "client_id", "client_secret", "scope", "resource"} {
		for _, value := range fields[name] {
			if value != fields[name][0] {
				return invalid(9000411, identity.InvalidRequest,
					"The request is not properly formatted. The parameter '%s' is duplicated.", name)
			}
		}
	}
	return nil
}

// resourceOf returns the resource that a scope is about. The scopes of OpenID
// Connect, which some clients add to every request, mean nothing here.
func resourceOf(scope string) (string, error) {
	resource := ""
	for word := range strings.FieldsSeq(scope) {
		switch word {
		case "openid", "offline_access", "profile", "email":
			continue
		}
		name, isDefault := strings.CutSuffix(word, "/.default")
		switch {
		case !isDefault || name == "":
			return "", invalid(1002012, identity.InvalidScope, "The provided value for scope %s is not valid. "+
				"Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", echo(word))
		case resource != "" && resource != name:
			return "", invalid(70011, identity.InvalidScope, "The provided value for the input parameter 'scope' isn't valid. "+
				"The scope %s isn't valid: it names more than one resource.", echo(scope))
		}
		resource = name
	}
	if resource == "" {
		return "", invalid(900144, identity.InvalidRequest, "The request body must contain the following parameter: 'scope'.")
	}
	return resource, nil
}

// echo returns what an error may repeat of the client's own text.
func echo(s string) string {
	const max = 128
	if len(s) > max {
		s = s[:max]
	}
	return strings.ToValidUTF8(s, "?")
}

func replyToken(x *httpx.Exchange, t identity.Token, withScope bool) error {
	seconds := int64(t.Lifetime.Seconds())
	if withScope {
		return x.Reply(http.StatusOK, numbersAnswer{"Bearer", seconds, seconds, string(t.Access.Reveal())})
	}
	text := strconv.FormatInt(seconds, 10)
	return x.Reply(http.StatusOK, stringsAnswer{
		Type: "Bearer", Expires: text, ExtExpires: text,
		ExpiresOn: unix(t.Expires), NotBefore: unix(t.NotBefore),
		Resource: t.Resource, Access: string(t.Access.Reveal()),
	})
}
