package vault

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// The new version is a key of the same kind with what the old one had, but for
// its dates; the old one stays as it was.
func TestRotateKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v", premium)
	for name, in := range map[string]CreateKey{
		"rsa":    {Spec: keyops.Spec{Type: keyops.TypeRSA}},
		"rsa3":   {Spec: keyops.Spec{Type: keyops.TypeRSA, Bits: 3072}, HSM: true, Ops: []string{"sign"}},
		"akp":    {Spec: keyops.Spec{Type: keyops.TypeAKP, Algorithm: "ML-DSA-65"}},
		"ec":     {Spec: keyops.Spec{Type: keyops.TypeEC}, Ops: []string{}},
		"ec521":  {Spec: keyops.Spec{Type: keyops.TypeEC, Curve: "P-521"}, Ops: []string{"verify"}, Tags: map[string]string{"a": "b"}},
		"ec256k": {Spec: keyops.Spec{Type: keyops.TypeEC, Curve: "P-256K"}, HSM: true, Attributes: Attributes{NotBefore: ptr(int64(1)), Expires: ptr(int64(2))}},
	} {
		t.Run(name, func(t *testing.T) {
			old := must(w.svc.CreateKey(w.ctx(), call("v"), name, in))(t)
			now := w.clock.add(10)
			got := must(w.svc.RotateKey(w.ctx(), call("v"), name))(t)
			if got.Version == old.Version || !validVersion(got.Version) || got.Public.Equal(old.Public) || specOf(newKeyRecord(got.Public, false, nil)) != specOf(newKeyRecord(old.Public, false, nil)) {
				t.Errorf("got %+v after %+v", got, old)
			}
			want := *old
			want.Version, want.Public, want.Created, want.Updated, want.NotBefore, want.Expires = got.Version, got.Public, now, now, nil, nil
			if !reflect.DeepEqual(got, &want) {
				t.Errorf("got %+v, want %+v", got, &want)
			}
			for version, want := range map[string]*Key{"": got, got.Version: got, old.Version: old} {
				if got := must(w.svc.GetKey(w.ctx(), call("v"), name, version))(t); !reflect.DeepEqual(got, want) {
					t.Errorf("version %q: got %+v, want %+v", version, got, want)
				}
			}
		})
	}
}

// An exp follows from the policy, counted from the creation of the new version.
func TestRotateKeyExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	w.key("v", "k")
	for expiry, want := range map[string]*int64{
		"":      nil,
		"P30D":  ptr(testStart + 30*day),
		"P1M":   ptr(testStart + 31*day), // from 2027-01-15 to 2027-02-15
		"P400D": ptr(testStart + 400*day),
	} {
		w.setPolicy("v", "k", expiry)
		if got := must(w.svc.RotateKey(w.ctx(), call("v"), "k"))(t); !reflect.DeepEqual(got.Expires, want) || got.Created != testStart {
			t.Errorf("%q: %+v expires at %v, want %v", expiry, got, got.Expires, want)
		}
		// What others make expires as they say.
		if made := w.key("v", "k"); made.Expires != nil {
			t.Errorf("%q: a version that was created expires at %d", expiry, *made.Expires)
		}
	}
	// The end of Azure's time is the last date there is.
	w.clock.add(maxTime - testStart - day)
	w.setPolicy("v", "k", "P1000Y")
	if got := must(w.svc.RotateKey(w.ctx(), call("v"), "k"))(t); *got.Expires != maxTime {
		t.Errorf("expires at %d", *got.Expires)
	}
}

func TestRotateKeyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v", premium)
	w.key("v", "gone")
	must(w.svc.DeleteKey(w.ctx(), call("v"), "gone"))(t)
	must(w.svc.CreateKey(w.ctx(), call("v"), "hsm", CreateKey{Spec: newECKey.Spec, HSM: true}))(t)
	w.key("v", "disabled")
	w.key("v", "disabled")
	must(w.svc.UpdateKey(w.ctx(), call("v"), "disabled", "", UpdateKey{Attributes: Attributes{Enabled: ptr(false)}}))(t)
	w.set("v", "secret", "x")
	w.manage(v, w.key("v", "managed"))
	standard := v.Clone()
	standard.Premium = false
	w.putVault(standard)
	before := w.dump()
	for name, want := range map[string]refused{
		"nobody":   notFound("key", "nobody"),
		"secret":   notFound("key", "secret"),
		"gone":     notFound("key", "gone"),
		"hsm":      {fault.Forbidden, "Forbidden", "", "Hardware key operation not allowed on standard vault"},
		"disabled": {fault.Forbidden, "Forbidden", "KeyDisabled", "Operation rotate is not allowed on a disabled key."},
		"managed":  {fault.Forbidden, "Forbidden", "KeyManagedByKeyVault", `Operation "rotate" is not allowed as this object's lifetime is managed by Key Vault.`},
	} {
		_, err := w.svc.RotateKey(w.ctx(), call("v"), name)
		want.check(t, err)
	}
	_, err := w.svc.SetRotationPolicy(w.ctx(), call("v"), "managed", SetRotationPolicy{})
	refused{fault.Forbidden, "Forbidden", "KeyManagedByKeyVault", `Operation "setrotationpolicy" is not allowed as this object's lifetime is managed by Key Vault.`}.check(t, err)
	if diff := sameRecords(before, w.dump()); diff != nil {
		t.Error(diff)
	}
	// Disabled means the current version; an expired key can still be renewed.
	w.key("v", "disabled")
	must(w.svc.RotateKey(w.ctx(), call("v"), "disabled"))(t)
	must(w.svc.UpdateKey(w.ctx(), call("v"), "disabled", "", UpdateKey{Attributes: Attributes{Expires: ptr(int64(1))}}))(t)
	must(w.svc.RotateKey(w.ctx(), call("v"), "disabled"))(t)
}

// manage makes a key the key of a certificate.
func (w *world) manage(v *catalog.Vault, key *Key) {
	w.t.Helper()
	sealer := must(w.ring.Vault(v.ID, v.WrappedKey))(w.t)
	sc := catalog.Scope{Vault: v, Sealer: sealer}
	at := keyKind.key(v.ID, live, key.Name)
	head := must(open(sc, at, stored(w.dump()[string(at)]), decodeHead))(w.t)
	head.Managed = true
	var changed writes
	if err := changed.putRecord(sc, at, head); err != nil {
		w.t.Fatal(err)
	}
	w.update(func(tx store.Tx) { changed.apply(tx) })
}

// A key that becomes another kind of key while its successor is made is given one
// of its new kind.
func TestRotateKeyOfAnotherKind(t *testing.T) {
	t.Parallel()
	for _, within := range []bool{false, true} {
		w := newWorld(t)
		v := w.vault("v")
		w.key("v", "k")
		w.audited()
		curves, made := []keyops.Curve{"P-384", "P-521"}, 0
		become := func() {
			spec := keyops.Spec{Type: keyops.TypeEC, Curve: curves[made%2]}
			must(w.other.CreateKey(w.ctx(), call("v"), "k", CreateKey{Spec: spec, Ops: []string{"sign"}}))(t)
			made++
		}
		hook := &hookStore{Store: w.store, before: become}
		var s store.Store = hook
		if within {
			s = &contractStore{Store: w.store, t: t, between: become}
		}
		got := must(w.node(s).RotateKey(w.ctx(), call("v"), "k"))(t)
		if got.Public.Curve != "P-384" || len(got.Ops) != 1 || w.below("v", v.ID, ver, "keys", "k") != 3 {
			t.Errorf("got %+v", got)
		}
		if records := w.audited(); len(records) != 2 {
			t.Errorf("audited as %+v", records)
		}
		if within {
			continue
		}
		// One that does not stop to change is left alone.
		made = 1
		var again func()
		again = func() { become(); hook.before = again }
		hook.before = again
		_, err := w.node(hook).RotateKey(w.ctx(), call("v"), "k")
		refused{fault.Conflict, "Conflict", "",
			"The key k was given versions of other kinds while it was rotated. Retry when nobody else changes it."}.check(t, err)
		if n := w.below("v", v.ID, ver, "keys", "k"); n != 3+rotateTries {
			t.Errorf("%d versions", n)
		}
		if records := w.audited(); len(records) != rotateTries+1 {
			t.Errorf("audited as %+v", records)
		}
	}
}

// A caller who gives up while a key is made leaves nothing behind.
func TestRotateKeyCanceled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	must(w.svc.CreateKey(w.ctx(), call("v"), "k", CreateKey{Spec: keyops.Spec{Type: keyops.TypeRSA}}))(t)
	before := w.dump()
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	if _, err := w.svc.RotateKey(ctx, call("v"), "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if diff := sameRecords(before, w.dump()); diff != nil {
		t.Error(diff)
	}
}
