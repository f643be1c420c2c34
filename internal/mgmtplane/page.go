package mgmtplane

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

const (
	defaultPage  = 100
	maxSkipToken = 1024 // characters of its text
)

// page is arm.List without its method: the plain encoding keeps the & of next
// links as it is.
type page[T any] arm.List[T]

// readPage returns the page that the query asks for. A $top beyond the largest
// page is no error: it is a wish, and the next link says what is left.
func readPage(x *httpx.Exchange) (resource.PageRequest, error) {
	p := resource.PageRequest{Max: defaultPage}
	if text, given := x.QueryValue("$top"); given && text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return p, badQuery("$top", text)
		}
		p.Max = min(n, resource.MaxPage)
	}
	if text, given := x.QueryValue("$skiptoken"); given && text != "" {
		marker, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(text) > maxSkipToken || len(marker) == 0 {
			return p, badQuery("$skiptoken", text)
		}
		p.Marker = string(marker)
	}
	return p, nil
}

func badQuery(name, value string) error {
	return fault.New(fault.Invalid, "InvalidQueryParameterValue",
		"The value '%s' of the query parameter '%s' is invalid.", clip(value, 64), name)
}

// replyPage answers with a page and the absolute URL of the next one.
func replyPage[D, W any](x *httpx.Exchange, found resource.Page[D], render func(D) W) error {
	answer := page[W]{Value: make([]W, len(found.Items))}
	for i, item := range found.Items {
		answer.Value[i] = render(item)
	}
	if found.Next != "" {
		answer.NextLink = nextLink(x, found.Next)
	}
	return x.Reply(http.StatusOK, answer)
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
	return x.Site.ManagementURL() + x.URL.EscapedPath() + "?" + query.Encode()
}
