package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// Tenant is a directory of applications. ID is a GUID; Domain, which may be
// empty, means the same tenant wherever the id does.
type Tenant struct {
	ID     string `json:"id"`
	Domain string `json:"domain,omitempty"`
	Name   string `json:"name,omitempty"`
}

// Application is what asks for tokens.
type Application struct {
	ClientID string `json:"clientId"`
	// ObjectID is that of the application's service principal, which is what
	// permissions name. An application without one gets no tokens.
	ObjectID string `json:"objectId,omitempty"`
	TenantID string `json:"tenantId"`
	Name     string `json:"name,omitempty"`
	// RegistrationID is the object id of the application itself, by which the
	// directory's API knows it. Empty means one that follows from the client id.
	RegistrationID string `json:"registrationId,omitempty"`
	// Created is zero if nobody knows.
	Created time.Time `json:"created,omitzero"`
}

// maxTenants bounds the tenants that are looked through for a domain.
const maxTenants = store.MaxScan

// EnsureTenant makes the tenant, or gives one of the same id the domain and the
// name.
func (s *Service) EnsureTenant(ctx context.Context, t Tenant) error {
	if !IsGUID(t.ID) || t.Domain != "" && !isDomain(t.Domain) {
		return errors.New("a tenant needs a GUID as its id, and a domain with a dot or none")
	}
	return s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		recs, err := tx.Get(tenantKey(t.ID))
		if err != nil {
			return err
		}
		if recs[0].Exists() {
			var have Tenant
			if err := s.open(tenantKey(t.ID), recs[0], &have); err != nil || have == t {
				return err
			}
		}
		return s.put(tx, tenantKey(t.ID), t)
	})
}

// FindTenant returns the tenant that a path segment of the token service names:
// by id, by domain, or as "common" and "organizations", which mean the first. Its
// error is an *Error when there is none.
func (s *Service) FindTenant(ctx context.Context, segment string) (Tenant, error) {
	anyTenant := strings.EqualFold(segment, "common") || strings.EqualFold(segment, "organizations")
	if !anyTenant && !IsGUID(segment) && !isDomain(segment) {
		return Tenant{}, tenantMalformed(segment)
	}
	all, err := s.tenants(ctx)
	if err != nil {
		return Tenant{}, err
	}
	for _, t := range all {
		if strings.EqualFold(t.ID, segment) || strings.EqualFold(t.Domain, segment) {
			return t, nil
		}
	}
	if (anyTenant || s.cfg.AliasTenants) && len(all) > 0 {
		return all[0], nil
	}
	return Tenant{}, tenantNotFound(segment)
}

func (s *Service) tenants(ctx context.Context) (all []Tenant, err error) {
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		entries, err := v.Scan(tuple.Prefix(tenantRoot), maxTenants)
		if err != nil {
			return err
		}
		all = make([]Tenant, len(entries))
		for i, e := range entries {
			if err := s.open(e.Key, e.Record, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the tenants: %w", err)
	}
	return all, nil
}

// EnsureApplication makes the application, or replaces one of the same client id,
// with the secret as its only credential. Like CreateApplication it has no caller
// and asks for no permission: it is what the operator's own configuration does.
// Directory has what callers do.
func (s *Service) EnsureApplication(ctx context.Context, app Application, secret Secret) error {
	stored, err := s.newSecret(ctx, secret, SecretSpec{})
	if err != nil {
		return err
	}
	app.complete()
	return s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		key := applicationKey(app.ClientID)
		recs, err := tx.Get(tenantKey(app.TenantID), key)
		if err != nil {
			return err
		}
		if !recs[0].Exists() {
			return fmt.Errorf("the application %s is of a tenant that does not exist", app.ClientID)
		}
		old, err := s.openApplication(key, recs[1])
		if err != nil {
			return err
		}
		return s.putApplication(tx, old, &applicationRecord{app, []storedSecret{stored}})
	})
}

// CreateApplication makes an application with new ids and a new secret, which is
// shown here and never again.
func (s *Service) CreateApplication(ctx context.Context, tenantID, name string) (Application, Secret, error) {
	app := s.newApplication(tenantID, name)
	app.ObjectID = newGUID()
	secret := NewSecret()
	if err := s.EnsureApplication(ctx, app, secret); err != nil {
		return Application{}, Secret{}, err
	}
	return app, secret, nil
}

// application returns a registered application, or nil. On the way it looks
// whether there are other keys to sign with than those in memory.
func (s *Service) application(ctx context.Context, clientID string) (found *applicationRecord, err error) {
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		recs, err := v.Get(applicationKey(clientID), tokenKeysKey)
		if err != nil {
			return err
		}
		if _, err := s.refreshKeys(recs[1]); err != nil {
			return err
		}
		found, err = s.openApplication(applicationKey(clientID), recs[0])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading an application: %w", err)
	}
	return found, nil
}

// PrincipalType says what kind of principal of the tenant has the object id:
// "ServicePrincipal", or nothing if there is none.
func (s *Service) PrincipalType(ctx context.Context, tenantID, objectID string) (kind string, err error) {
	if !IsGUID(objectID) {
		return "", nil
	}
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		recs, err := v.Get(objectKey(objectID))
		if err != nil || !recs[0].Exists() {
			return err
		}
		var clientID string
		if err := s.open(objectKey(objectID), recs[0], &clientID); err != nil {
			return err
		}
		app, err := s.readApplication(v, clientID)
		// The object may be the application itself, which permissions do not name.
		if err == nil && app != nil && strings.EqualFold(app.TenantID, tenantID) && strings.EqualFold(app.ObjectID, objectID) {
			kind = "ServicePrincipal"
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("looking for a principal: %w", err)
	}
	return kind, nil
}

// adopt registers an application with the secret that it shows, unless somebody
// else was faster: then theirs stays. What it may do is granted first, so that no
// registered application is without. One that was deleted stays so: the result is
// nil.
func (s *Service) adopt(ctx context.Context, tenant Tenant, clientID string, secret Secret) (*applicationRecord, error) {
	app := Application{
		ClientID: strings.ToLower(clientID), ObjectID: stableGUID("application", tenant.ID, strings.ToLower(clientID)),
		TenantID: tenant.ID, Name: "adopted", Created: s.seconds(),
	}
	app.complete()
	if gone, err := s.wasDeleted(ctx, clientID); gone || err != nil {
		return nil, err
	}
	stored, err := s.newSecret(ctx, secret, SecretSpec{})
	if err != nil {
		return nil, err
	}
	if err := s.cfg.OnAdopt(ctx, app); err != nil {
		return nil, fmt.Errorf("adopting an application: %w", err)
	}
	key := applicationKey(clientID)
	var registered *applicationRecord
	err = s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		registered = nil
		recs, err := tx.Get(key, deletedKey(clientID))
		if err != nil || recs[1].Exists() {
			return err
		}
		if registered, err = s.openApplication(key, recs[0]); registered != nil || err != nil {
			return err
		}
		registered = &applicationRecord{app, []storedSecret{stored}}
		return s.putApplication(tx, nil, registered)
	})
	return registered, err
}

// newGUID returns a random GUID (RFC 9562, version 4).
func newGUID() string {
	var b [16]byte
	rand.Read(b[:])
	return guid(b, 4)
}

// stableGUID returns a GUID that is always the same for the same parts (RFC 9562,
// version 8: a hash of our own making).
func stableGUID(parts ...string) string {
	sum := sha256.Sum256(tuple.Key(parts...))
	return guid([16]byte(sum[:16]), 8)
}

func guid(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// IsGUID reports whether s is a GUID in its usual text form, in either case.
func IsGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F'):
			return false
		}
	}
	return true
}

// isDomain reports whether s may be a registered domain of a tenant.
func isDomain(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}
