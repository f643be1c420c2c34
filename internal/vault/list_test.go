package vault

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
)

func names(all []Object) []string {
	var names []string
	for _, o := range all {
		names = append(names, o.Name)
	}
	return names
}

// Lists are ordered by the name in lower case: hyphen, digits, letters, the
// shorter first. They show the case that the name was made with.
func TestListOrder(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		want := []string{"-", "0", "9", "a", "A-", "a-b", "A0", "aA", "AB", "b", "Z", "zz", strings.Repeat("z", MaxNameLength)}
		for i := range want {
			// In an order that is not theirs.
			must(c.set(call("v"), want[(i*5+3)%len(want)]))(t)
		}
		live := func(p PageRequest) (Page[Object], error) { return c.list(call("v"), p) }
		gone := func(p PageRequest) (Page[Object], error) { return c.listDeleted(call("v"), p) }
		for _, max := range []int{1, 2, 3, len(want) - 1, len(want), MaxPage} {
			if got := names(w.walk(max, live)); !slices.Equal(got, want) {
				t.Errorf("in pages of %d: %v", max, got)
			}
		}
		for _, name := range want {
			must(c.delete(call("v"), name))(t)
		}
		for _, max := range []int{1, 4, MaxPage} {
			if got := names(w.walk(max, gone)); !slices.Equal(got, want) {
				t.Errorf("the deleted in pages of %d: %v", max, got)
			}
		}
		if page := must(live(onePage))(t); len(page.Items) != 0 || page.Next != "" {
			t.Errorf("nothing is left, and the list shows %+v", page)
		}
	})
}

// A list shows all attributes of the current version and neither its id nor what
// is secret of it; it hides nothing that is disabled or has expired.
func TestListShows(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		in := setting{Tags: map[string]string{"k": "v"}, Attributes: Attributes{Enabled: ptr(false), NotBefore: ptr(int64(5)), Expires: ptr(int64(6))}}
		old := must(c.set(call("v"), "Name"))(t)
		w.clock.add(1)
		current := must(c.set(call("v"), "name", in))(t)
		want := current
		want.Version = ""
		if page := must(c.list(call("v"), onePage))(t); !reflect.DeepEqual(page, Page[Object]{Items: []Object{want}}) {
			t.Errorf("the list is %+v, want %+v", page, want)
		}
		wantVersions := []Object{old, current}
		slices.SortFunc(wantVersions, func(a, b Object) int { return strings.Compare(a.Version, b.Version) })
		if page := must(c.versions(call("v"), "NAME", onePage))(t); !reflect.DeepEqual(page, Page[Object]{Items: wantVersions}) {
			t.Errorf("the versions are %+v, want %+v", page, wantVersions)
		}
		gone := must(c.delete(call("v"), "name"))(t)
		want.Deleted = gone.Deleted
		if page := must(c.listDeleted(call("v"), onePage))(t); !reflect.DeepEqual(page, Page[Object]{Items: []Object{want}}) {
			t.Errorf("the list of the deleted is %+v, want %+v", page, want)
		}
		if page := must(c.list(call("v"), onePage))(t); len(page.Items) != 0 {
			t.Errorf("the list shows %+v", page.Items)
		}
	})
}

// Beside what all objects show, a list shows content types, operations and
// whether a key is an HSM's; neither values nor public keys.
func TestListShowsOfEachKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	in := newSecret("s3cret")
	in.ContentType = ptr("text/plain")
	must(w.svc.SetSecret(w.ctx(), call("v"), "n", in))(t)
	must(w.svc.CreateKey(w.ctx(), call("v"), "n", CreateKey{Spec: newECKey.Spec, HSM: true, Ops: []string{"sign"}}))(t)
	secrets := func(where string, page Page[Secret]) {
		t.Helper()
		if s := page.Items[0]; s.Value.Reveal() != nil || s.ContentType == nil || *s.ContentType != "text/plain" {
			t.Errorf("%s show %+v, %q", where, s, s.Value.Reveal())
		}
	}
	keys := func(where string, page Page[Key]) {
		t.Helper()
		if k := page.Items[0]; !reflect.DeepEqual(k.Public, keyops.PublicJWK{}) || !k.HSM || !slices.Equal(k.Ops, []string{"sign"}) {
			t.Errorf("%s show %+v", where, k)
		}
	}
	secrets("secrets", must(w.svc.ListSecrets(w.ctx(), call("v"), onePage))(t))
	secrets("versions", must(w.svc.ListSecretVersions(w.ctx(), call("v"), "n", onePage))(t))
	keys("keys", must(w.svc.ListKeys(w.ctx(), call("v"), onePage))(t))
	keys("versions", must(w.svc.ListKeyVersions(w.ctx(), call("v"), "n", onePage))(t))
	must(w.svc.DeleteSecret(w.ctx(), call("v"), "n"))(t)
	must(w.svc.DeleteKey(w.ctx(), call("v"), "n"))(t)
	secrets("deleted secrets", must(w.svc.ListDeletedSecrets(w.ctx(), call("v"), onePage))(t))
	keys("deleted keys", must(w.svc.ListDeletedKeys(w.ctx(), call("v"), onePage))(t))
}

// The versions of one object are many: pages of any size show each once, in the
// order of their ids, which is not that of their making.
func TestManyVersions(t *testing.T) {
	t.Parallel()
	const many = 503
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		made := map[string]Object{}
		var last Object
		for range many {
			last = must(c.set(call("v"), "n"))(t)
			made[last.Version] = last
		}
		// Its neighbours in the order of keys.
		for _, name := range []string{"m", "n-", "n0"} {
			must(c.set(call("v"), name))(t)
		}
		var ids []string
		for _, max := range []int{7, MaxPage} {
			all := w.walk(max, func(p PageRequest) (Page[Object], error) { return c.versions(call("v"), "n", p) })
			ids = nil
			for _, o := range all {
				ids = append(ids, o.Version)
				if !reflect.DeepEqual(o, made[o.Version]) {
					t.Fatalf("version %s is %+v, want %+v", o.Version, o, made[o.Version])
				}
			}
			if len(ids) != many || !slices.IsSorted(ids) || len(slices.Compact(ids)) != many {
				t.Fatalf("in pages of %d there are %d versions, sorted: %t", max, len(ids), slices.IsSorted(ids))
			}
		}
		// A page begins behind any id, also one that no version has.
		half := must(c.versions(call("v"), "N", PageRequest{Max: 3, Marker: strings.ToUpper(ids[250])}))(t)
		if half.Items[0].Version != ids[251] || half.Next != ids[253] {
			t.Errorf("behind %s: %s ... next %s, want %s and %s", ids[250], half.Items[0].Version, half.Next, ids[251], ids[253])
		}
		if page := must(c.versions(call("v"), "n", PageRequest{Max: 1, Marker: strings.Repeat("0", 32)}))(t); page.Items[0].Version != ids[0] {
			t.Errorf("the first is %s, want %s", page.Items[0].Version, ids[0])
		}
		if page := must(c.versions(call("v"), "n", PageRequest{Max: 1, Marker: strings.Repeat("f", 32)}))(t); len(page.Items) != 0 || page.Next != "" {
			t.Errorf("behind the last: %+v", page)
		}
		if got := must(c.get(call("v"), "n", ""))(t); !reflect.DeepEqual(got, last) {
			t.Errorf("the current version is %+v, want %+v", got, last)
		}
		// All of them go and come with the object.
		must(c.delete(call("v"), "n"))(t)
		must(c.recover(call("v"), "n"))(t)
		if got := must(c.get(call("v"), "n", ids[17]))(t); !reflect.DeepEqual(got, made[ids[17]]) {
			t.Errorf("recovered version %+v, want %+v", got, made[ids[17]])
		}
		must(c.delete(call("v"), "n"))(t)
		if err := c.purge(call("v"), "n"); err != nil {
			t.Fatal(err)
		}
		if n := w.below("v", "0000000000000000000000000000000v", ver, c.collection, "n"); n != 0 {
			t.Errorf("%d versions are left", n)
		}
	})
}

func TestManyObjects(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		w.vault("other")
		var want []string
		for i := range 260 {
			name := fmt.Sprintf("n%03d", i)
			want = append(want, name)
			must(c.set(call("v"), name))(t)
		}
		must(c.set(call("other"), "n000"))(t)
		if got := names(w.walk(MaxPage, func(p PageRequest) (Page[Object], error) { return c.list(call("v"), p) })); !slices.Equal(got, want) {
			t.Errorf("got %d names: %v", len(got), got)
		}
	})
}

// Objects that come and go between two pages: whoever is there all the time is
// shown exactly once.
func TestListWhileItChanges(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			must(c.set(call("v"), name))(t)
		}
		first := must(c.list(call("v"), PageRequest{Max: 2}))(t)
		if got := names(first.Items); !slices.Equal(got, []string{"a", "b"}) || first.Next != "b" {
			t.Fatalf("first page %v, next %q", got, first.Next)
		}
		for _, name := range []string{"a", "b", "d"} { // the marker itself, one before, one behind
			must(c.delete(call("v"), name))(t)
		}
		for _, name := range []string{"a5", "b5", "z"} {
			must(c.set(call("v"), name))(t)
		}
		rest := must(c.list(call("v"), PageRequest{Max: MaxPage, Marker: strings.ToUpper(first.Next)}))(t)
		if got := names(rest.Items); !slices.Equal(got, []string{"b5", "c", "e", "f", "z"}) || rest.Next != "" {
			t.Errorf("the rest is %v, next %q", got, rest.Next)
		}
		// Deleted between two pages of its versions, an object has no more.
		must(c.set(call("v"), "c"))(t)
		versions := must(c.versions(call("v"), "c", PageRequest{Max: 1}))(t)
		must(c.delete(call("v"), "c"))(t)
		if page := must(c.versions(call("v"), "c", PageRequest{Max: 1, Marker: versions.Next}))(t); len(page.Items) != 0 || page.Next != "" {
			t.Errorf("the versions of a deleted object: %+v", page)
		}
		deleted := must(c.listDeleted(call("v"), PageRequest{Max: 2}))(t)
		must(c.recover(call("v"), "c"))(t)
		must(c.recover(call("v"), "b"))(t)
		if page := must(c.listDeleted(call("v"), PageRequest{Max: 2, Marker: deleted.Next}))(t); !slices.Equal(names(page.Items), []string{"d"}) || deleted.Next != "b" {
			t.Errorf("behind %q: %v", deleted.Next, names(page.Items))
		}
	})
}

// The last page of a collection that fills its pages says that it is the last.
func TestFullLastPage(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		for i := range 2 * MaxPage {
			must(c.set(call("v"), fmt.Sprintf("n%02d", i)))(t)
		}
		first := must(c.list(call("v"), onePage))(t)
		last := must(c.list(call("v"), PageRequest{Max: MaxPage, Marker: first.Next}))(t)
		if len(first.Items) != MaxPage || first.Next != "n24" || len(last.Items) != MaxPage || last.Next != "" {
			t.Errorf("%d items, next %q; then %d, next %q", len(first.Items), first.Next, len(last.Items), last.Next)
		}
	})
}

func TestListRefuses(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		must(c.set(call("v"), "n"))(t)
		size := refused{fault.Invalid, "BadParameter", "", "Invalid maxresults: it must be from 1 to 25."}
		marker := refused{fault.Invalid, "BadParameter", "", "The request URI contains an invalid $skiptoken."}
		byName := map[string]func(PageRequest) (Page[Object], error){
			"names":   func(p PageRequest) (Page[Object], error) { return c.list(call("v"), p) },
			"deleted": func(p PageRequest) (Page[Object], error) { return c.listDeleted(call("v"), p) },
		}
		versions := func(p PageRequest) (Page[Object], error) { return c.versions(call("v"), "n", p) }
		for _, list := range byName {
			for _, bad := range []string{"a_b", "a/b", " ", "\x00", "ä", strings.Repeat("n", MaxNameLength+1)} {
				_, err := list(PageRequest{Max: 1, Marker: bad})
				marker.check(t, err)
			}
			must(list(PageRequest{Max: 1, Marker: strings.Repeat("n", MaxNameLength)}))(t)
		}
		for _, bad := range []string{"n", strings.Repeat("g", 32), strings.Repeat("0", 31), strings.Repeat("0", 33)} {
			_, err := versions(PageRequest{Max: 1, Marker: bad})
			marker.check(t, err)
		}
		byName["versions"] = versions
		for _, list := range byName {
			for _, max := range []int{-1, 0, MaxPage + 1, 1 << 40} {
				_, err := list(PageRequest{Max: max})
				size.check(t, err)
			}
			for _, max := range []int{1, MaxPage} {
				must(list(PageRequest{Max: max}))(t)
			}
		}
	})
}
