package pages_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/gate"
	"github.com/openkeyvault/openkeyvault/internal/pages"
)

func TestWalk(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	type page struct {
		items []int
		next  string
		err   error
	}
	for name, tc := range map[string]struct {
		pages map[string]page
		stop  int // at this item, if not zero
		items []int
		asked []string
		says  string // the error
	}{
		"no items":           {pages: map[string]page{"": {}}, asked: []string{""}},
		"an empty one":       {pages: map[string]page{"": {[]int{1}, "a", nil}, "a": {nil, "b", nil}, "b": {[]int{2}, "", nil}}, items: []int{1, 2}, asked: []string{"", "a", "b"}},
		"an error":           {pages: map[string]page{"": {[]int{1}, "a", nil}, "a": {err: broken}}, items: []int{1}, asked: []string{"", "a"}, says: "broken"},
		"itself":             {pages: map[string]page{"": {[]int{1}, "a", nil}, "a": {[]int{2}, "a", nil}}, items: []int{1, 2}, asked: []string{"", "a"}, says: "The list: the next page is the same one again"},
		"no more are wanted": {pages: map[string]page{"": {[]int{1, 2, 3}, "a", nil}}, stop: 2, items: []int{1, 2}, asked: []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			list := pages.Walk("The list", func(link string) ([]int, string, error) {
				asked = append(asked, link)
				p := tc.pages[link]
				return p.items, p.next, p.err
			})
			if len(asked) > 0 {
				t.Errorf("asked for %q before an item was wanted", asked)
			}
			for range 2 { // a list can be walked again
				var items []int
				var says string
				asked = nil
				for item, err := range list {
					if err != nil {
						says += err.Error()
						continue
					}
					if items = append(items, item); item == tc.stop {
						break
					}
				}
				if !slices.Equal(items, tc.items) || !slices.Equal(asked, tc.asked) || says != tc.says {
					t.Errorf("%v, %q; asked for %q", items, says, asked)
				}
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	home := gate.Origin{Host: "contoso.example.com", Port: "443"}
	for _, link := range []string{"https://contoso.example.com/secrets?x", "https://CONTOSO.example.com:443/", "https://contoso.example.com"} {
		if err := pages.Check(link, home, "the vault"); err != nil {
			t.Errorf("%q: %v", link, err)
		}
	}
	for link, want := range map[string]string{
		"https://evil.example.com/secrets":         "leads to https://evil.example.com, away from the vault",
		"https://contoso.example.com.evil.net/":    "away from the vault",
		"https://contoso.example.com:8443/secrets": "away from the vault",
		"http://contoso.example.com/secrets":       "leads to http://contoso.example.com, away",
		"http://contoso.example.com:443/secrets":   "away from the vault",
		"https://user@contoso.example.com/secrets": "not a URL",
		"//contoso.example.com/secrets":            "away from the vault",
		"/secrets":                                 "away from the vault",
		"https://":                                 "away from the vault",
		":":                                        "not a URL",
		"javascript:1":                             "away from the vault",
	} {
		if err := pages.Check(link, home, "the vault"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", link, err, want)
		}
	}
}
