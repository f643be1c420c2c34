package dataplane

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// skipToken is what a next link carries, in the service's own form.
type skipToken struct {
	NextMarker     string
	TargetLocation int
}

const maxSkipToken = 1024 // characters of its text

// page is api.List without its method: the plain encoding keeps the & of next
// links as it is.
type page[T any] api.List[T]

// readPage returns the page that the query asks for.
func readPage(x *httpx.Exchange) (vault.PageRequest, error) {
	p := vault.PageRequest{Max: vault.MaxPage}
	if text, given := x.QueryValue("maxresults"); given {
		n, err := strconv.Atoi(text)
		if err != nil {
			return p, badParameter("Invalid maxresults: it must be from 1 to %d.", vault.MaxPage)
		}
		p.Max = n
	}
	if text, given := x.QueryValue("$skiptoken"); given {
		marker, ok := parseSkipToken(text)
		if !ok {
			return p, badParameter("The request URI contains an invalid $skiptoken.")
		}
		p.Marker = marker
	}
	return p, nil
}

func parseSkipToken(text string) (marker string, ok bool) {
	if len(text) > maxSkipToken {
		return "", false
	}
	plain, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return "", false
	}
	var token skipToken
	if err := httpx.DecodeJSON(plain, &token); err != nil {
		return "", false
	}
	return token.NextMarker, token.NextMarker != ""
}

// nextLink returns the URL of the page after marker, for the collection at
// path. It names the port even where it is the default, as the service does;
// maxresults stands last, and only if the caller sent it.
func nextLink(x *httpx.Exchange, path, marker string) (string, error) {
	plain, err := json.Marshal(skipToken{NextMarker: marker})
	if err != nil {
		return "", err
	}
	base := x.Site.ContainerURL()
	if strings.Count(base, ":") == 1 {
		base += ":443"
	}
	link := base + path + "?api-version=" + x.APIVersion + "&$skiptoken=" + base64.RawURLEncoding.EncodeToString(plain)
	if text, given := x.QueryValue("maxresults"); given {
		link += "&maxresults=" + url.QueryEscape(text)
	}
	return link, nil
}

// replyPage answers with one page of the collection at path.
func replyPage[T, W any](x *httpx.Exchange, path string, found vault.Page[T], item func(*httpx.Exchange, *T) W) error {
	answer := page[W]{Value: make([]W, 0, len(found.Items))}
	for i := range found.Items {
		answer.Value = append(answer.Value, item(x, &found.Items[i]))
	}
	if found.Next != "" {
		link, err := nextLink(x, path, found.Next)
		if err != nil {
			return err
		}
		answer.NextLink = &link
	}
	return x.Reply(http.StatusOK, answer)
}
