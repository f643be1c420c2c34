package directoryplane

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/identity"
)

const (
	maxFilter    = 2048
	maxSkipToken = 1024 // characters of its text
	defaultPage  = 100
)

// clientIDParam is the parameter of a route that was addressed by the alternate
// key. No pattern has a parameter of this name.
const clientIDParam = "appId"

// alternateKey returns a path, as sent, in which "applications(appId='X')" is
// "applications/X", and X decoded, or the path as it is. What is not exactly of
// this form is left alone, and then has no route.
func alternateKey(escapedPath string) (path, clientID string) {
	segments := strings.Split(escapedPath, "/")
	if len(segments) < 3 {
		return escapedPath, ""
	}
	segment, err := url.PathUnescape(segments[2])
	if err != nil {
		return escapedPath, ""
	}
	collection, rest, found := strings.Cut(segment, "(")
	name, value, equals := strings.Cut(strings.TrimSuffix(rest, ")"), "=")
	if !found || !equals || !strings.HasSuffix(rest, ")") || !strings.EqualFold(strings.TrimSpace(name), "appId") {
		return escapedPath, ""
	}
	clientID, after, ok := literal(strings.TrimSpace(value))
	if !ok || after != "" || clientID == "" {
		return escapedPath, ""
	}
	segments[2] = url.PathEscape(collection) + "/" + url.PathEscape(clientID)
	return strings.Join(segments, "/"), clientID
}

// applicationRef returns the application that the path names: by the alternate
// key, or by its object id.
func applicationRef(x *httpx.Exchange) identity.ApplicationRef {
	if id := x.Params[clientIDParam]; id != "" {
		return identity.ApplicationRef{ClientID: id}
	}
	return identity.ApplicationRef{RegistrationID: x.Params["id"]}
}

// principalRef is applicationRef for a service principal.
func principalRef(x *httpx.Exchange) identity.ApplicationRef {
	if id := x.Params[clientIDParam]; id != "" {
		return identity.ApplicationRef{ClientID: id}
	}
	return identity.ApplicationRef{ObjectID: x.Params["id"]}
}

// readFilter returns what the query selects.
func readFilter(x *httpx.Exchange) (identity.ApplicationFilter, error) {
	text, _ := x.QueryValue("$filter")
	f, ok := parseFilter(text)
	if !ok {
		return f, fault.New(fault.Invalid, graph.CodeUnsupportedQuery,
			"Unsupported or invalid query filter clause specified for property: '%s'.", clip(text, 128))
	}
	return f, nil
}

// parseFilter parses one comparison, which is all that clients send:
//
//	appId eq 'text'
//	displayName eq 'text'
//	startswith(displayName,'text')
//	servicePrincipalNames/any(c:c eq 'text')
//	identifierUris/any(c:c eq 'text')
//
// A service principal's names are its client id; applications have no URIs that
// identify them.
func parseFilter(text string) (f identity.ApplicationFilter, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return f, true
	}
	if len(text) > maxFilter {
		return f, false
	}
	if rest, found := cutPrefixFold(text, "startswith("); found {
		name, value, ok := call2(rest)
		if f.NamePrefix = value; !ok || value == "" || !strings.EqualFold(name, "displayName") {
			return identity.ApplicationFilter{}, false
		}
		return f, true
	}
	if collection, rest, found := strings.Cut(text, "/"); found && !strings.ContainsAny(collection, " '") {
		return anyOf(collection, rest)
	}
	name, value, ok := equality(text)
	if !ok {
		return identity.ApplicationFilter{}, false
	}
	return selecting(name, value)
}

// selecting is an equality. No application has an empty name or id.
func selecting(name, value string) (f identity.ApplicationFilter, ok bool) {
	switch strings.ToLower(name) {
	case "appid":
		f.ClientID = value
	case "displayname":
		f.Name = value
	default:
		return identity.ApplicationFilter{}, false
	}
	f.None = value == ""
	return f, true
}

// anyOf is a condition on the members of a collection: "any(c:c eq 'text')".
func anyOf(collection, text string) (f identity.ApplicationFilter, ok bool) {
	inner, found := cutPrefixFold(text, "any(")
	inner, closed := strings.CutSuffix(inner, ")")
	variable, condition, colon := strings.Cut(inner, ":")
	if !found || !closed || !colon {
		return identity.ApplicationFilter{}, false
	}
	name, value, ok := equality(strings.TrimSpace(condition))
	if variable = strings.TrimSpace(variable); !ok || variable == "" || name != variable {
		return identity.ApplicationFilter{}, false
	}
	switch strings.ToLower(collection) {
	case "serviceprincipalnames":
		return selecting("appId", value)
	case "identifieruris":
		f.None = true
		return f, true
	}
	return identity.ApplicationFilter{}, false
}

// equality takes "name eq 'text'" apart.
func equality(text string) (name, value string, ok bool) {
	name, rest, _ := strings.Cut(text, " ")
	operator, rest, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	value, rest, ok = literal(strings.TrimLeft(rest, " "))
	return name, value, ok && rest == "" && strings.EqualFold(operator, "eq")
}

// call2 takes "name,'text')" apart.
func call2(text string) (name, value string, ok bool) {
	name, rest, _ := strings.Cut(text, ",")
	value, rest, ok = literal(strings.TrimSpace(rest))
	return strings.TrimSpace(name), value, ok && strings.TrimSpace(rest) == ")"
}

// literal returns a text in single quotes, in which a quote is doubled, and what
// follows it.
func literal(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, "'") {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '\'':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		default:
			return b.String(), s[i+1:], true
		}
	}
	return "", "", false
}

func cutPrefixFold(s, prefix string) (after string, found bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// readPage returns the page that the query asks for.
func readPage(x *httpx.Exchange) (identity.DirectoryPage, error) {
	p := identity.DirectoryPage{Max: defaultPage}
	if text, given := x.QueryValue("$top"); given && text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > identity.MaxDirectoryPage {
			return p, fault.New(fault.Invalid, graph.CodeBadRequest,
				"Invalid page size specified: '%s'. Must be between 1 and %d inclusive.", clip(text, 64), identity.MaxDirectoryPage)
		}
		p.Max = n
	}
	if text, given := x.QueryValue("$skiptoken"); given && text != "" {
		marker, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(text) > maxSkipToken || len(marker) == 0 {
			return p, fault.New(fault.Invalid, graph.CodeBadRequest, "Invalid $skiptoken specified.")
		}
		p.Marker = string(marker)
	}
	return p, nil
}

// nextLink is the request's own URL with another token, on the host that the
// request came to.
func nextLink(x *httpx.Exchange, marker string) string {
	query := x.URL.Query()
	for name := range query {
		if strings.EqualFold(name, "$skiptoken") {
			query.Del(name)
		}
	}
	query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(marker)))
	return x.Site.DirectoryURL() + x.URL.EscapedPath() + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}
