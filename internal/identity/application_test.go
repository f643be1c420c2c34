package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/api/graph"
	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// The life of an application, as its caller sees it and as it gets tokens.
func TestApplicationLife(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ctx := t.Context()
	app, err := o.dir.CreateApplication(ctx, owner, "billing")
	must(t, err)
	if !guidV4.MatchString(app.ClientID) || !guidV4.MatchString(app.RegistrationID) || app.ClientID == app.RegistrationID ||
		app.ObjectID != "" || app.TenantID != tenantA || app.Name != "billing" || !app.Created.Equal(now0) || len(app.Secrets) != 0 {
		t.Errorf("created %+v", app)
	}
	ref := ApplicationRef{ClientID: strings.ToUpper(app.ClientID)}
	info, secret, err := o.dir.AddSecret(ctx, owner, ref, SecretSpec{Name: "one", End: now0.Add(time.Hour)})
	must(t, err)
	if !guidV4.MatchString(info.ID) || info.Name != "one" || !info.Created.Equal(now0) || !info.End.Equal(now0.Add(time.Hour)) || secret.Len() < 26 {
		t.Errorf("a secret %+v of %d characters", info, secret.Len())
	}
	_, err = o.ask(as(app.ClientID, secret))
	wantRefusal(t, err, 7000229, UnauthorizedClient, "The client application "+app.ClientID+" is missing service principal in the tenant "+tenantA+
		". See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119")
	withPrincipal, err := o.dir.CreatePrincipal(ctx, owner, app.ClientID)
	must(t, err)
	_, err = o.dir.CreatePrincipal(ctx, owner, app.ClientID)
	wantFault(t, "a second principal", err, fault.Conflict, graph.CodeDuplicate,
		"The service principal cannot be created, updated, or restored because the service principal name "+app.ClientID+" is already in use.")
	token, err := o.ask(as(app.ClientID, secret))
	must(t, err)
	if caller, err := o.svc.Verify(ctx, PlaneVault, string(token.Access.Reveal())); err != nil || caller.ObjectID != withPrincipal.ObjectID {
		t.Errorf("%+v, %v", caller, err)
	}

	for what, ref := range map[string]ApplicationRef{
		"client id": ref, "object id": {RegistrationID: strings.ToUpper(app.RegistrationID)}, "principal": {ObjectID: withPrincipal.ObjectID},
	} {
		got, err := o.dir.GetApplication(ctx, owner, ref)
		if err != nil || got.ClientID != app.ClientID || len(got.Secrets) != 1 || got.Secrets[0] != info {
			t.Errorf("by %s: %+v, %v", what, got, err)
		}
	}
	for what, ref := range map[string]ApplicationRef{
		"the principal's id for its own": {RegistrationID: withPrincipal.ObjectID}, "its own id for the principal's": {ObjectID: app.RegistrationID},
		"nobody's": {ClientID: newGUID()}, "a long one": {ClientID: strings.Repeat("x", 5000)}, "no GUID": {RegistrationID: "x"}, "none": {},
	} {
		_, err := o.dir.GetApplication(ctx, owner, ref)
		wantFault(t, what, err, fault.NotFound, graph.CodeNotFound,
			"Resource '"+ref.text()+"' does not exist or one of its queried reference-property objects are not present.")
	}

	// A secret ends, and only who knows it hears so.
	o.now = now0.Add(time.Hour)
	_, err = o.ask(as(app.ClientID, secret))
	wantRefusal(t, err, 7000222, InvalidClient, "The provided client secret keys for app '"+app.ClientID+"' are expired. "+
		"Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.")
	_, err = o.ask(as(app.ClientID, NewSecret()))
	wantRefusal(t, err, 7000215, InvalidClient, text(secretText, app.ClientID))
	_, second, err := o.dir.AddSecret(ctx, owner, ref, SecretSpec{Start: o.now.Add(time.Hour)})
	must(t, err)
	_, err = o.ask(as(app.ClientID, second))
	wantRefusal(t, err, 7000215, InvalidClient, text(secretText, app.ClientID))
	o.now = o.now.Add(time.Hour - startSlack)
	_, err = o.ask(as(app.ClientID, second))
	must(t, err)

	must(t, o.dir.RemoveSecret(ctx, owner, ref, strings.ToUpper(info.ID)))
	err = o.dir.RemoveSecret(ctx, owner, ref, info.ID)
	wantFault(t, "a secret that is gone", err, fault.Invalid, graph.CodeBadRequest, "No password credential found with keyId '"+info.ID+"'.")

	token, err = o.ask(as(app.ClientID, second))
	must(t, err)
	must(t, o.dir.DeleteApplication(ctx, owner, ref))
	_, err = o.ask(as(app.ClientID, second))
	wantRefusal(t, err, 700016, UnauthorizedClient, text(noClientText, app.ClientID))
	if _, err := o.svc.Verify(ctx, PlaneVault, string(token.Access.Reveal())); err != nil {
		t.Errorf("a token ended before its time: %v", err)
	}
	if err := o.dir.DeleteApplication(ctx, owner, ref); fault.KindOf(err) != fault.NotFound {
		t.Errorf("deleted twice: %v", err)
	}
	for _, id := range []string{app.RegistrationID, withPrincipal.ObjectID} {
		if _, there := o.dump()[string(objectKey(id))]; there {
			t.Errorf("the object id %s still leads somewhere", id)
		}
	}
}

// An application that owned everything could delete itself, and nobody was left to
// manage anything.
func TestNobodyDeletesHimself(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ctx := t.Context()
	app, _ := o.create("admin")
	o.assign(catalog.New(catalog.Config{Store: o.store, Keyring: o.ring}), "/", access.RoleOwner, app.ObjectID)
	self, ref := by(app.ObjectID), ApplicationRef{ClientID: app.ClientID}
	app, err := o.dir.GetApplication(ctx, self, ref)
	must(t, err)
	_, _, err = o.dir.AddSecret(ctx, self, ref, SecretSpec{End: o.now.Add(time.Minute)})
	must(t, err)
	o.now = o.now.Add(time.Hour) // so that it has one that has ended
	for what, err := range map[string]error{
		"itself":        o.dir.DeleteApplication(ctx, self, ref),
		"its principal": o.dir.DeletePrincipal(ctx, self, ApplicationRef{ObjectID: app.ObjectID}),
		"its secret":    o.dir.RemoveSecret(ctx, self, ref, app.Secrets[0].ID),
	} {
		wantFault(t, what, err, fault.Invalid, graph.CodeBadRequest,
			"An application cannot delete itself, its service principal or its last password, since nobody might be left who manages the rest. Let another application do it.")
	}
	_, _, err = o.dir.AddSecret(ctx, self, ref, SecretSpec{})
	must(t, err)
	must(t, o.dir.RemoveSecret(ctx, self, ref, app.Secrets[0].ID))
	must(t, o.dir.DeleteApplication(ctx, owner, ref))
}

// Without its principal an application gets no tokens; another principal is
// somebody else.
func TestPrincipalIsNeverTheSame(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	app, secret := o.create("x")
	must(t, o.dir.DeletePrincipal(t.Context(), owner, ApplicationRef{ObjectID: app.ObjectID}))
	if _, err := o.ask(as(app.ClientID, secret)); err == nil {
		t.Error("a token without a principal")
	}
	if err := o.dir.DeletePrincipal(t.Context(), owner, ApplicationRef{ClientID: app.ClientID}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("deleted twice: %v", err)
	}
	again, err := o.dir.CreatePrincipal(t.Context(), owner, app.ClientID)
	must(t, err)
	if again.ObjectID == app.ObjectID || again.RegistrationID != app.RegistrationID {
		t.Errorf("%+v after %+v", again, app)
	}
}

// Everybody's permissions, for every operation. Only whoever could give himself
// every role anyway changes applications, because who gives one a secret can be it.
func TestDirectoryPermissions(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ctx := t.Context()
	cat := o.dir.Catalog
	const subscription = "/subscriptions/bbbbbbbb-0000-4000-8000-000000000001"
	callers := map[string]struct {
		call        Call
		read, write bool
	}{
		"owner": {owner, true, true},
		"zero":  {Call{}, false, false},
		"owner's object id of another tenant": {
			Call{Caller: access.Caller{TenantID: tenantB, ObjectID: newGUID()}}, false, false,
		},
	}
	for _, c := range []struct {
		name, scope, role string
		read, write       bool
	}{
		{"contributor", "/", access.RoleContributor, true, false},
		{"reader", "/", roleRead, true, false},
		{"user access administrator", "/", roleUAA, true, false},
		{"role administrator", "/", roleRBAC, true, false},
		{"key vault administrator", "/", access.RoleKeyVaultAdministrator, false, false},
		{"owner of a subscription", subscription, access.RoleOwner, false, false},
	} {
		oid := newGUID()
		o.assign(cat, c.scope, c.role, oid)
		callers[c.name] = struct {
			call        Call
			read, write bool
		}{by(oid), c.read, c.write}
	}
	operations := []struct {
		name, audit string
		write       bool
		do          func(Call, ApplicationRef) error
	}{
		{"get", "ApplicationGet", false, func(c Call, ref ApplicationRef) error { _, err := o.dir.GetApplication(ctx, c, ref); return err }},
		{"list", "ApplicationList", false, func(c Call, _ ApplicationRef) error {
			_, _, err := o.dir.ListApplications(ctx, c, ApplicationFilter{}, DirectoryPage{Max: 10})
			return err
		}},
		{"list of nothing", "ApplicationList", false, func(c Call, _ ApplicationRef) error {
			_, _, err := o.dir.ListApplications(ctx, c, ApplicationFilter{None: true}, DirectoryPage{Max: 10})
			return err
		}},
		{"list by id", "ApplicationList", false, func(c Call, ref ApplicationRef) error {
			_, _, err := o.dir.ListApplications(ctx, c, ApplicationFilter{ClientID: ref.ClientID}, DirectoryPage{Max: 10})
			return err
		}},
		{"get objects", "DirectoryObjectsGet", false, func(c Call, _ ApplicationRef) error {
			_, err := o.dir.GetObjects(ctx, c, []string{objectID})
			return err
		}},
		{"create", "ApplicationCreate", true, func(c Call, _ ApplicationRef) error { _, err := o.dir.CreateApplication(ctx, c, "made"); return err }},
		{"add a secret", "ApplicationSecretAdd", true, func(c Call, ref ApplicationRef) error {
			_, _, err := o.dir.AddSecret(ctx, c, ref, SecretSpec{})
			return err
		}},
		{"remove a secret", "ApplicationSecretRemove", true, func(c Call, ref ApplicationRef) error {
			app, err := o.dir.GetApplication(ctx, owner, ref)
			must(t, err)
			o.audited()
			return o.dir.RemoveSecret(ctx, c, ref, app.Secrets[0].ID)
		}},
		{"delete the principal", "ServicePrincipalDelete", true, func(c Call, ref ApplicationRef) error { return o.dir.DeletePrincipal(ctx, c, ref) }},
		{"create a principal", "ServicePrincipalCreate", true, func(c Call, ref ApplicationRef) error {
			must(t, o.dir.DeletePrincipal(ctx, owner, ref))
			o.audited()
			_, err := o.dir.CreatePrincipal(ctx, c, ref.ClientID)
			return err
		}},
		{"delete", "ApplicationDelete", true, func(c Call, ref ApplicationRef) error { return o.dir.DeleteApplication(ctx, c, ref) }},
	}
	for name, c := range callers {
		for _, op := range operations {
			app, _ := o.create("subject")
			o.audited()
			before := o.dump()
			err := op.do(c.call, ApplicationRef{ClientID: app.ClientID})
			records := o.audited()
			if len(records) != 1 || records[0].Operation != op.audit || records[0].Resource != "/" || records[0].Object == "" ||
				records[0].Caller.ObjectID != c.call.Caller.ObjectID || records[0].Origin != c.call.Origin {
				t.Errorf("%s, %s: audited %+v", name, op.name, records)
				continue
			}
			if c.write || c.read && !op.write {
				if err != nil || records[0].Code != "" {
					t.Errorf("%s, %s: %v, audited as %q", name, op.name, err, records[0].Code)
				}
				continue
			}
			wantFault(t, name+", "+op.name, err, fault.Forbidden, graph.CodeDenied, deniedBy)
			// The operator sees which permission is missing.
			if r := records[0]; r.Code != graph.CodeDenied || !strings.Contains(r.Reason, "does not have authorization to perform action") {
				t.Errorf("%s, %s: audited %+v", name, op.name, r)
			}
			if op.name != "create a principal" && fmt.Sprint(o.dump()) != fmt.Sprint(before) {
				t.Errorf("%s, %s: a refusal has changed something", name, op.name)
			}
		}
	}
}

// A caller reads itself, and nothing else.
func TestCallerReadsItself(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ctx := t.Context()
	app, _ := o.create("self")
	other, _ := o.create("other")
	self := by(app.ObjectID)
	if got, err := o.dir.GetApplication(ctx, self, ApplicationRef{ClientID: app.ClientID}); err != nil || got.ClientID != app.ClientID {
		t.Errorf("%+v, %v", got, err)
	}
	found, _, err := o.dir.ListApplications(ctx, self, ApplicationFilter{ClientID: app.ClientID}, DirectoryPage{Max: 1})
	if err != nil || len(found) != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err := o.dir.GetObjects(ctx, self, []string{app.ObjectID}); err != nil || len(found) != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	if tenant, err := o.dir.GetTenant(ctx, self); err != nil || tenant.Domain != domainA {
		t.Errorf("%+v, %v", tenant, err)
	}
	_, err = o.dir.GetObjects(ctx, self, []string{app.ObjectID, other.ObjectID})
	wantFault(t, "somebody else's object", err, fault.Forbidden, graph.CodeDenied, deniedBy)
	_, _, err = o.dir.ListApplications(ctx, self, ApplicationFilter{Name: "self"}, DirectoryPage{Max: 1})
	wantFault(t, "by name", err, fault.Forbidden, graph.CodeDenied, deniedBy)
	_, err = o.dir.GetApplication(ctx, self, ApplicationRef{ClientID: newGUID()})
	wantFault(t, "what is not there", err, fault.Forbidden, graph.CodeDenied, deniedBy)
	_, _, err = o.dir.AddSecret(ctx, self, ApplicationRef{ClientID: app.ClientID}, SecretSpec{})
	wantFault(t, "a secret for itself", err, fault.Forbidden, graph.CodeDenied, deniedBy)
	// An application of another tenant is not there, even for an owner.
	elsewhere := owner
	elsewhere.Caller.TenantID = tenantB
	if _, err := o.dir.GetApplication(ctx, elsewhere, ApplicationRef{ClientID: app.ClientID}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("from another tenant: %v", err)
	}
	if found, _, err := o.dir.ListApplications(ctx, elsewhere, ApplicationFilter{}, DirectoryPage{Max: 10}); err != nil || len(found) != 0 {
		t.Errorf("from another tenant: %+v, %v", found, err)
	}
}

func TestListApplications(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ctx := t.Context()
	want := []string{clientID}
	for i := range 7 {
		app, err := o.dir.CreateApplication(ctx, owner, fmt.Sprintf("Group-%d", i%2))
		must(t, err)
		want = append(want, app.ClientID)
	}
	_, _, err := o.svc.CreateApplication(ctx, tenantB, "Group-0")
	must(t, err)
	slices.Sort(want)
	for max := 1; max <= 9; max++ {
		var got []string
		marker := ""
		for {
			found, next, err := o.dir.ListApplications(ctx, owner, ApplicationFilter{}, DirectoryPage{Max: max, Marker: marker})
			must(t, err)
			if len(found) > max || len(found) == 0 {
				t.Fatalf("a page of %d of %d", len(found), max)
			}
			for _, app := range found {
				got = append(got, app.ClientID)
			}
			if marker = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v\nwant %v", max, got, want)
		}
	}
	for _, tc := range []struct {
		filter ApplicationFilter
		want   int
	}{
		{ApplicationFilter{Name: "group-0"}, 4}, {ApplicationFilter{NamePrefix: "GROUP"}, 7}, {ApplicationFilter{Name: "Group"}, 0},
		{ApplicationFilter{Principals: true}, 1}, {ApplicationFilter{ClientID: clientID, Principals: true}, 1}, {ApplicationFilter{None: true}, 0},
		{ApplicationFilter{ClientID: clientID, None: true}, 0}, {ApplicationFilter{ClientID: clientID, Name: "another"}, 0},
	} {
		if found, _, err := o.dir.ListApplications(ctx, owner, tc.filter, DirectoryPage{Max: 100}); err != nil || len(found) != tc.want {
			t.Errorf("%+v: %d, %v, want %d", tc.filter, len(found), err, tc.want)
		}
	}
	for _, page := range []DirectoryPage{{Max: 0}, {Max: MaxDirectoryPage + 1}, {Max: 1, Marker: strings.Repeat("x", 200)}} {
		if _, _, err := o.dir.ListApplications(ctx, owner, ApplicationFilter{}, page); fault.KindOf(err) != fault.Invalid {
			t.Errorf("page %+v: %v", page, err)
		}
	}
	if _, err := o.dir.GetObjects(ctx, owner, make([]string, MaxObjects+1)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("too many objects: %v", err)
	}
}

func TestDirectoryBounds(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ctx := t.Context()
	for _, name := range []string{"", "  ", strings.Repeat("\u00e9", 257), "a\x00b", "a\nb", "\xff"} {
		if _, err := o.dir.CreateApplication(ctx, owner, name); fault.KindOf(err) != fault.Invalid {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	_, err := o.dir.CreateApplication(ctx, owner, strings.Repeat("\u00e9", 256))
	must(t, err)
	app, _ := o.create("x")
	ref := ApplicationRef{ClientID: app.ClientID}
	for what, spec := range map[string]SecretSpec{
		"an end in the past": {End: now0}, "an end before the start": {Start: now0.Add(2 * time.Hour), End: now0.Add(time.Hour)},
		"a year of five digits": {End: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "a start of five": {Start: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"a long name": {Name: strings.Repeat("x", 257)},
	} {
		if _, _, err := o.dir.AddSecret(ctx, owner, ref, spec); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range MaxSecrets - 1 {
		_, _, err := o.dir.AddSecret(ctx, owner, ref, SecretSpec{})
		must(t, err)
	}
	_, _, err = o.dir.AddSecret(ctx, owner, ref, SecretSpec{})
	wantFault(t, "one secret more", err, fault.Invalid, graph.CodeBadRequest, "The application has 10 passwords, which is as many as it may have. Remove one first.")

	// What cannot be audited does not happen.
	o.sink.Break()
	if _, err := o.dir.GetApplication(ctx, owner, ref); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("read without an audit log: %v", err)
	}
	if err := o.dir.DeleteApplication(ctx, owner, ref); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("written without an audit log: %v", err)
	}
}

// No record holds a secret, not even sealed, nor does the log or the audit log.
func TestSecretsAreNotStored(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	app, secret := o.create("x")
	_, err := o.ask(as(app.ClientID, secret))
	must(t, err)
	everything := fmt.Sprintf("%v %+v %s", o.dump(), o.audited(), o.world.log)
	if !strings.Contains(everything, app.ClientID) || strings.Contains(everything, string(secret.Reveal())) {
		t.Error("a secret is in a record, or the application is in none")
	}
}

// An application that was deleted does not come back by showing its id, where
// others register themselves; the operator brings it back.
func TestDeletedIsNotAdopted(t *testing.T) {
	t.Parallel()
	adopted := 0
	o := newOffice(t, func(c *Config) {
		c.OnAdopt = func(context.Context, Application) error { adopted++; return nil }
	})
	app, secret := o.create("x")
	must(t, o.dir.DeleteApplication(t.Context(), owner, ApplicationRef{ClientID: app.ClientID}))
	_, err := o.ask(as(strings.ToUpper(app.ClientID), secret))
	wantRefusal(t, err, 700016, UnauthorizedClient, text(noClientText, strings.ToUpper(app.ClientID)))
	if adopted != 0 {
		t.Error("granted something to a deleted application")
	}
	_, err = o.ask(as("new", secret))
	must(t, err)
	must(t, o.svc.EnsureApplication(t.Context(), app.Application, secret))
	_, err = o.ask(as(app.ClientID, secret))
	must(t, err)
}

// Neither does one that is deleted while it is being registered.
func TestDeletedWhileAdopted(t *testing.T) {
	t.Parallel()
	w, adopted := adopting(t, func(w *world, app Application) error {
		return w.store.Update(t.Context(), func(tx store.Tx) error {
			if _, err := tx.Get(applicationKey(app.ClientID)); err != nil {
				return err
			}
			return w.svc.deleteApplication(tx, &applicationRecord{Application: app}, now0)
		})
	})
	_, err := w.ask(as("x", NewSecret()))
	wantRefusal(t, err, 700016, UnauthorizedClient, text(noClientText, "x"))
	if app, err := w.svc.application(t.Context(), "x"); app != nil || err != nil || len(adopted()) != 1 {
		t.Errorf("%+v, %v", app, err)
	}
}

// Applications of before there was a directory are found by ids that are always
// the same, and their secrets have ids too.
func TestOldApplications(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ctx := t.Context()
	hash, err := o.svc.hash(ctx, o.secret)
	must(t, err)
	must(t, o.store.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.Get(applicationKey(clientID)); err != nil {
			return err
		}
		tx.Delete(objectKey(stableGUID("registration", clientID)))
		tx.Delete(objectKey(objectID))
		return o.svc.put(tx, applicationKey(clientID), map[string]any{
			"clientId": clientID, "objectId": objectID, "tenantId": tenantA, "secrets": []secretHash{hash},
		})
	}))
	before, err := o.dir.GetApplication(ctx, owner, ApplicationRef{ClientID: clientID})
	must(t, err)
	if !IsGUID(before.RegistrationID) || len(before.Secrets) != 1 || !IsGUID(before.Secrets[0].ID) || !before.Created.IsZero() {
		t.Fatalf("%+v", before)
	}
	must(t, o.svc.Maintain(ctx))
	for _, ref := range []ApplicationRef{{RegistrationID: before.RegistrationID}, {ObjectID: objectID}} {
		after, err := o.dir.GetApplication(ctx, owner, ref)
		if err != nil || after.RegistrationID != before.RegistrationID || after.Secrets[0].ID != before.Secrets[0].ID {
			t.Errorf("%+v, %v, before %+v", after, err, before)
		}
	}
	_, err = o.ask()
	must(t, err)
	dump := fmt.Sprint(o.dump())
	must(t, o.again().Maintain(ctx))
	if fmt.Sprint(o.dump()) != dump {
		t.Error("what is up to date was written again")
	}
	must(t, o.dir.RemoveSecret(ctx, owner, ApplicationRef{ClientID: clientID}, before.Secrets[0].ID))
}

// Permissions name the service principal, not the application that it is of.
func TestPrincipalType(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	app, _, err := o.svc.CreateApplication(t.Context(), tenantA, "shop")
	must(t, err)
	for what, tt := range map[string]struct{ tenant, id, want string }{
		"the principal":   {tenantA, app.ObjectID, "ServicePrincipal"},
		"without case":    {strings.ToUpper(tenantA), strings.ToUpper(app.ObjectID), "ServicePrincipal"},
		"another tenant":  {tenantB, app.ObjectID, ""},
		"the application": {tenantA, app.RegistrationID, ""},
		"the client id":   {tenantA, app.ClientID, ""},
		"no GUID":         {tenantA, strings.Repeat("x", 5000), ""},
	} {
		if kind, err := o.svc.PrincipalType(t.Context(), tt.tenant, tt.id); err != nil || kind != tt.want {
			t.Errorf("%s: %q, %v", what, kind, err)
		}
	}
}
