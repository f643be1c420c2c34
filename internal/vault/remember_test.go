package vault

import (
	"fmt"
	"maps"
	"reflect"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// What is remembered of a committed head is what decoding its record would give,
// or nothing, whatever the caller does with what it gave.
func TestRemember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	version := newVersion()
	head := func(v versionRecord) *headRecord {
		v.Version = version
		return &headRecord{Name: "n", Current: v}
	}
	tags := map[string]string{"k": "v", "<": "é"}
	given := maps.Clone(tags)
	for i, tc := range []struct {
		name string
		head *headRecord
		want bool
	}{
		{"all members", head(versionRecord{Disabled: true, NotBefore: ptr(int64(1)), Expires: ptr(int64(2)), Created: 3, Updated: 4, Tags: given, ContentType: ptr("t")}), true},
		{"no members", head(versionRecord{}), true},
		{"empty ones", head(versionRecord{Tags: map[string]string{}, ContentType: ptr("")}), true},
		{"deleted", &headRecord{Name: "n", Current: versionRecord{Version: version}, Deleted: &deletionRecord{1, 2}}, true},
		{"being restored", &headRecord{Name: "n", Current: versionRecord{Version: version}, Restoring: version}, true},
		{"a tag's name that is no text", head(versionRecord{Tags: map[string]string{"\xff": ""}}), false},
		{"a tag's value that is no text", head(versionRecord{Tags: map[string]string{"a": "\xff"}}), false},
		{"a content type that is no text", head(versionRecord{ContentType: ptr("\xff")}), false},
		{"a key", head(versionRecord{Key: &keyRecord{}}), false},
	} {
		key := fmt.Append(nil, "key ", i)
		plain := must(encodeRecord(tc.head))(t)
		sealed := store.Record{Value: fmt.Append(nil, "sealed ", i), Revision: 7}
		w.svc.remember([]committedHead{{key, sealed.Value, tc.head}})
		given["k"] = "changed"
		if tc.head.Current.NotBefore != nil {
			*tc.head.Current.NotBefore++
		}
		cached, ok := w.svc.heads.Get(string(key))
		if ok != tc.want {
			t.Errorf("%s: remembered: %v", tc.name, ok)
		}
		if !tc.want {
			continue
		}
		for range 2 { // by its bytes, then by its revision
			// Nothing can be opened here: there is no sealer.
			got, err := w.svc.openHead(catalog.Scope{}, key, sealed)
			if want := must(decodeHead(plain))(t); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, %v, want %+v", tc.name, got, err, want)
			}
		}
		if other := (store.Record{Value: []byte("another"), Revision: 7}); cached.is(other) {
			t.Errorf("%s: taken for another record", tc.name)
		}
	}
}

// A change that is not committed is not remembered.
func TestNotRememberedBeforeTheCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	w.set("v", "n", "one")
	before := w.svc.heads.Len()
	svc := w.node(&brokenStore{w.store, func() error { return errRecord }})
	if _, err := svc.SetSecret(w.ctx(), call("v"), "m", newSecret("x")); err == nil || svc.heads.Len() != 0 {
		t.Errorf("%v, %d heads", err, svc.heads.Len())
	}
	if before != 1 {
		t.Errorf("%d heads are remembered of one secret that was set", before)
	}
}
