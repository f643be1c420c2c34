package storetest

import (
	"fmt"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var memoryTests = []test{
	{"PutCopies", testPutCopies},
	{"DeleteCopies", testDeleteCopies},
	{"GetKeepsNoKey", testGetKeepsNoKey},
	{"GetGivesItsOwnMemory", testGetOwnMemory},
	{"ScanGivesItsOwnMemory", testScanOwnMemory},
	{"TxGivesItsOwnMemory", testTxOwnMemory},
	{"RecordsOutliveTheView", testRecordsOutlive},
}

// scribble overwrites the slice and what an append to it would reach.
func scribble(b []byte) {
	for i := range b {
		b[i] = '!'
	}
	b = b[:cap(b)]
	for i := range b {
		b[i] = '!'
	}
}

func testPutCopies(t *testing.T, s store.Store) {
	var keys, values [][]byte
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := tx.Get([]byte("owner")); err != nil {
			return err
		}
		for i := range 3 {
			key, value := fmt.Appendf(nil, "key %d", i), fmt.Appendf(nil, "value %d", i)
			tx.Put(key, value)
			if i == 0 {
				scribble(key)
				scribble(value)
			}
			keys, values = append(keys, key), append(values, value)
		}
		return nil
	})
	for i := range keys {
		scribble(keys[i])
		scribble(values[i])
	}
	wantStore(t, s, "key 0", "value 0", "key 1", "value 1", "key 2", "value 2")
}

func testDeleteCopies(t *testing.T, s store.Store) {
	mustPut(t, s, "!", "0", "a", "1", "b", "2", "c", "3")
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := tx.Get([]byte("owner")); err != nil {
			return err
		}
		key, start, end := []byte("a"), []byte("b"), []byte("c")
		tx.Delete(key)
		tx.DeleteRange(store.Range{Start: start, End: end})
		scribble(key)
		scribble(start)
		scribble(end)
		return nil
	})
	wantStore(t, s, "!", "0", "c", "3")
}

func testGetKeepsNoKey(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1")
	mustUpdate(t, s, func(tx store.Tx) error {
		key := []byte("a")
		if _, err := tx.Get(key); err != nil {
			return err
		}
		scribble(key)
		return put(tx, "a", "2")
	})
	err := s.View(t.Context(), func(v store.View) error {
		key := []byte("a")
		if _, err := v.Get(key); err != nil {
			return err
		}
		scribble(key)
		records, err := v.Get([]byte("a"), []byte("!"))
		if err != nil {
			return err
		}
		if string(records[0].Value) != "2" {
			t.Errorf("the record is %q", records[0].Value)
		}
		wantAbsent(t, "the overwritten key", records[1])
		return nil
	})
	wantErr(t, "View", err, nil)
	wantStore(t, s, "a", "2")
}

func testGetOwnMemory(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2")
	err := s.View(t.Context(), func(v store.View) error {
		for range 3 {
			records, err := v.Get(byteKeys("a", "a", "b")...)
			if err != nil {
				return err
			}
			for i, want := range []string{"1", "1", "2"} {
				if string(records[i].Value) != want {
					t.Errorf("record %d is %q, want %q", i, records[i].Value, want)
				}
				scribble(records[i].Value)
			}
		}
		return nil
	})
	wantErr(t, "View", err, nil)
	wantStore(t, s, "a", "1", "b", "2")
}

func testScanOwnMemory(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "c", "3")
	err := s.View(t.Context(), func(v store.View) error {
		for range 3 {
			entries, err := v.Scan(everything, 10)
			if err != nil {
				return err
			}
			if len(entries) != 3 {
				t.Fatalf("%d entries", len(entries))
			}
			for i, want := range []string{"a1", "b2", "c3"} {
				if got := string(entries[i].Key) + string(entries[i].Value); got != want {
					t.Errorf("entry %d is %q, want %q", i, got, want)
				}
				scribble(entries[i].Key)
				scribble(entries[i].Value)
			}
		}
		return nil
	})
	wantErr(t, "View", err, nil)
	wantStore(t, s, "a", "1", "b", "2", "c", "3")
}

func testTxOwnMemory(t *testing.T, s store.Store) {
	mustPut(t, s, "read", "1", "replaced", "2")
	mustUpdate(t, s, func(tx store.Tx) error {
		tx.Put([]byte("written"), []byte("3"))
		tx.Put([]byte("replaced"), []byte("4"))
		for range 3 {
			records, err := tx.Get(byteKeys("read", "replaced", "written")...)
			if err != nil {
				return err
			}
			for i, want := range []string{"1", "4", "3"} {
				if string(records[i].Value) != want {
					t.Errorf("record %d is %q, want %q", i, records[i].Value, want)
				}
				scribble(records[i].Value)
			}
		}
		return nil
	})
	wantStore(t, s, "read", "1", "replaced", "4", "written", "3")
}

func testRecordsOutlive(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2")
	var records []store.Record
	var entries []store.Entry
	err := s.View(t.Context(), func(v store.View) (err error) {
		if records, err = v.Get([]byte("a"), []byte("b")); err != nil {
			return err
		}
		entries, err = v.Scan(everything, 10)
		return err
	})
	wantErr(t, "View", err, nil)
	for range 20 {
		mustPut(t, s, "a", "X", "b", "Y", "c", "Z")
		mustScan(t, s, everything, 10)
	}
	if string(records[0].Value) != "1" || string(records[1].Value) != "2" {
		t.Errorf("records are now %q and %q", records[0].Value, records[1].Value)
	}
	wantEntries(t, entries, "a", "1", "b", "2")
}
