// Package pages walks lists that come in pages, for the client libraries.
//
// It guarantees that a page is asked for when its first item is wanted, that a list
// ends after an error or with a page that leads to itself, and that no link leads
// away from the service. It knows neither items nor how a page is fetched.
package pages

import (
	"errors"
	"fmt"
	"iter"
	"net/url"

	"github.com/openkeyvault/openkeyvault/internal/gate"
)

// Walk returns the items of all pages of a list. fetch gets the page at a link, or
// the first one if that is empty, and the link to the next, which is empty at the
// last page: an empty page may have a successor. Its errors end the list, and are
// yielded with the zero item. list names the list in errors of Walk's own.
func Walk[T any](list string, fetch func(link string) (items []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		for link := ""; ; {
			items, next, err := fetch(link)
			if err != nil {
				yield(zero, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			if next == link {
				yield(zero, fmt.Errorf("%s: the next page is the same one again", list))
				return
			}
			link = next
		}
	}
}

// Check returns an error unless a link to the next page leads to the origin over
// TLS. The gate would refuse another host too, without saying that it came from a
// link. home names the origin's service in the error.
func Check(link string, origin gate.Origin, home string) error {
	u, err := url.Parse(link)
	switch {
	case err != nil || u.User != nil:
		return errors.New("the link to the next page is not a URL")
	case u.Scheme != "https" || gate.OriginOf(u) != origin:
		return fmt.Errorf("the link to the next page leads to %s://%s, away from %s", u.Scheme, u.Host, home)
	}
	return nil
}
