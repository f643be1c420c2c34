package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/tuple"
)

// contractStore holds a service to the contract of store.Store: it runs the
// function of every update once for nothing and then for good, and wants every
// write to have the vault and the object's head among the update's reads.
type contractStore struct {
	store.Store
	t testing.TB
	// between, if not nil, is called once between the two.
	between func()
}

var errDiscarded = errors.New("discarded")

func (s *contractStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	once := func(after error) error {
		return s.Store.Update(ctx, func(tx store.Tx) error {
			spy := &contractTx{Tx: tx, read: map[string]bool{}}
			if err := fn(spy); err != nil {
				return err
			}
			spy.check(s.t)
			return after
		})
	}
	if err := once(errDiscarded); !errors.Is(err, errDiscarded) {
		return err
	}
	if between := s.between; between != nil {
		s.between = nil
		between()
	}
	return once(nil)
}

type contractTx struct {
	store.Tx
	read    map[string]bool
	written [][]byte
}

func (x *contractTx) Get(keys ...[]byte) ([]store.Record, error) {
	for _, key := range keys {
		x.read[string(key)] = true
	}
	return x.Tx.Get(keys...)
}

func (x *contractTx) Put(key, value []byte) {
	x.written = append(x.written, key)
	x.Tx.Put(key, value)
}

func (x *contractTx) Delete(key []byte) {
	x.written = append(x.written, key)
	x.Tx.Delete(key)
}

func (x *contractTx) DeleteRange(r store.Range) {
	// A range begins with its owner's key and the tag of one element more.
	x.written = append(x.written, r.Start[:len(r.Start)-1])
	x.Tx.DeleteRange(r)
}

func (x *contractTx) check(t testing.TB) {
	for _, key := range x.written {
		e, err := tuple.Decode(key)
		if err != nil {
			t.Errorf("a write of the key %q: %v", key, err)
			continue
		}
		if e[0].String == "audit" {
			continue
		}
		// v/<id>/<area>/<kind>/<name>..., or due/<unix>/<id>/<kind>/<name> and
		// lifetime/... likewise.
		id := e[1].String
		if e[0].String == "due" || e[0].String == "lifetime" {
			id = e[2].String
		}
		if len(e) < 5 || kindOf(e[3].String) == nil {
			t.Errorf("a write of the key %q", key)
			continue
		}
		k, name := kindOf(e[3].String), e[4].String
		head := x.read[string(k.key(id, live, name))] || x.read[string(k.key(id, dead, name))]
		if !head || !x.read[string(catalog.VaultKey(id))] {
			t.Errorf("%q is written and its owner not read", key)
		}
	}
}

// hookStore calls before ahead of the next update, once: what it does comes
// between a change's plan and its commit.
type hookStore struct {
	store.Store
	before func()
}

func (s *hookStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	return s.Store.Update(ctx, fn)
}

// brokenStore refuses updates while fail says so.
type brokenStore struct {
	store.Store
	fail func() error
}

func (s *brokenStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return s.fail()
	})
}

// countingStore counts round trips and transactions.
type countingStore struct {
	store.Store
	views, updates, reads atomic.Int64
}

func (s *countingStore) View(ctx context.Context, fn func(store.View) error) error {
	s.views.Add(1)
	return s.Store.View(ctx, func(v store.View) error { return fn(countingView{v, s}) })
}

func (s *countingStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	s.updates.Add(1)
	return s.Store.Update(ctx, func(tx store.Tx) error { return fn(countingTx{tx, s}) })
}

type countingView struct {
	store.View
	s *countingStore
}

func (v countingView) Get(keys ...[]byte) ([]store.Record, error) {
	v.s.reads.Add(1)
	return v.View.Get(keys...)
}

func (v countingView) Scan(r store.Range, limit int) ([]store.Entry, error) {
	v.s.reads.Add(1)
	return v.View.Scan(r, limit)
}

type countingTx struct {
	store.Tx
	s *countingStore
}

func (x countingTx) Get(keys ...[]byte) ([]store.Record, error) {
	x.s.reads.Add(1)
	return x.Tx.Get(keys...)
}

// A read is one view and a change one update after one view, whatever they do;
// once the vault is known, each reads in one round trip, and a list scans
// besides. Only making a key looks twice, so that none is made in vain, and so
// does restoring, which knows the name only once it has opened the blob. A release
// verifies a token in between. A backup reads the bodies once it knows the versions.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	for _, op := range testOperations {
		t.Run(op.audit, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vault("v")
			s := &countingStore{Store: w.store}
			w.svc = w.node(s)
			w.prepare("v", op.kind(), "obj", op.state)
			if op.state == active && op.kind() == secretKind {
				// Who has just read it knows the current version.
				must(w.svc.GetSecret(w.ctx(), call("v"), "obj", ""))(t)
			}
			if op.usesKey() || op.method == "ReleaseKey" {
				must(w.svc.GetKey(w.ctx(), call("v"), "obj", ""))(t)
			}
			s.views.Store(0)
			s.updates.Store(0)
			s.reads.Store(0)
			if _, err := op.run(w, call("v"), "obj"); err != nil {
				t.Fatal(err)
			}
			views, updates, reads := int64(1), int64(0), int64(1)
			switch {
			case op.method == "CreateKey", op.method == "ImportKey", op.method == "RotateKey", strings.HasPrefix(op.method, "Restore"):
				views, updates, reads = 2, 1, 3
			case op.method == "ReleaseKey":
				views, reads = 2, 2
			case strings.HasPrefix(op.method, "Backup"):
				reads = 3
			case op.changes:
				updates, reads = 1, 2
			case op.lists():
				reads = 2
			}
			if s.views.Load() != views || s.updates.Load() != updates || s.reads.Load() != reads {
				t.Errorf("%d views, %d updates, %d reads; want %d, %d, %d",
					s.views.Load(), s.updates.Load(), s.reads.Load(), views, updates, reads)
			}
		})
	}
}

// No key is made in vain: whoever may not have one is turned away in the first
// look, before the work.
func TestNoKeyIsMadeInVain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	w.prepare("v", keyKind, "gone", deleted)
	s := &countingStore{Store: w.store}
	svc := w.node(s)
	for name, make := range map[string]func() error{
		"a caller without permission": func() error { _, err := svc.CreateKey(w.ctx(), user("v"), "k", newECKey); return err },
		"a name that is deleted":      func() error { _, err := svc.CreateKey(w.ctx(), call("v"), "gone", newECKey); return err },
		"an HSM that is not there": func() error {
			_, err := svc.CreateKey(w.ctx(), call("v"), "k", CreateKey{Spec: newECKey.Spec, HSM: true})
			return err
		},
	} {
		s.views.Store(0)
		if err := make(); err == nil || s.views.Load() != 1 || s.updates.Load() != 0 {
			t.Errorf("%s: %v, after %d views and %d updates", name, err, s.views.Load(), s.updates.Load())
		}
	}
}

// What a change that failed has planned is not what readers are shown: plans work
// on copies of what is cached.
func TestFailedChangesAreNotCached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	in := newSecret("x")
	in.ContentType, in.Tags = ptr("a"), map[string]string{"k": "v"}
	must(w.svc.SetSecret(w.ctx(), call("v"), "n", in))(t)
	must(w.svc.CreateKey(w.ctx(), call("v"), "n", CreateKey{Spec: newECKey.Spec, Tags: in.Tags}))(t)
	broken := errors.New("disk on fire")
	svc := w.node(&brokenStore{w.store, func() error { return broken }})
	look := func() string {
		key := must(svc.GetKey(w.ctx(), call("v"), "n", ""))(t)
		secret := must(svc.GetSecret(w.ctx(), call("v"), "n", ""))(t)
		return fmt.Sprintf("%+v %v, %+v %s %s", key.Object, key.Ops, secret.Object, *secret.ContentType, secret.Value.Reveal())
	}
	before := look()
	changed := setting{Tags: map[string]string{"l": "w"}, Attributes: Attributes{Enabled: ptr(false), NotBefore: ptr(int64(1)), Expires: ptr(int64(2))}}
	for name, change := range map[string]func() error{
		"set": func() error { _, err := svc.SetSecret(w.ctx(), call("v"), "n", newSecret("y")); return err },
		"update the secret": func() error {
			_, err := svc.UpdateSecret(w.ctx(), call("v"), "n", "", UpdateSecret{ContentType: ptr("b"), Tags: changed.Tags, Attributes: changed.Attributes})
			return err
		},
		"delete the secret": func() error { _, err := svc.DeleteSecret(w.ctx(), call("v"), "n"); return err },
		"create":            func() error { _, err := svc.CreateKey(w.ctx(), call("v"), "n", newECKey); return err },
		"update the key": func() error {
			_, err := svc.UpdateKey(w.ctx(), call("v"), "n", "", UpdateKey{Ops: []string{"verify"}, Tags: changed.Tags, Attributes: changed.Attributes})
			return err
		},
		"delete the key": func() error { _, err := svc.DeleteKey(w.ctx(), call("v"), "n"); return err },
	} {
		if err := change(); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if after := look(); after != before {
			t.Errorf("%s failed, and readers see\n%s, not\n%s", name, after, before)
		}
	}
}

// A database that fails at the commit leaves everything as it was; the caller is
// told, and the audit log says that the operation failed.
func TestFailedCommit(t *testing.T) {
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
			broken := errors.New("disk on fire")
			healthy := w.svc
			w.svc = w.node(&brokenStore{w.store, func() error { return broken }})
			before := w.dump()
			w.audited()
			if _, err := op.run(w, call("v"), "obj"); !errors.Is(err, broken) {
				t.Errorf("got error %v", err)
			}
			if diff := sameRecords(before, w.dump()); diff != nil {
				t.Error(diff)
			}
			records := w.audited()
			if len(records) != 1 || records[0].Operation != op.audit || records[0].Code != "InternalServerError" || records[0].Reason != "" {
				t.Errorf("audited as %+v", records)
			}
			w.svc = healthy
			if _, err := op.run(w, call("v"), "obj"); err != nil {
				t.Errorf("on a database that works: %v", err)
			}
		})
	}
}

// A caller who has gone before an operation begins has changed nothing, and the
// attempt is audited all the same.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	ended, cancel := context.WithCancel(w.ctx())
	cancel()
	before := w.dump()
	_, err := w.svc.SetSecret(ended, call("v"), "obj", newSecret("x"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	if diff := sameRecords(before, w.dump()); diff != nil {
		t.Error(diff)
	}
	if records := w.audited(); len(records) != 1 || records[0].Operation != "SecretSet" || records[0].Code != "InternalServerError" {
		t.Errorf("audited as %+v", records)
	}
}
