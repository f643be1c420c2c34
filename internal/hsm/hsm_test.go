package hsm

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/audit/audittest"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
)

const (
	tenant = "11111111-1111-4111-8111-111111111111"
	admin  = "22222222-2222-4222-8222-222222222222"
	other  = "22222222-2222-4222-8222-333333333333"
	hsmID  = "00000000000000000000000000000abc"
)

// world is a service with one HSM, called unit, that admin administers.
type world struct {
	t     testing.TB
	svc   *Service
	store store.Store
	cat   *catalog.Catalog
	sink  *audittest.Sink
	log   *audit.Log
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t testing.TB, change ...func(*catalog.Vault)) *world {
	t.Helper()
	s, err := pebble.OpenMemory()
	must(t, err)
	t.Cleanup(func() { s.Close() })
	root, err := seal.EphemeralRoot()
	must(t, err)
	ring, err := seal.Open(t.Context(), s, root)
	must(t, err)
	w := &world{t: t, store: s, sink: &audittest.Sink{}, cat: catalog.New(catalog.Config{Store: s, Keyring: ring}).HSMs()}
	w.log = audit.New(audit.Config{Store: s, Sealer: ring.System(), Sink: w.sink, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	w.svc = New(Config{Catalog: w.cat, Audit: w.log})
	wrapped, err := ring.NewVaultKey(hsmID)
	must(t, err)
	v := &catalog.Vault{ID: hsmID, Name: "Unit", TenantID: tenant, SubscriptionID: "s", ResourceGroup: "g", Location: "eastus", WrappedKey: wrapped,
		HSM: &catalog.HSM{Local: access.LocalRoles{Assignments: []access.LocalAssignment{
			{ID: "33333333-0000-4000-8000-000000000000", Scope: "/", RoleID: access.LocalRoleAdministrator, PrincipalID: admin},
		}}}}
	for _, c := range change {
		c(v)
	}
	docKey, doc, err := w.cat.EncodeVault(v)
	must(t, err)
	nameKey, name, err := w.cat.EncodeName(v.Name, v.ID)
	must(t, err)
	must(t, s.Update(t.Context(), func(tx store.Tx) error {
		tx.Put(docKey, doc)
		tx.Put(nameKey, name)
		return nil
	}))
	return w
}

func as(oid string) Call {
	return Call{Caller: access.Caller{TenantID: tenant, ObjectID: oid, AppID: "app"}, Origin: audit.Origin{RequestID: "r1", Address: "192.0.2.1"}, HSM: "unit"}
}

// audited exports what waits and returns the records since the last call.
func (w *world) audited() []audit.Record {
	w.t.Helper()
	must(w.t, w.log.Export(w.t.Context()))
	return w.sink.Take()
}

func refused(t testing.TB, err error, kind fault.Kind, code, text string) {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != kind || f.Code != code || !strings.Contains(f.Message, text) {
		t.Errorf("got %v, want %s %s with %q", err, kind, code, text)
	}
}

func guid(n int) string { return fmt.Sprintf("44444444-0000-4000-8000-%012d", n) }

// calls are all operations, each so that it succeeds once, in this order.
func (w *world) calls(c Call) map[string]func() error {
	ctx := w.t.Context()
	return map[string]func() error{
		"RoleDefinitionList": func() error { _, err := w.svc.ListRoleDefinitions(ctx, c, "/"); return err },
		"RoleDefinitionGet": func() error {
			_, err := w.svc.GetRoleDefinition(ctx, c, "/", access.LocalRoleCryptoUser)
			return err
		},
		"RoleDefinitionPut": func() error {
			_, err := w.svc.PutRoleDefinition(ctx, c, "/", guid(1), RoleDefinition{Name: "r"})
			return err
		},
		"RoleDefinitionDelete": func() error { _, err := w.svc.DeleteRoleDefinition(ctx, c, "/", guid(1)); return err },
		"RoleAssignmentList": func() error {
			_, err := w.svc.ListRoleAssignments(ctx, c, "/", AssignmentFilter{})
			return err
		},
		"RoleAssignmentPut": func() error {
			_, err := w.svc.PutRoleAssignment(ctx, c, "/", guid(2), access.LocalRoleCryptoUser, other)
			return err
		},
		"RoleAssignmentGet":    func() error { _, err := w.svc.GetRoleAssignment(ctx, c, "/", guid(2)); return err },
		"RoleAssignmentDelete": func() error { _, err := w.svc.DeleteRoleAssignment(ctx, c, "/", guid(2)); return err },
		"SettingList":          func() error { _, err := w.svc.ListSettings(ctx, c); return err },
		"SettingGet":           func() error { _, err := w.svc.GetSetting(ctx, c, SettingAllowARM); return err },
		"SettingUpdate":        func() error { _, err := w.svc.UpdateSetting(ctx, c, SettingAllowARM, "true"); return err },
	}
}

var order = []string{"RoleDefinitionList", "RoleDefinitionGet", "RoleDefinitionPut", "RoleDefinitionDelete", "RoleAssignmentList", "RoleAssignmentPut",
	"RoleAssignmentGet", "RoleAssignmentDelete", "SettingList", "SettingGet", "SettingUpdate"}

// TestOneRecordForEachOperation: each leaves one audit record, done or refused, and
// a refused one changes nothing.
func TestOneRecordForEachOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, oid := range []string{other, admin} {
		calls := w.calls(as(oid))
		if len(calls) != len(order) {
			t.Fatal("the order is not of all operations")
		}
		for _, name := range order {
			err := calls[name]()
			code := ""
			if oid == other {
				refused(t, err, fault.Forbidden, "AccessDenied", "Not authorized to access Microsoft.KeyVault/managedHsm/")
				code = "AccessDenied"
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			records := w.audited()
			if len(records) != 1 {
				t.Fatalf("%s: %d records", name, len(records))
			}
			r := records[0]
			if r.Operation != name || r.Code != code || r.Caller.ObjectID != oid || r.Origin.RequestID != "r1" || r.Object == "" ||
				r.Resource != "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/managedHSMs/Unit" {
				t.Errorf("%s: audited %+v", name, r)
			}
		}
	}
}

// TestNothingHappensUnaudited: while the audit log cannot be written, nothing is
// done.
func TestNothingHappensUnaudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sink.Break()
	// The first operation finds out, the others are refused.
	if _, err := w.svc.ListSettings(t.Context(), as(admin)); err == nil {
		t.Error("a read succeeds that could not be audited")
	}
	for name, call := range w.calls(as(admin)) {
		if err := call(); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.svc.RandomBytes(t.Context(), as(admin), 8); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("RandomBytes: %v", err)
	}
}

func TestNetworkRulesHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(v *catalog.Vault) { v.PublicNetworkAccess = "Disabled" })
	for name, call := range w.calls(as(admin)) {
		if err := call(); fault.KindOf(err) != fault.Forbidden || !strings.Contains(err.Error(), "Public network access is disabled") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRoleDefinitionLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	long := make([]string, maxActions+1)
	for name, tt := range map[string]struct {
		in   RoleDefinition
		text string
	}{
		"no name":          {RoleDefinition{}, "roleName must have 1 to 128"},
		"a long name":      {RoleDefinition{Name: strings.Repeat("é", 129)}, "roleName must have 1 to 128"},
		"a long text":      {RoleDefinition{Name: "r", Description: strings.Repeat("é", 1025)}, "description must have at most 1024"},
		"many parts":       {RoleDefinition{Name: "r", Permissions: make([]access.LocalPermission, 17)}, "at most 16 entries"},
		"many actions":     {RoleDefinition{Name: "r", Permissions: []access.LocalPermission{{Actions: long}}}, "at most 100 entries"},
		"a long action":    {RoleDefinition{Name: "r", Permissions: []access.LocalPermission{{NotActions: []string{strings.Repeat("a", 257)}}}}, "at most 256 characters"},
		"a pattern":        {RoleDefinition{Name: "r", Permissions: []access.LocalPermission{{DataActions: []string{"Microsoft.KeyVault/managedHsm/*"}}}}, "is not a data action"},
		"a vault's action": {RoleDefinition{Name: "r", Permissions: []access.LocalPermission{{NotDataActions: []string{"Microsoft.KeyVault/vaults/keys/read"}}}}, "is not a data action"},
		"another scope":    {RoleDefinition{Name: "r", AssignableScopes: []string{"/", "/keys"}}, "assignableScopes"},
	} {
		_, err := w.svc.PutRoleDefinition(ctx, as(admin), "/", guid(1), tt.in)
		if refused(t, err, fault.Invalid, "BadParameter", tt.text); t.Failed() {
			t.Fatal(name)
		}
	}
	for i := range access.MaxLocalRoles {
		_, err := w.svc.PutRoleDefinition(ctx, as(admin), "/", guid(i), RoleDefinition{Name: "r"})
		must(t, err)
	}
	_, err := w.svc.PutRoleDefinition(ctx, as(admin), "/", guid(99), RoleDefinition{Name: "r"})
	refused(t, err, fault.Invalid, "BadParameter", "50 custom role definitions")
	role, err := w.svc.PutRoleDefinition(ctx, as(admin), "/keys", strings.ToUpper(guid(3)), RoleDefinition{Name: "changed"})
	must(t, err)
	all, err := w.svc.ListRoleDefinitions(ctx, as(admin), "/")
	must(t, err)
	if len(all) != len(access.LocalBuiltin)+50 || all[len(access.LocalBuiltin)+3].Name != "changed" || role.ID != guid(3) {
		t.Errorf("%d roles; the changed one is %+v", len(all), role)
	}
}

// TestRolesFitARecord: roles that are each within their limits, and too large
// together, are refused.
func TestRolesFitARecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	words := slices.Repeat([]string{strings.Repeat("a", maxAction)}, maxActions)
	parts := slices.Repeat([]access.LocalPermission{{Actions: words}}, maxPermissions)
	_, err := w.svc.PutRoleDefinition(t.Context(), as(admin), "/", guid(1), RoleDefinition{Name: "r", Permissions: parts})
	must(t, err)
	_, err = w.svc.PutRoleDefinition(t.Context(), as(admin), "/", guid(2), RoleDefinition{Name: "r", Permissions: parts})
	refused(t, err, fault.TooLarge, "RequestContentTooLarge", "larger than 512 KiB")
}

func TestAssignmentLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(scope string, n int) error {
		_, err := w.svc.PutRoleAssignment(t.Context(), as(admin), scope, guid(n), access.LocalRoleCryptoUser, guid(n))
		return err
	}
	for i := range access.MaxKeyLocalAssignments {
		must(t, put("/keys/a", 100+i))
	}
	refused(t, put("/keys/A", 200), fault.Invalid, "BadParameter", "10 role assignments at the scope '/keys/A'")
	for i := 1; i < access.MaxLocalAssignments; i++ { // beside the administrator's
		must(t, put([]string{"/", "/keys"}[i%2], i))
	}
	refused(t, put("/", 201), fault.Invalid, "BadParameter", "50 role assignments at the scope '/'")
	refused(t, put("/keys", 201), fault.Invalid, "BadParameter", "50 role assignments at the scope '/keys'")
	must(t, put("/keys/b", 300))

	full := newWorld(t, func(v *catalog.Vault) {
		for i := range maxAssignments - 1 {
			v.HSM.Local.Assignments = append(v.HSM.Local.Assignments, access.LocalAssignment{ID: guid(i), Scope: fmt.Sprintf("/keys/k%d", i), RoleID: access.LocalRoleCryptoUser, PrincipalID: other})
		}
	})
	_, err := full.svc.PutRoleAssignment(t.Context(), as(admin), "/keys/one-more", guid(5000), access.LocalRoleCryptoUser, other)
	refused(t, err, fault.Invalid, "BadParameter", "1000 role assignments")
}

func TestListAssignments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, scope := range []string{"/", "/keys", "/keys/A", "/keys/ab"} {
		_, err := w.svc.PutRoleAssignment(t.Context(), as(admin), scope, guid(i), access.LocalRoleCryptoUser, other)
		must(t, err)
	}
	for _, tt := range []struct {
		scope  string
		filter AssignmentFilter
		want   string
	}{
		{"/", AssignmentFilter{}, "/ / /keys"},
		{"/keys", AssignmentFilter{}, "/ / /keys"},
		{"/keys/a", AssignmentFilter{}, "/keys/A"},
		{"/", AssignmentFilter{AtScope: true}, "/ /"},
		{"/keys", AssignmentFilter{AtScope: true}, "/ / /keys"},
		{"/keys/a", AssignmentFilter{AtScope: true}, "/ / /keys /keys/A"},
		{"/", AssignmentFilter{PrincipalID: strings.ToUpper(other)}, "/ /keys /keys/A /keys/ab"},
		{"/keys", AssignmentFilter{PrincipalID: admin}, "/"},
		{"/keys/ab", AssignmentFilter{PrincipalID: other}, "/ /keys /keys/ab"},
		{"/keys/none", AssignmentFilter{}, ""},
	} {
		found, err := w.svc.ListRoleAssignments(t.Context(), as(admin), tt.scope, tt.filter)
		must(t, err)
		var scopes []string
		for _, a := range found {
			scopes = append(scopes, a.Scope)
		}
		if slices.Sort(scopes); strings.Join(scopes, " ") != tt.want {
			t.Errorf("%s %+v: %v, want %s", tt.scope, tt.filter, scopes, tt.want)
		}
	}
}

// TestConcurrentAssignments: of changes at the same time none is lost.
func TestConcurrentAssignments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := w.svc.PutRoleAssignment(t.Context(), as(admin), "/", guid(i), access.LocalRoleCryptoUser, guid(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	found, err := w.svc.ListRoleAssignments(t.Context(), as(admin), "/", AssignmentFilter{})
	must(t, err)
	if len(found) != 21 {
		t.Errorf("%d assignments", len(found))
	}
}

func FuzzParseScope(f *testing.F) {
	for _, seed := range []string{"", "/", "//", "keys", "/keys", "/keys/", "/KEYS/a-B1", "/keys/a/b", "/keys//", "///", "/secrets/a", "/keys/\x00", "/keys/é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		scope, ok := parseScope(text)
		if !ok {
			return
		}
		again, ok := parseScope(scope)
		if !ok || again != scope || scope != "/" && !strings.HasPrefix(scope, "/keys") || strings.Count(scope, "/") > 2 || len(scope) > len("/keys/")+maxKeyName {
			t.Errorf("%q is %q, and that is %q, %t", text, scope, again, ok)
		}
	})
}
