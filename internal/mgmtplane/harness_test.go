package mgmtplane

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

const (
	testTenant  = "aaaaaaaa-0000-4000-8000-000000000001"
	otherTenant = "aaaaaaaa-0000-4000-8000-000000000002"
	testSub     = "bbbbbbbb-0000-4000-8000-000000000001"
	roleReader  = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	roleKVC     = "f25e0fa2-a7c8-4377-a976-54943a77a395" // Key Vault Contributor

	sub    = "/subscriptions/" + testSub
	team   = sub + "/resourceGroups/team"
	kv     = "/providers/Microsoft.KeyVault"
	alpha  = team + kv + "/vaults/alpha"
	azure  = "management.azure.com"
	latest = "2026-05-15"
	core   = "2022-09-01"
)

// principals are the object ids of the test's callers, by their tokens.
var principals = map[string]string{
	"owner":       "cccccccc-0000-4000-8000-000000000001",
	"contributor": "cccccccc-0000-4000-8000-000000000002",
	"reader":      "cccccccc-0000-4000-8000-000000000003",
	"kvc":         "cccccccc-0000-4000-8000-000000000004",
	"group":       "cccccccc-0000-4000-8000-000000000005", // Contributor of the group alone
	"nobody":      "cccccccc-0000-4000-8000-000000000006",
	"foreign":     "cccccccc-0000-4000-8000-000000000001", // the owner's id in another tenant
}

// world is the plane over a real service over a store in memory.
type world struct {
	t       testing.TB
	store   store.Store
	cat     *catalog.Catalog
	svc     *resource.Service
	log     *strings.Builder
	handler http.Handler
	now     time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s, err := pebble.OpenMemory()
	must(t, err)
	t.Cleanup(func() { s.Close() })
	root, err := seal.EphemeralRoot()
	must(t, err)
	ring, err := seal.Open(t.Context(), s, root)
	must(t, err)
	w := &world{t: t, store: s, now: time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.UTC), log: &strings.Builder{}}
	logger := slog.New(slog.NewTextHandler(w.log, nil))
	w.cat = catalog.New(catalog.Config{Store: s, Keyring: ring})
	w.svc = resource.New(resource.Config{
		Store: s, Catalog: w.cat, Keyring: ring, Now: func() time.Time { return w.now }, Logger: logger,
		Audit: audit.New(audit.Config{Store: s, Sealer: ring.System(), Sink: audit.Discard{}, Now: time.Now, Logger: logger}),
		Principal: func(_ context.Context, _, oid string) (string, error) {
			for _, known := range principals {
				if oid == known {
					return "ServicePrincipal", nil
				}
			}
			return "", nil
		},
	})
	must(t, w.svc.Bootstrap(t.Context(), resource.Bootstrap{
		TenantID: testTenant, TenantDomain: "test.example", SubscriptionID: testSub, SubscriptionName: "Test",
		OwnerObjectID: principals["owner"], OwnerRoles: []string{access.RoleOwner},
	}))
	must(t, w.svc.EnsureGroup(t.Context(), testSub, "Team", "eastus", nil))
	for principal, at := range map[string]struct{ role, scope string }{
		"contributor": {access.RoleContributor, sub}, "reader": {roleReader, sub}, "kvc": {roleKVC, sub},
		"group": {access.RoleContributor, team},
	} {
		must(t, w.svc.AssignRole(t.Context(), access.Assignment{Scope: at.scope, RoleID: at.role, PrincipalID: principals[principal]}))
	}
	hosts := httpx.Hosts{httpx.AzureRow(), httpx.LocalhostRow()}
	plane := New(Config{Resources: w.svc, Verify: verify, Hosts: hosts, Logger: logger})
	w.handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		site, ok := hosts.Lookup(r.Host)
		if !ok {
			t.Errorf("no row for host %q", r.Host)
			return
		}
		plane.ServeHTTP(rw, r.WithContext(httpx.WithSite(r.Context(), site)))
	})
	return w
}

func verify(_ context.Context, bearer string) (access.Caller, error) {
	switch bearer {
	case "expired":
		return access.Caller{}, fault.New(fault.Unauthenticated, "ExpiredAuthenticationToken", "The access token expiry UTC time is past.")
	case "broken":
		return access.Caller{}, errors.New("the keys cannot be read")
	}
	oid, known := principals[bearer]
	if !known {
		return access.Caller{}, fault.New(fault.Unauthenticated, "Unauthorized", "AKV10000: not this plane's words")
	}
	tenant := testTenant
	if bearer == "foreign" {
		tenant = otherTenant
	}
	return access.Caller{TenantID: tenant, ObjectID: oid, AppID: "app-" + bearer, Issuer: "https://sts.windows.net/" + tenant + "/"}, nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// request is one to the plane. Its zero members mean the owner, Azure's host
// and no body.
type request struct {
	method, path, version string
	as, host, body        string
	header                map[string]string
}

func (w *world) do(r request) answer {
	w.t.Helper()
	path := r.path
	if r.version != "" {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + "api-version=" + r.version
	}
	req := httptest.NewRequest(r.method, path, strings.NewReader(r.body))
	req.Host = azure
	if r.host != "" {
		req.Host = r.host
	}
	if r.as == "" {
		r.as = "owner"
	}
	if r.as != "none" {
		req.Header.Set("Authorization", "Bearer "+r.as)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, req)
	return answer{w.t, rec.Code, rec.Header(), rec.Body.String()}
}

func (w *world) call(method, path, version, body string) answer {
	w.t.Helper()
	return w.do(request{method: method, path: path, version: version, body: body})
}

// is checks the status, and that the answer has a request id.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	if a.header.Get("X-Ms-Request-Id") == "" || a.header.Get("Cache-Control") != "no-cache" {
		a.t.Errorf("headers %v", a.header)
	}
	return a
}

// refused checks a refusal: its status, its code and a part of its message.
func (a answer) refused(status int, code, message string) {
	a.t.Helper()
	a.is(status)
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.Error.Code != code || !strings.Contains(body.Error.Message, message) {
		a.t.Errorf("refused with %s, want %s and %q", a.body, code, message)
	}
}

// json checks the whole body, up to the order of members.
func (a answer) json(want string) {
	a.t.Helper()
	var got, wanted any
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		a.t.Fatalf("body %q: %v", a.body, err)
	}
	must(a.t, json.Unmarshal([]byte(want), &wanted))
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(wanted)
	if string(g) != string(w) {
		a.t.Errorf("body\n %s\nwant\n %s", g, w)
	}
}

// get returns the text at a path of members in the body, or nothing.
func (a answer) get(path ...string) any {
	a.t.Helper()
	var v any
	must(a.t, json.Unmarshal([]byte(a.body), &v))
	for _, member := range path {
		m, _ := v.(map[string]any)
		v = m[member]
	}
	return v
}

// values returns the names of the items of a list.
func (a answer) values() (names []string) {
	a.t.Helper()
	items, _ := a.get("value").([]any)
	for _, item := range items {
		name, _ := item.(map[string]any)["name"].(string)
		names = append(names, name)
	}
	return names
}

const plainVault = `{"location":"eastus","properties":{"sku":{"family":"A","name":"standard"},"tenantId":"` + testTenant + `","accessPolicies":[]}}`

// vault makes a vault in the group.
func (w *world) vault(name string) {
	w.t.Helper()
	w.call("PUT", team+kv+"/vaults/"+name, latest, plainVault).is(200)
}

// dump returns every record but those that wait for the audit log.
func (w *world) dump() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	must(w.t, w.store.View(w.t.Context(), func(v store.View) error {
		entries, err := v.Scan(tuple.Prefix(nil), store.MaxScan)
		for _, e := range entries {
			if !strings.HasPrefix(string(e.Key), string(tuple.Key("audit"))) {
				all[string(e.Key)] = string(e.Value)
			}
		}
		return err
	}))
	return all
}

// unchanged checks that fn has changed no record.
func (w *world) unchanged(fn func()) {
	w.t.Helper()
	before := w.dump()
	fn()
	if !maps.Equal(before, w.dump()) {
		w.t.Error("records have changed")
	}
}

func (w *world) visible(name string) bool {
	w.t.Helper()
	err := w.cat.View(w.t.Context(), name, nil, func(store.View, catalog.Scope, []store.Record) error { return nil })
	if err != nil && fault.KindOf(err) != fault.NotFound {
		w.t.Fatal(err)
	}
	return err == nil
}

func testLogger(w *world) *slog.Logger { return slog.New(slog.NewTextHandler(w.log, nil)) }

func recorder(method, target string) (*httptest.ResponseRecorder, *http.Request) {
	req := httptest.NewRequest(method, target, nil)
	req.Host = azure
	req.Header.Set("Authorization", "Bearer owner")
	return httptest.NewRecorder(), req
}
