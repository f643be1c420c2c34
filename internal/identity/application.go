package identity

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// applicationRecord is an application as it is stored.
type applicationRecord struct {
	Application
	Secrets []storedSecret `json:"secrets,omitempty"`
}

// storedSecret is a client secret as it is stored. Of old ones, there is only the
// hash.
type storedSecret struct {
	secretHash
	ID      string    `json:"id,omitempty"`
	Name    string    `json:"name,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Start   time.Time `json:"start,omitzero"`
	End     time.Time `json:"end,omitzero"`
}

// SecretSpec is what is chosen about a client secret. The zero value is good from
// now on and for ever.
type SecretSpec struct {
	Name       string
	Start, End time.Time
}

// SecretInfo is what is known of a client secret besides the secret. A time that
// is zero is not known, or no bound.
type SecretInfo struct {
	ID, Name            string
	Created, Start, End time.Time
}

// Registration is an application with what is known of its secrets.
type Registration struct {
	Application
	Secrets []SecretInfo
}

func (s storedSecret) info() SecretInfo { return SecretInfo{s.ID, s.Name, s.Created, s.Start, s.End} }

func (r *applicationRecord) registration() *Registration {
	out := &Registration{Application: r.Application}
	for _, s := range r.Secrets {
		out.Secrets = append(out.Secrets, s.info())
	}
	return out
}

func (s *Service) newApplication(tenantID, name string) Application {
	return Application{
		ClientID: newGUID(), RegistrationID: newGUID(), TenantID: strings.ToLower(tenantID), Name: name, Created: s.seconds(),
	}
}

// seconds is the time in the precision of the directory's API.
func (s *Service) seconds() time.Time { return s.cfg.Now().UTC().Truncate(time.Second) }

// complete gives an application that has none an object id of its own, which is
// always the same.
func (a *Application) complete() {
	if a.RegistrationID == "" {
		a.RegistrationID = stableGUID("registration", strings.ToLower(a.ClientID))
	}
}

func (s *Service) newSecret(ctx context.Context, secret Secret, spec SecretSpec) (storedSecret, error) {
	hash, err := s.hash(ctx, secret)
	return storedSecret{
		secretHash: hash, ID: newGUID(), Name: spec.Name, Created: s.seconds(), Start: spec.Start.UTC(), End: spec.End.UTC(),
	}, err
}

// startSlack is by how much the clock of whoever chose the start of a secret may
// be ahead of ours.
const startSlack = 5 * time.Minute

// checkSecret returns nil if the request shows a secret of the application, and why
// not otherwise. Only whoever knows a secret hears that it has expired.
func (s *Service) checkSecret(ctx context.Context, app *applicationRecord, req ClientCredentials) error {
	now := s.cfg.Now()
	refusal := wrongSecret(req.ClientID)
	for _, have := range app.Secrets {
		ok, err := s.matches(ctx, have.secretHash, req.Secret)
		switch {
		case err != nil:
			return err
		case !ok, now.Add(startSlack).Before(have.Start):
		case !have.End.IsZero() && !now.Before(have.End):
			refusal = expiredSecret(req.ClientID)
		default:
			return nil
		}
	}
	return refusal
}

// readApplication returns the application in a transaction, or nil.
func (s *Service) readApplication(g catalog.Getter, clientID string) (*applicationRecord, error) {
	recs, err := g.Get(applicationKey(clientID))
	if err != nil {
		return nil, err
	}
	return s.openApplication(applicationKey(clientID), recs[0])
}

// openApplication decodes an application; nil if there is none. Records of before
// there was a directory get the ids that they lack.
func (s *Service) openApplication(key []byte, rec store.Record) (*applicationRecord, error) {
	if !rec.Exists() {
		return nil, nil
	}
	app := new(applicationRecord)
	if err := s.open(key, rec, app); err != nil {
		return nil, err
	}
	app.complete()
	for i := range app.Secrets {
		if have := &app.Secrets[i]; have.ID == "" {
			have.ID = stableGUID("secret", strings.ToLower(app.ClientID), hex.EncodeToString(have.Salt))
		}
	}
	return app, nil
}

// putApplication writes an application, and the records by which its object ids
// are found, in the place of those of old, which may be nil.
func (s *Service) putApplication(tx store.Tx, old, app *applicationRecord) error {
	if old != nil {
		dropObjects(tx, old)
	}
	for _, id := range []string{app.RegistrationID, app.ObjectID} {
		if id == "" {
			continue
		}
		if err := s.put(tx, objectKey(id), app.ClientID); err != nil {
			return err
		}
	}
	tx.Delete(deletedKey(app.ClientID))
	return s.put(tx, applicationKey(app.ClientID), app)
}

func dropObjects(tx store.Tx, app *applicationRecord) {
	tx.Delete(objectKey(app.RegistrationID))
	if app.ObjectID != "" {
		tx.Delete(objectKey(app.ObjectID))
	}
}

// deleteApplication removes an application and remembers that it was there, so
// that nobody registers it anew by showing its client id.
func (s *Service) deleteApplication(tx store.Tx, app *applicationRecord, now time.Time) error {
	dropObjects(tx, app)
	tx.Delete(applicationKey(app.ClientID))
	return s.put(tx, deletedKey(app.ClientID), now)
}

func (s *Service) wasDeleted(ctx context.Context, clientID string) (gone bool, err error) {
	err = s.cfg.Store.View(ctx, func(v store.View) error {
		recs, err := v.Get(deletedKey(clientID))
		gone = err == nil && recs[0].Exists()
		return err
	})
	return gone, err
}

// Maintain does what falls due: it rotates the keys that sign tokens, and brings
// old records up to date. It is to be called at short intervals, in every process
// over the store.
func (s *Service) Maintain(ctx context.Context) error {
	if err := s.indexApplications(ctx); err != nil {
		return fmt.Errorf("indexing applications: %w", err)
	}
	return s.maintainKeys(ctx)
}

// indexApplications gives applications of before there was a directory the records
// by which their object ids are found. After its first run it does nothing.
func (s *Service) indexApplications(ctx context.Context) error {
	if s.indexed.Load() {
		return nil
	}
	r := tuple.Prefix(applicationRoot)
	for {
		var batch []store.Entry
		err := s.cfg.Store.View(ctx, func(v store.View) (err error) {
			batch, err = v.Scan(r, store.MaxScan)
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range batch {
			if err := s.indexApplication(ctx, e); err != nil {
				return err
			}
		}
		if len(batch) < store.MaxScan {
			s.indexed.Store(true)
			return nil
		}
		r.Start = tuple.After(batch[len(batch)-1].Key)
	}
}

func (s *Service) indexApplication(ctx context.Context, e store.Entry) error {
	var have Application
	if err := s.open(e.Key, e.Record, &have); err != nil || have.RegistrationID != "" {
		return err
	}
	return s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		app, err := s.readApplication(tx, have.ClientID)
		if err != nil || app == nil {
			return err
		}
		return s.putApplication(tx, nil, app)
	})
}
