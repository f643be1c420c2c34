package vault

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// lifetimeModel is one key as a reader of the documentation expects it to live.
type lifetimeModel struct {
	version string
	made    int64
	exp     *int64
	off     bool // disabled
	gone    bool // deleted

	// The policy, in days; 0 for what it does not have.
	lives, rotateAfter, rotateBefore, notifyBefore int64
	// The exp that were announced for this version.
	near, expired *int64
}

// due returns what is due at a time, or nothing.
func (m *lifetimeModel) due(now int64) string {
	passed := func(at int64) bool { return at <= now }
	switch {
	case m.gone || m.off:
		return ""
	case m.rotateAfter > 0 && passed(m.made+m.rotateAfter*day), m.rotateBefore > 0 && m.exp != nil && passed(*m.exp-m.rotateBefore*day):
		return rotated
	case m.exp == nil || m.expired != nil && *m.expired == *m.exp:
		return ""
	case passed(*m.exp):
		return expired
	case passed(*m.exp-m.notifyBefore*day) && passed(m.made) && (m.near == nil || *m.near != *m.exp):
		return nearExpiry
	}
	return ""
}

// become makes a version the current one.
func (m *lifetimeModel) become(k *Key) {
	m.version, m.made, m.exp, m.off, m.near, m.expired = k.Version, k.Created, k.Expires, false, nil, nil
}

// Whatever is done to a key in whatever order by two processes, with the clock
// shifted and restarts in between: what the service does by itself is what its
// documentation says, once.
func TestLifetimeModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			runLifetimeModel(t, rand.New(rand.NewPCG(seed, 2)), 250)
		})
	}
}

func runLifetimeModel(t *testing.T, rng *rand.Rand, steps int) {
	w := newWorld(t)
	w.vault("v")
	m := &lifetimeModel{notifyBefore: 30}
	m.become(w.key("v", "k"))
	for i := range steps {
		either := func() *Service {
			if rng.IntN(2) == 0 {
				return w.other
			}
			return w.svc
		}
		m.change(t, w, either(), rng)
		w.audited()
		// Once for each thing that may be due, and once for nothing.
		for range 4 {
			now := w.clock.Now().Unix()
			want := m.due(now)
			s := either()
			if err := s.RunLifetimeActions(w.ctx()); err != nil {
				t.Fatal(err)
			}
			var got string
			for _, r := range w.audited() {
				got += r.Operation
			}
			if got != want {
				t.Fatalf("step %d: done was %q, want %q for %+v at %d", i, got, want, m, now)
			}
			switch want {
			case nearExpiry:
				m.near = m.exp
			case expired:
				m.expired = m.exp
			case rotated:
				k := must(s.GetKey(w.ctx(), call("v"), "k", ""))(t)
				w.audited()
				m.checkSuccessor(t, k, now)
				m.become(k)
			}
		}
	}
}

// checkSuccessor checks a version that rotation has made.
func (m *lifetimeModel) checkSuccessor(t *testing.T, k *Key, now int64) {
	t.Helper()
	made := max(now, m.made)
	var exp *int64
	if m.lives > 0 {
		exp = ptr(made + m.lives*day)
	}
	if k.Version == m.version || k.Created != made || !k.Enabled || !reflect.DeepEqual(k.Expires, exp) {
		t.Fatalf("after %+v at %d comes %+v", m, now, k)
	}
}

// change does something at random.
func (m *lifetimeModel) change(t *testing.T, w *world, s *Service, rng *rand.Rand) {
	t.Helper()
	switch n := rng.IntN(100); {
	case n < 45:
		w.clock.add(rng.Int64N(12 * day))
	case n < 48:
		w.clock.add(rng.Int64N(400 * day))
	case n < 52:
		w.clock.add(-rng.Int64N(40 * day))
	case n < 56:
		w.reopen()
	case m.gone:
		if n < 80 {
			must(s.RecoverKey(w.ctx(), call("v"), "k"))(t)
			m.gone = false
		}
	case n < 62:
		must(s.DeleteKey(w.ctx(), call("v"), "k"))(t)
		m.gone = true
	case n < 66:
		m.become(must(s.CreateKey(w.ctx(), call("v"), "k", newECKey))(t))
	case n < 74:
		exp := m.made + (rng.Int64N(120)-10)*day
		must(s.UpdateKey(w.ctx(), call("v"), "k", "", UpdateKey{Attributes: Attributes{Expires: &exp}}))(t)
		m.exp = &exp
	case n < 82:
		m.off = rng.IntN(3) == 0
		must(s.UpdateKey(w.ctx(), call("v"), "k", "", UpdateKey{Attributes: Attributes{Enabled: ptr(!m.off)}}))(t)
	case n < 86:
		now := w.clock.Now().Unix()
		k, err := s.RotateKey(w.ctx(), call("v"), "k")
		if (err != nil) != m.off {
			t.Fatalf("%v for %+v", err, m)
		}
		if err == nil {
			m.checkSuccessor(t, k, now)
			m.become(k)
		}
	default:
		m.setPolicy(t, w, s, rng)
	}
}

func (m *lifetimeModel) setPolicy(t *testing.T, w *world, s *Service, rng *rand.Rand) {
	t.Helper()
	days := func(n int64) string { return fmt.Sprintf("P%dD", n) }
	var in SetRotationPolicy
	m.lives, m.rotateAfter, m.rotateBefore, m.notifyBefore = 0, 0, 0, 30
	if rng.IntN(3) != 0 {
		m.lives = 28 + rng.Int64N(60)
		in.Expiry = days(m.lives)
	}
	switch room := max(m.lives, 28) - 14; rng.IntN(3) {
	case 0:
		m.rotateAfter = 7 + rng.Int64N(room)
		in.Actions = append(in.Actions, rotateAfter(days(m.rotateAfter)))
	case 1:
		if m.lives > 0 {
			m.rotateBefore = 7 + rng.Int64N(room)
			in.Actions = append(in.Actions, rotateBefore(days(m.rotateBefore)))
		}
	}
	if rng.IntN(2) == 0 {
		m.notifyBefore = 7 + rng.Int64N(60)
		in.Actions = append(in.Actions, notifyBefore(days(m.notifyBefore)))
	}
	must(s.SetRotationPolicy(w.ctx(), call("v"), "k", in))(t)
}
