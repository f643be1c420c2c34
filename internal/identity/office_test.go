package identity

import (
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

const (
	ownerOID = "dddddddd-0000-4000-8000-0000000000aa"
	roleRead = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	roleUAA  = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
	roleRBAC = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
	deniedBy = "Insufficient privileges to complete the operation."
)

// office is a world with a directory, in which ownerOID owns everything.
type office struct {
	*world
	dir *Directory
}

func newOffice(t testing.TB, changes ...func(*Config)) *office {
	t.Helper()
	o := &office{world: newWorld(t, changes...)}
	cat := catalog.New(catalog.Config{Store: o.store, Keyring: o.ring})
	o.dir = NewDirectory(DirectoryConfig{Identity: o.svc, Catalog: cat, Audit: o.audit})
	o.assign(cat, "/", access.RoleOwner, ownerOID)
	return o
}

func (o *office) assign(cat *catalog.Catalog, scope, role, principal string) {
	o.t.Helper()
	must(o.t, o.store.Update(o.t.Context(), func(tx store.Tx) error {
		key, sealed, err := cat.EncodeAssignment(catalog.RoleAssignment{Assignment: access.Assignment{ID: newGUID(), Scope: scope, RoleID: role, PrincipalID: principal}})
		if err != nil {
			return err
		}
		epochKey, epoch, err := cat.EncodeEpoch()
		if err != nil {
			return err
		}
		if _, err := tx.Get(key, epochKey); err != nil {
			return err
		}
		tx.Put(key, sealed)
		tx.Put(epochKey, epoch)
		return nil
	}))
}

func by(objectID string) Call {
	return Call{
		Caller: access.Caller{TenantID: tenantA, ObjectID: objectID, AppID: "of " + objectID},
		Origin: audit.Origin{RequestID: "r-1", Address: "192.0.2.1"},
	}
}

var owner = by(ownerOID)

// audited returns the records since the last call.
func (o *office) audited() []audit.Record {
	o.t.Helper()
	must(o.t, o.audit.Export(o.t.Context()))
	return o.sink.Take()
}

// create registers an application with a principal and a secret.
func (o *office) create(name string) (*Registration, Secret) {
	o.t.Helper()
	app, err := o.dir.CreateApplication(o.t.Context(), owner, name)
	must(o.t, err)
	app, err = o.dir.CreatePrincipal(o.t.Context(), owner, app.ClientID)
	must(o.t, err)
	_, secret, err := o.dir.AddSecret(o.t.Context(), owner, ApplicationRef{ClientID: app.ClientID}, SecretSpec{Name: "first"})
	must(o.t, err)
	return app, secret
}

func wantFault(t testing.TB, what string, err error, kind fault.Kind, code, message string) {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != kind || f.Code != code || f.Message != message {
		t.Errorf("%s: %v\nwant %v %s: %s", what, err, kind, code, message)
	}
}
