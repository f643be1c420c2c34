// Package resource is the domain of the management plane: subscriptions,
// resource groups and the vaults and managed HSMs in them, from creation through
// deletion to purge.
//
// Every operation takes the caller as part of an explicit Call, authorises
// itself against the role assignments in the transaction that does the work,
// and audits itself. An operation that is refused has changed nothing. Work that
// is too large for one transaction, such as deleting a group, is a job whose
// record is in the store: it goes on after a crash at any point, in any process.
//
// Vaults are found by ordered index keys: no operation reads more vaults than it
// answers with, or than its page has to look at. The package knows no HTTP and no
// database driver, and nothing of what a vault contains but the range of its
// keys. It never stores an address.
package resource

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Config is what a Service works with. All fields but Principal and Compact are
// required.
type Config struct {
	Store   store.Store
	Catalog *catalog.Catalog
	Keyring *seal.Keyring
	Audit   *audit.Log
	// Now is the domain clock: it dates changes and decides what is due.
	Now func() time.Time
	// Compact, if not nil, is called after a purge with the range of keys that
	// was erased, so that what was unreadable leaves the disk too. It may be
	// called again for the same range.
	Compact func(context.Context, store.Range) error
	// Principal says what kind of principal of a tenant has an object id, in the
	// words of PutRoleAssignment, or nothing if there is none. If it is nil, nobody is
	// known.
	Principal func(ctx context.Context, tenant, objectID string) (kind string, err error)
	Logger    *slog.Logger
}

// Call is who asks and from where. The zero Caller may do nothing. APIVersion
// is the api-version of the request: some defaults of a new vault depend on it.
type Call struct {
	Caller     access.Caller
	Origin     audit.Origin
	APIVersion string
}

// PageRequest asks for one page of a list: at most Max items (1 to MaxPage)
// after Marker, which is empty or the Next of an earlier page.
type PageRequest struct {
	Max    int
	Marker string
}

// Page is one page of a list. Next is empty on the last.
type Page[T any] struct {
	Items []T
	Next  string
}

// MaxPage is the largest page of a list.
const MaxPage = 500

// Service is the operations of the management plane. It is safe for concurrent
// use, and for use by several processes over one store.
//
// Errors are *fault.Error where the caller is to be told: Unauthenticated for a
// token of another tenant than the subscription's, Invalid, Forbidden, NotFound,
// MethodNotAllowed, Conflict, and Unavailable while nothing can be audited. A
// caller without permission is told so before anything about the request's body
// or the resource. Every other error is internal.
type Service struct {
	cfg   Config
	hsms  *catalog.Catalog // Config.Catalog's managed HSMs
	wake  chan struct{}    // capacity 1: a job may be waiting
	roles atomic.Pointer[roleScopes]
}

// New returns a service of what the store holds.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, hsms: cfg.Catalog.HSMs(), wake: make(chan struct{}, 1)}
}

// now is the domain clock in the precision that the wire has.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// newID returns 128 random bits as hex digits.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// newGUID is newID in the text form of GUIDs.
func newGUID() string {
	id := newID()
	return id[:8] + "-" + id[8:12] + "-4" + id[13:16] + "-8" + id[17:20] + "-" + id[20:]
}

// change says who changes something now.
func (c Call) change(now time.Time) catalog.Change {
	switch {
	case c.Caller.AppID != "":
		return catalog.Change{By: c.Caller.AppID, Type: "Application", At: now}
	case c.Caller.ObjectID != "":
		return catalog.Change{By: c.Caller.ObjectID, Type: "User", At: now}
	default:
		return catalog.Change{At: now}
	}
}
