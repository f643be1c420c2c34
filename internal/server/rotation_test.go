package server

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// domainClock is a domain clock that a test moves.
type domainClock struct{ now atomic.Int64 }

func (c *domainClock) set(cfg *Config) {
	cfg.DomainClock = func() time.Time { return time.Unix(c.now.Load(), 0) }
}

func (c *domainClock) days(n int64) { c.now.Add(n * 24 * 60 * 60) }

// keyVersion is what a test wants to know of a version of a key.
type keyVersion struct {
	Key        struct{ KID string }
	Attributes struct{ Created, Exp int64 }
}

func (k keyVersion) id() string { return k.Key.KID[strings.LastIndex(k.Key.KID, "/")+1:] }

func (h *house) currentKey(name string) (k keyVersion) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.data(http.MethodGet, testVault, "/keys/"+name, "").is(200).body), &k); err != nil {
		h.t.Fatal(err)
	}
	return k
}

// versions returns how many versions a key has.
func (h *house) versions(name string) int {
	h.t.Helper()
	var list struct{ Value []struct{} }
	if err := json.Unmarshal([]byte(h.data(http.MethodGet, testVault, "/keys/"+name+"/versions", "").is(200).body), &list); err != nil {
		h.t.Fatal(err)
	}
	return len(list.Value)
}

// runLifetimes has what is due done, by this call or by a worker that has come
// before it.
func (h *house) runLifetimes() {
	h.t.Helper()
	if err := h.srv.vaults.RunLifetimeActions(h.t.Context()); err != nil {
		h.t.Error(err)
	}
}

// ownWork returns what the audit log in the directory has of the service's own
// work: operations and objects.
func ownWork(t *testing.T, dir string) (all []string) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		var r struct {
			Operation, Object, Resource string
			Caller                      struct{ ObjectID string }
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Caller.ObjectID == "" && strings.HasPrefix(r.Object, "keys/") {
			if !strings.HasSuffix(r.Resource, "/vaults/"+testVault) {
				t.Errorf("audited as %s", line)
			}
			all = append(all, r.Operation+" "+r.Object)
		}
	}
	return all
}

// A policy of 28 days, with the clock moved on period by period and a restart in
// between: each period has one notice and one rotation. Then one jump over many
// periods, which is one rotation.
func TestRotationByPolicy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clock := new(domainClock)
	clock.now.Store(1_800_000_000)
	h := newHouse(t, inDir(dir), clock.set)
	h.data(http.MethodPost, testVault, "/keys/k/create", `{"kty":"EC","tags":{"a":"b"}}`).is(200)
	h.data(http.MethodPut, testVault, "/keys/k/rotationpolicy", `{"attributes":{"expiryTime":"P42D"},"lifetimeActions":[`+
		`{"trigger":{"timeAfterCreate":"P28D"},"action":{"type":"Rotate"}},{"trigger":{"timeBeforeExpiry":"P21D"},"action":{"type":"Notify"}}]}`).is(200)
	h.data(http.MethodPost, testVault, "/keys/k/rotate", "").is(200)
	versions := []keyVersion{h.currentKey("k")}
	var want []string
	notice := func() {
		h.runLifetimes()
		want = append(want, "KeyNearExpiryEventGridNotification keys/k/"+versions[len(versions)-1].id())
		if n := h.versions("k"); n != len(versions)+1 {
			t.Errorf("%d versions at the notice of period %d", n, len(versions))
		}
	}
	rotation := func() {
		h.runLifetimes()
		next := h.currentKey("k")
		if next.id() == versions[len(versions)-1].id() || next.Attributes.Created != clock.now.Load() || next.Attributes.Exp != clock.now.Load()+42*24*60*60 {
			t.Errorf("at %d, %+v comes after %+v", clock.now.Load(), next, versions[len(versions)-1])
		}
		versions = append(versions, next)
		want = append(want, "KeyRotateIfDue keys/k/"+next.id())
		if n := h.versions("k"); n != len(versions)+1 {
			t.Errorf("%d versions after period %d", n, len(versions)-1)
		}
		h.runLifetimes()
	}

	clock.days(21)
	notice()
	clock.days(7)
	rotation()
	clock.days(21)
	h.restart()
	notice()
	clock.days(6)
	h.restart()
	h.runLifetimes()
	clock.days(1)
	rotation()
	h.restart()
	h.runLifetimes()

	clock.days(10 * 28)
	rotation()
	h.shutdown()
	if got := ownWork(t, dir); !slices.Equal(got, want) {
		t.Errorf("the audit log has\n %q, want\n %q", got, want)
	}
	for line, want := range map[string]int{"a key was rotated by its policy": 3, "a key expires soon": 2} {
		if n := strings.Count(h.log.String(), line); n != want {
			t.Errorf("the log has %d lines of %q, want %d", n, line, want)
		}
	}
}

// The workers find what is due without anyone asking for it, and what fell due
// while there was no process.
func TestRotationByWorkers(t *testing.T) {
	t.Parallel()
	clock := new(domainClock)
	clock.now.Store(1_800_000_000)
	h := newHouse(t, inDir(t.TempDir()), clock.set)
	h.data(http.MethodPost, testVault, "/keys/k/create", `{"kty":"EC"}`).is(200)
	h.data(http.MethodPut, testVault, "/keys/k/rotationpolicy", `{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P28D"},"action":{"type":"Rotate"}}]}`).is(200)
	clock.days(300)
	h.restart()
	h.eventually("the rotation", func() bool { return h.versions("k") == 2 })
	h.runLifetimes()
	if n := h.versions("k"); n != 2 {
		t.Errorf("%d versions", n)
	}
}
