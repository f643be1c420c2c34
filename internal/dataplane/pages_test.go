package dataplane

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// listing is a page as a client reads it.
type listing struct {
	Value    []struct{ ID, Kid string }
	NextLink *string
}

// follow returns the last segments of the ids of a list, page by page.
func (w *world) follow(r request) (pages [][]string, links []string) {
	w.t.Helper()
	next := w.do(r)
	for {
		var page listing
		next.is(200).decode(&page)
		names := []string{}
		for _, item := range page.Value {
			id := item.ID + item.Kid
			names = append(names, id[strings.LastIndex(id, "/")+1:])
		}
		pages = append(pages, names)
		if page.NextLink == nil {
			if !strings.HasSuffix(next.body, `,"nextLink":null}`) {
				w.t.Errorf("%s: the last page is %s", next.about, next.body)
			}
			return pages, links
		}
		if len(pages) > 100 {
			w.t.Fatalf("%s: there is no end", next.about)
		}
		links = append(links, *page.NextLink)
		rest, ok := strings.CutPrefix(*page.NextLink, "https://")
		at := strings.Index(rest, "/")
		if !ok || at < 0 {
			w.t.Fatalf("%s: next link %q", next.about, *page.NextLink)
		}
		next = w.send(request{method: "GET", host: rest[:at], path: rest[at:], as: "owner"})
	}
}

func link(base, version, marker, maxresults string) string {
	token := base64.RawURLEncoding.EncodeToString([]byte(`{"NextMarker":"` + marker + `","TargetLocation":0}`))
	return base + "?api-version=" + version + "&$skiptoken=" + token + maxresults
}

// TestPages follows every list to its end: each object is there once, in order,
// and each link has the service's own form.
func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"Delta", "alpha", "charlie", "Bravo", "echo"} {
		w.set(name, "v")
		w.create(name)
	}
	var secretVersions, keyVersions []string
	for range 5 {
		secretVersions = append(secretVersions, w.set("many", "v").version())
		keyVersions = append(keyVersions, w.create("many").version())
	}
	slices.Sort(secretVersions)
	slices.Sort(keyVersions)
	for _, name := range []string{"z1", "Z2", "z3"} {
		w.set(name, "v")
		w.create(name)
		w.call("DELETE", "/secrets/"+name, "").is(200)
		w.call("DELETE", "/keys/"+name, "").is(200)
	}
	names := []string{"alpha", "Bravo", "charlie", "Delta", "echo", "many"}
	deleted := []string{"z1", "Z2", "z3"}
	const unit = "https://unit.vault.azure.net:443"
	for path, want := range map[string][]string{
		"/secrets": names, "/keys": names, "/deletedsecrets": deleted, "/deletedkeys": deleted,
		"/secrets/Many/versions": secretVersions, "/keys/Many/versions": keyVersions,
	} {
		for _, size := range []int{1, 2, 3, len(want) - 1, len(want), 25} {
			pages, links := w.follow(request{method: "GET", path: fmt.Sprintf("%s?maxresults=%d", path, size), version: "7.4"})
			if got := slices.Concat(pages...); !slices.Equal(got, want) {
				t.Errorf("%s by %d: %q, want %q", path, size, got, want)
			}
			for i, page := range pages[:len(pages)-1] {
				if len(page) != size {
					t.Errorf("%s by %d: page %d has %d", path, size, i, len(page))
				}
				if wanted := link(unit+path, "7.4", strings.ToLower(page[size-1]), fmt.Sprintf("&maxresults=%d", size)); links[i] != wanted {
					t.Errorf("%s by %d: link\n %s, want\n %s", path, size, links[i], wanted)
				}
			}
			if wanted := (len(want) + size - 1) / size; len(pages) != wanted {
				t.Errorf("%s by %d: %d pages, want %d", path, size, len(pages), wanted)
			}
		}
	}
}

// TestPageOfDefaultSize lists more than a page without saying how many: the link
// does not say it either.
func TestPageOfDefaultSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for i := range 27 {
		want = append(want, fmt.Sprintf("s-%02d", i))
		w.set(want[i], "v")
	}
	pages, links := w.follow(request{method: "GET", path: "/secrets", host: "unit.vault.localhost:8443"})
	if len(pages) != 2 || !slices.Equal(slices.Concat(pages...), want) || len(pages[0]) != 25 {
		t.Errorf("pages %q", pages)
	}
	if wanted := link("https://unit.vault.localhost:8443/secrets", latest, "s-24", ""); links[0] != wanted {
		t.Errorf("link %s, want %s", links[0], wanted)
	}
	// A marker is a place, not an object: what it names may have gone.
	w.call("DELETE", "/secrets/s-24", "").is(200)
	var page listing
	w.send(request{method: "GET", host: host, path: strings.TrimPrefix(link("/secrets", latest, "s-24", ""), "https://"), as: "owner"}).is(200).decode(&page)
	if len(page.Value) != 2 {
		t.Errorf("after a deleted marker: %+v", page)
	}
}

func TestPageBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("s", "v")
	lists := []string{"/secrets", "/keys", "/deletedsecrets", "/deletedkeys", "/secrets/s/versions", "/keys/s/versions"}
	token := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, path := range lists {
		for _, good := range []string{"maxresults=1", "maxresults=25", "MaxResults=25", "max%72esults=25", "maxresults=5&maxresults=x"} {
			w.call("GET", path+"?"+good, "").is(200)
		}
		for _, n := range []string{"0", "26", "-1", "", "x", "1.5", "1e1", "0x5", "99999999999999999999", "+5", "5%00", "%D9%A5"} {
			w.call("GET", path+"?maxresults="+n, "").refused(bad("Invalid maxresults: it must be from 1 to 25."))
		}
		marker := "a"
		if strings.HasSuffix(path, "/versions") {
			marker = strings.Repeat("a", 32)
		}
		for _, good := range []string{token(`{"NextMarker":"` + marker + `","TargetLocation":0}`), token(`{"NextMarker":"`+marker+`"}`) + "==="} {
			w.call("GET", path+"?$skiptoken="+good, "").is(200)
			w.call("GET", path+"?%24SKIPTOKEN="+good, "").is(200)
		}
		for _, tampered := range []string{
			"", "x", "!", "%00", "=", token(""), token("x"), token("{}"), token("[]"), token("null"), token(`"a"`), token(`{"NextMarker":""}`), token(`{"NextMarker":5}`),
			token(`{"NextMarker":null}`), token(`{"NextMarker":"a/b"}`), token(`{"NextMarker":"a\u0000"}`), token(`{"NextMarker":"ü"}`), token(`{"NextMarker":"\ud800"}`),
			token(`{"NextMarker":"` + marker + `"} x`), token(`{"NextMarker":"` + marker + `","TargetLocation":"x"}`), token(`{"NextMarker":"` + strings.Repeat("a", 128) + `"}`),
			token(`{"NextMarker":"` + marker + `"}` + strings.Repeat(" ", 1024)), token(`{"NextMarker":"` + marker + `"}`)[1:], token("\xff"),
		} {
			w.call("GET", path+"?$skiptoken="+tampered, "").refused(bad("The request URI contains an invalid $skiptoken."))
		}
	}
	// The marker of one sort of list is none of the other.
	w.call("GET", "/secrets/s/versions?$skiptoken="+token(`{"NextMarker":"a"}`), "").refused(bad("The request URI contains an invalid $skiptoken."))
	// Past the end there is an empty page.
	w.call("GET", "/secrets?$skiptoken="+token(`{"NextMarker":"zz"}`), "").text(`{"value":[],"nextLink":null}`)
	// A link is good for its path's permission only.
	w.do(request{method: "GET", path: "/secrets?$skiptoken=" + token(`{"NextMarker":"a"}`), as: "nobody"}).is(403)
}
