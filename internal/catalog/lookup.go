package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/cache"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// cachedVaults bounds the documents and name hints kept in memory. A document
// with its cipher is a few kilobytes.
const cachedVaults = 4096

// staleTries bounds how often an update reloads role assignments that changed
// under it. Each try needs another change of an assignment in between.
const staleTries = 16

// Config is what a Catalog works with. All fields are required.
type Config struct {
	Store   store.Store
	Keyring *seal.Keyring
}

// Catalog reads and writes the records of this package. Names are those of vaults,
// or of managed HSMs in the catalog that HSMs returns. It is safe for concurrent
// use.
type Catalog struct {
	store   store.Store
	keyring *seal.Keyring
	space   nameSpace
	names   *cache.Map[string, nameHint] // by folded name
	vaults  *cache.Map[string, *openVault]
	roles   *atomic.Pointer[roleIndex]
}

// nameSpace is one set of names.
type nameSpace struct {
	key func(name string) []byte
	// unknown is where we differ from Azure, where the name would not resolve.
	unknown func(name string) error
}

var (
	vaultNames = nameSpace{NameKey, noVault}
	hsmNames   = nameSpace{HSMNameKey, noHSM}
)

// nameHint is a decoded name record. It is also used before its revision is
// known to be current: then only to guess which other records to read.
type nameHint struct {
	revision store.Revision
	id       string
	nameKey  []byte // of the name record
	vaultKey []byte // VaultKey of the id
}

type openVault struct {
	revision store.Revision
	vault    *Vault
	access   access.Vault
	sealer   *seal.Sealer
}

type roleIndex struct {
	revision    store.Revision // of the authorisation epoch
	assignments *access.Assignments
}

// Scope is what an operation on a vault's contents must know of the vault.
type Scope struct {
	Vault *Vault
	// Access is Vault.Access(). It is shared, as Vault is.
	Access *access.Vault
	Sealer *seal.Sealer
	// Roles are the role assignments, if the vault is decided by them.
	Roles *access.Assignments
}

// Getter is the reading half of store.View and store.Tx.
type Getter interface {
	Get(keys ...[]byte) ([]store.Record, error)
}

// errStale says that a transaction needs role assignments that are not cached
// and that it cannot scan for.
var errStale = errors.New("catalog: role assignments have changed")

// New returns a catalog of the records in the store.
func New(cfg Config) *Catalog {
	return &Catalog{
		store:   cfg.Store,
		keyring: cfg.Keyring,
		space:   vaultNames,
		names:   cache.New[string, nameHint](cachedVaults),
		vaults:  cache.New[string, *openVault](cachedVaults),
		roles:   new(atomic.Pointer[roleIndex]),
	}
}

// HSMs returns the catalog of managed HSMs over the same records and caches.
func (c *Catalog) HSMs() *Catalog {
	h := *c
	h.space, h.names = hsmNames, cache.New[string, nameHint](cachedVaults)
	return &h
}

// View calls fn with the live vault called name and the records that keys
// names, read in one multi-get when the vault was seen before. keys may be nil.
// It returns a *fault.Error of kind NotFound when there is no such vault or it
// is deleted.
func (c *Catalog) View(ctx context.Context, name string, keys func(vaultID string) [][]byte, fn func(store.View, Scope, []store.Record) error) error {
	return c.store.View(ctx, func(v store.View) error {
		return c.In(v, name, keys, func(sc Scope, recs []store.Record) error { return fn(v, sc, recs) })
	})
}

// In is View in a view of the same store that is open already. What it finds
// follows from the records that it gets from the view: the role assignments, which
// it may scan for, from that of their epoch.
func (c *Catalog) In(v store.View, name string, keys func(vaultID string) [][]byte, fn func(Scope, []store.Record) error) error {
	found, recs, err := c.resolve(v, name, keys)
	if err != nil {
		return err
	}
	if found.RBAC() {
		if found.Roles, err = c.rolesAt(v, found.epoch); err != nil {
			return err
		}
	}
	return fn(found.Scope, recs)
}

// Find returns the live vault called name, as View does.
func (c *Catalog) Find(ctx context.Context, name string) (vault *Vault, err error) {
	err = c.store.View(ctx, func(v store.View) error {
		if found, ok := c.known(name); ok {
			same, err := v.Unchanged(found.stamps[:]...)
			if err != nil {
				return fmt.Errorf("reading vault %q: %w", name, err)
			}
			if same && found.vault.Deleted == nil {
				vault = found.vault
				return nil
			}
		}
		found, _, err := c.resolve(v, name, nil)
		vault = found.Vault
		return err
	})
	return vault, err
}

// known returns the document of a name as both were when they were last read.
func (c *Catalog) known(name string) (found struct {
	vault  *Vault
	stamps [2]store.Stamp
}, ok bool) {
	hint, ok := c.names.Get(strings.ToLower(name))
	if !ok {
		return found, false
	}
	opened, ok := c.vaults.Get(hint.id)
	if !ok {
		return found, false
	}
	found.vault = opened.vault
	found.stamps = [...]store.Stamp{{Key: hint.nameKey, Revision: hint.revision}, {Key: hint.vaultKey, Revision: opened.revision}}
	return found, true
}

// Update is View for a transaction that writes. All that it reads is a
// condition of the commit, so that a permission taken away or a vault deleted
// meanwhile is seen. fn obeys the rules of store.Store.Update.
func (c *Catalog) Update(ctx context.Context, name string, keys func(vaultID string) [][]byte, fn func(store.Tx, Scope, []store.Record) error) error {
	return c.retryStale(ctx, func(tx store.Tx) error {
		found, recs, err := c.resolve(tx, name, keys)
		if err != nil {
			return err
		}
		if found.RBAC() {
			if found.Roles, err = c.cachedRoles(found.epoch); err != nil {
				return err
			}
		}
		return fn(tx, found.Scope, recs)
	})
}

// Do calls fn in an update with the role assignments that hold in it.
func (c *Catalog) Do(ctx context.Context, fn func(store.Tx, *access.Assignments) error) error {
	return c.retryStale(ctx, func(tx store.Tx) error {
		recs, err := tx.Get(AuthzKey)
		if err != nil {
			return err
		}
		roles, err := c.cachedRoles(recs[0].Revision)
		if err != nil {
			return err
		}
		return fn(tx, roles)
	})
}

// Roles returns the role assignments that hold in a view.
func (c *Catalog) Roles(v store.View) (*access.Assignments, error) {
	recs, err := v.Get(AuthzKey)
	if err != nil {
		return nil, err
	}
	return c.rolesAt(v, recs[0].Revision)
}

func (c *Catalog) retryStale(ctx context.Context, fn func(store.Tx) error) error {
	for range staleTries {
		err := c.store.Update(ctx, fn)
		if !errors.Is(err, errStale) {
			return err
		}
		err = c.store.View(ctx, func(v store.View) error {
			_, err := c.Roles(v)
			return err
		})
		if err != nil {
			return err
		}
	}
	return store.ErrConflict
}

type resolved struct {
	Scope
	epoch store.Revision
}

// RBAC reports whether role assignments decide about the vault.
func (r resolved) RBAC() bool { return r.Vault.RBAC != nil && *r.Vault.RBAC }

// resolve reads the vault and the records that keys names: in one multi-get
// when the hint of the name still holds, else in two.
func (c *Catalog) resolve(g Getter, name string, keys func(string) [][]byte) (resolved, []store.Record, error) {
	folded := strings.ToLower(name)
	hint, hinted := c.names.Get(folded)
	request := make([][]byte, 2, 8)
	request[1] = AuthzKey
	if hinted {
		request[0] = hint.nameKey
		request = appendContents(request, hint, keys)
	} else {
		request[0] = c.space.key(folded)
	}
	recs, err := g.Get(request...)
	if err != nil {
		return resolved{}, nil, fmt.Errorf("reading vault %q: %w", name, err)
	}
	if !recs[0].Exists() {
		c.names.Delete(folded)
		return resolved{}, nil, c.space.unknown(name)
	}
	epoch := recs[1].Revision
	current := hint
	if !hinted || hint.revision != recs[0].Revision {
		if current, err = c.openName(folded, recs[0]); err != nil {
			return resolved{}, nil, err
		}
	}
	contents := recs[2:]
	if !hinted || current.id != hint.id {
		if contents, err = g.Get(appendContents(nil, current, keys)...); err != nil {
			return resolved{}, nil, fmt.Errorf("reading vault %q: %w", name, err)
		}
	}
	opened, err := c.openVault(current.id, contents[0])
	if err != nil {
		return resolved{}, nil, err
	}
	if opened.vault.Deleted != nil {
		return resolved{}, nil, c.space.unknown(name)
	}
	return resolved{Scope{Vault: opened.vault, Access: &opened.access, Sealer: opened.sealer}, epoch}, contents[1:], nil
}

func appendContents(request [][]byte, hint nameHint, keys func(string) [][]byte) [][]byte {
	request = append(request, hint.vaultKey)
	if keys != nil {
		request = append(request, keys(hint.id)...)
	}
	return request
}

func noVault(name string) error {
	return fault.New(fault.NotFound, "VaultNotFound",
		"There is no key vault named '%s' here. Check the name in the URL, create the vault, or recover it if it has been deleted.", name)
}

func noHSM(name string) error {
	return fault.New(fault.NotFound, "ManagedHSMNotFound",
		"There is no managed HSM named '%s' here. Check the name in the URL, create the managed HSM, or recover it if it has been deleted.", name)
}

// openName is DecodeName for a record that was read before the transaction wrote
// anything. What it caches is true of the record's revision.
func (c *Catalog) openName(folded string, rec store.Record) (nameHint, error) {
	id, err := c.DecodeName(folded, rec)
	if err != nil {
		return nameHint{}, err
	}
	hint := nameHint{rec.Revision, id, c.space.key(folded), VaultKey(id)}
	c.names.Put(folded, hint)
	return hint, nil
}

func (c *Catalog) openVault(id string, rec store.Record) (*openVault, error) {
	if cached, ok := c.vaults.Get(id); ok && cached.revision == rec.Revision {
		return cached, nil
	}
	vault, err := c.DecodeVault(id, rec)
	if err != nil {
		return nil, err
	}
	sealer, err := c.keyring.Vault(id, vault.WrappedKey)
	if err != nil {
		return nil, fmt.Errorf("unwrapping the key of vault %s: %w", id, err)
	}
	opened := &openVault{rec.Revision, vault, vault.Access(), sealer}
	c.vaults.Put(id, opened)
	return opened, nil
}

func (c *Catalog) cachedRoles(epoch store.Revision) (*access.Assignments, error) {
	if cached := c.roles.Load(); cached != nil && cached.revision == epoch {
		return cached.assignments, nil
	}
	return nil, errStale
}

// rolesAt returns the role assignments of a view whose epoch has the revision.
func (c *Catalog) rolesAt(v store.View, epoch store.Revision) (*access.Assignments, error) {
	if roles, err := c.cachedRoles(epoch); err == nil {
		return roles, nil
	}
	all, err := c.scanAssignments(v)
	if err != nil {
		return nil, fmt.Errorf("loading role assignments: %w", err)
	}
	index := &roleIndex{epoch, access.NewAssignments(all)}
	c.roles.Store(index)
	return index.assignments, nil
}

func (c *Catalog) scanAssignments(v store.View) ([]access.Assignment, error) {
	var all []access.Assignment
	r := tuple.Prefix(tuple.Key("role"))
	for {
		page, err := v.Scan(r, store.MaxScan)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			a, err := c.DecodeAssignment(e.Key, e.Record)
			if err != nil {
				return nil, err
			}
			all = append(all, a.Assignment)
		}
		if len(page) < store.MaxScan {
			return all, nil
		}
		r.Start = tuple.After(page[len(page)-1].Key)
	}
}
