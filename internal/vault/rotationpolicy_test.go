package vault

import (
	"reflect"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

func rotateAfter(text string) LifetimeAction {
	return LifetimeAction{Type: ActionRotate, AfterCreate: text}
}

func rotateBefore(text string) LifetimeAction {
	return LifetimeAction{Type: ActionRotate, BeforeExpiry: text}
}

func notifyBefore(text string) LifetimeAction {
	return LifetimeAction{Type: ActionNotify, BeforeExpiry: text}
}

// key makes a key that nothing is known of but its name.
func (w *world) key(vault, name string) *Key {
	w.t.Helper()
	return must(w.svc.CreateKey(w.ctx(), call(vault), name, newECKey))(w.t)
}

func (w *world) setPolicy(vault, name, expiry string, actions ...LifetimeAction) *RotationPolicy {
	w.t.Helper()
	return must(w.svc.SetRotationPolicy(w.ctx(), call(vault), name, SetRotationPolicy{Expiry: expiry, Actions: actions}))(w.t)
}

func TestRotationPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	w.key("v", "Name")
	steps := []struct {
		name    string
		expiry  string
		actions []LifetimeAction
		want    []LifetimeAction
	}{
		{"rotation alone", "", []LifetimeAction{rotateAfter("P18M")}, []LifetimeAction{rotateAfter("P18M"), notifyBefore("P30D")}},
		{"both, of any case", "P90D", []LifetimeAction{{"nOTIFY", "", "P7D"}, {"rotate", "", "P30D"}}, []LifetimeAction{notifyBefore("P7D"), rotateBefore("P30D")}},
		{"expiry alone", "P28D", nil, []LifetimeAction{notifyBefore("P30D")}},
		{"what an earlier answer has shown", "P28D", []LifetimeAction{notifyBefore("P30D")}, []LifetimeAction{notifyBefore("P30D")}},
		{"nothing", "", []LifetimeAction{}, []LifetimeAction{notifyBefore("P30D")}},
	}
	if got := must(w.svc.GetRotationPolicy(w.ctx(), call("v"), "name"))(t); !reflect.DeepEqual(got, &RotationPolicy{Name: "Name", Actions: []LifetimeAction{notifyBefore("P30D")}}) {
		t.Errorf("before one is set: %+v", got)
	}
	w.clock.add(5)
	for i, step := range steps {
		want := &RotationPolicy{Name: "Name", Expiry: step.expiry, Actions: step.want, Created: ptr(testStart + 5), Updated: ptr(testStart + 5 + int64(i))}
		if got := w.setPolicy("v", "NAME", step.expiry, step.actions...); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: set %+v, want %+v", step.name, got, want)
		}
		w.reopen()
		if got := must(w.svc.GetRotationPolicy(w.ctx(), call("v"), "name"))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", step.name, got, want)
		}
		w.clock.add(1)
	}
	// A clock that is set back takes no update back.
	w.clock.add(-100)
	if got := w.setPolicy("v", "name", ""); *got.Updated != testStart+5+4 {
		t.Errorf("updated at %d", *got.Updated)
	}
}

// The policy is the key's, not a version's: it stays, whatever becomes of the
// key, as long as there is one.
func TestRotationPolicyStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	w.key("v", "k")
	want := w.setPolicy("v", "k", "P90D", rotateAfter("P30D"))
	for name, step := range map[string]func(){
		"new version": func() { w.key("v", "k") },
		"update": func() {
			must(w.svc.UpdateKey(w.ctx(), call("v"), "k", "", UpdateKey{Tags: map[string]string{"a": "b"}}))(t)
		},
		"rotation": func() { must(w.svc.RotateKey(w.ctx(), call("v"), "k"))(t) },
		"recovery": func() {
			must(w.svc.DeleteKey(w.ctx(), call("v"), "k"))(t)
			_, err := w.svc.GetRotationPolicy(w.ctx(), call("v"), "k")
			notFound("key", "k").check(t, err)
			must(w.svc.RecoverKey(w.ctx(), call("v"), "k"))(t)
		},
	} {
		step()
		if got := must(w.svc.GetRotationPolicy(w.ctx(), call("v"), "k"))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	// A backup is of versions: what is restored has the default.
	blob := must(w.svc.BackupKey(w.ctx(), call("v"), "k"))(t)
	w.purgeAny("v", keyKind, "k")
	must(w.svc.RestoreKey(w.ctx(), call("v"), blob))(t)
	if got := must(w.svc.GetRotationPolicy(w.ctx(), call("v"), "k"))(t); got.Created != nil || got.Expiry != "" {
		t.Errorf("restored: %+v", got)
	}
	w.purgeAny("v", keyKind, "k")
	w.key("v", "k")
	if got := must(w.svc.GetRotationPolicy(w.ctx(), call("v"), "k"))(t); got.Created != nil {
		t.Errorf("made anew: %+v", got)
	}
}

// No policy that is accepted can have a key rotated again at once: a successor is
// always made before its own successor is due.
func FuzzRotationPolicy(f *testing.F) {
	for _, seed := range [][3]string{{"P28D", "P7D", "P7D"}, {"P1M", "P21D", "P1M"}, {"P1Y", "P11M", "P300D"}, {"P69D", "P2M", "P2M"}, {"", "P1000Y", "P30D"}, {"PT673H", "PT169H", "PT168H1S"}} {
		f.Add(seed[0], seed[1], seed[2], testStart)
	}
	f.Fuzz(func(t *testing.T, expiry, after, before string, created int64) {
		created = max(0, min(created, maxTime))
		for _, action := range []LifetimeAction{rotateAfter(after), rotateBefore(before), notifyBefore(before)} {
			p, err := newPolicy(SetRotationPolicy{Expiry: expiry, Actions: []LifetimeAction{action}})
			if err != nil {
				continue
			}
			h := &headRecord{Name: "n", Policy: p, Current: versionRecord{Created: created, Key: &keyRecord{}}}
			if expiry != "" {
				d, _ := parseDuration(expiry)
				h.Current.Expires = ptr(d.after(created))
			}
			a, err := h.agenda()
			// The days of a month that is cut short are the slack.
			const least = (minTriggerDays - 3) * day
			if err != nil || a.rotate < created+least || a.notify < created || h.Current.Expires != nil && a.rotate != never && *h.Current.Expires < a.rotate+least {
				t.Fatalf("made at %d under %q, %+v: %+v, %v", created, expiry, action, a, err)
			}
		}
	})
}

func TestRotationPolicyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	w.key("v", "k")
	const (
		expiry  = "attributes.expiryTime must be an ISO 8601 duration of at least 28 days, such as P90D or P1Y."
		after   = "timeAfterCreate must be an ISO 8601 duration of at least 7 days, such as P90D or P18M."
		before  = "timeBeforeExpiry must be an ISO 8601 duration of at least 7 days, such as P30D."
		types   = "the action.type of each of the lifetimeActions must be Rotate or Notify."
		tooLate = "timeAfterCreate must be at least 7 days shorter than attributes.expiryTime."
		tooSoon = "timeBeforeExpiry of the action Rotate must be at least 7 days shorter than attributes.expiryTime."
		either  = "must have either timeAfterCreate or timeBeforeExpiry."
	)
	before28 := w.dump()
	for _, tt := range []struct {
		expiry  string
		actions []LifetimeAction
		want    string
	}{
		{"P27D", nil, expiry},
		{"P27DT23H59M59S", nil, expiry},
		{"28", nil, expiry},
		{"-P90D", nil, expiry},
		{"P1001Y", nil, expiry},
		{strings.Repeat("9", 100), nil, expiry},
		{"", []LifetimeAction{rotateAfter("P6DT23H59M59S")}, after},
		{"", []LifetimeAction{rotateAfter("a week")}, after},
		{"P28D", []LifetimeAction{rotateAfter("P22D")}, tooLate},
		{"P1M", []LifetimeAction{rotateAfter("P22D")}, tooLate}, // February
		{"P1Y", []LifetimeAction{rotateAfter("P12M")}, tooLate},
		{"P28D", []LifetimeAction{rotateBefore("P22D")}, tooSoon},
		{"P90D", []LifetimeAction{rotateBefore("P3M")}, tooSoon},
		{"P90D", []LifetimeAction{rotateBefore("P6D")}, before},
		{"P90D", []LifetimeAction{rotateBefore("30D")}, before},
		{"", []LifetimeAction{rotateBefore("P30D")}, "timeBeforeExpiry of the action Rotate needs attributes.expiryTime. Set it, or use timeAfterCreate."},
		{"P90D", []LifetimeAction{notifyBefore("P6D")}, before},
		{"P90D", []LifetimeAction{notifyBefore("P")}, before},
		{"P90D", []LifetimeAction{{Type: ActionNotify, AfterCreate: "P30D"}}, "the trigger of the action Notify must be timeBeforeExpiry."},
		{"P90D", []LifetimeAction{{Type: "rotate"}}, "the trigger of the action Rotate " + either},
		{"P90D", []LifetimeAction{{"Rotate", "P30D", "P30D"}}, "the trigger of the action Rotate " + either},
		{"P90D", []LifetimeAction{{Type: "Notify"}}, "the trigger of the action Notify " + either},
		{"", []LifetimeAction{{Type: "Email", BeforeExpiry: "P30D"}}, types},
		{"", []LifetimeAction{{BeforeExpiry: "P30D"}}, types},
		{"", []LifetimeAction{rotateAfter("P30D"), rotateAfter("P40D")}, "lifetimeActions has more than one action of type Rotate. Give at most one Rotate and one Notify."},
		{"", []LifetimeAction{notifyBefore("P30D"), rotateAfter("P30D"), {"notify", "", "P40D"}},
			"lifetimeActions has more than one action of type Notify. Give at most one Rotate and one Notify."},
	} {
		_, err := w.svc.SetRotationPolicy(w.ctx(), call("v"), "k", SetRotationPolicy{Expiry: tt.expiry, Actions: tt.actions})
		refused{fault.Invalid, "BadParameter", "", "The key rotation policy is not valid: " + tt.want}.check(t, err)
	}
	if diff := sameRecords(before28, w.dump()); diff != nil {
		t.Error(diff)
	}
	// The least and the most that is allowed.
	for _, tt := range []SetRotationPolicy{
		{"P28D", []LifetimeAction{rotateAfter("P7D"), notifyBefore("P7D")}},
		{"P28D", []LifetimeAction{rotateAfter("P21D")}},
		{"P1M", []LifetimeAction{rotateAfter("P21D")}},
		{"P28D", []LifetimeAction{rotateBefore("P21D")}},
		{"P28D", []LifetimeAction{rotateBefore("P7D")}},
		{"PT672H", []LifetimeAction{rotateBefore("P1W")}},
		{"P1000Y", []LifetimeAction{rotateAfter("P999Y")}},
		{"", []LifetimeAction{rotateAfter("P1000Y")}},
		{"P2M", []LifetimeAction{rotateBefore("P1M")}},
	} {
		w.setPolicy("v", "k", tt.Expiry, tt.Actions...)
	}
	for _, name := range []string{"nobody", "k2"} {
		_, err := w.svc.SetRotationPolicy(w.ctx(), call("v"), name, SetRotationPolicy{})
		notFound("key", name).check(t, err)
		_, err = w.svc.GetRotationPolicy(w.ctx(), call("v"), name)
		notFound("key", name).check(t, err)
	}
}
