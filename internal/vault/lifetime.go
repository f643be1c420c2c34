package vault

import (
	"math"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// lifetimeRecord is what is known of the life of a key's current version.
type lifetimeRecord struct {
	// Due is when something is to be done about it: the time of the record that
	// has it done. Nil for never.
	Due *int64 `json:"due,omitempty"`
	// NearExpiry and Expired are the exp of which it was announced that it comes
	// near and that it has come. A version whose exp is changed is announced anew.
	NearExpiry *int64 `json:"nearExpiry,omitempty"`
	Expired    *int64 `json:"expired,omitempty"`
}

var lifetimeRoot = tuple.Key("lifetime")

// lifetime returns the key of the record that has something done about the
// current version of a live object at a time.
func (k *kind) lifetime(at int64, vaultID, name string) []byte {
	key := tuple.AppendUint(lifetimeRoot[:len(lifetimeRoot):len(lifetimeRoot)], uint64(at))
	for _, part := range []string{vaultID, k.collection, strings.ToLower(name)} {
		key = tuple.Append(key, part)
	}
	return key
}

// never is later than every date.
const never = math.MaxInt64

// agenda is when what is to be done about a current version: the times of 1970
// and later, or never.
type agenda struct{ rotate, notify, expire int64 }

func (a agenda) next() int64 { return min(a.rotate, a.notify, a.expire) }

// agenda follows from the head alone. Nothing is done about a version that is
// disabled: whoever has disabled it wants it to stay as it is, and a successor
// would be enabled.
func (h *headRecord) agenda() (agenda, error) {
	a := agenda{never, never, never}
	if h.Current.Key == nil || h.Current.Disabled || h.Managed {
		return a, nil
	}
	expires := h.Current.Expires
	var done lifetimeRecord
	if h.Lifetime != nil {
		done = *h.Lifetime
	}
	for _, action := range h.lifetimeActions() {
		d, ok := parseDuration(action.AfterCreate + action.BeforeExpiry)
		switch {
		case !ok:
			return a, errRecord
		case action.AfterCreate != "":
			a.rotate = max(0, d.after(h.Current.Created))
		case expires == nil:
		case action.Type == ActionRotate:
			a.rotate = max(0, d.before(*expires))
		case !same(done.NearExpiry, expires) && !same(done.Expired, expires):
			a.notify = max(0, h.Current.Created, d.before(*expires))
		}
	}
	if expires != nil && !same(done.Expired, expires) {
		a.expire = *expires
	}
	return a, nil
}

func same(a, b *int64) bool { return a != nil && b != nil && *a == *b }

// followedBy returns the head with a new current version, about which nothing has
// been done.
func (h *headRecord) followedBy(v versionRecord) *headRecord {
	return &headRecord{Name: h.Name, Current: v, Policy: h.Policy, Managed: h.Managed, Release: h.Release}
}

// putLive adds the writes that make next the live head after old, which is nil for
// an object that was not live, and sets when something is due. Every write of a
// live head goes through here: so there is one lifetime record exactly while a
// live head says when it is due.
func (w *writes) putLive(sc catalog.Scope, k *kind, old, next *headRecord) error {
	w.forget(sc, k, old)
	agenda, err := next.agenda()
	if err != nil {
		return err
	}
	var lifetime lifetimeRecord
	if next.Lifetime != nil {
		lifetime = *next.Lifetime
	}
	lifetime.Due, next.Lifetime = nil, nil
	if at := agenda.next(); at != never {
		lifetime.Due = &at
		if err := w.put(sc, k.lifetime(at, sc.Vault.ID, next.Name), []byte{format1}); err != nil {
			return err
		}
	}
	if lifetime != (lifetimeRecord{}) {
		next.Lifetime = &lifetime
	}
	return w.putRecord(sc, k.key(sc.Vault.ID, live, next.Name), next)
}

// forget deletes the lifetime record of a live head, which may be nil.
func (w *writes) forget(sc catalog.Scope, k *kind, head *headRecord) {
	if head != nil && head.Lifetime != nil && head.Lifetime.Due != nil {
		w.deletes = append(w.deletes, k.lifetime(*head.Lifetime.Due, sc.Vault.ID, head.Name))
	}
}

// putVersion adds the writes of a new current version, the one of next.
func (w *writes) putVersion(sc catalog.Scope, k *kind, old, next *headRecord, value []byte) error {
	v := &next.Current
	plain := encodeBody(value)
	defer clear(plain)
	return firstOf(
		w.putLive(sc, k, old, next),
		w.putRecord(sc, k.key(sc.Vault.ID, ver, next.Name, v.Version), v),
		w.put(sc, k.key(sc.Vault.ID, body, next.Name, v.Version), plain),
	)
}
