package vault

import (
	"context"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Types of lifetime actions.
const (
	ActionRotate = "Rotate"
	ActionNotify = "Notify"
)

// LifetimeAction is done once for every version of a key. One of its durations
// is set.
type LifetimeAction struct {
	Type         string // ActionRotate or ActionNotify; in a request in any case
	AfterCreate  string // ISO 8601, as are all durations of a policy
	BeforeExpiry string
}

// SetRotationPolicy is the request of Service.SetRotationPolicy.
type SetRotationPolicy struct {
	// Expiry is how long a version made by rotation lives; empty for ever.
	Expiry  string
	Actions []LifetimeAction
}

// RotationPolicy says when a key gets a new version by itself and when its expiry
// is announced. Durations are as they were given.
type RotationPolicy struct {
	Name    string // of the key, as it was first created
	Expiry  string
	Actions []LifetimeAction
	// Created and Updated are nil for the default, which holds while no policy
	// was set.
	Created, Updated *int64
}

// Limits of rotation policies, as Azure documents them.
const (
	minExpiryDays  = 28
	minTriggerDays = 7
	// defaultNotify is when the expiry of a version is announced unless a policy
	// says otherwise.
	defaultNotify = "P30D"
)

// policyRecord is the rotation policy in the head of a key.
type policyRecord struct {
	Expiry  string         `json:"expiry,omitempty"`
	Actions []actionRecord `json:"actions"`
	Created int64          `json:"created"`
	Updated int64          `json:"updated"`
}

type actionRecord struct {
	Type         string `json:"type"`
	AfterCreate  string `json:"afterCreate,omitempty"`
	BeforeExpiry string `json:"beforeExpiry,omitempty"`
}

var defaultActions = []actionRecord{{Type: ActionNotify, BeforeExpiry: defaultNotify}}

// GetRotationPolicy returns the rotation policy of a key, or the default.
func (s *Service) GetRotationPolicy(ctx context.Context, call Call, name string) (*RotationPolicy, error) {
	op := keyKind.onName(call, "RotationPolicyGet", access.KeyGetRotationPolicy, name).reads(keyKind.inArea(name, live))
	var got *RotationPolicy
	err := s.read(ctx, op, func(_ store.View, sc catalog.Scope, r *seen) error {
		head, err := s.liveKey(sc, r, name)
		if err == nil {
			got = head.showPolicy()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// SetRotationPolicy replaces the rotation policy of a key. Where the request has
// no Notify action, the default one is added. A trigger whose time has come for
// the current version is acted on soon.
func (s *Service) SetRotationPolicy(ctx context.Context, call Call, name string, in SetRotationPolicy) (*RotationPolicy, error) {
	now := s.now()
	op := keyKind.onName(call, "RotationPolicySet", access.KeySetRotationPolicy, name).reads(keyKind.inArea(name, live))
	policy, err := newPolicy(in)
	op.reject(err)
	return change(ctx, s, op, func(sc catalog.Scope, r *seen) (*effect[*RotationPolicy], error) {
		head, err := s.liveKey(sc, r, name)
		if err != nil {
			return nil, err
		}
		if head.Managed {
			return nil, managedByKeyVault("setrotationpolicy")
		}
		set := *policy
		set.Created, set.Updated = now, now
		if old := head.Policy; old != nil {
			set.Created, set.Updated = old.Created, max(now, old.Updated)
		}
		next := *head
		next.Policy = &set
		e := &effect[*RotationPolicy]{path: op.object}
		if err := e.putLive(sc, keyKind, head, &next); err != nil {
			return nil, err
		}
		e.answer = next.showPolicy()
		return e, nil
	})
}

// liveKey returns the head of a key that is not deleted.
func (s *Service) liveKey(sc catalog.Scope, r *seen, name string) (*headRecord, error) {
	head, err := s.head(sc, r, keyKind, live, name)
	if err != nil {
		return nil, err
	}
	if head == nil {
		return nil, keyKind.notFound(name)
	}
	if head.Current.Key == nil {
		return nil, errRecord
	}
	return head, nil
}

func (h *headRecord) showPolicy() *RotationPolicy {
	p := &RotationPolicy{Name: h.Name}
	if h.Policy != nil {
		p.Expiry, p.Created, p.Updated = h.Policy.Expiry, clone(&h.Policy.Created), clone(&h.Policy.Updated)
	}
	for _, a := range h.lifetimeActions() {
		p.Actions = append(p.Actions, LifetimeAction(a))
	}
	return p
}

func (h *headRecord) lifetimeActions() []actionRecord {
	if h.Policy == nil {
		return defaultActions
	}
	return h.Policy.Actions
}

// newPolicy checks a request and adds what it leaves out.
func newPolicy(in SetRotationPolicy) (*policyRecord, error) {
	p := &policyRecord{Expiry: in.Expiry}
	var expiry *duration
	if in.Expiry != "" {
		d, ok := parseDuration(in.Expiry)
		if !ok || !always(func(created int64) bool { return apart(created, d.after(created), minExpiryDays) }) {
			return nil, invalidPolicy("attributes.expiryTime must be an ISO 8601 duration of at least %d days, such as P90D or P1Y.", minExpiryDays)
		}
		expiry = &d
	}
	seen := map[string]bool{}
	for _, a := range in.Actions {
		record, err := newAction(a, expiry)
		if err != nil {
			return nil, err
		}
		if seen[record.Type] {
			return nil, invalidPolicy("lifetimeActions has more than one action of type %s. Give at most one Rotate and one Notify.", record.Type)
		}
		seen[record.Type] = true
		p.Actions = append(p.Actions, record)
	}
	if !seen[ActionNotify] {
		p.Actions = append(p.Actions, defaultActions...)
	}
	return p, nil
}

// newAction checks an action of a policy whose versions live for expiry, or for
// ever if that is nil.
func newAction(a LifetimeAction, expiry *duration) (actionRecord, error) {
	record := actionRecord(a)
	switch {
	case strings.EqualFold(a.Type, ActionRotate):
		record.Type = ActionRotate
	case strings.EqualFold(a.Type, ActionNotify):
		record.Type = ActionNotify
	default:
		return record, invalidPolicy("the action.type of each of the lifetimeActions must be Rotate or Notify.")
	}
	if (a.AfterCreate == "") == (a.BeforeExpiry == "") {
		return record, invalidPolicy("the trigger of the action %s must have either timeAfterCreate or timeBeforeExpiry.", record.Type)
	}
	if record.Type == ActionNotify && a.AfterCreate != "" {
		return record, invalidPolicy("the trigger of the action Notify must be timeBeforeExpiry.")
	}
	if a.AfterCreate != "" {
		return record, checkAfterCreate(a.AfterCreate, expiry)
	}
	return record, checkBeforeExpiry(record, expiry)
}

func checkAfterCreate(text string, expiry *duration) error {
	d, ok := parseDuration(text)
	if !ok || !always(func(created int64) bool { return apart(created, d.after(created), minTriggerDays) }) {
		return invalidPolicy("timeAfterCreate must be an ISO 8601 duration of at least %d days, such as P90D or P18M.", minTriggerDays)
	}
	if expiry != nil && !always(func(created int64) bool { return apart(d.after(created), expiry.after(created), minTriggerDays) }) {
		return invalidPolicy("timeAfterCreate must be at least %d days shorter than attributes.expiryTime.", minTriggerDays)
	}
	return nil
}

// checkBeforeExpiry lets the expiry be announced at once: so it is by default in
// a policy whose versions live for 30 days or less.
func checkBeforeExpiry(a actionRecord, expiry *duration) error {
	d, ok := parseDuration(a.BeforeExpiry)
	if !ok || !always(func(expires int64) bool { return apart(d.before(expires), expires, minTriggerDays) }) {
		return invalidPolicy("timeBeforeExpiry must be an ISO 8601 duration of at least %d days, such as P30D.", minTriggerDays)
	}
	if a.Type == ActionNotify {
		return nil
	}
	if expiry == nil {
		return invalidPolicy("timeBeforeExpiry of the action Rotate needs attributes.expiryTime. Set it, or use timeAfterCreate.")
	}
	if !always(func(created int64) bool { return apart(created, d.before(expiry.after(created)), minTriggerDays) }) {
		return invalidPolicy("timeBeforeExpiry of the action Rotate must be at least %d days shorter than attributes.expiryTime.", minTriggerDays)
	}
	return nil
}

// apart reports whether a comes at least so many days before b.
func apart(a, b int64, days int) bool { return b-a >= int64(days)*secondsPerDay }

func invalidPolicy(format string, args ...any) error {
	return fault.New(fault.Invalid, "BadParameter", "The key rotation policy is not valid: "+format, args...)
}
