package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// format1 is the first byte of every record, before sealing: of a head and of a
// version's metadata a JSON object follows, of a body the bytes themselves.
const format1 = 1

var errRecord = errors.New("vault: malformed record")

// versionRecord is the metadata of one version.
type versionRecord struct {
	Version   string            `json:"version"`
	Disabled  bool              `json:"disabled,omitempty"`
	NotBefore *int64            `json:"nbf,omitempty"`
	Expires   *int64            `json:"exp,omitempty"`
	Created   int64             `json:"created"`
	Updated   int64             `json:"updated"`
	Tags      map[string]string `json:"tags,omitempty"`

	ContentType *string    `json:"contentType,omitempty"` // secrets
	Key         *keyRecord `json:"key,omitempty"`         // keys, always
}

// keyRecord is the public side of a key.
type keyRecord struct {
	Type  keyops.Type      `json:"type"`
	Curve keyops.Curve     `json:"curve,omitempty"`
	N     []byte           `json:"n,omitempty"`
	E     []byte           `json:"e,omitempty"`
	X     []byte           `json:"x,omitempty"`
	Y     []byte           `json:"y,omitempty"`
	Alg   keyops.Algorithm `json:"alg,omitempty"` // of AKP, as is Pub
	Pub   []byte           `json:"pub,omitempty"`
	Bits  int              `json:"bits,omitempty"` // of oct
	HSM   bool             `json:"hsm,omitempty"`
	Ops   []string         `json:"ops"`
}

func newKeyRecord(p keyops.PublicJWK, hsm bool, ops []string) *keyRecord {
	return &keyRecord{Type: p.Type, Curve: p.Curve, N: p.N, E: p.E, X: p.X, Y: p.Y, Alg: p.Algorithm, Pub: p.Pub, Bits: p.Bits, HSM: hsm, Ops: ops}
}

func (k *keyRecord) public() keyops.PublicJWK {
	return keyops.PublicJWK{
		Type: k.Type, Curve: k.Curve, Algorithm: k.Alg, Pub: slices.Clone(k.Pub),
		N: slices.Clone(k.N), E: slices.Clone(k.E), X: slices.Clone(k.X), Y: slices.Clone(k.Y),
	}
}

// headRecord is an object: all that a list shows of it, and whatever else
// answers about its current version need but the body.
type headRecord struct {
	Name    string          `json:"name"` // as it was first created
	Current versionRecord   `json:"current"`
	Deleted *deletionRecord `json:"deleted,omitempty"`
	// Policy is the rotation policy of a key, nil for the default.
	Policy *policyRecord `json:"policy,omitempty"`
	// Lifetime is nil where nothing is due and nothing was done.
	Lifetime *lifetimeRecord `json:"lifetime,omitempty"`
	// Managed is true for the key of a certificate, which is renewed with it.
	Managed bool `json:"managed,omitempty"`
	// Release is the release policy of a key, of all its versions; one that has none
	// is not exportable.
	Release *releaseRecord `json:"release,omitempty"`
	// Restoring, if not empty, says that a restoration has claimed the name and
	// is still writing: there is no object, deleted or not.
	Restoring string `json:"restoring,omitempty"`
}

type deletionRecord struct {
	At      int64 `json:"at"`
	PurgeAt int64 `json:"purgeAt"`
}

func encodeRecord(v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding a record: %w", err)
	}
	return append([]byte{format1}, plain...), nil
}

func decodeRecord(plain []byte, v any) error {
	if len(plain) == 0 || plain[0] != format1 {
		return errRecord
	}
	if err := json.Unmarshal(plain[1:], v); err != nil {
		return fmt.Errorf("%w: %w", errRecord, err)
	}
	return nil
}

func decodeHead(plain []byte) (*headRecord, error) {
	h := new(headRecord)
	if err := decodeRecord(plain, h); err != nil {
		return nil, err
	}
	if !validName(h.Name) || !validVersion(h.Current.Version) {
		return nil, errRecord
	}
	return h, nil
}

func decodeVersion(plain []byte) (*versionRecord, error) {
	v := new(versionRecord)
	if err := decodeRecord(plain, v); err != nil {
		return nil, err
	}
	if !validVersion(v.Version) {
		return nil, errRecord
	}
	return v, nil
}

// encodeBody copies value: the caller clears the copy once it is sealed.
func encodeBody(value []byte) []byte {
	return append(append(make([]byte, 0, 1+len(value)), format1), value...)
}

// decodeBody returns a part of plain.
func decodeBody(plain []byte) ([]byte, error) {
	if len(plain) == 0 || plain[0] != format1 {
		return nil, errRecord
	}
	return plain[1:], nil
}

// Bounds of the cache of heads: at worst some 40 MB.
const (
	cachedHeads   = 8192
	maxCachedHead = 2 << 10 // sealed bytes
)

// cachedHead is a decoded head, which is never changed. Before its revision is
// known to be current it serves as a hint: which version is probably wanted.
type cachedHead struct {
	// revision is that of the record. It is zero for a head that was committed
	// and not yet read; then sealed is the record, which no other is like: each
	// has a random nonce.
	revision store.Revision
	sealed   []byte
	head     *headRecord
}

// is reports whether the head is what a record holds.
func (c cachedHead) is(rec store.Record) bool {
	if c.revision == 0 {
		return bytes.Equal(c.sealed, rec.Value)
	}
	return c.revision == rec.Revision
}

// committedHead is a head among the writes of an update.
type committedHead struct {
	key, sealed []byte
	head        *headRecord
}

// remember caches heads that were committed, for the next change: a busy writer
// would else open and decode what it has just encoded and sealed.
func (s *Service) remember(heads []committedHead) {
	for _, h := range heads {
		if len(h.sealed) <= maxCachedHead && h.head.asDecoded() {
			s.heads.Put(string(h.key), cachedHead{sealed: h.sealed, head: h.head.clone()})
		}
	}
}

// asDecoded reports whether decoding the head's record would give the same: JSON
// replaces what is no UTF-8. Of keys it is not known.
func (h *headRecord) asDecoded() bool {
	v := &h.Current
	if v.Key != nil || v.ContentType != nil && !utf8.ValidString(*v.ContentType) {
		return false
	}
	for name, value := range v.Tags {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return false
		}
	}
	return true
}

// clone returns a head that shares nothing with what a caller has given, and in
// which no tags are no map, as in a decoded one.
func (h *headRecord) clone() *headRecord {
	c := *h
	c.Current.NotBefore, c.Current.Expires = clone(h.Current.NotBefore), clone(h.Current.Expires)
	c.Current.ContentType = clone(h.Current.ContentType)
	c.Current.Tags = nil
	if len(h.Current.Tags) > 0 {
		c.Current.Tags = maps.Clone(h.Current.Tags)
	}
	c.Deleted = clone(h.Deleted)
	return &c
}

// openHead returns the head, shared and not to be changed, or nil when there is
// none.
func (s *Service) openHead(sc catalog.Scope, key []byte, rec store.Record) (*headRecord, error) {
	if !rec.Exists() {
		return nil, nil
	}
	cached, ok := s.heads.Get(string(key))
	if ok && cached.is(rec) {
		if cached.revision == 0 {
			s.heads.Put(string(key), cachedHead{revision: rec.Revision, head: cached.head})
		}
		return cached.head, nil
	}
	head, err := open(sc, key, rec, decodeHead)
	if err == nil && len(rec.Value) <= maxCachedHead {
		s.heads.Put(string(key), cachedHead{revision: rec.Revision, head: head})
	}
	return head, err
}

// open unseals a record that exists.
func open[T any](sc catalog.Scope, key []byte, rec store.Record, decode func([]byte) (T, error)) (T, error) {
	var zero T
	plain, err := sc.Sealer.Open(key, rec.Value)
	if err != nil {
		return zero, fmt.Errorf("opening a record of vault %s: %w", sc.Vault.ID, err)
	}
	v, err := decode(plain)
	if err != nil {
		return zero, fmt.Errorf("decoding a record of vault %s: %w", sc.Vault.ID, err)
	}
	return v, nil
}

// shown is one version of an object on its way to an answer.
type shown struct {
	vault   *catalog.Vault
	name    string
	version *versionRecord
	deleted *deletionRecord
	release *releaseRecord
}

func showHead(sc catalog.Scope, h *headRecord) shown { return h.show(sc, &h.Current) }

// show returns a version of the object whose head it is.
func (h *headRecord) show(sc catalog.Scope, v *versionRecord) shown {
	return shown{sc.Vault, h.Name, v, h.Deleted, h.Release}
}

// object returns what every kind shows. Nothing of it is shared with the record.
func (x shown) object() Object {
	o := Object{
		Name: x.name, Version: x.version.Version, Enabled: !x.version.Disabled,
		NotBefore: clone(x.version.NotBefore), Expires: clone(x.version.Expires),
		Created: x.version.Created, Updated: x.version.Updated,
		Tags:          maps.Clone(x.version.Tags),
		RecoveryLevel: x.vault.RecoveryLevel(),
	}
	if x.vault.SoftDelete {
		o.RecoverableDays = x.vault.RetentionDays
	}
	if x.deleted != nil {
		o.Deleted = &Deletion{At: x.deleted.At, PurgeAt: x.deleted.PurgeAt}
	}
	return o
}

// secret returns a secret without its value.
func (x shown) secret() (*Secret, error) {
	return &Secret{Object: x.object(), ContentType: clone(x.version.ContentType)}, nil
}

// key returns a key with its public part.
func (x shown) key() (*Key, error) {
	k := x.version.Key
	if k == nil {
		return nil, errRecord
	}
	return &Key{Object: x.object(), Public: k.public(), HSM: k.HSM, Ops: slices.Clone(k.Ops), ReleasePolicy: x.release.policy()}, nil
}

// keyItem returns a key as a list shows it.
func (x shown) keyItem() (*Key, error) {
	k, err := x.key()
	if err == nil {
		k.Public = keyops.PublicJWK{}
	}
	return k, err
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
