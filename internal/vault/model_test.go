package vault

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
)

// modelObject is an object as its users know it.
type modelObject struct {
	name     string // as it was first made
	versions []Object
	values   map[string]string // by version
	deleted  *Deletion
}

func (o *modelObject) current() *Object { return &o.versions[len(o.versions)-1] }

// version returns the version with the id, or the current one, or nil.
func (o *modelObject) version(id string) *Object {
	if id == "" {
		return o.current()
	}
	i := slices.IndexFunc(o.versions, func(v Object) bool { return strings.EqualFold(v.Version, id) })
	if i < 0 {
		return nil
	}
	return &o.versions[i]
}

// model is what one collection of the vault v should hold, and does to a service
// over a store whatever it does to itself.
type model struct {
	w       *world
	t       *testing.T
	rng     *rand.Rand
	vault   *catalog.Vault
	kind    *kind
	objects map[string]*modelObject // by folded name
	backups []backedUp
}

// backedUp is an object as it was when a blob was made of it.
type backedUp struct {
	blob   []byte
	object modelObject
}

// service returns the collection of one of two processes.
func (m *model) service() collection {
	s := m.w.svc
	if m.rng.IntN(2) == 0 {
		s = m.w.other
	}
	return m.w.collections(s)[slices.Index([]*kind{secretKind, keyKind}, m.kind)]
}

func (m *model) pick(from ...string) string { return from[m.rng.IntN(len(from))] }

// live returns the object if it is not deleted, else nil.
func (m *model) live(name string) *modelObject {
	if o := m.objects[strings.ToLower(name)]; o != nil && o.deleted == nil {
		return o
	}
	return nil
}

func (m *model) deleted(name string) *modelObject {
	if o := m.objects[strings.ToLower(name)]; o != nil && o.deleted != nil {
		return o
	}
	return nil
}

// anyVersion returns an id that the name may have: none, its own, or another's.
func (m *model) anyVersion(name string) string {
	o := m.objects[strings.ToLower(name)]
	switch n := m.rng.IntN(8); {
	case o == nil || n < 3:
		return ""
	case n == 3:
		return strings.Repeat(m.pick("0", "f"), 32)
	case n == 4:
		return strings.ToUpper(o.versions[m.rng.IntN(len(o.versions))].Version)
	default:
		return o.versions[m.rng.IntN(len(o.versions))].Version
	}
}

// setting returns attributes at random; most are left out.
func (m *model) setting() (in setting) {
	if m.rng.IntN(3) == 0 {
		in.Tags = map[string]string{m.pick("a", "b"): m.pick("1", "2")}
	}
	if m.rng.IntN(4) == 0 {
		in.Attributes.Enabled = ptr(m.rng.IntN(3) != 0)
	}
	if m.rng.IntN(4) == 0 {
		in.Attributes.NotBefore = ptr(m.rng.Int64N(100))
	}
	if m.rng.IntN(4) == 0 {
		in.Attributes.Expires = ptr(m.rng.Int64N(100))
	}
	return in
}

func apply(o *Object, in setting) {
	if in.Tags != nil {
		o.Tags = in.Tags
	}
	if a := in.Attributes; a.Enabled != nil {
		o.Enabled = *a.Enabled
	}
	if in.Attributes.NotBefore != nil {
		o.NotBefore = in.Attributes.NotBefore
	}
	if in.Attributes.Expires != nil {
		o.Expires = in.Attributes.Expires
	}
}

// check wants the answer, or the refusal when there is one.
func (m *model) check(what string, got Object, err error, want Object, refusal *refused) {
	m.t.Helper()
	switch {
	case refusal != nil:
		refusal.check(m.t, err)
	case err != nil:
		m.t.Errorf("%s: %v", what, err)
	case !reflect.DeepEqual(got, want):
		m.t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func (m *model) set(c collection, name string) {
	in, now := m.setting(), m.w.clock.Now().Unix()
	got, err := c.set(call("v"), name, in)
	if m.deleted(name) != nil {
		c.wantTaken(name).check(m.t, err)
		return
	}
	o := m.objects[strings.ToLower(name)]
	want := Object{Name: name, Version: got.Version, Enabled: true, Created: now,
		RecoveryLevel: m.vault.RecoveryLevel()}
	if m.vault.SoftDelete {
		want.RecoverableDays = m.vault.RetentionDays
	}
	if o != nil {
		want.Name, want.Created = o.name, max(now, o.current().Created)
	} else {
		o = &modelObject{name: name, values: map[string]string{}}
	}
	want.Updated = want.Created
	apply(&want, in)
	m.check("set "+name, got, err, want, nil)
	if m.kind == secretKind && !want.Enabled {
		o.values[got.Version] = ""
	} else {
		o.values[got.Version] = must(c.value(call("v"), name, got.Version))(m.t)
	}
	o.versions = append(o.versions, want)
	m.objects[strings.ToLower(name)] = o
}

func (m *model) get(c collection, name string) {
	version := m.anyVersion(name)
	var want Object
	refusal := ptr(c.wantNotFound(pathOf(name, strings.ToLower(version))))
	if o := m.live(name); o != nil && o.version(version) != nil {
		want, refusal = *o.version(version), nil
		if m.kind == secretKind && !want.Enabled {
			refusal = &secretDisabled
		}
	}
	got, err := c.get(call("v"), name, version)
	m.check("get "+pathOf(name, version), got, err, want, refusal)
}

func (m *model) update(c collection, name string) {
	version, in, now := m.anyVersion(name), m.setting(), m.w.clock.Now().Unix()
	var want Object
	refusal := ptr(c.wantNotFound(pathOf(name, strings.ToLower(version))))
	if o := m.live(name); o != nil && o.version(version) != nil {
		v := o.version(version)
		apply(v, in)
		v.Updated = max(now, v.Updated)
		want, refusal = *v, nil
	}
	got, err := c.update(call("v"), name, version, in)
	m.check("update "+pathOf(name, version), got, err, want, refusal)
}

func (m *model) delete(c collection, name string) {
	now := m.w.clock.Now().Unix()
	var want Object
	refusal := ptr(c.wantNotFound(name))
	if o := m.live(name); o != nil {
		want, refusal = *o.current(), nil
		if m.vault.SoftDelete {
			o.deleted = &Deletion{At: now, PurgeAt: now + int64(m.vault.RetentionDays)*day}
			want.Deleted = o.deleted
		} else {
			delete(m.objects, strings.ToLower(name))
		}
	}
	got, err := c.delete(call("v"), name)
	m.check("delete "+name, got, err, want, refusal)
}

func (m *model) getDeleted(c collection, name string) {
	var want Object
	refusal := ptr(c.wantDeletedNotFound(name))
	if o := m.deleted(name); o != nil {
		want, refusal = *o.current(), nil
		want.Deleted = o.deleted
		if m.kind == secretKind && !want.Enabled {
			refusal = &secretDisabled
		}
	}
	got, err := c.getDeleted(call("v"), name)
	m.check("get deleted "+name, got, err, want, refusal)
}

func (m *model) recover(c collection, name string) {
	var want Object
	refusal := ptr(c.wantDeletedNotFound(name))
	if o := m.deleted(name); o != nil {
		o.deleted = nil
		want, refusal = *o.current(), nil
	}
	got, err := c.recover(call("v"), name)
	m.check("recover "+name, got, err, want, refusal)
}

func (m *model) purge(c collection, name string) {
	err := c.purge(call("v"), name)
	switch {
	case m.deleted(name) == nil:
		c.wantDeletedNotFound(name).check(m.t, err)
	case m.vault.PurgeProtection:
		purgeRefused.check(m.t, err)
	case err != nil:
		m.t.Errorf("purge %s: %v", name, err)
	default:
		delete(m.objects, strings.ToLower(name))
	}
}

func (m *model) backup(c collection, name string) {
	blob, err := c.backup(call("v"), name)
	o := m.live(name)
	if o == nil {
		c.wantNotFound(name).check(m.t, err)
		return
	}
	if err != nil {
		m.t.Errorf("back up %s: %v", name, err)
		return
	}
	then := modelObject{name: o.name, versions: slices.Clone(o.versions), values: maps.Clone(o.values)}
	m.backups = append(m.backups, backedUp{blob, then})
}

// restore restores some backup that was made before, if there is one.
func (m *model) restore(c collection, _ string) {
	if len(m.backups) == 0 {
		return
	}
	from := m.backups[m.rng.IntN(len(m.backups))]
	then := modelObject{name: from.object.name, versions: slices.Clone(from.object.versions), values: maps.Clone(from.object.values)}
	name := strings.ToLower(then.name)
	var refusal *refused
	if m.objects[name] != nil {
		refusal = ptr(c.wantInUse(then.name, then.current().Version))
	} else {
		m.objects[name] = &then
	}
	got, err := c.restore(call("v"), from.blob)
	m.check("restore "+then.name, got, err, *then.current(), refusal)
}

// lists compares all lists, in pages of some size.
func (m *model) lists(c collection) {
	var live, gone []Object
	for _, name := range slices.Sorted(maps.Keys(m.objects)) {
		o := m.objects[name]
		item := *o.current()
		item.Version, item.Deleted = "", o.deleted
		versions := []Object(nil)
		if o.deleted == nil {
			live = append(live, item)
			versions = slices.SortedFunc(slices.Values(o.versions), func(a, b Object) int { return strings.Compare(a.Version, b.Version) })
		} else {
			gone = append(gone, item)
		}
		m.list("versions of "+name, versions, func(p PageRequest) (Page[Object], error) { return c.versions(call("v"), name, p) })
	}
	m.list("list", live, func(p PageRequest) (Page[Object], error) { return c.list(call("v"), p) })
	m.list("list of the deleted", gone, func(p PageRequest) (Page[Object], error) { return c.listDeleted(call("v"), p) })
}

func (m *model) list(what string, want []Object, list func(PageRequest) (Page[Object], error)) {
	m.t.Helper()
	if got := m.w.walk(1+m.rng.IntN(4), list); !reflect.DeepEqual(got, want) {
		m.t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

// values compares the contents of all versions that may be read.
func (m *model) values(c collection) {
	for name, o := range m.objects {
		for version, want := range o.values {
			if o.deleted != nil || m.kind == secretKind && (want == "" || !o.version(version).Enabled) {
				continue
			}
			if got := must(c.value(call("v"), name, version))(m.t); got != want {
				m.t.Errorf("%s/%s holds %q, want %q", name, version, got, want)
			}
		}
	}
}

// due forgets what PurgeDue should purge now, and returns how many.
func (m *model) due() (n int) {
	now := m.w.clock.Now().Unix()
	for name, o := range m.objects {
		if o.deleted != nil && o.deleted.PurgeAt <= now {
			delete(m.objects, name)
			n++
		}
	}
	return n
}

// step does one thing at random.
func (m *model) step() {
	c, name := m.service(), m.pick("a", "A", "b", "a-b", "B0")
	steps := []func(collection, string){m.set, m.set, m.get, m.get, m.update, m.update, m.delete, m.getDeleted, m.recover, m.purge, m.backup, m.restore}
	if i := m.rng.IntN(len(steps) + 1); i < len(steps) {
		steps[i](c, name)
	} else {
		m.lists(c)
	}
}

// Whatever is done in whatever order by two processes, with the clock shifted,
// things falling due and restarts in between: the service does what a model that
// fits on these pages does.
func TestModel(t *testing.T) {
	t.Parallel()
	vaults := map[string]func(*catalog.Vault){
		"soft delete": retention(7), "no soft delete": withoutSoftDelete,
		"purge protection": func(v *catalog.Vault) { v.RetentionDays, v.PurgeProtection = 30, true },
	}
	for name, change := range vaults {
		for seed := range uint64(8) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				t.Parallel()
				runModel(t, seed, 150, change)
			})
		}
	}
}

func runModel(t *testing.T, seed uint64, steps int, change func(*catalog.Vault)) {
	w := newWorld(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	v := w.vault("v", change)
	var models []*model
	for _, k := range []*kind{secretKind, keyKind} {
		models = append(models, &model{w: w, t: t, rng: rng, vault: v, kind: k, objects: map[string]*modelObject{}})
	}
	for range steps {
		switch n := rng.IntN(100); {
		case n < 84:
			models[rng.IntN(2)].step()
		case n < 91:
			w.clock.add(rng.Int64N(10) - 2)
		case n < 94:
			w.clock.add(rng.Int64N(8) * day)
		case n < 99:
			want := models[0].due() + models[1].due()
			if got, err := w.svc.PurgeDue(w.ctx()); got != want || err != nil {
				t.Errorf("purged %d, %v; want %d", got, err, want)
			}
		default:
			w.reopen()
		}
		if t.Failed() {
			t.Fatal("the first difference is above")
		}
	}
	for _, m := range models {
		m.lists(m.service())
		m.values(m.service())
	}
}
