package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var readTests = []test{
	{"GetKeepsTheOrderOfKeys", testGetOrder},
	{"GetOfAbsentKeys", testGetAbsent},
	{"GetOfNoKeys", testGetNone},
	{"GetIsExact", testGetExact},
	{"EmptyValueExists", testEmptyValue},
	{"AnyBytesInKeysAndValues", testAnyBytes},
	{"ScanIsInByteOrder", testScanOrder},
	{"ScanKeepsToTheRange", testScanRange},
	{"ScanOfAnEmptyRange", testScanEmptyRange},
	{"ScanStopsAtTheLimit", testScanLimit},
	{"ScanGivesTheRecordsOfGet", testScanRecords},
}

func testGetOrder(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "c", "3")
	keys := []string{"c", "a", "c", "b"}
	want := []string{"3", "1", "3", "2"}
	for i, r := range mustGet(t, s, keys...) {
		if string(r.Value) != want[i] {
			t.Errorf("View: record %d of %q is %q, want %q", i, keys, r.Value, want[i])
		}
	}
	mustUpdate(t, s, func(tx store.Tx) error {
		records, err := tx.Get(byteKeys(keys...)...)
		if err != nil {
			return err
		}
		for i, r := range records {
			if string(r.Value) != want[i] {
				t.Errorf("Tx: record %d of %q is %q, want %q", i, keys, r.Value, want[i])
			}
		}
		return nil
	})
}

func testGetAbsent(t *testing.T, s store.Store) {
	wantAbsent(t, "in an empty store", mustGet(t, s, "a")[0])
	mustPut(t, s, "b", "2")
	records := mustGet(t, s, "a", "b", "c")
	wantAbsent(t, "before a record", records[0])
	if string(records[1].Value) != "2" || !records[1].Exists() {
		t.Errorf("between absent ones: %+v", records[1])
	}
	wantAbsent(t, "behind a record", records[2])
	mustUpdate(t, s, func(tx store.Tx) error {
		records, err := tx.Get([]byte("a"), []byte("b"))
		if err != nil {
			return err
		}
		wantAbsent(t, "in a Tx", records[0])
		if !records[1].Exists() {
			t.Errorf("beside an absent one in a Tx: %+v", records[1])
		}
		return nil
	})
}

func testGetNone(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1")
	if got := mustGet(t, s); len(got) != 0 {
		t.Errorf("View: %d records", len(got))
	}
	mustUpdate(t, s, func(tx store.Tx) error {
		got, err := tx.Get()
		if len(got) != 0 {
			t.Errorf("Tx: %d records", len(got))
		}
		return err
	})
}

// A record is found under its own key only, not under a prefix of it, an
// extension, or another spelling.
func testGetExact(t *testing.T, s store.Store) {
	mustPut(t, s, "ab", "1")
	for _, key := range []string{"a", "ab\x00", "abc", "AB", "\x00ab"} {
		wantAbsent(t, fmt.Sprintf("%q", key), mustGet(t, s, key)[0])
	}
}

func testEmptyValue(t *testing.T, s store.Store) {
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := tx.Get([]byte("empty"), []byte("nil")); err != nil {
			return err
		}
		tx.Put([]byte("empty"), []byte{})
		tx.Put([]byte("nil"), nil)
		return nil
	})
	for i, r := range mustGet(t, s, "empty", "nil") {
		if !r.Exists() || len(r.Value) != 0 {
			t.Errorf("record %d: revision %d and %d bytes, want a record of no bytes", i, r.Revision, len(r.Value))
		}
	}
	wantStore(t, s, "empty", "", "nil", "")
}

// awkward are keys that an engine could mistake for its own, cut short, or put
// in the wrong order, in the order of their bytes.
var awkward = []string{
	"\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "\x02a\x00\x01", "\x02a\x00\x01\x02", "/", "LOCK", "\\",
	"a", "a\x00", "a\x00\x00", "a\x01", "a ", "aa", "ab", "b", "rev", "\x7f", "\x80", "\xc3\x28", "\xfe\xff", "\xff", "\xff\x00", "\xff\xfe",
}

func putAwkward(t *testing.T, s store.Store) {
	t.Helper()
	var pairs []string
	// Backwards, so that nothing is in order by having come in order.
	for _, key := range slices.Backward(awkward) {
		pairs = append(pairs, key, "value of "+key)
	}
	mustPut(t, s, pairs...)
}

func testAnyBytes(t *testing.T, s store.Store) {
	putAwkward(t, s)
	for i, r := range mustGet(t, s, awkward...) {
		if want := "value of " + awkward[i]; string(r.Value) != want {
			t.Errorf("under %q: %q, want %q", awkward[i], r.Value, want)
		}
	}
	value := make([]byte, 256)
	for i := range value {
		value[i] = byte(i)
	}
	mustPut(t, s, "a", string(value))
	if got := mustGet(t, s, "a")[0].Value; !bytes.Equal(got, value) {
		t.Errorf("a value of all bytes came back as %q", got)
	}
}

func testScanOrder(t *testing.T, s store.Store) {
	putAwkward(t, s)
	want := slices.Clone(awkward)
	slices.Sort(want)
	var got []string
	for _, e := range mustScan(t, s, everything, store.MaxScan) {
		got = append(got, string(e.Key))
		if string(e.Value) != "value of "+string(e.Key) {
			t.Errorf("the entry of %q has the value %q", e.Key, e.Value)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("keys %q\nwant %q", got, want)
	}
}

func testScanRange(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "b\x00", "3", "c", "4")
	for _, tc := range []struct {
		name       string
		start, end string
		want       []string
	}{
		{"start is in, end is not", "b", "c", []string{"b", "2", "b\x00", "3"}},
		{"end between keys", "a", "b\x00", []string{"a", "1", "b", "2"}},
		{"start between keys", "aa", "bb", []string{"b", "2", "b\x00", "3"}},
		{"one key", "b", "b\x00", []string{"b", "2"}},
		{"no start", "", "b", []string{"a", "1"}},
		{"beyond the last", "c\x00", "\xff", nil},
		{"before the first", "", "a", nil},
		{"a hole", "b\x01", "c", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantEntries(t, mustScan(t, s, span(tc.start, tc.end), 10), tc.want...)
		})
	}
}

// emptyRanges hold no key although there are keys between and at their bounds.
var emptyRanges = []store.Range{
	{},
	span("", ""),
	span("b", "b"),
	span("c", "a"),
	{Start: []byte("a")},
	span("b\x00", "b"),
}

func testScanEmptyRange(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "c", "3")
	for _, r := range emptyRanges {
		if got := mustScan(t, s, r, 10); len(got) != 0 {
			t.Errorf("from %q to %q: %d entries", r.Start, r.End, len(got))
		}
	}
}

func testScanLimit(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "c", "3")
	wantEntries(t, mustScan(t, s, everything, 1), "a", "1")
	wantEntries(t, mustScan(t, s, everything, 2), "a", "1", "b", "2")
	wantEntries(t, mustScan(t, s, everything, 3), "a", "1", "b", "2", "c", "3")
	wantEntries(t, mustScan(t, s, everything, 4), "a", "1", "b", "2", "c", "3")
	wantEntries(t, mustScan(t, s, span("b", "c"), 1), "b", "2")
}

func testScanRecords(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1")
	mustPut(t, s, "b", "2")
	mustPut(t, s, "a", "3")
	err := s.View(t.Context(), func(v store.View) error {
		records, err := v.Get([]byte("a"), []byte("b"))
		if err != nil {
			return err
		}
		entries, err := v.Scan(everything, 10)
		if err != nil {
			return err
		}
		wantEntries(t, entries, "a", "3", "b", "2")
		for i, e := range entries {
			wantRecord(t, string(e.Key), e.Record, string(records[i].Value), records[i].Revision)
		}
		return nil
	})
	wantErr(t, "View", err, nil)
}
