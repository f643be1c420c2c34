package server

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/identity"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// An installation whose owner has lost its secret gets another owner, with the
// rights of the first over everything, and with a record of it.
func TestMakeOwner(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	first := s.made.Owner
	owner, password, err := MakeOwner(t.Context(), Data(s.cfg), s.quiet())
	if err != nil {
		t.Fatal(err)
	}
	if owner.ClientID == first.ClientID || owner.ObjectID == first.ObjectID || !strings.EqualFold(owner.TenantID, s.made.TenantID) {
		t.Errorf("the new owner is %+v, the first %+v", owner, first)
	}
	lost := s.made.Secret
	s.made.Owner, s.made.Secret = owner, password

	r := s.start()
	root := "https://" + siteManagement
	subscription := "/subscriptions/" + s.made.SubscriptionID
	r.do(http.MethodGet, secretURL("kept/"), "").is(http.StatusForbidden)
	const administrator = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
	r.do(http.MethodPut, root+subscription+"/providers/Microsoft.Authorization/roleAssignments/"+owner.ObjectID+"?api-version=2022-04-01",
		`{"properties":{"roleDefinitionId":"`+subscription+`/providers/Microsoft.Authorization/roleDefinitions/`+administrator+`","principalId":"`+owner.ObjectID+`"}}`).is(http.StatusCreated)
	r.wantSecret("kept", "value")
	if got := s.audited("OwnerCreate"); got != 1 {
		t.Errorf("%d records of a new owner", got)
	}
	s.made.Owner, s.made.Secret = first, lost // who has not lost it keeps it
	r.wantSecret("kept", "value")
	r.stop()
}

func TestMakeOwnerRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	refused := func(name string, cfg DataConfig, want error, text string) {
		t.Helper()
		owner, password, err := MakeOwner(t.Context(), cfg, s.quiet())
		if err == nil || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
		if owner != (identity.Application{}) || password.Len() != 0 {
			t.Errorf("%s: an owner is made", name)
		}
	}
	r := s.start()
	refused("beside a server", Data(s.cfg), store.ErrLocked, "stop okv serve first")
	r.stop()
	empty := Data(s.cfg)
	empty.Dir = s.path("nothing")
	refused("no installation", empty, nil, "is not initialised: run okv init")
	if err := os.Rename(s.path("root.key"), s.path("lost.key")); err != nil {
		t.Fatal(err)
	}
	refused("without the root key", Data(s.cfg), fs.ErrNotExist, "okv operator recover makes a new one")
}
