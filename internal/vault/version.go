package vault

import (
	"context"
	"errors"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// inArea returns keys for an operation that begins with heads of one name.
func (k *kind) inArea(name string, areas ...string) func(string) [][]byte {
	return func(vaultID string) [][]byte {
		keys := make([][]byte, len(areas))
		for i, area := range areas {
			keys[i] = k.key(vaultID, area, name)
		}
		return keys
	}
}

// ofVersion returns keys for an operation that begins with a version of a live
// object. The current version is in the head.
func (k *kind) ofVersion(name, version string) func(string) [][]byte {
	return func(vaultID string) [][]byte {
		keys := [][]byte{k.key(vaultID, live, name)}
		if version != "" {
			keys = append(keys, k.key(vaultID, ver, name, version))
		}
		return keys
	}
}

// withBody returns keys for an operation that needs the body of a version, as
// far as they are known or, for the current version, were when the head was last
// read.
func (s *Service) withBody(k *kind, name, version string) func(string) [][]byte {
	return func(vaultID string) [][]byte {
		head := k.key(vaultID, live, name)
		keys, version := [][]byte{head}, version
		if version != "" {
			keys = append(keys, k.key(vaultID, ver, name, version))
		} else if hint, ok := s.heads.Get(string(head)); ok {
			version = hint.head.Current.Version
		}
		if version != "" {
			keys = append(keys, k.key(vaultID, body, name, version))
		}
		return keys
	}
}

// bodyOf returns the record of a version's body, and its key.
func bodyOf(sc catalog.Scope, r *seen, k *kind, name, version string) ([]byte, store.Record, error) {
	key := k.key(sc.Vault.ID, body, name, version)
	rec, err := r.one(key)
	if err == nil && !rec.Exists() {
		err = errors.New("vault: a version has no body")
	}
	return key, rec, err
}

// head returns the head of the name in the area, or nil.
func (s *Service) head(sc catalog.Scope, r *seen, k *kind, area, name string) (*headRecord, error) {
	key := k.key(sc.Vault.ID, area, name)
	rec, err := r.one(key)
	if err != nil {
		return nil, err
	}
	return s.openHead(sc, key, rec)
}

// addVersion makes a new current version of a live or new object, with the
// versions's times set so that they never run backwards.
func (s *Service) addVersion(ctx context.Context, op *operation, k *kind, name string, v versionRecord, value []byte) (shown, error) {
	now := s.now()
	op.reads(k.inArea(name, live, dead))
	return change(ctx, s, op, func(sc catalog.Scope, r *seen) (*effect[shown], error) {
		head, err := s.nameForSet(sc, r, k, name)
		if err != nil {
			return nil, err
		}
		next := &headRecord{Name: name, Current: v}
		next.Current.Created = now
		if head != nil {
			next = head.followedBy(v)
			next.Current.Created = max(now, head.Current.Created)
		}
		next.Current.Updated = next.Current.Created
		if err := op.settleHead(head, next); err != nil {
			return nil, err
		}
		e := &effect[shown]{answer: showHead(sc, next), path: op.object + "/" + v.Version}
		return e, e.putVersion(sc, k, head, next, value)
	})
}

// nameForSet returns the live head of the name, or nil when the name is free. It
// refuses a name that is deleted.
func (s *Service) nameForSet(sc catalog.Scope, r *seen, k *kind, name string) (*headRecord, error) {
	gone, err := s.head(sc, r, k, dead, name)
	if err != nil {
		return nil, err
	}
	if gone != nil && gone.Restoring != "" {
		return nil, k.beingRestored(name)
	}
	if gone != nil {
		return nil, k.recoverable(name)
	}
	return s.head(sc, r, k, live, name)
}

// lookup returns a version of a live object; version "" is the current one.
func (s *Service) lookup(sc catalog.Scope, r *seen, k *kind, name, version string) (*headRecord, *versionRecord, error) {
	head, err := s.head(sc, r, k, live, name)
	if err != nil {
		return nil, nil, err
	}
	if head == nil {
		return nil, nil, k.notFound(pathOf(name, version))
	}
	if version == "" || version == head.Current.Version {
		return head, &head.Current, nil
	}
	key := k.key(sc.Vault.ID, ver, name, version)
	rec, err := r.one(key)
	if err != nil {
		return nil, nil, err
	}
	if !rec.Exists() {
		return nil, nil, k.notFound(pathOf(name, version))
	}
	v, err := open(sc, key, rec, decodeVersion)
	return head, v, err
}

func pathOf(name, version string) string {
	if version == "" {
		return name
	}
	return name + "/" + version
}

// onVersion returns an operation on a version of an object, which may be "" for
// the current one, and the version folded as record keys have it.
func (k *kind) onVersion(call Call, name string, action access.Action, object, version string) (*operation, string) {
	op := k.onName(call, name, action, object)
	if version != "" {
		if validVersion(version) {
			op.path = pathOf(op.path, version)
		} else {
			op.reject(k.notFound(pathOf(object, version)))
		}
	}
	return op, strings.ToLower(version)
}

// amend changes the metadata of a version. The function gets a copy of it.
func (s *Service) amend(ctx context.Context, op *operation, k *kind, name, version string, fn func(*versionRecord) error) (shown, error) {
	now := s.now()
	op.reads(k.ofVersion(name, version))
	return change(ctx, s, op, func(sc catalog.Scope, r *seen) (*effect[shown], error) {
		head, found, err := s.lookup(sc, r, k, name, version)
		if err != nil {
			return nil, err
		}
		v := *found
		if err := fn(&v); err != nil {
			return nil, err
		}
		v.Updated = max(now, v.Updated)
		next := *head
		if err := op.settleHead(head, &next); err != nil {
			return nil, err
		}
		e := &effect[shown]{answer: next.show(sc, &v), path: op.object + "/" + v.Version}
		if v.Version == head.Current.Version {
			next.Current = v
			if err := e.putLive(sc, k, head, &next); err != nil {
				return nil, err
			}
		}
		return e, e.putRecord(sc, k.key(sc.Vault.ID, ver, name, v.Version), &v)
	})
}

// apply sets what the caller has given.
func (v *versionRecord) apply(a Attributes) {
	if a.Enabled != nil {
		v.Disabled = !*a.Enabled
	}
	if a.NotBefore != nil {
		v.NotBefore = clone(a.NotBefore)
	}
	if a.Expires != nil {
		v.Expires = clone(a.Expires)
	}
}
