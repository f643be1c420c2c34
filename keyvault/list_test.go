package keyvault

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/api"
)

// texts turns a list of any items into one of their JSON texts.
func texts[T any](t *testing.T, items iter.Seq2[T, error]) (all []string, last error) {
	t.Helper()
	for item, err := range items {
		if err != nil {
			if last != nil {
				t.Error("a list went on after an error")
			}
			last = err
			continue
		}
		all = append(all, mustJSON(t, item))
	}
	return all, last
}

func TestLists(t *testing.T) {
	tests := []struct {
		name string
		call func(context.Context, *Client, *ListOptions) ([]string, error)
		path string
		item string
	}{
		{"ListSecrets", func(ctx context.Context, c *Client, o *ListOptions) ([]string, error) {
			return texts(t, c.ListSecrets(ctx, o))
		}, "/secrets", `{"contentType":"c","id":"i%d","attributes":{"enabled":true}}`},
		{"ListSecretVersions", func(ctx context.Context, c *Client, o *ListOptions) ([]string, error) {
			return texts(t, c.ListSecretVersions(ctx, "n", o))
		}, "/secrets/n/versions", `{"id":"i%d"}`},
		{"ListDeletedSecrets", func(ctx context.Context, c *Client, o *ListOptions) ([]string, error) {
			return texts(t, c.ListDeletedSecrets(ctx, o))
		}, "/deletedsecrets", `{"recoveryId":"r","deletedDate":1,"id":"i%d"}`},
		{"ListKeys", func(ctx context.Context, c *Client, o *ListOptions) ([]string, error) {
			return texts(t, c.ListKeys(ctx, o))
		}, "/keys", `{"kid":"i%d","managed":true}`},
		{"ListKeyVersions", func(ctx context.Context, c *Client, o *ListOptions) ([]string, error) {
			return texts(t, c.ListKeyVersions(ctx, "n", o))
		}, "/keys/n/versions", `{"kid":"i%d"}`},
		{"ListDeletedKeys", func(ctx context.Context, c *Client, o *ListOptions) ([]string, error) {
			return texts(t, c.ListDeletedKeys(ctx, o))
		}, "/deletedkeys", `{"recoveryId":"r","scheduledPurgeDate":1,"kid":"i%d"}`},
	}
	f := newFakeVault(t)
	c := f.client(t, &fakeCredential{})
	for _, tt := range tests {
		for _, size := range []int{0, 2} {
			t.Run(fmt.Sprint(tt.name, size), func(t *testing.T) {
				item := func(n int) string { return fmt.Sprintf(tt.item, n) }
				next := vaultURL + ":443" + tt.path + "?api-version=7.0&$skiptoken="
				pages := map[string]string{
					"":  `{"value":[` + item(1) + `,` + item(2) + `],"nextLink":"` + next + `a"}`,
					"a": `{"value":[],"nextLink":"` + next + `b"}`, // empty, and not the last
					"b": `{"value":[` + item(3) + `],"nextLink":null}`,
				}
				f.answer = func(w http.ResponseWriter, r *http.Request) { reply(w, 200, pages[r.URL.Query().Get("$skiptoken")]) }
				f.seen()
				var options *ListOptions
				first := tt.path + "?api-version=" + api.VersionLatest
				if size != 0 {
					options = &ListOptions{PageSize: size}
					first += "&maxresults=2"
				}
				got, err := tt.call(t.Context(), c, options)
				if err != nil || !slices.Equal(got, []string{item(1), item(2), item(3)}) {
					t.Errorf("listed %v, %v", got, err)
				}
				var uris []string
				for _, r := range f.seen() {
					if r.Authorization != "" {
						uris = append(uris, r.Method+" "+r.URI)
					}
				}
				rest := "GET " + tt.path + "?api-version=7.0&$skiptoken="
				if want := []string{"GET " + first, rest + "a", rest + "b"}; !slices.Equal(uris, want) {
					t.Errorf("asked for %q, want %q", uris, want)
				}
			})
		}
	}
}

// TestListStops checks that pages are asked for as they are wanted.
func TestListStops(t *testing.T) {
	f := newFakeVault(t)
	f.answer = func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"value":[{"id":"1"},{"id":"2"}],"nextLink":"`+vaultURL+`/secrets?next"}`)
	}
	items := f.client(t, &fakeCredential{}).ListSecrets(t.Context(), nil)
	if seen := f.seen(); len(seen) != 0 {
		t.Errorf("sent %+v before an item was wanted", seen)
	}
	n := 0
	for _, err := range items {
		if n++; err != nil || n == 2 {
			break
		}
	}
	if seen := f.seen(); n != 2 || len(seen) != 2 || seen[1].URI != "/secrets?api-version="+api.VersionLatest {
		t.Errorf("%d items after %+v", n, seen)
	}
}

func TestListFails(t *testing.T) {
	f := newFakeVault(t)
	c := f.client(t, &fakeCredential{})
	answered := 0
	f.answer = func(w http.ResponseWriter, _ *http.Request) {
		if answered++; answered == 2 {
			reply(w, 404, `{"error":{"code":"SecretNotFound","message":"m"}}`)
			return
		}
		reply(w, 200, `{"value":[{"id":"1"}],"nextLink":"`+vaultURL+`/secrets?page=2"}`)
	}
	got, err := texts(t, c.ListSecrets(t.Context(), nil))
	if len(got) != 1 || !IsNotFound(err) {
		t.Errorf("a failing second page: %v, %v", got, err)
	}
	// From now on every page names the second as the next.
	got, err = texts(t, c.ListSecrets(t.Context(), nil))
	if len(got) != 2 || err == nil || !strings.Contains(err.Error(), "same one") {
		t.Errorf("a page that is its own successor: %v, %v", got, err)
	}
}

// TestForeignNextLink checks that a list does not lead the token away.
func TestForeignNextLink(t *testing.T) {
	f := newFakeVault(t)
	c := f.client(t, &fakeCredential{})
	for _, link := range []string{
		"https://evil.example.com/secrets", "https://contoso.example.com.evil.net/secrets", "https://contoso.example.com:8443/secrets",
		"http://contoso.example.com/secrets", "http://contoso.example.com:443/secrets", "https://contoso.example.com@evil.net/secrets",
		"https://user@contoso.example.com/secrets", "//evil.net/secrets", "/secrets", "secrets", "https://", ":", "javascript:1",
	} {
		f.answer = func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, `{"value":[{"kid":"1"}],"nextLink":`+mustJSON(t, link)+`}`)
		}
		if _, err := c.GetKey(t.Context(), "k", ""); err != nil { // for the token
			t.Fatal(err)
		}
		f.seen()
		got, err := texts(t, c.ListKeys(t.Context(), nil))
		if len(got) != 1 || err == nil {
			t.Errorf("%q: %v, %v", link, got, err)
		}
		if seen := f.seen(); len(seen) != 1 {
			t.Errorf("%q: sent %+v", link, seen)
		}
	}
}
