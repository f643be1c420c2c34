package vault

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/secret"
)

const (
	longNotFound = " was not found in this key vault. If you recently deleted this %s you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
)

func notFound(noun, path string) refused {
	return refused{fault.NotFound, strings.ToUpper(noun[:1]) + noun[1:] + "NotFound", "",
		"A " + noun + " with (name/id) " + path + strings.Replace(longNotFound, "%s", noun, 1)}
}

var (
	badProperty    = refused{fault.Invalid, "BadParameter", "", "Property  has invalid value\r\n"}
	secretDisabled = refused{fault.Forbidden, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret."}
)

func TestSetAndGetSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	set := must(w.svc.SetSecret(w.ctx(), call("V"), "My-Secret", SetSecret{
		Value: secret.New([]byte("s3cret")), ContentType: ptr("text/plain"), Tags: map[string]string{"a": "b"},
		Attributes: Attributes{Enabled: ptr(true), NotBefore: ptr(int64(5)), Expires: ptr(int64(7))},
	}))(t)
	want := &Secret{
		Object: Object{
			Name: "My-Secret", Version: set.Version, Enabled: true, NotBefore: ptr(int64(5)), Expires: ptr(int64(7)),
			Created: testStart, Updated: testStart, Tags: map[string]string{"a": "b"},
			RecoveryLevel: "Recoverable+Purgeable", RecoverableDays: 90,
		},
		ContentType: ptr("text/plain"),
	}
	if !validVersion(set.Version) || strings.ToLower(set.Version) != set.Version {
		t.Errorf("version %q", set.Version)
	}
	checkSecret(t, set, want, "s3cret")
	// The name compares without case, and so does the version.
	for _, version := range []string{"", set.Version, strings.ToUpper(set.Version)} {
		checkSecret(t, must(w.svc.GetSecret(w.ctx(), call("v"), "mY-sECRET", version))(t), want, "s3cret")
	}
}

func checkSecret(t *testing.T, got, want *Secret, value string) {
	t.Helper()
	if string(got.Value.Reveal()) != value {
		t.Errorf("value %q, want %q", got.Value.Reveal(), value)
	}
	plain := *got
	plain.Value, plain.Reading = secret.Bytes{}, nil
	if !reflect.DeepEqual(&plain, want) {
		t.Errorf("got  %+v\nwant %+v", &plain, want)
	}
}

func TestSecretVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	first := w.set("v", "Name", "one")
	w.clock.add(10)
	second := w.set("v", "NAME", "two")
	if second.Name != "Name" || second.Created != testStart+10 {
		t.Errorf("second version %+v: the name keeps its first case", second.Object)
	}
	for version, value := range map[string]string{"": "two", first.Version: "one", second.Version: "two"} {
		if got := must(w.svc.GetSecret(w.ctx(), call("v"), "name", version))(t); string(got.Value.Reveal()) != value {
			t.Errorf("version %q has value %q, want %q", version, got.Value.Reveal(), value)
		}
	}
	// Attributes of the first version are not those of the second.
	must(w.svc.UpdateSecret(w.ctx(), call("v"), "name", first.Version, UpdateSecret{Attributes: Attributes{Enabled: ptr(false)}}))(t)
	_, err := w.svc.GetSecret(w.ctx(), call("v"), "name", first.Version)
	secretDisabled.check(t, err)
	must(w.svc.GetSecret(w.ctx(), call("v"), "name", ""))(t)
}

// A second process that has cached the current version must not serve it once
// there is another.
func TestCachedHeadIsOnlyAHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	other := w.node(w.store)
	for _, value := range []string{"one", "two", "three"} {
		w.set("v", "n", value)
		for range 2 {
			if got := must(other.GetSecret(w.ctx(), call("v"), "n", ""))(t); string(got.Value.Reveal()) != value {
				t.Errorf("got %q, want %q", got.Value.Reveal(), value)
			}
		}
	}
	must(w.svc.DeleteSecret(w.ctx(), call("v"), "n"))(t)
	_, err := other.GetSecret(w.ctx(), call("v"), "n", "")
	notFound("secret", "n").check(t, err)
}

func TestTimesNeverRunBackwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	w.set("v", "n", "one")
	w.clock.add(-100)
	if got := w.set("v", "n", "two"); got.Created != testStart || got.Updated != testStart {
		t.Errorf("after the clock went back: %+v", got.Object)
	}
	updated := must(w.svc.UpdateSecret(w.ctx(), call("v"), "n", "", UpdateSecret{}))(t)
	if updated.Created != testStart || updated.Updated != testStart {
		t.Errorf("after the clock went back: %+v", updated.Object)
	}
	w.clock.add(200)
	updated = must(w.svc.UpdateSecret(w.ctx(), call("v"), "n", "", UpdateSecret{}))(t)
	if updated.Created != testStart || updated.Updated != testStart+100 {
		t.Errorf("after the clock went on: %+v", updated.Object)
	}
}

func TestUpdateSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	set := must(w.svc.SetSecret(w.ctx(), call("v"), "n", SetSecret{
		Value: secret.New([]byte("x")), ContentType: ptr("a"), Tags: map[string]string{"k": "v"},
		Attributes: Attributes{NotBefore: ptr(int64(1)), Expires: ptr(int64(2))},
	}))(t)
	w.clock.add(3)
	steps := []struct {
		name string
		in   UpdateSecret
		want func(*Secret)
	}{
		{"nothing", UpdateSecret{}, func(*Secret) {}},
		{"content type", UpdateSecret{ContentType: ptr("b")}, func(s *Secret) { s.ContentType = ptr("b") }},
		{"tags are replaced", UpdateSecret{Tags: map[string]string{"l": "w"}}, func(s *Secret) { s.Tags = map[string]string{"l": "w"} }},
		{"expiry alone", UpdateSecret{Attributes: Attributes{Expires: ptr(int64(9))}}, func(s *Secret) { s.Expires = ptr(int64(9)) }},
		{"not before alone", UpdateSecret{Attributes: Attributes{NotBefore: ptr(int64(8))}}, func(s *Secret) { s.NotBefore = ptr(int64(8)) }},
		{"disabled", UpdateSecret{Attributes: Attributes{Enabled: ptr(false)}}, func(s *Secret) { s.Enabled = false }},
		{"a disabled one is enabled again", UpdateSecret{Attributes: Attributes{Enabled: ptr(true)}}, func(s *Secret) { s.Enabled = true }},
		{"no tags", UpdateSecret{Tags: map[string]string{}}, func(s *Secret) { s.Tags = nil }},
	}
	want := *set
	want.Value = secret.Bytes{}
	want.Updated = testStart + 3
	for _, step := range steps {
		step.want(&want)
		got := must(w.svc.UpdateSecret(w.ctx(), call("v"), "n", "", step.in))(t)
		if got.Value.Reveal() != nil {
			t.Errorf("%s: the answer has a value", step.name)
		}
		if len(got.Tags) == 0 {
			got.Tags = nil
		}
		if !reflect.DeepEqual(got, &want) {
			t.Errorf("%s: got %+v, want %+v", step.name, got, &want)
		}
	}
	got := must(w.svc.GetSecret(w.ctx(), call("v"), "n", ""))(t)
	checkSecret(t, got, &want, "x")
}

func TestUpdateOlderVersionLeavesTheCurrent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	old := w.set("v", "n", "one")
	current := w.set("v", "n", "two")
	got := must(w.svc.UpdateSecret(w.ctx(), call("v"), "n", old.Version, UpdateSecret{Tags: map[string]string{"old": "1"}}))(t)
	if got.Version != old.Version || !maps.Equal(got.Tags, map[string]string{"old": "1"}) {
		t.Errorf("got %+v", got.Object)
	}
	for version, tags := range map[string]int{"": 0, current.Version: 0, old.Version: 1} {
		if got := must(w.svc.GetSecret(w.ctx(), call("v"), "n", version))(t); len(got.Tags) != tags {
			t.Errorf("version %q has tags %v", version, got.Tags)
		}
	}
	// The current one by its id changes what "" and lists show.
	must(w.svc.UpdateSecret(w.ctx(), call("v"), "n", current.Version, UpdateSecret{Tags: map[string]string{"new": "1"}}))(t)
	page := must(w.svc.ListSecrets(w.ctx(), call("v"), PageRequest{Max: 25}))(t)
	if !maps.Equal(page.Items[0].Tags, map[string]string{"new": "1"}) {
		t.Errorf("the list shows tags %v", page.Items[0].Tags)
	}
}

func TestDatesDoNotHideSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	for name, a := range map[string]Attributes{
		"future": {NotBefore: ptr(testStart + 100)}, "past": {Expires: ptr(testStart - 100)},
		"never": {NotBefore: ptr(testStart + 100), Expires: ptr(testStart - 100)},
	} {
		must(w.svc.SetSecret(w.ctx(), call("v"), name, SetSecret{Value: secret.New([]byte(name)), Attributes: a}))(t)
		if got := must(w.svc.GetSecret(w.ctx(), call("v"), name, ""))(t); string(got.Value.Reveal()) != name {
			t.Errorf("%s: %q", name, got.Value.Reveal())
		}
	}
}

func TestSecretLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	tags := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[strings.Repeat("t", i+1)] = ""
		}
		return m
	}
	value := func(n int) SetSecret { return SetSecret{Value: secret.New(make([]byte, n))} }
	withValue := func(in SetSecret) SetSecret { in.Value = secret.New([]byte("x")); return in }
	tests := []struct {
		name   string
		object string
		in     SetSecret
		ok     bool
	}{
		{"longest name", strings.Repeat("n", MaxNameLength), value(1), true},
		{"empty value", "n", SetSecret{Value: secret.New([]byte{})}, true},
		{"no value", "n", SetSecret{}, false},
		{"longest value", "n", value(MaxSecretValue), true},
		{"value too long", "n", value(MaxSecretValue + 1), false},
		{"longest content type", "n", withValue(SetSecret{ContentType: ptr(strings.Repeat("é", MaxContentTypeLength))}), true},
		{"content type too long", "n", withValue(SetSecret{ContentType: ptr(strings.Repeat("c", MaxContentTypeLength+1))}), false},
		{"content type too long in UTF-16", "n", withValue(SetSecret{ContentType: ptr(strings.Repeat("𝄞", 128))}), false},
		{"content type not text", "n", withValue(SetSecret{ContentType: ptr("\xff")}), false},
		{"most tags", "n", withValue(SetSecret{Tags: tags(MaxTags)}), true},
		{"too many tags", "n", withValue(SetSecret{Tags: tags(MaxTags + 1)}), false},
		{"longest tag", "n", withValue(SetSecret{Tags: map[string]string{strings.Repeat("k", MaxTagLength): strings.Repeat("v", MaxTagLength)}}), true},
		{"tag name too long", "n", withValue(SetSecret{Tags: map[string]string{strings.Repeat("k", MaxTagLength+1): ""}}), false},
		{"tag value too long", "n", withValue(SetSecret{Tags: map[string]string{"": strings.Repeat("v", MaxTagLength+1)}}), false},
		{"tag not text", "n", withValue(SetSecret{Tags: map[string]string{"k": "\xc0"}}), false},
		{"earliest and latest dates", "n", withValue(SetSecret{Attributes: Attributes{NotBefore: ptr(int64(0)), Expires: ptr(int64(maxTime))}}), true},
		{"not before 1970", "n", withValue(SetSecret{Attributes: Attributes{NotBefore: ptr(int64(-1))}}), false},
		{"expires after 9999", "n", withValue(SetSecret{Attributes: Attributes{Expires: ptr(int64(maxTime + 1))}}), false},
	}
	for _, tt := range tests {
		before := w.dump()
		_, err := w.svc.SetSecret(w.ctx(), call("v"), tt.object, tt.in)
		if tt.ok {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		badProperty.check(t, err)
		if diff := sameRecords(before, w.dump()); diff != nil {
			t.Errorf("%s: %v", tt.name, diff)
		}
	}
}

func TestUpdateSecretLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	w.set("v", "n", "x")
	for name, in := range map[string]UpdateSecret{
		"tag":          {Tags: map[string]string{"k": strings.Repeat("v", MaxTagLength+1)}},
		"content type": {ContentType: ptr(strings.Repeat("c", MaxContentTypeLength+1))},
		"date":         {Attributes: Attributes{Expires: ptr(int64(-1))}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.svc.UpdateSecret(w.ctx(), call("v"), "n", "", in)
			badProperty.check(t, err)
		})
	}
}

func TestUnknownSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	known := w.set("v", "known", "x")
	other := strings.Repeat("0", 32)
	for _, tt := range []struct{ name, version, path string }{
		{"Nobody", "", "Nobody"},
		{"nobody", other, "nobody/" + other},
		{"known", other, "known/" + other},
		{"known", "latest", "known/latest"},
		{"known", known.Version + "0", "known/" + known.Version + "0"},
		{"known", strings.Repeat("g", 32), "known/" + strings.Repeat("g", 32)},
		{"known", strings.Repeat("0", 5000), "known/" + strings.Repeat("0", 5000)},
	} {
		_, err := w.svc.GetSecret(w.ctx(), call("v"), tt.name, tt.version)
		notFound("secret", tt.path).check(t, err)
		_, err = w.svc.UpdateSecret(w.ctx(), call("v"), tt.name, tt.version, UpdateSecret{})
		notFound("secret", tt.path).check(t, err)
	}
}

func TestInvalidNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	before := w.dump()
	for _, name := range []string{"", "a_b", "a/b", "a b", "ä", "a\x00", ".", strings.Repeat("n", MaxNameLength+1), strings.Repeat("n", 5000)} {
		for _, op := range testOperations {
			if !op.named() {
				continue
			}
			_, err := op.run(w, call("v"), name)
			refused{fault.Invalid, "BadParameter", "", "The request URI contains an invalid name: " + name}.check(t, err)
		}
	}
	if diff := sameRecords(before, w.dump()); diff != nil {
		t.Error(diff)
	}
}

func TestMissingVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("gone")
	w.set("gone", "n", "x")
	deleted := v.Clone()
	deleted.Deleted = &catalog.Deletion{At: w.clock.Now(), PurgeAt: w.clock.Now()}
	w.putVault(deleted)
	for _, vault := range []string{"nowhere", "gone"} {
		_, err := w.svc.Info(w.ctx(), vault)
		if f, ok := fault.As(err); !ok || f.Kind != fault.NotFound || f.Code != "VaultNotFound" {
			t.Errorf("Info(%s): %v", vault, err)
		}
		_, err = w.svc.GetSecret(w.ctx(), call(vault), "n", "")
		if f, ok := fault.As(err); !ok || f.Kind != fault.NotFound || f.Code != "VaultNotFound" {
			t.Errorf("GetSecret(%s): %v", vault, err)
		}
		_, err = w.svc.SetSecret(w.ctx(), call(vault), "n", SetSecret{Value: secret.New([]byte("x"))})
		if f, ok := fault.As(err); !ok || f.Code != "VaultNotFound" {
			t.Errorf("SetSecret(%s): %v", vault, err)
		}
	}
	w.putVault(v)
	if got := must(w.svc.GetSecret(w.ctx(), call("gone"), "n", ""))(t); string(got.Value.Reveal()) != "x" {
		t.Errorf("after recovery of the vault: %q", got.Value.Reveal())
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("MyVault", func(v *catalog.Vault) { v.Policies = nil })
	got := must(w.svc.Info(w.ctx(), "myvault"))(t)
	if want := (Info{Name: "MyVault", TenantID: testTenant, Location: "eastus"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if records := w.audited(); len(records) != 0 {
		t.Errorf("Info is audited: %+v", records)
	}
}

// Secrets of a vault are sealed under its key: neither values nor metadata are in
// the store in clear, and a record moved to another name does not open.
func TestRecordsAreSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	const needle = "needle-in-a-haystack"
	must(w.svc.SetSecret(w.ctx(), call("v"), "n", SetSecret{
		Value: secret.New([]byte(needle)), ContentType: ptr(needle), Tags: map[string]string{needle: needle},
	}))(t)
	w.set("v", "m", "other")
	for key, value := range w.dump() {
		if strings.Contains(key, needle) || strings.Contains(value, needle) {
			t.Errorf("record %q is in clear", key)
		}
	}
	// The head of n in the place of m's.
	all := w.dump()
	mine := secretKind.key(v.ID, live, "m")
	w.updateRaw(mine, []byte(all[string(secretKind.key(v.ID, live, "n"))]))
	defer w.updateRaw(mine, []byte(all[string(mine)]))
	if _, err := w.svc.GetSecret(w.ctx(), call("v"), "m", ""); err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("a record moved to another name: %v", err)
	}
}
