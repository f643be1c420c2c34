package vault

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

var unavailable = refused{fault.Unavailable, "ServiceUnavailable", "",
	"The audit log cannot be written, so no operation is carried out. Retry later; the operator finds the cause in the server's log."}

// waiting returns how many audit records are in the store.
func (w *world) waiting() int {
	w.t.Helper()
	n := 0
	err := w.store.View(w.ctx(), func(v store.View) error {
		entries, err := v.Scan(tuple.Prefix(tuple.Key("audit")), store.MaxScan)
		n = len(entries)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// recoverSink makes the sink work again and lets the log notice.
func (w *world) recoverSink() {
	w.sink.Mend()
	ended, cancel := context.WithCancel(w.ctx())
	cancel()
	w.log.Run(ended)
}

// paths are what operations are audited with: the object, and the version where
// they are about one.
func (o testOperation) path(version string) string {
	switch {
	case !o.named() && version == "":
		return o.category
	case o.method == "SetRotationPolicy":
		return o.category + "/obj"
	case strings.HasPrefix(o.method, "Set"), strings.HasPrefix(o.method, "Create"), strings.HasPrefix(o.method, "Update"),
		o.method == "GetSecret", o.method == "GetKey", strings.HasPrefix(o.method, "Restore"), o.method == "ImportKey",
		o.method == "RotateKey", o.method == "ReleaseKey", o.usesKey():
		return o.category + "/obj/" + version
	}
	return o.category + "/obj"
}

// versionOf returns the version that an answer is about, if it is.
func versionOf(answer any) string {
	switch a := answer.(type) {
	case *Secret:
		return a.Version
	case *Key:
		return a.Version
	case *KeyResult:
		return a.Version
	case *ReleasedKey:
		return a.Version
	}
	return ""
}

// Each operation leaves one record of all that there is to know. That of a read
// is in the sink when the answer comes; that of a change is in the store, where
// the change is.
func TestOneRecordForEachOperation(t *testing.T) {
	t.Parallel()
	for _, op := range testOperations {
		t.Run(op.audit, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.vault("v")
			w.prepare("v", op.kind(), "obj", op.state)
			w.audited()
			c := call("v")
			c.Origin = audit.Origin{RequestID: "r", ClientRequestID: "cr", Address: "192.0.2.7", UserAgent: "agent", APIVersion: "7.4"}
			c.Caller.Groups = []string{otherApp}
			before := time.Now()
			answer, err := op.run(w, c, "obj")
			if err != nil {
				t.Fatal(err)
			}
			records, waiting := w.sink.Take(), w.waiting()
			if op.changes {
				if len(records) != 0 || waiting != 1 {
					t.Fatalf("%d records in the sink and %d in the store, want 0 and 1", len(records), waiting)
				}
				records = w.audited()
			} else if waiting != 0 {
				t.Errorf("%d records of a read wait in the store", waiting)
			}
			if len(records) != 1 {
				t.Fatalf("audited as %+v", records)
			}
			r := records[0]
			if r.ID == "" || r.Time.Before(before.Truncate(time.Microsecond)) || r.Time.After(time.Now()) {
				t.Errorf("id %q, time %v", r.ID, r.Time)
			}
			version := versionOf(answer)
			if op.method == "Verify" { // whose answer does not say
				version = must(w.svc.GetKey(w.ctx(), c, "obj", ""))(t).Version
			}
			want := audit.Record{ID: r.ID, Time: r.Time, Operation: op.audit, Resource: v.ResourceID(),
				Object: op.path(version), Caller: c.Caller, Origin: c.Origin}
			if !reflect.DeepEqual(r, want) {
				t.Errorf("audited as\n%+v, want\n%+v", r, want)
			}
		})
	}
}

// A refusal is in the sink when the caller is told, with its code and reason.
func TestRefusalsAreAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	w.prepare("v", keyKind, "gone", deleted)
	disabled := newSecret("x")
	disabled.Attributes.Enabled = ptr(false)
	set := must(w.svc.SetSecret(w.ctx(), call("v"), "disabled", disabled))(t)
	other := strings.Repeat("A", 32)
	tests := []struct {
		name                    string
		run                     func() error
		operation, object, code string
	}{
		{"unknown", func() error { _, err := w.svc.GetSecret(w.ctx(), call("v"), "nobody", ""); return err },
			"SecretGet", "secrets/nobody", "SecretNotFound"},
		{"unknown version", func() error { _, err := w.svc.GetKey(w.ctx(), call("v"), "k", other); return err },
			"KeyGet", "keys/k/" + other, "KeyNotFound"},
		{"no version", func() error { _, err := w.svc.UpdateKey(w.ctx(), call("v"), "k", "latest", UpdateKey{}); return err },
			"KeyUpdate", "keys/k", "KeyNotFound"},
		{"disabled", func() error { _, err := w.svc.GetSecret(w.ctx(), call("v"), "disabled", ""); return err },
			"SecretGet", "secrets/disabled/" + set.Version, "Forbidden/SecretDisabled"},
		{"invalid name", func() error { _, err := w.svc.DeleteKey(w.ctx(), call("v"), "a/b"); return err },
			"KeyDelete", "keys", "BadParameter"},
		{"invalid value", func() error { _, err := w.svc.SetSecret(w.ctx(), call("v"), "n", SetSecret{}); return err },
			"SecretSet", "secrets/n", "BadParameter"},
		{"deleted name", func() error { _, err := w.svc.CreateKey(w.ctx(), call("v"), "gone", newECKey); return err },
			"KeyCreate", "keys/gone", "Conflict/ObjectIsDeletedButRecoverable"},
		{"no HSM", func() error {
			_, err := w.svc.CreateKey(w.ctx(), call("v"), "k", CreateKey{Spec: newECKey.Spec, HSM: true})
			return err
		}, "KeyCreate", "keys/k", "Forbidden"},
		{"page size", func() error { _, err := w.svc.ListSecrets(w.ctx(), call("v"), PageRequest{}); return err },
			"SecretList", "secrets", "BadParameter"},
	}
	for _, tt := range tests {
		w.audited()
		f, ok := fault.As(tt.run())
		if !ok {
			t.Errorf("%s: no refusal", tt.name)
			continue
		}
		records := w.sink.Take()
		if len(records) != 1 || w.waiting() != 0 {
			t.Errorf("%s: %d records in the sink, %d in the store", tt.name, len(records), w.waiting())
			continue
		}
		want := audit.Record{ID: records[0].ID, Time: records[0].Time, Operation: tt.operation, Resource: v.ResourceID(),
			Object: tt.object, Caller: testCaller, Origin: call("v").Origin, Code: tt.code, Reason: f.Message}
		if !reflect.DeepEqual(records[0], want) {
			t.Errorf("%s: audited as\n%+v, want\n%+v", tt.name, records[0], want)
		}
	}
}

// A request for a vault that does not exist is audited, though it has no resource.
func TestRequestsForNoVaultAreAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, op := range testOperations {
		_, err := op.run(w, call("nowhere"), "obj")
		refused{fault.NotFound, "VaultNotFound", "",
			"There is no key vault named 'nowhere' here. Check the name in the URL, create the vault, or recover it if it has been deleted."}.check(t, err)
		records := w.audited()
		if len(records) != 1 || records[0].Operation != op.audit || records[0].Resource != "" || records[0].Code != "VaultNotFound" {
			t.Errorf("%s is audited as %+v", op.method, records)
		}
	}
}

// Records that cannot be opened are our failure: the log says that much, and
// nobody is shown what they were.
func TestInternalErrorsAreAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.vault("v")
	w.set("v", "n", "x")
	key := secretKind.key(v.ID, live, "n")
	head := w.dump()[string(key)]
	w.updateRaw(key, []byte("no record"))
	defer w.updateRaw(key, []byte(head))
	w.audited()
	if _, err := w.svc.GetSecret(w.ctx(), call("v"), "n", ""); err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("got error %v", err)
	}
	records := w.audited()
	if len(records) != 1 || records[0].Code != "InternalServerError" || records[0].Reason != "" || records[0].Object != "secrets/n" {
		t.Errorf("audited as %+v", records)
	}
}

// While the audit log cannot be written nothing is done and nothing is shown,
// whether or not it would have been allowed. When it can be again, all goes on.
func TestNothingHappensUnaudited(t *testing.T) {
	t.Parallel()
	for _, op := range testOperations {
		t.Run(op.audit, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vault("v")
			w.prepare("v", op.kind(), "obj", op.state)
			w.audited()
			w.sink.Break()
			// Somebody must find out. A read or a refusal does, and fails itself.
			_, err := w.svc.GetKey(w.ctx(), call("v"), "nobody", "")
			unavailable.check(t, err)
			before := w.dump()
			for _, c := range []Call{call("v"), user("v"), call("nowhere")} {
				answer, err := op.run(w, c, "obj")
				unavailable.check(t, err)
				if v := reflect.ValueOf(answer); v.IsValid() && !v.IsZero() {
					t.Errorf("the answer is %+v", answer)
				}
			}
			if diff := sameRecords(before, w.dump()); diff != nil || w.waiting() != 0 {
				t.Errorf("%v, %d audit records wait", diff, w.waiting())
			}
			// Until the log has found that it works again, it is not asked to.
			w.sink.Mend()
			_, err = op.run(w, call("v"), "obj")
			unavailable.check(t, err)
			w.recoverSink()
			if records := w.sink.Take(); len(records) != 0 {
				t.Errorf("audited as %+v", records)
			}
			if _, err := op.run(w, call("v"), "obj"); err != nil {
				t.Errorf("with a log that works: %v", err)
			}
			if records := w.audited(); len(records) != 1 || records[0].Code != "" {
				t.Errorf("with a log that works, audited as %+v", records)
			}
		})
	}
}

// The first read that finds the log broken shows nothing either, and neither does
// the first refusal say why.
func TestFirstToFindTheLogBroken(t *testing.T) {
	t.Parallel()
	for _, op := range testOperations {
		t.Run(op.audit, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vault("v")
			w.prepare("v", op.kind(), "obj", op.state)
			w.audited()
			before := w.dump()
			for _, c := range []Call{user("v"), call("v")} {
				w.sink.Break()
				answer, err := op.run(w, c, "obj")
				if op.changes && c.Caller.ObjectID == testOID {
					// Its record is in the store, and is exported once that is possible.
					if err != nil || w.waiting() != 1 {
						t.Errorf("got %v, and %d records wait", err, w.waiting())
					}
					w.recoverSink()
					if records := w.sink.Take(); len(records) != 1 || records[0].Operation != op.audit || records[0].Code != "" {
						t.Errorf("audited as %+v", records)
					}
					continue
				}
				unavailable.check(t, err)
				if v := reflect.ValueOf(answer); v.IsValid() && !v.IsZero() {
					t.Errorf("the answer is %+v", answer)
				}
				if diff := sameRecords(before, w.dump()); diff != nil {
					t.Error(diff)
				}
				w.recoverSink()
			}
		})
	}
}

// What is due waits while the audit log cannot be written.
func TestNothingIsPurgedUnaudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deleteMany(t, 4)
	w.sink.Break()
	if _, err := w.svc.GetKey(w.ctx(), call("v"), "nobody", ""); err == nil {
		t.Error("a read was answered")
	}
	before := w.dump()
	n, err := w.svc.PurgeDue(w.ctx())
	unavailable.check(t, err)
	if diff := sameRecords(before, w.dump()); n != 0 || diff != nil {
		t.Errorf("purged %d: %v", n, diff)
	}
	w.recoverSink()
	if n, err := w.svc.PurgeDue(w.ctx()); n != 4 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	checkPurgedOnce(t, w, 4)
}

// The change and its record are one update: a commit that fails leaves neither.
func TestChangesAndTheirRecordsAreOne(t *testing.T) {
	t.Parallel()
	for _, op := range testOperations {
		if !op.changes {
			continue
		}
		t.Run(op.audit, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vault("v")
			w.prepare("v", op.kind(), "obj", op.state)
			w.audited()
			before := w.dump()
			healthy, lost := w.svc, errors.New("power cut")
			w.svc = w.node(&brokenStore{w.store, func() error { return lost }})
			if _, err := op.run(w, call("v"), "obj"); !errors.Is(err, lost) {
				t.Errorf("got error %v", err)
			}
			if diff := sameRecords(before, w.dump()); diff != nil || w.waiting() != 0 {
				t.Errorf("%v, %d audit records wait", diff, w.waiting())
			}
			w.svc = healthy
			if _, err := op.run(w, call("v"), "obj"); err != nil {
				t.Fatal(err)
			}
			if diff := sameRecords(before, w.dump()); diff == nil || w.waiting() != 1 {
				t.Errorf("the change is there: %t, %d audit records wait", diff != nil, w.waiting())
			}
		})
	}
}

// The audit log and the errors of operations name objects and callers, never
// what the objects hold.
func TestNoSecretInTheAuditLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	const needle = "needle-in-a-haystack"
	in := newSecret(needle)
	in.ContentType, in.Tags = ptr(needle), map[string]string{needle: needle}
	must(w.svc.SetSecret(w.ctx(), call("v"), "n", in))(t)
	must(w.svc.GetSecret(w.ctx(), call("v"), "n", ""))(t)
	must(w.svc.UpdateSecret(w.ctx(), call("v"), "n", "", UpdateSecret{Tags: in.Tags}))(t)
	in.Value, in.ContentType = newSecret(needle).Value, ptr(strings.Repeat(needle, 20))
	_, err := w.svc.SetSecret(w.ctx(), call("v"), "n", in)
	badProperty.check(t, err)
	must(w.svc.DeleteSecret(w.ctx(), call("v"), "n"))(t)
	_, err = w.svc.SetSecret(w.ctx(), call("v"), "n", newSecret(needle))
	secretKind.wantTaken("n").check(t, err)
	records := w.audited()
	if len(records) != 6 {
		t.Errorf("%d records", len(records))
	}
	for _, r := range records {
		line := string(must(r.MarshalJSON())(t))
		if strings.Contains(line, needle) {
			t.Errorf("the log holds %s", line)
		}
	}
}
