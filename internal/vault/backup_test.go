package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/secret"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// blob returns a backup of an object that never was, with one version, which is
// always the same.
func (w *world) blob(k *kind, name string) []byte {
	w.t.Helper()
	v := versionRecord{Version: strings.Repeat("b", versionLength), Created: testStart, Updated: testStart}
	value := []byte("of the backup")
	if k == keyKind {
		key, err := keyops.Generate(w.ctx(), keyops.Spec{Type: keyops.TypeEC})
		if err != nil {
			w.t.Fatal(err)
		}
		private, err := key.MarshalPrivate()
		if err != nil {
			w.t.Fatal(err)
		}
		v.Key, value = newKeyRecord(key.Public(), false, keyops.DefaultOps(keyops.TypeEC)), private.Reveal()
	}
	return w.sealBlob(k, backupRecord{Name: name, Current: v.Version, Versions: []backupVersion{{v, value}}}, nil)
}

func (w *world) sealBlob(k *kind, contents any, change func(*seal.Origin)) []byte {
	w.t.Helper()
	plain, err := encodeRecord(contents)
	if err != nil {
		w.t.Fatal(err)
	}
	o := seal.Origin{Kind: k.collection, TenantID: testTenant, SubscriptionID: testSub}
	if change != nil {
		change(&o)
	}
	blob, err := w.svc.cfg.Backups.Seal(o, plain)
	if err != nil {
		w.t.Fatal(err)
	}
	return blob
}

// versionsOf returns all versions of a secret with their values, by version.
func (w *world) versionsOf(vault, name string) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	for p := (PageRequest{Max: MaxPage}); ; {
		page, err := w.svc.ListSecretVersions(w.ctx(), call(vault), name, p)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, item := range page.Items {
			got, err := w.svc.GetSecret(w.ctx(), call(vault), name, item.Version)
			if err != nil {
				w.t.Fatal(err)
			}
			text := fmt.Sprintf("%s %s %v %d %d %v", got.Name, got.Value.Reveal(), got.Tags, got.Created, got.Updated, got.Enabled)
			found[item.Version] = text
		}
		if p.Marker = page.Next; page.Next == "" {
			return found
		}
	}
}

// TestBackupKeepsEverything restores objects of one update and of many in another
// vault and finds every version as it was.
func TestBackupKeepsEverything(t *testing.T) {
	for _, tc := range []struct{ versions, bytes int }{{1, 10}, {3, MaxSecretValue}, {60, 2000}, {MaxBackupVersions, MaxSecretValue}} {
		t.Run(fmt.Sprintf("%d of %d bytes", tc.versions, tc.bytes), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vault("from")
			w.vault("to")
			for i := range tc.versions {
				value := fmt.Appendf(nil, "%04d", i)
				value = append(value, bytes.Repeat([]byte("x"), tc.bytes-len(value))...)
				in := SetSecret{Value: secret.New(value), Tags: map[string]string{"n": fmt.Sprint(i)}}
				if _, err := w.svc.SetSecret(w.ctx(), call("from"), "Name", in); err != nil {
					t.Fatal(err)
				}
				w.clock.add(1)
			}
			blob, err := w.svc.BackupSecret(w.ctx(), call("from"), "nAME")
			if err != nil {
				t.Fatal(err)
			}
			want, _ := w.svc.GetSecret(w.ctx(), call("from"), "name", "")
			w.clock.add(1000)
			got, err := w.svc.RestoreSecret(w.ctx(), call("to"), blob)
			if err != nil {
				t.Fatal(err)
			}
			if got.Version != want.Version || got.Value.Len() != 0 || got.Created != want.Created || got.Updated != want.Updated || got.Tags["n"] != want.Tags["n"] {
				t.Errorf("restored %+v, backed up %+v", got, want)
			}
			from, to := w.versionsOf("from", "Name"), w.versionsOf("to", "Name")
			if len(to) != tc.versions {
				t.Errorf("%d versions of %d", len(to), tc.versions)
			}
			for version, text := range from {
				if to[version] != text {
					t.Errorf("version %s is %.60q, was %.60q", version, to[version], text)
				}
			}
		})
	}
}

func TestBackupOfAKey(t *testing.T) {
	w := newWorld(t)
	w.vault("standard")
	w.vault("premium", func(v *catalog.Vault) { v.Premium = true })
	in := newECKey
	in.HSM = true
	made, err := w.svc.CreateKey(w.ctx(), call("premium"), "key", in)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := w.svc.BackupKey(w.ctx(), call("premium"), "key")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.svc.RestoreKey(w.ctx(), call("standard"), blob); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("an HSM key in a standard vault: %v", err)
	}
	w.purgeAny("premium", keyKind, "key")
	back, err := w.svc.RestoreKey(w.ctx(), call("premium"), blob)
	if err != nil || !back.Public.Equal(made.Public) || !back.HSM || back.Version != made.Version {
		t.Errorf("restored %+v, %v", back, err)
	}
}

func TestRestoreConflicts(t *testing.T) {
	w := newWorld(t)
	w.vault("v")
	made, err := w.svc.SetSecret(w.ctx(), call("v"), "name", newSecret("value"))
	if err != nil {
		t.Fatal(err)
	}
	blob, err := w.svc.BackupSecret(w.ctx(), call("v"), "name")
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"live", "deleted"} {
		before := w.dump()
		_, err := w.svc.RestoreSecret(w.ctx(), call("v"), blob)
		var conflict *RestoreConflict
		f, ok := fault.As(err)
		if !errors.As(err, &conflict) || !ok || f.Kind != fault.Conflict || f.Code != "Conflict" || conflict.Path != "secrets/name/"+made.Version ||
			!strings.HasPrefix(f.Message, "There was a conflict restoring the secret '"+conflict.Path+"'. ") {
			t.Errorf("%s: %v", state, err)
		}
		if after := w.dump(); !mapsEqual(before, after) {
			t.Errorf("%s: a refused restore has changed the store", state)
		}
		if state == "live" {
			if _, err := w.svc.DeleteSecret(w.ctx(), call("v"), "name"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func mapsEqual(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func TestBadBlobs(t *testing.T) {
	w := newWorld(t)
	w.vault("v")
	good := w.blob(secretKind, "name")
	other := newWorld(t)
	for name, blob := range map[string][]byte{
		"empty": nil, "text": []byte("blob"), "cut off": good[:len(good)-1], "head alone": good[:30],
		"a bit of the header": flip(good, 22), "a bit of the origin": flip(good, 45), "a bit of the end": flip(good, len(good)-1),
		"longer": append(slices.Clone(good), 0), "another installation's": other.blob(secretKind, "name"),
		"a key's": w.blob(keyKind, "name"), "another subscription's": w.sealBlob(secretKind, backupRecord{}, func(o *seal.Origin) { o.SubscriptionID = testApp }),
		"another tenant's": w.sealBlob(secretKind, backupRecord{}, func(o *seal.Origin) { o.TenantID = testApp }),
	} {
		before := w.dump()
		_, err := w.svc.RestoreSecret(w.ctx(), call("v"), blob)
		f, ok := fault.As(err)
		if !ok || f.Kind != fault.Invalid || f.Code != "BadParameter" || !strings.HasPrefix(f.Message, "Cannot decrypt backup blob.") {
			t.Errorf("%s: %v", name, err)
		}
		if !mapsEqual(before, w.dump()) {
			t.Errorf("%s has changed the store", name)
		}
	}
	// A caller without permission learns nothing about a blob.
	_, err := w.svc.RestoreSecret(w.ctx(), Call{Vault: "v"}, good)
	if fault.KindOf(err) != fault.Forbidden {
		t.Errorf("without permission: %v", err)
	}
}

func flip(b []byte, i int) []byte {
	c := slices.Clone(b)
	c[i] ^= 1
	return c
}

func TestTooManyVersionsToBackUp(t *testing.T) {
	w := newWorld(t)
	w.vault("v")
	for range MaxBackupVersions + 1 {
		if _, err := w.svc.SetSecret(w.ctx(), call("v"), "name", newSecret("x")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.svc.BackupSecret(w.ctx(), call("v"), "name"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("%d versions: %v", MaxBackupVersions+1, err)
	}
}

// large returns a blob that needs several updates.
func (w *world) large(name string) []byte {
	contents := backupRecord{Name: name}
	for i := range 100 {
		v := versionRecord{Version: newVersion(), Created: testStart + int64(i), Updated: testStart + int64(i)}
		contents.Current = v.Version
		contents.Versions = append(contents.Versions, backupVersion{v, fmt.Appendf(nil, "value %d", i)})
	}
	return w.sealBlob(secretKind, contents, nil)
}

// TestRestoreIsAllOrNothing cuts a restoration of many updates off before each of
// them. Nobody sees anything of it, the name is taken for an hour at most, and
// then nothing is left.
func TestRestoreIsAllOrNothing(t *testing.T) {
	for cut := 1; ; cut++ {
		w := newWorld(t)
		w.vault("v")
		blob := w.large("name")
		before := w.dump()
		limited := &limitedStore{Store: w.store, left: cut}
		svc := w.node(limited)
		_, err := svc.RestoreSecret(w.ctx(), call("v"), blob)
		if err == nil {
			if cut < 4 {
				t.Fatalf("the restoration took %d updates; it should take several", cut)
			}
			if got := len(w.versionsOf("v", "name")); got != 100 {
				t.Errorf("%d versions", got)
			}
			return
		}
		if !errors.Is(err, errCut) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if cut > 1 {
			_, err := w.svc.SetSecret(w.ctx(), call("v"), "name", newSecret("x"))
			refused{fault.Conflict, "Conflict", "ObjectIsBeingRecovered", "Secret name is currently being recovered and cannot be re-created; retry later."}.check(t, err)
			invisible(t, w)
			w.check()
		}
		w.clock.add(claimSeconds + 1)
		if _, err := w.svc.PurgeDue(w.ctx()); err != nil {
			t.Fatal(err)
		}
		if !mapsEqual(before, w.dump()) {
			t.Errorf("cut at %d: something is left", cut)
		}
		if _, err := w.svc.SetSecret(w.ctx(), call("v"), "name", newSecret("x")); err != nil {
			t.Errorf("cut at %d: the name is not free again: %v", cut, err)
		}
	}
}

// invisible makes sure that nothing shows a claimed name.
func invisible(t *testing.T, w *world) {
	t.Helper()
	page, err := w.svc.ListDeletedSecrets(w.ctx(), call("v"), onePage)
	if err != nil || len(page.Items) != 0 {
		t.Errorf("a claim is listed: %v, %v", page, err)
	}
	versions, err := w.svc.ListSecretVersions(w.ctx(), call("v"), "name", onePage)
	if err != nil || len(versions.Items) != 0 {
		t.Errorf("versions of a claim are listed: %v, %v", versions, err)
	}
	for what, err := range map[string]error{
		"get":         second(w.svc.GetSecret(w.ctx(), call("v"), "name", "")),
		"get deleted": second(w.svc.GetDeletedSecret(w.ctx(), call("v"), "name")),
		"recover":     second(w.svc.RecoverSecret(w.ctx(), call("v"), "name")),
		"purge":       w.svc.PurgeSecret(w.ctx(), call("v"), "name"),
	} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s of a claim: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

var errCut = errors.New("cut off")

// limitedStore lets a number of updates through and fails from then on.
type limitedStore struct {
	store.Store
	left   int
	count  int
	before func(n int)
}

func (s *limitedStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	s.count++
	if s.before != nil {
		s.before(s.count)
	}
	if s.count >= s.left {
		return errCut
	}
	return s.Store.Update(ctx, fn)
}

// FuzzOpenBackup makes sure that no blob panics and that only our own open.
func FuzzOpenBackup(f *testing.F) {
	w := newWorld(f)
	w.vault("v")
	good := w.blob(secretKind, "name")
	f.Add(good)
	f.Add([]byte{})
	f.Add(good[:40])
	f.Fuzz(func(t *testing.T, blob []byte) {
		_, _, err := w.svc.cfg.Backups.Open(blob)
		if (err == nil) != bytes.Equal(blob, good) {
			t.Errorf("opened: %v", err == nil)
		}
	})
}

// What could not be restored is not handed out.
func TestTooLargeToBackUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("from")
	tags := map[string]string{}
	for i := range MaxTags {
		tags[fmt.Sprintf("%02d", i)+strings.Repeat("\u20ac", MaxTagLength-2)] = strings.Repeat("\u20ac", MaxTagLength)
	}
	for range MaxBackupVersions {
		if _, err := w.svc.SetSecret(w.ctx(), call("from"), "name", SetSecret{Value: secret.New(bytes.Repeat([]byte("v"), MaxSecretValue)), Tags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	blob, err := w.svc.BackupSecret(w.ctx(), call("from"), "name")
	if f, ok := fault.As(err); !ok || f.Kind != fault.Invalid || f.Code != "BadParameter" || !strings.Contains(f.Message, "larger than the 24 MiB") || blob != nil {
		t.Errorf("%d bytes, %v", len(blob), err)
	}
}
