package vault

import (
	"context"
	"log/slog"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/cache"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Config is what a Service works with. All fields are required.
type Config struct {
	Store   store.Store
	Catalog *catalog.Catalog
	Audit   *audit.Log
	// Backups seals and opens the backups of objects.
	Backups *seal.BackupKeys
	// Attestation verifies the attestation tokens of those to whom keys are released.
	Attestation Attestation
	// Now is the domain clock: it dates objects and decides what is due.
	Now    func() time.Time
	Logger *slog.Logger
}

// Service is the operations on the contents of vaults. It is safe for
// concurrent use, and for use by several processes over one store.
//
// Errors are *fault.Error where the caller is to be told: Invalid for a request
// that no state would allow, Forbidden without permission or where the object's
// state forbids the operation, NotFound, Conflict for a name that is deleted and
// not yet purged, Unavailable while nothing can be audited. A caller without
// permission is told so before anything else about the request or the object.
// Every other error is internal.
type Service struct {
	cfg     Config
	heads   *cache.Map[string, cachedHead] // by record key
	retries *retries                       // of lifetime actions
	keys    *cache.Map[string, cachedKey]  // by record key
	uses    *cache.Map[usePlace, *admittedUse]
}

// New returns a service of what the store holds.
func New(cfg Config) *Service {
	return &Service{
		cfg:     cfg,
		heads:   cache.New[string, cachedHead](cachedHeads),
		keys:    cache.New[string, cachedKey](cachedKeys),
		uses:    cache.New[usePlace, *admittedUse](cachedUses),
		retries: newRetries(),
	}
}

// Info returns what may be known of the live vault called name without any
// permission. Its error is of kind NotFound when there is none. It is not
// audited: it answers no caller.
func (s *Service) Info(ctx context.Context, name string) (Info, error) {
	v, err := s.cfg.Catalog.Find(ctx, name)
	if err != nil {
		return Info{}, err
	}
	return Info{Name: v.Name, TenantID: v.TenantID, Location: v.Location}, nil
}

// now returns the domain clock's time in the unit of every record.
func (s *Service) now() int64 { return s.cfg.Now().Unix() }
