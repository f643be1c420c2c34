package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var modelTests = []test{
	{"RandomOperations", testModel},
}

// seedVariable is the environment variable that repeats a model test.
const seedVariable = "STORETEST_SEED"

const modelSteps = 400

// model compares a store with a map, step by step.
type model struct {
	t       *testing.T
	s       store.Store
	rng     *rand.Rand
	records map[string]modelRecord
	seen    revisions
	puts    int
}

type modelRecord struct {
	value string
	// state names what was put, so that two puts of one value differ.
	state string
	// revision is zero until the record has been read.
	revision store.Revision
}

func testModel(t *testing.T, s store.Store) {
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("to repeat: %s=%d", seedVariable, seed)
	m := &model{
		t: t, s: s, rng: rand.New(rand.NewPCG(seed, 0)), records: map[string]modelRecord{}, seen: revisions{},
	}
	for step := range modelSteps {
		if m.rng.IntN(3) == 0 {
			m.view()
		} else {
			m.update()
		}
		if t.Failed() {
			t.Fatalf("in step %d", step)
		}
	}
}

// key is one of few, so that operations meet, and most are prefixes of others.
func (m *model) key() string {
	const alphabet = "\x00\x01ab\xff"
	key := make([]byte, 1+m.rng.IntN(3))
	for i := range key {
		key[i] = alphabet[m.rng.IntN(len(alphabet))]
	}
	return string(key)
}

func (m *model) span() (start, end string) {
	start, end = m.key(), m.key()
	if start > end && m.rng.IntN(8) != 0 {
		start, end = end, start
	}
	return start, end
}

// value has any length up to some blocks, mostly a short one.
func (m *model) value() string {
	value := make([]byte, m.rng.IntN(1<<m.rng.IntN(14)))
	for i := range value {
		value[i] = byte(m.rng.Uint32())
	}
	return string(value)
}

func (m *model) view() {
	err := m.s.View(m.t.Context(), func(v store.View) error {
		for range 1 + m.rng.IntN(3) {
			if err := m.compareScan(v); err != nil {
				return err
			}
			keys := []string{m.key(), m.key(), m.key()}
			records, err := v.Get(byteKeys(keys...)...)
			if err != nil {
				return err
			}
			for i, r := range records {
				m.compare(keys[i], r)
			}
		}
		return nil
	})
	wantErr(m.t, "View", err, nil)
}

func (m *model) compareScan(v store.View) error {
	start, end := m.span()
	limit := 1 + m.rng.IntN(20)
	var want []string
	for key := range m.records {
		if start <= key && key < end {
			want = append(want, key)
		}
	}
	slices.Sort(want)
	want = want[:min(limit, len(want))]
	entries, err := v.Scan(span(start, end), limit)
	if err != nil {
		return err
	}
	var got []string
	for _, e := range entries {
		got = append(got, string(e.Key))
		m.compare(string(e.Key), e.Record)
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("Scan from %q to %q of %d: keys %q, want %q", start, end, limit, got, want)
	}
	return nil
}

// compare compares a record with the model's, and learns its revision.
func (m *model) compare(key string, got store.Record) {
	want, ok := m.records[key]
	if !ok {
		wantAbsent(m.t, fmt.Sprintf("%q", key), got)
		return
	}
	if string(got.Value) != want.value {
		m.t.Errorf("%q: a value of %d bytes, want one of %d bytes", key, len(got.Value), len(want.value))
	}
	if want.revision != 0 && want.revision != got.Revision {
		m.t.Errorf("%q: revision %d, and it was %d", key, got.Revision, want.revision)
	}
	m.seen.note(m.t, got.Revision, want.state)
	want.revision = got.Revision
	m.records[key] = want
}

// modelOp is one step of an update, chosen before it as the contract asks.
type modelOp struct {
	kind             int
	key, end, value  string
	expected         modelRecord // of a get
	there            bool        // whether the get finds a record
	replacedRevision store.Revision
}

const (
	modelGet = iota
	modelPut
	modelDelete
	modelDeleteRange
	modelKinds
)

var errModelAbort = errors.New("given up")

func (m *model) update() {
	ops, after := m.plan()
	abort := m.rng.IntN(6) == 0
	err := update(m.t.Context(), m.s, func(tx store.Tx) error {
		if _, err := tx.Get([]byte("owner")); err != nil {
			return err
		}
		for _, o := range ops {
			if err := m.apply(tx, o); err != nil {
				return err
			}
		}
		if abort {
			return errModelAbort
		}
		return nil
	})
	if abort {
		wantErr(m.t, "Update", err, errModelAbort)
		return
	}
	wantErr(m.t, "Update", err, nil)
	m.records = after
}

// plan chooses the steps of an update and works out what they read and leave.
func (m *model) plan() (ops []modelOp, after map[string]modelRecord) {
	after = map[string]modelRecord{}
	for key, r := range m.records {
		after[key] = r
	}
	for range m.rng.IntN(12) {
		o := modelOp{kind: m.rng.IntN(modelKinds), key: m.key()}
		switch o.kind {
		case modelGet:
			o.expected, o.there = after[o.key]
			o.replacedRevision = m.records[o.key].revision
		case modelPut:
			o.value = m.value()
			m.puts++
			after[o.key] = modelRecord{value: o.value, state: fmt.Sprintf("put %d of %q", m.puts, o.key)}
		case modelDelete:
			delete(after, o.key)
		case modelDeleteRange:
			o.key, o.end = m.span()
			for key := range after {
				if o.key <= key && key < o.end {
					delete(after, key)
				}
			}
		}
		ops = append(ops, o)
	}
	return ops, after
}

func (m *model) apply(tx store.Tx, o modelOp) error {
	switch o.kind {
	case modelPut:
		tx.Put([]byte(o.key), []byte(o.value))
	case modelDelete:
		tx.Delete([]byte(o.key))
	case modelDeleteRange:
		tx.DeleteRange(span(o.key, o.end))
	case modelGet:
		records, err := tx.Get([]byte(o.key))
		if err != nil {
			return err
		}
		got := records[0]
		if !o.there {
			wantAbsent(m.t, fmt.Sprintf("%q in a Tx", o.key), got)
			return nil
		}
		if string(got.Value) != o.expected.value {
			m.t.Errorf("%q in a Tx: a value of %d bytes, want one of %d bytes", o.key, len(got.Value), len(o.expected.value))
		}
		if o.replacedRevision != 0 && got.Revision != o.replacedRevision {
			m.t.Errorf("%q in a Tx: revision %d, want %d", o.key, got.Revision, o.replacedRevision)
		}
	}
	return nil
}
