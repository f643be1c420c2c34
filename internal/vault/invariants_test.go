package vault

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// check fails the test if the store holds what no sequence of whole operations
// can have left.
func (w *world) check() {
	w.t.Helper()
	for _, finding := range w.findings(w.dump()) {
		w.t.Errorf("the store is inconsistent: %s", finding)
	}
}

// findings walks all records and returns what is wrong with them: every record
// must open, an object has exactly one head, a head its current version, a
// version its body, a deleted object its due record; and nothing is without the
// record that owns it.
func (w *world) findings(records map[string]string) []string {
	c := &checker{w: w, scopes: map[string]catalog.Scope{}, objects: map[objectKey]*objectRecords{}}
	keys := slices.Sorted(maps.Keys(records))
	for _, key := range keys {
		c.vault([]byte(key), stored(records[key]))
	}
	for _, key := range keys {
		c.record([]byte(key), stored(records[key]))
	}
	for key, o := range c.objects {
		c.object(key, o)
	}
	slices.Sort(c.found)
	return c.found
}

func stored(value string) store.Record { return store.Record{Value: []byte(value), Revision: 1} }

type checker struct {
	w       *world
	scopes  map[string]catalog.Scope
	objects map[objectKey]*objectRecords
	found   []string
}

type objectKey struct{ vaultID, collection, name string }

// objectRecords is everything that the store holds of one object.
type objectRecords struct {
	live, dead *headRecord
	versions   map[string]*versionRecord
	bodies     map[string][]byte
	due        []int64
	lifetime   []int64
}

func (c *checker) complain(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

// vault notes a vault's document and its key.
func (c *checker) vault(key []byte, rec store.Record) {
	e, err := tuple.Decode(key)
	if err != nil || len(e) != 2 || e[0].String != "v" {
		return
	}
	id := e[1].String
	v, err := c.w.cat.DecodeVault(id, rec)
	if err != nil {
		c.complain("vault %s: %v", id, err)
		return
	}
	sealer, err := c.w.ring.Vault(id, v.WrappedKey)
	if err != nil {
		c.complain("vault %s: %v", id, err)
		return
	}
	c.scopes[id] = catalog.Scope{Vault: v, Sealer: sealer}
}

// record files a record under its object.
func (c *checker) record(key []byte, rec store.Record) {
	e, err := tuple.Decode(key)
	switch {
	case err != nil || len(e) == 0:
		c.complain("a key that is none: %q", key)
	case e[0].String == "keyring", e[0].String == "backupkeys", e[0].String == "authz", e[0].String == "role", e[0].String == "v" && len(e) == 2:
	case e[0].String == "vaultname" && len(e) == 2:
		if id, err := c.w.cat.DecodeName(e[1].String, rec); err != nil || c.scopes[id].Vault == nil {
			c.complain("vault name %s means %q, %v", e[1].String, id, err)
		}
	case e[0].String == "due" || e[0].String == "lifetime":
		c.due(e[0].String, key, rec)
	case e[0].String == "v" && len(e) > 4:
		c.content(key, rec, e)
	default:
		c.complain("a record that nobody writes: %q", key)
	}
}

func (c *checker) of(vaultID, collection, name string) *objectRecords {
	key := objectKey{vaultID, collection, name}
	if c.objects[key] == nil {
		c.objects[key] = &objectRecords{versions: map[string]*versionRecord{}, bodies: map[string][]byte{}}
	}
	return c.objects[key]
}

func (c *checker) due(root string, key []byte, rec store.Record) {
	d, err := parseDue(key)
	if err != nil {
		c.complain("due record %q: %v", key, err)
		return
	}
	sc, ok := c.scopes[d.vaultID]
	if !ok {
		c.complain("due record of no vault: %q", key)
		return
	}
	if body, err := open(sc, key, rec, decodeBody); err != nil || len(body) != 0 {
		c.complain("due record %q holds %d bytes, %v", key, len(body), err)
	}
	o := c.of(d.vaultID, d.kind.collection, d.name)
	if root == "due" {
		o.due = append(o.due, d.at)
	} else {
		o.lifetime = append(o.lifetime, d.at)
	}
}

// content files a head, a version or a body.
func (c *checker) content(key []byte, rec store.Record, e []tuple.Element) {
	id, area, collection, name := e[1].String, e[2].String, e[3].String, e[4].String
	sc, ok := c.scopes[id]
	if !ok || kindOf(collection) == nil || name != strings.ToLower(name) || !validName(name) {
		c.complain("a record of no vault, kind or name: %q", key)
		return
	}
	o := c.of(id, collection, name)
	var err error
	switch {
	case area == live && len(e) == 5:
		o.live, err = open(sc, key, rec, decodeHead)
	case area == dead && len(e) == 5:
		o.dead, err = open(sc, key, rec, decodeHead)
	case area == ver && len(e) == 6:
		o.versions[e[5].String], err = open(sc, key, rec, decodeVersion)
	case area == body && len(e) == 6:
		o.bodies[e[5].String], err = open(sc, key, rec, decodeBody)
	default:
		c.complain("a record that nobody writes: %q", key)
	}
	if err != nil {
		c.complain("%q: %v", key, err)
	}
}

// object checks that the records of an object are one whole object.
func (c *checker) object(key objectKey, o *objectRecords) {
	head, deleted := o.live, false
	if o.dead != nil {
		head, deleted = o.dead, true
	}
	switch {
	case head == nil:
		c.complain("%v has records and no head: %d versions, %d bodies, due %v", key, len(o.versions), len(o.bodies), o.due)
		return
	case o.live != nil && o.dead != nil:
		c.complain("%v is live and deleted", key)
	case deleted != (head.Deleted != nil):
		c.complain("%v says of itself that it is deleted: %t", key, head.Deleted != nil)
	case !deleted && len(o.due) != 0:
		c.complain("%v is live and due at %v", key, o.due)
	case deleted && !slices.Equal(o.due, []int64{head.Deleted.PurgeAt}):
		c.complain("%v is to be purged at %d and due at %v", key, head.Deleted.PurgeAt, o.due)
	}
	var lifetime []int64
	if head.Lifetime != nil && head.Lifetime.Due != nil {
		lifetime = append(lifetime, *head.Lifetime.Due)
	}
	if agenda, err := head.agenda(); err != nil || !slices.Equal(o.lifetime, lifetime) || deleted && lifetime != nil ||
		!deleted && (agenda.next() != never) != (lifetime != nil) || lifetime != nil && agenda.next() != lifetime[0] {
		c.complain("%v has the agenda %v, %v; says it is due at %v, and is at %v", key, agenda, err, lifetime, o.lifetime)
	}
	if strings.ToLower(head.Name) != key.name {
		c.complain("%v has the name %q", key, head.Name)
	}
	// A claim has the versions that its restoration has come to.
	if current := o.versions[head.Current.Version]; head.Restoring != "" && current == nil {
		if !deleted {
			c.complain("%v is live and being restored", key)
		}
	} else if current == nil || !reflect.DeepEqual(*current, head.Current) {
		c.complain("%v has the current version %+v in its head, and as a version %+v", key, head.Current, current)
	}
	for version, v := range o.versions {
		c.version(key, version, v, head, o.bodies)
	}
	for version := range o.bodies {
		if o.versions[version] == nil {
			c.complain("%v has a body of no version %s", key, version)
		}
	}
}

func (c *checker) version(key objectKey, id string, v *versionRecord, head *headRecord, bodies map[string][]byte) {
	body, ok := bodies[id]
	switch {
	case v == nil: // did not open
	case v.Version != id || strings.ToLower(id) != id:
		c.complain("%v has version %s under the id %s", key, v.Version, id)
	case v.Updated < v.Created:
		c.complain("%v/%s was updated at %d and created at %d", key, id, v.Updated, v.Created)
	case v.Created > head.Current.Created:
		c.complain("%v/%s is younger than the current version", key, id)
	case !ok:
		c.complain("%v/%s has no body", key, id)
	case (v.Key != nil) != (key.collection == keyKind.collection):
		c.complain("%v/%s is a key: %t", key, id, v.Key != nil)
	case v.Key == nil && len(body) > MaxSecretValue:
		c.complain("%v/%s has a value of %d bytes", key, id, len(body))
	case v.Key != nil:
		private, err := keyops.ParsePrivate(body)
		if err != nil {
			c.complain("%v/%s: %v", key, id, err)
		} else if !private.Public().Equal(v.Key.public()) {
			c.complain("%v/%s shows another key than it has", key, id)
		}
	}
}

// The checker of all other tests must itself notice every kind of damage.
func TestCheckNotices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	for _, c := range w.collections(w.svc) {
		for _, name := range []string{"living", "living", "gone", "gone"} {
			must(c.set(call("v"), name))(t)
		}
		must(c.delete(call("v"), "gone"))(t)
	}
	w.setPolicy("v", "living", "", rotateAfter("P30D"))
	whole := w.dump()
	if found := w.findings(whole); len(found) != 0 {
		t.Fatalf("whole records are complained about: %v", found)
	}
	damaged := func(name string, change func(map[string]string)) {
		t.Helper()
		records := maps.Clone(whole)
		change(records)
		if len(w.findings(records)) == 0 {
			t.Errorf("not noticed: %s", name)
		}
	}
	n := 0
	for key := range whole {
		if key == string(tuple.Key("keyring")) || key == string(tuple.Key("backupkeys")) || key == string(catalog.NameKey("v")) {
			continue // the keyring's and the management plane's own
		}
		n++
		damaged(fmt.Sprintf("record %q is lost", key), func(r map[string]string) { delete(r, key) })
		damaged(fmt.Sprintf("record %q is torn", key), func(r map[string]string) { r[key] = r[key][:len(r[key])-1] })
	}
	// The document, of each kind two heads, four versions with their bodies and a
	// due record, and the lifetime record of one key.
	if n != 1+2*(2+8+1)+1 {
		t.Errorf("%d records", n)
	}
	sc := catalog.Scope{Vault: v}
	var err error
	if sc.Sealer, err = w.ring.Vault(v.ID, v.WrappedKey); err != nil {
		t.Fatal(err)
	}
	for name, forged := range forgeries(t, w, sc, whole) {
		damaged(name, func(r map[string]string) {
			for _, e := range forged.puts {
				r[string(e.Key)] = string(e.Value)
			}
			for _, key := range forged.deletes {
				delete(r, string(key))
			}
		})
	}
}

// forgeries are changes whose every record is well made.
func forgeries(t *testing.T, w *world, sc catalog.Scope, whole map[string]string) map[string]writes {
	t.Helper()
	head := func(area, name string) *headRecord {
		key := secretKind.key(sc.Vault.ID, area, name)
		return must(open(sc, key, stored(whole[string(key)]), decodeHead))(t)
	}
	all := map[string]writes{}
	put := func(name string, key []byte, record any) {
		var forged writes
		if err := forged.putRecord(sc, key, record); err != nil {
			t.Fatal(err)
		}
		all[name] = forged
	}
	living, gone, other := head(live, "living"), head(dead, "gone"), strings.Repeat("0", 32)
	put("a head at the name of another", secretKind.key(sc.Vault.ID, live, "living"), &headRecord{Name: "other", Current: living.Current})
	put("a live head beside the deleted one", secretKind.key(sc.Vault.ID, live, "gone"), &headRecord{Name: "gone", Current: gone.Current})
	put("a live head that says it is deleted", secretKind.key(sc.Vault.ID, live, "living"),
		&headRecord{Name: "living", Current: living.Current, Deleted: gone.Deleted})
	put("a live head that is being restored", secretKind.key(sc.Vault.ID, live, "living"),
		&headRecord{Name: "living", Current: versionRecord{Version: other, Created: living.Current.Created}, Restoring: "claim"})
	stale := living.Current
	stale.Updated++
	put("a head that differs from the version", secretKind.key(sc.Vault.ID, live, "living"), &headRecord{Name: "living", Current: stale})
	put("a version of another id", secretKind.key(sc.Vault.ID, ver, "living", other), &living.Current)
	young := versionRecord{Version: other, Created: living.Current.Created + 1, Updated: living.Current.Created + 1}
	put("a version younger than the current one", secretKind.key(sc.Vault.ID, ver, "living", other), &young)
	put("a version of no object", secretKind.key(sc.Vault.ID, ver, "nobody", other), &young)
	put("a due record with another date", secretKind.due(gone.Deleted.PurgeAt+1, sc.Vault.ID, "gone"), struct{}{})
	put("a key in the place of a secret", secretKind.key(sc.Vault.ID, ver, "living", living.Current.Version),
		&versionRecord{Version: living.Current.Version, Key: &keyRecord{}})
	put("a record of an unknown area", secretKind.key(sc.Vault.ID, "shelf", "living"), living)
	for name, key := range map[string][]byte{
		"the lifetime record of a secret":      secretKind.lifetime(1, sc.Vault.ID, "living"),
		"the lifetime record of a deleted key": keyKind.lifetime(1, sc.Vault.ID, "gone"),
		"a second lifetime record":             keyKind.lifetime(1, sc.Vault.ID, "living"),
	} {
		var forged writes
		if err := forged.put(sc, key, encodeBody(nil)); err != nil {
			t.Fatal(err)
		}
		all[name] = forged
	}
	at := keyKind.key(sc.Vault.ID, live, "living")
	due := must(open(sc, at, stored(whole[string(at)]), decodeHead))(t)
	idle := *due
	idle.Lifetime = nil
	put("a head that is due and does not say so", at, &idle)
	forgotten := all["a head that is due and does not say so"]
	forgotten.deletes = [][]byte{keyKind.lifetime(*due.Lifetime.Due, sc.Vault.ID, "living")}
	all["a head that is due and does not say so"] = forgotten
	moved := writes{deletes: [][]byte{secretKind.due(gone.Deleted.PurgeAt, sc.Vault.ID, "gone")}}
	if err := moved.put(sc, secretKind.due(gone.Deleted.PurgeAt+1, sc.Vault.ID, "gone"), encodeBody(nil)); err != nil {
		t.Fatal(err)
	}
	all["a due record that was moved"] = moved
	return all
}
