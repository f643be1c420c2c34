package identity

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Bounds of the directory.
const (
	// MaxSecrets is how many secrets an application may have, also expired ones.
	MaxSecrets = 10
	// MaxDirectoryPage is the largest page of a list.
	MaxDirectoryPage = 999
	// MaxObjects is how many objects GetObjects takes at once.
	MaxObjects = 1000

	maxName = 256 // characters
)

// ApplicationRef names an application by one of its ids: the one that is not empty.
type ApplicationRef struct {
	ClientID       string
	RegistrationID string // the application's own object id
	ObjectID       string // its service principal's
}

func (ref ApplicationRef) text() string {
	return clip(ref.ClientID + ref.RegistrationID + ref.ObjectID)
}

// find returns the application of the caller's tenant that the reference names, or
// nil. What cannot be a GUID is none.
func (d *Directory) find(g catalog.Getter, caller access.Caller, ref ApplicationRef) (*applicationRecord, error) {
	s := d.Identity
	clientID := ref.ClientID
	if len(clientID) > maxEcho {
		return nil, nil
	}
	if clientID == "" {
		objectID := ref.RegistrationID + ref.ObjectID
		if !IsGUID(objectID) {
			return nil, nil
		}
		recs, err := g.Get(objectKey(objectID))
		if err != nil || !recs[0].Exists() {
			return nil, err
		}
		if err := s.open(objectKey(objectID), recs[0], &clientID); err != nil {
			return nil, err
		}
	}
	app, err := s.readApplication(g, clientID)
	if err != nil || app == nil || !strings.EqualFold(app.TenantID, caller.TenantID) ||
		ref.RegistrationID != "" && !strings.EqualFold(app.RegistrationID, ref.RegistrationID) ||
		ref.ObjectID != "" && !strings.EqualFold(app.ObjectID, ref.ObjectID) {
		return nil, err
	}
	return app, nil
}

// isCaller reports whether the application is the caller itself.
func (r *applicationRecord) isCaller(c access.Caller) bool {
	return c.ObjectID != "" && strings.EqualFold(r.ObjectID, c.ObjectID) && strings.EqualFold(r.TenantID, c.TenantID)
}

func notFound(id string) error {
	return fault.New(fault.NotFound, graph.CodeNotFound,
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
}

// GetApplication returns an application.
func (d *Directory) GetApplication(ctx context.Context, call Call, ref ApplicationRef) (found *Registration, err error) {
	op := &operation{call: call, name: "ApplicationGet", object: "applications/" + ref.text(), action: actRead}
	err = d.read(ctx, op, func(v store.View, refusal error) error {
		app, err := d.find(v, call.Caller, ref)
		switch {
		case err != nil:
			return err
		case refusal != nil && (app == nil || !app.isCaller(call.Caller)):
			return refusal
		case app == nil:
			return notFound(ref.text())
		}
		found = app.registration()
		return nil
	})
	return found, err
}

// CreateApplication makes an application of the caller's tenant, which has no
// service principal and no secret yet.
func (d *Directory) CreateApplication(ctx context.Context, call Call, name string) (*Registration, error) {
	app := &applicationRecord{Application: d.Identity.newApplication(call.Caller.TenantID, name)}
	op := &operation{call: call, name: "ApplicationCreate", object: "applications/" + app.ClientID, action: actCreate}
	err := d.write(ctx, op, func(tx store.Tx) error {
		if err := checkName("displayName", name, false); err != nil {
			return err
		}
		recs, err := tx.Get(tenantKey(app.TenantID), applicationKey(app.ClientID))
		if err != nil {
			return err
		}
		if !recs[0].Exists() {
			return notFound(clip(app.TenantID))
		}
		return d.Identity.putApplication(tx, nil, app)
	})
	if err != nil {
		return nil, err
	}
	return app.registration(), nil
}

// change calls fn with an application in an update, and writes what fn made of it.
func (d *Directory) change(ctx context.Context, op *operation, ref ApplicationRef, fn func(*applicationRecord) error) (changed *Registration, err error) {
	op.object = "applications/" + ref.text()
	err = d.write(ctx, op, func(tx store.Tx) error {
		app, err := d.find(tx, op.call.Caller, ref)
		if err != nil {
			return err
		}
		if app == nil {
			return notFound(ref.text())
		}
		old := *app
		if err := fn(app); err != nil {
			return err
		}
		changed = app.registration()
		return d.Identity.putApplication(tx, &old, app)
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// CreatePrincipal gives an application the service principal without which it gets
// no tokens.
func (d *Directory) CreatePrincipal(ctx context.Context, call Call, clientID string) (*Registration, error) {
	op := &operation{call: call, name: "ServicePrincipalCreate", action: actCreate}
	id := newGUID()
	return d.change(ctx, op, ApplicationRef{ClientID: clientID}, func(app *applicationRecord) error {
		if app.ObjectID != "" {
			return fault.New(fault.Conflict, graph.CodeDuplicate,
				"The service principal cannot be created, updated, or restored because the service principal name %s is already in use.", clip(app.ClientID))
		}
		app.ObjectID = id
		return nil
	})
}

// DeletePrincipal takes the service principal away from an application, which gets
// no tokens from then on. Another one that it may be given has another object id,
// which no permission names. Nobody takes it from himself.
func (d *Directory) DeletePrincipal(ctx context.Context, call Call, ref ApplicationRef) error {
	op := &operation{call: call, name: "ServicePrincipalDelete", action: actDelete}
	_, err := d.change(ctx, op, ref, func(app *applicationRecord) error {
		if app.ObjectID == "" {
			return notFound(ref.text())
		}
		if err := app.notOf(call.Caller); err != nil {
			return err
		}
		app.ObjectID = ""
		return nil
	})
	return err
}

// DeleteApplication removes an application with its service principal and its
// secrets. It gets no tokens from then on; those that it has are good to their own
// end, for an hour at most. Role assignments and access policies that name it stay,
// and mean nobody: object ids are never used again. Nobody deletes himself.
func (d *Directory) DeleteApplication(ctx context.Context, call Call, ref ApplicationRef) error {
	op := &operation{call: call, name: "ApplicationDelete", object: "applications/" + ref.text(), action: actDelete}
	now := d.Identity.seconds()
	return d.write(ctx, op, func(tx store.Tx) error {
		app, err := d.find(tx, call.Caller, ref)
		if err != nil {
			return err
		}
		if app == nil {
			return notFound(ref.text())
		}
		if err := app.notOf(call.Caller); err != nil {
			return err
		}
		return d.Identity.deleteApplication(tx, app, now)
	})
}

// AddSecret gives an application a new random secret, which is shown here and never
// again.
func (d *Directory) AddSecret(ctx context.Context, call Call, ref ApplicationRef, spec SecretSpec) (SecretInfo, Secret, error) {
	op := &operation{call: call, name: "ApplicationSecretAdd", action: actSecrets}
	secret := NewSecret()
	stored, err := d.Identity.newSecret(ctx, secret, spec)
	if err != nil {
		return SecretInfo{}, Secret{}, err
	}
	_, err = d.change(ctx, op, ref, func(app *applicationRecord) error {
		if err := spec.check(stored.Created); err != nil {
			return err
		}
		if len(app.Secrets) >= MaxSecrets {
			return fault.New(fault.Invalid, graph.CodeBadRequest,
				"The application has %d passwords, which is as many as it may have. Remove one first.", len(app.Secrets))
		}
		app.Secrets = append(slices.Clip(app.Secrets), stored)
		return nil
	})
	if err != nil {
		return SecretInfo{}, Secret{}, err
	}
	return stored.info(), secret, nil
}

// RemoveSecret takes a secret away from an application. Tokens that it got with it
// are good to their own end. Nobody takes away the last that he has himself.
func (d *Directory) RemoveSecret(ctx context.Context, call Call, ref ApplicationRef, secretID string) error {
	op := &operation{call: call, name: "ApplicationSecretRemove", action: actSecrets}
	now := d.Identity.seconds()
	_, err := d.change(ctx, op, ref, func(app *applicationRecord) error {
		i := slices.IndexFunc(app.Secrets, func(s storedSecret) bool { return strings.EqualFold(s.ID, secretID) })
		if i < 0 {
			return fault.New(fault.Invalid, graph.CodeBadRequest, "No password credential found with keyId '%s'.", clip(secretID))
		}
		app.Secrets = slices.Delete(slices.Clone(app.Secrets), i, i+1)
		if !slices.ContainsFunc(app.Secrets, func(s storedSecret) bool { return s.End.IsZero() || s.End.After(now) }) {
			return app.notOf(call.Caller)
		}
		return nil
	})
	return err
}

// notOf refuses a change after which the caller himself gets no more tokens. Whoever
// may change the directory may be the last who can manage anything, and nobody
// stands above him to bring him back.
func (app *applicationRecord) notOf(caller access.Caller) error {
	if app.ObjectID == "" || !strings.EqualFold(app.ObjectID, caller.ObjectID) {
		return nil
	}
	return fault.New(fault.Invalid, graph.CodeBadRequest,
		"An application cannot delete itself, its service principal or its last password, since nobody might be left who manages the rest. Let another application do it.")
}

// check refuses what no secret can have. Years of five digits have no form in JSON.
func (spec SecretSpec) check(now time.Time) error {
	if err := checkName("passwordCredential.displayName", spec.Name, true); err != nil {
		return err
	}
	invalid := func(member string) error {
		return fault.New(fault.Invalid, graph.CodeBadRequest, "Invalid value specified for property '%s' of resource 'PasswordCredential'.", member)
	}
	switch {
	case spec.Start.Year() > 9999:
		return invalid("startDateTime")
	case spec.End.Year() > 9999, !spec.End.IsZero() && (!spec.End.After(spec.Start) || !spec.End.After(now)):
		return invalid("endDateTime")
	}
	return nil
}

func checkName(member, name string, optional bool) error {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) ||
		!optional && strings.TrimSpace(name) == "" {
		return fault.New(fault.Invalid, graph.CodeBadRequest,
			"Invalid value specified for property '%s': it has 1 to %d characters, without control characters.", member, maxName)
	}
	return nil
}

// GetTenant returns the caller's own tenant, which every caller may read.
func (d *Directory) GetTenant(ctx context.Context, call Call) (t Tenant, err error) {
	op := &operation{call: call, name: "OrganizationGet", object: "organization", action: actRead}
	err = d.read(ctx, op, func(v store.View, refusal error) error {
		if call.Caller.ObjectID == "" || !IsGUID(call.Caller.TenantID) {
			return refusal
		}
		key := tenantKey(call.Caller.TenantID)
		recs, err := v.Get(key)
		if err != nil {
			return err
		}
		if !recs[0].Exists() {
			return notFound(call.Caller.TenantID)
		}
		return d.Identity.open(key, recs[0], &t)
	})
	return t, err
}
