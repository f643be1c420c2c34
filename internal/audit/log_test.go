package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/logtest"
	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/pebble"
)

// TestLine is the format that other programs read.
func TestLine(t *testing.T) {
	w := newWorld(t)
	w.now = func() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600)) }
	r := audit.Record{
		ID: "overwritten", Time: time.Unix(0, 0), Operation: "SecretGet", Resource: "/subscriptions/s", Object: "secrets/n/v",
		Caller: access.Caller{TenantID: "t", ObjectID: "o", AppID: "a", Issuer: "https://i/", Groups: []string{"g"}},
		Origin: audit.Origin{RequestID: "r", ClientRequestID: "c\n\"", Address: "192.0.2.1", UserAgent: "<ua>", APIVersion: "7.4"},
		Code:   "Forbidden/ForbiddenByPolicy", Reason: "no",
	}
	if err := w.log.Write(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	got := w.sink.lines[0]
	id := strings.TrimPrefix(got, `{"id":"`)[:32]
	want := `{"id":"` + id + `","time":"2030-01-02T02:04:05.6789Z","operation":"SecretGet","resource":"/subscriptions/s","object":"secrets/n/v",` +
		`"origin":{"requestId":"r","clientRequestId":"c\n\"","address":"192.0.2.1","userAgent":"\u003cua\u003e","apiVersion":"7.4"},` +
		`"code":"Forbidden/ForbiddenByPolicy","reason":"no","caller":{"tenantId":"t","objectId":"o","appId":"a","issuer":"https://i/","groups":["g"]}}`
	if got != want {
		t.Errorf("the line is\n%s, want\n%s", got, want)
	}
	if strings.Trim(id, "0123456789abcdef") != "" || fmt.Sprintf("%016x", w.now().UnixMicro()) != id[:16] {
		t.Errorf("id %s does not begin with the time", id)
	}
	read := w.sink.take(t)[0]
	r.ID, r.Time = id, w.now().UTC()
	if !reflect.DeepEqual(read, r) {
		t.Errorf("the line reads as %+v, want %+v", read, r)
	}

	if err := w.log.Write(t.Context(), &audit.Record{Operation: "VaultGet"}); err != nil {
		t.Fatal(err)
	}
	if got, want := w.sink.lines[0], `","time":"2030-01-02T02:04:05.6789Z","operation":"VaultGet","origin":{},"caller":{}}`; !strings.HasSuffix(got, want) {
		t.Errorf("an almost empty record is %s, want %s", got, want)
	}
}

// TestNoPlaceForSecrets: a record has names, times and texts, and no field that
// could take a value, a key or a body. A new field has to be thought about here.
func TestNoPlaceForSecrets(t *testing.T) {
	var fields []string
	var walk func(path string, typ reflect.Type)
	walk = func(path string, typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			switch name := path + f.Name; f.Type {
			case reflect.TypeFor[audit.Origin](), reflect.TypeFor[access.Caller]():
				walk(name+".", f.Type)
			case reflect.TypeFor[string](), reflect.TypeFor[[]string](), reflect.TypeFor[time.Time]():
				fields = append(fields, name)
			default:
				t.Errorf("%s is a %v", name, f.Type)
			}
		}
	}
	walk("", reflect.TypeFor[audit.Record]())
	want := "ID Time Operation Resource Object Caller.TenantID Caller.ObjectID Caller.AppID Caller.Issuer Caller.Groups " +
		"Origin.RequestID Origin.ClientRequestID Origin.Address Origin.UserAgent Origin.APIVersion Code Reason"
	if got := strings.Join(fields, " "); got != want {
		t.Errorf("the fields are %s, want %s", got, want)
	}
}

// TestIDsAreOrdered: within a process ids increase, also when the clock rests or
// goes back; what is written and what is prepared share one order.
func TestIDsAreOrdered(t *testing.T) {
	w := newWorld(t)
	start := time.Unix(1_900_000_000, 0)
	var want []string
	for i, offset := range []time.Duration{0, 0, 0, -time.Hour, time.Microsecond, time.Second, 0} {
		w.now = func() time.Time { return start.Add(offset) }
		op := fmt.Sprint(i)
		if i%2 == 0 {
			if err := w.log.Write(t.Context(), record(op)); err != nil {
				t.Fatal(err)
			}
		} else {
			w.mutate(op)
		}
		want = append(want, op)
	}
	records := w.export()
	slices.SortFunc(records, func(a, b audit.Record) int { return strings.Compare(a.ID, b.ID) })
	if got := operations(records); got != strings.Join(want, " ") {
		t.Errorf("in order of id: %s, want %s", got, want)
	}
}

func TestIDsAreUnique(t *testing.T) {
	w := newWorld(t)
	fixed := time.Unix(1_900_000_000, 0)
	w.now = func() time.Time { return fixed }
	var writing sync.WaitGroup
	for range 8 {
		writing.Go(func() {
			for range 50 {
				if err := w.log.Write(context.Background(), record("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	w.restart() // another process, at the same microsecond
	if err := w.log.Write(t.Context(), record("x")); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, r := range w.sink.take(t) {
		ids[r.ID] = true
	}
	if len(ids) != 401 {
		t.Errorf("%d ids of 401 records", len(ids))
	}
}

// TestWriteBeforeTheAnswer: when Write returns, the sink has the record.
func TestWriteBeforeTheAnswer(t *testing.T) {
	w := newWorld(t)
	if err := w.log.Ready(); err != nil {
		t.Errorf("a new log is not ready: %v", err)
	}
	for _, op := range []string{"SecretGet", "KeyList"} {
		if err := w.log.Write(t.Context(), record(op)); err != nil {
			t.Fatal(err)
		}
		if got := operations(w.sink.take(t)); got != op {
			t.Errorf("after %s the sink has %q", op, got)
		}
	}
	if entries := w.waiting(); len(entries) != 0 {
		t.Errorf("reads wait in the store: %d", len(entries))
	}
}

func TestAFailingSink(t *testing.T) {
	w := newWorld(t)
	w.sink.set(1, false)
	checkUnavailable(t, w.log.Write(t.Context(), record("SecretGet")))
	checkUnavailable(t, w.log.Ready())
	checkUnavailable(t, w.log.Write(t.Context(), record("SecretGet")))
	if n := strings.Count(w.logs.String(), "audit sink failed"); n != 1 {
		t.Errorf("the failure is logged %d times, want once: %s", n, w.logs)
	}
	if !strings.Contains(w.logs.String(), errDiskFull.Error()) {
		t.Errorf("the log does not name the cause: %s", w.logs)
	}
	if got := w.sink.take(t); len(got) != 0 {
		t.Errorf("the sink has %v", got)
	}
}

// TestMutationsAreExported: each record exactly once, in order, over several
// batches, and nothing is left behind.
func TestMutationsAreExported(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 2*store.MaxUpdateWrites + 1 {
		want = append(want, fmt.Sprint("op", i))
	}
	w.mutate(want...)
	entries := w.waiting()
	if len(entries) != len(want) {
		t.Errorf("%d records wait, want %d", len(entries), len(want))
	}
	for _, e := range entries {
		for _, word := range []string{"secrets/name", "tenant", "operation"} {
			if bytes.Contains(e.Value, []byte(word)) {
				t.Errorf("a waiting record shows %q", word)
			}
		}
	}
	records := w.export()
	if got := operations(records); got != strings.Join(want, " ") {
		t.Errorf("exported %s", got)
	}
	if !slices.IsSortedFunc(records, func(a, b audit.Record) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("exported out of the order of ids")
	}
	if want := record("op0"); records[0].Object != want.Object || records[0].Resource != want.Resource || !reflect.DeepEqual(records[0].Caller, want.Caller) {
		t.Errorf("exported %+v", records[0])
	}
	if n := len(w.waiting()); n != 0 {
		t.Errorf("%d records still wait", n)
	}
	if again := w.export(); len(again) != 0 {
		t.Errorf("exported twice: %v", operations(again))
	}
}

// scanned is a store that notes where scans begin.
type scanned struct {
	store.Store
	starts [][]byte
}

type scannedView struct {
	store.View
	of *scanned
}

func (s *scanned) View(ctx context.Context, fn func(store.View) error) error {
	return s.Store.View(ctx, func(v store.View) error { return fn(scannedView{v, s}) })
}

func (v scannedView) Scan(r store.Range, limit int) ([]store.Entry, error) {
	v.of.starts = append(v.of.starts, r.Start)
	return v.View.Scan(r, limit)
}

// TestExportGoesOn: each batch was once looked for from the first record on, over
// all that the batches before it had removed and that the engine still kept as
// removed. While a million secrets were set, an export fell ever further behind,
// and then held up the end of the server for minutes.
func TestExportGoesOn(t *testing.T) {
	w := newWorld(t)
	s := &scanned{Store: w.store.Store}
	w.store.Store = s
	for i := range 3 * store.MaxUpdateWrites {
		w.mutate(fmt.Sprint("op", i))
	}
	if got := len(w.export()); got != 3*store.MaxUpdateWrites {
		t.Errorf("exported %d records", got)
	}
	if len(s.starts) != 4 || !slices.IsSortedFunc(s.starts, bytes.Compare) || bytes.Equal(s.starts[0], s.starts[1]) {
		t.Errorf("the scans begin at %q", s.starts)
	}
	late := w.prepare("late")
	w.mutate("early")
	if got := operations(w.export()); got != "early" {
		t.Errorf("exported %s", got)
	}
	if err := w.commit(late, nil); err != nil {
		t.Fatal(err)
	}
	if got := operations(w.export()); got != "late" {
		t.Errorf("the record with an id before what was exported is exported as %q", got)
	}
}

// TestARecordIsOfItsTransaction: what is not committed is not audited, and what
// ran several times is audited once.
func TestARecordIsOfItsTransaction(t *testing.T) {
	w := newWorld(t)
	refused := errors.New("refused")
	if err := w.commit(w.prepare("Abandoned"), refused); err != refused {
		t.Fatalf("the update ends with %v", err)
	}
	twice := w.prepare("Twice")
	for range 2 { // as an engine runs a function again
		if err := w.commit(twice, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.prepare("NeverCommitted")
	if got := operations(w.export()); got != "Twice" {
		t.Errorf("exported %q, want Twice alone", got)
	}
}

// TestMutationsWaitForTheSink: they are in the store, so the sink's failure
// loses none.
func TestMutationsWaitForTheSink(t *testing.T) {
	for name, fail := range map[string]func(*sink){
		"the first write fails": func(s *sink) { s.set(1, false) },
		"the third write fails": func(s *sink) { s.set(3, false) },
		"the sync fails":        func(s *sink) { s.set(0, true) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mutate("a", "b", "c", "d")
			fail(w.sink)
			if err := w.log.Export(t.Context()); !errors.Is(err, errDiskFull) {
				t.Errorf("Export: %v, want the sink's error", err)
			}
			checkUnavailable(t, w.log.Ready())
			if n := len(w.waiting()); n != 4 {
				t.Errorf("%d records wait, want all 4", n)
			}
			before := operations(w.sink.take(t))
			if !strings.HasPrefix("a b c d", before) {
				t.Errorf("the sink has %q, want a beginning", before)
			}
			w.sink.set(0, false)
			if got := operations(w.export()); got != "a b c d" {
				t.Errorf("then exported %q, want everything in order", got)
			}
		})
	}
}

// TestACrashRepeatsAndNeverLoses ends the process after each step of an export.
func TestACrashRepeatsAndNeverLoses(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range store.MaxUpdateWrites + 10 {
		want = append(want, fmt.Sprint("op", i))
	}
	w.mutate(want...)
	var all []audit.Record
	for _, crash := range []func(){
		func() { w.sink.set(1, false) },                       // before anything was written
		func() { w.sink.set(50, false) },                      // in the middle of a batch
		func() { w.sink.set(0, true) },                        // before it is durable
		func() { w.store.set(errDiskFull) },                   // before it left the store
		func() { w.sink.set(store.MaxUpdateWrites+5, false) }, // in the second batch
	} {
		crash()
		if err := w.log.Export(t.Context()); err == nil {
			t.Fatal("the fault was not met")
		}
		all = append(all, w.sink.take(t)...)
		w.sink.set(0, false)
		w.store.set(nil)
		w.restart()
	}
	all = append(all, w.export()...)
	if len(all) <= len(want) {
		t.Errorf("%d lines: nothing was repeated, so nothing was tested", len(all))
	}
	seen := map[string]string{}
	var first []string
	for _, r := range all {
		if op, repeated := seen[r.ID]; repeated && op != r.Operation {
			t.Errorf("id %s is of %s and of %s", r.ID, op, r.Operation)
		} else if !repeated {
			first = append(first, r.Operation)
		}
		seen[r.ID] = r.Operation
	}
	if !slices.Equal(first, want) {
		t.Errorf("without repetitions: %v, want every record in order", first)
	}
}

// TestMutationsSurviveARestart, with the database on disk and the keyring
// opened again.
func TestMutationsSurviveARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	root, err := seal.EphemeralRoot()
	if err != nil {
		t.Fatal(err)
	}
	start := func() (*world, *pebble.Store) {
		s, err := pebble.Open(pebble.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, store: &faultyStore{Store: s}, sink: &sink{}, logs: &logtest.Buffer{}, now: time.Now}
		if w.ring, err = seal.Open(t.Context(), s, root); err != nil {
			t.Fatal(err)
		}
		w.restart()
		return w, s
	}
	w, s := start()
	w.mutate("KeyCreate", "KeyDelete")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w, s = start()
	defer s.Close()
	w.mutate("KeyPurge")
	if got := operations(w.export()); got != "KeyCreate KeyDelete KeyPurge" {
		t.Errorf("exported %q", got)
	}
}

// TestARecordThatDoesNotOpen is neither dropped nor skipped.
func TestARecordThatDoesNotOpen(t *testing.T) {
	w := newWorld(t)
	w.mutate("a", "b")
	entries := w.waiting()
	err := w.store.Update(t.Context(), func(tx store.Tx) error {
		tx.Put(entries[0].Key, entries[1].Value) // moved
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.log.Export(t.Context()); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("Export: %v, want ErrOpen", err)
	}
	if got := w.sink.take(t); len(got) != 0 || len(w.waiting()) != 2 {
		t.Errorf("exported %q, %d wait", operations(got), len(w.waiting()))
	}
}

// TestExportsTakeTurns: the server's own and another at once write everything
// once.
func TestExportsTakeTurns(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 250 {
		want = append(want, fmt.Sprint("op", i))
	}
	w.mutate(want...)
	var exporting sync.WaitGroup
	for range 4 {
		exporting.Go(func() {
			if err := w.log.Export(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	exporting.Wait()
	if got := operations(w.sink.take(t)); got != strings.Join(want, " ") {
		t.Errorf("exported %s", got)
	}
}

func TestPrepareFails(t *testing.T) {
	w := newWorld(t)
	broken := audit.New(audit.Config{Store: w.store, Sealer: brokenSealer{}, Sink: w.sink, Now: time.Now})
	if _, err := broken.Prepare(record("KeyCreate")); !errors.Is(err, errDiskFull) {
		t.Errorf("Prepare: %v, want the sealer's error", err)
	}
}

type brokenSealer struct{}

func (brokenSealer) Seal(_, _ []byte) ([]byte, error) { return nil, errDiskFull }
func (brokenSealer) Open(_, _ []byte) ([]byte, error) { return nil, errDiskFull }
