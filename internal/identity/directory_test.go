package identity

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const (
	notFoundText  = "Tenant '%' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
	malformedText = "Specified tenant identifier '%' is neither a valid DNS name, nor a valid external domain."
	noClientText  = "Application with identifier '%' was not found in the directory '" + tenantA + "'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
	secretText    = "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%'."
)

func text(format, value string) string { return strings.Replace(format, "%", value, 1) }

func TestFindTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for segment, want := range map[string]string{
		tenantA: tenantA, strings.ToUpper(tenantA): tenantA, tenantB: tenantB,
		domainA: tenantA, "A.OnMicrosoft.Com": tenantA, domainB: tenantB,
		"common": tenantA, "Organizations": tenantA,
	} {
		got, err := w.svc.FindTenant(t.Context(), segment)
		if err != nil || got.ID != want {
			t.Errorf("%q is %+v, %v, want %s", segment, got, err, want)
		}
	}
	if got, err := w.svc.FindTenant(t.Context(), tenantB); err != nil || got != (Tenant{ID: tenantB, Domain: domainB, Name: "B"}) {
		t.Errorf("tenant B is %+v, %v", got, err)
	}

	unknown := "eeeeeeee-0000-4000-8000-00000000000e"
	label := strings.Repeat("a", 63)
	for _, segment := range []string{unknown, "C.Example.com", strings.ToUpper(unknown), "c.example.com", "onmicrosoft.com", "sub." + domainA, label + ".com"} {
		_, err := w.svc.FindTenant(t.Context(), segment)
		wantRefusal(t, err, 90002, InvalidTenant, text(notFoundText, segment))
	}
	for _, segment := range []string{
		"", "consumers", "adfs", "nodots", ".", "a..b", ".example.com", "example.com.", "a b.com", "b\u00fccher.example",
		label + "a.com", strings.Repeat("a.", 126) + "aa", tenantA[:35], tenantA + "0", strings.ReplaceAll(tenantA, "-", ""), "{" + tenantA + "}",
		"sub/" + domainA, "a.example.com\x00", "common ", "\u212a.example.com",
	} {
		_, err := w.svc.FindTenant(t.Context(), segment)
		shown := []byte(segment)
		if len(shown) > 128 {
			shown = shown[:128]
		}
		for i, c := range shown {
			if c < ' ' || c > '~' {
				shown[i] = '?'
			}
		}
		wantRefusal(t, err, 900023, InvalidRequest, text(malformedText, string(shown)))
	}
}

// A tenant that is not there is an alias of the first where a development vault
// wants it; what cannot be a tenant stays none.
func TestTenantAliases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.AliasTenants = true })
	for _, segment := range []string{"eeeeeeee-0000-4000-8000-00000000000e", "contoso.com", "common"} {
		if got, err := w.svc.FindTenant(t.Context(), segment); err != nil || got.ID != tenantA {
			t.Errorf("%q is %+v, %v", segment, got, err)
		}
	}
	if got, err := w.svc.FindTenant(t.Context(), tenantB); err != nil || got.ID != tenantB {
		t.Errorf("an alias hides a tenant that exists: %+v, %v", got, err)
	}
	_, err := w.svc.FindTenant(t.Context(), "nodots")
	wantRefusal(t, err, 900023, InvalidRequest, text(malformedText, "nodots"))

	empty := emptyWorld(t, func(c *Config) { c.AliasTenants = true })
	for _, segment := range []string{"common", domainA} {
		_, err := empty.svc.FindTenant(t.Context(), segment)
		wantRefusal(t, err, 90002, InvalidTenant, text(notFoundText, segment))
	}
}

func TestEnsureTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, bad := range []Tenant{{ID: "common"}, {ID: ""}, {ID: tenantA, Domain: "nodots"}, {ID: tenantA, Domain: "a/b.com"}} {
		if err := w.svc.EnsureTenant(t.Context(), bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	must(t, w.svc.EnsureTenant(t.Context(), Tenant{ID: strings.ToUpper(tenantA), Domain: "new.example.com"}))
	if got, err := w.svc.FindTenant(t.Context(), "new.example.com"); err != nil || !strings.EqualFold(got.ID, tenantA) {
		t.Errorf("the new domain leads to %+v, %v", got, err)
	}
	_, err := w.svc.FindTenant(t.Context(), domainA)
	wantRefusal(t, err, 90002, InvalidTenant, text(notFoundText, domainA))

	before := w.dump()
	must(t, w.svc.EnsureTenant(t.Context(), Tenant{ID: tenantB, Domain: domainB, Name: "B"}))
	if !maps.Equal(before, w.dump()) {
		t.Error("a tenant that is as it should be was written again")
	}
}

var guidV4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestCreateApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, secret, err := w.svc.CreateApplication(t.Context(), strings.ToUpper(tenantB), "billing")
	must(t, err)
	if !guidV4.MatchString(app.ClientID) || !guidV4.MatchString(app.ObjectID) || app.ClientID == app.ObjectID ||
		app.TenantID != tenantB || app.Name != "billing" || secret.Len() < 26 {
		t.Errorf("created %+v with a secret of %d characters", app, secret.Len())
	}
	other, otherSecret, err := w.svc.CreateApplication(t.Context(), tenantB, "billing")
	must(t, err)
	if other.ClientID == app.ClientID || other.ObjectID == app.ObjectID || otherSecret.Equal(secret.Bytes) {
		t.Error("two applications share an id or a secret")
	}
	token, err := w.ask(func(r *ClientCredentials) { r.Tenant, r.ClientID, r.Secret = domainB, app.ClientID, secret })
	must(t, err)
	caller, err := w.svc.Verify(t.Context(), PlaneVault, string(token.Access.Reveal()))
	must(t, err)
	if caller.ObjectID != app.ObjectID || caller.AppID != app.ClientID || caller.TenantID != tenantB || caller.Issuer != "https://sts.windows.net/"+tenantB+"/" {
		t.Errorf("the token is of %+v", caller)
	}

	if _, _, err := w.svc.CreateApplication(t.Context(), "eeeeeeee-0000-4000-8000-00000000000e", "stray"); err == nil {
		t.Error("an application was made in a tenant that does not exist")
	}
}

// EnsureApplication leaves one credential: what an earlier run of a development
// vault has printed must not work any more.
func TestEnsureApplicationReplaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, fresh := w.secret, NewSecret()
	must(t, w.svc.EnsureApplication(t.Context(), Application{ClientID: strings.ToUpper(clientID), ObjectID: objectID, TenantID: tenantA}, fresh))
	_, err := w.ask(func(r *ClientCredentials) { r.Secret = old })
	wantRefusal(t, err, 7000215, InvalidClient, text(secretText, clientID))
	_, err = w.ask(func(r *ClientCredentials) { r.Secret = fresh })
	must(t, err)
}

// adopting is a world in which unknown applications register themselves, after
// onAdopt has agreed.
func adopting(t testing.TB, onAdopt func(*world, Application) error) (w *world, adopted func() []Application) {
	t.Helper()
	var mu sync.Mutex
	var all []Application
	w = newWorld(t, func(c *Config) {
		c.OnAdopt = func(_ context.Context, app Application) error {
			mu.Lock()
			all = append(all, app)
			mu.Unlock()
			if onAdopt == nil {
				return nil
			}
			return onAdopt(w, app)
		}
	})
	return w, func() []Application {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func as(client string, secret Secret) func(*ClientCredentials) {
	return func(r *ClientCredentials) { r.ClientID, r.Secret = client, secret }
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	// What the application may do is granted while it cannot get a token yet.
	w, adopted := adopting(t, func(w *world, app Application) error {
		if have, err := w.svc.application(t.Context(), app.ClientID); have != nil || err != nil {
			t.Errorf("registered before it was granted anything: %+v, %v", have, err)
		}
		return nil
	})
	const name = "My-App"
	shown := NewSecret() // hashed faster than one that somebody chose
	first, err := w.ask(as(name, shown))
	must(t, err)
	_, claims := parts(t, string(first.Access.Reveal()))
	if len(adopted()) != 1 || adopted()[0].ClientID != "my-app" || adopted()[0].TenantID != tenantA || !IsGUID(adopted()[0].ObjectID) {
		t.Fatalf("adopted %+v", adopted())
	}
	if claims["oid"] != adopted()[0].ObjectID || claims["appid"] != "my-app" || claims["tid"] != tenantA {
		t.Errorf("claims %v", claims)
	}
	_, err = w.ask(as("MY-APP", shown))
	must(t, err)
	_, err = w.ask(as(name, NewSecret()))
	wantRefusal(t, err, 7000215, InvalidClient, text(secretText, name))
	if n := len(adopted()); n != 1 {
		t.Errorf("adopted %d times", n)
	}

	// The object id depends on tenant and client alone, so that permissions
	// given in an earlier run hold.
	elsewhere, again := adopting(t, nil)
	_, err = elsewhere.ask(as("my-app", NewSecret()))
	must(t, err)
	_, err = elsewhere.ask(as("another", NewSecret()))
	must(t, err)
	_, err = elsewhere.ask(as("third", NewSecret()), func(r *ClientCredentials) { r.Tenant = tenantB })
	must(t, err)
	if got := again(); got[0].ObjectID != adopted()[0].ObjectID || got[1].ObjectID == got[0].ObjectID || got[2].TenantID != tenantB {
		t.Errorf("adopted %+v", got)
	}
}

func TestAdoptionWithoutTenant(t *testing.T) {
	t.Parallel()
	w, adopted := adopting(t, nil)
	_, err := w.ask(as("new", NewSecret()), func(r *ClientCredentials) { r.Tenant = "" })
	must(t, err)
	if got := adopted(); len(got) != 1 || got[0].TenantID != tenantA {
		t.Errorf("adopted %+v", got)
	}
}

func TestAdoptionRefused(t *testing.T) {
	t.Parallel()
	w, adopted := adopting(t, nil)
	before := w.dump()
	for _, tc := range []struct {
		name          string
		req           func(*ClientCredentials)
		number        int
		oauth, answer string
	}{
		{"a client id with a space", as("my app", NewSecret()), 700016, UnauthorizedClient, text(noClientText, "my app")},
		{"a client id with a line break", as("app\nlevel=ERROR", NewSecret()), 700016, UnauthorizedClient, text(noClientText, "app?level=ERROR")},
		{"a client id that is not ASCII", as("b\u00fcro", NewSecret()), 700016, UnauthorizedClient, text(noClientText, "b??ro")},
		{"no secret", as("new", GivenSecret("")), 7000216, InvalidClient, noSecret().Message},
		{"a secret that is too long", as("new", GivenSecret(strings.Repeat("x", 1025))), 7000215, InvalidClient, text(secretText, "new")},
		{"an unknown tenant", func(r *ClientCredentials) { r.ClientID, r.Tenant = "new", "c.example.com" }, 90002, InvalidTenant, text(notFoundText, "c.example.com")},
	} {
		_, err := w.ask(tc.req)
		t.Log(tc.name)
		wantRefusal(t, err, tc.number, tc.oauth, tc.answer)
	}
	if got := adopted(); len(got) != 0 || !maps.Equal(before, w.dump()) {
		t.Errorf("adopted %+v", got)
	}

	strict := newWorld(t)
	_, err := strict.ask(as("new", NewSecret()))
	wantRefusal(t, err, 700016, UnauthorizedClient, text(noClientText, "new"))
}

// An application that could not be granted anything is not registered: it would
// be refused everything from then on, with nobody left to grant it.
func TestAdoptionFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("no roles today")
	fail := true
	w, adopted := adopting(t, func(*world, Application) error {
		if fail {
			return broken
		}
		return nil
	})
	before := w.dump()
	_, err := w.ask(as("new", NewSecret()))
	var refused *Error
	if !errors.Is(err, broken) || errors.As(err, &refused) {
		t.Errorf("error %v", err)
	}
	if !maps.Equal(before, w.dump()) {
		t.Error("records have changed")
	}
	fail = false
	_, err = w.ask(as("new", NewSecret()))
	must(t, err)
	if len(adopted()) != 2 {
		t.Errorf("adopted %+v", adopted())
	}
}

// Two secrets that are shown at once: one is registered, and the other is as
// wrong as if it had come later.
func TestAdoptionRace(t *testing.T) {
	t.Parallel()
	var both sync.WaitGroup
	both.Add(2)
	w, _ := adopting(t, func(*world, Application) error {
		both.Done()
		both.Wait() // until neither has found an application
		return nil
	})
	secrets := []Secret{NewSecret(), NewSecret()}
	errs := make([]error, 2)
	var asking sync.WaitGroup
	for i := range secrets {
		asking.Go(func() { _, errs[i] = w.ask(as("new", secrets[i])) })
	}
	asking.Wait()
	winner, loser := 0, 1
	if errs[0] != nil {
		winner, loser = 1, 0
	}
	must(t, errs[winner])
	wantRefusal(t, errs[loser], 7000215, InvalidClient, text(secretText, "new"))
	_, err := w.ask(as("new", secrets[winner]))
	must(t, err)
	_, err = w.ask(as("new", secrets[loser]))
	wantRefusal(t, err, 7000215, InvalidClient, text(secretText, "new"))
}
